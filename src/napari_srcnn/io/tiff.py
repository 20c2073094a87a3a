"""Read TIFF, ImageJ and OME-TIFF files lazily, with what they say about their axes."""

from __future__ import annotations

import logging
import struct
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tifffile

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.image.units import PIXEL
from napari_srcnn.io.ome_xml import own_annotation
from napari_srcnn.io.pixel_size import Calibration, calibration_of
from napari_srcnn.io.tiff_array import READ_ERRORS, TiffArray

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

#: The endings that `read_stack` reads and a folder is searched for.
SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".btf", ".tf8")

_RGB, _YCBCR = 2, 6  # TIFF's PhotometricInterpretation
# Bytes of a value, by the type of a tag: ASCII, SHORT, LONG and LONG8.
_TAG_BYTES = {2: 1, 3: 2, 4: 4, 16: 8}
# ImageDescription, and where strips and tiles lie and how long they are.
_NEEDED_TAGS = {270, 273, 279, 324, 325}


def read_stack(path: str | os.PathLike[str], *, series: int = 0) -> Stack:
    """Open an image file; planes are read when they are indexed.

    Parameters
    ----------
    path : str or path-like
        A TIFF, BigTIFF, ImageJ or OME-TIFF file (striped or tiled; of a pyramid, the full
        resolution; of a multi-file OME-TIFF, any of the files that holds the whole OME-XML).
    series : int
        Which image of a file that holds several.

    Returns
    -------
    Stack
        Its `data` keeps the file open until it is closed or collected.

    Raises
    ------
    StackError
        The file is missing, truncated, damaged, no TIFF, or of a kind that is not supported.
    """
    path = Path(path)
    _check_file(path)
    try:
        tif = tifffile.TiffFile(path)
    except READ_ERRORS as error:
        raise StackError(f"{path.name} cannot be opened as a TIFF file: {error}") from error
    try:
        return _stack(path, tif, series)
    except StackError:
        tif.close()
        raise
    except READ_ERRORS as error:
        tif.close()
        raise StackError(f"{path.name} is damaged or of an unsupported kind: {error}") from error


def stack_name(path: str | os.PathLike[str]) -> str:
    """Return a file's name without its ending: ``cells`` for ``cells.ome.tif``."""
    name = Path(path).name
    ending = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(ending)] if ending else Path(path).stem


def _reopen(path: str, series: int) -> TiffArray:
    """Open the array of `path` again, for pickle."""
    data: TiffArray = read_stack(path, series=series).data
    return data


def _stack(path: Path, tif: tifffile.TiffFile, number: int) -> Stack:
    """Put together what an open file says."""
    if not 0 <= number < len(tif.series):
        raise StackError(
            f"{path.name} holds {len(tif.series)} images; there is no number {number} "
            "(they count from 0)"
        )
    if len(tif.series) > 1:
        logger.info("%s holds %d images; number %d is read", path.name, len(tif.series), number)
    series = tif.series[number]
    if series.dtype is None or 0 in series.shape:
        raise StackError(f"{path.name} holds no pixels that can be read (shape {series.shape})")
    missing = _check_pages(path, tif, series)
    calibration = calibration_of(tif, number)
    own = own_annotation(calibration.metadata.get("ome_xml"))
    data: TiffArray | NDArray[Any]
    if _is_regular(series):
        axes, leading, samples_first = _layout(series)
        axes, leading, stored, sizes = _own_axes(own, axes, leading, calibration)
        reopen = (_reopen, (str(path.absolute()), number))
        data = TiffArray(path, tif, series, leading, samples_first=samples_first, reopen=reopen)
    else:
        axes, data = _read_at_once(path, series)
        stored, sizes = axes, calibration.sizes_of(axes)
        tif.close()
    metadata = dict(calibration.metadata)
    if missing:
        logger.warning("%s lacks %d planes; they are read as zeros", path.name, missing)
        metadata["missing_planes"] = missing
    delta_t = calibration.delta_t(stored, data.shape)
    if delta_t is not None:
        metadata["delta_t"] = delta_t
    channels = data.shape[axes.index("C")] if "C" in axes else 1
    return Stack(
        data=data,
        axes=axes,
        pixel_size=tuple(size for size, _ in sizes),
        units=tuple(unit for _, unit in sizes),
        name=stack_name(path),
        channel_names=_per_channel(calibration.channel_names, channels),
        channel_colors=_per_channel(calibration.channel_colors, channels),
        metadata=metadata,
    )


def _per_channel(values: tuple[Any, ...], channels: int) -> tuple[Any, ...]:
    """Return `values` where there is one for each channel and one of them says something."""
    return values if len(values) == channels and any(values) else ()


def _is_regular(series: tifffile.TiffPageSeries) -> bool:
    """Tell whether a series is planes of Y, X in a row, as all but the odd file are."""
    axes = str(series.axes).replace("S", "")
    planes = prod(
        size for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "SYX"
    )
    stored = len(series) * series.keyframe.imagedepth
    one_run = series.dataoffset is not None and series.keyframe.is_final
    return axes.endswith("YX") and series.transform is None and (planes == stored or one_run)


def _read_at_once(path: Path, series: tifffile.TiffPageSeries) -> tuple[str, NDArray[Any]]:
    """Read a series whose planes stand in no simple order, and put Y, X (and S) last."""
    axes = str(series.axes)
    if not {"Y", "X"} <= set(axes):
        raise StackError(f"{path.name} holds no images (its axes are {axes})")
    logger.info("%s cannot be read plane by plane; it is read at once", path.name)
    wanted = "".join(axis for axis in axes if axis not in "YXS") + "YX" + "S" * axes.count("S")
    # By position, since a letter such as Q may stand twice.
    order = sorted(range(len(axes)), key=lambda n: ("YXS".find(axes[n]), n))
    return wanted, np.ascontiguousarray(series.asarray().transpose(order))


def _layout(series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...], bool]:
    """Return axes ending in YX or YXS, the leading lengths, and whether samples are channels."""
    axes, shape = str(series.axes), tuple(int(size) for size in series.shape)
    samples = "S" in axes and shape[axes.index("S")] > 1
    leading_axes = "".join(axis for axis in axes if axis not in "SYX")
    leading = tuple(size for axis, size in zip(axes, shape, strict=True) if axis not in "SYX")
    # Samples mean colour only where the file says so; else they are channels kept side by side.
    color = series.keyframe.photometric in (_RGB, _YCBCR) or "C" in leading_axes
    if not samples:
        return leading_axes + "YX", leading, False
    if color:
        return leading_axes + "YXS", leading, False
    return leading_axes + "CYX", leading, True


def _own_axes(
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


def _check_file(path: Path) -> None:
    """Raise StackError unless `path` is a file with a TIFF header and a whole chain of pages."""
    try:
        with path.open("rb") as file:
            _check_chain(path, file)
    except FileNotFoundError:
        raise StackError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise StackError(f"{path} is a folder; an image file is wanted") from None
    except OSError as error:
        raise StackError(f"{path} cannot be opened: {error.strerror or error}") from error


def _check_chain(path: Path, file: BinaryIO) -> None:
    """Follow the pages' directories to the end, which lies beyond the file's in a truncated one.

    tifffile goes on with the pages and tags it could find, so that an image would quietly be
    shorter or lose its axes.
    """
    header = file.read(16)
    length = file.seek(0, 2)
    if not header:
        raise StackError(f"{path.name} is empty")
    order = {b"II": "<", b"MM": ">"}.get(header[:2], "")
    version = struct.unpack(order + "H", header[2:4])[0] if order and length > 4 else 0
    if version not in (42, 43):
        raise StackError(
            f"{path.name} is not a TIFF file: it begins with {header[:8]!r} where TIFF has II or MM"
        )
    big = version == 43
    count, link, inline = (order + "Q", order + "Q", 8) if big else (order + "H", order + "I", 4)
    entry = f"{order}HH{'Q' if big else 'I'}{inline}s"
    truncated = StackError(f"{path.name} is truncated: its list of pages leads beyond its end")
    try:
        (offset,) = struct.unpack_from(link, header, 8 if big else 4)
        seen = set()
        while offset and offset not in seen:
            seen.add(offset)
            file.seek(offset)
            (entries,) = struct.unpack(count, file.read(struct.calcsize(count)))
            if offset + entries * struct.calcsize(entry) > length:
                raise truncated
            directory = file.read(entries * struct.calcsize(entry))
            for tag, kind, values, value in struct.iter_unpack(entry, directory):
                size = _TAG_BYTES.get(kind, 0) * values
                outside = tag in _NEEDED_TAGS and size > inline
                if outside and struct.unpack(link, value)[0] + size > length:
                    raise truncated
            (offset,) = struct.unpack(link, file.read(struct.calcsize(link)))
    except struct.error:
        raise truncated from None


def _check_pages(path: Path, tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> int:
    """Raise StackError if pixels lie beyond the end of the file; return how many planes lack."""
    sizes = {id(tif): tif.filehandle.size}
    truncated = StackError(
        f"{path.name} is truncated: the file ends before the pixels that it describes"
    )
    if series.dataoffset is not None:
        if series.dataoffset + series.nbytes > tif.filehandle.size and series.keyframe.is_final:
            raise truncated
        expected = (tif.imagej_metadata or {}).get("images", 1) if series.kind == "imagej" else 1
        if expected > prod(series.shape[:-2]) * series.keyframe.samplesperpixel:
            raise truncated
        return 0
    missing = 0
    for page in series:
        if page is None:
            missing += 1
            continue
        size = sizes.setdefault(id(page.parent), page.parent.filehandle.size)
        pairs = zip(page.dataoffsets, page.databytecounts, strict=False)
        if any(offset + count > size for offset, count in pairs):
            raise truncated
    return missing
