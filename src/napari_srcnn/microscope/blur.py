"""Which blur and noise make images of one microscope look like those of another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from napari_srcnn.image.intensity import known_pixels
from napari_srcnn.image.resize import axis_weights
from napari_srcnn.microscope.degradation import Degradation, Sampling, check_scale
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_estimate import estimate_noise
from napari_srcnn.microscope.noise_sample import SLICES, plane_shape

# Radial frequencies that two spectra are compared at, and the largest blur that is looked for.
_RINGS = 40
_SPECTRUM = 1024
_SIGMA = 4.0
# So many slices are looked at where the first ones show nothing.
_MORE_SLICES = 16 * SLICES


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
    *leading, height, width = plane_shape(stack)
    size = min(height, width, _SPECTRUM) // scale * scale
    if size < 32 * scale:
        raise ValueError(
            f"The image of {height} x {width} pixels is too small to measure a blur: it takes "
            f"{32 * scale} x {32 * scale}."
        )
    window = np.multiply.outer(np.hanning(size), np.hanning(size))
    window /= math.sqrt(float((window**2).sum()))
    total, floor = np.zeros((size, size)), 0.0
    number = 0
    # Squares along the longer axis, so that all of a usual image is seen.
    steps = max(round(height / size), 1), max(round(width / size), 1)
    for planes, index in enumerate(_spread(leading)):
        if (planes >= SLICES and number) or planes >= _MORE_SLICES:
            break
        for y in np.linspace(0, height - size, min(steps[0], 2)).astype(int):
            for x in np.linspace(0, width - size, min(steps[1], 2)).astype(int):
                part = stack[(*index, slice(y, y + size), slice(x, x + size))]
                image = np.asarray(part).astype(np.float64)
                good = known_pixels(image)
                if not good.any() or np.ptp(image[good]) == 0:
                    continue  # a mask, or an empty plane, has neither structure nor noise
                image = np.where(good, image, np.median(image[good]))
                floor += float((noise.variance(image) * window**2).sum())
                image -= (image * window).sum() / window.sum()
                total += np.abs(np.fft.fft2(image * window)) ** 2
                number += 1
    if not number:
        raise ValueError("The image is constant or all NaN, so that no blur can be measured.")
    return total / number, floor / number


def _spread(leading: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield leading indices: the first SLICES evenly spread, then others between them."""
    count = math.prod(leading)
    first = np.linspace(0, count - 1, min(count, SLICES)).round().astype(int)
    more = np.linspace(0, count - 1, min(count, _MORE_SLICES)).round().astype(int)
    for flat in dict.fromkeys([*first.tolist(), *more.tolist()]):
        yield tuple(int(i) for i in np.unravel_index(flat, leading)) if leading else ()


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
                deviation,
                (start, contrast2, 0.0),
                loss="soft_l1",
                f_scale=0.2,
                bounds=([0, -np.inf, -6], [float(sigmas[-1]), np.inf, 1]),
            )
        )
    best = min(fits, key=lambda fit: float(fit.cost))
    return round(float(best.x[0]), 3), math.exp(float(best.x[1])), math.exp(float(best.x[2]))
