"""Result layers as OME-TIFF files, written beside the window."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_srcnn.widgets.shared.layers import pixels
from napari_srcnn.widgets.shared.messages import Cancelled, Failed, Guarded, sentence

if TYPE_CHECKING:
    from napari.layers import Image

SUFFIX = ".ome.tif"


@dataclass(frozen=True, slots=True)
class Saved:
    """The files that were written."""

    paths: tuple[Path, ...]


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
        self.jobs: list[tuple[Path, Any, dict[str, Any]]] = []
        taken: set[Path] = set()
        for layer in layers:
            _, attributes, _ = layer.as_layer_data_tuple()
            target = with_suffix(path) if len(layers) == 1 else _free(path, layer.name, taken)
            taken.add(target)
            data = pixels(layer)
            self.planes_total += math.prod(data.shape[: layer.ndim - 2])
            self.jobs.append((target, data, attributes))

    @property
    def fraction(self) -> float:
        """How much has been read to be written, 0..1."""
        return min(self.planes_done / max(self.planes_total, 1), 1.0)

    def count(self) -> None:
        """Note that a plane was read."""
        self.planes_done += 1


def save(saving: SaveJob, cancel: threading.Event) -> Iterator[Saved | Failed]:
    """Write the files; a cancelled one leaves nothing behind."""
    from napari_srcnn.io.napari_hooks import write_image

    written: list[Path] = []
    try:
        for path, data, attributes in saving.jobs:
            guarded = Guarded(data, cancel, saving.count)
            written += map(Path, write_image(path, guarded, attributes))
    except Cancelled:
        return
    except (ValueError, OSError, MemoryError) as error:
        yield Failed(sentence(error))
        return
    yield Saved(tuple(written))


def file_name(name: str) -> str:
    """Return a file name for a layer's name, without what file systems refuse."""
    return (re.sub(r'[\\/:*?"<>|\s]+', " ", name).strip() or "result") + SUFFIX


def with_suffix(path: Path) -> Path:
    """Return `path` with the suffix by which the file is known as OME-TIFF."""
    name = path.name.lower()
    if name.endswith((SUFFIX, ".ome.tiff")):
        return path
    stem = re.sub(r"\.tiff?$", "", path.name, flags=re.IGNORECASE)
    return path.with_name(stem + SUFFIX)


def _free(folder: Path, name: str, taken: set[Path]) -> Path:
    """Return a file in a folder that is not there yet."""
    stem = file_name(name).removesuffix(SUFFIX)
    path, number = folder / (stem + SUFFIX), 2
    while path in taken or path.exists():
        path, number = folder / f"{stem} {number}{SUFFIX}", number + 1
    return path
