"""The pixels of an OME-Zarr, read when they are indexed, in the order of the image's axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.io.file_array import FileArray
from napari_srcnn.io.ranges import as_ranges
from napari_srcnn.io.tiff_check import in_one_sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray


class ZarrArray(FileArray):
    """A lazy, read-only array over one level of an image.

    Indexing with integers, slices and an ellipsis reads what is asked for and returns a numpy array
    in native byte order; chunks that are not there hold the fill value. Reading is safe from
    several threads. A pickled array opens the store again where it is unpickled.

    Parameters
    ----------
    path : Path
        The store, for messages.
    array : zarr.Array
        What to read.
    order : tuple of int
        Which of its axes is each axis of the image.
    reopen : callable
        Opens the same array again: called with the arguments that follow it.
    smaller : tuple of ZarrArray
        The further levels of the pyramid, the largest first.
    """

    def __init__(
        self,
        path: Path,
        array: zarr.Array[Any],
        order: tuple[int, ...],
        *,
        reopen: tuple[Callable[..., ZarrArray], tuple[Any, ...]],
        smaller: tuple[ZarrArray, ...] = (),
    ) -> None:
        super().__init__(path, reopen)
        self._array = array
        self._order = order
        self.smaller = smaller
        self.shape: tuple[int, ...] = tuple(int(array.shape[n]) for n in order)
        #: Lengths of what is read and decompressed as one piece.
        self.chunks: tuple[int, ...] = tuple(int(array.chunks[n]) for n in order)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype).newbyteorder("=")

    def close(self) -> None:
        """Close the store; of a zip file, reading afterwards is an error."""
        self._array.store.close()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        wanted, dropped = as_ranges(key, self.shape)
        if 0 in map(len, wanted):
            found = np.empty([len(part) for part in wanted], self.dtype)
        else:
            # zarr knows no steps backwards.
            forwards = [part if part.step > 0 else part[::-1] for part in wanted]
            stored: list[slice] = [slice(None)] * self._array.ndim
            for n, part in zip(self._order, forwards, strict=True):
                stored[n] = slice(part.start, part.stop, part.step)
            with in_one_sentence(self._path, "is damaged or cannot be read"):
                found = np.asarray(self._array[tuple(stored)]).transpose(self._order)
            turned = tuple(slice(None, None, 1 if part.step > 0 else -1) for part in wanted)
            found = np.ascontiguousarray(found[turned], self.dtype)
        return found[tuple(0 if drop else slice(None) for drop in dropped)]
