"""The noise of a detector, measured on its images by photon transfer.

Everything is measured on a bounded sample, so that a stack on disk is never read as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, maximum_filter, minimum_filter
from scipy.optimize import nnls
from scipy.stats import chi2

from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_sample import sample_tiles, saturation_level

# The sixth difference, along both axes: of what an optical blur of 1 px or more has left it keeps
# nearly nothing, of white noise all of the variance.
DIFFERENCE = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0]) / math.sqrt(924.0)
_REACH = len(DIFFERENCE) // 2
_BLOCK = 8
# What is of one value over so many pixels, squared, is padding and no dark image.
_FLAT = 15
# Blocks in a bin of equal brightness, and of all.
_BIN_BLOCKS, ENOUGH = 24, 64
_BINS = 48
# With fewer blocks than this the noise may come out too low by chance.
FEW = 1000
# Texture makes a block's variance larger, never smaller: the lower part of them is asked.
_QUANTILE = 0.3
# Darkest part of the blocks, which is taken for the dark level.
_DARK = 0.02


# -- noise -----------------------------------------------------------------------------------------


def estimate_noise(stack: Any, *, offset: float | None = None) -> Noise:
    """Measure shot noise and read noise on images themselves, by photon transfer.

    The noise of a detector has the variance ``gain * (mean - offset) + read**2``. In blocks of
    8 x 8 pixels the variance is that of a difference filter's response, to which structure adds
    next to nothing (Immerkær's idea [1]_, with the sixth difference instead of the second), and
    the mean is weighted as that variance is: where light varies in a block the two still lie on
    the line. A robust line through a lower quantile of blocks of like brightness, corrected for
    what a quantile of a chi-squared law is, gives gain and read.

    Noise has to be independent from pixel to pixel: on images that were resampled, denoised or
    compressed with losses it is underestimated. Structure finer than the blur of an objective at
    Nyquist sampling (a standard deviation of about 1 px) is taken for shot noise.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X), of a real dtype
        Image, memmap or dask array; at most 16 slices and 2 million pixels of it are read.
        NaN and saturated pixels are left out.
    offset : float, optional
        The value without light, in image units. By default the darkest 2 % of the blocks are
        taken for it. Where nothing in the image is dark it is then overestimated, and `read` holds
        the shot noise of the darkest place: the variance at every intensity present stays right.

    Returns
    -------
    Noise
        In image units. Where all of the image has one brightness, gain and read noise cannot be
        told apart, and only the variance at that brightness means something.

    Raises
    ------
    ValueError
        If the stack is constant, has too few pixels, or is no stack of real numbers.

    References
    ----------
    .. [1] J. Immerkær, "Fast noise variance estimation", Computer Vision and Image
       Understanding 64(2), 1996.
    .. [2] J. R. Janesick, "Photon Transfer", SPIE Press, 2007.
    """
    check_offset(offset)
    tiles = list(sample_tiles(stack))
    finite = [tile[np.isfinite(tile)] for tile in tiles]
    values = [value for tile in finite if tile.size for value in (tile.min(), tile.max())]
    if values and min(values) == max(values):
        raise ValueError("The image is constant, and so without noise that could be measured.")
    blocks = noise_blocks(tiles, saturation_level(finite))
    if blocks.shape[1] < ENOUGH:
        raise ValueError(
            f"The noise cannot be measured on so few pixels: {blocks.shape[1]} blocks of 8 x 8 "
            f"pixels vary and are neither saturated nor NaN, and it takes {ENOUGH}."
        )
    return photon_transfer(blocks, offset)


def check_offset(offset: float | None) -> None:
    """Refuse a value without light that is no number."""
    if offset is not None and not math.isfinite(offset):
        raise ValueError(f"The offset is {offset}, but it needs a finite number or None.")


def noise_blocks(tiles: Sequence[NDArray[np.float64]], limit: float) -> NDArray[np.float64]:
    """Return the mean, the noise's variance and the mean's variance in blocks of 8 x 8 pixels.

    Parameters
    ----------
    tiles : sequence of ndarray, each (y, x)
        NaN and what is saturated are left out.
    limit : float
        The least value that is saturated.

    Returns
    -------
    ndarray, shape (3, n)
        Of blocks that vary.
    """
    blocks = np.concatenate([_blocks(tile, limit) for tile in tiles], axis=1)
    if blocks.size:
        # A block of one value says nothing about noise: it is darker than one count.
        blocks = blocks[:, blocks[1] > (1e-7 * np.ptp(blocks[0])) ** 2]
    return blocks


def photon_transfer(blocks: NDArray[np.float64], offset: float | None = None) -> Noise:
    """Return the noise of the line through what :func:`noise_blocks` gives."""
    means, variances, spreads = blocks
    dark = means[means <= np.quantile(means, _DARK)].mean() if offset is None else offset
    light = means - dark
    freedoms = _block_freedom() / np.linspace(1, 5, 81)[::-1]
    ratios = chi2.ppf(_QUANTILE, freedoms) / freedoms
    gain = read2 = 0.0
    for _ in range(3):
        # Where the noise varies within a block, fewer of its pixels make up the block's variance.
        noise = np.maximum(gain * light + read2, 0.01 * variances)
        spread = np.maximum(spreads - _mean_variance() * noise, 0)
        freedom = _block_freedom() / (1 + np.minimum(gain**2 * spread / noise**2, 4))
        gain, read2 = _line(*_bins(light, variances / np.interp(freedom, freedoms, ratios)))
    return Noise(gain=gain, read=math.sqrt(read2), offset=float(dark))


def even_sigma(blocks: NDArray[np.float64]) -> float:
    """Return the one standard deviation that blocks have, whatever their brightness."""
    freedom = _block_freedom()
    ratio = float(chi2.ppf(_QUANTILE, freedom)) / freedom
    return math.sqrt(float(np.quantile(blocks[1], _QUANTILE)) / ratio)


def falls_with_light(means: NDArray[np.float64], variances: NDArray[np.float64]) -> bool:
    """Tell whether the variance clearly falls with brightness, over all of it."""
    least, most = (float(q) for q in np.quantile(means, (0.01, 0.99)))
    edges = np.linspace(least, most, 4)
    part = np.digitize(means, edges[1:-1])
    if min(np.bincount(part, minlength=3)) < ENOUGH // 2:
        return False
    dark, middle, bright = (float(np.quantile(variances[part == k], 0.3)) for k in range(3))
    return dark > 1.2 * middle > 1.2**2 * bright


def neighbour_sigma(tiles: Sequence[NDArray[np.float64]], limit: float) -> float | None:
    """Return the standard deviation that neighbouring pixels differ by, None of too few pixels.

    Parameters
    ----------
    tiles : sequence of ndarray, each (y, x)
        NaN and what is saturated are left out.
    limit : float
        The least value that is saturated.
    """
    kernel = np.array([1.0, -2.0, 1.0]) / math.sqrt(6)
    parts, largest = [np.empty(0)], 0.0
    for tile in tiles:
        if min(tile.shape) < len(kernel):
            continue
        lost = np.where(tile < limit, tile, np.nan)
        residual = correlate1d(correlate1d(lost, kernel, axis=0), kernel, axis=1)[1:-1, 1:-1]
        parts.append(np.abs(residual[np.isfinite(residual)]))
        largest = max(largest, float(np.nanmax(np.abs(lost), initial=0)))
    residuals = np.concatenate(parts)
    # Of neighbours that are equal, in black or padding, nothing is learned.
    residuals = residuals[residuals > 1e-12 * largest]
    # Of a normal law the median of the absolute value is 0.6745 standard deviations.
    return float(np.median(residuals)) / 0.6745 if residuals.size else None


def _blocks(tile: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Return the mean, the noise's variance and the mean's variance in blocks of a tile.

    Shape (3, n), of blocks that overlap by half and are at least half valid.
    """
    half = _BLOCK // 2
    rows, cols = ((n - 2 * _REACH) // half for n in tile.shape)
    bad = ~(tile < limit)
    if min(rows, cols) < 2 or bad.all():
        return np.empty((3, 0))
    if bad.any():
        tile = np.where(bad, np.median(tile[~bad]), tile)
    residual = correlate1d(correlate1d(tile, DIFFERENCE, axis=0), DIFFERENCE, axis=1)
    # Weighted as the residual's variance is, the mean is the one that this variance belongs to.
    mean = correlate1d(correlate1d(tile, DIFFERENCE**2, axis=0), DIFFERENCE**2, axis=1)
    if min(tile.shape) >= _FLAT and _has_still_block(tile):
        flat = maximum_filter(tile, _FLAT) == minimum_filter(tile, _FLAT)
        bad = bad | maximum_filter(flat, _FLAT)
    good = ~maximum_filter(bad, 2 * _REACH + 1) if bad.any() else ~bad

    def total(values: NDArray[Any]) -> NDArray[np.float64]:
        inner = values[_REACH : _REACH + rows * half, _REACH : _REACH + cols * half]
        part = inner.reshape(rows, half, cols, half).sum(axis=(1, 3))
        return np.asarray(part[1:, 1:] + part[1:, :-1] + part[:-1, 1:] + part[:-1, :-1]).ravel()

    number = total(good)
    kept = number >= _BLOCK**2 / 2
    number = number[kept]
    level = float(mean[_REACH, _REACH])  # squares of small differences lose no digits
    first, second = (total((mean - level) ** k * good)[kept] / number for k in (1, 2))
    variance = total(residual**2 * good)[kept] / number
    return np.stack([first + level, variance, np.maximum(second - first**2, 0)])


def _has_still_block(tile: NDArray[np.float64]) -> bool:
    """Tell whether a block of 8 x 8 is of one value: any place of 15 x 15 that is has one in it."""
    rows, cols = (n // _BLOCK for n in tile.shape)
    blocks = tile[: rows * _BLOCK, : cols * _BLOCK].reshape(rows, _BLOCK, cols, _BLOCK)
    return bool((np.ptp(blocks, axis=(1, 3)) == 0).any())


def _mean_variance() -> float:
    """Variance of a pixel's weighted mean on white noise of variance 1."""
    return float((DIFFERENCE**4).sum() ** 2)


def _block_freedom() -> float:
    """Degrees of freedom of a block's variance: its residuals are not independent."""
    overlap = np.correlate(DIFFERENCE, DIFFERENCE, "full") ** 2
    lags = np.abs(np.arange(len(overlap)) - len(overlap) // 2)
    # Sum over all pairs of a block's pixels of their squared correlation, along one axis.
    pairs = float((overlap * np.maximum(_BLOCK - lags, 0)).sum())
    return (_BLOCK**2 / pairs) ** 2


def _bins(
    means: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, variance and number of blocks of bins of like brightness."""
    # Steps that grow with brightness: the dark level is where most of the blocks are.
    root = np.sqrt(means - means.min())
    number = np.minimum((root / max(float(root.max()), 1e-300) * _BINS).astype(int), _BINS - 1)
    if len(means) < FEW:
        number = _joined(number)
    rows: list[list[Any]] = []
    for k in np.unique(number):
        chosen = number == k
        if (count := np.count_nonzero(chosen)) >= _BIN_BLOCKS:
            rows.append([means[chosen].mean(), np.quantile(variances[chosen], _QUANTILE), count])
    if not rows:
        rows = [[means.mean(), np.quantile(variances, _QUANTILE), len(means)]]
    light, variance, blocks = np.array(rows, dtype=np.float64).T
    return light, variance, blocks


def _joined(number: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return bins joined to their brighter neighbours until each has enough blocks.

    Of many blocks the few brightest do no harm when they are left out; of few blocks these may be
    all that say how the noise grows.
    """
    counts = np.bincount(number, minlength=_BINS)
    joined, filled, new = np.empty(_BINS, int), 0, 0
    for k, count in enumerate(counts):
        joined[k] = new
        filled += count
        if filled >= _BIN_BLOCKS and counts[k + 1 :].sum() >= _BIN_BLOCKS:
            filled, new = 0, new + 1
    return joined[number]


def _line(
    light: NDArray[np.float64], variance: NDArray[np.float64], count: NDArray[np.float64]
) -> tuple[float, float]:
    """Fit slope and intercept, neither negative, in relative deviations and robustly."""
    if len(light) == 1 or np.ptp(light) < 1e-9 * np.abs(light).max():
        return 0.0, float(variance.mean())
    fitted = variance
    weight = np.ones_like(variance)
    slope = intercept = 0.0
    for _ in range(30):
        # A quantile of n blocks is uncertain by 0.3 / sqrt(n), the line itself by some percent.
        scale = np.sqrt(weight / (0.1 / count + 0.03**2)) / fitted
        design = np.stack([light, np.ones_like(light)], axis=1) * scale[:, None]
        norm = np.maximum(np.linalg.norm(design, axis=0), 1e-300)
        (slope, intercept), _ = nnls(design / norm, variance * scale)
        slope, intercept = slope / norm[0], intercept / norm[1]
        fitted = np.maximum(slope * light + intercept, 1e-3 * variance.min())
        deviation = (variance / fitted - 1) / np.sqrt(0.1 / count + 0.03**2)
        weight = 1 / np.maximum(np.abs(deviation) / 1.5, 1)
    return float(slope), float(intercept)
