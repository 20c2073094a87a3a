"""The pixels of a TIFF image, read when they are indexed: what tifffile decodes, by region."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_srcnn.image.rect import Rect
from napari_srcnn.image.stack import StackError
from napari_srcnn.io.file_array import FileArray
from napari_srcnn.io.ranges import as_ranges
from napari_srcnn.io.tiff_check import in_one_sentence
from napari_srcnn.io.tiff_segments import (
    decoded,
    is_one_run,
    key_of,
    paste,
    read_rows,
    touched,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_srcnn.io.tiff_image import TiffImage
    from napari_srcnn.io.tiff_segments import Page, Segment

# Decoded strips and tiles are kept up to this size, since neighbouring regions share them.
_KEPT_BYTES = 64 * 2**20
# Further files of a set that stay open.
_OPEN_FILES = 8


class TiffArray(FileArray):
    """A lazy, read-only array over one image of a TIFF file.

    Indexing with integers, slices and an ellipsis reads what is asked for and returns a numpy array
    in native byte order. Reading is safe from several threads. A pickled array opens the file again
    where it is unpickled.

    Parameters
    ----------
    path : Path
        The file, for messages.
    tif : tifffile.TiffFile
        The open file; closed with this array.
    image : TiffImage
        What to read.
    leading : tuple of int
        Lengths of the axes before Y, X.
    samples_first : bool
        Give the samples of a pixel as the last leading axis (channels) rather than after X.
    palette : ndarray of shape (N, 3), optional
        Colours that the values stand for; they are read instead of the values.
    reopen : callable
        Opens the same array again: called with the arguments in `reopen_args`.
    """

    def __init__(
        self,
        path: Path,
        tif: tifffile.TiffFile,
        image: TiffImage,
        leading: tuple[int, ...],
        *,
        samples_first: bool,
        palette: NDArray[Any] | None = None,
        reopen: tuple[Callable[..., TiffArray], tuple[Any, ...]],
    ) -> None:
        super().__init__(path, reopen)
        self._image = image
        self._palette = palette
        self._lock = threading.RLock()
        self._further: OrderedDict[str, tifffile.FileHandle] = OrderedDict()
        self._finalizer = weakref.finalize(self, _close, tif, self._further)
        self._kept: OrderedDict[tuple[int, int], Segment] = OrderedDict()
        self._kept_bytes = 0
        self._runs: dict[int, bool] = {}
        # (separate samples, depth, Y, X, interleaved samples): a page as it is stored.
        separate, self._depth, height, width, contiguous = map(int, image.keyframe.shaped)
        self._stored = separate * contiguous
        samples = self._stored if palette is None else palette.shape[1]
        self._samples_first = samples_first and samples > 1
        self._trailing = (samples,) if samples > 1 and not samples_first else ()
        self._leading = leading + ((samples,) if self._samples_first else ())
        self.shape: tuple[int, ...] = (*self._leading, height, width, *self._trailing)
        self.dtype: np.dtype[Any] = image.dtype if palette is None else palette.dtype

    def close(self) -> None:
        """Close the file; reading afterwards is an error."""
        with self._lock:
            self._kept.clear()
            self._finalizer()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        wanted, dropped = as_ranges(key, self.shape)
        count = len(self._leading)
        rows, columns = wanted[count], wanted[count + 1]
        out = np.empty([len(part) for part in wanted], self.dtype)
        if out.size:
            # What lies between the steps is read too: a page is stored row by row anyhow.
            (y0, y1), (x0, x1) = _span(rows), _span(columns)
            box = Rect(y0=y0, y1=y1, x0=x0, x1=x1)
            inner = (slice(None, None, rows.step), slice(None, None, columns.step))
            samples = tuple(list(part) for part in wanted[count + 2 :])
            for position in np.ndindex(*out.shape[:count]):
                index = tuple(part[n] for part, n in zip(wanted[:count], position, strict=True))
                out[position] = self._plane(index, box)[inner + samples]
        return out[tuple(0 if drop else slice(None) for drop in dropped)]

    def _plane(self, index: tuple[int, ...], box: Rect) -> NDArray[Any]:
        """Read a region of one plane: (Y, X), or (Y, X, S) where samples stand last."""
        sample: slice | int = slice(None)
        leading = self._leading
        if self._samples_first:
            index, sample, leading = index[:-1], index[-1], leading[:-1]
        number = int(np.ravel_multi_index(index, leading)) if index else 0
        with self._lock:
            if not self._finalizer.alive:
                raise StackError(f"{self._path.name} has been closed; open it again to read it")
            with in_one_sentence(
                self._path,
                f"cannot be read at plane {number + 1} "
                "(it is damaged, or stored in a way that is not supported)",
            ):
                region = self._region(number, box)
        if self._palette is not None:
            # An index beyond the table has no colour; readers show its last one.
            region = self._palette[np.minimum(region[..., 0], len(self._palette) - 1)]
        return region[..., sample if self._samples_first or self._trailing else 0]

    def _region(self, number: int, box: Rect) -> NDArray[Any]:
        """Read a region of plane `number` as (Y, X, samples)."""
        image = self._image
        page_number, depth = divmod(number, self._depth)
        page = image.pages[0 if image.run is not None else page_number]
        if page is None:  # not in the file, as OME-XML allows
            return np.zeros((box.height, box.width, self._stored), image.dtype)
        self._open(page)
        key = key_of(page)
        if image.run is not None:
            return read_rows(page, image.run + page_number * key.nbytes, depth, box)
        if self._lies_in_one_run(page_number, page):
            return read_rows(page, page.dataoffsets[0], depth, box)
        region = np.full((box.height, box.width, self._stored), key.nodata, image.dtype)
        for segment in self._segments(page_number, page, touched(key, depth, box)):
            paste(segment, depth, box, region)
        return region

    def _lies_in_one_run(self, page_number: int, page: Page) -> bool:
        """Tell whether a page's rows follow on each other in the file, uncompressed."""
        if page_number not in self._runs:
            self._runs[page_number] = is_one_run(page)
        return self._runs[page_number]

    def _segments(self, page_number: int, page: Page, numbers: list[int]) -> list[Segment]:
        """Return the decoded strips or tiles of a page, but for those left out of the file."""
        found = {n: self._kept.get((page_number, n)) for n in numbers}
        missing = [n for n, segment in found.items() if segment is None]
        for segment in decoded(page, missing):
            found[segment.number] = segment
            self._kept[page_number, segment.number] = segment
            self._kept_bytes += segment.values.nbytes
            # Those of this very region are held by `found` as well.
            while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= self._kept.popitem(last=False)[1].values.nbytes
        return [segment for segment in found.values() if segment is not None]

    def _open(self, page: Page) -> None:
        """Open the file of a page, where it is a further one of a set; the last few stay open."""
        handle = page.parent.filehandle
        if handle.closed:
            handle.open()
            self._further[handle.path] = handle
        if handle.path in self._further:
            self._further.move_to_end(handle.path)
        while len(self._further) > _OPEN_FILES:
            self._further.popitem(last=False)[1].close()


def _close(tif: tifffile.TiffFile, further: OrderedDict[str, tifffile.FileHandle]) -> None:
    """Close a file and the further ones of its set."""
    for handle in further.values():
        handle.close()
    tif.close()


def _span(part: range) -> tuple[int, int]:
    """Return the half-open interval that holds all of a non-empty range."""
    return min(part[0], part[-1]), max(part[0], part[-1]) + 1
