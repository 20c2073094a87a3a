"""Windows of a source's slices, each pixel read once where memory allows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.stack import Stack
from napari_srcnn.io.file_array import FileArray
from napari_srcnn.upscaling.messages import Index
from napari_srcnn.upscaling.resolve import Plan

# A source plane up to this size is read once and kept; of a larger one, a band of rows at a time.
PLANE_LIMIT = 256 << 20
# So many bytes of planes are kept while what is to be known of a stack is measured.
KEPT_LIMIT = 16 << 20
# One up to this size is read while the one before it is computed.
AHEAD_LIMIT = 64 << 20


class PlaneReader:
    """Reads windows of one slice, each pixel once where what is needed of it fits in memory.

    Parameters
    ----------
    stack : array-like
    index : tuple of int
        The slice's leading index.
    plan : Plan
    rows, columns : slice, optional
        What will be asked for at most; nothing else is read.
    """

    def __init__(
        self,
        stack: Any,
        index: Index,
        plan: Plan,
        *,
        rows: slice | None = None,
        columns: slice | None = None,
    ) -> None:
        self._stack, self._index = stack, index
        height, width = plan.plane
        samples = max(plan.samples, 1)
        self._gray = not plan.samples
        self._needed = rows or slice(0, height)
        self._columns = columns or slice(0, width)
        read_width = self._columns.stop - self._columns.start
        row_bytes = read_width * samples * plan.source_dtype.itemsize
        self._bytes = (self._needed.stop - self._needed.start) * row_bytes
        self._rows = slice(0, 0)
        self._band: NDArray[Any] = np.empty((0,))
        self._coming: Future[NDArray[Any]] | None = None

    def read_ahead(self, pool: ThreadPoolExecutor) -> None:
        """Have another thread read what will be asked for, where that takes little memory."""
        if self._bytes <= AHEAD_LIMIT:
            self._coming = pool.submit(self._read, self._needed)

    def window(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Return pixels (S, h, w)."""
        if not (self._rows.start <= rows.start and rows.stop <= self._rows.stop):
            wanted = self._needed if self._bytes <= PLANE_LIMIT else rows
            coming, self._coming = self._coming, None
            self._band = self._read(wanted) if coming is None else coming.result()
            # Where reading has failed, the next window reads again.
            self._rows = wanted
        top, left = self._rows.start, self._columns.start
        window = self._band[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        return window[None] if self._gray else np.moveaxis(window, -1, 0)

    def _read(self, rows: slice) -> NDArray[Any]:
        return np.asarray(self._stack[(*self._index, rows, self._columns)])


def reads_files(source: Any) -> bool:
    """Tell whether a source is read from a file, by any thread, when it is indexed."""
    return isinstance(source.data if isinstance(source, Stack) else source, FileArray)


class KeptPlanes:
    """A source of which planes that were read stay in memory, up to a bound, while it is measured.

    What is measured looks at some of the same slices. Indexed as its source is: by an int for each
    leading axis, then slices.

    Parameters
    ----------
    source : array-like
    leading : int
        Number of axes before Y and X.
    limit : int
        Bytes of planes that are kept; the others are read as they are asked for.
    """

    def __init__(self, source: Any, leading: int, *, limit: int = KEPT_LIMIT) -> None:
        self._source, self._leading, self._left = source, leading, limit
        self.shape: tuple[int, ...] = tuple(int(n) for n in source.shape)
        self.dtype: np.dtype[Any] = np.dtype(source.dtype)
        self._plane_bytes = math.prod(self.shape[leading:]) * self.dtype.itemsize
        self._kept: dict[Index, NDArray[Any]] = {}

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[Any]:
        index, inner = tuple(map(int, key[: self._leading])), key[self._leading :]
        if index not in self._kept and self._plane_bytes <= self._left and self._is_across(inner):
            self._kept[index] = np.asarray(self._source[(*index, slice(None), slice(None))])
            self._left -= self._plane_bytes
        plane = self._kept.get(index)
        return np.asarray(self._source[key]) if plane is None else plane[inner]

    def _is_across(self, inner: tuple[Any, ...]) -> bool:
        """Tell whether rows and columns reach over all of a plane: all of it is read anyhow."""
        return all(
            (part.start or 0, length if part.stop is None else part.stop) == (0, length)
            for part, length in zip(inner, self.shape[self._leading :], strict=False)
        )


class SourceBlock:
    """A part of a source in memory, indexed as the source is.

    Parameters
    ----------
    pixels : ndarray
    corner : tuple of int
        Where its first pixel lies in the source, along the leading axes, Y and X.
    shape : tuple of int
        Of the source.
    """

    def __init__(self, pixels: NDArray[Any], corner: Sequence[int], shape: Sequence[int]) -> None:
        self._pixels, self._corner = pixels, tuple(corner)
        self.shape, self.dtype = tuple(shape), pixels.dtype

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[Any]:
        moved = (
            slice(part.start - start, part.stop - start)
            if isinstance(part, slice)
            else part - start
            for part, start in zip(key, self._corner, strict=True)
        )
        return self._pixels[tuple(moved)]


def read_block(source: Any, leading: Sequence[range], rows: slice, columns: slice) -> Any:
    """Return what is needed of a source, read at once; the source itself if that is too much.

    Parameters
    ----------
    source : array-like
    leading : sequence of range
        Along each axis before Y and X, steps of one.
    rows, columns : slice
    """
    shape = tuple(int(n) for n in source.shape)
    samples = math.prod(shape[len(leading) + 2 :])
    part = (*(slice(axis.start, axis.stop) for axis in leading), rows, columns)
    pixels = math.prod(axis.stop - axis.start for axis in part) * samples
    if pixels * np.dtype(source.dtype).itemsize > PLANE_LIMIT:
        return source
    return SourceBlock(np.asarray(source[part]), [axis.start for axis in part], shape)
