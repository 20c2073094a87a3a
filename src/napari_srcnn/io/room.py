"""Whether a file can be written where it is wanted, and what is said when it could not."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.image.stack import StackError
from napari_srcnn.words import format_bytes

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_SPARE_BYTES = 2**20  # a disk with less than a plane and this is full: systems keep some for root


def check_target(path: Path, needed: int, *, overwrite: bool) -> None:
    """Raise StackError where a file cannot be written.

    Parameters
    ----------
    path : Path
        The file.
    needed : int
        How many bytes it takes at the least.
    overwrite : bool
        Whether it may replace another one.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise StackError(f"there is no folder {folder} to write {path.name} to")
    if path.is_dir():
        raise StackError(f"{path} is a folder; give the name of a file")
    if path.exists() and not overwrite:
        raise StackError(f"{path} exists already; choose another name or overwrite it")
    check_room(path, needed)


def check_folders(targets: Sequence[Path], inputs: Sequence[Path] = ()) -> None:
    """Raise StackError where one of some small files could not be written, before the long work.

    Parameters
    ----------
    targets : sequence of Path
        The files.
    inputs : sequence of Path
        What none of them may replace.
    """
    for number, target in enumerate(targets):
        folder = target.absolute().parent
        if not folder.is_dir():
            raise StackError(f"There is no folder {folder} to write {target.name} to")
        if target.is_dir():
            raise StackError(f"{target} is a folder; give the name of a file")
        resolved = target.resolve()
        if resolved in {path.resolve() for path in inputs}:
            raise StackError(f"{target} is one of the images; give the name of another file")
        if resolved in {path.resolve() for path in targets[:number]}:
            raise StackError(f"Two things cannot be written to one file, {target}")
        try:
            # What permissions and read-only disks come to is seen by trying.
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise StackError(
                f"{target.name} cannot be written to {folder}: {error.strerror or error}"
            ) from error


def check_room(path: Path, needed: int) -> None:
    """Raise StackError where the folder of `path` is missing or has no room for it."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise StackError(f"there is no folder {folder} to write {path.name} to")
    free = _free_bytes(path)
    if needed > free:
        raise StackError(
            f"{path.name} takes {format_bytes(needed)} and {folder} has only "
            f"{format_bytes(free)} free"
        )


def write_failure(path: Path, error: OSError, piece: int) -> StackError:
    """Return one sentence about a write that failed; `piece` is the bytes of what was written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or (
        # numpy says how much it could write, and not why that was all.
        error.errno is None and _free_bytes(path) < piece + _SPARE_BYTES
    ):
        return StackError(f"{path.name} was not written: the disk is full")
    return StackError(f"{path.name} was not written: {error.strerror or error}")


def _free_bytes(path: Path) -> int:
    """Return how much room there is where a file goes."""
    return shutil.disk_usage(path.absolute().parent).free


def with_ending(path: str | os.PathLike[str], endings: Sequence[str], usual: str) -> Path:
    """Return a path with an ending by which its kind is known.

    Parameters
    ----------
    path : str or path-like
    endings : sequence of str
        Those that do.
    usual : str
        What it gets where it has none of them.

    Raises
    ------
    StackError
        There is a file of the name that it gets, which nobody has been asked about.
    """
    path = Path(path)
    if path.name.lower().endswith(tuple(endings)):
        return path
    named = path.with_name(path.name + usual)
    if named.exists():
        raise StackError(f"{named.name} is there already; give the whole name to replace it")
    return named
