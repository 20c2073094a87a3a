"""The pixels of a vendor's file, read when they are indexed, a region of a plane at a time."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_srcnn.image.rect import Rect
from napari_srcnn.image.stack import StackError
from napari_srcnn.io.file_array import FileArray
from napari_srcnn.io.ranges import as_ranges
from napari_srcnn.io.tiff_check import in_one_sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Reader(Protocol):
    """What reads regions of an open file; it is called by one thread at a time."""

    #: Of the leading axes, then Y, X, and the samples where they stand last.
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    #: How many axes come before Y, X.
    leading: int

    def region(self, index: tuple[int, ...], box: Rect) -> NDArray[Any]:
        """Return a region of a plane: (Y, X), or (Y, X, S)."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class PlaneArray(FileArray):
    """A lazy, read-only array over one image of a vendor's file.

    Indexing with integers, slices and an ellipsis reads what is asked for and returns a numpy array
    in native byte order. Reading is safe from several threads. A pickled array opens the file again
    where it is unpickled.

    Parameters
    ----------
    path : Path
        The file, for messages.
    reader : Reader
        Closed with this array.
    reopen : callable
        Opens the same array again: called with the arguments that follow it.
    """

    def __init__(
        self,
        path: Path,
        reader: Reader,
        *,
        reopen: tuple[Callable[..., PlaneArray], tuple[Any, ...]],
    ) -> None:
        super().__init__(path, reopen)
        self._reader = reader
        self._lock = threading.RLock()
        self._finalizer = weakref.finalize(self, reader.close)
        self.shape = reader.shape
        self.dtype = reader.dtype.newbyteorder("=")

    def close(self) -> None:
        """Close the file; reading afterwards is an error."""
        with self._lock:
            self._finalizer()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        wanted, dropped = as_ranges(key, self.shape)
        count = self._reader.leading
        rows, columns = wanted[count], wanted[count + 1]
        out = np.empty([len(part) for part in wanted], self.dtype)
        if out.size:
            (y0, y1), (x0, x1) = _span(rows), _span(columns)
            box = Rect(y0=y0, y1=y1, x0=x0, x1=x1)
            inner = (slice(None, None, rows.step), slice(None, None, columns.step))
            samples = tuple(list(part) for part in wanted[count + 2 :])
            for position in np.ndindex(*out.shape[:count]):
                index = tuple(part[n] for part, n in zip(wanted[:count], position, strict=True))
                out[position] = self._region(index, box)[inner + samples]
        return out[tuple(0 if drop else slice(None) for drop in dropped)]

    def _region(self, index: tuple[int, ...], box: Rect) -> NDArray[Any]:
        with self._lock:
            if not self._finalizer.alive:
                raise StackError(f"{self._path.name} has been closed; open it again to read it")
            with in_one_sentence(self._path, f"cannot be read at plane {list(index)}"):
                return self._reader.region(index, box)


def _span(part: range) -> tuple[int, int]:
    """Return the half-open interval that holds all of a non-empty range."""
    return min(part[0], part[-1]), max(part[0], part[-1]) + 1
