"""Which axes the planes of a TIFF image stand along, as read and as written."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from napari_srcnn.image.units import PIXEL
from napari_srcnn.io.tiff_meaning import RGB, YCBCR, Meaning

if TYPE_CHECKING:
    from napari_srcnn.io.pixel_size import Calibration
    from napari_srcnn.io.tiff_image import TiffImage


def is_regular(image: TiffImage) -> bool:
    """Tell whether an image is planes of Y, X in a row, as all but the odd file are."""
    axes = image.axes.replace("S", "")
    planes = prod(
        size for axis, size in zip(image.axes, image.shape, strict=True) if axis not in "SYX"
    )
    stored = len(image.pages) * image.keyframe.imagedepth
    complete = planes == stored or image.run is not None
    return axes.endswith("YX") and image.transform is None and complete


def layout_of(image: TiffImage, meaning: Meaning) -> tuple[str, tuple[int, ...], bool]:
    """Return axes ending in YX or YXS, the leading lengths, and whether samples are channels."""
    axes, shape = image.axes, image.shape
    samples = "S" in axes and shape[axes.index("S")] > 1
    leading_axes = "".join(axis for axis in axes if axis not in "SYX")
    leading = tuple(size for axis, size in zip(axes, shape, strict=True) if axis not in "SYX")
    # Samples mean colour only where the file says so; else they are channels kept side by side.
    color = image.keyframe.photometric in (RGB, YCBCR) or "C" in leading_axes
    if meaning.palette is not None:
        return leading_axes + "YXS", leading, False
    if not samples:
        return leading_axes + "YX", leading, False
    if color:
        return leading_axes + "YXS", leading, False
    return leading_axes + "CYX", leading, True


def own_axes(
    own: dict[str, Any], axes: str, leading: tuple[int, ...], calibration: Calibration
) -> tuple[str, tuple[int, ...], str, list[tuple[float, str]]]:
    """Restore from our own annotation what OME-XML has no words for.

    Axis letters beside T, C and Z, axes of length 1 (tifffile drops them) and units that OME does
    not know. Ignored where another program has changed the image's shape since. Returns the axes,
    the leading lengths, OME's letters for the axes, and each axis' size and unit.
    """
    saved, shape = str(own.get("axes", "")), tuple(own.get("shape", ()))
    spatial = saved.removesuffix("S")
    if (
        len(saved) != len(shape)
        or not spatial.endswith("YX")
        or saved.endswith("S") != axes.endswith("S")
        or prod(shape[: len(spatial) - 2]) != prod(leading)
    ):
        return axes, leading, axes, calibration.sizes_of(axes)
    stored = str(own["stored_axes"])
    sizes = []
    for known, size, unit in zip(
        calibration.sizes_of(stored), own["pixel_size"], own["units"], strict=True
    ):
        # OME's value where it has one, since another program may have corrected it.
        sizes.append(known if known[1] != PIXEL else (float(size), str(unit)))
    return saved, shape[: len(spatial) - 2], stored, sizes


def stored_axes(axes: str) -> str:
    """Return the OME letter that each axis is stored as.

    T, C, Z, Y, X and S keep theirs. Another leading axis takes what is free: Z for the one nearest
    to Y, then T, then C.

    Raises
    ------
    ValueError
        More than three axes stand before Y, X: OME-TIFF has room for T, C and Z.
    """
    leading = axes.removesuffix("S")[:-2]
    if len(leading) > 3:
        raise ValueError(
            f"OME-TIFF has three axes beside Y and X, and axes {axes!r} have {len(leading)}: split "
            "the stack along one of them, or save it as Zarr or .npy"
        )
    free = [axis for axis in "ZTC" if axis not in leading]
    stored: list[str] = []
    for axis in reversed(leading):
        stored.insert(0, axis if axis in "TCZ" else free.pop(0))
    return "".join(stored) + axes[len(leading) :]
