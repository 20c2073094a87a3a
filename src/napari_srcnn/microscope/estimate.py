"""What example images say about a microscope: its noise, its blur, and how two images lie.

Everything is measured on a bounded sample, so that a stack on disk is never read as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, maximum_filter, minimum_filter, shift
from scipy.optimize import least_squares, nnls
from scipy.stats import chi2
from skimage.registration import phase_cross_correlation

from napari_srcnn.image.resize import axis_weights
from napari_srcnn.microscope.degradation import SCALES, Degradation, Noise, Sampling, check_scale

# Pixels that are looked at, in all and at most of one slice; and how many slices.
_PIXELS = 1 << 21
_SLICES = 16
_TILE = 256

# The sixth difference, along both axes: of what an optical blur of 1 px or more has left it keeps
# nearly nothing, of white noise all of the variance.
_DIFFERENCE = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0]) / math.sqrt(924.0)
_REACH = len(_DIFFERENCE) // 2
_BLOCK = 8
# What is of one value over so many pixels, squared, is padding and no dark image.
_FLAT = 15
# Blocks in a bin of equal brightness, and of all.
_BIN_BLOCKS, _BLOCKS = 24, 64
_BINS = 48
# Texture makes a block's variance larger, never smaller: the lower part of them is asked.
_QUANTILE = 0.3
# Darkest part of the blocks, which is taken for the dark level.
_DARK = 0.02

# Radial frequencies that two spectra are compared at, and the largest blur that is looked for.
_RINGS = 40
_SPECTRUM = 1024
_SIGMA = 4.0


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
    if offset is not None and not math.isfinite(offset):
        raise ValueError(f"The offset is {offset}, but it needs a finite number or None.")
    tiles = list(_tiles(stack))
    finite = [tile[np.isfinite(tile)] for tile in tiles]
    values = [value for tile in finite if tile.size for value in (tile.min(), tile.max())]
    if values and min(values) == max(values):
        raise ValueError("The image is constant, and so without noise that could be measured.")
    limit = saturation_level(finite)
    blocks = np.concatenate([_blocks(tile, limit) for tile in tiles], axis=1)
    if blocks.size:
        # A block of one value says nothing about noise: it is darker than one count.
        blocks = blocks[:, blocks[1] > (1e-7 * np.abs(blocks[0]).max()) ** 2]
    means, variances, spreads = blocks
    if len(means) < _BLOCKS:
        raise ValueError(
            f"The noise cannot be measured on so few pixels: {len(means)} blocks of 8 x 8 pixels "
            f"vary and are neither saturated nor NaN, and it takes {_BLOCKS}."
        )
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


def _tiles(stack: Any) -> Iterator[NDArray[np.float64]]:
    """Yield parts of some slices, evenly spread, integers with their dtype's maximum as inf."""
    if not hasattr(stack, "shape"):
        stack = np.asarray(stack)
    *leading, height, width = _shape(stack)
    count = math.prod(leading)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SLICES)).round().astype(int))
    budget = _PIXELS // len(chosen)
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


def _shape(stack: Any) -> Sequence[int]:
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
    residual = correlate1d(correlate1d(tile, _DIFFERENCE, axis=0), _DIFFERENCE, axis=1)
    # Weighted as the residual's variance is, the mean is the one that this variance belongs to.
    mean = correlate1d(correlate1d(tile, _DIFFERENCE**2, axis=0), _DIFFERENCE**2, axis=1)
    if min(tile.shape) >= _FLAT:
        flat = maximum_filter(tile, _FLAT) == minimum_filter(tile, _FLAT)
        bad = bad | maximum_filter(flat, _FLAT)
    good = ~maximum_filter(bad, 2 * _REACH + 1)

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


def _mean_variance() -> float:
    """Variance of a pixel's weighted mean on white noise of variance 1."""
    return float((_DIFFERENCE**4).sum() ** 2)


def _block_freedom() -> float:
    """Degrees of freedom of a block's variance: its residuals are not independent."""
    overlap = np.correlate(_DIFFERENCE, _DIFFERENCE, "full") ** 2
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
    rows: list[list[Any]] = []
    for k in np.unique(number):
        chosen = number == k
        if (count := np.count_nonzero(chosen)) >= _BIN_BLOCKS:
            rows.append([means[chosen].mean(), np.quantile(variances[chosen], _QUANTILE), count])
    if not rows:
        rows = [[means.mean(), np.quantile(variances, _QUANTILE), len(means)]]
    light, variance, blocks = np.array(rows, dtype=np.float64).T
    return light, variance, blocks


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


# -- pairs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How a low- and a high-resolution image of one place lie to each other.

    Attributes
    ----------
    shift : tuple (y, x)
        In low-resolution pixels. Added to a position in the low-resolution image it gives the
        position of the same thing in the high-resolution one, divided by the scale, where pixel i
        of the low one covers ``[i, i + 1)`` and pixel j of the high one ``[j, j + 1) / scale``.
        Positive: the thing lies further down or right in the high-resolution image.
    correlation : float
        Pearson's, of the two after the shift, at low resolution; 1 for one image.
    """

    shift: tuple[float, float]
    correlation: float


def estimate_shift(low: NDArray[Any], high: NDArray[Any], scale: int) -> Match:
    """Measure the shift between two images of one place, to about 0.02 low-resolution pixels.

    Brightness and offset of the two may differ. The cross-correlation's peak gives the shift; the
    high-resolution image is then moved by it before it is reduced, and the two are compared again,
    until both sample the scene at the same points and aliasing no longer pulls.

    Parameters
    ----------
    low : ndarray, shape (y, x), of any real dtype
    high : ndarray, shape (y * scale, x * scale) with or without a rest
    scale : {2, 3, 4}

    Returns
    -------
    Match

    Raises
    ------
    ValueError
        If an image is not 2-D, constant, or smaller than 16 x 16 low-resolution pixels.
    """
    scale = check_scale(scale)
    low, high = _plane(low, "low"), _plane(high, "high")
    size = [min(a, b // scale) for a, b in zip(low.shape, high.shape, strict=True)]
    if min(size) < 16:
        raise ValueError(
            f"The two images share {size[0]} x {size[1]} low-resolution pixels, but it takes "
            "16 x 16 to measure a shift."
        )
    low = low[: size[0], : size[1]]
    high = high[: size[0] * scale, : size[1] * scale]
    total = np.zeros(2)
    # What is kept of both: where the moved image has pixels.
    a, b = low, Degradation().low_res(high, scale)
    for _ in range(6):
        step, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]  # no types there
            _windowed(b), _windowed(a), upsample_factor=100, normalization=None
        )
        moved = total + step
        if max(np.abs(moved) - np.array(size) / 2) > 0:
            break
        total = moved
        a, b = _overlap(low, high, total, scale)
        if np.abs(step).max() <= 0.01:
            break
    if min(a.std(), b.std()) == 0:
        raise ValueError("One of the two images is constant, so that no shift can be measured.")
    correlation = float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    return Match(shift=(float(total[0]), float(total[1])), correlation=correlation)


def _plane(image: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return one image as finite float64."""
    plane = np.asarray(image, dtype=np.float64)
    if plane.ndim != 2:
        raise ValueError(f"The {name} image has shape {plane.shape}, but it takes one of (y, x).")
    good = np.isfinite(plane)
    if not good.any() or np.ptp(plane[good]) == 0:
        raise ValueError(f"The {name} image is constant, so that no shift can be measured.")
    return plane if good.all() else np.where(good, plane, np.median(plane[good]))


def _windowed(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the mean off and fade the border, which would else correlate with itself."""
    window = np.multiply.outer(*(np.hanning(n + 2)[1:-1] for n in image.shape))
    image = image - (image * window).sum() / window.sum()
    return np.asarray(image * window)


def _overlap(
    low: NDArray[np.float64], high: NDArray[np.float64], move: NDArray[np.float64], scale: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return low and the reduced high as they overlap when high is moved back by `move`."""
    whole = np.rint(move).astype(int)
    rest = (move - whole) * scale
    moved = shift(high, -rest, order=3, mode="nearest")
    b = Degradation().low_res(moved, scale)
    a_part, b_part = [], []
    for n, d in zip(low.shape, whole.tolist(), strict=True):
        # One pixel off each side, where the rest of the move reaches beyond the image.
        start, stop = max(-d, 0) + 1, min(n, n - d) - 1
        a_part.append(slice(start, stop))
        b_part.append(slice(start + d, stop + d))
    return low[tuple(a_part)], b[tuple(b_part)]


def pair_scale(
    low_shape: Sequence[int],
    high_shape: Sequence[int],
    low_pixel: Sequence[float | None] | None = None,
    high_pixel: Sequence[float | None] | None = None,
) -> int:
    """Tell the scale of a pair of images from their shapes.

    Parameters
    ----------
    low_shape, high_shape : sequence of int, (..., Y, X)
        The high-resolution image may have up to scale - 1 rows and columns more than the scale
        times the low-resolution one's.
    low_pixel, high_pixel : (y, x), optional
        Pixel sizes in one unit, where they are known: they have to agree with the shapes to 2 %.

    Returns
    -------
    int
        2, 3 or 4.

    Raises
    ------
    ValueError
        If there is no such scale, or the pixel sizes say another one.
    """
    low, high = tuple(low_shape)[-2:], tuple(high_shape)[-2:]
    if len(low) != 2 or len(high) != 2 or min(*low, *high) < 1:
        raise ValueError(f"A pair takes two shapes of (..., Y, X), not {low} and {high}.")
    shapes = f"{low[0]} × {low[1]} and {high[0]} × {high[1]} pixels"
    if low == high:
        raise ValueError(
            f"Both images have {low[0]} × {low[1]} pixels (×1), but the high-resolution one needs "
            "2, 3 or 4 times as many along Y and X."
        )
    if all(a >= b for a, b in zip(low, high, strict=True)):
        raise ValueError(
            f"The low-resolution image is larger than the high-resolution one ({shapes}): "
            "they seem to be swapped."
        )
    ratios = [b / a for a, b in zip(low, high, strict=True)]
    scales = [b // a for a, b in zip(low, high, strict=True)]
    whole = [b - k * a < k for a, b, k in zip(low, high, scales, strict=True)]
    if scales[0] != scales[1] and (all(whole) or abs(ratios[0] / ratios[1] - 1) > 0.1):
        raise ValueError(
            f"The images have {shapes}, which is ×{ratios[0]:.3g} along Y and ×{ratios[1]:.3g} "
            "along X, but the scale has to be the same along both."
        )
    if not all(whole) or scales[0] != scales[1] or scales[0] < 1:
        raise ValueError(
            f"The images have {shapes}, which is ×{ratios[0]:.4g} along Y and ×{ratios[1]:.4g} "
            "along X: crop them so that the high-resolution one is 2, 3 or 4 times as large, with "
            "at most scale - 1 rows and columns more."
        )
    scale = int(scales[0])
    if scale not in SCALES:
        raise ValueError(f"The images have {shapes}, which is ×{scale}: 2, 3 or 4 can be trained.")
    for a, b in zip(low_pixel or (), high_pixel or (), strict=False):
        if a and b and not abs(a / b / scale - 1) <= 0.02:
            raise ValueError(
                f"The shapes say ×{scale}, the pixel sizes ×{a / b:.3g}; correct the pixel sizes, "
                "or crop both images to the same field."
            )
    return scale


# -- degradation -----------------------------------------------------------------------------------


def estimate_degradation(
    high: Any, low: Any, scale: int, *, sampling: Sampling = "area"
) -> Degradation:
    """Fit blur and noise so that what is made of `high` looks like the example `low`.

    The two need not show the same place: their power spectra are compared, averaged over all
    directions, so they have to show the same kind of thing. The noise is measured on `low`. It is
    returned in the units of `high`, scaled by the contrast of the two, so that the ratio of signal
    to noise is the example's.

    Parameters
    ----------
    high : array-like, shape (..., Y, X)
        High-resolution image or stack; 16 slices are sampled.
    low : array-like, shape (..., y, x)
        Low-resolution example, of any place and size.
    scale : {2, 3, 4}
        High-resolution pixels along a low-resolution one.
    sampling : {"bicubic", "area", "point"}
        How the low-resolution image was sampled, which is to be known: it looks much like blur.

    Returns
    -------
    Degradation
        `sigma` within 0..4 pixels of `high`. The less of a scene there is, the less alike are two
        of a kind: with 256 x 256 low-resolution pixels in all, expect about 0.2 pixels.

    Raises
    ------
    ValueError
        If an image is constant or has fewer than 32 x 32 low-resolution pixels.
    """
    scale = check_scale(scale)
    # Made first, since it says what is wrong with a sampling.
    Degradation(sampling=sampling)
    noise, own = estimate_noise(low), estimate_noise(high)
    spectrum, floor = _spectrum(low, noise, 1)
    fine, fine_floor = _spectrum(high, own, scale)
    measured = _radial(spectrum)
    # The noise of `high` is no signal; what is left below it is unknown and no less than nothing.
    fine = np.maximum(fine - fine_floor, 1e-3 * fine_floor)
    sigmas = np.linspace(0, _SIGMA, 33)
    models = np.stack([_radial(_reduced(fine, scale, sigma, sampling)) for sigma in sigmas])
    sigma, contrast2, level = _fit_blur(sigmas, models, measured, floor)
    if level < 1:
        # Structure as fine as pixels was taken for noise, and most of it where there is light.
        read = min(noise.read, math.sqrt(level * floor))
        rest = (level * floor - read**2) / max(floor - noise.read**2, 1e-300)
        noise = Noise(gain=noise.gain * max(rest, 0.0), read=read)
    contrast = math.sqrt(contrast2)
    return Degradation(
        sigma=sigma,
        sampling=sampling,
        noise=Noise(gain=noise.gain / contrast, read=noise.read / contrast, offset=own.offset),
    )


def _spectrum(stack: Any, noise: Noise, scale: int) -> tuple[NDArray[np.float64], float]:
    """Return the mean power spectrum per pixel of a stack's sample, and that of its noise.

    Shape (n, n), with n a multiple of `scale`.
    """
    if not hasattr(stack, "shape"):
        stack = np.asarray(stack)
    *leading, height, width = _shape(stack)
    size = min(height, width, _SPECTRUM) // scale * scale
    if size < 32 * scale:
        raise ValueError(
            f"The image of {height} x {width} pixels is too small to measure a blur: it takes "
            f"{32 * scale} x {32 * scale}."
        )
    count = math.prod(leading)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SLICES)).round().astype(int))
    window = np.multiply.outer(np.hanning(size), np.hanning(size))
    window /= math.sqrt(float((window**2).sum()))
    total, floor = np.zeros((size, size)), 0.0
    number = 0
    for flat in chosen:
        index = tuple(int(i) for i in np.unravel_index(flat, leading)) if leading else ()
        # Squares along the longer axis, so that all of a usual image is seen.
        steps = max(round(height / size), 1), max(round(width / size), 1)
        for y in np.linspace(0, height - size, min(steps[0], 2)).astype(int):
            for x in np.linspace(0, width - size, min(steps[1], 2)).astype(int):
                part = stack[(*index, slice(y, y + size), slice(x, x + size))]
                image = np.asarray(part).astype(np.float64)
                good = np.isfinite(image)
                if not good.any():
                    continue
                image = np.where(good, image, np.median(image[good]))
                floor += float((noise.variance(image) * window**2).sum())
                image -= (image * window).sum() / window.sum()
                total += np.abs(np.fft.fft2(image * window)) ** 2
                number += 1
    if not number:
        raise ValueError("The image is all NaN, so that no blur can be measured.")
    return total / number, floor / number


def _transfer(size: int, scale: int, sampling: Sampling) -> NDArray[np.float64]:
    """Return the power that one axis' sampling leaves of each of `size` frequencies."""
    taps = np.zeros(size)
    if sampling == "bicubic":
        weights = axis_weights(64 * scale, 1 / scale, 32, 33)
        np.add.at(taps, (weights.indices[0] - 32 * scale) % size, weights.weights[0])
    elif sampling == "area":
        taps[:scale] = 1 / scale
    else:
        taps[(scale - 1) // 2 : scale // 2 + 1] = 1.0
        taps /= taps.sum()
    return np.asarray(np.abs(np.fft.fft(taps)) ** 2)


def _reduced(
    fine: NDArray[np.float64], scale: int, sigma: float, sampling: Sampling
) -> NDArray[np.float64]:
    """Return the power spectrum after blur and sampling, aliases folded in."""
    size = len(fine)
    blur = np.exp(-((2 * np.pi * sigma * np.fft.fftfreq(size)) ** 2))
    along = blur * _transfer(size, scale, sampling)
    cells = (fine * np.multiply.outer(along, along)).reshape(
        scale, size // scale, scale, size // scale
    )
    return np.asarray(cells.sum(axis=(0, 2)) / scale**2)


def _radial(spectrum: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average a power spectrum over rings; NaN where a ring has no frequency."""
    size = len(spectrum)
    axis = np.fft.fftfreq(size)
    radius = np.hypot(axis[:, None], axis[None, :])
    # The window spreads the mean and the slowest changes over the first frequencies.
    used = (radius < 0.5) & (radius > 2.5 / size)
    ring = (radius[used] * 2 * _RINGS).astype(int)
    number = np.bincount(ring, minlength=_RINGS)
    total = np.bincount(ring, spectrum[used], minlength=_RINGS)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _fit_blur(
    sigmas: NDArray[np.float64],
    models: NDArray[np.float64],
    measured: NDArray[np.float64],
    floor: float,
) -> tuple[float, float, float]:
    """Fit ``contrast**2 * model(sigma) + noise`` to a radial spectrum, in logarithms.

    Return sigma, contrast**2 and what the noise is, divided by `floor`.

    Frequencies below the noise then weigh nothing on sigma, and no threshold has to be chosen.
    """
    known = np.isfinite(measured) & np.isfinite(models).all(axis=0) & (measured > 0)
    known &= (models > 0).all(axis=0)
    target, tables = np.log(measured[known]), np.log(models[:, known])
    step = sigmas[1] - sigmas[0]

    def deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sigma, contrast2, level = values
        k = min(int(sigma / step), len(sigmas) - 2)
        t = sigma / step - k
        signal = contrast2 + (1 - t) * tables[k] + t * tables[k + 1]
        noise = math.log(max(floor, 1e-300)) + level
        # More than the measured noise is unlikely; less where fine structure was taken for some.
        prior = level / (0.2 if level > 0 else 2.0)
        return np.append(np.logaddexp(signal, noise) - target, prior)

    fits = []
    for start in (0.5, 1.5, 3.0):
        contrast2 = float(np.median(target[:5] - tables[round(start / step), :5]))
        fits.append(
            least_squares(
                deviation, (start, contrast2, 0.0), loss="soft_l1", f_scale=0.2,
                bounds=([0, -np.inf, -6], [float(sigmas[-1]), np.inf, 1]),
            )
        )  # fmt: skip
    best = min(fits, key=lambda fit: float(fit.cost))
    return round(float(best.x[0]), 3), math.exp(float(best.x[1])), math.exp(float(best.x[2]))
