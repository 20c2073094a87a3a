"""The OME-XML of the files written here, and what it keeps of the source's own.

Instruments, experimenters, channels, plane times and annotations of the source are taken over
element by element. What would be wrong after a change of size (regions of interest, hashes) and
references to what is left out are dropped.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from napari_srcnn.image.stack import StackError
from napari_srcnn.image.units import is_length, is_time, ome_symbol
from napari_srcnn.io.ome_read import NAMESPACE, image_in, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from xml.etree.ElementTree import Element

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
PIXEL_TYPES = {
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
}

# Types that OME has no word for, and the smallest one that holds each of their values.
_STORED_AS = {"float16": "float32", "bool": "uint8"}

# In the order that the schema wants them.
_KEPT_OF_OME = ("Rights", "Experiment", "Experimenter", "ExperimenterGroup", "Instrument")
_KEPT_OF_IMAGE = (
    "AcquisitionDate",
    "ExperimenterRef",
    "Description",
    "ExperimentRef",
    "ExperimenterGroupRef",
    "InstrumentRef",
    "ObjectiveSettings",
    "ImagingEnvironment",
    "StageLabel",
)
_KEPT_OF_PLANE = tuple(
    name + unit
    for name in ("DeltaT", "ExposureTime", "PositionX", "PositionY", "PositionZ")
    for unit in ("", "Unit")
)


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that pixels are stored in, without loss.

    Raises
    ------
    StackError
        OME has no such type.
    """
    stored = _STORED_AS.get(dtype.name, dtype.name)
    if stored not in PIXEL_TYPES:
        raise StackError(
            f"OME-TIFF has no pixels of type {dtype.name}; convert the image to one of "
            f"{', '.join(PIXEL_TYPES)}"
        )
    return np.dtype(stored)


def build(
    *,
    name: str,
    creator: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    axes: str,
    pixel_size: Sequence[float],
    units: Sequence[str],
    channel_names: Sequence[str] = (),
    channel_colors: Sequence[str | None] = (),
    delta_t: Any = None,
    source: str | None = None,
    source_image: int = 0,
    source_channel: int | None = None,
    note: Mapping[str, Any] | None = None,
    imagej: Mapping[str, Any] | None = None,
    significant_bits: int | None = None,
) -> bytes:
    """Return the OME-XML of one image, in ASCII (other characters as references).

    Parameters
    ----------
    name, creator : str
        The image's name and the program's.
    shape, dtype, axes : tuple of int, dtype, str
        The image as it is stored; `axes` as `stored_axes` gives them.
    pixel_size, units : sequence
        One an axis.
    channel_names, channel_colors : sequence
        One a channel, or empty.
    delta_t : nested list of float, optional
        Seconds of each plane, as the leading axes.
    source : str, optional
        OME-XML of the file that the image came from.
    source_image : int
        Which of the source's images it is.
    source_channel : int, optional
        Which of that image's channels the image is, where it is one of several.
    note : mapping, optional
        What this package wants to find again (JSON values).
    imagej : mapping, optional
        ImageJ's metadata of the source; its Info, slice labels and properties are kept as comments.
    significant_bits : int, optional
        How many bits of each value are used, where not all are.
    """
    sizes = dict(zip(axes, shape, strict=True))
    samples = sizes.pop("S", 1)
    root = ElementTree.Element("OME", {"xmlns": _SCHEMA, "Creator": creator})
    root.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
    root.set("xsi:schemaLocation", f"{_SCHEMA} {_SCHEMA}/ome.xsd")
    origin = parse(source) if source else None
    old_image = image_in(origin, source_image)
    old_pixels = None if old_image is None else old_image.find("Pixels")

    _take(origin, _KEPT_OF_OME, root)
    image = ElementTree.SubElement(root, "Image", ID="Image:0", Name=name)
    _take(old_image, _KEPT_OF_IMAGE, image)
    leading = axes.removesuffix("S")[:-2]
    order = leading[::-1] + "".join(axis for axis in "CZT" if axis not in leading)
    attributes = {"ID": "Pixels:0", "DimensionOrder": "XY" + order, "Type": PIXEL_TYPES[dtype.name]}
    for axis in "XYZCT":
        count = sizes.get(axis, 1) * (samples if axis == "C" else 1)
        attributes[f"Size{axis}"] = str(count)
    if samples > 1:
        attributes["Interleaved"] = "true"
    if significant_bits is not None and significant_bits < dtype.itemsize * 8:
        attributes["SignificantBits"] = str(significant_bits)
    attributes |= _physical_sizes(axes, pixel_size, units)
    pixels = ElementTree.SubElement(image, "Pixels", attributes)
    old_channels = _old_channels(old_pixels, sizes.get("C", 1), source_channel)
    for index in range(sizes.get("C", 1)):
        channel = old_channels[index] if old_channels else ElementTree.Element("Channel")
        channel.set("ID", channel.get("ID", f"Channel:0:{index}"))
        channel.set("SamplesPerPixel", str(samples))
        if index < len(channel_names) and channel_names[index]:
            channel.set("Name", channel_names[index])
        color = channel_colors[index] if index < len(channel_colors) else None
        if color is not None:
            channel.set("Color", str(_signed_rgba(color)))
        pixels.append(channel)
    planes = int(np.prod([sizes.get(axis, 1) for axis in "TCZ"]))
    ElementTree.SubElement(pixels, "TiffData", IFD="0", PlaneCount=str(planes))
    pixels.extend(_planes(old_pixels, sizes, source_channel, leading, delta_t))
    _take(old_image, ("AnnotationRef",), image)
    _annotate(root, image, origin, note, imagej)
    _drop_dangling(root)
    return bytes(ElementTree.tostring(root, encoding="us-ascii"))


def _take(source: Element | None, names: Sequence[str], target: Element) -> None:
    """Append copies of the named children of `source`, in that order."""
    for name in names if source is not None else ():
        target.extend(copy.deepcopy(child) for child in source.findall(name))  # type: ignore[union-attr]


def _physical_sizes(axes: str, pixel_size: Sequence[float], units: Sequence[str]) -> dict[str, str]:
    """Return the attributes that say how large a pixel is, for the axes where it is known."""
    attributes = {}
    for axis, size, unit in zip(axes, pixel_size, units, strict=True):
        fits: Callable[[str], bool] = is_time if axis == "T" else is_length
        symbol = ome_symbol(unit) if fits(unit) else None
        if axis in "XYZ" and unit == "pixel" and size != 1:
            symbol = "pixel"
        if axis in "XYZT" and symbol is not None and size > 0:
            name = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
            attributes[name] = repr(float(size))
            attributes[name + "Unit"] = symbol
    return attributes


def _old_channels(pixels: Element | None, count: int, only: int | None) -> list[Element]:
    """Return copies of the source's channels if they are the image's, else nothing."""
    channels = [] if pixels is None else pixels.findall("Channel")
    if only is not None:
        channels = channels[only : only + 1]
    return [copy.deepcopy(channel) for channel in channels] if len(channels) == count else []


def _planes(
    pixels: Element | None,
    sizes: Mapping[str, int],
    only: int | None,
    leading: str,
    delta_t: Any,
) -> list[Element]:
    """Return the Plane elements: the source's where the planes are the same, else the times."""
    expected = {axis: sizes.get(axis, 1) for axis in "ZCT"}
    found: dict[tuple[int, ...], Element] = {}
    for old in [] if pixels is None else pixels.findall("Plane"):
        place = [int(old.get(f"The{axis}", 0)) for axis in "ZCT"]
        if only is not None:
            if place[1] != only:
                continue
            place[1] = 0
        plane = ElementTree.Element(
            "Plane", {f"The{axis}": str(at) for axis, at in zip("ZCT", place, strict=True)}
        )
        for name in _KEPT_OF_PLANE:
            if old.get(name) is not None:
                plane.set(name, old.get(name, ""))
        found[tuple(place)] = plane
    if any(at >= expected[axis] for place in found for axis, at in zip("ZCT", place, strict=True)):
        found = {}
    if delta_t is None:
        return list(found.values())
    times = np.asarray(delta_t, np.float64)  # None becomes NaN
    if times.shape != tuple(expected[axis] for axis in leading):
        return list(found.values())
    for index in np.ndindex(times.shape):
        at_axis = dict(zip(leading, index, strict=True))
        place_at = tuple(at_axis.get(axis, 0) for axis in "ZCT")
        if place_at not in found:
            found[place_at] = ElementTree.Element(
                "Plane",
                {f"The{axis}": str(at) for axis, at in zip("ZCT", place_at, strict=True)},
            )
        if np.isfinite(times[index]):
            found[place_at].set("DeltaT", repr(float(times[index])))
            found[place_at].set("DeltaTUnit", "s")
    return list(found.values())


def _annotate(
    root: Element,
    image: Element,
    origin: Element | None,
    note: Mapping[str, Any] | None,
    imagej: Mapping[str, Any] | None,
) -> None:
    """Keep the source's annotations and add ours, with a reference from the image."""
    texts = _imagej_texts(imagej or {})
    if note is not None:
        texts[NAMESPACE] = json.dumps(note, default=_plain)
    notes = ElementTree.Element("StructuredAnnotations")
    old = None if origin is None else origin.find("StructuredAnnotations")
    for child in [] if old is None else list(old):
        namespace = child.get("Namespace") or ""
        # An older note of ours is about the source, and so is what says which axes it had taken
        # apart (modulo): ours says so for the result.
        if namespace not in (NAMESPACE, *texts) and not namespace.endswith("modulo"):
            notes.append(copy.deepcopy(child))
    for namespace, text in texts.items():
        identity = f"Annotation:{namespace.replace('/', '-')}"
        comment = ElementTree.SubElement(
            notes, "CommentAnnotation", ID=identity, Namespace=namespace
        )
        ElementTree.SubElement(comment, "Value").text = _printable(text)
        ElementTree.SubElement(image, "AnnotationRef", ID=identity)
    if len(notes):
        root.append(notes)


def _imagej_texts(imagej: Mapping[str, Any]) -> dict[str, str]:
    """Return what ImageJ keeps as text, which OME has no word for, by the comment's namespace."""
    texts = {}
    if info := imagej.get("Info"):
        texts["imagej/Info"] = str(info)
    labels = imagej.get("Labels")
    if isinstance(labels, (list, tuple)) and any(labels):
        texts["imagej/Labels"] = "\n".join(map(str, labels))
    properties = imagej.get("Properties")
    if isinstance(properties, dict) and properties:
        texts["imagej/Properties"] = "\n".join(f"{key}: {properties[key]}" for key in properties)
    return texts


def _drop_dangling(root: Element) -> None:
    """Remove references to elements that were not taken over."""
    known = {element.get("ID") for element in root.iter() if not element.tag.endswith("Ref")}
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith("Ref") and child.get("ID") not in known:
                parent.remove(child)


def _signed_rgba(color: str) -> int:
    """Return ``#rrggbb`` as OME's signed RGBA integer, opaque."""
    value = int(color.lstrip("#"), 16) << 8 | 0xFF
    return value - 2**32 if value >= 2**31 else value


def _printable(text: str) -> str:
    """Remove what XML cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def _plain(value: object) -> object:
    """Return numpy values as JSON knows them, and anything else as text."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)
