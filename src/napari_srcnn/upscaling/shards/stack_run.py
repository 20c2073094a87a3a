"""A job of shards whose source is no file but a stack in memory, of a layer say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_srcnn.image.stack import Stack
from napari_srcnn.upscaling.files import Job
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.provenance import SourceFile
from napari_srcnn.upscaling.shards.run import ShardRun

# Planes that are looked at to know a stack again, evenly chosen, and rows and columns of each.
_PLANES, _PIXELS = 5, 64


class StackRun(ShardRun):
    """As `ShardRun`, of a stack that is open already.

    It can be gone on with by the program that holds the same stack, and not by another process,
    which could not read it.

    Parameters
    ----------
    stack : Stack
    target : Path
        The folder of an OME-Zarr.
    options : Options
    **more
        As of `ShardRun`.
    """

    def __init__(self, stack: Stack, target: Path, options: Options, **more: Any) -> None:
        super().__init__(Job(source=Path(stack.name or "stack"), target=target), options, **more)
        # Whoever holds it closes it.
        self._given = replace(stack, data=_Open(stack.data))

    def _open(self) -> Stack:
        axes = self.options.axes
        return self._given if axes is None else self._given.with_axes(axes)

    def _content(self) -> SourceFile:
        stack = self._given
        return SourceFile(
            name=stack.name or "stack",
            bytes=int(np.prod(stack.shape, dtype=float)) * stack.dtype.itemsize,
            content=_digest(stack),
        )


class _Open:
    """An array without what closes it."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.shape, self.dtype = tuple(data.shape), np.dtype(data.dtype)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> Any:
        return self._data[key]


def _digest(stack: Stack) -> str:
    """Return what a stack is known by: its shape, and the corner of some of its planes."""
    known = hashlib.sha256(f"{stack.shape} {stack.dtype} {stack.axes}".encode())
    leading = stack.shape[: stack.axes.index("Y")]
    for index in _some(leading):
        part = stack[(*index, slice(0, _PIXELS), slice(0, _PIXELS))]
        known.update(np.ascontiguousarray(part).tobytes())
    return known.hexdigest()


def _some(leading: Sequence[int]) -> Iterator[tuple[int, ...]]:
    total = int(np.prod(leading, dtype=np.int64)) if leading else 1
    for number in np.unique(np.linspace(0, total - 1, _PLANES).round().astype(np.int64)):
        yield tuple(int(n) for n in np.unravel_index(number, leading)) if leading else ()
