"""How low-res rectangles are recorded: which noise they have, what is told of it, and the truth.

Of noisy examples without a clean partner the truth has noise too, a part of which is in the
low-res image made of it: a network would learn to keep that. By recorruption it does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_srcnn.image.intensity import integer_limits
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import NO_NOISE, Noise
from napari_srcnn.microscope.noise_report import MeasuredNoise
from napari_srcnn.microscope.recorruption import recorrupt
from napari_srcnn.training.field import Array

# Of the range: with more noise than this, examples without a clean partner are recorrupted.
NOISY = 0.01
# Pixels that noise may be alike over: neighbours then share less than a tenth of its variance, and
# what is added, which is independent from pixel to pixel, can still be its counterpart.
_NEARLY_WHITE = 0.4
# The least strength of a recorruption makes low-res images a quarter noisier than they would be;
# above the largest there is nothing left to gain for the truth.
_LEAST, _MOST = 0.5, 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """A low-res rectangle as it was recorded, and the truth beside it.

    Attributes
    ----------
    low : ndarray, shape (y, x)
        In image units, as `high`.
    told : Noise
        All that `low` has, for a network that is told.
    high : ndarray, shape (y * scale, x * scale)
    added : ndarray of the shape of `high`, or None
        The noise that `high` was given beside its own.
    """

    low: Array
    told: Noise
    high: Array
    added: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """How the low-res rectangles of a source and channel are recorded.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the low-res image: noise is followed by its rounding and clipping.
    added : Noise
        What is drawn for each rectangle, beside what it has already.
    told : Noise
        All that it has then.
    """

    dtype: np.dtype[Any]
    added: Noise = NO_NOISE
    told: Noise = NO_NOISE

    @property
    def usual(self) -> Noise:
        """What most rectangles are given, beside the noise that they have."""
        return self.added

    def draw(self, low: Array, high: Array, rng: np.random.Generator) -> Recorded:
        """Return a rectangle as its camera would have recorded it, noise drawn anew."""
        return Recorded(low=recorded(low, self.added, self.dtype, rng), told=self.told, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorruption:
    r"""Draws low-res rectangles and truths of which neither has the other's noise.

    The low-res rectangle is made of :math:`y + \alpha z`, the truth is :math:`y - z / \alpha`, and
    `z` is drawn anew; see :func:`~napari_srcnn.microscope.recorruption.recorrupt`. The stronger
    :math:`\alpha`, the less noise has the truth, so that it takes the place of the noise that
    low-res images are to be given anyway.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the low-res image.
    added : Noise
        What is drawn for a low-res rectangle at most, beside what is left of the high-res noise.
    own : Noise
        Of the high-res image.
    left : Noise
        What of it is left in the low-res one.
    degradation : Degradation
    scale : int
    strength : float
        The largest :math:`\alpha`.
    is_spread : bool
        Draw low-res images of any noise up to the largest: for a network that is told which.
    """

    dtype: np.dtype[Any]
    added: Noise
    own: Noise
    left: Noise
    degradation: Degradation
    scale: int
    strength: float
    is_spread: bool

    @property
    def usual(self) -> Noise:
        """What a rectangle in the middle is given, beside the noise that it has."""
        share = 0.5 if self.is_spread else 1.0
        return self.left.times(self._strength(share)).plus(self.added.times(math.sqrt(share)))

    def draw(self, low: Array, high: Array, rng: np.random.Generator) -> Recorded:
        """Return a low-res rectangle and the truth, the noises of both drawn anew."""
        share = rng.random() if self.is_spread else 1.0
        strength = self._strength(share)
        # What is blurred into the rectangle has its noise as well.
        reach = math.ceil(4 * self.degradation.sigma / self.scale)
        reach += 2 * (self.degradation.sampling == "bicubic")
        wide = np.pad(high, reach * self.scale, mode="symmetric").astype(np.float64)
        first, second = recorrupt(wide, self.own, rng, strength=strength)
        change = self.degradation.low_res(first - wide, self.scale)
        low = low + _inner(change, reach)
        added = self.added.times(math.sqrt(share))
        truth = _inner(second, reach * self.scale)
        return Recorded(
            low=recorded(low, added, self.dtype, rng),
            told=self.left.times(math.hypot(1, strength)).plus(added),
            high=truth,
            added=truth - high,
        )

    def _strength(self, share: float) -> float:
        """Return the strength for a share of the largest variance that it adds."""
        return math.sqrt(_LEAST**2 + share * (self.strength**2 - _LEAST**2))


def recorded(low: Array, noise: Noise, dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    """Return light as a camera records it: with its noise, then rounded and clipped."""
    if not noise.is_any:
        return low
    noisy = noise.apply(low, rng)
    return noisy if dtype.kind == "f" else np.rint(noisy).clip(*integer_limits(dtype))


def _inner(image: Array, border: int) -> Array:
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


#: How rectangles of a source and channel come about.
Way = Recording | Recorruption

# ---------------------------------------------------------------- which way


def why_not(found: MeasuredNoise) -> str:
    """Return why noise cannot be split in two by recorruption; empty where it can."""
    if found.method == "none":
        return "its noise cannot be measured"
    if found.method == "neighbours":
        return "it has too few pixels to measure its noise well"
    if found.method == "rounding":
        return "it has no more noise than rounding makes"
    if found.correlation > _NEARLY_WHITE:
        return "its noise is alike from pixel to pixel"
    return ""


def is_noisy(found: MeasuredNoise) -> bool:
    """Tell whether an example without a partner is better recorrupted, if it can be."""
    return not found.is_measured or found.level > NOISY


def plain(
    dtype: np.dtype[Any], degradation: Degradation, found: MeasuredNoise, scale: int
) -> Recording:
    """Return how low-res rectangles are recorded beside the high-res ones as they are.

    What is made of noisy images has some of their noise already: at ×2 a quarter of its variance,
    and so 12 % more than it shall have where both are alike.
    """
    wanted, left = degradation.noise, degradation.noise_left(found.noise, scale)
    if not wanted.is_any:
        return Recording(dtype=dtype, told=left)
    lacking = wanted.minus(left)
    # Structure as fine as pixels passes for noise, so no more than half is believed.
    added = replace(
        wanted,
        gain=max(lacking.gain, wanted.gain / 2),
        read=max(lacking.read, wanted.read / math.sqrt(2)),
    )
    return Recording(dtype=dtype, added=added, told=added.plus(left))


def recorrupted(
    dtype: np.dtype[Any],
    degradation: Degradation,
    found: MeasuredNoise,
    scale: int,
    *,
    is_told: bool,
) -> Recorruption:
    """Return how low-res rectangles and truths are drawn of noisy images.

    A network that is told the noise learns from low-res images of any noise, up to what they are
    to have: up to that of the examples, where nothing was said.
    """
    own, wanted = found.noise, degradation.noise
    left = degradation.noise_left(own, scale)
    if is_told and not wanted.is_any:
        wanted = own
    # As strong as the noise that images are to have leaves room for, in the dark and in its rise.
    dark = np.array(found.low)
    pairs = (wanted.gain, left.gain), (float(wanted.variance(dark)), float(left.variance(dark)))
    ratio = min((most / there for most, there in pairs if there > 0), default=1.0)
    strength = min(max(math.sqrt(max(ratio - 1, 0.0)), _LEAST), _MOST)
    return Recorruption(
        dtype=dtype,
        added=wanted.minus(left.times(math.hypot(1, strength))),
        own=own,
        left=left,
        degradation=degradation,
        scale=scale,
        strength=strength,
        is_spread=is_told,
    )
