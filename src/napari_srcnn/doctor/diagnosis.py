"""The text that a report of an error begins with. What cannot be found out is said to be so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module

from napari_srcnn.words import without_names

__all__ = ["diagnose", "lines"]

#: What is told, in this order: a label, and the module of this room and function that knows it.
#: What loads torch comes last: should that end the program, the rest has been said.
ROWS = (
    ("napari-srcnn", "versions", "own"),
    ("system", "versions", "system"),
    ("Python", "versions", "python"),
    ("in napari", "versions", "window"),
    ("packages", "versions", "packages"),
    ("for other files", "versions", "optional"),
    ("variables", "versions", "variables"),
    ("models", "folders", "models"),
    ("measurements", "folders", "measurements"),
    ("temporary files", "folders", "temporary"),
    ("current folder", "folders", "current"),
    ("readers of .tif", "readers", "readers"),
    ("chosen for .tif", "readers", "preference"),
    ("last error", "machine", "last_error"),
    ("memory", "machine", "memory"),
    ("cores", "machine", "cores"),
    ("NVIDIA driver", "machine", "driver"),
    ("torch", "machine", "torch_build"),
    ("processor", "machine", "processor"),
    ("device", "machine", "devices"),
    ("GPU", "machine", "no_gpu"),
    ("threads", "machine", "threads"),
    ("measured", "machine", "measured"),
)
_WIDTH = max(len(label) for label, _, _ in ROWS) + 2


def diagnose() -> str:
    """Return what a report of an error should begin with, as text to be pasted.

    Versions, folders, readers that compete for ``.tif``, the last unexpected error, memory, device
    and why it is no GPU, threads, what was measured. It holds no names of people, machines or
    files, and no paths but those below the home folder that every installation has.

    Returns
    -------
    str
        Lines of a label and what is known of it.
    """
    return "\n".join(lines())


def lines() -> Iterator[str]:
    """Yield the lines of :func:`diagnose` as they are found out, which takes seconds for some."""
    yield f"napari-srcnn doctor, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    for label, module, name in ROWS:
        said = _said(module, name)
        for number, text in enumerate(said):
            yield f"{label if number == 0 else '':{_WIDTH}}{text}".rstrip()


def _said(module: str, name: str) -> list[str]:
    """Return what a function says, or why it says nothing."""
    try:
        # An installation that is broken, as one without torch, has modules that cannot be loaded.
        found = getattr(import_module(f"{__package__}.{module}"), name)
        return list(_texts(found)) or ["nothing"]
    # Whatever is broken on this machine is what this is for; nothing of it may end the report.
    except (Exception, SystemExit) as error:
        why = without_names(str(error))
        return [f"cannot be found out ({type(error).__name__}{': ' if why else ''}{why})"]


def _texts(found: Callable[[], str | list[str]]) -> list[str]:
    value = found()
    return [value] if isinstance(value, str) else value
