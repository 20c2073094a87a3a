"""What the window says: the line before a run, times, ranges. Plain functions of plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_srcnn.image.intensity import dtype_range
from napari_srcnn.words import duration, format_bytes, number

if TYPE_CHECKING:
    from napari_srcnn.upscaling.resolve import Plan
    from napari_srcnn.widgets.upscale.noise import LayerNoise


def what_will_happen(plans: Sequence[Plan], seconds: float | None, *, is_lazy: bool = False) -> str:
    """Return the line before a run: shapes and types before and after, size, time."""
    first = plans[0]
    before = f"{first.source_shape} {first.source_dtype.newbyteorder('=').name}"
    after = f"{first.shape} {first.dtype.newbyteorder('=').name}"
    nbytes = sum(math.prod(one.shape) * one.dtype.itemsize for one in plans)
    line = f"{before} → {after}, {format_bytes(nbytes)}"
    alike = {(one.source_shape, one.source_dtype, one.dtype) for one in plans}
    if len(plans) > 1:
        many = f"{len(plans)} layers of " if len(alike) == 1 else f"{len(plans)} layers: "
        rest = "" if len(alike) == 1 else ", …"
        line = f"{many}{before} → {after}{rest}, {format_bytes(nbytes)} in all"
    if seconds is not None:
        line = f"{line}, {duration(seconds)}"
    return f"{line}; computed as you look" if is_lazy else line


def what_is_known_of_noise(names: Sequence[str], known: Sequence[LayerNoise]) -> str:
    """Return the row about the noise of layers: what was measured of each."""
    texts = [one.text for one in known]
    if len(set(texts)) <= 1:
        return "".join(texts[:1])
    return "\n".join(f"{name}: {text}" for name, text in zip(names, texts, strict=True))


def what_is_unlike(names: Sequence[str], texts: Sequence[str]) -> str:
    """Return what is said of layers that are unlike what the model was trained on."""
    said = [(name, text) for name, text in zip(names, texts, strict=True) if text]
    if len(names) == 1:
        return "".join(text for _, text in said)
    return "\n".join(f"{name}: {text}" for name, text in said)


def what_the_network_sees(plan: Plan, chosen: str) -> str:
    """Return the line about intensities.

    Parameters
    ----------
    plan : Plan
    chosen : str
        What the user chose: auto, layer, dtype, none or custom.
    """
    low, high = plan.window
    kind = "photograph" if (low, high) == (0.0, 1.0) else "microscope"
    seen = f"seen by the network as {number(low)}–{number(high)} ({kind})"
    if plan.intensity == "none":
        return "Intensities go to the network as they are and come back so."
    if plan.intensity == "dtype" or (
        plan.intensity == "auto" and plan.color == "luma" and plan.source_dtype == "uint8"
    ):
        bottom, top = dtype_range(plan.source_dtype)
        return f"Intensities {number(bottom)}–{number(top)}, {seen}."
    if plan.intensity == "auto":
        each = " of each channel" if plan.channel_axis is not None else ""
        return f"Intensities: the image's own range{each}, {seen}."
    what = "the contrast limits" if chosen == "layer" else "the range"
    bottom, top = plan.intensity[0]
    return f"Intensities: {what} {number(bottom)}–{number(top)}, {seen}."
