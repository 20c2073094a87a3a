"""What tifffile puts up with and an image may not: lists of pages and pixels beyond the end.

tifffile goes on with the pages, tags and strips that it could find, so that an image would quietly
be shorter or lose its axes.
"""

from __future__ import annotations

import contextlib
import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.expansion import MOST_BYTES, MOST_GROWTH
from napari_srcnn.io.tiff_segments import Page, key_of
from napari_srcnn.words import format_bytes

if TYPE_CHECKING:
    from napari_srcnn.io.tiff_image import TiffImage

logger = logging.getLogger(__name__)

# Bytes of a value, by the type of a tag.
_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
# Types of the tags without which there is no image: ASCII, SHORT, LONG, IFD, LONG8, IFD8.
_TAG_TYPES = (2, 3, 4, 13, 16, 18)
_WHOLE_TYPES = {3: "H", 4: "I", 16: "Q"}
_SHARED_BYTES = 2**16
# ImageDescription, where strips and tiles lie and how long they are, and SubIFDs.
_NEEDED_TAGS = {270, 273, 279, 324, 325, 330}
# What pages that are decoded alike have in common: size, bits, compression, photometric
# interpretation, samples, rows of a strip, planes, predictor, tiles, format.
_LAYOUT_TAGS = {256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 322, 323, 339}


@contextlib.contextmanager
def in_one_sentence(path: Path, what: str) -> Iterator[None]:
    """Turn whatever other people's readers raise over a file into a StackError.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What the sentence says of it.
    """
    try:
        yield
    except (StackError, MemoryError):
        raise
    # Of damaged files tifffile, ElementTree and imagecodecs raise errors of any class.
    except Exception as error:
        logger.info("%s %s", path, what, exc_info=True)
        why = " ".join(str(error).split()) or type(error).__name__
        raise StackError(f"{path.name} {what}: {why}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The list of a file's pages.

    Attributes
    ----------
    pages : int
        How many there are.
    alike : bool
        Whether all are laid out as the first is.
    pixels : tuple of int
        Of each page: its width times its height; 1 where it does not say them.
    """

    pages: int
    alike: bool
    pixels: tuple[int, ...] = ()

    def pixels_from(self, page: int) -> int:
        """Return the pixels of the smallest page from one on."""
        return min(self.pixels[page if 0 <= page < len(self.pixels) else 0 :], default=1)


def check_file(path: Path) -> Chain:
    """Raise StackError unless `path` is a file with a TIFF header and a whole chain of pages."""
    try:
        with path.open("rb") as file:
            return _chain(path, file)
    except FileNotFoundError:
        raise StackError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise StackError(f"{path} is a folder; an image file is wanted") from None
    except OSError as error:
        raise StackError(f"{path} cannot be opened: {error.strerror or error}") from error


def _chain(path: Path, file: BinaryIO) -> Chain:
    """Follow the pages' directories to the end, which lies beyond the file's in a truncated one."""
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
    overlapping = StackError(
        f"{path.name} is damaged: its lists of tags lie over each other, so that they are longer "
        "than the file"
    )
    layouts = set()
    pixels: list[int] = []
    listed = 0
    try:
        (offset,) = struct.unpack_from(link, header, 8 if big else 4)
        seen = set()
        while offset:
            if offset in seen:
                raise StackError(
                    f"{path.name} is damaged: its list of pages leads back to one of them, so that "
                    "there is no telling how many it has"
                )
            seen.add(offset)
            file.seek(offset)
            (entries,) = struct.unpack(count, file.read(struct.calcsize(count)))
            if offset + entries * struct.calcsize(entry) > length:
                raise truncated
            directory = file.read(entries * struct.calcsize(entry))
            listed += len(directory)
            layout, sides, kept = [], {256: 1, 257: 1}, 0
            for tag, kind, values, value in struct.iter_unpack(entry, directory):
                size = _TYPE_BYTES.get(kind, 0) * values
                outside = size > inline
                kept += size if outside and size <= length else 0
                if tag in sides and kind in _WHOLE_TYPES and not outside:
                    sides[tag] = struct.unpack_from(order + _WHOLE_TYPES[kind], value)[0]
                if tag in _LAYOUT_TAGS:
                    layout.append((tag, kind, values, None if outside else value))
                is_needed = tag in _NEEDED_TAGS and kind in _TAG_TYPES and outside
                if is_needed and struct.unpack(link, value)[0] + size > length:
                    raise truncated
            # Values may be shared by tags, but only small ones are.
            if listed > length or kept > length + _SHARED_BYTES:
                raise overlapping
            layouts.add(tuple(layout))
            pixels.append(max(sides[256] * sides[257], 1))
            (offset,) = struct.unpack(link, file.read(struct.calcsize(link)))
    except struct.error:
        raise truncated from None
    return Chain(pages=len(seen), alike=len(layouts) < 2, pixels=tuple(pixels))


def check_pixels(path: Path, image: TiffImage) -> int:
    """Raise StackError if pixels lie beyond the end of the file; return how many planes lack."""
    truncated = StackError(
        f"{path.name} is truncated: the file ends before the pixels that it describes"
    )
    key = image.keyframe
    if image.run is not None:
        size = key.parent.filehandle.size
        if image.run + prod(image.shape) * image.dtype.itemsize > size:
            raise truncated
        return 0
    sizes: dict[int, int] = {}
    missing = 0
    for number, page in enumerate(image.pages):
        if page is None:
            missing += 1
            continue
        size = sizes.setdefault(id(page.parent), page.parent.filehandle.size)
        if any(offset + count > size for offset, count in _extents(page)):
            raise truncated
        if len(page.dataoffsets) < prod(key_of(page).chunked) and not key_of(page).is_lsm:
            raise StackError(
                f"{path.name} is damaged: page {number + 1} has {len(page.dataoffsets)} strips or "
                f"tiles where its size takes {prod(key_of(page).chunked)}"
            )
    return missing


def check_pieces(path: Path, image: TiffImage) -> None:
    """Raise StackError where a strip or tile becomes far more than the file holds of it."""
    looked_at: set[int] = set()
    for page in image.pages:
        if page is None or id(key_of(page)) in looked_at:
            continue
        key = key_of(page)
        looked_at.add(id(key))
        piece = prod(key.chunks) * np.dtype(key.dtype).itemsize
        if key.compression != 1:
            check_growth(path, piece, max(page.databytecounts, default=0))


def check_growth(path: Path, becomes: int, stored: int) -> None:
    """Raise StackError where few bytes of a file become more than is read as one piece."""
    if becomes > MOST_BYTES and becomes > MOST_GROWTH * stored:
        raise StackError(
            f"{path.name} wants {format_bytes(becomes)} of memory for a piece that takes "
            f"{format_bytes(stored)} in the file, which no image does"
        )


def _extents(page: Page) -> Iterator[tuple[int, int]]:
    """Yield where the strips or tiles of a page lie and how long they are."""
    key = key_of(page)
    if len(page.dataoffsets) == 1 and key.is_final:
        # Read as a whole, whatever length is written down.
        yield page.dataoffsets[0], key.nbytes
    else:
        yield from zip(page.dataoffsets, page.databytecounts, strict=False)
