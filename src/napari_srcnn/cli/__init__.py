"""Every job without a screen: the commands of ``napari-srcnn``."""

from __future__ import annotations

import contextlib
import logging
import signal
from types import FrameType
from typing import NoReturn

from napari_srcnn.cli.app import app

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point ``napari-srcnn``."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    # What tifffile finds wrong in a file is said by us, in one sentence.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    # A job that a queue or a shutdown ends leaves no half-written file either.
    with contextlib.suppress(ValueError, AttributeError):
        signal.signal(signal.SIGTERM, _terminate)
    app(prog_name="napari-srcnn")


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
