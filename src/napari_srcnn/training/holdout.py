"""What is held out: where of a field, and which of many, so that nothing of it is trained on."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_srcnn.image.intensity import known_pixels
from napari_srcnn.microscope.registration import without_shading
from napari_srcnn.training.field import Array, Box, Planes

# A stack of so many planes can spare some whole ones, with one more between them and the rest, if
# its planes are other places: along Z, positions, and (said to the user) an axis without a name.
ENOUGH_PLANES = 5
OTHER_PLACES = "QPZ"
# High-res pixels between what is trained on and what is measured on, beside the network's reach.
MARGIN = 16
# Of so many images some whole ones are held out.
ENOUGH_SOURCES = 5
# Images are of one place whose middles are as much alike as this.
_ONE_PLACE = 0.6
_MIDDLE, _THUMBNAIL = 512, 32


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a plane, in pixels of the high-res image.

    Attributes
    ----------
    position : int
        The plane's, in the order of the axes but channels.
    box : tuple of (y0, y1, x0, x1)
    held : bool
        Whether it is measured on; trained on otherwise.
    """

    position: int
    box: Box
    held: bool


# ---------------------------------------------------------------- of a stack


@dataclass(frozen=True, slots=True)
class HeldPlanes:
    """The whole planes of a stack that are held out.

    Attributes
    ----------
    held : frozenset of int
        Their positions.
    near : frozenset of int
        Those of the planes beside them, which are not used.
    of : int
        Planes of the stack.
    where : str
        As "2 of 12 along Z"; empty where there is one axis only.
    is_guess : bool
        Whether the axis has no name and is taken for Z.
    """

    held: frozenset[int]
    near: frozenset[int]
    of: int
    where: str
    is_guess: bool = False

    @property
    def planes(self) -> int:
        """How many are held out."""
        return len(self.held)


def held_planes(stack: Planes) -> HeldPlanes | None:
    """Return the planes of a stack to hold out; None where it cannot spare whole ones.

    All of a run along Z (or positions, or the last axis without a name), at every place along the
    others: a plane at another time is the same place, and would tell the network what it is
    measured on.
    """
    shape, letters = stack.rest, stack.letters
    long = [
        axis for axis, n in enumerate(shape) if n >= ENOUGH_PLANES and letters[axis] in OTHER_PLACES
    ]
    if not long:
        return None
    axis = max(long, key=lambda i: (OTHER_PLACES.index(letters[i]), i))
    some = max(shape[axis] // 6, 1)
    first = (shape[axis] - some) // 2
    along = np.indices(shape)[axis].ravel()
    held = (along >= first) & (along < first + some)
    near = (along == first - 1) | (along == first + some)
    letter = "Z" if letters[axis] == "Q" else letters[axis]
    where = f"{some} of {shape[axis]} along {letter}" if len(shape) > 1 else ""
    return HeldPlanes(
        frozenset(np.flatnonzero(held).tolist()),
        frozenset(np.flatnonzero(near).tolist()),
        stack.positions,
        where,
        is_guess=letters[axis] == "Q",
    )


# ---------------------------------------------------------------- of a plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What of a field's planes is used, and how it can be cut in two.

    Attributes
    ----------
    name : str
        The field's.
    boxes : tuple of (y0, y1, x0, x1)
        In high-res pixels, whole low-res ones.
    scale, smallest : int
        Pixels a side that a block needs at least.
    margin : int
        Pixels between what is trained on and what is held out.
    """

    name: str
    boxes: tuple[Box, ...]
    scale: int
    smallest: int
    margin: int

    def cut(self) -> list[tuple[Box, bool]]:
        """Return rectangles, and of each whether it is held out: about a quarter, at one end.

        Raises
        ------
        ValueError
            If there is too little of it.
        """
        # The longer side; the other where the rectangles lie so that one side gets nothing.
        first = 0 if self._extent(0) >= self._extent(1) else 1
        cuts = {axis: self._cut_along(axis) for axis in (first, 1 - first)}
        long, cut = next(((axis, cut) for axis, cut in cuts.items() if cut is not None), (0, None))
        if cut is None:
            raise ValueError(
                f"{self.name} is too small to holds a part of it out: "
                f"{2 * self.smallest + self.margin} pixels along one side, or {ENOUGH_PLANES} "
                "planes along Z, are needed."
            )
        found: list[tuple[Box, bool]] = []
        for box in self.boxes:
            before, after = list(box), list(box)
            # The margin lies on the trained side; low-res pixels stay whole.
            before[2 * long + 1] = min(box[2 * long + 1], cut - self.margin)
            after[2 * long] = max(box[2 * long], cut)
            for (y0, y1, x0, x1), is_held in ((before, False), (after, True)):
                if y0 < y1 and x0 < x1:
                    found.append(((y0, y1, x0, x1), is_held))
        return found

    def _extent(self, axis: int) -> int:
        boxes = self.boxes
        return max(b[2 * axis + 1] for b in boxes) - min(b[2 * axis] for b in boxes)

    def _cut_along(self, axis: int) -> int | None:
        """Return where about a quarter of the rectangles' ground lies beyond.

        In whole low-res pixels; None where no cut leaves enough on both sides.
        """
        low, high = (f(b[2 * axis + i] for b in self.boxes) for i, f in ((0, min), (1, max)))
        along = np.zeros(high - low)
        for box in self.boxes:
            other = box[3 - 2 * axis] - box[2 - 2 * axis]
            along[box[2 * axis] - low : box[2 * axis + 1] - low] += other
        wanted = low + int(np.searchsorted(np.cumsum(along), 0.75 * along.sum()))
        ends = [box[2 * axis : 2 * axis + 2] for box in self.boxes]
        # Both sides have to hold something, where the image is small.
        fit = [
            cut
            for cut in range(low, high, self.scale)
            if any(min(stop, cut - self.margin) - start >= self.smallest for start, stop in ends)
            and any(stop - max(start, cut) >= self.smallest for start, stop in ends)
        ]
        return min(fit, key=lambda cut: abs(cut - wanted), default=None)


def regions(stack: Planes, ground: Ground, held: bool | HeldPlanes | None) -> list[Region]:
    """Return rectangles on planes, whole or cut so that a part is held out.

    Parameters
    ----------
    stack : Planes
    ground : Ground
    held : bool, HeldPlanes or None
        Whether all of the field is held out, or none of it; or which planes of it; None cuts all.
    """
    every = range(stack.positions)
    if isinstance(held, bool):
        return [Region(p, box, held) for p in every for box in ground.boxes]
    if held is not None:
        used = [p for p in every if p not in held.near]
        return [Region(p, box, p in held.held) for p in used for box in ground.boxes]
    return [Region(p, box, is_held) for box, is_held in ground.cut() for p in every]


# ---------------------------------------------------------------- of many images


def whole_sources(stacks: Sequence[Planes]) -> tuple[set[int], set[int]] | None:
    """Return which of many images are held out, and which are not used; None if none can be.

    Where the names differ in one number, as z000, z001, …, the files may be planes of one stack: a
    run of them is held out, with one more on each side that is not used. Nor is what shows the
    place of one that is held out, as a copy does. Where most do, as the frames of a film, the
    images are of one place and cannot be told apart so.
    """
    number = len(stacks)
    if number < ENOUGH_SOURCES:
        return None
    if len({re.sub(r"\d+(?=\D*$)", "#", stack.name) for stack in stacks}) > 1:
        held, unused = set(range(ENOUGH_SOURCES // 2, number, ENOUGH_SOURCES)), set[int]()
    else:
        some = max(number // 6, 1)
        first = (number - some) // 2
        held, unused = set(range(first, first + some)), {first - 1, first + some}
    looks = [_thumbnail(stack) for stack in stacks]
    rest = [n for n in range(number) if n not in held | unused]
    same = {n for n in rest if any(_is_one_place(looks[n], looks[other]) for other in held)}
    if 2 * len(same) > len(rest):
        return None
    return held, unused | same


def _thumbnail(stack: Planes) -> Array | None:
    """Return the middle of an image, small and without its illumination; None if it is empty."""
    box: list[int] = []
    for n in stack.shape:
        side = min(n, _MIDDLE)
        box += [(n - side) // 2, (n - side) // 2 + side]
    image = stack.read(stack.positions // 2, 0, (box[0], box[1], box[2], box[3]))
    known = known_pixels(image)
    if not known.any() or np.ptp(image[known]) == 0:
        return None
    image = without_shading(np.where(known, image, np.median(image[known])))
    cells = [max(n // _THUMBNAIL, 1) for n in image.shape]
    height, width = (n // cell * cell for n, cell in zip(image.shape, cells, strict=True))
    blocks = image[:height, :width].reshape(height // cells[0], cells[0], -1, cells[1])
    small = blocks.mean((1, 3))
    small -= small.mean()
    size = math.sqrt(float(np.square(small).sum()))
    return small / size if size > 0 else None


def _is_one_place(one: Array | None, other: Array | None) -> bool:
    """Tell whether two images show one place; such as cannot be compared do not."""
    if one is None or other is None or one.shape != other.shape:
        return False
    return float((one * other).sum()) > _ONE_PLACE
