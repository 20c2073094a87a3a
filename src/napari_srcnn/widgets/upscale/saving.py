"""Result layers as OME-TIFF and OME-Zarr, written beside the window."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.io.layer_file import layer_writer, write_image, write_zarr_image
from napari_srcnn.io.names import file_name
from napari_srcnn.upscaling.messages import Report
from napari_srcnn.widgets.shared.display import slice_order
from napari_srcnn.widgets.shared.geometry import geometry_of
from napari_srcnn.widgets.shared.layers import METADATA_KEY, pixels
from napari_srcnn.widgets.shared.messages import Cancelled, Failed, Guarded, failed
from napari_srcnn.widgets.upscale.lazy_level import LazyLevel
from napari_srcnn.widgets.upscale.shard_saving import compute_shards, is_zarr_name

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_srcnn.upscaling.lazy import LazyResult
    from napari_srcnn.upscaling.messages import Progress
    from napari_srcnn.upscaling.shards.messages import ShardProgress

_logger = logging.getLogger(__name__)
SUFFIX = ".ome.tif"
Block = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """The files that were written."""

    paths: tuple[Path, ...]
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Halted:
    """A save that was stopped and can be gone on with, since what was written stays."""

    path: Path


class SaveJob:
    """A save: what goes where, and how far it has come.

    Parameters
    ----------
    layers : sequence of Image
        Read here and now, on the main thread, but for their pixels.
    path : Path
        A file; a folder for several layers.
    """

    def __init__(self, layers: Sequence[Image], path: Path) -> None:
        self.planes_done = 0
        self.planes_total = 0
        # Of a lazy result, which is computed: what of its planes is done, and the time left.
        self._computed = 0.0
        self.seconds_left: float | None = None
        self.jobs: list[tuple[Path, Any, dict[str, Any]]] = []
        taken: set[Path] = set()
        for layer in layers:
            target = with_suffix(path) if len(layers) == 1 else _free(path, layer.name, taken)
            for number, block in enumerate(finished_blocks(layer)):
                if number:
                    name = f"{target.name.removesuffix(SUFFIX)} {_words(block)}"
                    self._add(_free(target.parent, name, taken), layer, block)
                else:
                    taken.add(target)
                    self._add(target, layer, block)

    def _add(self, target: Path, layer: Image, block: Block) -> None:
        _, attributes, _ = layer.as_layer_data_tuple()
        start = [part.start for part in block] + [0, 0]
        geometry = geometry_of(layer)
        moved = {"translate": geometry.translate + geometry.linear @ np.asarray(start, np.float64)}
        data = pixels(layer)
        if block:
            data = data[block]
        self.planes_total += math.prod(data.shape[: layer.ndim - 2])
        self.jobs.append((target, data, attributes | moved))

    @property
    def fraction(self) -> float:
        """How much has been read to be written, 0..1."""
        return min((self.planes_done + self._computed) / max(self.planes_total, 1), 1.0)

    @property
    def goes_on(self) -> bool:
        """Whether a save that is stopped leaves what it has done, to be gone on with."""
        return any(isinstance(data, LazyLevel) and is_zarr_name(p) for p, data, _ in self.jobs)

    def count(self) -> None:
        """Note that a plane was read."""
        self.planes_done += 1

    def follow_shards(self, progress: ShardProgress) -> None:
        """Note that a shard was written of what is at hand."""
        self._computed = self.planes_total * progress.shards_done / progress.shards_total
        self.seconds_left = progress.seconds_left

    def follow(self, progress: Progress) -> None:
        """Note that a tile was computed of what is at hand."""
        self._computed = progress.slices_total * progress.tiles_done / progress.tiles_total
        self.seconds_left = progress.seconds_left
        if progress.tiles_done == progress.tiles_total:
            self.planes_done += progress.slices_total
            self._computed, self.seconds_left = 0.0, None


def save(saving: SaveJob, cancel: threading.Event) -> Iterator[Saved | Halted | Failed]:
    """Write the files; a cancelled one leaves nothing behind, but of a result that is computed."""
    written: list[Path] = []
    said: tuple[str, ...] = ()
    try:
        for path, data, attributes in saving.jobs:
            is_zarr = is_zarr_name(path)
            if not isinstance(data, LazyLevel):
                guarded = Guarded(data, cancel, saving.count)
                (write_zarr_image if is_zarr else write_image)(path, guarded, attributes)
            elif is_zarr:
                follow = saving.follow_shards
                said += compute_shards(path, data.lazy, attributes, follow, cancel)
            else:
                said += _compute(path, data.lazy, attributes, saving, cancel)
            written.append(path)
    except Cancelled:
        if isinstance(data, LazyLevel) and is_zarr_name(path):
            yield Halted(path)
        return
    except Exception as error:  # of a layer's lazy pixels, too
        _logger.warning("A result was not saved.", exc_info=error)
        yield failed(error)
        return
    yield Saved(tuple(written), said)


def _compute(
    path: Path,
    lazy: LazyResult,
    attributes: dict[str, Any],
    saving: SaveJob,
    cancel: threading.Event,
) -> tuple[str, ...]:
    """Compute all of a lazy result into an OME-TIFF, and return what there is to say of it."""
    plan = lazy.plan()
    metadata = {**attributes["metadata"], METADATA_KEY: plan.provenance().to_dict()}
    writer = layer_writer(path, plan.shape, plan.dtype, attributes | {"metadata": metadata})
    run = plan.run(writer)
    with writer, contextlib.closing(run) as messages:  # type: ignore[type-var]  # a generator
        for message in messages:
            if cancel.is_set():
                raise Cancelled
            if isinstance(message, Report):
                return message.messages
            saving.follow(message)
    return ()


def finished_blocks(layer: Image) -> list[Block]:
    """Return which slices of a result are finished, as blocks along its leading axes.

    Returns
    -------
    list of tuple of slice
        The largest first. Each is saved at its own place: a file has one spacing, so slices with
        gaps between them are none. Of a whole result there is one block.
    """
    leading = pixels(layer).shape[: layer.ndim - 2]
    whole = [tuple(slice(0, n) for n in leading)]
    made = layer.metadata.get(METADATA_KEY)
    if not isinstance(made, dict) or not made.get("partial") or "slices_done" not in made:
        return whole
    if math.prod(leading) != made["slices_total"]:
        return whole  # somebody has cropped it
    order = slice_order(leading, made["first_slice"])
    done = [
        int(np.ravel_multi_index(index, leading))
        for index in itertools.islice(order, made["slices_done"])
    ]
    blocks: list[Block] = []
    done.sort()
    start = 0
    for end in range(1, len(done) + 1):
        if end == len(done) or done[end] != done[end - 1] + 1:
            blocks += _blocks_of(leading, done[start], done[end - 1] + 1)
            start = end
    return sorted(blocks, key=lambda block: -math.prod(part.stop - part.start for part in block))


def _blocks_of(leading: tuple[int, ...], start: int, stop: int) -> list[Block]:
    """Return the slices `start` to `stop`, counted along all leading axes, as blocks."""
    inner = math.prod(leading[1:])
    if len(leading) == 1:
        return [(slice(start, stop),)]
    first, last = start // inner, (stop - 1) // inner
    if first == last:
        begin = first * inner
        rest = _blocks_of(leading[1:], start - begin, stop - begin)
        return [(slice(first, first + 1), *block) for block in rest]
    whole_from = first + (start % inner > 0)
    whole_to = stop // inner
    found: list[Block] = []
    if start % inner:
        found += _blocks_of(leading, start, whole_from * inner)
    if whole_from < whole_to:
        found.append((slice(whole_from, whole_to), *(slice(0, n) for n in leading[1:])))
    if stop % inner:
        found += _blocks_of(leading, whole_to * inner, stop)
    return found


def _words(block: Block) -> str:
    """Return what slices a block holds, counted from 1 as in the line of progress."""
    ends = [(part.start + 1, part.stop) for part in block]
    texts = [f"{low}" if low == high else f"{low}-{high}" for low, high in ends]
    many = any(low != high for low, high in ends)
    return f"slice{'s' * many} {' '.join(texts)}"


def with_suffix(path: Path) -> Path:
    """Return `path` with a suffix by which the file is known: OME-TIFF's, if it has none."""
    name = path.name.lower()
    if name.endswith((SUFFIX, ".ome.tiff")) or is_zarr_name(path):
        return path
    stem = re.sub(r"\.tiff?$", "", path.name, flags=re.IGNORECASE)
    return path.with_name(stem + SUFFIX)


def _free(folder: Path, name: str, taken: set[Path]) -> Path:
    """Return a file in a folder that is not there yet."""
    stem = file_name(name, "")
    path, number = folder / (stem + SUFFIX), 2
    while path in taken or path.exists():
        path, number = folder / f"{stem}_{number}{SUFFIX}", number + 1
    return path
