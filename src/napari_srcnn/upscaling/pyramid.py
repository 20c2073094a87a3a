"""The coarse levels of a lazy result, which cost no more than reading: its source, and smaller."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.intensity import cast
from napari_srcnn.image.rect import Rect
from napari_srcnn.upscaling.messages import Index
from napari_srcnn.upscaling.reader import PLANE_LIMIT
from napari_srcnn.upscaling.resolve import Plan

# A level with planes so small needs no smaller one beside it, in 3-D neither.
SMALL = 512


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """A part of one slice of a source."""

    index: Index
    rows: slice
    columns: slice
    pixels: NDArray[Any]

    def part(self, index: Index, rows: slice, columns: slice) -> NDArray[Any] | None:
        """Return a part of it, unless it reaches beyond or is of another slice."""
        if index != self.index or not (_holds(self.rows, rows) and _holds(self.columns, columns)):
            return None
        top, left = self.rows.start, self.columns.start
        return self.pixels[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]


class RecentSource:
    """A source that remembers what was read of it last: a slice is looked at more than once.

    Parameters
    ----------
    source : array-like, shape (*leading, Y, X) or (*leading, Y, X, S)
    leading : int
        Number of axes before Y and X.
    """

    def __init__(self, source: Any, leading: int) -> None:
        self._source, self._leading = source, leading
        self.shape: tuple[int, ...] = tuple(int(n) for n in source.shape)
        self.dtype: np.dtype[Any] = np.dtype(source.dtype)
        # Taken and replaced as a whole: threads see the one before or the one after.
        self._held: _Window | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        *index, rows, columns = (
            key if isinstance(key, tuple) and len(key) > 1 else (key, None, None)
        )
        is_window = len(index) == self._leading and all(
            isinstance(part, slice) and None not in (part.start, part.stop) and part.step is None
            for part in (rows, columns)
        )
        if not is_window:
            return np.asarray(self._source[key])
        return self.window(tuple(index), rows, columns)

    def window(self, index: Index, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a part of a slice, read if it is not what was read last."""
        held = self._held
        known = None if held is None else held.part(index, rows, columns)
        if known is not None:
            return known
        pixels = np.asarray(self._source[(*index, rows, columns)])
        if pixels.nbytes <= PLANE_LIMIT:
            self._held = _Window(index, rows, columns, pixels)
        return pixels

    def forget(self) -> None:
        """Let go of what was read last."""
        self._held = None


class CoarseLevel:
    """A source, or what is left of it when squares of its pixels are averaged.

    Parameters
    ----------
    source : array-like
    leading : int
    dtype : dtype
        Of the result, whose level it is.
    factor : int
        Pixels along each side of a square.
    """

    def __init__(self, source: Any, leading: int, dtype: np.dtype[Any], factor: int = 1) -> None:
        self._source, self._factor, self._dtype = source, factor, dtype
        shape = tuple(int(n) for n in source.shape)
        plane = (n // factor for n in shape[leading : leading + 2])
        self.shape = (*shape[:leading], *plane, *shape[leading + 2 :])

    def read(self, index: Index, area: Rect) -> NDArray[Any]:
        """Return a part of a slice, (h, w) or (h, w, S), of the result's dtype."""
        f = self._factor
        rows, columns = (slice(part.start * f, part.stop * f) for part in area.slices)
        pixels = np.asarray(self._source[(*index, rows, columns)])
        if f > 1:
            total = np.zeros((area.height, area.width, *pixels.shape[2:]), np.float64)
            for row, column in itertools.product(range(f), repeat=2):
                total += pixels[row::f, column::f]
            pixels = total / f**2
        if pixels.dtype != self._dtype:
            pixels, _ = cast(pixels.astype(np.float64), self._dtype)
        return pixels


def coarse_levels(levels: Sequence[Any], plan: Plan) -> list[CoarseLevel]:
    """Return what a result looks like from further and further away, its source first.

    Parameters
    ----------
    levels : sequence of array-like
        The source and, of a multiscale one, its own coarser levels. Below a last one that is
        not small, each side is halved again and again.
    plan : Plan
    """
    leading = len(plan.leading)
    found = [CoarseLevel(level, leading, plan.dtype) for level in levels]
    factor = 2
    side = max(found[-1].shape[leading : leading + 2])
    while side > SMALL and min(found[-1].shape[leading : leading + 2]) > 1:
        found.append(CoarseLevel(levels[-1], leading, plan.dtype, factor))
        side, factor = side // 2, factor * 2
    return found


def _holds(whole: slice, part: slice) -> bool:
    return bool(whole.start <= part.start and part.stop <= whole.stop)
