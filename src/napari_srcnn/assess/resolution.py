"""How fine an image is: Fourier ring correlation, decorrelation analysis, power by frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import hann

Array = NDArray[np.float64]

#: Where a ring correlation counts as lost (van Heel and Schatz discuss it; Koho et al. use it).
THRESHOLD = 1 / 7
# Of one image split into checkerboards: what its resolution is divided by, for the frequency x
# of the crossing in parts of Nyquist's. Koho et al., Nature Communications 10, 3103 (2019).
_CALIBRATION = 0.95988146, 13.90441896, 0.97979108, 0.55146136
# Periods in the image below which a ring has so few pixels that it correlates by chance.
_LEAST_RING = 6
# Of the parts' Nyquist: what is finer was folded as they were made, and nothing can be told.
_SEEN = 0.8
_RINGS, _HIGH_PASSES = 50, 10
# Rings of a spectrum that sums are kept of.
_FINE = 2000
# The least rise of a peak above what comes after it.
_PEAK = 5e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Values by frequency.

    Attributes
    ----------
    frequency : ndarray
        In parts of Nyquist's, 0..1.
    value : ndarray
    """

    frequency: Array
    value: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resolution:
    """A resolution, and what it was read from.

    Attributes
    ----------
    pixels : float
        The shortest period, in pixels of the image; NaN where none was found.
    curve : Curve
    """

    pixels: float
    curve: Curve

    def length(self, pixel: float) -> float:
        """Return it in the unit of a pixel's size."""
        return self.pixels * pixel


def ring_correlation(one: NDArray[Any], other: NDArray[Any], *, window: bool = True) -> Curve:
    r"""Fourier ring correlation of two images of the same place.

    Parameters
    ----------
    one, other : ndarray, shape (Y, X)
    window : bool
        Subtract the mean and let the borders fade (Hann): what does not go on beyond them has all
        frequencies.

    Raises
    ------
    ValueError
        If the shapes differ or are too small.

    Notes
    -----
    For ring r: the real part of the sum of :math:`F_1 \bar F_2` over the root of the product of
    the two powers. Rings are one frequency step of the shorter side apart, and each frequency
    counts to the two next to it by how near they are, as teamtomo's
    torch-fourier-shell-correlation does.
    """
    one, other = _checked(one), _checked(other)
    if one.shape != other.shape:
        raise ValueError(f"The images have shapes {one.shape} and {other.shape}; they must agree.")
    a, b = (_spectrum(image, window=window) for image in (one, other))
    shared = _Shared.of(one.shape)
    cross = shared.sums((a * b.conj()).real)
    power = shared.sums(np.abs(a) ** 2) * shared.sums(np.abs(b) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(power > 0, cross / np.sqrt(power), 0.0)
    return Curve(frequency=shared.frequency, value=value)


def frc(one: NDArray[Any], other: NDArray[Any] | None = None) -> Resolution:
    """Resolution by Fourier ring correlation, of two images or of one alone.

    Parameters
    ----------
    one : ndarray, shape (Y, X)
    other : ndarray, shape (Y, X), optional
        The same place recorded again. Without it `one` is split into four checkerboards, and what
        two pairs of them give is corrected for the distance between them [1]_. That assumes that
        noise is independent from pixel to pixel: of an image that was resampled or denoised the
        number says nothing. What is finer than some 3 pixels it cannot tell: NaN.

    References
    ----------
    .. [1] S. Koho et al., "Fourier ring correlation simplifies image restoration in fluorescence
       microscopy", Nature Communications 10, 3103 (2019).
    """
    if other is not None:
        curve = ring_correlation(one, other)
        crossing = _crossing(curve)
        return Resolution(pixels=2 / crossing if crossing else math.nan, curve=curve)
    image = _checked(one)
    height, width = (n // 2 * 2 for n in image.shape)
    image = image[:height, :width]
    forth = ring_correlation(image[0::2, 0::2], image[1::2, 1::2])
    back = ring_correlation(image[0::2, 1::2], image[1::2, 0::2])
    curve = Curve(frequency=forth.frequency, value=(forth.value + back.value) / 2)
    crossing = _crossing(curve)
    if not crossing or crossing > _SEEN:
        return Resolution(pixels=math.nan, curve=curve)
    a, c, b, d = _CALIBRATION
    # Calibrated for the image's own pixels, though the parts have every other one only.
    factor = a * math.exp(c * (crossing - b)) + d
    return Resolution(pixels=2 / crossing / factor, curve=curve)


def decorrelation(image: NDArray[Any]) -> Resolution:
    """Resolution of one image by decorrelation analysis [1]_.

    The image is correlated with itself of which only phases are kept, up to each frequency; the
    last peak over a set of high-pass filters is the cut-off.

    Parameters
    ----------
    image : ndarray, shape (Y, X)

    References
    ----------
    .. [1] A. Descloux, K. S. Grußmayer, A. Radenovic, "Parameter-free image resolution estimation
       based on decorrelation analysis", Nature Methods 16, 918-924 (2019).
    """
    image = _checked(image)
    size = min(image.shape) // 2 * 2 - 1
    image = image[:size, :size]
    faded = (image - image.mean()) * np.outer(*(_edge(n) for n in image.shape))
    discs = _Discs.of(np.fft.fftshift(np.fft.fft2(faded)))
    frequencies = np.linspace(0, 1, _RINGS)
    first = discs.curve(frequencies)
    cut = _peak(first, frequencies)
    width = 2 / cut if cut else size / 2
    filters = [size / 4, *np.exp(np.linspace(math.log(width), math.log(0.15), _HIGH_PASSES))]
    low, high = 0.0, 1.0
    # Two rounds as published, and one whose steps are so fine that they no longer matter.
    for number in range(3):
        scale = np.linspace(low, high, _RINGS)
        found = [_peak(discs.curve(scale, sigma), scale) for sigma in filters]
        best = int(np.argmax(found))
        cut = found[best] or cut
        step = scale[1] - scale[0]
        above = 0.4 if number == 0 else 4 * step
        low, high = max(found[best] - 2 * step, 0.0), min(found[best] + above, 1.0)
        wide, narrow = filters[max(best - 1, 0)], filters[min(best + 1, len(filters) - 1)]
        filters = list(np.exp(np.linspace(math.log(wide), math.log(narrow), _HIGH_PASSES)))
    return Resolution(
        pixels=2 / cut if cut else math.nan, curve=Curve(frequency=frequencies, value=first)
    )


def power_spectrum(image: NDArray[Any]) -> Curve:
    """Mean power of each frequency, of an image whose borders fade.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
    """
    image = _checked(image)
    rings, number = _rings(image.shape)
    power = _sums(rings, np.abs(_spectrum(image, window=True)) ** 2, number)
    pixels = _sums(rings, np.ones(image.shape), number)
    return Curve(frequency=np.arange(number) / number, value=power / np.maximum(pixels, 1))


# ---------------------------------------------------------------- pieces


def _checked(image: NDArray[Any]) -> Array:
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2 or min(image.shape) < 16:
        raise ValueError(
            f"An image of shape {image.shape} is too small to tell its resolution; at least "
            "16 × 16 pixels are needed."
        )
    if not np.isfinite(image).all():
        raise ValueError("The image holds values that are not finite, so it has no spectrum.")
    if not np.ptp(image):
        raise ValueError("The image is constant, so it has no resolution.")
    return image


def _spectrum(image: Array, *, window: bool) -> NDArray[np.complex128]:
    if window:
        fade = np.outer(*(hann(n, sym=False) for n in image.shape))
        image = (image - image.mean()) * fade
    return np.asarray(np.fft.fft2(image))


def _rings(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], int]:
    """Return the ring of each frequency of a spectrum, and how many rings lie below Nyquist's."""
    y, x = (np.fft.fftfreq(n) for n in shape)
    number = min(shape) // 2
    radius = np.hypot(y[:, None], x[None, :]) * min(shape)
    return np.rint(radius).astype(np.intp), number


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shared:
    """Rings that share the frequencies between them."""

    inner: NDArray[np.intp]
    outer_share: Array
    frequency: Array

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> _Shared:
        y, x = (np.fft.fftfreq(n) for n in shape)
        size = min(shape)
        radius = (np.hypot(y[:, None], x[None, :]) * size).ravel()
        inner = np.floor(radius).astype(np.intp)
        # In parts of Nyquist's, which an odd number of pixels does not reach.
        frequency = np.arange(size // 2) * 2 / size
        return cls(inner=inner, outer_share=radius - inner, frequency=frequency)

    def sums(self, values: Array) -> Array:
        outer = values.ravel() * self.outer_share
        found = np.bincount(self.inner, values.ravel() - outer)
        found[1:] += np.bincount(self.inner, outer)[:-1]
        return np.asarray(found[: len(self.frequency)], dtype=np.float64)


def _sums(rings: NDArray[np.intp], values: Array, number: int) -> Array:
    sums = np.bincount(rings.ravel(), values.ravel())[:number]
    return np.asarray(sums, dtype=np.float64)


def _crossing(curve: Curve) -> float:
    """Return the frequency of the first fall below the threshold; 0 where there is none."""
    below = np.flatnonzero(curve.value[1:] < THRESHOLD) + 1
    if not below.size or below[0] < _LEAST_RING:
        return 0.0
    last = int(below[0]) - 1
    high, low = curve.value[last], curve.value[last + 1]
    step = curve.frequency[last + 1] - curve.frequency[last]
    return float(curve.frequency[last] + step * (high - THRESHOLD) / (high - low))


def _edge(size: int) -> Array:
    """Return a window that falls to zero within the last 20 pixels, or a quarter of a small one."""
    reach = min(20, size // 4)
    ramp = np.sin(np.linspace(0, math.pi / 2, reach, endpoint=False)) ** 2
    return np.concatenate([ramp, np.ones(size - 2 * reach), ramp[::-1]])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Discs:
    """A spectrum's sums over rings so narrow that the filters hardly change within one."""

    radius: Array
    amplitude: Array
    power: Array
    pixels: Array

    @classmethod
    def of(cls, spectrum: NDArray[np.complex128]) -> _Discs:
        axis = np.linspace(-1, 1, len(spectrum))
        rings = np.rint(np.hypot(axis[:, None], axis[None, :]) * _FINE).astype(np.intp)
        amplitude = np.abs(spectrum)
        number = _FINE + 1
        return cls(
            radius=np.arange(number) / _FINE,
            amplitude=_sums(rings, amplitude, number),
            power=_sums(rings, np.square(amplitude), number),
            pixels=_sums(rings, np.ones(rings.shape), number),
        )

    def curve(self, frequencies: Array, sigma: float | None = None) -> Array:
        """Return the correlation with the phases below each frequency, after a high-pass filter.

        The sum of |F| over the disc, over the root of the whole power and of the disc's pixels.
        """
        passed = np.ones(self.radius.shape)
        if sigma is not None:
            passed = 1 - np.exp(-2 * (sigma * self.radius) ** 2)
        sums, pixels = np.cumsum(self.amplitude * passed), np.cumsum(self.pixels)
        total = float((self.power * passed**2).sum())
        last = np.rint(frequencies * _FINE).astype(np.intp)
        return np.asarray(sums[last] / np.sqrt(total * pixels[last]))


def _peak(values: Array, frequencies: Array) -> float:
    """Return where the last peak is that is one, 0 where there is none."""
    kept = len(values)
    while kept > 1:
        at = int(np.argmax(values[:kept]))
        if at == kept - 1:
            kept -= 1
        elif values[at] - values[at:kept].min() < _PEAK:
            kept = at
        else:
            return float(frequencies[at])
    return 0.0
