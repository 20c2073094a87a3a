"""What an image looks like, as some twenty numbers: brightness, spectrum, noise, sampling, values.

They are taken of a few tiles, so that a stack on disk is never read as a whole, and after the range
of these became 0..1, as a network sees it: what a camera's gain and offset are changes none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from napari_srcnn.image.intensity import PERCENTILES, known_pixels

Tile = NDArray[Any]

# Pixels a side of a tile, and the least that anything can be told of.
SIDE, LEAST = 256, 32
# Channels that are looked at, tiles of each, and planes that these lie on where there are several.
CHANNELS, TILES, PLANES = 3, 4, 2
# Of the spectrum, in cycles per pixel: what lies between two of them is one band.
_BANDS = np.array([1 / 64, 1 / 32, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8])
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# The sixth difference keeps noise and next to nothing of what an optical blur has left.
_DIFFERENCE = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0]) / math.sqrt(924.0)
_EPS = 1e-4
# Shares of the least and the largest value count within these, and levels up to 12 bits.
_FEW, _MANY, _BITS = 0.003, 0.1, 12.0

#: What :func:`look` returns, in its order.
FEATURES: tuple[str, ...] = (
    *(f"quantile_{round(100 * q):02d}" for q in _QUANTILES),  # of the values in the range
    "skewness",
    "contrast",  # logarithm of the standard deviation
    "at_least",  # logarithm of the share of pixels that have the least value
    "at_most",  # and the largest
    "levels",  # bits: the range in steps from one value that occurs to the next
    *(f"slope_{n}" for n in range(len(_BANDS) - 2)),  # log power from one band to the next
    "power",  # logarithm of the power at 1/16..1/8 cycles per pixel
    "axes",  # log power along the axes over that along the diagonals
    "noise",  # logarithm of the sixth difference's median
    "peaks",  # logarithm of its root mean square over its median
    "edges",  # of the gradient's root mean square over its mean
    "neighbours",  # logarithm of one less the correlation of pixels two apart
)


def tiles_of(stack: Any, axes: str | None = None) -> list[list[Tile]]:
    """Read a few tiles of each of up to three channels.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X) or (..., Y, X, S)
        At most 12 tiles of 256 x 256 pixels are read.
    axes : str, optional
        A letter an axis; ends in S where there are colour samples, of which the green is read.

    Returns
    -------
    list of list of ndarray, each (y, x)
        The tiles of each channel.
    """
    samples = axes is not None and axes.endswith("S")
    leading = tuple(int(n) for n in stack.shape[: len(stack.shape) - 2 - samples])
    height, width = (int(n) for n in stack.shape[len(leading) : len(leading) + 2])
    channel = axes.index("C") if axes is not None and "C" in axes[: len(leading)] else None
    channels = min(leading[channel], CHANNELS) if channel is not None else 1
    others = [n for axis, n in enumerate(leading) if axis != channel]
    count = math.prod(others)
    planes = sorted({round(f * (count - 1)) for f in ((0.5,) if count < 3 else (1 / 3, 2 / 3))})
    rows, columns = _starts(height), _starts(width)
    places = list(itertools.product(rows, columns))
    # Of several planes two tiles each, of other corners.
    each = max(TILES // len(planes), 1)
    found = []
    for number in range(channels):
        tiles = []
        for turn, plane in enumerate(planes):
            index = [int(i) for i in np.unravel_index(plane, others)] if others else []
            if channel is not None:
                index.insert(channel, number)
            chosen = places if len(places) <= each else places[turn % 2 :: len(places) // each]
            for y, x in chosen[:each]:
                place = (*index, slice(y, y + SIDE), slice(x, x + SIDE))
                part = np.asarray(stack[place])
                tiles.append(part[..., min(1, part.shape[-1] - 1)] if samples else part)
        found.append(tiles)
    return found


def _starts(length: int) -> list[int]:
    """Return where tiles begin along an axis: one in the middle, or two about it."""
    room = length - SIDE
    if room <= 0:
        return [0]
    return [room // 2] if length < 1.5 * SIDE else [room // 4, 3 * room // 4]


def look(tiles: Sequence[Tile]) -> NDArray[np.float64] | None:
    """Describe an image by its tiles.

    Parameters
    ----------
    tiles : sequence of ndarray, each (y, x), of a real dtype

    Returns
    -------
    ndarray of float64, one number for each of :data:`FEATURES`
        None where nothing can be told: of less than 32 x 32 pixels, of one value, or of pixels most
        of which are not finite.
    """
    known = [_filled(tile) for tile in tiles if min(tile.shape) >= LEAST]
    wide = [tile for tile in known if tile is not None]
    if not wide:
        return None
    values = np.concatenate([tile.ravel() for tile in wide])
    # Some of them fix a quantile as well as all, and are sorted in a fraction of the time.
    some = values[:: max(values.size // SIDE**2, 1)]
    low, high = np.percentile(some, PERCENTILES)
    if not high > low or not math.isfinite(high - low):
        return None
    seen = [((tile - low) / (high - low)).clip(-0.2, 1.2) for tile in wide]
    shares = [math.log(_FEW + min(float(np.mean(values == v)), _MANY)) for v in _ends(values)]
    return np.array(
        [
            *_brightness(((some - low) / (high - low)).clip(-0.2, 1.2)),
            *shares,
            _levels(some, float(low), float(high)),
            *_spectrum(seen),
            *_noise(seen),
            *_neighbours(seen),
        ]
    )


def _filled(tile: Tile) -> NDArray[np.float64] | None:
    """Return a tile with its median where it has no value; None where most of it has none."""
    known = known_pixels(tile)
    if known.all():
        return tile.astype(np.float64)
    if known.mean() < 0.5:
        return None
    return np.where(known, tile, np.median(tile[known])).astype(np.float64)


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _brightness(values: NDArray[np.float64]) -> list[float]:
    deviation = float(values.std()) + _EPS
    skewness = float((((values - values.mean()) / deviation) ** 3).mean())
    return [*np.quantile(values, _QUANTILES).tolist(), skewness, math.log(deviation)]


def _levels(values: NDArray[np.float64], low: float, high: float) -> float:
    """Return how finely the range is divided, in bits."""
    occurring = np.unique(values)
    steps = np.diff(occurring[(occurring >= low) & (occurring <= high)])
    if not steps.size:
        return 1.0
    return float(min(max(math.log2((high - low) / float(np.median(steps))), 1.0), _BITS))


def _spectrum(tiles: Sequence[NDArray[np.float64]]) -> list[float]:
    """Return the slopes of the spectrum, its height, and whether it lies along the axes."""
    bands, pixels = np.zeros(len(_BANDS) - 1), np.zeros(len(_BANDS) - 1)
    along = across = 0.0
    for tile in tiles:
        rows, columns = (np.hanning(n + 2)[1:-1] for n in tile.shape)
        window = rows[:, None] * columns
        mean = float((tile * window).sum() / window.sum())
        power = np.abs(np.fft.rfft2((tile - mean) * window)) ** 2 / np.square(window).sum()
        y = np.abs(np.fft.fftfreq(tile.shape[0]))[:, None]
        x = np.fft.rfftfreq(tile.shape[1])[None]
        square = y * y + x * x
        where = np.searchsorted(_BANDS**2, square.ravel(), side="right") - 1
        inside = (where >= 0) & (where < len(bands))
        bands += np.bincount(where[inside], power.ravel()[inside], len(bands))
        pixels += np.bincount(where[inside], minlength=len(bands))
        # Natural spectra fall with the square of the frequency: all rings count alike.
        even = power * square
        middle = (square > 1 / 16**2) & (square < (3 / 8) ** 2)
        less, more = np.minimum(y, x), np.maximum(y, x)
        along += float(even[middle & (less < 0.2 * more)].mean())
        across += float(even[middle & (less > 0.67 * more)].mean())
    levels = np.log(bands / np.maximum(pixels, 1) + 1e-9)
    return [
        *np.diff(levels).tolist(),
        float(levels[2]),
        math.log((along + 1e-12) / (across + 1e-12)),
    ]


def _noise(tiles: Sequence[NDArray[np.float64]]) -> list[float]:
    """Return how strong the finest detail is, and how much of it is in few places."""
    reach = len(_DIFFERENCE) // 2
    inner = slice(reach, -reach)
    found = np.concatenate(
        [
            correlate1d(correlate1d(tile, _DIFFERENCE, 0), _DIFFERENCE, 1)[inner, inner].ravel()
            for tile in tiles
        ]
    )
    median = 1.4826 * float(np.median(np.abs(found))) + _EPS
    return [math.log(median), math.log((float(found.std()) + _EPS) / median)]


def _neighbours(tiles: Sequence[NDArray[np.float64]]) -> list[float]:
    """Return whether there are edges, and how much pixels two apart differ."""
    steps = np.concatenate([np.diff(t, axis=axis).ravel() for t in tiles for axis in (0, 1)])
    root = math.sqrt(float(np.square(steps).mean()))
    edges = math.log((root + _EPS) / (float(np.abs(steps).mean()) + _EPS))
    variance = far = 0.0
    for tile in tiles:
        variance += float(tile.var())
        far += float(np.square(tile[:, 2:] - tile[:, :-2]).mean()) / 4
        far += float(np.square(tile[2:] - tile[:-2]).mean()) / 4
    return [edges, math.log(0.001 + min(far / (variance + 1e-12), 1.0))]
