"""A region of a TIFF page: the strips or tiles that it touches, as tifffile decodes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_srcnn.image.rect import Rect
from napari_srcnn.io.expansion import check_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

Page = tifffile.TiffPage | tifffile.TiffFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A decoded strip or tile.

    Attributes
    ----------
    number : int
        Its place in the page's lists.
    values : ndarray, (depth, Y, X, samples)
    sample, depth, y, x : int
        Where its first value lies in the page.
    """

    number: int
    values: NDArray[Any]
    sample: int
    depth: int
    y: int
    x: int


def key_of(page: Page) -> tifffile.TiffPage:
    """Return the page that says how a page is stored."""
    if page.keyframe is None:
        raise tifffile.TiffFileError("a page has no layout")
    return page.keyframe


def is_one_run(page: Page) -> bool:
    """Tell whether a page's rows follow on each other in the file, in their final form.

    Of a page by itself: tifffile takes frames for laid out as the first page is, and a later page's
    strips may lie apart or in another order.
    """
    key = key_of(page)
    if key.is_tiled or key.compression != 1 or key.predictor != 1 or key.fillorder != 1:
        return False
    if key.bitspersample not in (8, 16, 32, 64) or key.sampleformat == 5 or key.is_subsampled:
        return False
    offsets, counts = page.dataoffsets, page.databytecounts
    if len(offsets) == 1 or key.is_lsm or key.is_stk:
        return True
    if sum(counts) != key.nbytes or len(offsets) != len(counts):
        return False
    ends = (offset + count for offset, count in zip(offsets, counts, strict=True))
    return all(end == following for end, following in zip(ends, offsets[1:], strict=False))


def read_rows(page: Page, offset: int, depth: int, box: Rect) -> NDArray[Any]:
    """Read a region of a page that lies in one run from `offset` on, as (Y, X, samples)."""
    key = key_of(page)
    separate, depths, height, width, contiguous = key.shaped
    file_dtype = np.dtype(key.dtype).newbyteorder(page.parent.byteorder)
    handle = page.parent.filehandle
    row = width * contiguous
    parts = []
    for sample in range(separate):
        first = (sample * depths + depth) * height + box.y0
        handle.seek(offset + first * row * file_dtype.itemsize)
        values = handle.read_array(file_dtype, box.height * row)
        parts.append(values.reshape(box.height, width, contiguous)[:, box.x0 : box.x1])
    region = parts[0] if separate == 1 else np.concatenate(parts, axis=2)
    return region.astype(file_dtype.newbyteorder("="), copy=False)


def touched(key: tifffile.TiffPage, depth: int, box: Rect) -> list[int]:
    """Return the numbers of the strips or tiles that hold a part of a region."""
    separate, depths, height, width, _ = key.shaped
    deep, high, wide = (
        (key.tiledepth, key.tilelength, key.tilewidth)
        if key.is_tiled
        else (1, key.rowsperstrip, width)
    )
    grid = (separate, ceil(depths / deep), ceil(height / high), ceil(width / wide))
    rows = range(box.y0 // high, ceil(box.y1 / high))
    columns = range(box.x0 // wide, ceil(box.x1 / wide))
    places = product(range(separate), [depth // deep], rows, columns)
    return [int(np.ravel_multi_index(place, grid)) for place in places]


def decoded(page: Page, numbers: list[int]) -> Iterator[Segment]:
    """Read and decode strips or tiles of a page; those that are left out of the file are missing.

    Raises
    ------
    Exception
        Of any class, if they are damaged.
    """
    key = key_of(page)
    jpeg = (
        {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
        if page.jpegtables is not None or key.jpegheader is not None
        else {}
    )
    read = page.parent.filehandle.read_segments(
        [page.dataoffsets[n] for n in numbers],
        [page.databytecounts[n] for n in numbers],
        indices=numbers,
    )
    for data, number in read:
        if not isinstance(number, int):
            raise TypeError("tifffile reads strips in lists")
        if isinstance(data, bytes) and key.compression != 1:
            check_picture(data)
        values, (sample, depth, y, x, _), _ = key.decode(data, number, **jpeg)
        if values is not None:
            yield Segment(number=number, values=values, sample=sample, depth=depth, y=y, x=x)


def paste(segment: Segment, depth: int, box: Rect, region: NDArray[Any]) -> None:
    """Put what a strip or tile holds of a region into it, (Y, X, samples)."""
    _, high, wide, samples = segment.values.shape
    y0, y1 = max(segment.y, box.y0), min(segment.y + high, box.y1)
    x0, x1 = max(segment.x, box.x0), min(segment.x + wide, box.x1)
    first = segment.sample
    region[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0, first : first + samples] = (
        segment.values[
            depth - segment.depth,
            y0 - segment.y : y1 - segment.y,
            x0 - segment.x : x1 - segment.x,
        ]
    )
