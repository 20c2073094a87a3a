"""What napari calls to open and to save images; plain functions that import no napari.

napari's own reader and writer leave a layer's pixel size, units and axis labels out of the file;
these keep them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.axes import axis_letter
from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.image.transform import Transform
from napari_srcnn.image.units import PIXEL, unit_name
from napari_srcnn.io.ome_tiff import OmeTiffWriter
from napari_srcnn.io.tiff import SUFFIXES, image_names, read_stack

if TYPE_CHECKING:
    import os

LayerData = tuple[Any, dict[str, Any], str]

# A layer's attributes that OME-XML has no words for, saved beside it as JSON.
_LAYER_KEYS = (
    "affine",
    "axis_labels",
    "blending",
    "colormap",
    "contrast_limits",
    "gamma",
    "opacity",
    "rgb",
    "rotate",
    "scale",
    "shear",
    "translate",
)
# Those of them that the reader hands to napari as they are.
_RESTORED_KEYS = tuple(key for key in _LAYER_KEYS if key not in ("rgb", "scale"))
# Keys of `Stack.metadata` that come back out of a layer's metadata.
_STACK_KEYS = (
    "ome_xml",
    "ome_image",
    "channel",
    "delta_t",
    "imagej",
    "photometric",
    "orientation",
    "extrasamples",
    "significant_bits",
    "nodata",
    "napari_srcnn",
)
# What a layer has that was not moved, turned or sheared: not worth a word in the file.
_UNMOVED: dict[str, Callable[[int], Any]] = {
    "affine": lambda ndim: np.eye(ndim + 1).tolist(),
    "rotate": lambda ndim: np.eye(ndim).tolist(),
    "shear": lambda ndim: [0.0] * (ndim * (ndim - 1) // 2),
    "translate": lambda ndim: [0.0] * ndim,
}
# napari's own choice for channels without a colour.
_TWO_COLORS = ("magenta", "green")
_MORE_COLORS = ("cyan", "magenta", "yellow", "blue", "green", "red")


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return `read_layers` for a TIFF file, None for anything else.

    Parameters
    ----------
    path : str or sequence of str
        One file; several, to be stacked, are left to other readers.
    """
    if isinstance(path, str) and path.lower().endswith(SUFFIXES):
        return read_layers
    return None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open a TIFF, ImageJ or OME-TIFF file as image layers: each channel of each of its images.

    What of the file is in none of them is said as a warning, which napari shows.

    Parameters
    ----------
    path : str
        One file.

    Returns
    -------
    list of tuple
        Lazy data, the keyword arguments of ``viewer.add_image`` (scale, units, axis labels; the
        channel's name and colour; ``metadata`` as `Stack.metadata`), and ``"image"``.

    Raises
    ------
    StackError
        The file cannot be read.
    """
    if not isinstance(path, str):
        raise StackError(f"one file is wanted, not the {len(path)} of {list(path)}")
    names = image_names(path)
    found, said = [], {}
    for number, name in enumerate(names):
        stack = read_stack(path, series=number)
        notes = stack.notes
        if len(names) > 1:
            # The first note says which of the images it is.
            stack, notes = replace(stack, name=f"{stack.name} {name}"), notes[1:]
        found += stack_layers(stack)
        said |= dict.fromkeys(notes)
    if said:
        warnings.warn(f"{Path(path).name}: {'; '.join(said)}", stacklevel=2)
    return found


def stack_layers(stack: Stack) -> list[LayerData]:
    """Return a stack as napari's layers; see `read_layers`."""
    saved = stack.metadata.get("layer", {})
    axes = stack.axes
    if axes.endswith("S") and stack.dtype != np.uint8 and not saved.get("rgb"):
        # More than 8 bits a sample are channels kept side by side (napari would show 12 bits in 16
        # as black).
        return [_channel_layer(stack, len(axes) - 1, at) for at in range(stack.shape[-1])]
    # A layer that was saved with a channel axis comes back as that one layer.
    if "C" in axes and "axis_labels" not in saved:
        at = axes.index("C")
        return [_channel_layer(stack, at, channel) for channel in range(stack.shape[at])]
    arguments = _arguments(stack)
    arguments |= {"name": stack.name, "rgb": axes.endswith("S")}
    if len(stack.channel_colors) == 1 and stack.channel_colors[0] and not arguments["rgb"]:
        arguments["colormap"] = stack.channel_colors[0]
    elif stack.metadata.get("photometric") == "miniswhite":
        arguments["colormap"] = "gray_r"
    arguments |= _restored(saved, len(arguments["scale"]))
    return [(_lazy(stack), arguments, "image")]


def _channel_layer(stack: Stack, at: int, channel: int) -> LayerData:
    """Return one channel, which stands along axis `at`, as a layer."""
    arguments = _arguments(stack, without=at)
    count = stack.shape[at]
    names, colors = stack.channel_names, stack.channel_colors
    if stack.axes[at] == "S":
        names, colors = ("red", "green", "blue", "alpha"), ("red", "green", "blue", "gray")
    label = names[channel] if channel < len(names) else f"channel {channel + 1}"
    defaults = _TWO_COLORS if count == 2 else _MORE_COLORS
    color = colors[channel] if channel < len(colors) else None
    if stack.axes.endswith("S") and stack.axes[at] != "S":
        arguments["rgb"] = True
    else:
        arguments["colormap"] = color or (
            "gray" if count == 1 else defaults[channel % len(defaults)]
        )
    arguments |= {
        "name": f"{stack.name} {label}",
        # As napari itself does for the channels of an image.
        "blending": "additive" if channel else "translucent_no_depth",
    }
    if stack.axes[at] == "C":
        arguments["metadata"]["channel"] = channel
        times = stack.metadata.get("delta_t")
        if times is not None:
            arguments["metadata"]["delta_t"] = np.take(
                np.array(times, object), channel, at
            ).tolist()
    key = (*[slice(None)] * at, channel)
    return _lazy(stack)[key], arguments, "image"


def _arguments(stack: Stack, without: int | None = None) -> dict[str, Any]:
    """Return the geometry of the axes but `without`, and the metadata, as napari takes them."""
    axes = [n for n, axis in enumerate(stack.axes) if axis != "S"]
    place = Transform.of([stack.pixel_size[n] for n in axes], stack.metadata.get("layer"))
    kept = [n for n in axes if n != without]
    arguments: dict[str, Any] = {
        "scale": tuple(place.scale[kept].tolist()),
        "units": tuple(stack.units[n] for n in kept),
        "axis_labels": tuple(stack.axes[n].lower() for n in kept),
        "metadata": {key: value for key, value in stack.metadata.items() if key != "layer"},
    }
    if place.translate.any():
        arguments["translate"] = tuple(place.translate[kept].tolist())
    return arguments


def _restored(saved: Mapping[str, Any], ndim: int) -> dict[str, Any]:
    """Return the attributes of a saved layer, unless the file has other axes by now."""
    if len(saved.get("axis_labels", ())) != ndim:
        return {}
    return {key: saved[key] for key in _RESTORED_KEYS if key in saved}


def _lazy(stack: Stack) -> Any:
    """Return the data as dask array, a chunk for each plane: napari and plugins know those."""
    import dask.array as da  # half a second that File > Open may take and an import may not

    trailing = 3 if stack.axes.endswith("S") else 2
    chunks = (*[1] * (stack.ndim - trailing), *stack.shape[-trailing:])
    # Without a name made from the path: a file that was written anew is not the old one.
    return da.from_array(  # type: ignore[no-untyped-call]  # dask has no types for it
        stack.data, chunks, name=False, lock=False, meta=np.empty(0, stack.dtype)
    )


def write_image(
    path: str | os.PathLike[str], data: Any, attributes: Mapping[str, Any]
) -> list[str]:
    """Save an image layer as OME-TIFF with its scale, units and axis labels.

    Parameters
    ----------
    path : str or path-like
        Replaced if it exists (napari has asked by then).
    data : array-like or sequence of array-like
        The layer's data; of a multiscale layer the full resolution is saved.
    attributes : mapping
        The layer's attributes, as ``layer.as_layer_data_tuple()`` gives them.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    StackError
        The layer cannot be saved as OME-TIFF; nothing is left of the file then.
    """
    if attributes.get("multiscale") or isinstance(data, (list, tuple)):
        data = data[0]
    rgb = bool(attributes.get("rgb"))
    ndim = len(data.shape) - rgb
    axes = _axes(attributes.get("axis_labels"), ndim) + "S" * rgb
    units = [unit_name(unit) or str(unit) for unit in attributes.get("units") or (PIXEL,) * ndim]
    scale = np.asarray(
        attributes["scale"] if attributes.get("scale") is not None else np.ones(ndim), np.float64
    )
    layer_metadata = attributes.get("metadata") or {}
    metadata = {key: layer_metadata[key] for key in _STACK_KEYS if key in layer_metadata}
    metadata["layer"] = _saved_layer(attributes, ndim)
    name = attributes.get("name") or ""
    dtype = _stored_dtype(data)
    writer = OmeTiffWriter(
        path,
        data.shape,
        dtype,
        axes,
        [*np.abs(scale).tolist(), *[1.0] * rgb],
        [*units, *[PIXEL] * rgb],
        # The source's own channel keeps its name and colour.
        channel_names=() if "C" in axes or "ome_xml" in metadata else (str(name),),
        channel_colors=() if "C" in axes or rgb else (_color(attributes.get("colormap")),),
        metadata=metadata,
        name=str(name) or None,
        overwrite=True,
    )
    with writer:
        for index in np.ndindex(tuple(data.shape[: ndim - 2])):
            writer[index] = np.asarray(data[index]).astype(dtype, copy=False)
    return [str(writer.path)]


def _axes(labels: Sequence[str] | None, ndim: int) -> str:
    """Return axis letters from a layer's labels; Q where a label says nothing."""
    letters = ""
    for label in tuple(labels or ("",) * ndim)[: ndim - 2]:
        letter = axis_letter(label) or "Q"
        letters += letter if letter in "TCZ" and letter not in letters else "Q"
    return letters + "YX"


def _saved_layer(attributes: Mapping[str, Any], ndim: int) -> dict[str, Any]:
    """Return what of a layer's attributes is saved, as JSON values."""
    saved = {}
    for key in _LAYER_KEYS:
        value = attributes.get(key)
        if key == "colormap" and isinstance(value, Mapping):
            value = {
                name: np.asarray(value[name]).tolist()
                if name != "interpolation"
                else str(value[name])
                for name in ("name", "colors", "controls", "interpolation")
                if value.get(name) is not None
            }
        elif not isinstance(value, (str, bool, int, float, type(None))):
            value = np.asarray(value).tolist()
        unmoved = _UNMOVED[key](ndim) if key in _UNMOVED else None
        if value is not None and value != unmoved:
            saved[key] = value
    saved.setdefault("axis_labels", [f"-{ndim - n}" for n in range(ndim)])
    return saved


def _color(colormap: Any) -> str | None:
    """Return the colour of a colormap that runs from black to one colour, as ``#rrggbb``."""
    colors = np.asarray(colormap.get("colors", ()) if isinstance(colormap, Mapping) else ())
    if colors.shape != (2, 4) or colors[0, :3].any():
        return None
    return "#" + "".join(f"{round(float(value) * 255):02x}" for value in colors[1, :3])


def _stored_dtype(data: Any) -> np.dtype[Any]:
    """Return the data's type; of 64-bit integers, the 32-bit type that holds their values."""
    dtype: np.dtype[Any] = np.dtype(data.dtype)
    if dtype.kind not in "iu" or dtype.itemsize < 8 or 0 in data.shape:
        return dtype
    low, high = 0, 0
    for index in np.ndindex(tuple(data.shape[:-2])):
        plane = np.asarray(data[index])
        low, high = min(low, int(plane.min())), max(high, int(plane.max()))
    for name in ("int32", "uint32"):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return np.dtype(name)
    raise StackError(
        f"OME-TIFF has no {dtype.name} pixels and the values {low} to {high} do not fit 32 bits; "
        "convert the layer to float64"
    )
