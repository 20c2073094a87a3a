"""Read TIFF, ImageJ and OME-TIFF files lazily, with what they say about their axes."""

from __future__ import annotations

import contextlib
import logging
import re
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.io.names import stack_name
from napari_srcnn.io.ome_read import own_annotation, parse
from napari_srcnn.io.pixel_size import calibration_of
from napari_srcnn.io.tiff_array import TiffArray
from napari_srcnn.io.tiff_check import (
    check_file,
    check_growth,
    check_pieces,
    check_pixels,
    in_one_sentence,
)
from napari_srcnn.io.tiff_image import TiffImage
from napari_srcnn.io.tiff_images import images_of
from napari_srcnn.io.tiff_layout import is_regular, layout_of, own_axes
from napari_srcnn.io.tiff_meaning import meaning_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_DAMAGED = "is damaged or of an unsupported kind"


def read_stack(path: str | os.PathLike[str], *, series: int = 0) -> Stack:
    """Open an image of a TIFF file; see `napari_srcnn.io.read_stack`."""
    path = Path(path)
    chain = check_file(path)
    tif, said = _open(path)
    try:
        with in_one_sentence(path, _DAMAGED):
            images, left_out = images_of(path, tif, chain)
            return _stack(path, tif, images, series, said + left_out)
    except BaseException:
        tif.close()
        raise


def image_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return what the images of a TIFF file are called; see `napari_srcnn.io.image_names`."""
    with _images(path) as images:
        return tuple(image.name for image in images)


def image_files(path: str | os.PathLike[str], series: int = 0) -> tuple[Path, ...]:
    """Return the files that hold an image of a TIFF file; see `napari_srcnn.io.image_files`."""
    with _images(path) as images:
        return _files(path, images[series]) if 0 <= series < len(images) else (Path(path),)


def images_in(path: str | os.PathLike[str]) -> tuple[tuple[str, tuple[Path, ...]], ...]:
    """Return names and files of the images of a TIFF file; see `napari_srcnn.io.images_in`."""
    with _images(path) as images:
        return tuple((image.name, _files(path, image)) for image in images)


@contextlib.contextmanager
def _images(path: str | os.PathLike[str]) -> Iterator[list[TiffImage]]:
    """Open a file for what it says of its images."""
    path = Path(path)
    chain = check_file(path)
    tif, _ = _open(path)
    with tif, in_one_sentence(path, _DAMAGED):
        yield images_of(path, tif, chain)[0]


def _files(path: str | os.PathLike[str], image: TiffImage) -> tuple[Path, ...]:
    """Return the files that hold an image."""
    found = {page.parent.filehandle.path for page in image.pages if page is not None}
    return (Path(path),) if len(found) < 2 else tuple(sorted({Path(p).resolve() for p in found}))


def _reopen(path: str, series: int) -> TiffArray:
    """Open the array of `path` again, for pickle."""
    data: TiffArray = read_stack(path, series=series).data
    return data


def _open(path: Path) -> tuple[tifffile.TiffFile, tuple[str, ...]]:
    """Open a file with the description of the set that it is one of, and say if that is missing."""
    with in_one_sentence(path, "cannot be opened as a TIFF file"):
        tif = tifffile.TiffFile(path)
        try:
            root = parse(tif.ome_metadata) if tif.ome_metadata else None
            elsewhere = None if root is None else root.find("BinaryOnly")
        except BaseException:
            tif.close()
            raise
        if elsewhere is None:
            return tif, ()
        name = Path(elsewhere.get("MetadataFile", "")).name
        described = path.with_name(name) if name else path
        if described == path or not described.is_file():
            return tif, (f"{name or 'what describes the set'} is missing: this file's pages alone",)
        tif.close()
        if described.suffix.lower() in (".tif", ".tiff"):
            return tifffile.TiffFile(described), ()
        # tifffile takes the description's own name for the file's.
        text = re.sub(r'(<OME\b[^>]*?)\sUUID="[^"]*"', r"\1", described.read_text("utf-8"), count=1)
        return tifffile.TiffFile(path, omexml=text.strip()), ()


def _stack(
    path: Path,
    tif: tifffile.TiffFile,
    images: list[TiffImage],
    number: int,
    notes: tuple[str, ...],
) -> Stack:
    """Put together what an open file says."""
    if not 0 <= number < len(images):
        raise StackError(
            f"{path.name} holds {len(images)} images; there is no number {number} "
            "(they count from 0)"
        )
    image = images[number]
    if len(images) > 1:
        called = f" ({image.name})" if image.name else ""
        notes = (f"of the file's {len(images)} images this is number {number + 1}{called}", *notes)
    if 0 in image.shape:
        raise StackError(f"{path.name} holds no pixels that can be read (shape {image.shape})")
    missing = check_pixels(path, image)
    check_pieces(path, image)
    meaning = meaning_of(path, tif, image)
    calibration = calibration_of(tif, image.number)
    own = own_annotation(calibration.metadata.get("ome_xml"))
    data: TiffArray | NDArray[Any]
    if is_regular(image):
        axes, leading, samples_first = layout_of(image, meaning)
        axes, leading, stored, sizes = own_axes(own, axes, leading, calibration)
        data = TiffArray(
            path,
            tif,
            image,
            leading,
            samples_first=samples_first,
            palette=meaning.palette,
            reopen=(_reopen, (str(path.absolute()), number)),
        )
    else:
        axes, data = _read_at_once(path, image)
        stored, sizes = axes, calibration.sizes_of(axes)
        tif.close()
    metadata = {**calibration.metadata, **meaning.metadata}
    if missing:
        logger.warning("%s lacks %d planes; they are read as zeros", path.name, missing)
        metadata["missing_planes"] = missing
        are = "plane is" if missing == 1 else "planes are"
        notes += (f"{missing} {are} in none of the files and read as zeros",)
    delta_t = calibration.delta_t(stored, data.shape)
    if delta_t is not None:
        metadata["delta_t"] = delta_t
    channels = data.shape[axes.index("C")] if "C" in axes else 1
    colors = calibration.channel_colors or (meaning.color,)
    return Stack(
        data=data,
        axes=axes,
        pixel_size=tuple(size for size, _ in sizes),
        units=tuple(unit for _, unit in sizes),
        name=stack_name(path),
        channel_names=_per_channel(calibration.channel_names, channels),
        channel_colors=_per_channel(colors, channels),
        metadata=metadata,
        notes=notes + meaning.notes,
    )


def _per_channel(values: tuple[Any, ...], channels: int) -> tuple[Any, ...]:
    """Return `values` where there is one for each channel and one of them says something."""
    return values if len(values) == channels and any(values) else ()


def _read_at_once(path: Path, image: TiffImage) -> tuple[str, NDArray[Any]]:
    """Read an image whose planes stand in no simple order, and put Y, X (and S) last."""
    axes = image.axes
    if not {"Y", "X"} <= set(axes) or image.series is None:
        raise StackError(f"{path.name} holds no images (its axes are {axes})")
    logger.info("%s cannot be read plane by plane; it is read at once", path.name)
    size = prod(image.shape) * image.dtype.itemsize
    check_growth(path, size, path.stat().st_size)
    wanted = "".join(axis for axis in axes if axis not in "YXS") + "YX" + "S" * axes.count("S")
    # By position, since a letter such as Q may stand twice.
    order = sorted(range(len(axes)), key=lambda n: ("YXS".find(axes[n]), n))
    return wanted, np.ascontiguousarray(image.series.asarray().transpose(order))
