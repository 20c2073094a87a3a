"""What the window says: the line before a run, times, ranges. Plain functions of plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from napari_srcnn.image.intensity import dtype_range
from napari_srcnn.words import duration, format_bytes, number

if TYPE_CHECKING:
    from napari_srcnn.upscaling.resolve import Plan
    from napari_srcnn.widgets.upscale.noise import LayerNoise

PixelSize: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the window says before a run.

    Attributes
    ----------
    summary : str
        What will happen, or why it cannot.
    intensities : str
        Which of them the network sees.
    details : str
        More of that, for who asks.
    is_caution : bool
        Whether the summary is to be taken heed of.
    can_preview, can_upscale : bool
    """

    summary: str = ""
    intensities: str = ""
    details: str = ""
    is_caution: bool = False
    can_preview: bool = True
    can_upscale: bool = True


def what_will_happen(
    plans: Sequence[Plan],
    seconds: float | None,
    sizes: Sequence[PixelSize | None],
    *,
    is_lazy: bool = False,
) -> str:
    """Return the line before a run: sizes before and after, types, bytes, time.

    Parameters
    ----------
    plans : sequence of Plan
    seconds : float, optional
    sizes : sequence of pair of float, or None
        Of each image's pixels along Y and X in micrometers, where that is known.
    is_lazy : bool
        Whether it is computed where it is looked at.
    """
    first, size = plans[0], sizes[0]
    nbytes = sum(math.prod(one.shape) * one.dtype.itemsize for one in plans)
    line = f"{_sizes(first)}, {_types(first)}, {format_bytes(nbytes)}"
    alike = {(one.source_shape, one.source_dtype, one.dtype) for one in plans}
    if len(plans) > 1:
        each = "each " if len(alike) == 1 else ""
        rest = "" if len(alike) == 1 else ", …"
        line = (
            f"{len(plans)} layers: {each}{_sizes(first)}, {_types(first)}{rest}, "
            f"{format_bytes(nbytes)} in all"
        )
    if seconds is not None:
        line = f"{line}, {duration(seconds)}"
    if is_lazy:
        line = f"{line}; computed as you look"
    return f"{line}. {_lengths(first, size)}"


def _sizes(plan: Plan) -> str:
    """Return how many pixels there are before and after, as Fiji says it: width and height."""
    (height, width), scale = plan.plane, plan.scale
    planes = math.prod(plan.leading)
    many = f"{planes:,} planes of " if planes > 1 else ""
    return f"{many}{width} × {height} → {width * scale} × {height * scale} px"


def _types(plan: Plan) -> str:
    before, after = (one.newbyteorder("=").name for one in (plan.source_dtype, plan.dtype))
    return before if before == after else f"{before} → {after}"


def _lengths(plan: Plan, size: PixelSize | None) -> str:
    """Return the size of a pixel before and after, and of the field, which stays."""
    if size is None:
        return "It has no pixel size."
    field = [of_pixel * count for of_pixel, count in zip(size, plan.plane, strict=True)]
    after = [of_pixel / plan.scale for of_pixel in size]
    unit, factor = ("mm", 1000.0) if max(after) >= 1000 else ("µm", 1.0)
    pixels = f"Pixels of {_by(size, factor)} → {_by(after, factor)} {unit}"
    unit, factor = ("mm", 1000.0) if max(field) >= 10_000 else ("µm", 1.0)
    wide, high = (f"{length / factor:.4g}" for length in reversed(field))
    return f"{pixels}, field {wide} × {high} {unit}."


def _by(lengths: Sequence[float], factor: float) -> str:
    """Return the lengths of a pixel along X and Y, or the one that they are."""
    texts = [f"{length / factor:.4g}" for length in reversed(lengths)]
    return texts[0] if len(set(texts)) == 1 else " × ".join(texts)


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


def what_the_network_sees(plan: Plan, chosen: str) -> tuple[str, str]:
    """Return the line about intensities, and what the network makes of them.

    Parameters
    ----------
    plan : Plan
    chosen : str
        What the user chose: auto, layer, dtype, none or custom.
    """
    low, high = plan.window
    kind = "photographs" if (low, high) == (0.0, 1.0) else "microscopes' images"
    mapped = (
        f"The network sees them as {number(low)}–{number(high)}, as {kind} were shown to it in "
        "training. The result has the image's own intensities."
    )
    if plan.intensity == "none":
        return "Intensities go to the network as they are and come back so.", ""
    if plan.intensity == "dtype" or (
        plan.intensity == "auto" and plan.color == "luma" and plan.source_dtype == "uint8"
    ):
        bottom, top = dtype_range(plan.source_dtype)
        return f"Intensities {number(bottom)}–{number(top)} of the data type.", mapped
    if plan.intensity == "auto":
        each = " of each channel" if plan.channel_axis is not None else ""
        return f"Intensities: the image's own range{each}.", mapped
    what = "the contrast limits" if chosen == "layer" else "the range"
    bottom, top = plan.intensity[0]
    return f"Intensities: {what} {number(bottom)}–{number(top)}.", mapped
