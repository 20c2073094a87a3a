"""Write a whole stack as OME-Zarr, under its final name only when it is whole."""

from __future__ import annotations

from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.atomic import PendingFolder
from napari_srcnn.io.room import write_failure
from napari_srcnn.io.zarr.levels import SHARD_BYTES
from napari_srcnn.io.zarr.store import is_store
from napari_srcnn.io.zarr.target import ZarrTarget

if TYPE_CHECKING:
    import os

    from napari_srcnn.image.stack import Stack

_CHUNK = 512


def write_zarr(
    path: str | os.PathLike[str],
    stack: Stack,
    *,
    name: str | None = None,
    version: str = "0.5",
    compression: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a stack as OME-Zarr with its pyramid, one shard in memory at a time.

    Parameters
    ----------
    path : str or path-like
        The folder to write, which ends in ``.ome.zarr`` or ``.zarr``.
    stack : Stack
        What to write; see `ZarrTarget` for the types and axes that fit.
    name : str, optional
        The image's name; by default the folder's.
    version, compression
        See `ZarrTarget`.
    overwrite : bool
        Replace an OME-Zarr that is there, when the new one is whole.

    Returns
    -------
    Path
        The folder that was written.

    Raises
    ------
    StackError
        It cannot be written; nothing is left of it then.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise StackError(f"{path} exists already; choose another name or overwrite it")
    if path.exists() and not is_store(path):
        raise StackError(f"{path} is no OME-Zarr that could be replaced; choose another name")
    pending = PendingFolder(path)
    target = ZarrTarget(
        pending.path,
        stack.shape,
        stack.dtype,
        **stack.upscaled(1),
        name=name,
        final=path,
        version=version,
        compression=compression,
        shard=_whole_planes(stack),
    )
    try:
        target.create()
        _fill(target, stack)
        pending.commit()
    except OSError as error:
        pending.discard()
        raise write_failure(path, error, 0) from error
    except BaseException:
        pending.discard()
        raise
    return path


def _fill(target: ZarrTarget, stack: Stack) -> None:
    """Write all shards of all levels."""
    for number, level in enumerate(target.levels):
        for index in np.ndindex(*level.grid):
            values: Any = (
                stack[level.region(index)] if number == 0 else target.downsampled(number, index)
            )
            target.write(number, index, values)


def _whole_planes(stack: Stack) -> tuple[int, ...] | None:
    """Return a shard of whole planes, so that each is computed once; None where they are large."""
    y = stack.axes.index("Y")
    edges = [_CHUNK * ceil(n / _CHUNK) for n in stack.shape[y : y + 2]]
    bytes_of_one = prod((*edges, *stack.shape[y + 2 :])) * stack.dtype.itemsize
    if bytes_of_one > SHARD_BYTES:
        return None
    planes = SHARD_BYTES // bytes_of_one
    leading = [1] * y
    if y:
        leading[-1] = min(stack.shape[y - 1], planes)
    return (*leading, *edges, *stack.shape[y + 2 :])
