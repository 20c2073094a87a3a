"""OME-Zarr: folders and zip files whose metadata promise too much or lead elsewhere."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fuzzing.case import Drawn, Kind
from fuzzing.images import ome_xml, read_all
from fuzzing.values import NUMBERS, WAYS_OUT, altered, as_json
from napari_srcnn.image.stack import StackError

SHAPE = (2, 8, 8)
# Bytes that little becomes.
BOMBS = (2 * 10**8, 3 * 10**9)


def _array(version: str, codecs: list[Any] | None = None) -> dict[str, Any]:
    if version == "0.4":
        return {
            "zarr_format": 2,
            "shape": list(SHAPE),
            "chunks": [1, 8, 8],
            "dtype": "<u2",
            "compressor": codecs[0] if codecs else None,
            "fill_value": 0,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        }
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(SHAPE),
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 8, 8]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [little, *(codecs or [])],
        "attributes": {},
        "dimension_names": ["z", "y", "x"],
    }


def _described(path: str = "0") -> dict[str, Any]:
    return {
        "multiscales": [
            {
                "name": "a",
                "version": "0.4",
                "axes": [
                    {"name": "z", "type": "space", "unit": "micrometer"},
                    {"name": "y", "type": "space", "unit": "micrometer"},
                    {"name": "x", "type": "space", "unit": "micrometer"},
                ],
                "datasets": [
                    {
                        "path": path,
                        "coordinateTransformations": [{"type": "scale", "scale": [1.0, 0.5, 0.5]}],
                    }
                ],
            }
        ],
        "omero": {
            "channels": [
                {
                    "color": "FF0000",
                    "label": "a",
                    "window": {"start": 0, "end": 9, "min": 0, "max": 9},
                }
            ]
        },
    }


_CODECS: dict[str, tuple[list[Any], Any]] = {
    "none": ([], bytes),
    "gzip": ([{"name": "gzip", "configuration": {"level": 9}}], None),
    "zstd": ([{"name": "zstd", "configuration": {"level": 3, "checksum": False}}], None),
    "blosc": (
        [
            {
                "name": "blosc",
                "configuration": {
                    "cname": "zstd",
                    "clevel": 3,
                    "shuffle": "noshuffle",
                    "typesize": 1,
                    "blocksize": 0,
                },
            }
        ],
        None,
    ),
}
_OLD_CODECS = {
    "none": [],
    "gzip": [{"id": "gzip", "level": 9}],
    "zlib": [{"id": "zlib", "level": 9}],
    "zstd": [{"id": "zstd", "level": 3}],
    "blosc": [{"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 0}],
    "lz4": [{"id": "lz4", "acceleration": 1}],
    "bz2": [{"id": "bz2", "level": 9}],
    "lzma": [{"id": "lzma", "format": 1, "preset": 1}],
    "pickle": [{"id": "pickle", "protocol": 2}],
}


def packed(name: str, plain: bytes) -> bytes:
    """Return bytes as a codec stores them."""
    import numcodecs

    if name == "none":
        return plain
    if name == "lz4":  # its length stands in front
        return struct.pack("<I", len(plain)) + bytes(20)
    coder = {
        "gzip": numcodecs.GZip(9),
        "zlib": numcodecs.Zlib(9),
        "zstd": numcodecs.Zstd(3),
        "blosc": numcodecs.Blosc("zstd", 3, 0),
        "bz2": numcodecs.BZ2(9),
        "lzma": numcodecs.LZMA(preset=1),
        "pickle": numcodecs.Pickle(),
    }[name]
    value = np.frombuffer(plain, np.uint8)
    if name == "pickle":
        value = value.astype(object)[:10]
    return bytes(coder.encode(value))


def bomb(name: str, size: int) -> bytes:
    """Return a few kilobytes that a codec makes `size` zeros of, as good as at once."""
    if name in ("gzip", "bz2", "lzma"):
        part = 10**7  # these go on with what follows
        return packed(name, bytes(part)) * (size // part)
    if name == "zlib":
        return deflated(size, zlib.MAX_WBITS)
    if name == "zstd":
        block = 2**17
        blocks = -(-size // block)
        head = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", blocks * block)
        rows = [(block << 3 | 1 << 1).to_bytes(3, "little") + b"\0"] * (blocks - 1)
        return head + b"".join(rows) + (block << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    if name == "blosc":
        small = packed(name, bytes(1000))
        return small[:4] + struct.pack("<I", min(size, 2**31 - 17)) + small[8:]
    if name == "lz4":
        return struct.pack("<I", min(size, 2**31 - 1)) + bytes(20)
    return bytes(10**6)


def deflated(size: int, bits: int = -zlib.MAX_WBITS) -> bytes:
    """Return a deflate stream of zeros: the same few kilobytes again and again."""
    part = 10**7
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    first = packer.compress(bytes(part)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(part)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (size // part - 1) + packer.flush()


@st.composite
def stores(draw: st.DrawFn) -> Drawn:
    """The files of an OME-Zarr, in a folder or a zip file."""
    version = draw(st.sampled_from(["0.4", "0.5"]))
    old = version == "0.4"
    name = draw(st.sampled_from(list(_OLD_CODECS if old else _CODECS)))
    codecs = _OLD_CODECS[name] if old else _CODECS[name][0]
    array, path = _array(version, codecs), "0"
    way = draw(st.integers(0, 5)) == 0
    if way:
        path = draw(st.sampled_from(WAYS_OUT))
    ome: Any = _described(path)
    where = draw(st.sampled_from(["array", "array", "image", "image", "group", "chunk", "none"]))
    if where == "array":
        array = draw(altered(array))
        if isinstance(array, dict) and draw(st.booleans()):
            _enlarge(
                array, old, draw(st.lists(NUMBERS, min_size=3, max_size=3)), draw(st.booleans())
            )
    elif where == "image":
        ome = draw(altered(ome))
    groups = draw(st.sampled_from(["image"] * 4 + ["plate", "well", "series", "labels", "plain"]))
    elsewhere = draw(st.sampled_from([*WAYS_OUT, "0"]))
    if groups == "plate":
        ome = {"plate": {"wells": [{"path": elsewhere}], "rows": [], "columns": []}}
    elif groups == "well":
        ome = {"well": {"images": [{"path": elsewhere}]}}
    elif groups == "series":
        ome = {"bioformats2raw.layout": 3}
    elif groups == "labels":
        ome = {"labels": [elsewhere, draw(NUMBERS)]}
    elif groups == "plain":
        ome = {}
    if groups != "image" and draw(st.booleans()):
        ome = draw(altered(ome))
    size = draw(st.sampled_from([128, 0, 5, 10**6, *BOMBS])) if where == "chunk" else 128
    chunk = _chunk(name, size)
    if draw(st.integers(0, 7)) == 0:
        chunk = draw(st.binary(max_size=64))
    group: Any = {"zarr_format": 2} if old else {"zarr_format": 3, "node_type": "group"}
    files = _files(draw, old, group, ome, array, chunk, where)
    if groups == "series":
        xml = draw(ome_xml(pages=2)).encode()
        files["OME/METADATA.ome.xml"] = xml
    # What must not be found.
    beside = {f"../outside/secret/{key}": content for key, content in files.items()}
    if draw(st.integers(0, 2)):
        return {
            f"a.ome.zarr/{key}": content for key, content in files.items()
        } | beside, "a.ome.zarr"
    return {"a.zarr.zip": draw(_zipped(files))} | beside, "a.zarr.zip"


def _enlarge(array: dict[str, Any], old: bool, sizes: list[Any], chunks: bool) -> None:
    """Give an array sizes that it cannot have, and chunks as large."""
    array["shape"] = sizes
    if chunks and old:
        array["chunks"] = sizes
    elif chunks and isinstance(array.get("chunk_grid"), dict):
        array["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": sizes}}


_packed: dict[tuple[str, int], bytes] = {}


def _chunk(name: str, size: int) -> bytes:
    """Return a chunk of zeros; those of bombs are made once."""
    if (name, size) not in _packed:
        is_bomb = size in BOMBS
        _packed[name, size] = bomb(name, size) if is_bomb else packed(name, bytes(size))
    return _packed[name, size]


def _files(
    draw: st.DrawFn, old: bool, group: Any, ome: Any, array: Any, chunk: bytes, where: str
) -> dict[str, bytes]:
    if old:
        attributes = draw(as_json(ome)) if where == "group" else json.dumps(ome).encode()
        return {
            ".zgroup": json.dumps(group).encode(),
            ".zattrs": attributes,
            "0/.zarray": draw(as_json(array)) if where == "array" else json.dumps(array).encode(),
            "0/0/0/0": chunk,
        }
    group = group | {
        "attributes": {"ome": {"version": "0.5", **ome} if isinstance(ome, dict) else ome}
    }
    if where == "group":
        group = draw(altered(group))
        kept = draw(st.sampled_from([None, {"kind": "inline", "must_understand": False}]))
        if kept and isinstance(group, dict):
            listed = {draw(st.sampled_from([*WAYS_OUT, "0"])): array}
            group["consolidated_metadata"] = kept | {"metadata": listed}
    return {
        "zarr.json": draw(as_json(group)) if where == "group" else json.dumps(group).encode(),
        "0/zarr.json": draw(as_json(array)) if where == "array" else json.dumps(array).encode(),
        "0/c/0/0/0": chunk,
    }


@st.composite
def _zipped(draw: st.DrawFn, files: dict[str, bytes]) -> bytes:
    """A zip file, which may hold names that lead elsewhere, or members that are bombs."""
    file = io.BytesIO()
    top = draw(st.sampled_from(["", "", "a.zarr/", "../", "/", "a/../b/"]))
    big = draw(st.sampled_from([None] * 6 + [*files]))
    how = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    size = 0
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", how) as store:
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in files.items():
            if name == big:
                size = draw(st.sampled_from(BOMBS))
                store.writestr(top + name, deflated(size), zipfile.ZIP_STORED)
            else:
                store.writestr(top + name, content)
        for name in draw(st.lists(st.sampled_from([*WAYS_OUT, "0", "zarr.json"]), max_size=2)):
            store.writestr(name.replace("\0", "") or "x", b"{}")
        places = {info.filename: info.header_offset for info in store.infolist()}
        directory = store.start_dir
    if size:
        _call_deflated(file.getbuffer(), top + str(big), places[top + str(big)], directory, size)
    content = bytearray(file.getvalue())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, len(content) - 1))
        content[at] = draw(st.integers(0, 255))
    return bytes(content)


def zip_with_bomb(files: dict[str, bytes], name: str, size: int) -> bytes:
    """Return a zip file of which one member is zeros without end."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as store:
        for one, content in files.items():
            store.writestr(one, deflated(size) if one == name else content)
        place, directory = store.getinfo(name).header_offset, store.start_dir
    _call_deflated(file.getbuffer(), name, place, directory, size)
    return file.getvalue()


def _call_deflated(content: memoryview, name: str, local: int, directory: int, size: int) -> None:
    """Have a zip file say that a member, stored as it is, is deflated and so large."""
    struct.pack_into("<H", content, local + 8, 8)
    struct.pack_into("<I", content, local + 22, size)
    at = directory
    while content[at : at + 4] == b"PK\x01\x02":
        lengths = struct.unpack_from("<HHH", content, at + 28)
        if bytes(content[at + 46 : at + 46 + lengths[0]]) == name.encode():
            struct.pack_into("<H", content, at + 10, 8)
            struct.pack_into("<I", content, at + 24, size)
        at += 46 + sum(lengths)


def _use(folder: Path, name: str) -> None:
    read_all(folder / name)


KINDS = (Kind("OME-Zarr", stores(), _use, (StackError,)),)
