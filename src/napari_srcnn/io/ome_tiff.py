"""Write OME-TIFF plane by plane, at constant memory, under its final name only when it is whole."""

from __future__ import annotations

import contextlib
import logging
import os
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import tifffile

import napari_srcnn
from napari_srcnn.image.stack import StackError, check_axes
from napari_srcnn.image.units import PIXEL
from napari_srcnn.io import ome_xml
from napari_srcnn.io.atomic import PendingFile
from napari_srcnn.io.names import stack_name
from napari_srcnn.io.pixel_size import per_centimeter
from napari_srcnn.io.room import check_target, write_failure
from napari_srcnn.io.tiff_layout import stored_axes
from napari_srcnn.io.tiff_meaning import KeptTags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from numpy.typing import DTypeLike, NDArray

logger = logging.getLogger(__name__)

#: Ending of the files that are written.
SUFFIX = ".ome.tif"
#: Names that `compression` takes; all are lossless, and Fiji reads all of them.
COMPRESSIONS = ("zlib", "lzw", "zstd")

_BIGTIFF_FROM = 3_900_000_000  # classic TIFF ends at 4 GiB, directories included
_PLANE_OVERHEAD = 512  # bytes of a page's directory, generously


class OmeTiffWriter:
    """An OME-TIFF to be filled plane by plane: ``with writer: writer[index] = plane``.

    The planes come in C order of the leading axes. They go to a file beside the final one, which
    takes the final name when the ``with`` block ends and all planes have been written; after an
    exception, `abort` or too few planes nothing is left.

    Parameters
    ----------
    path : str or path-like
        Where to write.
    shape : tuple of int
        Shape of the whole image, as `axes`.
    dtype : dtype
        int8 to int32, uint8 to uint32, float32, float64; float16 is stored as float32 and bool as
        uint8 (0 and 1), without loss, and `notes` says so.
    axes : str
        At most three axes, then Y, X, then S for colour samples. OME knows T, C and Z; another
        letter is stored as the first free one of Z, T, C, and `read_stack` restores it.
    pixel_size, units : sequence
        One an axis, as in `Stack`.
    channel_names, channel_colors : sequence
        One a channel (``"#rrggbb"`` or None), or empty.
    metadata : mapping
        See `Stack`: the source's OME-XML, plane times, a layer's attributes.
    provenance : mapping, optional
        How the image was made (JSON values); by default ``metadata["napari_srcnn"]``.
    name : str, optional
        The image's name; by default the file's.
    compression : str, optional
        One of `COMPRESSIONS`.
    overwrite : bool
        Replace an existing file (when the new one is whole).

    Raises
    ------
    StackError
        The image does not fit OME-TIFF, the output exists, or there is no room for it on the disk.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: Sequence[int],
        dtype: DTypeLike,
        axes: str,
        pixel_size: Sequence[float] = (),
        units: Sequence[str] = (),
        *,
        channel_names: Sequence[str] = (),
        channel_colors: Sequence[str | None] = (),
        metadata: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
        name: str | None = None,
        compression: str | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.axes = axes
        self.notes: tuple[str, ...] = ()
        self._stored = ome_xml.stored_dtype(self.dtype)
        if self._stored != self.dtype:
            note = f"{self.dtype} is stored as {self._stored}, which holds the same values"
            self.notes = (note,)
            logger.info("%s: %s", self.path.name, note)
        check_axes(axes, len(self.shape))
        if 0 in self.shape:
            raise StackError(f"an image of shape {self.shape} has no pixels to write")
        if compression is not None and compression not in COMPRESSIONS:
            raise StackError(
                f"compression {compression!r} is not known; choose one of {', '.join(COMPRESSIONS)}"
            )
        self._compression = compression
        self._leading = self.shape[: len(axes.removesuffix("S")) - 2]
        self._plane_shape = self.shape[len(self._leading) :]
        self._written = 0
        self._tif: tifffile.TiffWriter | None = None
        self._pending = PendingFile(self.path)
        # What compression saves is known afterwards only; noise rarely shrinks below a quarter.
        needed = self.nbytes // (1 if compression is None else 4)
        check_target(self.path, needed, overwrite=overwrite)
        self._pixel_size = tuple(map(float, pixel_size)) or (1.0,) * len(self.shape)
        self._units = tuple(units) or (PIXEL,) * len(self.shape)
        self._tags = KeptTags.of(metadata or {})
        self._make_xml = partial(self._xml, channel_names, channel_colors, metadata or {}, name)
        self._description = self._make_xml(provenance)
        self._late_description = self._description

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels as they are stored, before compression."""
        return prod(self.shape) * self._stored.itemsize

    def __enter__(self) -> Self:
        try:
            self._tif = tifffile.TiffWriter(
                self._pending.path, bigtiff=self._file_bytes() > _BIGTIFF_FROM, ome=False
            )
        except OSError as error:
            raise self._failure(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._tif is None:  # aborted
            return
        if kind is not None:
            self.abort()
            return
        planes = prod(self._leading)
        if self._written < planes:
            self.abort()
            raise StackError(
                f"{self.path.name} was not written: {self._written} of {planes} planes came"
            )
        try:
            self._tif.close()
            self._tif = None
            if self._late_description != self._description:
                self._describe_anew()
            self._pending.commit()
        except OSError as failed:
            failure = self._failure(failed)
            self.abort()
            self._pending.discard()
            raise failure from failed

    def __setitem__(self, index: int | tuple[int, ...], plane: NDArray[Any]) -> None:
        if self._tif is None:
            raise StackError(f"{self.path.name} is not open for writing; use it in a with block")
        place = index if isinstance(index, tuple) else (index,)
        expected = (
            tuple(map(int, np.unravel_index(self._written, self._leading)))
            if self._leading and self._written < prod(self._leading)
            else ()
        )
        if place != expected or self._written >= prod(self._leading):
            raise StackError(
                f"plane {place} was given where {expected} comes next; an OME-TIFF is written "
                "plane by plane in order"
            )
        if np.shape(plane) != self._plane_shape:
            raise StackError(
                f"a plane of shape {np.shape(plane)} was given where {self._plane_shape} is wanted"
            )
        if not np.can_cast(np.asarray(plane).dtype, self._stored, "safe"):
            raise StackError(
                f"a plane of type {np.asarray(plane).dtype} was given for an image of {self.dtype}"
            )
        try:
            self._write(self._tif, np.ascontiguousarray(plane, self._stored))
        except OSError as error:
            failure = self._failure(error)  # while the disk is as full as it was
            self.abort()
            raise failure from error
        self._written += 1

    def describe(self, provenance: Mapping[str, Any]) -> None:
        """Say how the image was made when that is known in whole, before the ``with`` block ends.

        Parameters
        ----------
        provenance : mapping
            In place of what was given first.
        """
        self._late_description = self._make_xml(provenance)

    def settle(self) -> None:
        """Wait until what was written is on the disk, so that less is left to do at the end."""
        if self._tif is None or not hasattr(os, "fdatasync"):
            return
        try:
            self._tif.filehandle.flush()
            os.fdatasync(self._tif.filehandle.fileno())
        except OSError as error:
            failure = self._failure(error)
            self.abort()
            raise failure from error

    def abort(self) -> None:
        """Stop writing and remove what has been written."""
        tif, self._tif = self._tif, None
        if tif is not None:
            # The disk may be what failed, and then closing fails again.
            with contextlib.suppress(OSError):
                tif.close()
            self._pending.discard()

    def _write(self, tif: tifffile.TiffWriter, plane: NDArray[Any]) -> None:
        """Append one page."""
        samples = plane.shape[2] if plane.ndim == 3 else 1
        tags = self._tags
        predictor = self._compression in ("zlib", "lzw") and plane.dtype.kind in "iu"
        resolution = per_centimeter(self.axes, self._pixel_size, self._units)
        tif.write(
            plane,
            photometric="rgb" if samples in (3, 4) else tags.photometric,
            planarconfig="contig" if samples > 1 else None,
            extrasamples=tags.extra_samples(samples),
            extratags=tags.extra(),
            compression=self._compression,
            predictor=predictor or None,
            description=self._description if self._written == 0 else None,
            software=_creator() if self._written == 0 else False,
            resolution=resolution,
            resolutionunit=None if resolution is None else "CENTIMETER",
            metadata=None,
            contiguous=False,
        )

    def _describe_anew(self) -> None:
        """Replace the description that was written with the first page."""
        with tifffile.TiffFile(self._pending.path, mode="r+") as tif:
            # The bytes as they are: text would be encoded as ASCII.
            tif.pages.first.tags["ImageDescription"].overwrite(self._late_description)

    def _file_bytes(self) -> int:
        """Return what the file takes on the disk without compression."""
        return self.nbytes + prod(self._leading) * _PLANE_OVERHEAD + len(self._description)

    def _xml(
        self,
        channel_names: Sequence[str],
        channel_colors: Sequence[str | None],
        metadata: Mapping[str, Any],
        name: str | None,
        provenance: Mapping[str, Any] | None,
    ) -> bytes:
        """Return the file's OME-XML."""
        try:
            letters = stored_axes(self.axes)
        except ValueError as error:
            raise StackError(str(error)) from None
        made = provenance if provenance is not None else metadata.get("napari_srcnn")
        note = {
            "version": 1,
            "axes": self.axes,
            "stored_axes": letters,
            "shape": self.shape,
            "pixel_size": self._pixel_size,
            "units": self._units,
            **{name: metadata[name] for name in ("layer", "windows") if name in metadata},
            **({"napari_srcnn": made} if made is not None else {}),
        }
        return ome_xml.build(
            name=name or stack_name(self.path),
            creator=_creator(),
            shape=self.shape,
            dtype=self._stored,
            axes=letters,
            pixel_size=self._pixel_size,
            units=self._units,
            channel_names=channel_names,
            channel_colors=channel_colors,
            delta_t=metadata.get("delta_t"),
            source=metadata.get("ome_xml"),
            source_image=metadata.get("ome_image", 0),
            source_channel=metadata.get("channel"),
            note=note,
            imagej=metadata.get("imagej"),
            significant_bits=metadata.get("significant_bits"),
        )

    def _failure(self, error: OSError) -> StackError:
        """Return one sentence about a write that failed."""
        return write_failure(self.path, error, prod(self._plane_shape) * 8)


def _creator() -> str:
    """Return this program's name and version."""
    return f"napari-srcnn {napari_srcnn.__version__}"
