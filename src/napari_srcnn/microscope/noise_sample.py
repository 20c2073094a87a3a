"""The pixels of a stack that its noise is measured on: a bounded sample, and what of it counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Pixels that are looked at, in all and at most of one slice; and how many slices.
_PIXELS = 1 << 21
SLICES = 16
_TILE = 256
# Share of pixels with the least value above which it is said.
_CLIPPED = 0.02
# Side of the squares of one value, which are what rounding leaves of an image without noise.
_STILL_SIDE = 4


def sample_tiles(
    stack: Any, pixels: int = _PIXELS, slices: int = SLICES
) -> Iterator[NDArray[np.float64]]:
    """Yield parts of some slices, evenly spread, integers with their dtype's maximum as inf.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X), of a real dtype
    pixels : int
        How many are read at most, but for one tile of each slice.
    slices : int
        How many are read at most.
    """
    if not hasattr(stack, "shape"):
        stack = np.asarray(stack)
    *leading, height, width = plane_shape(stack)
    count = math.prod(leading)
    chosen = np.unique(np.linspace(0, count - 1, min(count, slices)).round().astype(int))
    budget = pixels // len(chosen)
    # Tiles on a grid of the slice's proportions, or all of the slice.
    rows = cols = 1
    tile = (height, width)
    if height * width > budget:
        tiles = max(budget // _TILE**2, 1)
        tile = (min(height, _TILE), min(width, _TILE))
        rows = min(max(round(math.sqrt(tiles * height / width)), 1), height // tile[0], tiles)
        cols = max(min(tiles // rows, width // tile[1]), 1)
    for flat in chosen:
        index = tuple(int(i) for i in np.unravel_index(flat, leading)) if leading else ()
        for y in np.linspace(0, height - tile[0], rows).astype(int):
            for x in np.linspace(0, width - tile[1], cols).astype(int):
                part = np.asarray(stack[(*index, slice(y, y + tile[0]), slice(x, x + tile[1]))])
                values = part.astype(np.float64)
                if part.dtype.kind in "iu":
                    values[part == np.iinfo(part.dtype).max] = np.inf
                yield values


def plane_shape(stack: Any) -> Sequence[int]:
    """Return the shape of a stack of real numbers (..., Y, X) that has pixels."""
    shape = tuple(int(n) for n in stack.shape)
    if len(shape) < 2 or 0 in shape or np.dtype(stack.dtype).kind not in "iuf":
        raise ValueError(
            f"This takes a stack of real numbers of shape (..., Y, X) with pixels, not one of "
            f"shape {shape} and dtype {stack.dtype}."
        )
    return shape


def saturation_level(values: Sequence[NDArray[Any]]) -> float:
    """Return the least of finite values that is saturated, inf if none is.

    Parameters
    ----------
    values : sequence of ndarray
        Parts of one image, in one unit.

    Notes
    -----
    A detector of 12 bits in 16 saturates at 4095: then far more pixels have the largest value than
    the one below it, which no noise brings about.
    """
    levels: list[tuple[float, int]] = []
    for _ in range(3):
        level = max((float(value.max()) for value in values if value.size), default=-math.inf)
        levels.append((level, sum(int(np.count_nonzero(value == level)) for value in values)))
        values = [value[value < level] for value in values]
    (top, count), (_, below), (third, _) = levels
    # With two values in all it is a mask or a few photons, and the upper one is no limit.
    return top if third > -math.inf and count >= 8 and count > 3 * below else math.inf


def darkest(lit: Sequence[NDArray[np.float64]]) -> float:
    """Return the least of values."""
    return float(min(values.min() for values in lit if values.size))


def still_share(tiles: Sequence[NDArray[np.float64]]) -> float:
    """Return the share of squares of one value among those that are not as dark as can be.

    Black that is clipped, and padding, says nothing about the noise of the rest.
    """
    least = min((float(t[np.isfinite(t)].min()) for t in tiles if np.isfinite(t).any()), default=0)
    still = total = 0
    for tile in tiles:
        rows, columns = (n // _STILL_SIDE for n in tile.shape)
        cut = tile[: rows * _STILL_SIDE, : columns * _STILL_SIDE]
        parts = cut.reshape(rows, _STILL_SIDE, columns, _STILL_SIDE)
        largest, smallest = parts.max(axis=(1, 3)), parts.min(axis=(1, 3))
        shown = np.isfinite(largest) & np.isfinite(smallest) & (largest > least)
        total += int(shown.sum())
        still += int((shown & (largest == smallest)).sum())
    return still / total if total else 0.0


def without_clipped(
    tiles: Sequence[NDArray[np.float64]], lit: Sequence[NDArray[np.float64]]
) -> tuple[list[NDArray[np.float64]], list[str]]:
    """Return the tiles with clipped blacks as NaN, and a note."""
    floor = -saturation_level([-values for values in lit])
    share = sum(int((v <= floor).sum()) for v in lit) / max(sum(v.size for v in lit), 1)
    if share < _CLIPPED:
        return list(tiles), []
    note = (
        f"{100 * share:.0f} % of the pixels have the least value (clipped blacks or padding) and "
        "are left out of the measurement of noise."
    )
    return [np.where(tile <= floor, np.nan, tile) for tile in tiles], [note]
