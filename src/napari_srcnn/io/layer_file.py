"""Save a layer of napari as OME-TIFF or OME-Zarr, with what it knows and OME has no words for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.axes import axis_letter
from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.image.units import PIXEL, unit_name
from napari_srcnn.io.ome_tiff import OmeTiffWriter
from napari_srcnn.io.zarr.write import write_zarr

if TYPE_CHECKING:
    import os

#: A layer's attributes that OME-XML has no words for, saved beside it as JSON.
LAYER_KEYS = (
    "affine",
    "attenuation",
    "axis_labels",
    "blending",
    "colormap",
    "contrast_limits",
    "depiction",
    "experimental_clipping_planes",
    "gamma",
    "interpolation2d",
    "interpolation3d",
    "iso_threshold",
    "opacity",
    "plane",
    "projection_mode",
    "rendering",
    "rgb",
    "rotate",
    "scale",
    "shear",
    "translate",
    "visible",
)
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
# How napari shows a layer of which nobody has asked anything else: neither.
_USUAL = {
    "attenuation": 0.05,
    "depiction": "volume",
    "experimental_clipping_planes": [],
    "interpolation2d": "nearest",
    "interpolation3d": "linear",
    "iso_threshold": 0.5,
    "projection_mode": "mean",
    "rendering": "mip",
    "visible": True,
}


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
    dtype = stored_dtype(data)
    with layer_writer(path, data.shape, dtype, attributes) as writer:
        for index in np.ndindex(tuple(data.shape[: writer.axes.index("Y")])):
            writer[index] = np.asarray(data[index]).astype(dtype, copy=False)
    return [str(writer.path)]


def layer_writer(
    path: str | os.PathLike[str],
    shape: Sequence[int],
    dtype: np.dtype[Any],
    attributes: Mapping[str, Any],
) -> OmeTiffWriter:
    """Return what takes an image layer's planes and becomes the file.

    Parameters
    ----------
    path : str or path-like
    shape : tuple of int
    dtype : dtype
        Of the layer's pixels, or of what they are stored as.
    attributes : mapping
        As of :func:`write_image`.

    Raises
    ------
    StackError
        The layer cannot be saved as OME-TIFF.
    """
    # What describes the layer; its pixels come later.
    pixels = np.broadcast_to(np.zeros((), dtype), tuple(shape))
    stack = layer_stack(pixels, {**attributes, "multiscale": False})
    described = stack.upscaled(1)
    if "ome_xml" in stack.metadata:
        described["channel_names"] = ()  # the source's own channel keeps its name
    name = str(attributes.get("name") or "") or None
    return OmeTiffWriter(path, shape, dtype, **described, name=name, overwrite=True)


def write_zarr_image(
    path: str | os.PathLike[str], data: Any, attributes: Mapping[str, Any]
) -> list[str]:
    """Save an image layer as OME-Zarr with its pyramid; see `write_image`.

    Raises
    ------
    StackError
        The layer cannot be saved as OME-Zarr; nothing is left of the folder then.
    """
    name = str(attributes.get("name") or "") or None
    return [str(write_zarr(path, layer_stack(data, attributes), name=name, overwrite=True))]


def layer_stack(data: Any, attributes: Mapping[str, Any]) -> Stack:
    """Return a layer as a stack: its pixels, of a multiscale layer the finest, and what they are.

    Parameters
    ----------
    data, attributes
        As of :func:`write_image`.
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
    return Stack(
        data=data,
        axes=axes,
        pixel_size=(*np.abs(scale).tolist(), *[1.0] * rgb),
        units=(*units, *[PIXEL] * rgb),
        channel_names=() if "C" in axes else (str(attributes.get("name") or ""),),
        channel_colors=() if "C" in axes or rgb else (_color(attributes.get("colormap")),),
        metadata=metadata,
    )


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
    for key in LAYER_KEYS:
        value = attributes.get(key)
        if key == "colormap" and isinstance(value, Mapping):
            value = {
                name: np.asarray(value[name]).tolist()
                if name != "interpolation"
                else str(value[name])
                for name in ("name", "colors", "controls", "interpolation")
                if value.get(name) is not None
            }
        usual = _UNMOVED[key](ndim) if key in _UNMOVED else _USUAL.get(key)
        value = _as_json(value)
        if value is not None and value != usual:
            saved[key] = value
    if "depiction" not in saved:
        saved.pop("plane", None)
    saved.setdefault("axis_labels", [f"-{ndim - n}" for n in range(ndim)])
    return saved


def _as_json(value: Any) -> Any:
    """Return a layer's attribute as JSON knows it: lists, numbers, and words for choices."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, (str, bool, int, float, type(None))):
        return value
    return [_as_json(item) for item in value]


def _color(colormap: Any) -> str | None:
    """Return the colour of a colormap that runs from black to one colour, as ``#rrggbb``."""
    colors = np.asarray(colormap.get("colors", ()) if isinstance(colormap, Mapping) else ())
    if colors.shape != (2, 4) or colors[0, :3].any():
        return None
    return "#" + "".join(f"{round(float(value) * 255):02x}" for value in colors[1, :3])


def stored_dtype(data: Any) -> np.dtype[Any]:
    """Return the data's type; of 64-bit integers, the 32-bit type that holds their values.

    Raises
    ------
    StackError
        No such type holds them.
    """
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
