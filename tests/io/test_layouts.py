"""TIFFs of any layout are read as tifffile reads them, or refused in one sentence."""

from __future__ import annotations

import itertools
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_srcnn.io import StackError, count_images, read_stack

SIDES = st.integers(1, 40)
TYPES = st.sampled_from(["u1", "u2", "i2", "u4", "f4", "f8"])


@dataclass(frozen=True)
class Layout:
    """How an image is laid out in a file."""

    shape: tuple[int, ...]
    axes: str
    dtype: str
    options: dict[str, Any]


@st.composite
def layouts(draw: st.DrawFn, flavour: str) -> Layout:
    planes, height, width = draw(st.integers(1, 4)), draw(SIDES), draw(SIDES)
    if flavour == "imagej" and width == 1:
        width = 2  # tifffile writes planes of one column as one plane, and ImageJ's count of them
    dtype = draw(TYPES if flavour != "imagej" else st.sampled_from(["u1", "u2", "f4"]))
    options: dict[str, Any] = {"photometric": "minisblack"}
    shape: tuple[int, ...] = (planes, height, width)
    axes = "ZYX"
    color = draw(st.sampled_from([0, 0, 3, 4])) if flavour != "imagej" else 0
    if color and dtype in ("u1", "u2"):
        options["photometric"] = "rgb"
        options["planarconfig"] = draw(st.sampled_from(["contig", "separate"]))
        contig = options["planarconfig"] == "contig"
        shape = (planes, height, width, color) if contig else (planes, color, height, width)
        axes = "ZYXS" if contig else "ZSYX"
    if flavour != "imagej":
        compression = draw(st.sampled_from([None, None, "zlib", "lzw", "packbits", "zstd"]))
        options["compression"] = compression
        if compression in ("zlib", "lzw", "zstd"):
            options["predictor"] = draw(st.booleans())
    if draw(st.booleans()):
        options["rowsperstrip"] = draw(st.integers(1, height))
    elif flavour != "imagej" and draw(st.booleans()):
        options["tile"] = draw(st.sampled_from([(16, 16), (32, 16), (16, 48)]))
    return Layout(shape=shape, axes=axes, dtype=dtype, options=options)


@st.composite
def written(draw: st.DrawFn, path: Path) -> None:
    """Write a file with tifffile."""
    flavour = draw(st.sampled_from(["plain", "shaped", "imagej", "ome"]))
    byteorder = draw(st.sampled_from("<>"))
    images = draw(st.integers(1, 3)) if flavour in ("ome", "shaped") else 1
    options = {"byteorder": byteorder, "bigtiff": draw(st.booleans()) and flavour != "imagej"}
    kinds = {"imagej": flavour == "imagej", "ome": flavour == "ome"}
    with tifffile.TiffWriter(path, **options, **kinds) as tif:
        for number in range(images):
            layout = draw(layouts(flavour))
            named = {"axes": layout.axes} if flavour in ("ome", "imagej") else {}
            tif.write(
                pixels(layout.shape, layout.dtype, number),
                metadata=None if flavour == "plain" else named,
                contiguous=draw(st.booleans())
                and {"compression", "tile"}.isdisjoint(layout.options),
                **layout.options,
            )


@st.composite
def scattered(draw: st.DrawFn, path: Path) -> None:
    """Write strips in any order and with gaps, as programs that edit a file in place leave them."""
    order = draw(st.sampled_from("<>"))
    height, width, planes = draw(SIDES), draw(SIDES), draw(st.integers(1, 9))
    rows = draw(st.integers(1, height))
    out, link = bytearray({"<": b"II*\0", ">": b"MM\0*"}[order] + bytes(4)), 4
    for number in range(planes):
        plane = pixels((height, width), "u2", number).astype(order + "u2")
        strips = [plane[at : at + rows].tobytes() for at in range(0, height, rows)]
        places = {}
        # As programs do, one page otherwise than the others.
        shuffled = draw(st.permutations(range(len(strips)))) if draw(st.booleans()) else None
        gap = draw(st.sampled_from([0, 0, 8]))
        for at in shuffled or range(len(strips)):
            out += b"\xee" * gap
            places[at] = len(out)
            out += strips[at]
        tags = [(256, width), (257, height), (258, 16), (259, 1), (262, 1), (277, 1), (278, rows)]
        entries = {tag: struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags}
        for tag, values in (
            (273, [places[n] for n in range(len(strips))]),
            (279, map(len, strips)),
        ):
            listed = struct.pack(f"{order}{len(strips)}I", *values)
            value = len(out) if len(strips) > 1 else struct.unpack(order + "I", listed)[0]
            out += listed if len(strips) > 1 else b""
            entries[tag] = struct.pack(order + "HHII", tag, 4, len(strips), value)
        out[link : link + 4] = struct.pack(order + "I", len(out))
        out += struct.pack(order + "H", len(entries)) + b"".join(
            entries[n] for n in sorted(entries)
        )
        link = len(out)
        out += bytes(4)
    path.write_bytes(out)


@st.composite
def damaged(draw: st.DrawFn, content: bytes, damage: str) -> bytes:
    """Cut a file short, or change some of its bytes."""
    if damage == "cut":
        return content[: draw(st.integers(0, len(content) - 1))]
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        changed[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


def pixels(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    return (np.random.default_rng(seed).random(shape) * 250).astype(dtype)


def as_tifffile_reads(path: Path) -> list[NDArray[Any]]:
    """The pixels of each image, with the samples last."""
    found = []
    with tifffile.TiffFile(path) as tif:
        # Page by page: tifffile takes all pages of a series for laid out as the first one.
        for series in tif.series:
            pages = [page.aspage().asarray() for page in series if page is not None]
            whole = len(pages) == len(series) and series.dataoffset is None
            image = np.stack(pages).reshape(series.shape) if whole else series.asarray()
            if "S" in series.axes:
                image = np.moveaxis(image, series.axes.index("S"), -1)
            found.append(image)
    return found


def as_read(path: Path, number: int) -> NDArray[Any]:
    with read_stack(path, series=number) as stack:
        if stack.data.nbytes > 1e8:  # a changed byte in a size
            return np.zeros(0)
        image = stack[...]
        assert image.shape == stack.shape
        if image.size:  # a part is a part of the whole
            part = (..., slice(image.shape[-2] // 3, None), slice(None, image.shape[-1] // 2 + 1))
            np.testing.assert_array_equal(stack.data[part], image[part])
        return image


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_any_layout_is_read_as_tifffile_reads_it_or_is_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.tif"
        data.draw(data.draw(st.sampled_from([written, scattered]))(path))
        expected = as_tifffile_reads(path)
        damage = data.draw(st.sampled_from(["none", "none", "cut", "changed"]))
        if damage != "none":
            path.write_bytes(data.draw(damaged(path.read_bytes(), damage)))
        refused, found = None, []
        try:
            found = [as_read(path, number) for number in range(count_images(path))]
        except StackError as error:
            refused = str(error)
        if refused is not None:
            assert damage != "none", refused
            assert "\n" not in refused
            return
        if damage == "changed":  # other bytes are other pixels
            return
        for image, right in itertools.zip_longest(found, expected):
            np.testing.assert_array_equal(np.squeeze(image), np.squeeze(right))


@pytest.mark.parametrize("layout", ["reversed", "gaps"])
@pytest.mark.parametrize("imagej", [False, True], ids=["plain", "ImageJ"])
def test_strips_apart_on_a_later_page_are_read_right(
    tmp_path: Path, layout: str, imagej: bool
) -> None:
    pages = np.random.default_rng(0).integers(100, 4000, (3, 24, 32)).astype("<u2")
    text = b"ImageJ=1.54f\nimages=3\nslices=3\n\0" if imagej else b"of no program\0"
    out, link = bytearray(b"II*\0\0\0\0\0"), 4
    for number, page in enumerate(pages):
        strips = [page[at : at + 8].tobytes() for at in range(0, 24, 8)]
        places = {}
        for at in (2, 1, 0) if number and layout == "reversed" else (0, 1, 2):
            out += b"\xee" * (32 if number and layout == "gaps" else 0)
            places[at] = len(out)
            out += strips[at]
        described = len(out)
        out += text
        lists = len(out)
        out += struct.pack("<6I", *(places[at] for at in range(3)), *map(len, strips))
        tags = [(256, 32), (257, 24), (258, 16), (259, 1), (262, 1), (270, described)]
        tags += [(273, lists), (277, 1), (278, 8), (279, lists + 12)]
        counts = {270: (2, len(text)), 273: (4, 3), 279: (4, 3)}
        out[link : link + 4] = struct.pack("<I", len(out))
        out += struct.pack("<H", len(tags)) + b"".join(
            struct.pack("<HHII", tag, *counts.get(tag, (4, 1)), value) for tag, value in tags
        )
        link = len(out)
        out += bytes(4)
    path = tmp_path / "strips.tif"
    path.write_bytes(out)
    with read_stack(path) as stack:
        np.testing.assert_array_equal(stack[...], pages)
