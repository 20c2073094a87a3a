"""What an OME-Zarr says of an image's axes, pixel sizes, place and channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_srcnn.image.axes import axis_letter
from napari_srcnn.image.stack import StackError
from napari_srcnn.image.units import PIXEL, unit_name
from napari_srcnn.io.zarr.metadata import axis_names, stored_order

# What the arrays' axes were before OME-Zarr 0.3 gave them names.
_OLD_AXES = ("t", "c", "z", "y", "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What is known of an image beside its pixels, in the order of its own axes.

    Attributes
    ----------
    axes : str
        See `Stack`.
    order : tuple of int
        Which axis of the stored arrays each of them is.
    pixel_size, units, channel_names, channel_colors, metadata, notes
        See `Stack`.
    """

    axes: str
    order: tuple[int, ...]
    pixel_size: tuple[float, ...]
    units: tuple[str, ...]
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[str | None, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def meaning_of(
    name: str,
    image: Mapping[str, Any],
    omero: Mapping[str, Any],
    own: Mapping[str, Any],
    shape: Sequence[int],
    dtype: np.dtype[Any],
) -> Meaning:
    """Return what the metadata of an image mean.

    Parameters
    ----------
    name : str
        The store's, for messages.
    image : mapping
        One of a group's ``multiscales``.
    omero : mapping
        The group's ``omero``, possibly empty.
    own : mapping
        What this package wrote into the group, possibly empty.
    shape, dtype
        Of the array of the full resolution, as it is stored.

    Raises
    ------
    StackError
        The metadata contradict themselves or the array.
    """
    labels, kinds, units = _axes(name, image, len(shape))
    notes: list[str] = []
    scale, translate = _place(name, image, len(shape), notes)
    if not _is_of(own, labels, shape):
        own = {}
    if own:
        axes = str(own["axes"])
        order = tuple(int(n) for n in np.argsort(stored_order(axes)))
    else:
        letters = _letters(name, labels, kinds)
        order = tuple(sorted(range(len(letters)), key=lambda n: ("YX".find(letters[n]), n)))
        axes = "".join(letters[n] for n in order)
    known = []
    for n, at in enumerate(order):
        unit = unit_name(units[at]) if units[at] else None
        if units[at] and unit is None:
            notes.append(f"the unit {units[at]!r} of axis {labels[at]} is not known")
        # OME's value where it has one, since another program may have corrected it.
        known.append(unit or (str(own["units"][n]) if own else PIXEL))
    spatial = [at for at, letter in zip(order, axes, strict=True) if letter != "S"]
    metadata = dict(own.get("metadata") or {})
    metadata |= _layer(own, [scale[at] for at in spatial], [translate[at] for at in spatial])
    if "napari_srcnn" in own:
        metadata["napari_srcnn"] = own["napari_srcnn"]
    channels = int(shape[order[axes.index("C")]]) if "C" in axes else 1
    # What stands there of colour samples was made up for OME.
    shown = {} if "S" in axes else omero
    names, colors, windows = _channels(shown, channels, dtype, own, notes)
    if any(windows) and not own:
        metadata["windows"] = list(windows)
    return Meaning(
        axes=axes,
        order=order,
        pixel_size=tuple(abs(scale[at]) for at in order),
        units=tuple(known),
        channel_names=names,
        channel_colors=colors,
        metadata=metadata,
        notes=tuple(notes),
    )


def plain_meaning(name: str, labels: Sequence[str | None] | None, ndim: int) -> Meaning:
    """Return what an array without OME metadata means: by its axes' names, or its last two.

    Raises
    ------
    StackError
        It has fewer than two axes.
    """
    if ndim < 2:
        raise StackError(f"{name} holds no image: an array of {ndim} axes")
    letters = [axis_letter(label) or "Q" for label in labels or ()]
    notes = [f"{name} has no OME metadata: pixel size and units are not known"]
    if len(letters) != ndim or any(letters.count(letter) != 1 for letter in "YX"):
        letters = ["Q"] * (ndim - 2) + ["Y", "X"]
        notes.append("nothing says which axes are Y and X: the last two are taken for them")
    letters = _once(letters)
    order = tuple(sorted(range(ndim), key=lambda n: ("YX".find(letters[n]), n)))
    return Meaning(
        axes="".join(letters[n] for n in order),
        order=order,
        pixel_size=(1.0,) * ndim,
        units=(PIXEL,) * ndim,
        notes=tuple(notes),
    )


def _axes(
    name: str, image: Mapping[str, Any], ndim: int
) -> tuple[list[str], list[str | None], list[str | None]]:
    """Return name, type and unit of the stored axes."""
    axes = image.get("axes")
    if axes is None and ndim == len(_OLD_AXES):
        axes = _OLD_AXES
    if axes is None:
        raise StackError(f"{name} does not say what the {ndim} axes of its image are")
    if len(axes) != ndim:
        raise StackError(
            f"{name} contradicts itself: it names {len(axes)} axes of an array that has {ndim}"
        )
    # A mapping since 0.4, in 0.3 the name alone.
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in axes]
    labels = [str(axis.get("name", "")) for axis in axes]
    return labels, [axis.get("type") for axis in axes], [axis.get("unit") for axis in axes]


def _letters(name: str, labels: Sequence[str], kinds: Sequence[str | None]) -> list[str]:
    """Return a letter for each stored axis."""
    letters = []
    for label, kind in zip(labels, kinds, strict=True):
        meant = axis_letter(label)
        if kind == "space":
            letters.append(meant if meant in ("Z", "Y", "X") else "?")
        elif kind in ("time", "channel"):
            letters.append("T" if kind == "time" else "C")
        else:
            letters.append(meant if kind is None and meant else "Q")
    # Axes of space by another name: the last of them are X, Y and Z, in that order.
    missing = [letter for letter in "XYZ" if letter not in letters]
    for n in reversed(range(len(letters))):
        if letters[n] == "?":
            letters[n] = missing.pop(0) if missing else "Q"
    if any(letters.count(letter) != 1 for letter in "YX"):
        raise StackError(
            f"{name} does not say which axes of its image are Y and X; they are called "
            f"{', '.join(labels)}"
        )
    return _once(letters)


def _once(letters: list[str]) -> list[str]:
    """Return the letters with Q for any that stands a second time."""
    return [letter if letter not in letters[:n] else "Q" for n, letter in enumerate(letters)]


def _place(
    name: str, image: Mapping[str, Any], ndim: int, notes: list[str]
) -> tuple[list[float], list[float]]:
    """Return the pixel sizes, and where the first pixel's centre lies, of the full resolution."""
    scale, translate = np.ones(ndim), np.zeros(ndim)
    datasets = image.get("datasets") or [{}]
    for steps in (
        datasets[0].get("coordinateTransformations") or (),
        image.get("coordinateTransformations") or (),
    ):
        for step in steps:
            kind = str(step.get("type"))
            if kind == "identity":
                continue
            values = step.get(kind)
            if kind not in ("scale", "translation") or not isinstance(values, Sequence):
                notes.append(f"its transformation {kind!r} is not applied")
                continue
            if len(values) != ndim:
                raise StackError(
                    f"{name} contradicts itself: its {kind} has {len(values)} values for its "
                    f"{ndim} axes"
                )
            given = np.asarray(values, np.float64)
            if kind == "scale":
                scale, translate = scale * given, translate * given
            else:
                translate = translate + given
    usable = np.isfinite(scale) & (scale != 0)
    if not usable.all() or not np.isfinite(translate).all():
        notes.append("its pixel sizes are no numbers above zero, and are taken for 1")
        scale, translate = (
            np.where(usable, scale, 1.0),
            np.nan_to_num(translate, posinf=0, neginf=0),
        )
    return scale.tolist(), translate.tolist()


def _is_of(own: Mapping[str, Any], labels: Sequence[str], shape: Sequence[int]) -> bool:
    """Tell whether what this package wrote is about these axes and this shape still."""
    axes, stored = str(own.get("axes", "")), str(own.get("stored_axes", ""))
    lengths = own.get("shape", ())
    return (
        len(axes) == len(stored) == len(lengths) == len(shape)
        and axis_names(stored) == tuple(labels)
        and sorted(axes) == sorted(stored)
        and [lengths[n] for n in stored_order(axes)] == list(shape)
    )


def _layer(
    own: Mapping[str, Any], scale: Sequence[float], translate: Sequence[float]
) -> dict[str, Any]:
    """Return the layer's attributes, with the place that OME's words give."""
    layer = dict(own.get("layer") or {})
    if any(translate) or "translate" in layer:
        layer["translate"] = list(translate)
    if any(size < 0 for size in scale):
        layer["scale"] = list(scale)
    return {"layer": layer} if layer else {}


def _channels(
    omero: Mapping[str, Any],
    count: int,
    dtype: np.dtype[Any],
    own: Mapping[str, Any],
    notes: list[str],
) -> tuple[tuple[str, ...], tuple[str | None, ...], tuple[Any, ...]]:
    """Return names, colours and windows of the channels, where they are known."""
    channels = omero.get("channels") or ()
    if len(channels) != count:
        if channels:
            notes.append(
                f"its description is of another number of channels ({len(channels)}, not {count}) "
                "and is left out"
            )
        return (), (), ()
    names = tuple(str(channel.get("label") or "") for channel in channels)
    colors: tuple[str | None, ...] = tuple(_color(channel.get("color")) for channel in channels)
    if own:
        # OME wants a colour for each channel; some were made up for it.
        kept = own.get("channel_colors") or (None,) * count
        colors = tuple(
            color if before is not None else None
            for color, before in zip(colors, kept, strict=True)
        )
    windows = tuple(_window(channel.get("window"), dtype) for channel in channels)
    return names if any(names) else (), colors if any(colors) else (), windows


def _color(text: Any) -> str | None:
    """Return a colour as ``#rrggbb``."""
    digits = str(text or "").removeprefix("#").lower()
    if len(digits) not in (6, 8) or any(digit not in "0123456789abcdef" for digit in digits):
        return None
    return f"#{digits[:6]}"


def _window(window: Any, dtype: np.dtype[Any]) -> list[float] | None:
    """Return the values shown as black and white, unless they are all that the type can hold."""
    if not isinstance(window, Mapping):
        return None
    try:
        start, end = float(window["start"]), float(window["end"])
    except (KeyError, TypeError, ValueError):
        return None
    whole = (0.0, 1.0) if dtype.kind not in "iu" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        return None
    return None if (start, end) == whole else [start, end]
