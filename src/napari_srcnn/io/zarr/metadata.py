"""The metadata of the OME-Zarr that is written here: OME's words, and what OME has no words for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.stack import StackError
from napari_srcnn.image.units import PIXEL, is_length, is_time

if TYPE_CHECKING:
    from napari_srcnn.io.zarr.levels import Level

#: The key of a group's attributes that holds what only this package knows.
OWN = "napari_srcnn"
#: Keys of `Stack.metadata` that are kept as they are.
KEPT_KEYS = (
    "ome_xml",
    "ome_image",
    "channel",
    "delta_t",
    "imagej",
    "photometric",
    "significant_bits",
    "nodata",
    "windows",
)
_TYPES = {"T": "time", "C": "channel", "S": "channel", "Z": "space", "Y": "space", "X": "space"}
_ORDER = {"time": 0, "space": 2}  # channels and axes of no type stand between
_MOST_AXES = 5
# napari's own choice for channels without a colour.
_COLORS = {
    1: ("FFFFFF",),
    2: ("FF00FF", "00FF00"),
}
_MORE_COLORS = ("00FFFF", "FF00FF", "FFFF00", "0000FF", "00FF00", "FF0000")
_RGBA = ("FF0000", "00FF00", "0000FF", "FFFFFF")


def stored_order(axes: str) -> tuple[int, ...]:
    """Return which axis of an image stands at each place of the stored arrays.

    OME-Zarr wants time, then the channel or what is of no type, then Z, Y, X; colour samples are
    stored as channels.

    Raises
    ------
    StackError
        OME-Zarr has no room for the axes.
    """
    if len(axes) > _MOST_AXES:
        raise StackError(
            f"OME-Zarr has at most {_MOST_AXES} axes, and {axes} are {len(axes)}: split the stack "
            "along one of them"
        )
    if "C" in axes and "S" in axes:
        raise StackError(
            f"OME-Zarr has one channel axis, and axes {axes} hold channels and colour samples: "
            "save them as OME-TIFF, or split the stack along C"
        )
    return tuple(
        sorted(
            range(len(axes)), key=lambda n: (_ORDER.get(_TYPES.get(axes[n], ""), 1), _zyx(axes[n]))
        )
    )


def axis_names(axes: str) -> tuple[str, ...]:
    """Return what the axes are called in the order given: ``"t"``, ``"c"``, and no name twice."""
    names: list[str] = []
    for letter in axes:
        name = "c" if letter == "S" else letter.lower()
        names.append(name if name not in names else f"{name}{len(names)}")
    return tuple(names)


def attributes_of(
    levels: Sequence[Level],
    *,
    version: str,
    name: str,
    dtype: np.dtype[Any],
    axes: str,
    pixel_size: Sequence[float],
    units: Sequence[str],
    channel_names: Sequence[str],
    channel_colors: Sequence[str | None],
    metadata: Mapping[str, Any],
    provenance: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the attributes of the group that holds the levels, checked against OME's model.

    Parameters
    ----------
    levels : sequence of Level
    version : str
        ``"0.5"`` or ``"0.4"``.
    name, dtype, axes, pixel_size, units, channel_names, channel_colors, metadata, provenance
        See `ZarrTarget`; in the order of the image's own axes.

    Raises
    ------
    StackError
        OME-Zarr has no words for the image.
    """
    order = stored_order(axes)
    layer = metadata.get("layer") or {}
    moved = _translate(layer, axes)
    datasets = [
        {
            "path": level.path,
            "coordinateTransformations": _transformations(
                [float(pixel_size[n]) * _growth(axes[n], number) for n in order],
                [
                    moved[n] + float(pixel_size[n]) * (_growth(axes[n], number) - 1) / 2
                    for n in order
                ],
                always=len(levels) > 1,
            ),
        }
        for number, level in enumerate(levels)
    ]
    stored = "".join(axes[n] for n in order)
    image: dict[str, Any] = {
        "multiscales": [
            {
                "name": name,
                "axes": [
                    _axis(letter, label, str(units[n]))
                    for n, letter, label in zip(order, stored, axis_names(stored), strict=True)
                ],
                "datasets": datasets,
                "type": "mean",
                "metadata": {"description": "each level is the mean of 2 by 2 pixels of the last"},
            }
        ]
    }
    shape = levels[0].shape
    channels = next((shape[axes.index(letter)] for letter in "CS" if letter in axes), 1)
    omero = _omero(
        channels,
        np.dtype(dtype),
        ("red", "green", "blue", "alpha")[:channels] if "S" in axes else channel_names,
        tuple("#" + color for color in _RGBA) if "S" in axes else channel_colors,
        metadata,
    )
    if omero is not None:
        image["omero"] = omero
    made = provenance if provenance is not None else metadata.get("napari_srcnn")
    kept = {key: metadata[key] for key in KEPT_KEYS if metadata.get(key) is not None}
    note = {
        "version": 1,
        "axes": axes,
        "stored_axes": stored,
        "shape": shape,
        "pixel_size": pixel_size,
        "units": units,
        **({"channel_colors": channel_colors} if any(channel_colors) else {}),
        **({"metadata": kept} if kept else {}),
        **({"layer": layer} if layer else {}),
        **({"napari_srcnn": made} if made is not None else {}),
    }
    if version == "0.4":
        image["multiscales"][0]["version"] = version
        said = image
    else:
        said = {"ome": {"version": version, **image}}
    attributes: dict[str, Any] = json_value({**said, OWN: note})
    _check(attributes, version)
    return attributes


def json_value(value: Any) -> Any:
    """Return a value as JSON knows it; strict readers know no NaN, so that becomes a word."""
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (str, bool, int, float, type(None))) else str(value)


def _zyx(letter: str) -> int:
    """Return the place of a letter among the axes of space, 0 for any other: those keep theirs."""
    return max(0, "ZYX".find(letter))


def _growth(letter: str, level: int) -> float:
    """Return how many pixels of the full resolution one pixel of a level spans."""
    return 2.0**level if letter in "YX" else 1.0


def _translate(layer: Mapping[str, Any], axes: str) -> list[float]:
    """Return where the first pixel of each axis lies."""
    given = np.asarray(layer.get("translate", ()), np.float64).tolist()
    spatial = axes.removesuffix("S")
    if len(given) != len(spatial) or not all(map(math.isfinite, given)):
        given = [0.0] * len(spatial)
    return [*given, *[0.0] * (len(axes) - len(spatial))]


def _transformations(
    scale: list[float], translation: list[float], *, always: bool
) -> list[dict[str, Any]]:
    """Return one level's scale, and its translation where some level has one."""
    found: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if always or any(translation):
        found.append({"type": "translation", "translation": translation})
    return found


def _axis(letter: str, name: str, unit: str) -> dict[str, str]:
    """Return an axis in OME's words."""
    kind = _TYPES.get(letter)
    axis = {"name": name, **({"type": kind} if kind else {})}
    measured = {"time": is_time, "space": is_length}
    fits = measured[kind](unit) if kind in measured else kind is None and unit != PIXEL
    if fits:
        axis["unit"] = unit
    return axis


def _omero(
    channels: int,
    dtype: np.dtype[Any],
    names: Sequence[str],
    colors: Sequence[str | None],
    metadata: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Return how the channels are shown, or None where nothing is known of that."""
    limits = (metadata.get("layer") or {}).get("contrast_limits")
    windows = metadata.get("windows") or (limits,) * channels
    whole = _value_range(dtype)
    if whole is None and channels == 1 and not any((*names, *colors, *windows)):
        return None
    usual = _COLORS.get(channels, _MORE_COLORS)
    found: list[dict[str, Any]] = []
    for number in range(channels):
        low, high = whole or (0.0, 1.0)
        window = windows[number] if number < len(windows) else None
        start, end = map(float, window) if window is not None else (low, high)
        if whole is None:
            low, high = min(low, start), max(high, end)
        color = colors[number] if number < len(colors) else None
        channel = {
            "active": True,
            "color": (color or usual[number % len(usual)]).removeprefix("#").upper(),
            "window": {"min": low, "max": high, "start": start, "end": end},
        }
        if number < len(names) and names[number]:
            channel["label"] = names[number]
        found.append(channel)
    return {"channels": found, "rdefs": {"model": "color" if channels > 1 else "greyscale"}}


def _value_range(dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """Return the lowest and highest value of a type, None for floating point."""
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype.kind not in "iu":
        return None
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


def _check(attributes: Mapping[str, Any], version: str) -> None:
    """Raise StackError where OME's model refuses the attributes."""
    from yaozarrs import v04, v05  # half a second that writing may take and an import may not

    try:
        if version == "0.4":
            v04.Image.model_validate(attributes)
        else:
            v05.Image.model_validate(attributes["ome"])
    except ValueError as error:
        # pydantic's first line counts the errors; the place and the reason of the first follow.
        said = " ".join(line.strip() for line in str(error).splitlines()[1:3])
        raise StackError(f"OME-Zarr {version} has no words for this image: {said}") from None
