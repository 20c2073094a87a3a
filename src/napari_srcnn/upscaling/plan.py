"""What an upscaling will do, with its network and on its device; and the doing of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.rect import Tile
from napari_srcnn.microscope.noise_report import MeasuredNoise
from napari_srcnn.models.library import load_model
from napari_srcnn.network.device import choose_device, free_ram
from napari_srcnn.network.half import check_half
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling.loop import TileLoop, to_plane
from napari_srcnn.upscaling.messages import Index, Progress, Report
from napari_srcnn.upscaling.misfit import NO_MISFIT, Misfit
from napari_srcnn.upscaling.reader import read_block
from napari_srcnn.upscaling.resolve import Plan
from napari_srcnn.upscaling.upscaler import Run
from napari_srcnn.upscaling.work import Work
from napari_srcnn.words import format_bytes


def load_plan(plan: Plan, source: Any, measured: tuple[MeasuredNoise, ...] = ()) -> UpscalePlan:
    """Load a plan's network and choose its device: what takes seconds the first time.

    Parameters
    ----------
    plan : Plan
        As :func:`~napari_srcnn.upscaling.resolve.resolve` made it of `source`.
    source : array-like
    measured : tuple of MeasuredNoise
        What :func:`~napari_srcnn.upscaling.noise.measure` gave of `source` before; else it is
        measured when it is needed.

    Raises
    ------
    ValueError
        If there is no such device, half precision is slower on it, or the model's weights cannot
        be used.
    """
    device = choose_device(plan.device)
    if plan.half:
        check_half(device)
    model = plan.model if isinstance(plan.model, SRCNN) else load_model(plan.model)
    return UpscalePlan(source, plan, model, device, measured)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A part of a result.

    Attributes
    ----------
    values : ndarray, of the result's dtype
    misfit : Misfit
        How far a sample of its tiles is from what it was made of.
    clipped, nonfinite : int
        Values set to the dtype's limit; pixels that are not finite.
    """

    values: NDArray[Any]
    misfit: Misfit
    clipped: int
    nonfinite: int


class UpscalePlan(Work):
    """What an upscaling will do, resolved against the stack; made by :func:`plan_upscale`.

    Its attributes are those of :class:`~napari_srcnn.upscaling.work.Work`; what has to be measured
    is measured by :meth:`choose_tile`, :meth:`region` and :meth:`run`.
    """

    # ------------------------------------------------------------ a part of it

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
            If there are too few or too many parts, or one is empty, out of range, or has a step;
            or if there is no memory for the smallest tile.
        """
        return self._compute(region, enhance=enhance).values

    def preview(self, region: Sequence[Any]) -> tuple[NDArray[Any], Misfit]:
        """Compute a part of the result, and how far it is from what it was made of.

        Parameters
        ----------
        region : sequence of int or slice
            As of :meth:`region`.

        Returns
        -------
        values : ndarray, of the result's dtype
        misfit : Misfit
            Of a sample of its tiles; of no pixel for a network that is not told the noise.

        Raises
        ------
        ValueError
            As :meth:`region`.
        """
        # What is seen for a moment is computed where it is seen, and not on the grid around it.
        part = self._compute(region, enhance=True, alone=True, on_grid=False)
        return part.values, part.misfit

    def part(self, region: Sequence[Any]) -> Part:
        """Compute a part of the result with all threads, and count what is to be said of it.

        What it needs of the source is read at once, where memory allows: each chunk of it once.

        Parameters
        ----------
        region : sequence of int or slice
            As of :meth:`region`.

        Raises
        ------
        ValueError
            As :meth:`region`.
        """
        return self._compute(region, enhance=True, alone=True)

    def _compute(
        self, region: Sequence[Any], *, enhance: bool, alone: bool = False, on_grid: bool = True
    ) -> Part:
        samples = self.request.samples
        ranges = _check_region(region, self.shape[: len(self.request.leading) + 2])
        leading, (rows, columns) = ranges[:-2], ranges[-2:]
        area = Tile(y0=rows.start, y1=rows.stop, x0=columns.start, x1=columns.stop)
        shape = (*map(len, leading), area.height, area.width, *((samples,) if samples else ()))
        out = np.empty(shape, self.dtype)
        corner = [axis.start for axis in leading]
        order = list(itertools.product(*leading))
        loop = TileLoop(self, order, area, enhance=enhance, on_grid=on_grid)
        if alone:
            loop.source = read_block(self.source, leading, loop.rows, loop.columns)
        misfit, clipped, nonfinite = NO_MISFIT, 0, 0
        # Regions are asked for by several threads at a time, each of which computes its own; but
        # what is on the grid is computed by one thread each.
        with Workers(loop.threads() if alone or loop.block is not None else 0) as workers:
            for computed in loop.tiles(workers):
                misfit += computed.result.misfit
                clipped += computed.result.clipped
                nonfinite += computed.result.nonfinite
                y, x = computed.tile.slices
                within = (_moved(y, -area.y0), _moved(x, -area.x0))
                for index, pixels in zip(computed.indices, computed.result.values, strict=True):
                    position = [i - start for i, start in zip(index, corner, strict=True)]
                    where: tuple[Any, ...] = (*position, *within)
                    out[where] = to_plane(pixels, samples)
        dropped = [i for i, part in enumerate(region) if isinstance(part, int | np.integer)]
        return Part(
            values=out.squeeze(axis=tuple(dropped)),
            misfit=misfit.without(self.request.smoothing),
            clipped=clipped,
            nonfinite=nonfinite,
        )

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
            Of the result's shape: gets a self-ensemble's standard deviation, calibrated where the
            model's card says how.
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
        return Run(self, self.check_out(out), self._check_spread(spread), first, skip).messages()

    def _check_spread(self, spread: Any) -> Any:
        if spread is None:
            return None
        if not self.request.ensemble:
            raise ValueError("spread needs ensemble=True; one view has none.")
        fits = isinstance(spread, np.ndarray) and spread.flags.writeable
        if not fits or spread.shape != self.shape or not _same_type(spread.dtype, np.float32):
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
        if tuple(out.shape) != self.shape or not _same_type(out.dtype, self.dtype):
            raise ValueError(
                f"out has shape {tuple(out.shape)} and dtype {out.dtype}, "
                f"but the result has {self.shape} and {self.dtype}."
            )
        return out


def _same_type(one: Any, other: Any) -> bool:
    """Tell whether two dtypes hold the same values; the order of the bytes is none of that."""
    return bool(np.dtype(one).newbyteorder("=") == np.dtype(other).newbyteorder("="))


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


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
