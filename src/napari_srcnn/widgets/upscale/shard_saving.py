"""Lazy results as OME-Zarr: computed shard by shard, and gone on with after a stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.io.layer_file import layer_stack
from napari_srcnn.io.names import ZARR_SUFFIXES
from napari_srcnn.upscaling.shards.ledger import Ledger
from napari_srcnn.widgets.shared.messages import Cancelled

if TYPE_CHECKING:
    from napari_srcnn.upscaling.lazy import LazyResult
    from napari_srcnn.upscaling.shards.messages import ShardProgress

SUFFIX = ".ome.zarr"


def is_zarr_name(path: Path) -> bool:
    """Tell whether a path is named as OME-Zarr is."""
    return path.name.lower().endswith(ZARR_SUFFIXES)


def is_unfinished(path: Path) -> bool:
    """Tell whether a save to this folder was stopped, and can be gone on with."""
    ledger = Ledger(path)
    return ledger.is_there and not (path / "zarr.json").is_file()


def compute_shards(
    path: Path,
    lazy: LazyResult,
    attributes: dict[str, Any],
    follow: Callable[[ShardProgress], None],
    cancel: threading.Event,
) -> tuple[str, ...]:
    """Compute what is missing of a lazy result in a folder, and return what there is to say of it.

    Parameters
    ----------
    path : Path
    lazy : LazyResult
    attributes : dict
        Of its layer, as ``as_layer_data_tuple()`` gives them.
    follow : callable
        Called after each shard.
    cancel : threading.Event

    Raises
    ------
    Cancelled
        What was written stays.
    ValueError
        If something else is there, or it cannot be written.
    """
    from napari_srcnn.upscaling.shards.messages import ShardReport
    from napari_srcnn.upscaling.shards.plan_run import PlanRun

    plan = lazy.plan()
    # What describes the result; no pixel of it is in memory.
    result = layer_stack(
        np.broadcast_to(np.zeros((), plan.dtype), plan.shape), {**attributes, "multiscale": False}
    )
    name = str(attributes.get("name") or "layer")
    with (
        PlanRun(plan, path, result, name=name) as run,
        contextlib.closing(run.messages()) as messages,  # type: ignore[type-var]  # a generator
    ):
        for message in messages:
            if isinstance(message, ShardReport):
                return message.messages
            follow(message)
            if cancel.is_set():
                raise Cancelled
    return ()
