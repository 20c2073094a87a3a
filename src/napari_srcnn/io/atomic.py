"""Files and folders that take their names when they are whole: written beside, then renamed.

Whoever looks finds the old file or the new one, and after a failure the old one, or none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class PendingFile:
    """A place beside a file to write it to, and how that becomes the file.

    Attributes
    ----------
    target : Path
        The file that there will be.
    path : Path
        Where to write, in the same folder. Its name is short whatever the target's is, which may
        be as long as the file system allows.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = Path(target)
        self.path = _beside(self.target)

    def commit(self) -> None:
        """Give what was written its name, once it is on the disk.

        Raises
        ------
        OSError
            Then nothing has changed; `discard` removes what was written.
        """
        # Renamed before its content is on the disk, a file can be empty after a power cut.
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)

    def discard(self) -> None:
        """Remove what was written."""
        # The disk may be what failed, and there is an error on its way that says so.
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


class PendingFolder:
    """A place beside a folder to write it to, and how that becomes the folder.

    Attributes
    ----------
    target, path : Path
        See `PendingFile`.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = Path(target)
        self.path = _beside(self.target)

    def commit(self) -> None:
        """Give what was written its name; a folder that has it goes.

        Raises
        ------
        OSError
            Then nothing has changed; `discard` removes what was written.
        """
        if not self.target.exists():
            self.path.rename(self.target)
            return
        # A folder that is not empty cannot be replaced at one stroke.
        old = _beside(self.target)
        self.target.rename(old)
        try:
            self.path.rename(self.target)
        except OSError:
            old.rename(self.target)
            raise
        shutil.rmtree(old, ignore_errors=True)

    def discard(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.path, ignore_errors=True)


@contextlib.contextmanager
def replacing(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write a file to, which becomes `target` when the ``with`` block ends well.

    Parameters
    ----------
    target : str or path-like
        Replaced if it exists; left as it was after any exception.

    Yields
    ------
    Path

    Raises
    ------
    OSError
        If the file cannot be put in its place.
    """
    pending = PendingFile(target)
    try:
        yield pending.path
        pending.commit()
    except BaseException:
        pending.discard()
        raise


def write_bytes(target: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Write `data` as the file `target`, all of it or nothing.

    Parameters
    ----------
    target : str or path-like
        Replaced if it exists; its folder is made if need be.
    data : bytes

    Raises
    ------
    OSError
        If there is no room or no permission; what was there before stays.
    """
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as path:
        path.write_bytes(data)


def parts_of(process: int, folder: Path, since: float) -> list[Path]:
    """Return what a process that was killed has left half-written in a folder.

    Parameters
    ----------
    process : int
        Its number.
    folder : Path
    since : float
        When it began, as `time.time` gives it: another one may have had the number before.
    """
    found = []
    for path in folder.glob(f".napari-srcnn-{process:x}-*.part"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime >= since:
                found.append(path)
    return found


def _beside(target: Path) -> Path:
    """Return a path that nothing has, in the same folder."""
    return target.with_name(f".napari-srcnn-{os.getpid():x}-{uuid.uuid4().hex[:12]}.part")
