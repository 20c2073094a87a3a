"""From a layer and the form's options to what the library is asked: a request, a task, a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_srcnn.upscaling.resolve import Request, resolve
from napari_srcnn.widgets.shared.layers import (
    current_index,
    has_slice_here,
    pixels,
    shows_planes,
    visible_box,
)
from napari_srcnn.widgets.shared.messages import Task

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image


def request_of(layer: Image, options: dict[str, Any]) -> Request:
    """Return what a layer's run will be, without loading torch.

    Raises
    ------
    ValueError
        If it cannot be; the message says what would work.
    """
    checked = {name: value for name, value in options.items() if name != "device"}
    return resolve(pixels(layer), window=None, tf32=False, half=False, **checked)[0]


def estimate(layer: Image, options: dict[str, Any]) -> float | None:
    """Return about how many seconds a layer takes, where that was measured before."""
    from napari_srcnn.upscaling.api import plan_upscale

    return plan_upscale(pixels(layer), **options).estimate_seconds()


def task_of(layer: Image, options: dict[str, Any], dims: Dims, *, is_preview: bool = False) -> Task:
    """Return a layer's part in a job: all of it, or what is on screen of its current slice.

    Raises
    ------
    ValueError
        If the layer cannot be enlarged or, for a preview, nothing of one slice is on screen.
    """
    request_of(layer, options)
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
        first=current_index(layer, dims),
        box=box,
    )
