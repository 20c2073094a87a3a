"""A lab's own images as training data: blocks to train on and to measure on, crops drawn of them.

Everything here is in the image's own units until a crop is drawn: noise is that of a camera, and a
range is measured once for a source and channel, as inference measures it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.intensity import IntensityRange, robust_range
from napari_srcnn.image.resize import axis_weights, mean_weights
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import NO_NOISE, Noise
from napari_srcnn.microscope.noise_sample import saturation_level
from napari_srcnn.microscope.registration import Match
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.blocks import Field
from napari_srcnn.training.field import Array, Block, Box, Source
from napari_srcnn.training.holdout import HeldPlanes, Region, whole_sources
from napari_srcnn.training.noise import is_recorrupted, recordings
from napari_srcnn.training.photographs import Pair
from napari_srcnn.training.recording import Recorded, Way, recorded

# Pixels of truth kept in memory for training, and measured on; evenly chosen where there are more.
TRAIN_PIXELS = 40 << 20
HELD_PIXELS = 3 << 17
BLOCK = 512
HELD_BLOCK = 256
SATURATED = 0.5
NEARLY = 0.9
# Where most parts of the images show nothing, so many times as many are read to find those that do.
_LOOKED = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Training data, ready to be drawn from.

    Attributes
    ----------
    training, held : list of Block
    ranges : dict
        The intensity range of each source and channel.
    scale : int
    recordings : dict
        How low-res rectangles of each source and channel get their noise, and the truth beside
        them; as they are where none is said.
    matches : list of Match
        Of each pair of images.
    summary : str
        What is used and what is held out.
    what_held : str
        As "3 whole planes".
    notes : tuple of str
        What the user should know.
    """

    training: list[Block]
    held: list[Block]
    ranges: dict[tuple[int, int], IntensityRange]
    scale: int
    recordings: dict[tuple[int, int], Way] = field(default_factory=dict)
    matches: list[Match] = field(default_factory=list)
    summary: str = ""
    what_held: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_recorrupted(self) -> bool:
        """Whether anything of it has noisy truths, drawn anew with every crop."""
        return is_recorrupted(self.recordings)

    @property
    def peak(self) -> float:
        """Width of the window: what the range is to the network, and so the peak of a PSNR."""
        low, high = next(iter(self.ranges.values())).window
        return high - low

    def draw(
        self, low: Array, high: Array, key: tuple[int, int], rng: np.random.Generator
    ) -> Recorded:
        """Return a low-res rectangle as its camera would have recorded it, and its truth."""
        way = self.recordings.get(key)
        if way is None:
            return Recorded(low=low, told=NO_NOISE, high=high)
        return way.draw(low, high, rng)

    def held_images(
        self, a: float = -0.5, *, noise: bool = False
    ) -> list[tuple[NDArray[np.float32], Pair]]:
        """Return what is measured on, low-res and as a pair; its noise is always the same.

        Parameters
        ----------
        a : float
            The cubic's free parameter.
        noise : bool
            Whether the network takes the noise's plane.
        """
        rng = np.random.default_rng(0)
        found = []
        for block in self.held:
            known = self.ranges[block.key]
            drawn = self.draw(block.low, block.high, block.key, rng)
            low = known.normalize(drawn.low)
            planes = [enlarge(low, self.scale, a)]
            if noise:
                planes.append(noise_plane(drawn.low, drawn.told, self.scale) * known.gain)
            added = drawn.added
            pair = Pair(
                enlarged=np.stack(planes).astype(np.float32),
                truth=known.normalize(drawn.high)[None].astype(np.float32),
                added=None if added is None else (added * known.gain)[None].astype(np.float32),
            )
            found.append((low.astype(np.float32), pair))
        return found


def enlarge(low: Array, scale: int, a: float = -0.5) -> NDArray[np.float64]:
    """Enlarge a rectangle by bicubic, shape (y, x) to (y * scale, x * scale)."""
    rows, columns = (axis_weights(n, scale, 0, n * scale, a=a).dense(0, n) for n in low.shape)
    return np.asarray(rows @ low @ columns.T)


def noise_plane(low: Array, noise: Noise, scale: int) -> NDArray[np.float64]:
    """Return the noise's standard deviation on the high-res grid, (y, x) to (y, x) * scale."""
    rows, columns = (mean_weights(n, scale, 0, n * scale).dense(0, n) for n in low.shape)
    return noise.sigma(rows @ low @ columns.T)


# ---------------------------------------------------------------- making it


def make_dataset(
    sources: Sequence[Source],
    network: SRCNNConfig,
    *,
    degradation: Degradation | None = None,
    window: tuple[float, float] = (0.0, 1.0),
    correct_shift: bool = True,
    recorrupt: bool | None = False,
    limit: int | None = None,
) -> Dataset:
    """Read what is needed of images and holds a part of it out.

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
    recorrupt : bool or None
        Whether noisy examples without a partner are recorrupted; None where their noise is above
        1 % of the range.
    limit : int, optional
        Pixels of truth kept to train on; 40 million by default.

    Returns
    -------
    Dataset
        Held out are whole images where there are five or more (a run of them, with one more on
        each side that is not used, where their names are numbered); else a run of whole planes from
        the middle of five or more along Z (or an axis without a name), at every place along the
        other axes, with one more between them and the rest; else the last quarter of the plane's
        longer side, with a margin.

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
    fields = [
        Field(n, source, network, degradation, correct_shift=correct_shift)
        for n, source in enumerate(sources)
    ]
    notes: list[str] = []
    most = TRAIN_PIXELS if limit is None else limit
    parts = _divided(fields, most, notes)
    own = recordings(parts.training + parts.held, fields, network, recorrupt=recorrupt, notes=notes)
    ranges = _measure(parts.training + parts.held, own, window)
    _check_saturation(parts.training, fields, notes)
    pixels = _megapixels(sum(block.high.size for block in parts.training))
    what_held = parts.what_held + ", noise included" * is_recorrupted(own)
    names = ", ".join(source.name for source in sources[:3]) + (", …" if len(sources) > 3 else "")
    for one in fields:
        notes += one.source.notes
        if one.relation is not None and one.relation.note:
            notes.append(one.relation.note)
    return Dataset(
        training=parts.training,
        held=parts.held,
        ranges=ranges,
        scale=network.scale,
        recordings=own,
        matches=[one.relation.match for one in fields if one.relation is not None],
        summary=f"{names}: {pixels} megapixels to train on; held out: {what_held}.",
        what_held=what_held,
        notes=tuple(dict.fromkeys(notes)),
    )


# ---------------------------------------------------------------- what is trained and measured on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Parts:
    """Blocks to train on and to measure on, and how the latter is called."""

    training: list[Block]
    held: list[Block]
    what_held: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Way:
    """A way to hold something out: of which field what, those not named not being used at all."""

    held: dict[int, bool | HeldPlanes | None]
    what: str
    notes: tuple[str, ...] = ()
    of_what_is_shown: bool = False


def _ways(fields: Sequence[Field]) -> Iterator[_Way]:
    """Yield ways to hold something out, the best first."""
    if (whole := whole_sources([one.high for one in fields])) is not None:
        held, unused = whole
        yield _Way(
            held={n: n in held for n in range(len(fields)) if n not in unused},
            what=f"{len(held)} of {len(fields)} images",
        )
    if any(one.held_planes is not None for one in fields):
        yield _Way(
            held={n: one.held_planes for n, one in enumerate(fields)},
            what=_what_held(fields),
            notes=tuple(
                f"{one.source.name} has an axis without a name, which is taken for depth (Z); if "
                "it is time, name it T, or the same place is learned from and measured on."
                for one in fields
                if one.held_planes is not None and one.held_planes.is_guess
            ),
        )
    planes = sum(one.high.positions for one in fields)
    for of_what_is_shown in (False, True):
        yield _Way(
            held=dict.fromkeys(range(len(fields))),
            what="the last quarter of the plane" + "s" * (planes > 1),
            of_what_is_shown=of_what_is_shown,
        )


def _divided(fields: Sequence[Field], limit: int, notes: list[str]) -> _Parts:
    """Read what is trained on and what is measured on.

    Where nothing or next to nothing would be left on one side, as where the planes to hold out are
    empty, the next way to hold something out is taken.
    """
    missing, poor = "", list[tuple[_Parts, list[str]]]()
    for way in _ways(fields):
        said = list(way.notes)
        try:
            regions = [
                (fields[n], region)
                for n, held in way.held.items()
                for region in fields[n].regions(
                    held, fields[n].shown() if way.of_what_is_shown else None
                )
            ]
        except ValueError:
            if missing or poor:
                break
            raise
        training = _read(regions, held=False, limit=limit, side=BLOCK, notes=said)
        apart = _read(regions, held=True, limit=HELD_PIXELS, side=HELD_BLOCK, notes=said)
        if training and apart:
            parts = _Parts(training=training, held=apart, what_held=way.what)
            if not (_is_nearly_empty(training) or _is_nearly_empty(apart)):
                notes += said
                return parts
            poor.append((parts, said))
        else:
            missing = missing or ("measure on" if training else "train on")
    if poor:
        notes += poor[0][1]
        return poor[0][0]
    raise ValueError(
        f"There is nothing to {missing}: every part of the images is constant, not finite or "
        f"smaller than {fields[0].smallest} pixels a side; choose other images."
    )


def _is_nearly_empty(blocks: Sequence[Block]) -> bool:
    """Tell whether nearly all of some blocks is one value."""
    usual = float(np.median(blocks[0].high))
    same = sum(int(np.count_nonzero(block.high == usual)) for block in blocks)
    return same > NEARLY * sum(block.high.size for block in blocks)


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1e6:.1f}" if pixels >= 1e6 else f"{pixels / 1e6:.2g}"


def _read(
    regions: Sequence[tuple[Field, Region]],
    *,
    held: bool,
    limit: int,
    side: int,
    notes: list[str],
) -> list[Block]:
    """Read blocks of at most `side` pixels, evenly chosen where there is more than `limit`."""
    wanted = []
    for one, region in regions:
        if region.held == held:
            size = side // one.scale * one.scale
            for box in _tiles(region.box, size, one.smallest):
                for channel in range(one.high.channels):
                    wanted.append((one, Region(region.position, box, held), channel))
    total = sum(_size(region) for _, region, _ in wanted)
    rng = np.random.default_rng(0)
    chosen = np.arange(len(wanted))
    if total > limit:
        number = max(int(len(wanted) * limit / total), 1)
        # One of each stretch by chance: equal steps could meet one channel only.
        steps = np.arange(number) + rng.random(number)
        chosen = (steps * (len(wanted) / number)).astype(int)
        if not held:
            notes.append(
                f"{_megapixels(limit)} of {_megapixels(total)} megapixels are kept to train on, "
                "evenly chosen."
            )
    kept: list[Block] = []
    pixels = looked = cut = 0
    # Where some of them show nothing, others take their place.
    rest = rng.permutation(np.setdiff1d(np.arange(len(wanted)), chosen))
    for count, i in enumerate([*chosen.tolist(), *rest.tolist()]):
        one, region, channel = wanted[i]
        size = _size(region)
        is_more = count >= len(chosen)
        if is_more and (pixels + size > limit or looked + size > _LOOKED * limit):
            break
        found = one.blocks(region, channel)
        own = sum(block.high.size for block in found)
        kept += found
        pixels, looked, cut = pixels + own, looked + size, cut + (own < size)
    if kept and cut:
        notes.append(
            f"{cut} of {count + 1} parts of the images are left out, in whole or in part: they are "
            "constant or hold values that are not finite."
        )
    return kept


def _size(region: Region) -> int:
    y0, y1, x0, x1 = region.box
    return (y1 - y0) * (x1 - x0)


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
    blocks: Sequence[Block],
    ways: dict[tuple[int, int], Way],
    window: tuple[float, float],
) -> dict[tuple[int, int], IntensityRange]:
    """Measure the range of each source and channel, as inference does on a low-res image."""
    rng = np.random.default_rng(0)
    ranges = {}
    for key in dict.fromkeys(block.key for block in blocks):
        own = [block.low for block in blocks if block.key == key]
        step = max(sum(low.size for low in own) >> 20, 1)
        values = np.concatenate([low.ravel()[::step] for low in own]).astype(np.float64)
        values = recorded(values, ways[key].usual, ways[key].dtype, rng)
        low, high = robust_range(values)
        if low == high:
            raise ValueError("The images are constant; choose images that show something.")
        ranges[key] = IntensityRange(low, high, window)
    return ranges


def _check_saturation(blocks: Sequence[Block], fields: Sequence[Field], notes: list[str]) -> None:
    """Say how much of the images is at either end of what their detectors give.

    Raises
    ------
    ValueError
        If most of it, a mask or an empty background apart, is at the upper end.
    """
    tops = bottoms = total = 0
    for key in dict.fromkeys(block.key for block in blocks):
        one = fields[key[0]]
        own = [block for block in blocks if block.key == key]
        sides = [([block.high for block in own], one.top(key[1]))]
        if one.low is not None:
            integers = one.low_dtype.kind in "iu"
            top = float(np.iinfo(one.low_dtype).max) if integers else math.inf
            sides.append(([block.low for block in own], top))
        counts = []
        for images, top in sides:
            limit = min(saturation_level(images), top)  # of 12 bits in 16, too
            floor = -saturation_level([-image for image in images])
            size = sum(image.size for image in images)
            counts.append(
                (
                    sum(int(np.count_nonzero(image >= limit)) for image in images) / size,
                    sum(int(np.count_nonzero(image <= floor)) for image in images) / size,
                )
            )
        pixels = sum(block.high.size for block in own)
        # Of a pair, of the one that has lost more.
        upper, lower = (max(share) for share in zip(*counts, strict=True))
        tops, bottoms, total = tops + upper * pixels, bottoms + lower * pixels, total + pixels
    share = tops / max(total - bottoms, 1)
    if share > SATURATED:
        raise ValueError(
            f"{share:.0%} of the image is saturated, so there is nothing to learn from; choose an "
            "image that was exposed less."
        )
    if tops > 0.01 * total:
        notes.append(f"{tops / total:.0%} of the image is saturated; nothing can be learned there.")
    if bottoms > 0.01 * total:
        notes.append(
            f"{bottoms / total:.0%} of the image is black (at its lowest value); nothing can be "
            "learned there."
        )


def _what_held(fields: Sequence[Field]) -> str:
    apart = [field.held_planes for field in fields if field.held_planes is not None]
    parts = []
    if apart:
        number, total = (sum(n) for n in zip(*((a.planes, a.of) for a in apart), strict=True))
        along = f" ({apart[0].where})" if len(apart) == 1 and apart[0].where else ""
        parts.append(f"{number} whole plane{'s' * (number > 1)} of {total}{along}")
    cut = [field.high.positions for field in fields if field.held_planes is None]
    if cut:
        parts.append("the last quarter of the plane" + "s" * (sum(cut) > 1))
    return " and ".join(parts)
