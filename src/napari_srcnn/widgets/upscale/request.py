"""From a layer and what is asked for it to a plan, a task, a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_srcnn.upscaling.resolve import Plan, resolve
from napari_srcnn.widgets.shared.layers import (
    current_index,
    has_slice_here,
    pixels,
    shows_planes,
    visible_box,
)
from napari_srcnn.widgets.shared.messages import Task
from napari_srcnn.widgets.shared.storage import check_disk, memory_limit

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image

    from napari_srcnn.upscaling.options import Options


def plan_of(layer: Image, options: Options) -> Plan:
    """Return what a layer's run will be, without loading torch.

    Raises
    ------
    ValueError
        If it cannot be; the message says what would work.
    """
    return resolve(options, pixels(layer))


def is_lazy(layer: Image, plan: Plan, above: float) -> bool:
    """Tell whether a layer's result is computed where it is looked at, and not all of it at once.

    That is so of a multiscale image, and of any whose result would have more than `above`
    gigabytes. What dask or zarr hold is treated alike: a small one is done in seconds.
    """
    return layer.multiscale or math.prod(plan.shape) * plan.dtype.itemsize > above * 1e9


def check_space(plans: Sequence[Plan], memory: int | None) -> None:
    """Raise ValueError where neither memory nor the disk holds all results.

    Parameters
    ----------
    plans : sequence of Plan
    memory : int, optional
        Bytes that results may take in memory; half of what is free for None.
    """
    limit = memory_limit() if memory is None else memory
    held = on_disk = 0
    for plan in plans:
        # A self-ensemble's spread is a float32 a pixel.
        nbytes = math.prod(plan.shape) * (plan.dtype.itemsize + 4 * plan.ensemble)
        if held + nbytes <= limit:
            held += nbytes
        else:
            on_disk += nbytes
    if on_disk:
        check_disk(on_disk)


def estimate(layer: Image, plan: Plan) -> float | None:
    """Return about how many seconds a layer takes, where that was measured before."""
    from napari_srcnn.upscaling.plan import load_plan

    return load_plan(plan, pixels(layer)).estimate_seconds()


def task_of(layer: Image, options: Options, dims: Dims, *, is_preview: bool = False) -> Task:
    """Return a layer's part in a job: all of it, or what is on screen of its current slice.

    Raises
    ------
    ValueError
        If the layer cannot be enlarged or, for a preview, nothing of one slice is on screen.
    """
    plan = plan_of(layer, options)
    box = None
    if is_preview:
        if not shows_planes(layer, dims):
            raise ValueError(
                "A preview shows one slice; switch the viewer to 2-D, with the image's last two "
                "axes on screen."
            )
        box = visible_box(layer) if has_slice_here(layer, dims) else None
        if box is None:
            raise ValueError(
                f"No part of {layer.name} is on screen; move it into view or press the house "
                "below the layer list."
            )
    return Task(
        name=layer.name,
        source=pixels(layer),
        options=options,
        plan=plan,
        first=current_index(layer, dims),
        box=box,
    )
