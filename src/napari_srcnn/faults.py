"""Faults: errors that nobody foresaw, the last one of which is kept for whoever reports it.

What is kept says where in this package it happened, and nothing of whose data it happened with: no
paths, no names of files, no values.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import napari_srcnn
from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.models.paths import cache_dir
from napari_srcnn.words import without_names

_logger = logging.getLogger(__name__)
_PACKAGE = "napari_srcnn"
# Errors that Python, torch and numpy word themselves, of types and shapes; a KeyError's text is
# what somebody called something.
_WORDED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    IndexError,
    NameError,
    RuntimeError,
    TypeError,
)
# Whose code names nobody's files when it raises one of these.
_IMPERSONAL = (_PACKAGE, "numpy", "scipy", "torch")
# What may be named as the place of an error: libraries, and no module of a user's own.
_LIBRARIES = {
    *_IMPERSONAL,
    "dask",
    "imagecodecs",
    "magicgui",
    "napari",
    "npe2",
    "PIL",
    "qtpy",
    "skimage",
    "tifffile",
    "typer",
    "vispy",
    "zarr",
}
_MOST_FRAMES = 12

# Of this process, for where no file can be written.
_last: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is kept of an error.

    Attributes
    ----------
    version : str
        This package's.
    time : str
        UTC, in ISO 8601, to the second.
    where : str
        What it was shown in: ``"napari"``, ``"command line"``.
    kind : str
        The error's class, and those of what led to it.
    text : str
        What it says, without names; empty where that could hold some.
    frames : tuple of str
        ``"upscaling.tiles:120 compute"``: module, line and function of this package, the
        outermost first.
    raised_in : str
        The library that raised it.
    """

    version: str
    time: str
    where: str
    kind: str
    text: str = ""
    frames: tuple[str, ...] = ()
    raised_in: str = ""

    def lines(self) -> list[str]:
        """Return it for reading."""
        text = f"{self.kind}: {self.text}" if self.text else self.kind
        outside = [] if self.raised_in in ("", _PACKAGE) else [f"raised in {self.raised_in}"]
        head = f"{self.time}, version {self.version}, {self.where}"
        return [head, text, *self.frames, *outside]


def is_fault(error: BaseException) -> bool:
    """Tell whether an error is a mistake of ours, and not of what was asked for or is there."""
    foreseen = (ValueError, OSError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit)
    # PyTorch's, which is not imported here, and what click ends a command with.
    names = {kind.__name__ for kind in type(error).__mro__}
    return not isinstance(error, foreseen) and not names & {
        "OutOfMemoryError",
        "Exit",
        "Abort",
        "ClickException",
    }


def keep(error: BaseException, where: str) -> None:
    """Keep an error for the next report, if it is a fault of this package's; never raises.

    Parameters
    ----------
    error : BaseException
        With its traceback.
    where : str
        ``"napari"`` or ``"command line"``.
    """
    global _last
    if not is_fault(error):
        return
    fault = _fault(error, where)
    if not fault.frames:
        return
    _last = fault
    try:
        write_bytes(_file(), json.dumps(asdict(fault), indent=1).encode())
    except OSError as failed:
        _logger.info("The fault is not kept: %s", failed)


def last() -> Fault | None:
    """Return the last fault on this machine, or None.

    Raises
    ------
    OSError, ValueError
        If what was kept cannot be read.
    """
    if _last is not None:
        return _last
    try:
        values = json.loads(_file().read_text("utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(values, dict):
        raise ValueError("what was kept of the last error is damaged")
    known = {field.name for field in fields(Fault)}
    texts: dict[str, Any] = {
        name: tuple(map(str, value)) if name == "frames" else str(value)
        for name, value in values.items()
        if name in known
    }
    try:
        return Fault(**texts)
    except TypeError as error:
        raise ValueError("what was kept of the last error is damaged") from error


def _file() -> Path:
    return cache_dir() / "last-fault.json"


def _fault(error: BaseException, where: str) -> Fault:
    frames, raised_in = _frames(error)
    return Fault(
        version=napari_srcnn.__version__,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        where=where,
        kind=" from ".join(type(one).__name__ for one in _chain(error)),
        text=_text(error, raised_in),
        frames=frames,
        raised_in=raised_in,
    )


def _frames(error: BaseException) -> tuple[tuple[str, ...], str]:
    """Return the places in this package that an error went through, and where it is from."""
    found, module = [], ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        root, _, inner = module.partition(".")
        if root == _PACKAGE:
            found.append(f"{inner or root}:{line} {frame.f_code.co_name}")
    root = module.partition(".")[0]
    known = root in _LIBRARIES or root in sys.stdlib_module_names
    return tuple(found[-_MOST_FRAMES:]), root if known else "code of another package"


def _text(error: BaseException, raised_in: str) -> str:
    if not isinstance(error, _WORDED) or raised_in not in _IMPERSONAL:
        return ""
    try:
        return without_names(str(error))
    except Exception:  # an error that cannot even say what it is
        return ""


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and those that led to it."""
    found = [error]
    while (cause := found[-1].__cause__) is not None and cause not in found and len(found) < 5:
        found.append(cause)
    return found
