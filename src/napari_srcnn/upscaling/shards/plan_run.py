"""A job of shards whose source is in memory, or behind a layer, and no file of its own."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_srcnn.image.stack import Stack
from napari_srcnn.io.zarr.target import ZarrTarget
from napari_srcnn.upscaling.files import Job
from napari_srcnn.upscaling.plan import UpscalePlan
from napari_srcnn.upscaling.provenance import Provenance, SourceFile
from napari_srcnn.upscaling.shards.job import ShardJob, fixed, options_of
from napari_srcnn.upscaling.shards.run import ShardRun

# Planes that are looked at to know a source again, evenly chosen, and rows and columns of each.
_PLANES, _PIXELS = 5, 64


class PlanRun(ShardRun):
    """As `ShardRun`, of a plan that there is already.

    It can be gone on with by a program that holds the same source, and not by another process,
    which could not read it.

    Parameters
    ----------
    plan : UpscalePlan
        Of a model that has a name or a file.
    target : Path
        The folder of an OME-Zarr.
    result : Stack
        What describes the result: its axes, pixel size and place. Its pixels are not read.
    name : str
        What the source is called.
    **more
        As of `ShardRun`.
    """

    def __init__(
        self, plan: UpscalePlan, target: Path, result: Stack, *, name: str, **more: Any
    ) -> None:
        options = options_of(fixed(plan), plan.device)
        super().__init__(Job(source=Path(name), target=target), options, **more)
        self._given, self._result, self._name = plan, result, name

    @property
    def plan(self) -> UpscalePlan:
        """What is computed by."""
        return self._given

    def _open(self) -> Stack:
        return Stack(data=_Open(self._given.source), axes=self._given.request.axes)

    def _content(self) -> SourceFile:
        source, request = self._given.source, self._given.request
        size = math.prod(request.source_shape) * request.source_dtype.itemsize
        return SourceFile(
            name=self._name, bytes=size, content=_digest(source, len(request.leading))
        )

    def _target(self, made: ShardJob, provenance: Provenance | None = None) -> ZarrTarget:
        return ZarrTarget(
            self.job.target,
            self._given.shape,
            self._given.dtype,
            **self._result.upscaled(1),
            provenance=made.provenance if provenance is None else provenance.to_dict(),
            **made.layout,
        )


class _Open:
    """An array without what closes it: whoever holds it does that."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.shape, self.dtype = tuple(data.shape), np.dtype(data.dtype)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> Any:
        return self._data[key]


def _digest(source: Any, leading: int) -> str:
    """Return what a source is known by: its shape, and the corner of some of its planes."""
    known = hashlib.sha256(f"{tuple(source.shape)} {np.dtype(source.dtype)}".encode())
    for index in _some(source.shape[:leading]):
        part = np.asarray(source[(*index, slice(0, _PIXELS), slice(0, _PIXELS))])
        known.update(np.ascontiguousarray(part).tobytes())
    return known.hexdigest()


def _some(leading: Sequence[int]) -> Iterator[tuple[int, ...]]:
    total = math.prod(leading)
    for number in np.unique(np.linspace(0, total - 1, _PLANES).round().astype(np.int64)):
        yield tuple(int(n) for n in np.unravel_index(number, leading)) if leading else ()
