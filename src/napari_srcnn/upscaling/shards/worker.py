"""What a dask worker does of a job of shards.

Nothing is loaded with this module: dask's scheduler loads it as well, which needs no torch, and
everything waits for it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_srcnn.upscaling.shards.folder import Index
    from napari_srcnn.upscaling.shards.run import ShardRun


def make_shard(store: str, device: str, level: int, index: Index) -> None:
    """Compute and write one shard of the job whose image is at `store`."""
    _opened(store, device).make(level, index)


@functools.lru_cache(maxsize=1)
def _opened(store: str, device: str) -> ShardRun:
    """Return a worker's own part of the job, opened once."""
    from pathlib import Path

    from napari_srcnn.network.device import raise_malloc_thresholds
    from napari_srcnn.upscaling.shards.run import ShardRun

    raise_malloc_thresholds()
    return ShardRun.reopen(Path(store), device).__enter__()
