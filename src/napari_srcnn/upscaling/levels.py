"""Where the levels of a multiscale result lie to each other, and what each shows of another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.rect import Rect, Tile
from napari_srcnn.upscaling.messages import Index


class Levels:
    """The shapes of a multiscale image's levels, the finest first.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Each (*leading, Y, X) or (*leading, Y, X, S).
    leading : int
        Number of axes before Y and X.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], leading: int) -> None:
        self.shapes, self.leading = tuple(shapes), leading

    def __len__(self) -> int:
        return len(self.shapes)

    def plane(self, level: int) -> tuple[int, int]:
        """Return a level's rows and columns."""
        height, width = self.shapes[level][self.leading : self.leading + 2]
        return height, width

    def shape_of(self, area: Rect) -> tuple[int, ...]:
        """Return the shape of an area's pixels."""
        return (area.height, area.width, *self.shapes[0][self.leading + 2 :])

    def index_at(self, level: int, index: Index, other: int) -> Index:
        """Return the slice of another level that shows a level's slice."""
        lengths = zip(index, self.shapes[level], self.shapes[other], strict=False)
        return tuple((2 * i + 1) * there // (2 * here) for i, here, there in lengths)

    def area_at(self, level: int, area: Rect, other: int) -> Tile:
        """Return the area of another level that covers a level's."""
        (height, width), (own_height, own_width) = self.plane(other), self.plane(level)
        return Tile(
            y0=area.y0 * height // own_height,
            y1=min(-(-area.y1 * height // own_height), height),
            x0=area.x0 * width // own_width,
            x1=min(-(-area.x1 * width // own_width), width),
        )

    def paint(
        self,
        out: NDArray[Any],
        level: int,
        area: Rect,
        block: Rect,
        pixels: NDArray[Any],
        other: int,
    ) -> None:
        """Paint a block of another level, its pixels enlarged, into an area of a level.

        Parameters
        ----------
        out : ndarray, (h, w) or (h, w, S)
            The area's pixels.
        level : int
        area, block : Rect
            In pixels of `level`, and of `other`.
        pixels : ndarray
            The block's.
        other : int
        """
        (height, width), (own_height, own_width) = self.plane(other), self.plane(level)
        # The pixel of the other level in which the middle of one of ours lies.
        rows = (2 * np.arange(area.y0, area.y1) + 1) * height // (2 * own_height)
        columns = (2 * np.arange(area.x0, area.x1) + 1) * width // (2 * own_width)
        y0, y1 = np.searchsorted(rows, (block.y0, block.y1))
        x0, x1 = np.searchsorted(columns, (block.x0, block.x1))
        taken = pixels[rows[y0:y1] - block.y0]
        out[y0:y1, x0:x1] = taken[:, columns[x0:x1] - block.x0]


def paste(out: NDArray[Any], area: Rect, block: Rect, pixels: NDArray[Any]) -> None:
    """Put what of a block lies in an area into that area's pixels."""
    y0, y1 = max(area.y0, block.y0), min(area.y1, block.y1)
    x0, x1 = max(area.x0, block.x0), min(area.x1, block.x1)
    out[y0 - area.y0 : y1 - area.y0, x0 - area.x0 : x1 - area.x0] = pixels[
        y0 - block.y0 : y1 - block.y0, x0 - block.x0 : x1 - block.x0
    ]


def part_of(pixels: NDArray[Any], area: Rect, block: Rect) -> NDArray[Any]:
    """Return the pixels of a block that lies within an area, of that area's pixels."""
    return pixels[block.y0 - area.y0 : block.y1 - area.y0, block.x0 - area.x0 : block.x1 - area.x0]


def blocks_in(area: Rect, plane: tuple[int, int], size: int) -> list[Tile]:
    """Return the blocks of a plane, `size` pixels a side from its corner, that an area touches."""
    height, width = plane
    return [
        Tile(y0=y, y1=min(y + size, height), x0=x, x1=min(x + size, width))
        for y in range(area.y0 // size * size, min(area.y1, height), size)
        for x in range(area.x0 // size * size, min(area.x1, width), size)
    ]


# The network's last layer works on squares of four pixels.
_PERIOD, _STEP = 1024, 4


def fixed_blocks(area: Rect, plane: tuple[int, int], size: int) -> list[Tile]:
    """Return the blocks that an area touches of a grid that depends on the plane alone.

    Shards begin where blocks do: each 1024 pixels are parted evenly.

    Parameters
    ----------
    area : Rect
    plane : tuple of two ints
    size : int
        Pixels a side at most; a multiple of 4, and 1024 at most.
    """
    height, width = plane
    return [
        Tile(y0=y0, y1=min(y1, height), x0=x0, x1=min(x1, width))
        for y0, y1 in _parts(area.y0, min(area.y1, height), size)
        for x0, x1 in _parts(area.x0, min(area.x1, width), size)
    ]


def _parts(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    parts = math.ceil(_PERIOD / size)
    ends = [_STEP * round(_PERIOD / _STEP * n / parts) for n in range(parts + 1)]
    return [
        (period + low, period + high)
        for period in range(start // _PERIOD * _PERIOD, stop, _PERIOD)
        for low, high in itertools.pairwise(ends)
        if period + low < stop and period + high > start
    ]


def areas_of(blocks: Sequence[Tile]) -> list[Tile]:
    """Return blocks of one grid, in its order, as few areas that have no other block in them."""
    runs: list[Tile] = []
    for block in blocks:
        last = runs[-1] if runs else None
        if last is not None and (last.y0, last.y1, last.x1) == (block.y0, block.y1, block.x0):
            runs[-1] = Tile(y0=last.y0, y1=last.y1, x0=last.x0, x1=block.x1)
        else:
            runs.append(block)
    # By their columns and the row that would follow.
    areas: dict[tuple[int, int, int], Tile] = {}
    for run in runs:
        above = areas.pop((run.x0, run.x1, run.y0), run)
        areas[run.x0, run.x1, run.y1] = Tile(y0=above.y0, y1=run.y1, x0=run.x0, x1=run.x1)
    return list(areas.values())


def lies_in(block: Rect, area: Rect) -> bool:
    """Tell whether a block lies within an area."""
    return (
        area.y0 <= block.y0 and block.y1 <= area.y1 and area.x0 <= block.x0 and block.x1 <= area.x1
    )
