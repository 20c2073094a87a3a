"""The folders that are written to: whether they can be, and how much room they have."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from napari_srcnn.words import count_of, format_bytes

# A folder of a user's own may be called after somebody.
_PLAIN = (".local", ".cache", "Library", "AppData")


def models() -> str:
    """Return what can be said of the folder of the user's own models."""
    from napari_srcnn.models.paths import user_model_dir

    folder = user_model_dir()
    try:
        count = len(list(folder.glob("*.safetensors")))
    except OSError:
        count = 0
    return f"{_state(folder)}{_moved()}, {count_of(count, 'model')} in it"


def measurements() -> str:
    """Return what can be said of the folder of what was measured."""
    from napari_srcnn.models.paths import cache_dir

    return _state(cache_dir()) + _moved()


def temporary() -> str:
    """Return what can be said of the folder for temporary files."""
    return _state(Path(tempfile.gettempdir()))


def current() -> str:
    """Return what can be said of the folder that the program was started in."""
    return _state(Path.cwd())


def shown(folder: Path) -> str:
    """Return where a folder is, without a name that somebody chose.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    str
        ``"~/.cache/napari-srcnn"`` where it is below the home folder and where all installations
        have it; else only whether it is below the home folder.
    """
    try:
        inner = folder.absolute().relative_to(Path.home())
    except (ValueError, RuntimeError, OSError):  # RuntimeError: there is no home folder
        return "outside the home folder"
    if not inner.parts:
        return "~"
    is_plain = inner.parts[0] in _PLAIN and "napari-srcnn" in inner.parts
    return f"~/{inner.as_posix()}" if is_plain else "~/…"


def _state(folder: Path) -> str:
    """Return where a folder is, whether it can be written to and how much room it has."""
    there = folder
    while not there.exists() and there.parent != there:
        there = there.parent
    state = "" if there == folder else "not there yet, "
    try:
        # What permissions and read-only disks come to is seen by trying.
        with tempfile.TemporaryFile(dir=there):
            state += "can be written"
    except OSError as error:
        state += f"CANNOT be written ({error.strerror or type(error).__name__})"
    try:
        room = f", {format_bytes(shutil.disk_usage(there).free)} free"
    except OSError:
        room = ", room unknown"
    return f"{shown(folder)}: {state}{room}"


def _moved() -> str:
    """Return that a variable says where the folder is, where one does."""
    from napari_srcnn.models.paths import HOME_VARIABLE

    return f" ({HOME_VARIABLE} is set)" if os.environ.get(HOME_VARIABLE) else ""
