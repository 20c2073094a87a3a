"""What of a result, its source and a reference is compared: where they lie to each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_srcnn.assess.between import ALIKE, Between
from napari_srcnn.assess.part import Part
from napari_srcnn.assess.place_words import (
    moved,
    nothing_common,
    what_is_left_out,
    what_was_converted,
)
from napari_srcnn.image.axes import MEANT
from napari_srcnn.image.stack import Stack
from napari_srcnn.image.units import PIXEL
from napari_srcnn.network.config import SCALES

# Of a pixel of the source: an offset that far from a whole number of them is one.
_WHOLE = 0.05

Window = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """Images of one place, pixel for pixel.

    Attributes
    ----------
    result, source : Stack
        The part that is common to all.
    reference : Stack or None
        Of the result's shape.
    scale : {2, 3, 4}
    origin : tuple of int
        Index, in the whole source, of the first pixel that is compared.
    notes : tuple of str
        What was found, and what was done about it.
    """

    result: Stack
    source: Stack
    reference: Stack | None
    scale: int
    origin: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def within(self, margin: int) -> Compared:
        """Return the images without so many rows and columns of the source on each side."""
        y = self.source.axes.index("Y")
        windows = [
            (margin, size - margin) if axis in (y, y + 1) else (0, size)
            for axis, size in enumerate(self.source.shape)
        ]
        grown = [
            (low * self.scale, high * self.scale) if axis in (y, y + 1) else (low, high)
            for axis, (low, high) in enumerate(windows)
        ]
        return replace(
            self,
            result=_cut(self.result, grown),
            source=_cut(self.source, windows),
            reference=None if self.reference is None else _cut(self.reference, grown),
            origin=tuple(at + low for at, (low, _) in zip(self.origin, windows, strict=True)),
        )


def register(result: Stack, source: Stack, reference: Stack | None = None) -> Compared:
    """Lay images over each other by their pixel sizes and places.

    Where these are not known, or contradict the sizes, the images are compared from their first
    pixels on, and that is said.

    Parameters
    ----------
    result, source : Stack
    reference : Stack, optional

    Raises
    ------
    ValueError
        If they do not belong together; the message says what was found.
    """
    _check_kinds(result, source, "result", "source")
    notes: list[str] = []
    between = Between.of(result, source)
    scale = _scale(result, source, between, notes)
    offsets = _offsets_in_source(result, source, between, scale, notes)
    y = source.axes.index("Y")
    growth = [scale if axis in (y, y + 1) else 1 for axis in range(source.ndim)]
    # In pixels of the source: from where to where there is something of each image.
    windows = [
        (max(0, at), min(size, at + length // grown))
        for at, size, length, grown in zip(offsets, source.shape, result.shape, growth, strict=True)
    ]
    shifts = [0] * source.ndim
    if reference is not None:
        _check_kinds(reference, result, "reference", "result")
        shifts = _offsets_in_result(reference, result, notes)
        windows = [
            (max(low, at + math.ceil(by / grown)), min(high, at + (by + length) // grown))
            for (low, high), at, by, length, grown in zip(
                windows, offsets, shifts, reference.shape, growth, strict=True
            )
        ]
    if any(low >= high for low, high in windows):
        raise ValueError(nothing_common(result, source, offsets))
    in_result = [
        ((low - at) * grown, (high - at) * grown)
        for (low, high), at, grown in zip(windows, offsets, growth, strict=True)
    ]
    in_reference = [
        (low - by, high - by) for (low, high), by in zip(in_result, shifts, strict=True)
    ]
    notes += what_is_left_out(source, windows, has_reference=reference is not None)
    return Compared(
        result=_cut(result, in_result),
        source=_cut(source, windows),
        reference=None if reference is None else _cut(reference, in_reference),
        scale=scale,
        origin=tuple(low for low, _ in windows),
        notes=tuple(notes),
    )


def scale_by_shape(result: Stack, source: Stack) -> int | None:
    """Return how many times as many rows and columns a result has; None for no such scale."""
    y = source.axes.index("Y")
    ratios = {result.shape[axis] / source.shape[axis] for axis in (y, y + 1)}
    return int(min(ratios)) if len(ratios) == 1 and min(ratios) in SCALES else None


# ---------------------------------------------------------------- how two images lie


def _check_kinds(one: Stack, other: Stack, what: str, of: str) -> None:
    """Raise ValueError unless two images have the same axes, as far as these are named."""
    for stack, name in ((one, what), (other, of)):
        if stack.dtype.kind not in "biuf":
            raise ValueError(f"The {name} holds {stack.dtype} values; real numbers are needed.")
    if one.ndim == other.ndim and all(
        a == b or (a not in MEANT and b != "S") or (b not in MEANT and a != "S")
        for a, b in zip(one.axes, other.axes, strict=True)
    ):
        return
    raise ValueError(
        f"The {what} has axes {one.axes} and the {of} {other.axes}; they need to be the same."
    )


def _scale(result: Stack, source: Stack, between: Between, notes: list[str]) -> int:
    """Return how many times larger a result is, by its place or else by its shape."""
    y = source.axes.index("Y")
    plane = (y, y + 1)
    by_shape = scale_by_shape(result, source)
    sizes = ""
    if all(between.is_known[axis] for axis in plane):
        if between.is_turned(plane):
            raise ValueError(
                "The result lies turned, sheared or mirrored against its source; lay it over the "
                "source as it was made."
            )
        ratios = [1 / between.ratio(axis) for axis in plane]
        near = {round(ratio) for ratio in ratios if abs(ratio / max(round(ratio), 1) - 1) < ALIKE}
        if len(near) == 1 and all(abs(r / min(near) - 1) < ALIKE for r in ratios):
            scale = min(near)
            if scale in SCALES:
                notes += what_was_converted(result, source)
                return scale
        if source.units[y] != PIXEL or max(abs(ratio - 1) for ratio in ratios) > ALIKE:
            sizes = f", nor are their pixel sizes (×{ratios[0]:.3g} and ×{ratios[1]:.3g})"
    if by_shape is None:
        listed = f"{', '.join(map(str, SCALES[:-1]))} or {SCALES[-1]}"
        raise ValueError(
            f"The result's {result.shape[y]} × {result.shape[y + 1]} pixels are no whole multiple "
            f"of the source's {source.shape[y]} × {source.shape[y + 1]} by {listed}{sizes}."
        )
    if sizes:
        expected = source.pixel_size[y] / by_shape
        notes.append(
            f"The result's pixels are {result.pixel_size[y]:g} {result.units[y]} where "
            f"{expected:g} {source.units[y]} would be the source's divided by {by_shape}; the "
            "images are compared pixel by pixel."
        )
    elif result.units[y] == source.units[y]:
        notes.append("No pixel size is known; the images are compared pixel by pixel.")
    else:
        notes.append(
            f"Pixel sizes are in {result.units[y]} and {source.units[y]}; the images are compared "
            "pixel by pixel."
        )
    return by_shape


def _offsets_in_source(
    result: Stack, source: Stack, between: Between, scale: int, notes: list[str]
) -> list[int]:
    """Return where a result begins along each axis, in whole pixels of its source."""
    y = source.axes.index("Y")
    plane = (y, y + 1)
    offsets = [_leading_offset(result, source, between, axis, notes) for axis in range(y)]
    offsets += [0] * (source.ndim - y)
    is_placed = all(
        between.is_known[axis] and abs(between.ratio(axis) * scale - 1) < ALIKE for axis in plane
    )
    if not is_placed:
        return offsets
    found = [between.offset(axis) for axis in plane]
    is_whole_field = scale_by_shape(result, source) == scale
    if is_whole_field and max(map(abs, found)) < 0.5:
        if max(map(abs, found)) > _WHOLE:
            notes.append(
                f"By its place the result lies {moved(found, 'source')} from where its pixels "
                "would cover the source's; the images are compared pixel by pixel."
            )
        return offsets
    if max(abs(at - round(at)) for at in found) > _WHOLE:
        raise ValueError(
            f"By its place the result begins {moved(found, 'source')} from the source's "
            "corner, which is no whole number of pixels; move one of the two, or crop the source "
            "first and enlarge that."
        )
    offsets[y], offsets[y + 1] = (round(at) for at in found)
    return offsets


def _leading_offset(one: Stack, other: Stack, between: Between, axis: int, notes: list[str]) -> int:
    """Return where an image begins along a leading axis, in planes of another."""
    letter = one.axes[axis]
    lengths = one.shape[axis], other.shape[axis]
    is_known = letter != "C" and between.is_known[axis]
    if is_known and abs(between.ratio(axis) - 1) < ALIKE:
        at = between.offset(axis)
        is_whole = abs(at - round(at)) < 2 * _WHOLE
        # Without a unit and at the origin nothing is known of the place.
        if is_whole and (lengths[0] == lengths[1] or other.units[axis] != PIXEL or round(at)):
            return round(at)
    if lengths[0] != lengths[1]:
        raise ValueError(
            f"The result has shape {one.shape} and the source {other.shape}; but for Y and X they "
            "need to be equal, or their places to say which planes belong together."
        )
    if is_known and letter != "C" and abs(between.offset(axis)) > 0.5:
        notes.append(
            f"Along {letter} the images do not lie over each other; they are compared plane by "
            "plane."
        )
    return 0


def _offsets_in_result(reference: Stack, result: Stack, notes: list[str]) -> list[int]:
    """Return where a reference begins along each axis, in whole pixels of the result."""
    between = Between.of(reference, result)
    zeros = [0] * result.ndim
    spatial = [axis for axis, letter in enumerate(result.axes) if letter not in "CS"]
    is_alike = reference.shape == result.shape
    is_placed = all(
        between.is_known[axis] and abs(between.ratio(axis) - 1) < ALIKE for axis in spatial
    ) and not between.is_turned(spatial)
    found = [between.offset(axis) for axis in spatial] if is_placed else []
    is_whole = all(abs(at - round(at)) <= 2 * _WHOLE for at in found)
    # Without units and at the origin nothing is known of the place.
    is_told = any(result.units[axis] != PIXEL for axis in spatial) or any(map(round, found))
    if is_placed and is_whole and (is_alike or is_told):
        for axis, at in zip(spatial, found, strict=True):
            zeros[axis] = round(at)
        return zeros
    if not is_alike:
        raise ValueError(
            f"The reference has shape {reference.shape} and the result {result.shape}; they need "
            "to be equal, or their places to say which pixels belong together."
        )
    if not is_placed:
        if any(result.units[axis] != PIXEL for axis in spatial):
            notes.append(
                "The reference's pixel sizes are not the result's; the two are compared pixel by "
                "pixel."
            )
    elif max(map(abs, found)) > 2 * _WHOLE:
        notes.append(
            f"By its place the reference lies {moved(found[-2:], 'result')} from the result; the "
            "two are compared pixel by pixel."
        )
    return zeros


# ---------------------------------------------------------------- a part of an image


def _cut(stack: Stack, windows: Sequence[Window]) -> Stack:
    """Return a part of a stack that is read as it is indexed; the stack where that is all."""
    if all(window == (0, size) for window, size in zip(windows, stack.shape, strict=True)):
        return stack
    return replace(stack, data=Part(stack.data, windows))
