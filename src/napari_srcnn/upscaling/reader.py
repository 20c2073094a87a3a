"""Windows of a source's slices, each pixel read once where memory allows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.upscaling.messages import Index
from napari_srcnn.upscaling.resolve import Plan

# A source plane up to this size is read once and kept; of a larger one, a band of rows at a time.
PLANE_LIMIT = 256 << 20


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
        self._whole = (self._needed.stop - self._needed.start) * row_bytes <= PLANE_LIMIT
        self._rows = slice(0, 0)
        self._band: NDArray[Any] = np.empty((0,))

    def window(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Return pixels (S, h, w)."""
        if not (self._rows.start <= rows.start and rows.stop <= self._rows.stop):
            self._rows = self._needed if self._whole else rows
            self._band = np.asarray(self._stack[(*self._index, self._rows, self._columns)])
        top, left = self._rows.start, self._columns.start
        window = self._band[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        return window[None] if self._gray else np.moveaxis(window, -1, 0)


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
