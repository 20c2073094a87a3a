"""What napari calls to open and to save images; plain functions that import no napari.

napari's own reader and writer leave a layer's pixel size, units and axis labels out of the file;
these keep them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.image.transform import Transform
from napari_srcnn.io import channels_file, layer_file
from napari_srcnn.io.layer_file import LAYER_KEYS
from napari_srcnn.io.names import SUFFIXES
from napari_srcnn.io.read import image_names, read_stack
from napari_srcnn.io.vendor.kinds import is_vendor
from napari_srcnn.io.zarr.store import is_store, is_zarr

__all__ = [
    "get_reader",
    "read_layers",
    "stack_layers",
    "write_folder",
    "write_image",
    "write_images",
    "write_zarr_image",
    "write_zarr_images",
]

LayerData = tuple[Any, dict[str, Any], str]

# Attributes of a saved layer that the reader hands to napari as they are.
_RESTORED_KEYS = tuple(key for key in LAYER_KEYS if key not in ("rgb", "scale"))
# Of a stack's metadata, what becomes attributes of its layers.
_APART = ("layer", "windows")
# A plate can hold thousands, and a tile scan.
_MOST_IMAGES = 32
# napari's own choice for channels without a colour.
_TWO_COLORS = ("magenta", "green")
_MORE_COLORS = ("cyan", "magenta", "yellow", "blue", "green", "red")


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return `read_layers` for a file of a kind that is read here, None for anything else.

    Parameters
    ----------
    path : str or sequence of str
        One file or folder; several, to be stacked, are left to other readers.
    """
    if isinstance(path, str) and (path.rstrip("/\\").lower().endswith(SUFFIXES) or is_store(path)):
        return read_layers
    return None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open a file or an OME-Zarr as image layers: each channel of each of its images.

    What of the file is in none of them is said as a warning, which napari shows.

    Parameters
    ----------
    path : str
        One file or folder.

    Returns
    -------
    list of tuple
        Lazy data (of a pyramid in OME-Zarr, a list of its levels), the keyword arguments of
        ``viewer.add_image`` (scale, units, axis labels; the channel's name and colour; ``metadata``
        as `Stack.metadata`), and ``"image"``.

    Raises
    ------
    StackError
        The file cannot be read.
    """
    if not isinstance(path, str):
        raise StackError(f"one file is wanted, not the {len(path)} of {list(path)}")
    names = image_names(path)
    found: list[LayerData] = []
    said: dict[str, None] = {}  # in order, each once
    opened = names[:_MOST_IMAGES] if is_zarr(path) or is_vendor(path) else names
    if len(opened) < len(names):
        said[
            f"of its {len(names)} images the first {len(opened)} are open; "
            "napari_srcnn.read_stack(path, series=number) opens any"
        ] = None
    for number, name in enumerate(opened):
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


def write_image(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save an image layer as OME-TIFF; see `layer_file.write_image`.

    Here and below, what cannot be saved is an OSError: of a writer's ValueError napari tells nobody
    but that there is no writer.
    """
    return _told(layer_file.write_image, path, data, attributes)


def write_zarr_image(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save an image layer as OME-Zarr; see `layer_file.write_zarr_image`."""
    return _told(layer_file.write_zarr_image, path, data, attributes)


def write_images(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Save image layers as the channels of one OME-TIFF; see `channels_file.write_images`."""
    return _told(channels_file.write_images, path, layers)


def write_zarr_images(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Save image layers as the channels of one OME-Zarr; see `channels_file.write_zarr_images`."""
    return _told(channels_file.write_zarr_images, path, layers)


def write_folder(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Save image layers into a new folder; see `channels_file.write_folder`."""
    return _told(channels_file.write_folder, path, layers)


def _told(write: Callable[..., list[str]], *arguments: Any) -> list[str]:
    """Save, with an error that napari shows."""
    try:
        return write(*arguments)
    except StackError as error:
        raise OSError(str(error)) from error


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
    windows = stack.metadata.get("windows")
    if windows and windows[0]:
        arguments["contrast_limits"] = tuple(windows[0])
    arguments |= _restored(saved, len(arguments["scale"]))
    return [_layer(stack, (), arguments)]


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
    saved = _saved_channel(stack, at, channel)
    if stack.axes[at] == "C":
        arguments["metadata"]["channel"] = channel
        made = saved.get("napari_srcnn")
        # What was made of the whole file since is said by the file.
        if isinstance(made, Mapping) and "napari_srcnn" not in stack.metadata:
            arguments["metadata"]["napari_srcnn"] = made
        times = stack.metadata.get("delta_t")
        if times is not None:
            arguments["metadata"]["delta_t"] = np.take(
                np.array(times, object), channel, at
            ).tolist()
    windows = stack.metadata.get("windows") or ()
    if stack.axes[at] == "C" and channel < len(windows) and windows[channel]:
        arguments["contrast_limits"] = tuple(windows[channel])
    arguments |= _restored(saved, stack.ndim - 1)
    return _layer(stack, (*[slice(None)] * at, channel), arguments)


def _saved_channel(stack: Stack, at: int, channel: int) -> Mapping[str, Any]:
    """Return what is known of a layer that was saved as one channel of several."""
    saved = (stack.metadata.get("layer") or {}).get("channels")
    if stack.axes[at] != "C" or not isinstance(saved, list) or len(saved) != stack.shape[at]:
        return {}
    own = saved[channel]
    return own if isinstance(own, Mapping) else {}


def _arguments(stack: Stack, without: int | None = None) -> dict[str, Any]:
    """Return the geometry of the axes but `without`, and the metadata, as napari takes them."""
    axes = [n for n, axis in enumerate(stack.axes) if axis != "S"]
    place = Transform.of([stack.pixel_size[n] for n in axes], stack.metadata.get("layer"))
    kept = [n for n in axes if n != without]
    arguments: dict[str, Any] = {
        "scale": tuple(place.scale[kept].tolist()),
        "units": tuple(stack.units[n] for n in kept),
        "axis_labels": tuple(stack.axes[n].lower() for n in kept),
        "metadata": {key: value for key, value in stack.metadata.items() if key not in _APART},
    }
    if place.translate.any():
        arguments["translate"] = tuple(place.translate[kept].tolist())
    return arguments


def _restored(saved: Mapping[str, Any], ndim: int) -> dict[str, Any]:
    """Return the attributes of a saved layer, unless the file has other axes by now."""
    labels = saved.get("axis_labels")
    if not isinstance(labels, list) or len(labels) != ndim:
        return {}
    return {key: saved[key] for key in _RESTORED_KEYS if key in saved}


def _layer(stack: Stack, key: tuple[Any, ...], arguments: dict[str, Any]) -> LayerData:
    """Return what an index takes of a stack, and of the levels of its pyramid, as a layer."""
    levels = [_lazy(stack, data)[key] for data in (stack.data, *getattr(stack.data, "smaller", ()))]
    if len(levels) == 1:
        return levels[0], arguments, "image"
    return levels, {**arguments, "multiscale": True}, "image"


def _lazy(stack: Stack, data: Any) -> Any:
    """Return data as dask array: napari and plugins know those.

    Its chunks are those that the data are stored in, or else planes.
    """
    import dask.array as da  # half a second that File > Open may take and an import may not

    trailing = 3 if stack.axes.endswith("S") else 2
    planes = (*[1] * (stack.ndim - trailing), *data.shape[-trailing:])
    # Without a name made from the path: a file that was written anew is not the old one.
    return da.from_array(  # type: ignore[no-untyped-call]  # dask has no types for it
        data,
        getattr(data, "chunks", planes),
        name=False,
        lock=False,
        meta=np.empty(0, stack.dtype),
    )
