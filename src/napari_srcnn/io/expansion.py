"""How much compressed bytes become, bounded before the memory is taken."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Any

from napari_srcnn.image.stack import StackError
from napari_srcnn.words import format_bytes

#: What is decoded as one piece takes at most so many bytes.
MOST_BYTES = 256 * 2**20
#: Of pieces of a TIFF, more is read if the file holds a part of it that is not too small.
MOST_GROWTH = 16
_PIECE = 2**20
_STREAMS: dict[str, Any] = {
    "zlib": lambda: zlib.decompressobj(zlib.MAX_WBITS),
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "bz2": bz2.BZ2Decompressor,
    "lzma": lambda: lzma.LZMADecompressor(memlimit=MOST_BYTES),
}
_ZSTD_MAGIC, _ZSTD_SKIPPED = 0xFD2FB528, 0x184D2A5
_ZSTD_BLOCK = 2**17  # a block becomes no more


def check_expansion(name: str, data: bytes) -> None:
    """Raise StackError where compressed bytes become more than is decoded as one piece.

    Parameters
    ----------
    name : str
        Of the codec: "zlib", "gzip", "bz2", "lzma", "zstd", "blosc" or "lz4"; others do not grow.
    data : bytes

    Raises
    ------
    Exception
        Of any class, where the bytes are none of that codec's.
    """
    if name in _STREAMS:
        becomes = _streamed(name, data)
    elif name == "zstd":
        becomes = _zstd(data)
    elif name == "blosc":
        becomes = int.from_bytes(data[4:8], "little")
    elif name == "lz4":
        becomes = int.from_bytes(data[:4], "little")
    else:
        return
    if becomes > MOST_BYTES:
        raise StackError(
            f"a chunk of {format_bytes(len(data))} becomes more than {format_bytes(MOST_BYTES)}"
        )


def check_picture(data: bytes) -> None:
    """Raise ValueError where a picture in a strip or tile is far larger than its bytes.

    JPEG, JPEG 2000, PNG and WebP say themselves how large they are, and their decoders believe it.
    """
    becomes = _jpeg(data) or _other_picture(data)
    if becomes > MOST_BYTES and becomes > MOST_GROWTH * len(data):
        raise ValueError(
            f"a picture of {format_bytes(len(data))} wants {format_bytes(becomes)} of memory"
        )


def _jpeg(data: bytes) -> int:
    """Return the bytes of a JPEG's pixels; 0 of what is none."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            deep, high, wide = data[at + 4], data[at + 5 : at + 7], data[at + 7 : at + 9]
            size = int.from_bytes(high, "big") * int.from_bytes(wide, "big")
            return size * data[at + 9] * -(-deep // 8)
        # Some markers, and bytes that only fill up, stand alone.
        at += 1 if marker == 0xFF else 2 if 0xD0 <= marker <= 0xD9 else 2 + length
    return 0


def _other_picture(data: bytes) -> int:
    """Return about how many bytes another picture's pixels take; 0 of what is none."""
    start = data.find(b"\xff\x4f\xff\x51", 0, 256)  # JPEG 2000, in its boxes or without
    if start >= 0:
        wide, high = (int.from_bytes(data[start + n : start + n + 4], "big") for n in (8, 12))
        return wide * high * max(int.from_bytes(data[start + 40 : start + 42], "big"), 1)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        wide, high = (int.from_bytes(data[n : n + 4], "big") for n in (16, 20))
        return wide * high * max(data[24:25], default=8) // 8
    if data[:4] == b"RIFF" and data[12:16] == b"VP8X":
        wide, high = (int.from_bytes(data[n : n + 3], "little") + 1 for n in (24, 27))
        return wide * high * 4
    return 0


def _streamed(name: str, data: bytes) -> int:
    """Return how many bytes a stream becomes, counted no further than beyond the most."""
    if name in ("zlib", "gzip") and len(data) * 1032 <= MOST_BYTES:  # it cannot become more
        return 0
    total = 0
    while data and total <= MOST_BYTES:  # what follows a stream is another one
        stream = _STREAMS[name]()
        while not stream.eof and total <= MOST_BYTES:
            total += len(stream.decompress(data, _PIECE))
            if hasattr(stream, "unconsumed_tail"):
                data = stream.unconsumed_tail
                if not data and not stream.eof:
                    return total
            elif stream.needs_input and not stream.eof:
                return total
            else:
                data = b""
        data = stream.unused_data
    return total


def _zstd(data: bytes) -> int:
    """Return what the blocks of zstd's frames become at the most; none of them is decoded."""
    at, total = 0, 0
    while at + 5 <= len(data):
        magic = int.from_bytes(data[at : at + 4], "little")
        if magic >> 4 == _ZSTD_SKIPPED:
            at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
            continue
        if magic != _ZSTD_MAGIC:
            break
        kind = data[at + 4]
        is_single = kind >> 5 & 1
        said = (is_single, 2, 4, 8)[kind >> 6]
        at += 5
        at += 0 if is_single else 1
        at += (0, 1, 2, 4)[kind & 3]
        content = int.from_bytes(data[at : at + said], "little") + (256 if said == 2 else 0)
        at += said
        blocks = 0
        while at + 3 <= len(data):
            head = int.from_bytes(data[at : at + 3], "little")
            at += 3 + (1 if head >> 1 & 3 == 1 else head >> 3)
            blocks += 1
            if head & 1:
                break
        at += 4 if kind >> 2 & 1 else 0
        # Decoders take the memory that the frame asks for.
        total += max(content, 0) if said else blocks * _ZSTD_BLOCK
    return total
