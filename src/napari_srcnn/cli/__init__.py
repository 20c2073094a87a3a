"""Every job without a screen: the commands of ``napari-srcnn``."""

from __future__ import annotations

import contextlib
import signal
import sys
from types import FrameType
from typing import NoReturn

from napari_srcnn.cli.app import app

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point ``napari-srcnn``."""
    # A list of the commands has nothing to log, and is there sooner without.
    if sys.argv[1:] not in ([], ["-h"], ["--help"]):
        _set_up_logging()
    # A job that a queue or a shutdown ends leaves no half-written file either.
    with contextlib.suppress(ValueError, AttributeError):
        signal.signal(signal.SIGTERM, _terminate)
    app(prog_name="napari-srcnn")


def _set_up_logging() -> None:
    import logging

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    # What tifffile finds wrong in a file is said by us, in one sentence.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
