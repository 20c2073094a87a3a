"""What a measured pair of images has to do with each other: the scale, the shift, the intensities.

That the two show the same place is checked, on a place of bounded size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import shift

from napari_srcnn.image.intensity import known_pixels
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.registration import Match, estimate_shift, pair_scale
from napari_srcnn.training.field import Array, Box, Planes, Source

# The least correlation of two images of one place.
ALIKE = 0.3
# Low-res pixels a side of the place that a pair's shift is measured on.
MATCH = 1024
# Planes that it is measured on, and how many are looked at where most show nothing.
_PLANES, _MORE_PLANES = 3, 200
# Below this, in low-res pixels, nobody needs to be told of a shift.
_SLIGHT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """How the low-res image of a pair lies to its high-res one.

    Attributes
    ----------
    match : Match
        As it was found.
    shift : tuple (y, x)
        What is corrected, in low-res pixels; zeros where nothing is.
    fits : tuple of (gain, offset)
        Of each channel, of high-res to low-res intensities.
    note : str
        What the user should know; empty where there is nothing to say.
    """

    match: Match
    shift: tuple[float, float]
    fits: tuple[tuple[float, float], ...]
    note: str = ""

    @property
    def is_moved(self) -> bool:
        """Whether anything is corrected."""
        return self.shift != (0.0, 0.0)

    def moved(self, low: Array) -> Array:
        """Return a rectangle of the low-res image where the high-res one has it."""
        return _moved(low, self.shift)

    def inner(self, shape: Sequence[int]) -> tuple[slice, slice]:
        """Return what of a low-res plane has pixels after the shift."""
        return _inner(shape, self.shift)


def low_planes(source: Source, high: Planes, scale: int) -> Planes:
    """Return the low-res image of a pair, if the two can be one at a scale.

    Raises
    ------
    ValueError
        If their shapes, colours or pixel sizes do not fit each other.
    """
    shapes = tuple(source.high.shape), tuple(source.low.shape)
    names = source.name, f"the low-res image of {source.name}"
    more_axes = len(shapes[1]) - len(shapes[0])
    rgb = None
    if more_axes == -1 and source.axes.endswith("S"):
        rgb = 0
    elif more_axes == 1 and shapes[1][-1] in (3, 4):
        rgb = 1
    if rgb is not None:
        raise ValueError(
            f"{names[rgb]} is RGB and {names[1 - rgb]} is gray, without colours; choose two of a "
            "kind."
        )
    if more_axes or shapes[1][: len(high.leading)] != high.leading:
        raise ValueError(
            f"{source.name} has shape {shapes[0]} and its low-res image {shapes[1]}; as many "
            "planes are needed of both."
        )
    low = Planes(source.low, source.axes, names[1])
    if low.channels != high.channels:
        raise ValueError(
            f"{source.name} and its low-res image have {high.channels} and {low.channels} colours; "
            "as many are needed of both."
        )
    found = pair_scale(low.shape, high.shape, source.low_pixel, source.pixel)
    if found != scale:
        raise ValueError(
            f"{source.name} and its low-res image differ by ×{found}, and a network for ×{scale} "
            f"is to be trained; choose ×{found}."
        )
    return low


def relate(
    source: Source, high: Planes, low: Planes, scale: int, place: Box, *, correct: bool
) -> Relation:
    """Find the shift and the intensities' relation of a pair.

    Parameters
    ----------
    source : Source
        To be named.
    high, low : Planes
    scale : int
    place : tuple of (y0, y1, x0, x1)
        Where they are compared, in low-res pixels.
    correct : bool
        Whether the shift is to be corrected.

    Raises
    ------
    ValueError
        If they show nothing, not the same place, or lie too far apart.
    """
    found: list[Match] = []
    seen: dict[int, list[tuple[Array, Array]]] = {}
    for channel in range(high.channels):
        for a, b in _compared(high, low, channel, scale, place):
            found.append(estimate_shift(a, b, scale))
            seen.setdefault(channel, []).append((a, _reduced(b, scale)))
    if not found:
        raise ValueError(
            f"{source.name} or its low-res image is constant or not finite; choose others."
        )
    # One stage, one shift: the planes agree but for noise.
    y, x = (float(n) for n in np.median([one.shift for one in found], axis=0))
    correlation = float(np.median([one.correlation for one in found]))
    if correlation < ALIKE:
        raise ValueError(
            f"{source.name} and its low-res image do not show the same place (their correlation "
            f"is {correlation:.2f}); choose images of one field."
        )
    distance = math.hypot(y, x)
    if distance > min(place[1] - place[0], place[3] - place[2]) / 4:
        raise ValueError(
            f"{source.name} and its low-res image lie {distance:.0f} low-res pixels apart, more "
            "than a quarter of the image; register them first."
        )
    corrected = (y, x) if correct else (0.0, 0.0)
    # For channels of which the planes that were looked at are constant.
    rest = _fit([pair for pairs in seen.values() for pair in pairs], corrected)
    fits = {channel: _fit(pairs, corrected) for channel, pairs in seen.items()}
    said = "corrected" if correct else "not corrected"
    return Relation(
        match=Match(shift=(y, x), correlation=correlation),
        shift=corrected,
        fits=tuple(fits.get(channel, rest) for channel in range(high.channels)),
        note=f"{source.name} lies {y:+.2f}, {x:+.2f} low-res pixels (Y, X) from its low-res image; "
        f"that is {said}."
        if distance >= _SLIGHT
        else "",
    )


def _compared(
    high: Planes, low: Planes, channel: int, scale: int, place: Box
) -> Iterator[tuple[Array, Array]]:
    """Yield the same place of both, low-res first, on some planes that show something."""
    first = np.linspace(0, high.positions - 1, min(high.positions, _PLANES))
    more = np.linspace(0, high.positions - 1, min(high.positions, _MORE_PLANES))
    y0, y1, x0, x1 = (n * scale for n in place)
    number = 0
    for position in dict.fromkeys([*first.round().astype(int), *more.round().astype(int)]):
        a = low.read(int(position), channel, place)
        b = high.read(int(position), channel, (y0, y1, x0, x1))
        if _shows_enough(a) and _shows_enough(b):
            yield a, b
            number += 1
        if number == len(first):
            return


def _shows_enough(image: Array) -> bool:
    known = known_pixels(image)
    return bool(2 * known.sum() >= known.size) and bool(np.ptp(image[known]))


def _reduced(high: Array, scale: int) -> Array:
    """Return a high-res image in low-res pixels; NaN where any of their pixels is unknown."""
    return Degradation().low_res(np.where(known_pixels(high), high, np.nan), scale)


def _fit(pairs: list[tuple[Array, Array]], by: tuple[float, float]) -> tuple[float, float]:
    """Fit the high-res image's intensities to the low-res one's: gain and offset."""
    xs, ys = [], []
    for low, mean in pairs:
        known = known_pixels(low)
        filled = low if known.all() else np.where(known, low, np.median(low[known]))
        inner = _inner(low.shape, by)
        both = known[inner] & np.isfinite(mean[inner])
        xs.append(mean[inner][both])
        ys.append(_moved(filled, by)[inner][both])
    gain, offset = np.polyfit(np.concatenate(xs), np.concatenate(ys), 1)
    return float(gain), float(offset)


def _moved(low: Array, by: tuple[float, float]) -> Array:
    return low if by == (0.0, 0.0) else shift(low, by, order=3, mode="nearest")


def _inner(shape: Sequence[int], by: tuple[float, float]) -> tuple[slice, slice]:
    rows, columns = (
        slice(math.ceil(max(d, 0)), n - math.ceil(max(-d, 0)))
        for n, d in zip(shape, by, strict=True)
    )
    return rows, columns
