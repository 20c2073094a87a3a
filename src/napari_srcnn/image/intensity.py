"""Intensities: what range of an image the network sees, measured once and undone exactly.

A network was trained on values of about 0..1. An :class:`IntensityRange` maps a range of the image
linearly to a *window* of what the network sees, and back. It never clips: values outside the range
lie outside the window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The percentiles leave out hot pixels and the few saturated ones.
PERCENTILES = (0.1, 99.9)
# A million samples fix a 0.1 % percentile to about 3 % of its rank; more costs only reading.
SAMPLE_SIZE = 1 << 20
SAMPLE_SLICES = 16
# So many more are looked at where most of those are of one value.
MORE_SLICES = 16 * SAMPLE_SLICES
# What programs write into floats where there is no image (-3.4e38) lies at their range's end.
_NO_DATA = np.float64(1e38)
# Of a mask or an empty background: a value that so much of an image has says nothing of its range.
_MOSTLY = 0.9


@dataclass(frozen=True, slots=True)
class IntensityRange:
    """An affine map of intensities to what the network sees.

    Attributes
    ----------
    low, high : float
        The range, in the image's own units. Equal for a constant image, whose detail is then zero.
    window : tuple of two floats
        What `low` and `high` become.
    """

    low: float
    high: float
    window: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)) or self.high < self.low:
            raise ValueError(
                f"The intensity range is ({self.low}, {self.high}), "
                "but it needs two finite numbers, the lower one first."
            )
        if len(self.window) != 2 or not self.window[0] < self.window[1]:
            raise ValueError(
                f"The window is {self.window}, but it needs two numbers, the lower one first."
            )

    @property
    def gain(self) -> float:
        """Network units per unit of the image (0 for a constant image)."""
        if self.high == self.low:
            return 0.0
        gain = (self.window[1] - self.window[0]) / (self.high - self.low)
        # Of a few denormal numbers the gain overflows: they are as good as constant.
        return gain if math.isfinite(gain) else 0.0

    @property
    def offset(self) -> float:
        """What an intensity of zero becomes."""
        if self.high == self.low:
            return self.window[0]
        return self.window[0] - self.low * self.gain

    @property
    def inverse_gain(self) -> float:
        """Units of the image per network unit (0 for a constant image)."""
        if not self.gain:
            return 0.0
        return (self.high - self.low) / (self.window[1] - self.window[0])

    def normalize(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Return `image` (any shape, any dtype) as the network sees it, in float64."""
        # The low end is subtracted first: with a large offset the other order loses digits.
        shifted = np.asarray(image, dtype=np.float64) - self.low
        return shifted * self.gain + self.window[0]

    def restore(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Undo :meth:`normalize`, in float64."""
        shifted = np.asarray(image, dtype=np.float64) - self.window[0]
        return shifted * self.inverse_gain + self.low


def dtype_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the range of an integer dtype; 0..1 for floats, which is what they mean by custom."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return float(info.min), float(info.max)
    return 0.0, 1.0


def cast(values: NDArray[np.float64], dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """Round, clip and cast float64 values.

    Parameters
    ----------
    values : ndarray of float64
    dtype : numpy.dtype
        Integers are rounded (half to even) and clipped to their range, floats only clipped.

    Returns
    -------
    ndarray of `dtype`
        NaN stays NaN in a float dtype.
    clipped : int
        How many finite values lay outside of the dtype's range.
    """
    if dtype.kind in "iu":
        low, high = integer_limits(dtype)
        values = np.rint(values)
    elif dtype.itemsize < 8:
        high = float(np.finfo(dtype).max)
        low = -high
    else:
        return values.astype(dtype), 0
    outside = np.count_nonzero((values < low) | (values > high))
    return values.clip(low, high).astype(dtype), int(outside)


def integer_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return an integer dtype's range as floats that can be cast back to it."""
    info = np.iinfo(dtype)
    high = float(info.max)
    # float(2**63 - 1) is 2**63, one too many; the next float below fits.
    return float(info.min), high if int(high) <= info.max else float(np.nextafter(high, 0))


def known_pixels(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which pixels have an intensity: neither NaN nor infinite nor a fill value as -3.4e38."""
    if image.dtype.kind != "f":
        return np.ones(image.shape, bool)
    return np.asarray(np.abs(image) < _NO_DATA)


def robust_range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 0.1 and 99.9 percentiles of values, 1-D, at least one, all known.

    Where nearly all is one value, as of a mask or an empty background, they are those of the rest
    and of that value.
    """
    # In one pass: sorting is most of what measuring costs.
    low, usual, high = (
        float(v) for v in np.percentile(values, (PERCENTILES[0], 50, PERCENTILES[1]))
    )
    is_other = values != usual
    if 0 < np.count_nonzero(is_other) < (1 - _MOSTLY) * values.size:
        own = np.percentile(values[is_other], PERCENTILES)
        low, high = min(usual, float(own[0])), max(usual, float(own[1]))
    return low, high


def _counted_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return what `robust_range` does, of integers of up to 16 bits, by counting each value."""
    least = int(values.min())
    counts = np.bincount(values.astype(np.intp) - least)
    levels = np.flatnonzero(counts)
    low, usual, high = _percentiles(
        levels + least, counts[levels], (PERCENTILES[0], 50, PERCENTILES[1])
    )
    is_other = levels + least != usual
    others = int(counts[levels][is_other].sum())
    if 0 < others < (1 - _MOSTLY) * values.size:
        own = _percentiles(levels[is_other] + least, counts[levels][is_other], PERCENTILES)
        low, high = min(usual, own[0]), max(usual, own[1])
    return float(low), float(high)


def _percentiles(
    levels: NDArray[np.int_], counts: NDArray[np.int_], percentiles: Sequence[float]
) -> NDArray[np.float64]:
    """Return percentiles of values that are counted, as `numpy.percentile` does of the values."""
    ends = np.cumsum(counts)
    place = (ends[-1] - 1) * (np.asarray(percentiles) / 100)
    before = np.floor(place)
    part = place - before
    first, second = (
        levels[np.searchsorted(ends, np.minimum(rank, ends[-1] - 1), side="right")].astype(float)
        for rank in (before, before + 1)
    )
    # From the nearer of the two, as numpy does, so that no bit differs.
    step = second - first
    return np.asarray(np.where(part < 0.5, first + step * part, second - step * (1 - part)))


def _slices(shape: Sequence[int], count: int = SAMPLE_SLICES) -> Iterator[tuple[int, ...]]:
    """Yield up to `count` leading indices, evenly spaced, the first and last among them."""
    number = math.prod(shape)
    chosen = np.unique(np.linspace(0, number - 1, min(number, count)).round().astype(int))
    for flat in chosen:
        yield tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


def sample(
    stack: Any, leading: Sequence[int], channel: tuple[int, int] | None = None
) -> NDArray[Any]:
    """Draw a bounded sample of a stack's pixels, the same at every call.

    Parameters
    ----------
    stack : array-like, shape (*leading, Y, X) or (*leading, Y, X, S)
        Only some rows of some slices are read; of more of them where most are of one value.
    leading : sequence of int
        Lengths of the axes before Y and X.
    channel : tuple (axis, index), optional
        Sample this index of a leading axis only.

    Returns
    -------
    ndarray, 1-D, of the stack's dtype
    """
    shape = list(leading)
    if channel is not None:
        shape[channel[0]] = 1
    indices = list(_slices(shape))
    per_slice = max(SAMPLE_SIZE // len(indices), 4096)
    height, width = stack.shape[len(leading) : len(leading) + 2]
    # An odd step does not fall in with the even/odd rows of a camera or an interlaced scan.
    step = max(math.isqrt(height * width // per_slice), 1) | 1 if height * width > per_slice else 1

    def read(index: tuple[int, ...]) -> NDArray[Any]:
        if channel is not None:
            index = (*index[: channel[0]], channel[1], *index[channel[0] + 1 :])
        rows = stack[(*index, slice(None, None, step))]
        return np.asarray(rows)[:, ::step].ravel()

    parts = [read(index) for index in indices]
    shown = sum(map(_shows_something, parts))
    for index in _slices(shape, MORE_SLICES):
        if 2 * shown >= len(indices):
            break
        if index not in indices and _shows_something(part := read(index)):
            parts.append(part)
            shown += 1
    return np.concatenate(parts)


def _shows_something(part: NDArray[Any]) -> bool:
    known = part[known_pixels(part)] if part.dtype.kind == "f" else part
    return bool(known.size) and bool(known.min() < known.max())


def measure_range(
    stack: Any,
    leading: Sequence[int],
    *,
    channel: tuple[int, int] | None = None,
    window: tuple[float, float] = (0.0, 1.0),
) -> IntensityRange:
    """Measure the range of a stack or of one of its channels, robustly.

    Parameters
    ----------
    stack : array-like, shape (*leading, Y, X) or (*leading, Y, X, S)
    leading : sequence of int
        Lengths of the axes before Y and X.
    channel : tuple (axis, index), optional
        The channel to measure; the whole stack by default.
    window : tuple of two floats
        What the network shall see of the range.

    Returns
    -------
    IntensityRange
        That of `robust_range` of the known pixels of a bounded sample; `low` equal to `high` where
        all of it is one value.
    """
    values = sample(stack, leading, channel)
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2 and values.size:
        return IntensityRange(*_counted_range(values), window)
    values = values[known_pixels(values)]
    if values.size == 0:
        return IntensityRange(0.0, 0.0, window)
    low, high = robust_range(values.astype(np.float64))
    return IntensityRange(low, high, window)
