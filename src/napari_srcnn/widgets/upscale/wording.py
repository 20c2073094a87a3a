"""What the window says: the line before a run, times, ranges. Plain functions of plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_srcnn.image.intensity import dtype_range
from napari_srcnn.words import duration, format_bytes, number

if TYPE_CHECKING:
    from napari_srcnn.upscaling.resolve import Request


def what_will_happen(requests: Sequence[Request], seconds: float | None) -> str:
    """Return the line before a run: shapes and types before and after, size, time."""
    request = requests[0]
    before = f"{request.source_shape} {request.source_dtype.newbyteorder('=').name}"
    after = f"{request.shape} {request.dtype.newbyteorder('=').name}"
    nbytes = sum(math.prod(one.shape) * one.dtype.itemsize for one in requests)
    line = f"{before} → {after}, {format_bytes(nbytes)}"
    alike = {(one.source_shape, one.source_dtype, one.dtype) for one in requests}
    if len(requests) > 1:
        first = f"{len(requests)} layers of " if len(alike) == 1 else f"{len(requests)} layers: "
        rest = "" if len(alike) == 1 else ", …"
        line = f"{first}{before} → {after}{rest}, {format_bytes(nbytes)} in all"
    return line if seconds is None else f"{line}, {duration(seconds)}"


def what_the_network_sees(request: Request, chosen: str) -> str:
    """Return the line about intensities.

    Parameters
    ----------
    request : Request
    chosen : str
        What the user chose: auto, layer, dtype, none or custom.
    """
    low, high = request.window
    kind = "photograph" if (low, high) == (0.0, 1.0) else "microscope"
    seen = f"seen by the network as {number(low)}–{number(high)} ({kind})"
    if request.intensity == "none":
        return "Intensities go to the network as they are and come back so."
    if request.intensity == "dtype" or (
        request.intensity == "auto" and request.color == "luma" and request.source_dtype == "uint8"
    ):
        bottom, top = dtype_range(request.source_dtype)
        return f"Intensities {number(bottom)}–{number(top)}, {seen}."
    if request.intensity == "auto":
        each = " of each channel" if request.channel_axis is not None else ""
        return f"Intensities: the image's own range{each}, {seen}."
    what = "the contrast limits" if chosen == "layer" else "the range"
    bottom, top = request.intensity[0]
    return f"Intensities: {what} {number(bottom)}–{number(top)}, {seen}."
