"""The pixels of a TIFF series, read when they are indexed."""

from __future__ import annotations

import struct
import threading
import weakref
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_srcnn.image.stack import StackError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

    Page = tifffile.TiffPage | tifffile.TiffFrame

# A compressed page up to this size is decoded once and kept while its tiles are read; of larger
# ones only the segments that a region touches are decoded.
_PAGE_BYTES = 64 * 2**20

#: What tifffile and imagecodecs raise over files that are damaged or that they do not know
#: (imagecodecs' own errors are RuntimeErrors).
READ_ERRORS = (
    tifffile.TiffFileError,
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    struct.error,
)


class TiffArray:
    """A lazy, read-only array over one series of a TIFF file.

    Indexing with integers, slices and an ellipsis reads what is asked for and returns a numpy array
    in native byte order. Reading is safe from several threads; at most one page is kept. A pickled
    array opens the file again where it is unpickled.

    Parameters
    ----------
    path : Path
        The file, for messages.
    tif : tifffile.TiffFile
        The open file; closed with this array.
    series : tifffile.TiffPageSeries
        What to read.
    leading : tuple of int
        Lengths of the axes before Y, X.
    samples_first : bool
        Give the samples of a pixel as the last leading axis (channels) rather than after X.
    reopen : callable
        Opens the same array again: called with the arguments in `reopen_args`.
    """

    def __init__(
        self,
        path: Path,
        tif: tifffile.TiffFile,
        series: tifffile.TiffPageSeries,
        leading: tuple[int, ...],
        *,
        samples_first: bool,
        reopen: tuple[Callable[..., TiffArray], tuple[Any, ...]],
    ) -> None:
        self._path = path
        self._series = series
        self._reopen = reopen
        self._lock = threading.RLock()
        self._finalizer = weakref.finalize(self, tif.close)
        self._cached: tuple[int, NDArray[Any]] | None = None
        # (separate samples, depth, Y, X, interleaved samples): a page as it is stored.
        self._stored = tuple(int(size) for size in series.keyframe.shaped)
        separate, _, height, width, contiguous = self._stored
        self._samples = separate * contiguous
        self._samples_first = samples_first and self._samples > 1
        self._trailing = (self._samples,) if self._samples > 1 and not samples_first else ()
        self._leading = leading + ((self._samples,) if self._samples_first else ())
        self.shape: tuple[int, ...] = (*self._leading, height, width, *self._trailing)
        self.dtype: np.dtype[Any] = np.dtype(series.dtype).newbyteorder("=")
        self._offset = series.dataoffset if series.keyframe.is_final else None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array, were it in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<TiffArray {self._path.name} {self.shape} {self.dtype}>"

    def __reduce__(self) -> tuple[Callable[..., TiffArray], tuple[Any, ...]]:
        return self._reopen

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array read from a file is always a copy; leave copy=False out")
        return np.asarray(self[...], dtype)

    def close(self) -> None:
        """Close the file; reading afterwards is an error."""
        with self._lock:
            self._cached = None
            self._finalizer()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        wanted, dropped = _as_ranges(key, self.shape)
        count = len(self._leading)
        rows, columns = wanted[count], wanted[count + 1]
        out = np.empty([len(part) for part in wanted], self.dtype)
        if out.size:
            # What lies between the steps is read too: a page is stored row by row anyhow.
            (y0, y1), (x0, x1) = _span(rows), _span(columns)
            inner = (slice(None, None, rows.step), slice(None, None, columns.step))
            samples = tuple(list(part) for part in wanted[count + 2 :])
            for position in np.ndindex(*out.shape[:count]):
                index = tuple(part[n] for part, n in zip(wanted[:count], position, strict=True))
                out[position] = self._plane(index, y0, y1, x0, x1)[inner + samples]
        return out[tuple(0 if drop else slice(None) for drop in dropped)]

    def _plane(self, index: tuple[int, ...], y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        """Read a region of one plane: (Y, X), or (Y, X, S) where samples stand last."""
        sample: slice | int = slice(None)
        leading = self._leading
        if self._samples_first:
            index, sample, leading = index[:-1], index[-1], leading[:-1]
        number = int(np.ravel_multi_index(index, leading)) if index else 0
        with self._lock:
            if not self._finalizer.alive:
                raise StackError(f"{self._path.name} has been closed; open it again to read it")
            try:
                region = self._region(number, y0, y1, x0, x1)
            except StackError:
                raise
            except READ_ERRORS as error:
                raise StackError(
                    f"{self._path.name} cannot be read at plane {number + 1} "
                    f"(it is damaged, or stored in a way that is not supported): {error}"
                ) from error
        return region[..., sample if self._samples_first or self._trailing else 0]

    def _region(self, number: int, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        """Read a region of plane `number` as (Y, X, samples)."""
        page_number, depth = divmod(number, self._stored[1])
        if self._offset is not None:
            return self._raw(self._series.keyframe, self._offset, number, y0, y1, x0, x1)
        page = self._series[page_number]
        key = self._series.keyframe  # all pages of a series are stored alike
        if page is None:  # not in the file, as OME-XML allows
            return np.zeros((y1 - y0, x1 - x0, self._samples), self.dtype)
        handle = page.parent.filehandle
        reopened = handle.closed  # a further file of a multi-file series
        if reopened:
            handle.open()
        try:
            if key.is_final:
                return self._raw(page, page.dataoffsets[0], depth, y0, y1, x0, x1)
            page_bytes = prod(self._stored) * self.dtype.itemsize
            if key.is_tiled and page_bytes > _PAGE_BYTES and self._stored[1] == 1:
                return self._segments(page, y0, y1, x0, x1)
            if self._cached is None or self._cached[0] != page_number:
                self._cached = None  # let go of the old page before the new one is decoded
                self._cached = (page_number, page.asarray(squeeze=False))
            # (separate, Y, X, interleaved) of this depth; one of the two kinds of samples is 1
            planes = self._cached[1][:, depth, y0:y1, x0:x1]
            return np.moveaxis(planes, 0, 2).reshape(y1 - y0, x1 - x0, self._samples)
        finally:
            if reopened:
                handle.close()

    def _raw(
        self, page: Page, offset: int, number: int, y0: int, y1: int, x0: int, x1: int
    ) -> NDArray[Any]:
        """Read rows of a plane that is stored uncompressed, `number` planes after `offset`."""
        separate, depth, height, width, contiguous = self._stored
        row = width * contiguous
        file_dtype = self.dtype.newbyteorder(page.parent.byteorder)
        handle = page.parent.filehandle
        page_number, slice_number = divmod(number, depth)
        parts = []
        for sample in range(separate):
            plane = (page_number * separate + sample) * depth + slice_number
            handle.seek(offset + (plane * height + y0) * row * self.dtype.itemsize)
            values = handle.read_array(file_dtype, (y1 - y0) * row)
            parts.append(values.reshape(y1 - y0, width, contiguous)[:, x0:x1])
        region = parts[0] if separate == 1 else np.concatenate(parts, axis=2)
        return np.asarray(region, self.dtype)

    def _segments(self, page: Page, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        """Decode only the tiles of a page that touch the region."""
        key = self._series.keyframe
        separate, _, height, width, _ = self._stored
        rows, columns = ceil(height / key.tilelength), ceil(width / key.tilewidth)
        numbers = [
            (sample * rows + row) * columns + column
            for sample in range(separate)
            for row in range(y0 // key.tilelength, ceil(y1 / key.tilelength))
            for column in range(x0 // key.tilewidth, ceil(x1 / key.tilewidth))
        ]
        jpeg = (
            {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
            if page.jpegtables is not None or key.jpegheader is not None
            else {}
        )
        region = np.full((y1 - y0, x1 - x0, self._samples), key.nodata, self.dtype)
        for data, number in page.parent.filehandle.read_segments(
            [page.dataoffsets[n] for n in numbers],
            [page.databytecounts[n] for n in numbers],
            indices=numbers,
        ):
            segment, (sample, _, top, left, _), _ = key.decode(data, number, **jpeg)
            if segment is None:  # a tile left out of the file
                continue
            bottom = min(top + segment.shape[1], y1)
            right = min(left + segment.shape[2], x1)
            first_row, first_column = max(top, y0), max(left, x0)
            target = region[first_row - y0 : bottom - y0, first_column - x0 : right - x0]
            if separate > 1:
                target = target[..., sample : sample + 1]
            target[...] = segment[
                0, first_row - top : bottom - top, first_column - left : right - left
            ]
        return region


def _span(part: range) -> tuple[int, int]:
    """Return the half-open interval that holds all of a non-empty range."""
    return min(part[0], part[-1]), max(part[0], part[-1]) + 1


def _as_ranges(key: Any, shape: tuple[int, ...]) -> tuple[list[range], list[bool]]:
    """Return the range of each axis that `key` asks for, and whether the axis is dropped."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if any(part is Ellipsis for part in parts):
        at = next(n for n, part in enumerate(parts) if part is Ellipsis)
        missing = len(shape) - len(parts) + 1
        parts[at : at + 1] = [slice(None)] * missing
    parts += [slice(None)] * (len(shape) - len(parts))
    if len(parts) != len(shape) or any(part is Ellipsis for part in parts):
        raise IndexError(f"{key!r} does not fit an array of {len(shape)} axes")
    ranges, dropped = [], []
    for part, length in zip(parts, shape, strict=True):
        if isinstance(part, slice):
            ranges.append(range(*part.indices(length)))
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            if not -length <= part < length:
                raise IndexError(f"index {part} is out of bounds for an axis of length {length}")
            ranges.append(range(int(part) % length, int(part) % length + 1))
        else:
            raise IndexError(f"{part!r}: an array in a file takes integers and slices only")
        dropped.append(not isinstance(part, slice))
    return ranges, dropped
