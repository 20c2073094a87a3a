"""What an upscaling will do, and the one primitive that does it: a rectangle of the output.

A whole run, a preview and a region of the result are loops over :meth:`UpscalePlan.submit`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.image.rect import Tile, tile_grid
from napari_srcnn.models.library import ModelInfo
from napari_srcnn.network.device import device_label, free_ram
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling import speed as calibration
from napari_srcnn.upscaling.messages import Index, Progress, Report
from napari_srcnn.upscaling.options import Request
from napari_srcnn.upscaling.tiles import Engine, Geometry, Pending, tile_geometry
from napari_srcnn.words import format_bytes

# A source plane up to this size is read once and kept; of a larger one, a band of rows at a time.
PLANE_LIMIT = 256 << 20


class PlaneReader:
    """Reads windows of one slice, each pixel once where what is needed of it fits in memory.

    Parameters
    ----------
    stack : array-like
    index : tuple of int
        The slice's leading index.
    request : Request
    rows, columns : slice, optional
        What will be asked for at most; nothing else is read.
    """

    def __init__(
        self,
        stack: Any,
        index: Index,
        request: Request,
        *,
        rows: slice | None = None,
        columns: slice | None = None,
    ) -> None:
        self._stack, self._index = stack, index
        height, width = request.plane
        samples = max(request.samples, 1)
        self._gray = not request.samples
        self._needed = rows or slice(0, height)
        self._columns = columns or slice(0, width)
        read_width = self._columns.stop - self._columns.start
        row_bytes = read_width * samples * request.source_dtype.itemsize
        self._whole = (self._needed.stop - self._needed.start) * row_bytes <= PLANE_LIMIT
        self._rows = slice(0, 0)
        self._band: NDArray[Any] = np.empty((0,))

    def window(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Return pixels (S, h, w)."""
        if not (self._rows.start <= rows.start and rows.stop <= self._rows.stop):
            self._rows = self._needed if self._whole else rows
            self._band = np.asarray(self._stack[(*self._index, self._rows, self._columns)])
        top, left = self._rows.start, self._columns.start
        window = self._band[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        return window[None] if self._gray else np.moveaxis(window, -1, 0)


class UpscalePlan:
    """What an upscaling will do, resolved against the stack; made by :func:`plan_upscale`.

    Attributes
    ----------
    source : array-like
    request : Request
        Everything that was asked for, checked and completed.
    model : SRCNN
    device : torch.device
    """

    def __init__(self, source: Any, request: Request, model: SRCNN, device: torch.device) -> None:
        self.source, self.request, self.model, self.device = source, request, model, device
        self.scale = request.scale
        self._tile: int | None = request.tile
        self.batch = 1

    # ------------------------------------------------------------ what it will be

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result."""
        return self.request.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the result."""
        return self.request.dtype

    @property
    def nbytes(self) -> int:
        """Of the result."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def device_label(self) -> str:
        """The device by its name."""
        return device_label(self.device)

    @property
    def model_name(self) -> str:
        """The model's name, or "unnamed" for a network that came from no file."""
        info: ModelInfo | None = getattr(self.model, "info", None)
        return info.name if info is not None else "unnamed"

    @property
    def model_sha256(self) -> str:
        """The model file's checksum; empty for a network that came from no file."""
        info: ModelInfo | None = getattr(self.model, "info", None)
        return info.sha256 if info is not None else ""

    @cached_property
    def ranges(self) -> tuple[IntensityRange, ...]:
        """Intensity ranges, one a channel or one for all; measured when first asked for."""
        return self.request.measure(self.source)

    @cached_property
    def engine(self) -> Engine:
        """The network, prepared for the device."""
        return self.engine_on(self.device)

    def engine_on(self, device: torch.device) -> Engine:
        """Return the network, prepared for another device than the plan's."""
        request = self.request
        return Engine(
            self.model,
            device,
            color=request.color,
            alpha=request.alpha,
            dtype=self.dtype,
            tf32=request.tf32,
            half=request.half,
            ensemble=request.ensemble,
        )

    @property
    def tile(self) -> int:
        """Output pixels a side of a tile; measured on a CPU, from the free memory on a GPU."""
        if self._tile is None:
            config, half = self.model.config, self.request.half
            if self.device.type == "cpu":
                correction = self.engine.correction
                self._tile = calibration.cpu_tile(correction, self.device, config, half)
            else:
                self._tile, self.batch = calibration.gpu_tile(self.device, config, half)
        return self._tile

    @property
    def network_pixels(self) -> int:
        """Output pixels that pass the network, over all slices and channels."""
        request = self.request
        planes = {"gray": 1, "luma": 1, "rgb": 1}.get(request.color, request.colors)
        height, width = request.plane
        return math.prod(request.leading) * planes * height * width * self.scale**2

    def estimate_seconds(self) -> float | None:
        """Return about how long a run takes, or None before this network ran on this device."""
        config, half = self.model.config, self.request.half
        speed = calibration.recall(self.device, config, half, "mpx_per_s")
        views = 8 if self.request.ensemble else 1
        return None if speed is None else views * self.network_pixels / 1e6 / speed

    # ------------------------------------------------------------ the one primitive

    def _geometry(self, tile: Tile) -> Geometry:
        config = self.model.config
        return tile_geometry(tile, self.request.plane, self.scale, config.halo, config.a)

    def submit(
        self,
        engine: Engine,
        readers: Sequence[PlaneReader],
        indices: Sequence[Index],
        tile: Tile,
        *,
        enhance: bool = True,
        workers: Workers | None = None,
    ) -> Pending:
        """Start computing one tile of the output, of one slice or of several alike."""
        geometry = self._geometry(tile)
        windows = [reader.window(geometry.rows, geometry.columns) for reader in readers]
        # Bicubic knows no intensities, so the stack is not read to measure them.
        ranges = [self.request.ranges_of(i, self.ranges) for i in indices] if enhance else []
        return engine.submit(np.stack(windows), geometry, ranges, enhance=enhance, workers=workers)

    def region(self, region: Sequence[Any], *, enhance: bool = True) -> NDArray[Any]:
        """Compute a part of the result; equal to that part of the whole.

        Parameters
        ----------
        region : sequence of int or slice
            One for each axis but S, in output pixels. An int drops its axis, as in numpy.
        enhance : bool
            False gives the same part by bicubic alone.

        Returns
        -------
        ndarray, of the result's dtype

        Raises
        ------
        ValueError
            If there are too few or too many parts, or one is empty, out of range, or has a step.
        """
        request = self.request
        ranges = _check_region(region, self.shape[: len(request.leading) + 2])
        leading, (rows, columns) = ranges[:-2], ranges[-2:]
        wanted = Tile(y0=rows.start, y1=rows.stop, x0=columns.start, x1=columns.stop)
        samples = (request.samples,) if request.samples else ()
        shape = (*map(len, leading), wanted.height, wanted.width, *samples)
        out = np.empty(shape, self.dtype)
        tiles = tile_grid(wanted.height, wanted.width, self.tile)
        placed = [
            Tile(
                y0=tile.y0 + wanted.y0,
                y1=tile.y1 + wanted.y0,
                x0=tile.x0 + wanted.x0,
                x1=tile.x1 + wanted.x0,
            )
            for tile in tiles
        ]
        ends = [self._geometry(tile) for tile in (placed[0], placed[-1])]
        rows_read = slice(ends[0].rows.start, ends[1].rows.stop)
        columns_read = slice(ends[0].columns.start, ends[1].columns.stop)
        position: Index
        for position in itertools.product(*(range(len(axis)) for axis in leading)):
            index = tuple(axis[i] for axis, i in zip(leading, position, strict=True))
            reader = PlaneReader(self.source, index, request, rows=rows_read, columns=columns_read)
            for tile, moved in zip(tiles, placed, strict=True):
                pending = self.submit(self.engine, [reader], [index], moved, enhance=enhance)
                values, *_ = pending.result()
                where: tuple[Any, ...] = (*position, *tile.slices)
                out[where] = to_plane(values[0], request)
        dropped = [i for i, part in enumerate(region) if isinstance(part, int | np.integer)]
        return out.squeeze(axis=tuple(dropped))

    # ------------------------------------------------------------ the run

    def run(
        self, out: Any = None, *, spread: Any = None, first: Index | None = None, skip: int = 0
    ) -> Iterator[Progress | Report]:
        """Upscale into `out`, slice by slice.

        Parameters
        ----------
        out : array-like, optional
            Of the result's shape and dtype. A numpy array is written tile by tile, anything else
            gets ``out[index] = plane``. By default a numpy array, found in the report.
        spread : ndarray of float32, optional
            Of the result's shape: gets a self-ensemble's standard deviation.
        first : tuple of int, optional
            Leading index of the slice to do first.
        skip : int
            How many slices, in that order, an earlier run has written to `out` and `spread`.

        Yields
        ------
        Progress
            After each tile. Closing the generator stops here; finished slices stay.
        Report
            Once, at the end.

        Raises
        ------
        ValueError
            If `out` or `spread` do not fit, or the result does not fit in memory.
        """
        from napari_srcnn.upscaling.upscaler import Run

        return Run(self, self.check_out(out), self._check_spread(spread), first, skip).messages()

    def _check_spread(self, spread: Any) -> Any:
        if spread is None:
            return None
        if not self.request.ensemble:
            raise ValueError("spread needs ensemble=True; one view has none.")
        fits = isinstance(spread, np.ndarray) and spread.flags.writeable
        if not fits or spread.shape != self.shape or spread.dtype != np.float32:
            raise ValueError(
                f"spread has to be a numpy array or memmap of shape {self.shape} and dtype float32 "
                "that can be written to."
            )
        return spread

    def check_out(self, out: Any) -> Any:
        """Return `out`, or a new numpy array for None, after checking that it fits."""
        if out is None:
            if self.nbytes > free_ram():
                raise ValueError(
                    f"The result has {format_bytes(self.nbytes)}, more than the "
                    f"{format_bytes(free_ram())} of memory that are free; "
                    "give out= a numpy.memmap or a zarr array."
                )
            return np.empty(self.shape, self.dtype)
        if not all(hasattr(out, name) for name in ("shape", "dtype", "__setitem__")):
            raise ValueError(
                f"out is a {type(out).__name__}; a numpy, memory-mapped or zarr array of shape "
                f"{self.shape} and dtype {self.dtype} is needed."
            )
        if isinstance(out, np.ndarray) and not out.flags.writeable:
            raise ValueError("out cannot be written to; open it for writing, as with mode='r+'.")
        if tuple(out.shape) != self.shape or np.dtype(out.dtype) != self.dtype:
            raise ValueError(
                f"out has shape {tuple(out.shape)} and dtype {out.dtype}, "
                f"but the result has {self.shape} and {self.dtype}."
            )
        return out


def to_plane(values: NDArray[Any], request: Request) -> NDArray[Any]:
    """Turn (S, H, W) into the output's (H, W) or (H, W, S)."""
    return np.moveaxis(values, 0, -1) if request.samples else values[0]


def _check_region(region: Sequence[Any], shape: tuple[int, ...]) -> list[range]:
    region = tuple(region)
    if len(region) != len(shape):
        raise ValueError(
            f"The region has {len(region)} parts, but the result has {len(shape)} axes: {shape}."
        )
    ranges = []
    for part, length in zip(region, shape, strict=True):
        if isinstance(part, int | np.integer):
            within = -length <= part < length
            chosen = range(length)[part : part + 1 or None] if within else range(0)
        else:
            chosen = _slice_within(part, length)
        if chosen.step != 1 or not len(chosen):
            raise ValueError(
                f"The part {part} of the region is empty, out of the {length} pixels that there "
                "are, or has a step; a start and a stop within them are needed."
            )
        ranges.append(chosen)
    return ranges


def _slice_within(part: Any, length: int) -> range:
    """Return what a slice takes of an axis; nothing where it reaches beyond, which numpy allows."""
    try:
        chosen = range(*part.indices(length))
        ends = [end for end in (part.start, part.stop) if end is not None]
        return chosen if all(-length <= end <= length for end in ends) else range(0)
    except (AttributeError, TypeError):
        raise ValueError(
            f"The part {part!r} of the region is no int and no slice of ints; "
            "one for each axis but S is needed."
        ) from None
