"""A lab's own images as training data: blocks to train on and to measure on, crops drawn of them.

Everything here is in the image's own units until a crop is drawn: noise is that of a camera, and a
range is measured once for a source and channel, as inference measures it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.intensity import PERCENTILES, IntensityRange, integer_limits
from napari_srcnn.image.resize import axis_weights, mean_weights
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_sample import saturation_level
from napari_srcnn.microscope.registration import Match
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.field import Array, Block, Box, Field, Region, Source
from napari_srcnn.training.photographs import Pair

# Pixels of truth kept in memory for training, and measured on; evenly chosen where there are more.
TRAIN_PIXELS = 40 << 20
HELD_PIXELS = 3 << 17
BLOCK = 512
HELD_BLOCK = 256
ENOUGH_SOURCES = 5
SATURATED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
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
        What is used and what is held out.
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
        return self.record(low, key, rng)[0]

    def record(
        self, low: Array, key: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Array, Noise]:
        """Return a low-res rectangle as recorded, and the noise that the network is told."""
        return _recorded(low, self.noise, self.dtypes[key[0]], rng), self.noise

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
            recorded, told = self.record(block.low, block.key, rng)
            low = known.normalize(recorded)
            planes = [enlarge(low, self.scale, a)]
            if noise:
                planes.append(noise_plane(recorded, told, self.scale) * known.gain)
            pair = Pair(
                enlarged=np.stack(planes).astype(np.float32),
                truth=known.normalize(block.high)[None].astype(np.float32),
            )
            found.append((low.astype(np.float32), pair))
        return found


def _recorded(low: Array, noise: Noise, dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    """Return light as a camera records it: with its noise, then rounded and clipped."""
    if not (noise.gain or noise.read):
        return low
    noisy = noise.apply(low, rng)
    return noisy if dtype.kind == "f" else np.rint(noisy).clip(*integer_limits(dtype))


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
    fields = [Field(n, source, network, degradation) for n, source in enumerate(sources)]
    for one in fields:
        one.match(correct=correct_shift)
    whole = len(sources) >= ENOUGH_SOURCES
    held, unused = _whole_sources([source.name for source in sources]) if whole else ((), ())
    regions: list[tuple[Field, Region]] = []
    for number, one in enumerate(fields):
        if number not in unused:
            is_held = number in held if whole else None
            regions += [(one, region) for region in one.regions(is_held)]
    notes: list[str] = []
    training = _read(regions, held=False, limit=limit or TRAIN_PIXELS, side=BLOCK, notes=notes)
    apart = _read(regions, held=True, limit=HELD_PIXELS, side=HELD_BLOCK, notes=notes)
    for blocks, what in ((training, "train on"), (apart, "measure on")):
        if not blocks:
            raise ValueError(
                f"There is nothing to {what}: every part of the images is constant, not finite or "
                f"smaller than {fields[0].smallest} pixels a side; choose other images."
            )
    noise = Noise() if sources[0].low is not None else fields[0].degradation.noise
    dtypes = [one.low_dtype for one in fields]
    ranges = _measure(training + apart, noise, dtypes, window)
    _check_saturation(training, dtypes, notes)
    what_held = f"{len(held)} of {len(fields)} images" if whole else _what_held(fields)
    pixels = _megapixels(sum(block.high.size for block in training))
    names = ", ".join(source.name for source in sources[:3]) + (", …" if len(sources) > 3 else "")
    for one in fields:
        notes += [*one.source.notes, *one.notes]
        if not whole and one.held_planes is not None and one.held_planes.is_guess:
            notes.append(
                f"{one.source.name} has an axis without a name, which is taken for depth (Z); if "
                "it is time, name it T, or the same place is learned from and measured on."
            )
    return Dataset(
        training=training,
        held=apart,
        ranges=ranges,
        dtypes=dtypes,
        scale=network.scale,
        noise=noise,
        matches=[one.found for one in fields if one.found is not None],
        summary=f"{names}: {pixels} megapixels to train on; held out: {what_held}.",
        what_held=what_held,
        notes=tuple(dict.fromkeys(notes)),
    )


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
    blocks = [one.block(region, channel) for one, region, channel in wanted]
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
    for key in dict.fromkeys(block.key for block in blocks):
        own = [block.high for block in blocks if block.key == key]
        dtype = dtypes[key[0]]
        limit = saturation_level(own)  # of 12 bits in 16, too
        if dtype.kind in "iu":
            limit = min(limit, float(np.iinfo(dtype).max))
        tops += sum(int(np.count_nonzero(high >= limit)) for high in own)
        total += sum(high.size for high in own)
    share = tops / total
    if share > SATURATED:
        raise ValueError(
            f"{share:.0%} of the image is saturated, so there is nothing to learn from; choose an "
            "image that was exposed less."
        )
    if share > 0.01:
        notes.append(f"{share:.0%} of the image is saturated; nothing can be learned there.")


def _whole_sources(names: Sequence[str]) -> tuple[Sequence[int], Sequence[int]]:
    """Return which of many sources are held out, and which are not used.

    Where the names differ in one number, as z000, z001, …, the files may be planes of one stack: a
    run of them is held out, with one more on each side that is not used.
    """
    number = len(names)
    if len({re.sub(r"\d+(?=\D*$)", "#", name) for name in names}) > 1:
        return range(ENOUGH_SOURCES // 2, number, ENOUGH_SOURCES), ()
    some = max(number // 6, 1)
    first = (number - some) // 2
    return range(first, first + some), (first - 1, first + some)


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
