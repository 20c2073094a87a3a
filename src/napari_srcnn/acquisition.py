"""A lab's own images as training data: planes read lazily, held-apart places, crops to train on.

Everything here is in the image's own units until a crop is drawn: noise is that of a camera, and a
range is measured once for a source and channel, as inference measures it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.config import SRCNNConfig
from napari_srcnn.dataset import Pair, varied
from napari_srcnn.degrade import Degradation, Noise
from napari_srcnn.estimate import Match, estimate_shift, pair_scale
from napari_srcnn.intensity import PERCENTILES, IntensityRange, integer_limits
from napari_srcnn.resize import axis_weights

Box = tuple[int, int, int, int]
Array = NDArray[Any]

# Pixels of truth kept in memory for training, and measured on; evenly chosen where there are more.
TRAIN_PIXELS = 40 << 20
HELD_PIXELS = 3 << 17
BLOCK = 512
HELD_BLOCK = 256
# A stack of so many planes can spare some whole ones, with one more between them and the rest.
ENOUGH_PLANES = 5
ENOUGH_SOURCES = 5
SATURATED = 0.5
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
        self._rest = tuple(n for i, n in enumerate(self._leading) if i != self._channel_axis)
        self.positions = math.prod(self._rest)

    @property
    def leading(self) -> tuple[int, ...]:
        return self._leading

    def read(self, position: int, channel: int, box: Box) -> NDArray[np.float64]:
        """Return a rectangle of a plane, shape (y1 - y0, x1 - x0)."""
        index = [int(i) for i in np.unravel_index(position, self._rest)] if self._rest else []
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Acquisition:
    """Training data, ready to be drawn from.

    Attributes
    ----------
    training, held : list of Block
    ranges : dict
        The intensity range of each source and channel.
    dtypes : list of numpy.dtype
        Of each source's low-res image: noise is followed by its rounding and clipping.
    scale : int
    noise : Noise
        To be added to low-res blocks; none where they were measured.
    matches : list of Match
        Of each pair of images.
    summary : str
        What is used and what is held apart.
    what_held : str
        As "3 whole planes".
    notes : tuple of str
        What the user should know.
    """

    training: list[Block]
    held: list[Block]
    ranges: dict[tuple[int, int], IntensityRange]
    dtypes: list[np.dtype[Any]]
    scale: int
    noise: Noise
    matches: list[Match] = field(default_factory=list)
    summary: str = ""
    what_held: str = ""
    notes: tuple[str, ...] = ()

    @property
    def peak(self) -> float:
        """Width of the window: what the range is to the network, and so the peak of a PSNR."""
        low, high = next(iter(self.ranges.values())).window
        return high - low

    def noisy(self, low: Array, key: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return a low-res rectangle as its camera would have recorded it."""
        return _recorded(low, self.noise, self.dtypes[key[0]], rng)

    def held_images(self, a: float = -0.5) -> list[tuple[NDArray[np.float32], Pair]]:
        """Return what is measured on, low-res and as a pair; its noise is always the same."""
        rng = np.random.default_rng(0)
        found = []
        for block in self.held:
            known = self.ranges[block.key]
            low = known.normalize(self.noisy(block.low, block.key, rng))
            enlarged, truth = (
                image[None].astype(np.float32)
                for image in (enlarge(low, self.scale, a), known.normalize(block.high))
            )
            found.append((low.astype(np.float32), Pair(enlarged=enlarged, truth=truth)))
        return found


def _recorded(low: Array, noise: Noise, dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    """Return light as a camera records it: with its noise, then rounded and clipped."""
    if not (noise.gain or noise.read):
        return low
    noisy = noise.apply(low, rng)
    return noisy if dtype.kind == "f" else np.rint(noisy).clip(*integer_limits(dtype))


def enlarge(low: Array, scale: int, a: float = -0.5) -> NDArray[np.float64]:
    """Enlarge a rectangle by bicubic, shape (y, x) to (y * scale, x * scale)."""
    rows, columns = (
        axis_weights(n, scale, 0, n * scale, a=a).dense(0, n) for n in low.shape
    )  # fmt: skip
    return np.asarray(rows @ low @ columns.T)


class BlockSampler:
    """Draw batches of crops from blocks: noise, bicubic, flips and rotations, each time anew.

    Parameters
    ----------
    acquisition : Acquisition
    crop : int
        Pixels a side of the truth, a multiple of the scale.
    network : SRCNNConfig
    gain : tuple of two floats, optional
        Range of a random gain of 70 % of the crops; an offset keeps them within 0..1.
    turn : bool
        Whether crops are rotated and mirrored.

    Raises
    ------
    ValueError
        If no block is large enough.
    """

    def __init__(
        self, acquisition: Acquisition, *, crop: int, network: SRCNNConfig,
        gain: tuple[float, float] | None = None, turn: bool = True,
    ) -> None:  # fmt: skip
        scale = acquisition.scale
        if crop % scale:
            raise ValueError(f"A patch of {crop} pixels is no multiple of {scale}, the scale.")
        self._data, self._gain, self._turn = acquisition, gain, turn
        self._crop, self._halo, self._scale = crop, network.halo, scale
        # A window reaches beyond the halo, so that no pixel is interpolated from beyond its edge.
        self._context = context(network)
        self._side = crop // scale + 2 * self._context
        self._blocks = [b for b in acquisition.training if min(b.low.shape) >= self._side]
        if not self._blocks:
            largest = max((min(b.high.shape) for b in acquisition.training), default=0)
            raise ValueError(
                f"A patch of {crop} pixels needs {self._side * scale} pixels a side with what the "
                f"network sees around it, and there are {largest} at most to train on; draw "
                "larger rectangles, take larger images, or choose a smaller patch."
            )
        areas = np.array([b.low.size for b in self._blocks], dtype=np.float64)
        self._weights = areas / areas.sum()
        n = self._side
        self._matrix = axis_weights(n, scale, 0, n * scale, a=network.a).dense(0, n)

    def batch(
        self, rng: np.random.Generator, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs (B, 1, crop + 2 halo, same) and truths (B, 1, crop, crop)."""
        crops = [self._draw(rng) for _ in range(size)]
        enlarged, truth = zip(*crops, strict=True)
        return np.stack(enlarged)[:, None], np.stack(truth)[:, None]

    def _draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        block = self._blocks[rng.choice(len(self._blocks), p=self._weights)]
        y, x = (int(rng.integers(n - self._side + 1)) for n in block.low.shape)
        known = self._data.ranges[block.key]
        low = self._data.noisy(block.low[y : y + self._side, x : x + self._side], block.key, rng)
        low = known.normalize(low)
        start = self._context * self._scale
        matrix = self._matrix[start - self._halo : start + self._crop + self._halo]
        y, x = (n * self._scale + start for n in (y, x))
        truth = known.normalize(block.high[y : y + self._crop, x : x + self._crop])
        enlarged, truth = varied(
            rng, matrix @ low @ matrix.T, truth, gain=self._gain, turn=self._turn
        )
        return enlarged.astype(np.float32), truth.astype(np.float32)


def context(network: SRCNNConfig) -> int:
    """Return how many low-res pixels around a crop are read."""
    return -(-network.halo // network.scale) + 3


# ---------------------------------------------------------------- making it


def acquire(
    sources: Sequence[Source],
    network: SRCNNConfig,
    *,
    degradation: Degradation | None = None,
    window: tuple[float, float] = (0.0, 1.0),
    correct_shift: bool = True,
    limit: int | None = None,
) -> Acquisition:
    """Read what is needed of images and hold a part of it apart.

    Parameters
    ----------
    sources : sequence of Source
        All paired, or none.
    network : SRCNNConfig
        Says the scale and how far the network sees.
    degradation : Degradation, optional
        Makes low-res images where none were taken: camera pixels without noise by default.
    window : tuple of two floats
        What the network sees of an image's range.
    correct_shift : bool
        Move low-res images by the shift that was found between the images of a pair.
    limit : int, optional
        Pixels of truth kept to train on; 40 million by default.

    Returns
    -------
    Acquisition
        Held apart are whole images where there are five or more; else a run of whole planes from
        the middle of a stack of five or more, with one more between them and the rest; else the
        last quarter of the plane's longer side, with a margin.

    Raises
    ------
    ValueError
        If the images cannot be used; the message says why and what would work.
    """
    if not sources:
        raise ValueError("There are no images to train on; choose at least one.")
    if network.channels != 1:
        raise ValueError("Networks of one channel can be fine-tuned, and this one takes RGB.")
    if len({source.low is None for source in sources}) > 1:
        raise ValueError("Some images have a low-res partner and others have none; give one kind.")
    readers = [_Reader(n, source, network, degradation) for n, source in enumerate(sources)]
    for reader in readers:
        reader.match(correct=correct_shift)
    whole = len(sources) >= ENOUGH_SOURCES
    regions: list[tuple[_Reader, _Region]] = []
    for number, reader in enumerate(readers):
        held = (number % ENOUGH_SOURCES == ENOUGH_SOURCES // 2) if whole else None
        regions += [(reader, region) for region in reader.regions(held)]
    notes: list[str] = []
    training = _read(regions, held=False, limit=limit or TRAIN_PIXELS, side=BLOCK, notes=notes)
    apart = _read(regions, held=True, limit=HELD_PIXELS, side=HELD_BLOCK, notes=notes)
    for blocks, what in ((training, "train on"), (apart, "measure on")):
        if not blocks:
            raise ValueError(
                f"There is nothing to {what}: every part of the images is constant, not finite or "
                f"smaller than {readers[0].smallest} pixels a side; choose other images."
            )
    noise = Noise() if sources[0].low is not None else readers[0].degradation.noise
    dtypes = [reader.low_dtype for reader in readers]
    ranges = _measure(training + apart, noise, dtypes, window)
    _check_saturation(training, dtypes, notes)
    what_held = _what_held(readers, whole=whole)
    pixels = _megapixels(sum(block.high.size for block in training))
    names = ", ".join(source.name for source in sources[:3]) + (", …" if len(sources) > 3 else "")
    for reader in readers:
        notes += reader.notes
    return Acquisition(
        training=training, held=apart, ranges=ranges, dtypes=dtypes,
        scale=network.scale, noise=noise,
        matches=[reader.found for reader in readers if reader.found is not None],
        summary=f"{names}: {pixels} megapixels to train on; held apart: {what_held}.",
        what_held=what_held, notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Region:
    position: int
    box: Box
    held: bool


class _Reader:
    """One source: where its regions are, and how a block of it is read."""

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

    def regions(self, held: bool | None) -> list[_Region]:
        """Return rectangles on planes, whole or cut so that a part is held apart.

        Parameters
        ----------
        held : bool or None
            Whether all of the source is held apart, or none; None cuts it.
        """
        boxes = self._boxes()
        number = self.high.positions
        if held is not None:
            return [_Region(p, box, held) for p in range(number) for box in boxes]
        if number >= ENOUGH_PLANES:
            some = max(number // 6, 1)
            first = (number - some) // 2
            apart = range(first, first + some)
            near = (first - 1, first + some)
            return [
                _Region(p, box, p in apart) for p in range(number) if p not in near for box in boxes
            ]
        # The longer side; the other where the rectangles lie so that nothing is left on one side.
        first = 0 if self._extent(boxes, 0) >= self._extent(boxes, 1) else 1
        cuts = {axis: self._cut(boxes, axis) for axis in (first, 1 - first)}
        long, cut = next(((axis, cut) for axis, cut in cuts.items() if cut is not None), (0, None))
        if cut is None:
            raise ValueError(
                f"{self.source.name} is too small to hold a part of it apart: "
                f"{2 * self.smallest + self._whole(self.margin)} pixels along one side, or "
                f"{ENOUGH_PLANES} planes, are needed."
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
                    found += [_Region(p, (y0, y1, x0, x1), is_held) for p in range(number)]
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
                max(self._whole(y0), limits[0]), min(y1 // self.scale * self.scale, limits[1]),
                max(self._whole(x0), limits[2]), min(x1 // self.scale * self.scale, limits[3]),
            )  # fmt: skip
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

    def block(self, region: _Region, channel: int) -> Block | None:
        """Read a block; None where it is constant or not finite."""
        y0, y1, x0, x1 = region.box
        scale, key = self.scale, (self.number, channel)
        if self.low is not None:
            high = self.high.read(region.position, channel, region.box)
            # The spline reaches a few pixels; read them with it.
            reach = 8 + math.ceil(max(abs(n) for n in self.shift))
            height, width = (n // scale for n in self.plane)
            wide = (
                max(y0 // scale - reach, 0), min(y1 // scale + reach, height),
                max(x0 // scale - reach, 0), min(x1 // scale + reach, width),
            )  # fmt: skip
            low = self._moved(self.low.read(region.position, channel, wide))
            top, left = y0 // scale - wide[0], x0 // scale - wide[2]
            low = low[top : top + (y1 - y0) // scale, left : left + (x1 - x0) // scale]
            gain, offset = self.fits[channel]
            high = high * gain + offset
        else:
            reach = self._whole(math.ceil(4 * self.degradation.sigma) + 2 * scale)
            height, width = self.plane
            wide = (
                max(y0 - reach, 0), min(y1 + reach, height),
                max(x0 - reach, 0), min(x1 + reach, width),
            )  # fmt: skip
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


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1e6:.1f}" if pixels >= 1e6 else f"{pixels / 1e6:.2g}"


def _read(
    regions: Sequence[tuple[_Reader, _Region]], *, held: bool, limit: int, side: int,
    notes: list[str],
) -> list[Block]:  # fmt: skip
    """Read blocks of at most `side` pixels, evenly chosen where there is more than `limit`."""
    wanted = []
    for reader, region in regions:
        if region.held == held:
            size = side // reader.scale * reader.scale
            for box in _tiles(region.box, size, reader.smallest):
                for channel in range(reader.high.channels):
                    wanted.append((reader, _Region(region.position, box, held), channel))
    total = sum((b[1] - b[0]) * (b[3] - b[2]) for b in (r.box for _, r, _ in wanted))
    if total > limit:
        number = max(int(len(wanted) * limit / total), 1)
        # One of each stretch by chance: equal steps could meet one channel only.
        steps = np.arange(number) + np.random.default_rng(0).random(number)
        chosen = (steps * (len(wanted) / number)).astype(int)
        if not held:
            notes.append(
                f"{_megapixels(limit)} of {_megapixels(total)} megapixels are kept to train on, "
                "evenly chosen."
            )
        wanted = [wanted[i] for i in chosen]
    blocks = [reader.block(region, channel) for reader, region, channel in wanted]
    kept = [block for block in blocks if block is not None]
    if 0 < len(kept) < len(blocks):
        notes.append(
            f"{len(blocks) - len(kept)} of {len(blocks)} parts of the images are left out: they "
            "are constant or hold values that are not finite."
        )
    return kept


def _tiles(box: Box, side: int, smallest: int) -> list[Box]:
    """Cut a box into tiles of at most `side`; what would be too small to use joins no tile."""
    y0, y1, x0, x1 = box
    return [
        (y, min(y + side, y1), x, min(x + side, x1))
        for y in range(y0, y1, side)
        for x in range(x0, x1, side)
        if min(min(y + side, y1) - y, min(x + side, x1) - x) >= smallest
    ]


def _measure(
    blocks: Sequence[Block], noise: Noise, dtypes: list[np.dtype[Any]], window: tuple[float, float]
) -> dict[tuple[int, int], IntensityRange]:
    """Measure the range of each source and channel, as inference does on a low-res image."""
    rng = np.random.default_rng(0)
    ranges = {}
    for key in dict.fromkeys(block.key for block in blocks):
        own = [block.low for block in blocks if block.key == key]
        step = max(sum(low.size for low in own) >> 20, 1)
        values = np.concatenate([low.ravel()[::step] for low in own]).astype(np.float64)
        values = _recorded(values, noise, dtypes[key[0]], rng)
        low, high = np.percentile(values, PERCENTILES)
        if low == high:
            low, high = values.min(), values.max()
        if low == high:
            raise ValueError("The images are constant; choose images that show something.")
        ranges[key] = IntensityRange(float(low), float(high), window)
    return ranges


def _check_saturation(
    blocks: Sequence[Block], dtypes: list[np.dtype[Any]], notes: list[str]
) -> None:
    """Say how much of the images is at their dtype's end, and refuse what is mostly there."""
    tops, total = 0, 0
    for block in blocks:
        dtype = dtypes[block.key[0]]
        if dtype.kind in "iu":
            tops += int(np.count_nonzero(block.low >= np.iinfo(dtype).max))
        total += block.low.size
    share = tops / total
    if share > SATURATED:
        raise ValueError(
            f"{share:.0%} of the image is saturated, so there is nothing to learn from; choose an "
            "image that was exposed less."
        )
    if share > 0.01:
        notes.append(f"{share:.0%} of the image is saturated; nothing can be learned there.")


def _what_held(readers: Sequence[_Reader], *, whole: bool) -> str:
    if whole:
        number = len(range(ENOUGH_SOURCES // 2, len(readers), ENOUGH_SOURCES))
        return f"{number} of {len(readers)} images"
    planes = [r.high.positions for r in readers if r.high.positions >= ENOUGH_PLANES]
    parts = []
    if planes:
        number = sum(max(n // 6, 1) for n in planes)
        parts.append(f"{number} whole plane{'s' * (number > 1)} of {sum(planes)}")
    if len(planes) < len(readers):
        parts.append("the last quarter of the plane" + "s" * (len(readers) - len(planes) > 1))
    return " and ".join(parts)
