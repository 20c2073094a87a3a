"""How much compressed bytes become, bounded before the memory is taken."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Any

from napari_srcnn.image.stack import StackError
from napari_srcnn.words import format_bytes

#: What is decoded as one piece of an OME-Zarr takes at most so many bytes.
MOST_BYTES = 256 * 2**20
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
