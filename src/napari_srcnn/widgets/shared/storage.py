"""Where a result lies while it is shown: in memory, or in a temporary file gone with its layer."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from napari_srcnn.models.paths import cache_dir
from napari_srcnn.words import format_bytes

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image
    from numpy.typing import NDArray

_logger = logging.getLogger(__name__)
_IN_MEMORY = ("tmpfs", "ramfs")
# Left free on the disk, for all that is not us.
_MARGIN = 64 << 20
# A store lives as long as its layer, whatever becomes of the widget that made it.
_stores: weakref.WeakKeyDictionary[Any, Storage]


def memory_limit() -> int:
    """Return the bytes that results may take of the main memory: half of what is free."""
    return int(psutil.virtual_memory().available) // 2


def temporary_folder() -> Path:
    """Return a folder on a disk: where the system's own is kept in memory, the user's cache."""
    folder = Path(tempfile.gettempdir()).resolve()
    mounts = {
        Path(part.mountpoint): part.fstype
        for part in psutil.disk_partitions(all=True)
        if part.fstype in _IN_MEMORY
    }
    if not any(mount == folder or mount in folder.parents for mount in mounts):
        return folder
    home = cache_dir()
    home.mkdir(parents=True, exist_ok=True)
    return home


class Storage:
    """An array of zeros to be filled.

    Attributes
    ----------
    array : ndarray
        A `numpy.memmap` where there is a file.
    path : Path or None
        The temporary file.
    """

    def __init__(self, array: NDArray[Any], path: Path | None = None) -> None:
        self.array, self.path = array, path
        if path is not None:
            # At the latest when nobody holds the array any more, or the program ends.
            self._finalizer = weakref.finalize(array, _remove, path)

    def keep_with(self, layer: Image, layers: LayerList) -> None:
        """Remove the file when `layer` is removed from `layers`."""
        if self.path is not None:
            _stores[layer] = self
            layers.events.removed.connect(self._on_removed)

    def discard(self) -> None:
        """Remove the file now."""
        if self.path is not None:
            _remove(self.path)

    def _on_removed(self, event: Any) -> None:
        if _stores.get(event.value) is self:
            self.discard()


_stores = weakref.WeakKeyDictionary()


def _remove(path: Path) -> None:
    # Windows keeps a file that is still mapped; the finalizer comes again.
    with contextlib.suppress(PermissionError):
        path.unlink(missing_ok=True)


def allocate(shape: tuple[int, ...], dtype: np.dtype[Any], *, in_memory: bool) -> Storage:
    """Return an array of zeros, in memory or in a temporary file.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    in_memory : bool

    Raises
    ------
    ValueError
        If the disk has not the space.
    """
    if in_memory:
        return Storage(np.zeros(shape, dtype))
    folder = temporary_folder()
    nbytes = math.prod(shape) * dtype.itemsize
    check_disk(nbytes, folder)
    handle, name = tempfile.mkstemp(prefix="napari-srcnn-", suffix=".raw", dir=folder)
    path = Path(name)
    try:
        _reserve(handle, nbytes)
        array = np.memmap(path, dtype=dtype, mode="r+", shape=shape)
    except (OSError, ValueError) as error:
        _remove(path)
        raise ValueError(
            f"No temporary file of {format_bytes(nbytes)} can be made in {folder}: {error}."
        ) from error
    finally:
        os.close(handle)
    _logger.info("The result of %s lies in %s.", format_bytes(nbytes), path)
    return Storage(array, path)


def check_disk(nbytes: int, folder: Path | None = None) -> None:
    """Raise ValueError where the disk has no space for a result that memory does not hold."""
    folder = temporary_folder() if folder is None else folder
    free = shutil.disk_usage(folder).free
    if nbytes + _MARGIN > free:
        raise ValueError(
            f"The result has {format_bytes(nbytes)}, but {folder} has only {format_bytes(free)} "
            "free; free some space there or set TMPDIR to a folder on a larger disk."
        )


def _reserve(handle: int, nbytes: int) -> None:
    """Make a file of zeros that really has its space: a full disk would kill the program later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, nbytes)
    else:
        os.ftruncate(handle, nbytes)
