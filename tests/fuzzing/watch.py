"""What a process does while it reads a file: programs begun, names looked up, files opened."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import napari_srcnn

#: The secret that no case may reach; it lies beside the folder of the case's own files.
OUTSIDE = "outside"

# What no file may have done. torch and scipy look up the classes of a pickle by themselves.
_NEVER = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "shutil.rmtree",
    "subprocess.Popen",
    "socket.connect",
    "socket.getaddrinfo",
    "urllib.Request",
    "webbrowser.open",
    "ctypes.dlopen",
)
_OPENED = ("open", "os.listdir", "os.scandir")
_here: Path | None = None
_seen: list[str] = []
_allowed: tuple[str, ...] = ()


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """Yield a list of what was reached for outside of `folder` and of the program's own files."""
    global _here, _allowed
    if not _allowed:
        _allowed = tuple(_programs())
        sys.addaudithook(_hear)
    _seen.clear()
    _here = folder.resolve()
    try:
        yield _seen
    finally:
        _here = None


def _programs() -> Iterator[str]:
    """Yield where programs lie, which load their parts when they need them."""
    yield from sysconfig.get_paths().values()
    yield from site.getsitepackages()
    yield str(Path(__file__).resolve().parents[2])  # this repository
    yield str(Path(napari_srcnn.__file__).resolve().parent)
    yield from ("/proc/", "/sys/", "/dev/null", "/dev/urandom", "/dev/shm/", "/etc/mime.types")
    yield from ("/usr/lib/", "/usr/share/zoneinfo/", "/etc/os-release", "/usr/local/lib/", "/lib/")
    yield str(Path(sys.base_prefix) / "lib")


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _here is None:
        return
    first = arguments[0] if arguments else None
    is_path = isinstance(first, (str, bytes, os.PathLike))
    if event == "ctypes.dlopen" and first is None:  # the program itself
        return
    if event in _NEVER or (event in _OPENED and is_path):
        if _is_ours(first):
            return
        _seen.append(f"{event} {arguments!r:.200}")
        # It is not done, whatever becomes of the exception.
        raise PermissionError(f"{event} of {first!r} was kept from being done")


def _is_ours(path: object) -> bool:
    """Tell whether a path is the case's own or the program's."""
    if not isinstance(path, (str, bytes, os.PathLike)) or _here is None:
        return False
    full = os.path.normpath(Path(os.fsdecode(path)).absolute())
    return full.startswith(str(_here)) or full.startswith(_allowed)
