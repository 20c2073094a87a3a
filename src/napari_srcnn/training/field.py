"""One field: images of it, where they can be trained on, and where they are measured on.

Planes are read lazily and in the images' own units. Of a pair, that the two show the same place at
an integer scale is checked, and the shift between them is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.registration import Match, estimate_shift, pair_scale
from napari_srcnn.network.config import SRCNNConfig

Box = tuple[int, int, int, int]
Array = NDArray[Any]

# A stack of so many planes can spare some whole ones, with one more between them and the rest, if
# its planes are other places: along Z, positions, and (said to the user) an axis without a name.
ENOUGH_PLANES = 5
OTHER_PLACES = "QPZ"
ALIKE = 0.3
# Low-res pixels a side of the place that a pair's shift is measured on.
MATCH = 1024
# High-res pixels between what is trained on and what is measured on, beside the network's reach.
MARGIN = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """High-res images, and low-res ones of the same fields where those were taken.

    Attributes
    ----------
    name : str
    high : array-like, shape as `axes`
        Read plane by plane.
    axes : str
        Of both; ends in YX or YXS. C and S are channels, each with a range of its own.
    low : array-like, optional
        The same leading axes; Y and X 2, 3 or 4 times shorter.
    boxes : tuple of (y0, y1, x0, x1)
        Rectangles in pixels of `high` that limit what is used, on every plane; all where empty.
    pixel, low_pixel : tuple of two floats, optional
        Pixel sizes along Y and X, in one unit, to check the scale with.
    path, low_path : Path, optional
        Where the images come from, so that a run can be resumed without them being open.
    notes : tuple of str
        What the user should know of how they were chosen.
    """

    name: str
    high: Any
    axes: str = "YX"
    low: Any = None
    boxes: tuple[Box, ...] = ()
    pixel: tuple[float, float] | None = None
    low_pixel: tuple[float, float] | None = None
    path: Path | None = None
    low_path: Path | None = None
    notes: tuple[str, ...] = ()


class _Planes:
    """A stack as planes (position, channel), whatever its axes are."""

    def __init__(self, data: Any, axes: str, name: str) -> None:
        if len(axes) != len(data.shape) or not axes.endswith(("YX", "YXS")):
            raise ValueError(
                f"{name} has shape {tuple(data.shape)} and axes {axes!r}; axes that end in YX or "
                "YXS are needed, a letter an axis."
            )
        if np.dtype(data.dtype).kind not in "iuf":
            raise ValueError(f"{name} is {data.dtype}; whole numbers or floats are needed.")
        self._data, self._axes = data, axes
        self.name, self.dtype = name, np.dtype(data.dtype)
        if 0 in data.shape:
            raise ValueError(f"{name} has shape {tuple(data.shape)}, and so no pixels.")
        leading = axes.index("Y")
        self.shape = tuple(int(n) for n in data.shape[leading : leading + 2])
        self._leading = tuple(int(n) for n in data.shape[:leading])
        self._channel_axis = axes.find("C") if "C" in axes[:leading] else None
        samples = int(data.shape[-1]) if axes.endswith("S") else 0
        if self._channel_axis is not None and samples:
            raise ValueError(f"{name} has channels and colour samples; split it into one of both.")
        if samples:
            self.channels = samples - (samples in (2, 4))  # without alpha
        else:
            self.channels = 1 if self._channel_axis is None else self._leading[self._channel_axis]
        others = [i for i in range(leading) if i != self._channel_axis]
        self.rest = tuple(self._leading[i] for i in others)
        self.letters = "".join(axes[i] for i in others)
        self.positions = math.prod(self.rest)

    @property
    def leading(self) -> tuple[int, ...]:
        return self._leading

    def read(self, position: int, channel: int, box: Box) -> NDArray[np.float64]:
        """Return a rectangle of a plane, shape (y1 - y0, x1 - x0)."""
        index = [int(i) for i in np.unravel_index(position, self.rest)] if self.rest else []
        if self._channel_axis is not None:
            index.insert(self._channel_axis, channel)
        y0, y1, x0, x1 = box
        part = np.asarray(self._data[(*index, slice(y0, y1), slice(x0, x1))])
        if self._axes.endswith("S"):
            part = part[..., channel]
        return part.astype(np.float64)


class _ColoursFirst:
    """An image of colour samples, lazily as a stack (S, ..., Y, X)."""

    def __init__(self, data: Any) -> None:
        self._data, self.dtype = data, data.dtype
        samples = int(data.shape[-1])
        self.shape = (samples - (samples in (2, 4)), *data.shape[:-1])  # without alpha

    def __getitem__(self, key: tuple[Any, ...]) -> Array:
        sample, *rest = key
        return np.asarray(self._data[tuple(rest)])[..., sample]


def as_planes(data: Any, axes: str) -> Any:
    """Return a stack of shape (..., Y, X), read no sooner than indexed, of one that may end in S.

    Parameters
    ----------
    data : array-like, shape as `axes`
    axes : str

    Returns
    -------
    array-like
        `data` itself where it has no colours; otherwise what is indexed by integers and two slices.
    """
    return _ColoursFirst(data) if axes.endswith("S") else data


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A rectangle of a plane.

    Attributes
    ----------
    low : ndarray of float32, shape (y, x)
        Low-res, in the image's units; without the noise that is drawn anew for every crop.
    high : ndarray of float32, shape (y * scale, x * scale)
        The truth, in the units of `low`.
    key : tuple of two ints
        Source and channel.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    key: tuple[int, int]


def context(network: SRCNNConfig) -> int:
    """Return how many low-res pixels around a crop are read."""
    return -(-network.halo // network.scale) + 3


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


class Field:
    """One source: where its regions are, and how a block of it is read.

    Parameters
    ----------
    number : int
        The source's, to tell its blocks by.
    source : Source
    network : SRCNNConfig
        Says the scale and how far the network sees.
    degradation : Degradation or None
        Makes low-res blocks where none were taken.

    Raises
    ------
    ValueError
        If the images cannot be used, or not with each other.
    """

    def __init__(
        self, number: int, source: Source, network: SRCNNConfig, degradation: Degradation | None
    ) -> None:
        self.number, self.source, self.scale = number, source, network.scale
        self.high = _Planes(source.high, source.axes, source.name)
        self.degradation = degradation or Degradation()
        self.low: _Planes | None = None
        self.found: Match | None = None
        self.shift = (0.0, 0.0)
        # Gain and offset of each channel, of high-res to low-res intensities.
        self.fits: dict[int, tuple[float, float]] = {}
        self.notes: list[str] = []
        self.low_dtype = self.high.dtype
        self.smallest = (2 * context(network) + 4) * network.scale
        self.margin = MARGIN + network.halo
        shape = self.high.shape
        if source.low is not None:
            planes = tuple(source.low.shape[: source.axes.index("Y")])
            if len(source.low.shape) != len(source.high.shape) or planes != self.high.leading:
                raise ValueError(
                    f"{source.name} has shape {tuple(source.high.shape)} and its low-res image "
                    f"{tuple(source.low.shape)}; as many planes are needed of both."
                )
            self.low = _Planes(source.low, source.axes, f"the low-res image of {source.name}")
            if self.low.channels != self.high.channels:
                raise ValueError(
                    f"{source.name} and its low-res image have {self.high.channels} and "
                    f"{self.low.channels} colours; as many are needed of both."
                )
            found = pair_scale(self.low.shape, shape, source.low_pixel, source.pixel)
            if found != self.scale:
                raise ValueError(
                    f"{source.name} and its low-res image differ by ×{found}, and a network for "
                    f"×{self.scale} is to be trained; choose ×{found}."
                )
            self.low_dtype = self.low.dtype
            shape = tuple(n * self.scale for n in self.low.shape)
        # Whole low-res pixels only.
        sides = zip(shape, self.high.shape, strict=True)
        self.plane = tuple(min(both) // self.scale * self.scale for both in sides)
        if min(self.plane) < self.smallest:
            raise ValueError(
                f"{source.name} has {self.high.shape[0]} × {self.high.shape[1]} pixels; at least "
                f"{self.smallest} a side are needed."
            )

    def match(self, *, correct: bool) -> None:
        """Find the shift and the intensities' relation of a pair."""
        if self.low is None:
            return
        chosen = np.unique(np.linspace(0, self.high.positions - 1, 3).round().astype(int))
        found: list[Match] = []
        seen: dict[int, list[tuple[Array, Array]]] = {}
        small = self._place()
        y0, y1, x0, x1 = (n * self.scale for n in small)
        for position in chosen:
            for channel in range(self.high.channels):
                low = self.low.read(position, channel, small)
                high = self.high.read(position, channel, (y0, y1, x0, x1))
                if not (np.isfinite(low).all() and np.isfinite(high).all()):
                    continue
                if np.ptp(low) and np.ptp(high):
                    found.append(estimate_shift(low, high, self.scale))
                    seen.setdefault(channel, []).append(
                        (low, Degradation().low_res(high, self.scale))
                    )
        if not found:
            raise ValueError(
                f"{self.source.name} or its low-res image is constant or not finite; choose others."
            )
        # One stage, one shift: the planes agree but for noise.
        shift = tuple(float(n) for n in np.median([one.shift for one in found], axis=0))
        correlation = float(np.median([one.correlation for one in found]))
        self.found = Match(shift=(shift[0], shift[1]), correlation=correlation)
        if correlation < ALIKE:
            raise ValueError(
                f"{self.source.name} and its low-res image do not show the same place (their "
                f"correlation is {correlation:.2f}); choose images of one field."
            )
        moved = math.hypot(*shift)
        limit = min(small[1] - small[0], small[3] - small[2]) / 4
        if moved > limit:
            raise ValueError(
                f"{self.source.name} and its low-res image lie {moved:.0f} low-res pixels apart, "
                f"more than a quarter of the image; register them first."
            )
        if correct:
            self.shift = (shift[0], shift[1])
        said = "corrected" if correct else "not corrected"
        if moved >= 0.05:
            self.notes.append(
                f"{self.source.name} lies {shift[0]:+.2f}, {shift[1]:+.2f} low-res pixels (Y, X) "
                f"from its low-res image; that is {said}."
            )
        self.fits = {channel: self._fit(pairs) for channel, pairs in seen.items()}
        # For channels of which the planes that were looked at are constant.
        rest = self._fit([pair for pairs in seen.values() for pair in pairs])
        self.fits = {n: self.fits.get(n, rest) for n in range(self.high.channels)}

    def _place(self) -> Box:
        """Return where the pair is compared, in low-res pixels: amid what is to be used."""
        found = []
        for axis, n in enumerate(self.plane):
            n //= self.scale
            ends = [end for box in self.source.boxes for end in box[2 * axis : 2 * axis + 2]]
            middle = (min(ends) + max(ends)) // (2 * self.scale) if ends else n // 2
            start = min(max(middle - MATCH // 2, 0), max(n - MATCH, 0))
            found += [start, min(start + MATCH, n)]
        return found[0], found[1], found[2], found[3]

    def _fit(self, pairs: list[tuple[Array, Array]]) -> tuple[float, float]:
        """Fit the high-res image's intensities to the low-res one's: gain and offset."""
        xs, ys = [], []
        for low, mean in pairs:
            inner = self._inner(low.shape)
            xs.append(mean[inner].ravel())
            ys.append(self._moved(low)[inner].ravel())
        gain, offset = np.polyfit(np.concatenate(xs), np.concatenate(ys), 1)
        return float(gain), float(offset)

    def _moved(self, low: Array) -> Array:
        from scipy.ndimage import shift

        return low if self.shift == (0.0, 0.0) else shift(low, self.shift, order=3, mode="nearest")

    def _inner(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Return what lies inside after the shift."""
        rows, columns = (
            slice(math.ceil(max(by, 0)), n - math.ceil(max(-by, 0)))
            for n, by in zip(shape, self.shift, strict=True)
        )
        return rows, columns

    @property
    def held_planes(self) -> HeldPlanes | None:
        """The planes that are held out; None where the stack cannot spare whole ones.

        All of a run along Z (or positions, or the last axis without a name), at every place along
        the others: a plane at another time is the same place, and would tell the network what it is
        measured on.
        """
        shape, letters = self.high.rest, self.high.letters
        long = [
            axis
            for axis, n in enumerate(shape)
            if n >= ENOUGH_PLANES and letters[axis] in OTHER_PLACES
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
            self.high.positions,
            where,
            is_guess=letters[axis] == "Q",
        )

    def regions(self, held: bool | None) -> list[Region]:
        """Return rectangles on planes, whole or cut so that a part is held out.

        Parameters
        ----------
        held : bool or None
            Whether all of the source is held out, or none; None cuts it.
        """
        boxes = self._boxes()
        number = self.high.positions
        if held is not None:
            return [Region(p, box, held) for p in range(number) for box in boxes]
        if (apart := self.held_planes) is not None:
            return [
                Region(p, box, p in apart.held)
                for p in range(number)
                if p not in apart.near
                for box in boxes
            ]
        # The longer side; the other where the rectangles lie so that nothing is left on one side.
        first = 0 if self._extent(boxes, 0) >= self._extent(boxes, 1) else 1
        cuts = {axis: self._cut(boxes, axis) for axis in (first, 1 - first)}
        long, cut = next(((axis, cut) for axis, cut in cuts.items() if cut is not None), (0, None))
        if cut is None:
            raise ValueError(
                f"{self.source.name} is too small to holds a part of it out: "
                f"{2 * self.smallest + self._whole(self.margin)} pixels along one side, or "
                f"{ENOUGH_PLANES} planes along Z, are needed."
            )
        found = []
        for box in boxes:
            before, after = list(box), list(box)
            # The margin lies on the trained side; low-res pixels stay whole.
            before[2 * long + 1] = min(box[2 * long + 1], cut - self._whole(self.margin))
            after[2 * long] = max(box[2 * long], cut)
            for part, is_held in ((before, False), (after, True)):
                if part[0] < part[1] and part[2] < part[3]:
                    y0, y1, x0, x1 = part
                    found += [Region(p, (y0, y1, x0, x1), is_held) for p in range(number)]
        return found

    def _whole(self, pixels: float) -> int:
        return math.ceil(pixels / self.scale) * self.scale

    def _boxes(self) -> list[Box]:
        """Return the rectangles in whole low-res pixels, or the plane."""
        height, width = self.plane
        inner = self._inner((height // self.scale, width // self.scale))
        limits = [n * self.scale for part in inner for n in (part.start, part.stop)]
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
        return found

    @staticmethod
    def _extent(boxes: list[Box], axis: int) -> int:
        return max(b[2 * axis + 1] for b in boxes) - min(b[2 * axis] for b in boxes)

    def _cut(self, boxes: list[Box], axis: int) -> int | None:
        """Return where about a quarter of the rectangles' ground lies beyond.

        In whole low-res pixels; None where no cut leaves enough on both sides.
        """
        low, high = (f(b[2 * axis + i] for b in boxes) for i, f in ((0, min), (1, max)))
        along = np.zeros(high - low)
        for box in boxes:
            other = box[3 - 2 * axis] - box[2 - 2 * axis]
            along[box[2 * axis] - low : box[2 * axis + 1] - low] += other
        wanted = low + int(np.searchsorted(np.cumsum(along), 0.75 * along.sum()))
        ends, margin = [box[2 * axis : 2 * axis + 2] for box in boxes], self._whole(self.margin)
        # Both sides have to hold something, where the image is small.
        fit = [
            cut
            for cut in range(low, high, self.scale)
            if any(min(stop, cut - margin) - start >= self.smallest for start, stop in ends)
            and any(stop - max(start, cut) >= self.smallest for start, stop in ends)
        ]
        return min(fit, key=lambda cut: abs(cut - wanted), default=None)

    def block(self, region: Region, channel: int) -> Block | None:
        """Read a block; None where it is constant or not finite."""
        y0, y1, x0, x1 = region.box
        scale, key = self.scale, (self.number, channel)
        if self.low is not None:
            high = self.high.read(region.position, channel, region.box)
            # The spline reaches a few pixels; read them with it.
            reach = 8 + math.ceil(max(abs(n) for n in self.shift))
            height, width = (n // scale for n in self.plane)
            wide = (
                max(y0 // scale - reach, 0),
                min(y1 // scale + reach, height),
                max(x0 // scale - reach, 0),
                min(x1 // scale + reach, width),
            )
            low = self._moved(self.low.read(region.position, channel, wide))
            top, left = y0 // scale - wide[0], x0 // scale - wide[2]
            low = low[top : top + (y1 - y0) // scale, left : left + (x1 - x0) // scale]
            gain, offset = self.fits[channel]
            high = high * gain + offset
        else:
            reach = self._whole(math.ceil(4 * self.degradation.sigma) + 2 * scale)
            height, width = self.plane
            wide = (
                max(y0 - reach, 0),
                min(y1 + reach, height),
                max(x0 - reach, 0),
                min(x1 + reach, width),
            )
            around = self.high.read(region.position, channel, wide)
            if not np.isfinite(around).all():
                return None
            top, left = y0 - wide[0], x0 - wide[2]
            high = around[top : top + y1 - y0, left : left + x1 - x0]
            low = self.degradation.low_res(around, scale)
            top, left = top // scale, left // scale
            low = low[top : top + (y1 - y0) // scale, left : left + (x1 - x0) // scale]
        if not (np.isfinite(low).all() and np.isfinite(high).all()) or not np.ptp(high):
            return None
        return Block(low=low.astype(np.float32), high=high.astype(np.float32), key=key)
