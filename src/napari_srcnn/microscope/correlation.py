"""Whether noise is alike from pixel to pixel, seen in the spectrum of places that show nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter1d

from napari_srcnn.microscope.noise_estimate import DIFFERENCE

# Pixels a side of a place, and of the squares whose means tell whether it shows something.
_SIDE, _SQUARE = 16, 4
# Of all places the share that shows the least, and how many it takes to know a spectrum.
_LEAST, _PLACES = 0.15, 24
# What is looked for: noise made alike by a Gaussian of so many pixels. Less changes nothing that
# matters, and more cannot be told from what an objective blurs.
LENGTHS = np.linspace(0.2, 0.8, 61)
# Above these it is told from white noise: by so many places, and by fewer.
SHORTEST, SHORTEST_OF_FEW, FEW = 0.34, 0.45, 60
# Of structure some places have far more than others: quartiles of the places' power are further
# apart than this only there (noise has 1.6 and less), and to low frequencies it grows by so many
# times more than noise does.
_EVEN, _RISE = 1.9, 1.8

# A step from one pair of pixels to the next, less what both pairs go up by themselves. On a grid of
# 8 it is more than anywhere else by so much only where JPEG made the grid, of enough blocks.
_STEP = np.array([0.5, -1.5, 1.5, -0.5])
_GRID_SIDE, _GRID = 8, 1.2


def alike_spectrum(length: float, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power along one axis of white noise of variance 1 after a Gaussian, its norm kept.

    Parameters
    ----------
    length : float
        Standard deviation of the Gaussian in pixels.
    frequencies : ndarray of float64
        In cycles per pixel.

    Returns
    -------
    ndarray of float64, of its shape
        With a mean of 1 over all frequencies.
    """
    taps = np.zeros(15)
    taps[7] = 1
    taps = gaussian_filter1d(taps, length)
    phases = np.exp(-2j * np.pi * np.multiply.outer(frequencies, np.arange(15) - 7))
    return np.asarray(np.abs(phases @ taps) ** 2 / np.square(taps).sum())


@cache
def _axis() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies along one axis and how strongly the difference filter weighs each."""
    frequencies = np.arange(512) / 1024 + 1 / 2048
    phases = np.exp(-2j * np.pi * np.multiply.outer(frequencies, np.arange(len(DIFFERENCE))))
    weights = np.abs(phases @ DIFFERENCE) ** 2
    return frequencies, weights / weights.mean()


def told_factor(length: float) -> float:
    """Return by how much what matters of alike noise is above what the estimator sees of it.

    What matters, and what a network is told, is the standard deviation of white noise that is as
    strong in the lower half of the frequencies (below 1/4 cycle per pixel along each axis), where
    images have their signal. The estimator looks at the highest frequencies.

    Parameters
    ----------
    length : float
        As in :func:`alike_spectrum`.
    """
    frequencies, weights = _axis()
    power = alike_spectrum(length, frequencies)
    return float(power[: len(power) // 2].mean() / (weights * power).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """How noise is alike from pixel to pixel.

    Attributes
    ----------
    length : float
        Standard deviation, in pixels, of a Gaussian that makes white noise so; 0 for white noise,
        inf where next to nothing is left of the highest frequencies.
    sigma : float
        What matters of the noise in the places that show nothing: the standard deviation of white
        noise that is as strong there in the lower half of the frequencies, in image units.
    is_sure : bool
        Whether there were enough such places to rely on `sigma`.
    """

    length: float
    sigma: float
    is_sure: bool = True


def measure_correlation(tiles: Sequence[NDArray[np.float64]], limit: float) -> Alike | None:
    """Measure over how many pixels the noise is alike, and how strong it is.

    Parameters
    ----------
    tiles : sequence of ndarray, each (y, x)
        Parts of an image.
    limit : float
        The least value that is saturated.

    Returns
    -------
    Alike or None
        None where it cannot be told: there are few places that show nothing, or all show something.

    Notes
    -----
    Of the places with the least difference between the means of their squares of 4 x 4 pixels the
    median spectrum is taken. Noise that is alike has less power at the highest frequencies, the
    same in all of these places and no more at the lowest than at middle ones; structure that
    an objective has blurred has neither. Where there is far less at the highest frequencies than
    such noise has, there is no noise, or noise that nothing but structure can be told from.
    """
    places = [_places(tile, limit) for tile in tiles]
    parts = np.concatenate(places) if places else np.empty((0, _SIDE, _SIDE))
    squares = parts.reshape(-1, _SIDE // _SQUARE, _SQUARE, _SIDE // _SQUARE, _SQUARE)
    shown = squares.mean(axis=(2, 4)).var(axis=(1, 2))
    number = int(_LEAST * len(parts))
    if number < _PLACES:
        return None
    chosen = parts[np.argpartition(shown, number)[:number]]
    window = np.hanning(_SIDE + 2)[1:-1]
    centred = (chosen - chosen.mean(axis=(1, 2), keepdims=True)) * np.outer(window, window)
    seen = np.abs(np.fft.rfft2(centred)) ** 2
    rows = np.abs(np.fft.fftfreq(_SIDE))
    columns = np.arange(_SIDE // 2 + 1) / _SIDE
    low = _between(rows, columns, 0.1, 0.2)
    middle = _between(rows, columns, 0.1, 0.26)
    lowest = _between(rows, columns, 0.05, 0.1)
    high = (rows[:, None] > 0.34) & (columns > 0.34)
    # The median of the places, so that a few with a speck of dust in them do not count.
    spectrum = np.median(seen, axis=0)
    if not spectrum[middle].mean() > 0:
        return None
    # Of a power that is distributed exponentially the median is ln 2 of the mean.
    sigma = math.sqrt(spectrum[middle].mean() / math.log(2) / (window**2).sum() ** 2)
    powers = [np.outer(alike_spectrum(n, rows), alike_spectrum(n, columns)) for n in LENGTHS]
    ratios = [power[middle].mean() / power[high].mean() for power in powers]
    ratio = spectrum[middle].mean() / max(spectrum[high].mean(), 1e-300)
    if ratio > ratios[-1]:
        return Alike(length=math.inf, sigma=sigma)
    shortest = SHORTEST_OF_FEW if number < FEW else SHORTEST
    if ratio < np.interp(shortest, LENGTHS, ratios):
        return Alike(length=0.0, sigma=sigma)
    found = float(np.interp(ratio, ratios, LENGTHS))
    rises = [power[lowest].mean() / power[low].mean() for power in powers]
    rise = spectrum[lowest].mean() / spectrum[low].mean()
    quarter, three = np.quantile(seen[:, middle].mean(axis=1), (0.25, 0.75))
    shows = three > _EVEN * quarter or rise > _RISE * np.interp(found, LENGTHS, rises)
    if shows:
        return None
    return Alike(length=found, sigma=sigma, is_sure=number >= FEW)


def has_block_grid(tiles: Sequence[NDArray[np.float64]]) -> bool:
    """Tell whether steps lie on a grid of 8 pixels, as lossy JPEG leaves them.

    Parameters
    ----------
    tiles : sequence of ndarray, each (y, x)
        Parts of an image, wherever the grid begins in them.
    """
    excess = []
    for tile in tiles:
        for plane in (tile, tile.T):
            columns = plane.shape[1] - 3
            if min(plane.shape) < 8 * _GRID_SIDE:
                continue
            # A step where both sides go on evenly; structure and noise have it anywhere.
            step = np.abs(correlate1d(plane, _STEP, axis=1)[:, 1 : 1 + columns // 8 * 8])
            known = step[np.isfinite(step).all(axis=1)]
            if not len(known):
                continue
            phases = np.sort(known.reshape(len(known), -1, 8).mean(axis=(0, 1)))
            if phases[-2] > 0:
                excess.append(phases[-1] / phases[-2])
    return bool(excess) and float(np.median(excess)) > _GRID


def _between(
    rows: NDArray[np.float64], columns: NDArray[np.float64], start: float, stop: float
) -> NDArray[np.bool_]:
    """Return a square ring of frequencies."""
    largest = np.maximum(rows[:, None], columns)
    return np.asarray((largest > start) & (largest < stop))


def _places(tile: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Cut a tile into places without NaN and saturated pixels that are not of one value."""
    rows, columns = (n // _SIDE for n in tile.shape)
    cut = tile[: rows * _SIDE, : columns * _SIDE].reshape(rows, _SIDE, columns, _SIDE)
    parts = cut.transpose(0, 2, 1, 3).reshape(-1, _SIDE, _SIDE)
    valid = (parts < limit).all(axis=(1, 2)) & np.isfinite(parts).all(axis=(1, 2))
    parts = parts[valid]
    least = tile.min() if valid.any() else 0.0
    # Clipped blacks: what is left of the noise there has another spectrum.
    return np.asarray(parts[(parts == least).mean(axis=(1, 2)) < 0.1])
