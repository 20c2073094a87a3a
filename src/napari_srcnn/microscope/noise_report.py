"""The noise of a stack, measured with no choice left to the user, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.intensity import PERCENTILES
from napari_srcnn.microscope.correlation import (
    Alike,
    has_block_grid,
    measure_correlation,
    told_factor,
)
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_estimate import (
    ENOUGH,
    FEW,
    check_offset,
    even_sigma,
    falls_with_light,
    neighbour_sigma,
    noise_blocks,
    photon_transfer,
)
from napari_srcnn.microscope.noise_sample import (
    darkest,
    sample_tiles,
    saturation_level,
    still_share,
    without_clipped,
)
from napari_srcnn.words import percent

Method = Literal["photon transfer", "even", "neighbours", "rounding", "none"]

# Pixels that are looked at: enough for 2 % of the noise, and done in a blink.
_PIXELS, _SLICES = 1 << 19, 8
# Noise that is alike over more pixels than this is not seen by photon transfer.
_SEEN = 0.5
# Told too much noise a network loses less than told too little.
_SAFE = 1.3
# Of a few blocks, by the root of their number: some deviations of what they give by chance.
_LEAN = 1.5
# Of block means, below so many standard deviations of the noise there is one brightness only.
_ONE_BRIGHTNESS = 3.0
# Share of squares of one value above which rounding has left next to no noise.
_STILL = 0.8
_BLOCKS = (
    "The image was compressed with losses (steps lie on a grid of 8 pixels, as in a JPEG): coarse "
    "grain that was left is stronger than the noise that was measured."
)
_SMOOTH = (
    "The image is so smooth from pixel to pixel that it has next to no noise, or was enlarged, "
    "compressed, smoothed or denoised: grain that such a step left cannot be told from the image."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredNoise:
    """What was measured of a stack's noise, and how.

    Attributes
    ----------
    noise : Noise
        What a network is to be told, in image units. Of noise that is alike from pixel to pixel it
        is white noise as strong in the lower half of the frequencies.
    low, high : float
        The range of the image (0.1 and 99.9 percentiles), which the noise is said in parts of.
    correlation : float
        Standard deviation, in pixels, of the Gaussian that makes white noise as alike; 0 for noise
        that is white, or of which nothing else could be told.
    method : {"photon transfer", "even", "neighbours", "rounding", "none"}
        By photon transfer; as one value; from neighbouring pixels, where these are few; what
        rounding to whole counts makes, where there is no more; or nothing, and `noise` is zero.
    notes : tuple of str
        Sentences that the user should read: fallbacks, and what was left out.
    """

    noise: Noise
    low: float = 0.0
    high: float = 0.0
    correlation: float = 0.0
    method: Method = "photon transfer"
    notes: tuple[str, ...] = ()

    @property
    def is_measured(self) -> bool:
        """Whether `noise` was measured, by whatever method, and is no stand-in for it."""
        return self.method != "none"

    @property
    def level(self) -> float:
        """Standard deviation at mid brightness, in parts of the range; 0 without a range."""
        width = self.high - self.low
        if not width > 0:
            return 0.0
        return float(self.noise.sigma(np.array((self.low + self.high) / 2))) / width

    @property
    def shot_share(self) -> float:
        """Share of shot noise in the variance at mid brightness."""
        variance = float(self.noise.variance(np.array((self.low + self.high) / 2)))
        return 1 - self.noise.read**2 / variance if variance > 0 else 0.0

    @property
    def text(self) -> str:
        """What was measured, in a few words for one row of a form."""
        if not self.is_measured:
            return "not measured"
        if self.method == "rounding":
            return f"{percent(self.level)} of the range, which is rounding to whole counts"
        if self.noise.gain == 0:
            kind = "the same at every brightness"
        elif self.shot_share > 0.5:
            kind = "mostly shot noise"
        else:
            kind = "mostly read noise"
        words = f"{percent(self.level)} of the range at mid brightness, {kind}"
        if self.correlation:
            words += f", alike over {self.correlation:.1f} pixels"
        return words


def measure_noise(stack: Any, *, offset: float | None = None) -> MeasuredNoise:
    """Measure the noise of a stack, or say what is used in its place.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X), of a real dtype
        One channel: image, memmap or dask array, of which a bounded sample is read.
    offset : float, optional
        The value without light; the darkest 2 % of the blocks by default.

    Returns
    -------
    MeasuredNoise
        Where nothing can be measured, `noise` is zero, and `notes` says why.

    Raises
    ------
    ValueError
        If it is no stack of real numbers, or the offset is not finite.

    Notes
    -----
    Of ``a * x + b`` with ``a > 0`` all is measured that goes with the units of `x`. An inverted
    image has the most noise where it is darkest, which `Noise` cannot say: one value is measured.
    """
    return measure_tiles(list(sample_tiles(stack, _PIXELS, _SLICES)), offset=offset)


def measure_tiles(
    tiles: Sequence[NDArray[np.float64]], *, offset: float | None = None
) -> MeasuredNoise:
    """Measure the noise of parts of one image as :func:`measure_noise` does that of a stack.

    Parameters
    ----------
    tiles : sequence of ndarray, each (y, x)
        Of any sizes; NaN is not known, and inf saturated.
    offset : float, optional
    """
    check_offset(offset)
    finite = [tile[np.isfinite(tile)] for tile in tiles]
    limit = saturation_level(finite)
    lit = [values[values < limit] for values in finite]
    pixels = sum(values.size for values in lit)
    if not pixels:
        if any(np.isnan(tile).all() for tile in tiles):
            return _nothing("No pixel has a finite value, so no noise can be measured.")
        return _nothing("Every pixel is saturated, so no noise can be measured.")
    values = np.concatenate([v[:: max(pixels >> 16, 1)] for v in lit])
    low, high = (float(p) for p in np.percentile(values, PERCENTILES))
    kinds = np.unique(values)
    if kinds.size <= 2:
        what = "one value" if kinds.size == 1 else "one of two values, as in a mask"
        return _nothing(f"Every pixel that is not saturated has {what}: no noise can be measured.")
    if low == high:
        low, high = float(kinds[0]), float(kinds[-1])
    found = replace(_measured(tiles, lit, limit, offset), low=low, high=high)
    return _checked(found, float(np.diff(kinds).min()))


def _nothing(note: str) -> MeasuredNoise:
    return MeasuredNoise(noise=Noise(), method="none", notes=(f"{note} None is assumed.",))


def _measured(
    tiles: Sequence[NDArray[np.float64]],
    lit: Sequence[NDArray[np.float64]],
    limit: float,
    offset: float | None,
) -> MeasuredNoise:
    """Measure by the best method that there are pixels for."""
    if still_share(tiles) > _STILL:
        note = (
            "Most neighbouring pixels are equal: there is less noise than one count, and what "
            "rounding makes is taken for it."
        )
        return MeasuredNoise(noise=Noise(offset=darkest(lit)), method="rounding", notes=(note,))
    tiles, notes = without_clipped(tiles, lit)
    blocks = noise_blocks(tiles, limit)
    number = blocks.shape[1]
    if number < ENOUGH:
        found = _by_neighbours(tiles, lit, limit, number)
        return replace(found, notes=(*notes, *found.notes))
    found = _told(photon_transfer(blocks, offset), measure_correlation(tiles, limit))
    if not found.notes and has_block_grid(tiles):
        notes.append(_BLOCKS)
    if not found.correlation:
        found = _levelled(found, blocks)
    noise = found.noise
    if number < FEW:
        noise = noise.times(1 + _LEAN / math.sqrt(number))
        notes.append(
            f"The noise was measured on {number} blocks of 8 x 8 pixels only, so it is rather "
            "taken for too strong than for too weak."
        )
    return replace(found, noise=noise, notes=(*notes, *found.notes))


def _told(noise: Noise, alike: Alike | None) -> MeasuredNoise:
    """Return what matters of noise, of which photon transfer sees the highest frequencies."""
    if alike is None or not alike.length:
        return MeasuredNoise(noise=noise)
    if alike.length == math.inf:
        return MeasuredNoise(noise=noise, notes=(_SMOOTH,))
    note = (
        f"The noise is alike over {alike.length:.1f} pixels (the image was resampled, compressed "
        "or denoised, or its colours were interpolated); what it has of coarse grain counts."
    )
    if not alike.is_sure:
        few = "Too few places show nothing to say how strong it is: it may be stronger than told."
        return MeasuredNoise(noise=noise, correlation=alike.length, notes=(note, few))
    if alike.length <= _SEEN:
        noise = noise.times(told_factor(alike.length))
        return MeasuredNoise(noise=noise, correlation=alike.length, notes=(note,))
    # The highest frequencies hold next to nothing of it: photon transfer sees structure instead.
    place = (
        "It is measured where the image shows nothing and taken to be the same everywhere; where "
        "there is light it may be stronger."
    )
    return MeasuredNoise(
        noise=Noise(read=alike.sigma, offset=noise.offset),
        correlation=alike.length,
        method="even",
        notes=(note, place),
    )


def _levelled(found: MeasuredNoise, blocks: NDArray[np.float64]) -> MeasuredNoise:
    """Return noise of one strength where the image cannot say how it goes with brightness."""
    means = blocks[0]
    dark, middle, bright = (float(q) for q in np.quantile(means, (0.05, 0.5, 0.95)))
    even = even_sigma(blocks)
    if bright - dark < _ONE_BRIGHTNESS * even / math.sqrt(8):
        note = (
            "The image has one brightness only, so shot noise and read noise cannot be told "
            "apart; the noise is taken to be the same everywhere."
        )
    elif falls_with_light(means, blocks[1]):
        even = float(found.noise.sigma(np.array(middle)))
        note = (
            "The noise is weaker where the image is brighter (is it inverted?); it is taken to be "
            "the same everywhere."
        )
    else:
        return found
    noise = Noise(read=even, offset=found.noise.offset)
    return replace(found, noise=noise, method="even", notes=(*found.notes, note))


def _checked(found: MeasuredNoise, step: float) -> MeasuredNoise:
    """Add what rounding to whole counts makes, and say where noise is all there is."""
    if not found.is_measured:
        return found
    rounding = step / math.sqrt(12)
    noise = replace(found.noise, read=max(found.noise.read, rounding))
    found = replace(found, noise=noise)
    if found.noise.read <= found.high - found.low:
        return found
    note = "The read noise is larger than the range of the image: it shows hardly anything else."
    return replace(found, notes=(*found.notes, note))


def _by_neighbours(
    tiles: Sequence[NDArray[np.float64]],
    lit: Sequence[NDArray[np.float64]],
    limit: float,
    number: int,
) -> MeasuredNoise:
    """Measure one standard deviation on differences of neighbours, rather too much."""
    sigma = neighbour_sigma(tiles, limit)
    if sigma is None:
        return _nothing("The image is too small to measure noise on.")
    note = (
        f"There are too few pixels to measure the noise well ({number} blocks of 8 x 8, and it "
        f"takes {ENOUGH}): differences of neighbours are taken for it, the same everywhere and "
        "rather too strong."
    )
    return MeasuredNoise(
        noise=Noise(read=_SAFE * sigma, offset=darkest(lit)), method="neighbours", notes=(note,)
    )
