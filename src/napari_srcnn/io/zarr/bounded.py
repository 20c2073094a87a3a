"""Arrays of a store as they are read here: known codecs only, in pieces of a bounded size."""

from __future__ import annotations

import copy
import zipfile
from functools import cache
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.expansion import MOST_BYTES, check_expansion
from napari_srcnn.words import format_bytes

if TYPE_CHECKING:
    import zarr

# Codecs of zarr v3, and, as "numcodecs.NAME" there and by their names in v2, those of numcodecs
# that make numbers of numbers. Others make Python objects, which can run code.
_KNOWN = {"bytes", "gzip", "zstd", "blosc", "crc32c", "transpose", "sharding_indexed"}
_NUMCODECS = {
    *("zlib", "gzip", "bz2", "lzma", "zstd", "blosc", "lz4", "shuffle", "delta", "bitround"),
    *("fixedscaleoffset", "quantize", "astype", "packbits", "crc32", "crc32c", "adler32"),
    *("fletcher32", "jenkins_lookup3"),
}
# Of what describes a store, and of an index of a shard's chunks.
_MOST_TEXT = 32 * 2**20
_INDEX_BYTES = 16
_TEXTS = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata", ".xml")


def bounded(name: str, array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Return an array that decodes no chunk to more than a chunk may be.

    Parameters
    ----------
    name : str
        The store's, for messages.
    array : zarr.Array

    Raises
    ------
    StackError
        Its values are no pixels, its chunks are too large, or its codecs are not known to be safe.
    """
    import zarr

    dtype = np.dtype(array.dtype)
    if dtype.kind not in "iufb":
        raise StackError(f"{name} holds values of type {dtype}, which are no pixels")
    chunk = prod(array.chunks) * dtype.itemsize
    if chunk > MOST_BYTES:
        raise StackError(
            f"{name} has chunks of {format_bytes(chunk)}; at most {format_bytes(MOST_BYTES)} are "
            "read as one piece, so write it with smaller chunks"
        )
    index = _INDEX_BYTES * prod(
        ceil(n / step) for n, step in zip(array.shards or array.chunks, array.chunks, strict=True)
    )
    if index > MOST_BYTES:
        raise StackError(f"{name} has {index // _INDEX_BYTES:,} chunks in a shard, far too many")
    metadata = copy.copy(array.metadata)
    if metadata.zarr_format == 2:
        filters = metadata.filters
        _set(metadata, "compressor", _old(name, metadata.compressor))
        _set(metadata, "filters", filters and tuple(_old(name, one) for one in filters))
    else:
        _set(metadata, "codecs", tuple(_new(name, codec) for codec in metadata.codecs))
    return zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=array.store_path))


def check_zip(path: Path) -> None:
    """Raise StackError where members of a zip file are far larger than they are stored."""
    with zipfile.ZipFile(path) as file:
        for member in file.infolist():
            most = _MOST_TEXT if member.filename.endswith(_TEXTS) else MOST_BYTES
            is_packed = member.compress_type != zipfile.ZIP_STORED
            if member.file_size > most and (is_packed or most == _MOST_TEXT):
                raise StackError(
                    f"{path.name} holds {member.filename}, which becomes "
                    f"{format_bytes(member.file_size)}; at most {format_bytes(most)} are read"
                )


def _set(frozen: Any, name: str, value: Any) -> None:
    object.__setattr__(frozen, name, value)


def _refused(name: str, codec: str) -> StackError:
    return StackError(f"{name} is stored with the codec {codec!r}, which is not read")


def _old(name: str, codec: Any) -> Any:
    """Return a codec of numcodecs, as zarr v2 has them, that looks before it decodes."""
    if codec is None:
        return None
    known = str(codec.codec_id)
    if known not in _NUMCODECS or getattr(codec, "format", None) == 3:  # LZMA without a header
        raise _refused(name, known)
    return _as(_looking_decode(type(codec), known), codec)  # type: ignore[arg-type]


def _new(name: str, codec: Any) -> Any:
    """Return a codec of zarr v3 that looks before it decodes."""
    known = str(codec.to_dict()["name"])
    short = known.removeprefix("numcodecs.")
    if known not in _KNOWN and (short == known or short not in _NUMCODECS):
        raise _refused(name, known)
    if known == "sharding_indexed":
        inner = tuple(_new(name, one) for one in codec.codecs)
        if any(one.to_dict()["name"] == known for one in inner):
            raise _refused(name, "shards in shards")
        codec = copy.copy(codec)
        _set(codec, "codecs", inner)
        return codec
    return _as(_looking_decode_single(type(codec), short), codec)  # type: ignore[arg-type]


def _as(kind: type, codec: Any) -> Any:
    """Return the same codec as of another class."""
    codec = copy.copy(codec)
    object.__setattr__(codec, "__class__", kind)
    return codec


@cache
def _looking_decode(kind: type, known: str) -> Any:
    def decode(self: Any, buf: Any, out: Any = None) -> Any:
        check_expansion(known, _bytes(buf))
        return kind.decode(self, buf, out)  # type: ignore[attr-defined]

    return type(known, (kind,), {"decode": decode})


@cache
def _looking_decode_single(kind: type, known: str) -> Any:
    async def decode(self: Any, chunk_bytes: Any, chunk_spec: Any) -> Any:
        if known in _NUMCODECS:
            check_expansion(known, _bytes(chunk_bytes.as_array_like()))
        return await kind._decode_single(self, chunk_bytes, chunk_spec)  # type: ignore[attr-defined]

    return type(known, (kind,), {"_decode_single": decode})


def _bytes(buffer: Any) -> bytes:
    return np.ascontiguousarray(buffer).tobytes()
