"""What a TIFF says of its pixels' size, its channels and its times: OME, ImageJ or plain tags."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.units import PIXEL, is_time, to_micrometers, to_seconds, unit_name
from napari_srcnn.io.ome_read import image_of, own_annotation
from napari_srcnn.io.tiff_meaning import lut_color

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import tifffile

logger = logging.getLogger(__name__)

_INCH, _CENTIMETER = 2, 3  # TIFF's ResolutionUnit
_UM = {_INCH: 25400.0, _CENTIMETER: 10000.0}
# Dots per inch that scanners and image editors write, the ones that are no multiple of 12 or 25.
_PRINT_DPI = (1.0, 10.0, 90.0, 110.0, 130.0, 160.0, 170.0, 220.0, 1440.0, 2400.0, 4800.0, 9600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a file says, by axis letter.

    Attributes
    ----------
    sizes : dict
        (size, unit) of an axis, only where known.
    channel_names : tuple of str
        Possibly empty.
    channel_colors : tuple of str or None
        ``"#rrggbb"``; possibly empty.
    times : dict
        Seconds since the start of a plane, by (t, c, z).
    metadata : dict
        See `Stack.metadata`.
    """

    sizes: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[str | None, ...] = ()
    times: Mapping[tuple[int, int, int], float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def sizes_of(self, axes: str) -> list[tuple[float, str]]:
        """Return (size, unit) of each axis, (1, pixel) where unknown."""
        return [self.sizes.get(axis, (1.0, PIXEL)) for axis in axes]

    def delta_t(self, axes: str, shape: tuple[int, ...]) -> Any:
        """Return the planes' times in seconds, nested as the leading axes, or None."""
        leading = axes.removesuffix("S")[:-2]
        if not self.times or not set(leading) <= set("TCZ"):
            return None
        times = np.full(shape[: len(leading)], None, object)
        for index in np.ndindex(times.shape):
            place = dict(zip(leading, index, strict=True))
            times[index] = self.times.get(tuple(place.get(axis, 0) for axis in "TCZ"))
        return times.tolist()


def calibration_of(tif: tifffile.TiffFile, number: int) -> Calibration:
    """Return what an open file says about its image `number`."""
    xml = tif.ome_metadata
    if xml:
        image = image_of(xml, number)
        if image is not None:
            return _from_ome(image, xml, number)
        logger.warning("the OME-XML of %s cannot be read and is left out", tif.filename)
    if tif.is_imagej and tif.imagej_metadata is not None:
        return _from_imagej(tif, tif.imagej_metadata)
    return _from_tags(tif)


def per_centimeter(
    axes: str, pixel_size: Sequence[float], units: Sequence[str]
) -> tuple[float, float] | None:
    """Return how many pixels along X and Y make a centimetre, if TIFF has numbers for that."""
    sizes = [
        to_micrometers(size, unit)
        for axis, size, unit in zip(axes, pixel_size, units, strict=True)
        if axis in "YX"
    ]
    y, x = (_UM[_CENTIMETER] / size if size else 0.0 for size in sizes)
    # Beyond TIFF's fractions of 32 bits, OME alone says it.
    return (x, y) if all(1e-6 < value < 4e9 for value in (x, y)) else None


def _from_ome(image: Any, xml: str, number: int) -> Calibration:
    """Read an OME Image element (without namespaces)."""
    pixels = image.find("Pixels")
    sizes: dict[str, tuple[float, str]] = {}
    for axis, name, default in (
        ("X", "PhysicalSizeX", "µm"),
        ("Y", "PhysicalSizeY", "µm"),
        ("Z", "PhysicalSizeZ", "µm"),
        ("T", "TimeIncrement", "s"),
    ):
        size = _positive(pixels.get(name))
        unit = unit_name(pixels.get(name + "Unit", default))
        if size is not None and unit is not None:
            sizes[axis] = (size, unit)
    channels = pixels.findall("Channel")
    times = {}
    for plane in pixels.findall("Plane"):
        time = _number(plane.get("DeltaT"))
        unit = unit_name(plane.get("DeltaTUnit", "s"))
        if time is not None and unit is not None and is_time(unit):
            place = tuple(int(plane.get(f"The{axis}", 0)) for axis in "TCZ")
            times[place] = to_seconds(time, unit)
    metadata: dict[str, Any] = {"ome_xml": xml}
    bits = _positive(pixels.get("SignificantBits"))
    if bits is not None:
        metadata["significant_bits"] = int(bits)
    if number:
        metadata["ome_image"] = number
    own = own_annotation(xml)
    metadata |= {name: own[name] for name in ("layer", "napari_srcnn") if name in own}
    windows = _windows(own.get("windows"))
    if any(windows):
        metadata["windows"] = windows
    return Calibration(
        sizes=sizes,
        channel_names=tuple(channel.get("Name", "") for channel in channels),
        channel_colors=tuple(_ome_color(channel.get("Color")) for channel in channels),
        times=times,  # type: ignore[arg-type]  # three letters give three integers
        metadata=metadata,
    )


def _from_imagej(tif: tifffile.TiffFile, tags: Mapping[str, Any]) -> Calibration:
    """Read ImageJ's own metadata; X and Y stand in the TIFF resolution tags, in ImageJ's unit."""
    sizes: dict[str, tuple[float, str]] = {}
    unit = unit_name(tags.get("unit", ""))
    resolution = _resolution(tif)
    if unit is None:
        # As ImageJ does, the tags' own unit.
        sizes |= _from_tags(tif).sizes
    elif resolution is not None:
        sizes["X"] = (resolution[0], unit)
        sizes["Y"] = (resolution[1], unit_name(tags.get("yunit", "")) or unit)
    # ImageJ writes no spacing where it is 1, and a negative one for a stack from the other end.
    spacing = _positive(tags.get("spacing", 1.0 if "X" in sizes else None))
    if spacing is not None and (unit is not None or "spacing" in tags):
        sizes["Z"] = (spacing, unit_name(tags.get("zunit", "")) or unit or PIXEL)
    interval = _positive(tags.get("finterval"))
    if interval is not None:
        sizes["T"] = (interval, unit_name(tags.get("tunit", "")) or "second")
    kept = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in tags.items()
        if name not in ("LUTs", "Overlays", "ROI", "IJMetadata")
    }
    channels = int(tags.get("channels", 1))
    metadata: dict[str, Any] = {"imagej": kept}
    windows = _imagej_windows(tags, channels)
    if any(windows):
        metadata["windows"] = windows
    return Calibration(
        sizes=sizes,
        channel_names=_label_names(tags.get("Labels"), channels, int(tags.get("images", 1))),
        channel_colors=_lut_colors(tags.get("LUTs", ())),
        metadata=metadata,
    )


def _from_tags(tif: tifffile.TiffFile) -> Calibration:
    """Read the TIFF resolution tags, where they are no printer's."""
    page = tif.pages.first
    unit = page.tags.valueof("ResolutionUnit", default=_INCH)
    resolution = _resolution(tif)
    if resolution is None or unit not in _UM:
        return Calibration()
    x, y = (size * _UM[int(unit)] for size in resolution)
    if _is_printer_s(x) and _is_printer_s(y):
        return Calibration()
    return Calibration(sizes={"X": (x, "micrometer"), "Y": (y, "micrometer")})


def _is_printer_s(micrometers: float) -> bool:
    """Tell whether a pixel size is a printer's or a screen's: a usual number of dots per inch.

    Within a thousandth, since 300 dots per inch are written as 118.11 per centimetre, too.
    """
    dpi = _UM[_INCH] / micrometers
    steps = [round(dpi / step) * step for step in (12, 25) if dpi < 1250]
    return any(usual and abs(dpi - usual) <= 1e-3 * usual for usual in (*steps, *_PRINT_DPI))


def _resolution(tif: tifffile.TiffFile) -> tuple[float, float] | None:
    """Return the pixel size along X and Y, in the file's unit."""
    sizes = []
    for name in ("XResolution", "YResolution"):
        value = tif.pages.first.tags.valueof(name)
        if value is None or value[0] == 0 or value[1] == 0:
            return None
        sizes.append(abs(value[1] / value[0]))
    return sizes[0], sizes[1]


def _ome_color(text: str | None) -> str | None:
    """Return OME's signed RGBA integer as ``#rrggbb``."""
    if text is None or not re.fullmatch(r"-?\d+", text):
        return None
    return f"#{(int(text) & 0xFFFFFFFF) >> 8:06x}"


def _lut_colors(tables: Any) -> tuple[str | None, ...]:
    """Return the colours of ImageJ's look-up tables; of a single one tifffile makes no list."""
    luts = np.asarray(tables) if len(tables) else np.zeros((0, 3, 256))
    return tuple(lut_color(lut) for lut in (luts[None] if luts.ndim == 2 else luts))


def _label_names(labels: Any, channels: int, images: int) -> tuple[str, ...]:
    """Return channel names from ImageJ's slice labels, where the first planes name them."""
    if channels < 2 or not isinstance(labels, (list, tuple)) or len(labels) != images:
        return ()
    texts = [str(label).strip() for label in labels]
    names = tuple(texts[:channels])
    # What each plane is called otherwise is no channel's name.
    repeats = all(text in ("", names[n % channels]) for n, text in enumerate(texts))
    return names if repeats and all(names) and len(set(names)) == channels else ()


def _imagej_windows(tags: Mapping[str, Any], channels: int) -> list[tuple[float, float] | None]:
    """Return the intensities that ImageJ shows as darkest and brightest, one pair a channel."""
    if "cf" in tags:
        return []  # of values that are calibrated, which is not applied
    ranges = tags.get("Ranges")
    if ranges is None and channels == 1:
        ranges = (tags.get("min"), tags.get("max"))
    if not isinstance(ranges, (tuple, list, np.ndarray)) or len(ranges) != 2 * channels:
        return []
    return _windows(list(zip(ranges[::2], ranges[1::2], strict=True)))


def _windows(pairs: Any) -> list[tuple[float, float] | None]:
    """Return pairs of two numbers, None for what is none; of what a file may say wrongly."""
    found: list[tuple[float, float] | None] = []
    for pair in pairs if isinstance(pairs, list) else ():
        two = isinstance(pair, (tuple, list)) and len(pair) == 2
        low, high = map(_number, pair) if two else (None, None)
        known = low is not None and high is not None and low < high
        found.append((low, high) if known else None)  # type: ignore[arg-type]
    return found


def _number(text: Any) -> float | None:
    """Return a finite number, or None for anything else."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _positive(text: Any) -> float | None:
    """Return how large a number other than zero is, or None for anything else."""
    value = _number(text)
    return abs(value) if value else None
