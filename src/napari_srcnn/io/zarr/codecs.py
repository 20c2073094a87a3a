"""What zarr is told to make the arrays of an image with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_srcnn.image.stack import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

#: The versions of OME-Zarr that are written: zarr v3 with shards, zarr v2 without.
VERSIONS = ("0.5", "0.4")
#: Names that `compression` takes; all are lossless.
COMPRESSIONS = ("zstd", "blosc", "zlib", "none")
# Of noisy pixels, more of it makes files no smaller in twice the time.
_ZSTD_LEVEL = 1
_BLOSC_LEVEL = 5
_ZLIB_LEVEL = 6


def array_arguments(
    version: str,
    dtype: np.dtype[Any],
    chunk: Sequence[int],
    shard: Sequence[int],
    compression: str,
) -> dict[str, Any]:
    """Return keyword arguments for ``zarr.create_array``, all but the shape and names.

    Parameters
    ----------
    version : str
        One of `VERSIONS`.
    dtype : dtype
    chunk, shard : sequence of int
        In the order of the stored array; `shard` says nothing for 0.4.
    compression : str
        One of `COMPRESSIONS`.

    Raises
    ------
    StackError
        There is no such version or compression, or zarr has no such pixels.
    """
    if version not in VERSIONS:
        raise StackError(f"OME-Zarr {version} is not written; choose one of {', '.join(VERSIONS)}")
    if compression not in COMPRESSIONS:
        raise StackError(
            f"compression {compression!r} is not known; choose one of {', '.join(COMPRESSIONS)}"
        )
    if dtype.kind not in "iufb" or dtype.itemsize > 8:
        raise StackError(
            f"OME-Zarr has no pixels of type {dtype.name}; convert the image to integers or floats"
        )
    common: dict[str, Any] = {
        "dtype": dtype,
        "chunks": tuple(chunk),
        "fill_value": dtype.type(0),
        # What holds the fill value alone is not written.
        "config": {"write_empty_chunks": False},
    }
    if version == "0.4":
        return common | {
            "zarr_format": 2,
            "chunk_key_encoding": {"name": "v2", "separator": "/"},
            "compressors": _v2_compressor(compression),
        }
    return common | {
        "zarr_format": 3,
        "shards": tuple(shard),
        "compressors": _v3_compressor(compression, dtype),
    }


def _v3_compressor(name: str, dtype: np.dtype[Any]) -> Any:
    """Return zarr's codec of that name."""
    from zarr import codecs  # half a second that writing may take and an import may not

    if name == "zstd":
        return codecs.ZstdCodec(level=_ZSTD_LEVEL)
    if name == "zlib":
        return codecs.GzipCodec(level=_ZLIB_LEVEL)
    if name == "blosc":
        return codecs.BloscCodec(
            typesize=dtype.itemsize, cname="zstd", clevel=_BLOSC_LEVEL, shuffle="shuffle"
        )
    return None


def _v2_compressor(name: str) -> dict[str, Any] | None:
    """Return numcodecs' codec of that name, as its metadata says it."""
    return {
        "zstd": {"id": "zstd", "level": _ZSTD_LEVEL},
        "zlib": {"id": "zlib", "level": _ZLIB_LEVEL},
        "blosc": {"id": "blosc", "cname": "zstd", "clevel": _BLOSC_LEVEL, "shuffle": 1},
    }.get(name)
