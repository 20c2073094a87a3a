"""Blocks of a field, low-res and in truth: read, made or matched, cut around what is unknown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from napari_srcnn.image.intensity import known_pixels
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.field import Array, Block, Box, Planes, Source, context
from napari_srcnn.training.holdout import MARGIN, Ground, HeldPlanes, Region, held_planes, regions
from napari_srcnn.training.pairs import MATCH, Relation, low_planes, relate

# Low-res pixels that a cubic spline reaches, to where what it brings is no longer seen.
_SPLINE = 8
# Rectangles that a block is cut into around what is unknown, and cells a side to find them on.
_PIECES, _CELLS = 12, 64
# Planes that are looked at to find what is shown.
_LOOKED = 16
# Planes and pixels that the noise of a low-res image is measured on.
_NOISE_PLANES, _NOISE_PIXELS = 8, 1 << 19


class Field:
    """What is done with one source: where its blocks lie, and how a block of it is read.

    Parameters
    ----------
    number : int
        The source's, to tell its blocks by.
    source : Source
    network : SRCNNConfig
        Says the scale and how far the network sees.
    degradation : Degradation or None
        Makes low-res blocks where none were taken.
    correct_shift : bool
        Whether the shift within a pair is corrected.

    Raises
    ------
    ValueError
        If the images cannot be used, or not with each other.
    """

    def __init__(
        self,
        number: int,
        source: Source,
        network: SRCNNConfig,
        degradation: Degradation | None,
        *,
        correct_shift: bool = True,
    ) -> None:
        self.number, self.source, self.scale = number, source, network.scale
        self.high = Planes(source.high, source.axes, source.name)
        self.degradation = degradation or Degradation()
        self.smallest = (2 * context(network) + 4) * network.scale
        self.low = None if source.low is None else low_planes(source, self.high, self.scale)
        self.low_dtype = (self.low or self.high).dtype
        # Whole low-res pixels only.
        sides = [n // self.scale for n in self.high.shape]
        if self.low is not None:
            sides = [min(a, b) for a, b in zip(sides, self.low.shape, strict=True)]
        self.plane = (sides[0] * self.scale, sides[1] * self.scale)
        if min(self.plane) < self.smallest:
            raise ValueError(
                f"{source.name} has {self.high.shape[0]} × {self.high.shape[1]} pixels; at least "
                f"{self.smallest} a side are needed."
            )
        self.relation: Relation | None = None
        if self.low is not None:
            self.relation = relate(
                source, self.high, self.low, self.scale, self._place(), correct=correct_shift
            )
        self.ground = Ground(
            name=source.name,
            boxes=self._boxes(),
            scale=self.scale,
            smallest=self.smallest,
            margin=self._whole(MARGIN + network.halo),
        )
        self.held_planes = held_planes(self.high)

    def regions(self, held: bool | HeldPlanes | None, ground: Ground | None = None) -> list[Region]:
        """Return where its blocks lie; see :func:`~napari_srcnn.training.holdout.regions`."""
        return regions(self.high, self.ground if ground is None else ground, held)

    def shown(self) -> Ground:
        """Return the ground without the mask or the empty background around what is shown."""
        y0, x0 = (min(box[2 * axis] for box in self.ground.boxes) for axis in (0, 1))
        y1, x1 = (max(box[2 * axis + 1] for box in self.ground.boxes) for axis in (0, 1))
        seen = np.zeros((y1 - y0, x1 - x0), bool)
        last = self.high.positions - 1
        for position in np.unique(np.linspace(0, last, min(last + 1, _LOOKED)).round().astype(int)):
            image = self.high.read(int(position), 0, (y0, y1, x0, x1))
            known = known_pixels(image)
            if known.any():
                seen |= known & (image != np.median(image[known]))
        rows, columns = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
        if not rows.size:
            return self.ground
        limits = y0 + rows[0], y0 + rows[-1] + 1, x0 + columns[0], x0 + columns[-1] + 1
        return replace(self.ground, boxes=self._boxes(limits))

    def top(self, channel: int) -> float:
        """Return the largest value that a high-res pixel can have, in the units of its blocks."""
        if self.high.dtype.kind not in "iu":
            return math.inf
        top = float(np.iinfo(self.high.dtype).max)
        if self.relation is not None:
            gain, offset = self.relation.fits[channel]
            top = top * gain + offset
        return top

    def low_tiles(self, channel: int) -> list[NDArray[np.float64]]:
        """Return parts of the low-res image as it was taken, to measure its noise on.

        Neither moved nor filled: interpolation takes noise away, and inference does none. What is
        not known is NaN, what is saturated inf.
        """
        if self.low is None:
            return []
        integers = self.low_dtype.kind in "iu"
        top = float(np.iinfo(self.low_dtype).max) if integers else math.inf
        last = self.low.positions - 1
        numbers = np.unique(np.linspace(0, last, min(last + 1, _NOISE_PLANES)).round().astype(int))
        side = math.isqrt(_NOISE_PIXELS // len(numbers))
        ends = self._place()
        box = []
        for axis in (0, 1):
            start, stop = ends[2 * axis : 2 * axis + 2]
            start += max(stop - start - side, 0) // 2
            box += [start, min(start + side, stop)]
        parts = []
        for position in numbers.tolist():
            part = self.low.read(position, channel, (box[0], box[1], box[2], box[3]))
            part[~known_pixels(part)] = np.nan
            part[part >= top] = math.inf
            parts.append(part)
        return parts

    def blocks(self, region: Region, channel: int) -> list[Block]:
        """Read a block, cut around what is not known of it; none where nothing is left of it."""
        low, high, known = (
            self._made(region, channel)
            if self.low is None or self.relation is None
            else self._measured(region, channel, self.low, self.relation)
        )
        found = []
        for y0, y1, x0, x1 in _rectangles(known, self.smallest // self.scale):
            part = high[y0 * self.scale : y1 * self.scale, x0 * self.scale : x1 * self.scale]
            if np.ptp(part):
                found.append(
                    Block(
                        low=low[y0:y1, x0:x1].astype(np.float32),
                        high=part.astype(np.float32),
                        key=(self.number, channel),
                    )
                )
        return found

    def _measured(
        self, region: Region, channel: int, planes: Planes, relation: Relation
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return both as they were taken, and what is known of them on the low-res grid."""
        high = self.high.read(region.position, channel, region.box)
        gain, offset = relation.fits[channel]
        # The spline reaches a few pixels; read them with it.
        reach = _SPLINE + math.ceil(max(abs(n) for n in relation.shift))
        box, inner = self._around(region.box, reach)
        low = planes.read(region.position, channel, _divided(box, self.scale))
        low, unknown = _filled(low)
        if unknown.any() and relation.is_moved:
            unknown = binary_dilation(unknown, iterations=reach - _SPLINE // 2)
        low, unknown = relation.moved(low)[inner], unknown[inner]
        return low, high * gain + offset, ~(unknown | self._cells(~known_pixels(high)))

    def _made(self, region: Region, channel: int) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return the truth and what is made of it, and what is known of them."""
        blur = math.ceil(4 * self.degradation.sigma)
        box, inner = self._around(region.box, math.ceil(blur / self.scale) + 2)
        around, unknown = _filled(self.high.read(region.position, channel, box))
        low = self.degradation.low_res(around, self.scale)[inner]
        y0, y1, x0, x1 = region.box
        high = around[y0 - box[0] : y1 - box[0], x0 - box[2] : x1 - box[2]]
        cells = self._cells(unknown)
        reach = math.ceil(blur / self.scale) + 2 * (self.degradation.sampling == "bicubic")
        if reach and cells.any():
            cells = binary_dilation(cells, np.ones((3, 3), bool), iterations=reach)
        return low, high, ~cells[inner]

    def _around(self, box: Box, reach: int) -> tuple[Box, tuple[slice, slice]]:
        """Return a box with `reach` low-res pixels around it, and where it lies in that one."""
        wide: list[int] = []
        inner = []
        for axis, n in enumerate(self.plane):
            start, stop = box[2 * axis], box[2 * axis + 1]
            first = max(start - reach * self.scale, 0)
            wide += [first, min(stop + reach * self.scale, n)]
            at = (start - first) // self.scale
            inner.append(slice(at, at + (stop - start) // self.scale))
        return (wide[0], wide[1], wide[2], wide[3]), (inner[0], inner[1])

    def _cells(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return in which low-res pixels any of the high-res ones is set."""
        height, width = (n // self.scale for n in mask.shape)
        cells = mask.reshape(height, self.scale, width, self.scale)
        return np.asarray(cells.any((1, 3)))

    def _place(self) -> Box:
        """Return where the pair is compared, in low-res pixels: amid what is to be used."""
        found: list[int] = []
        for axis, n in enumerate(self.plane):
            n //= self.scale
            ends = [end for box in self.source.boxes for end in box[2 * axis : 2 * axis + 2]]
            middle = (min(ends) + max(ends)) // (2 * self.scale) if ends else n // 2
            start = min(max(middle - MATCH // 2, 0), max(n - MATCH, 0))
            found += [start, min(start + MATCH, n)]
        return found[0], found[1], found[2], found[3]

    def _whole(self, pixels: float) -> int:
        return math.ceil(pixels / self.scale) * self.scale

    def _boxes(self, within: Sequence[int] | None = None) -> tuple[Box, ...]:
        """Return the rectangles in whole low-res pixels, or the plane, within a box of any kind."""
        height, width = self.plane
        limits = [0, height, 0, width]
        if self.relation is not None:
            inner = self.relation.inner((height // self.scale, width // self.scale))
            limits = [n * self.scale for part in inner for n in (part.start, part.stop)]
        if within is not None:
            limits = [
                max(limits[0], self._whole(within[0])),
                min(limits[1], within[1] // self.scale * self.scale),
                max(limits[2], self._whole(within[2])),
                min(limits[3], within[3] // self.scale * self.scale),
            ]
        found = []
        for y0, y1, x0, x1 in self.source.boxes or ((0, height, 0, width),):
            box = (
                max(self._whole(y0), limits[0]),
                min(y1 // self.scale * self.scale, limits[1]),
                max(self._whole(x0), limits[2]),
                min(x1 // self.scale * self.scale, limits[3]),
            )
            if min(box[1] - box[0], box[3] - box[2]) >= self.smallest:
                found.append(box)
        if not found:
            raise ValueError(
                f"No rectangle on {self.source.name} has {self.smallest} pixels a side within the "
                "image; draw larger ones."
            )
        return tuple(found)


def _divided(box: Box, by: int) -> Box:
    y0, y1, x0, x1 = (n // by for n in box)
    return y0, y1, x0, x1


def _filled(image: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return an image that can be computed with, and what of it is made up."""
    unknown = ~known_pixels(image)
    if not unknown.any():
        return image, unknown
    fill = 0.0 if unknown.all() else float(np.median(image[~unknown]))
    return np.where(unknown, fill, image), unknown


def _rectangles(known: NDArray[np.bool_], least: int) -> Iterator[Box]:
    """Yield rectangles of known pixels that do not overlap, the largest first.

    Parameters
    ----------
    known : ndarray of bool, shape (y, x)
    least : int
        Pixels a side of the smallest.
    """
    height, width = known.shape
    if known.all():
        if min(height, width) >= least:
            yield 0, height, 0, width
        return
    cell = -(-max(height, width) // _CELLS)
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.ones((rows * cell, columns * cell), bool)
    padded[:height, :width] = known
    free = np.asarray(padded.reshape(rows, cell, columns, cell).all((1, 3)))
    for _ in range(_PIECES):
        y0, y1, x0, x1 = _largest(free, -(-least // cell))
        if y1 == y0:
            return
        free[y0:y1, x0:x1] = False
        box = (y0 * cell, min(y1 * cell, height), x0 * cell, min(x1 * cell, width))
        if min(box[1] - box[0], box[3] - box[2]) >= least:
            yield box


def _largest(free: NDArray[np.bool_], least: int) -> Box:
    """Return the largest rectangle of free cells with `least` a side; one of no rows if none is."""
    heights = np.zeros(free.shape[1], int)
    best, where = 0, (0, 0, 0, 0)
    for y, row in enumerate(free, 1):
        heights = np.where(row, heights + 1, 0)
        for height in np.unique(heights[heights >= least]).tolist():
            tall = np.concatenate([[0], heights >= height, [0]]).astype(int)
            starts, stops = np.flatnonzero(np.diff(tall) == 1), np.flatnonzero(np.diff(tall) == -1)
            widest = int(np.argmax(stops - starts))
            x0, x1 = int(starts[widest]), int(stops[widest])
            if x1 - x0 >= least and height * (x1 - x0) > best:
                best, where = height * (x1 - x0), (y - height, y, x0, x1)
    return where
