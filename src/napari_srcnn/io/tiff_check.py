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

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.tiff_segments import Page, key_of

if TYPE_CHECKING:
    from napari_srcnn.io.tiff_image import TiffImage

logger = logging.getLogger(__name__)

# Bytes of a value, by the type of a tag: ASCII, SHORT, LONG, IFD, LONG8, IFD8.
_TAG_BYTES = {2: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}
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
    """

    pages: int
    alike: bool


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
    layouts = set()
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
            layout = []
            for tag, kind, values, value in struct.iter_unpack(entry, directory):
                outside = _TAG_BYTES.get(kind, 0) * values > inline
                if tag in _LAYOUT_TAGS:
                    layout.append((tag, kind, values, None if outside else value))
                if tag in _NEEDED_TAGS and outside:
                    end = struct.unpack(link, value)[0] + _TAG_BYTES[kind] * values
                    if end > length:
                        raise truncated
            layouts.add(tuple(layout))
            (offset,) = struct.unpack(link, file.read(struct.calcsize(link)))
    except struct.error:
        raise truncated from None
    return Chain(pages=len(seen), alike=len(layouts) < 2)


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


def _extents(page: Page) -> Iterator[tuple[int, int]]:
    """Yield where the strips or tiles of a page lie and how long they are."""
    key = key_of(page)
    if len(page.dataoffsets) == 1 and key.is_final:
        # Read as a whole, whatever length is written down.
        yield page.dataoffsets[0], key.nbytes
    else:
        yield from zip(page.dataoffsets, page.databytecounts, strict=False)
