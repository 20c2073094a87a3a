"""A file of several images: none is left out in silence, and each is its own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_srcnn.io import StackError, count_images, image_names, read_stack

GRAY: dict[str, Any] = {"photometric": "minisblack"}
SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
IDS = [f"urn:uuid:10000000-0000-0000-0000-00000000000{n}" for n in range(2)]


def noise(*shape: int, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(100, 4000, shape).astype("u2")


def notes_of(path: Path, series: int = 0) -> str:
    with read_stack(path, series=series) as stack:
        return "; ".join(stack.notes)


def test_each_position_of_a_file_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "in.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for n in range(3):
            named = {"axes": "ZYX", "Name": f"pos{n}", "PhysicalSizeX": 0.5 + n}
            tif.write(noise(2, 24, 32, seed=n), metadata=named, **GRAY)
    assert count_images(path) == 3
    assert image_names(path) == ("pos0", "pos1", "pos2")
    for n in range(3):
        with read_stack(path, series=n) as stack:
            np.testing.assert_array_equal(stack[...], noise(2, 24, 32, seed=n))
            assert stack.pixel_size[2] == 0.5 + n
            assert stack.notes[0] == f"of the file's 3 images this is number {n + 1} (pos{n})"


def test_pages_of_two_shapes_are_two_images(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(noise(24, 32), metadata=None, **GRAY)
        tif.write(noise(40, 20), metadata=None, **GRAY)
    assert image_names(path) == ("image 1", "image 2")
    assert "the file's 2 images" in notes_of(path, 1)


@pytest.mark.parametrize(
    "options",
    [
        [{"compression": "zlib"}, {}, {"compression": "zlib"}],
        [{"rowsperstrip": 24}, {"rowsperstrip": 8}, {"rowsperstrip": 5}],
        [{"tile": (16, 16)}, {}, {"compression": "lzw", "predictor": True}],
    ],
    ids=["compression", "strips", "tiles"],
)
def test_pages_that_are_only_stored_otherwise_are_one_stack(
    tmp_path: Path, options: list[dict[str, Any]]
) -> None:
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as tif:
        for n, option in enumerate(options):
            tif.write(noise(24, 32, seed=n), metadata=None, contiguous=False, **GRAY, **option)
    with read_stack(path) as stack:
        expected = np.stack([noise(24, 32, seed=n) for n in range(3)])
        np.testing.assert_array_equal(stack[...], expected)
        assert stack.notes == ()


def test_a_page_in_the_middle_that_is_stored_otherwise_is_read_right(tmp_path: Path) -> None:
    # tifffile looks at some pages only, and takes the others for laid out like the first.
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as tif:
        for n in range(12):
            option = {"compression": "zlib"} if n == 4 else {}
            tif.write(noise(24, 32, seed=n), metadata=None, contiguous=False, **GRAY, **option)
    with read_stack(path) as stack:
        np.testing.assert_array_equal(
            stack[...], np.stack([noise(24, 32, seed=n) for n in range(12)])
        )


def test_pages_of_other_colours_have_their_own(tmp_path: Path) -> None:
    path, index = tmp_path / "in.tif", noise(24, 32).astype("u1")
    tables = np.random.default_rng(1).integers(0, 256, (3, 3, 256)).astype("u2")
    with tifffile.TiffWriter(path) as tif:
        for table in tables:
            tif.write(
                index, photometric="palette", colormap=table * 257, metadata=None, contiguous=False
            )
    assert count_images(path) == 3
    for n, table in enumerate(tables):
        with read_stack(path, series=n) as stack:
            np.testing.assert_array_equal(stack[...], table.T[index])


@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_a_list_of_pages_that_runs_in_a_circle_is_refused(tmp_path: Path, back_to: int) -> None:
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as tif:
        for n in range(3):
            tif.write(noise(24, 32, seed=n), metadata=None, contiguous=False, **GRAY)
    with tifffile.TiffFile(path, mode="r+") as tif:
        directories = [page.offset for page in tif.pages]
        tif.filehandle.seek(directories[2])
        entries = int.from_bytes(tif.filehandle.read(2), "little")
        tif.filehandle.seek(directories[2] + 2 + 12 * entries)
        tif.filehandle.write(directories[back_to].to_bytes(4, "little"))
    with pytest.raises(StackError, match=r"in.tif is damaged: its list of pages leads back"):
        read_stack(path)


def test_a_page_of_another_size_is_not_taken_for_one_of_its_stack(tmp_path: Path) -> None:
    path = tmp_path / "in.ome.tif"
    with tifffile.TiffWriter(path) as tif:
        for n in range(6):
            size = (32, 24) if n == 3 else (24, 32)
            text = (
                f'<OME xmlns="{SCHEMA}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
                'DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="24" SizeZ="6" SizeC="1" '
                'SizeT="1"><Channel ID="Channel:0:0"/><TiffData/></Pixels></Image></OME>'
            )
            described = text if n == 0 else None
            tif.write(noise(*size), description=described, metadata=None, contiguous=False, **GRAY)
    with pytest.raises(StackError, match=r"damaged|unsupported"):
        read_stack(path)


@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
def test_a_thumbnail_is_left_out_and_that_is_said(tmp_path: Path, first: bool) -> None:
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as tif:
        for thumbnail in [True, False, False] if first else [False, False, True]:
            size = (8, 8) if thumbnail else (24, 32)
            tif.write(
                noise(*size), subfiletype=int(thumbnail), metadata=None, contiguous=False, **GRAY
            )
    with read_stack(path) as stack:
        assert stack.shape == (2, 24, 32)
        assert any("1 smaller image beside" in note for note in stack.notes)
    assert count_images(path) == 1


def test_pages_that_no_description_mentions_are_said(tmp_path: Path) -> None:
    path = tmp_path / "in.ome.tif"
    text = (
        f'<OME xmlns="{SCHEMA}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        'Type="uint16" SizeX="32" SizeY="24" SizeZ="3" SizeC="1" SizeT="1">'
        '<Channel ID="Channel:0:0"/><TiffData IFD="0" PlaneCount="3"/></Pixels></Image></OME>'
    )
    tifffile.imwrite(path, noise(5, 24, 32), description=text, metadata=None, **GRAY)
    with read_stack(path) as stack:
        np.testing.assert_array_equal(stack[...], noise(5, 24, 32)[:3])
        assert stack.notes == ("2 pages that the file's description does not mention are left out",)


def xml(own: int, *, binary_only: str = "") -> bytes:
    """The OME-XML of file `own` of two, each of which holds a position."""
    if binary_only:
        inner = f'<BinaryOnly MetadataFile="{binary_only}" UUID="{IDS[0]}"/>'
        return f'<?xml version="1.0"?><OME xmlns="{SCHEMA}" UUID="{IDS[1]}">{inner}</OME>'.encode()
    images = ""
    for n in range(2):
        blocks = "".join(
            f'<TiffData FirstZ="{z}" IFD="{z}" PlaneCount="1">'
            f'<UUID FileName="s_Pos{n}.ome.tif">{IDS[n]}</UUID></TiffData>'
            for z in range(2)
        )
        images += (
            f'<Image ID="Image:{n}" Name="Pos{n}"><Pixels ID="Pixels:{n}" DimensionOrder="XYZCT" '
            f'Type="uint16" SizeX="32" SizeY="24" SizeZ="2" SizeC="1" SizeT="1" '
            f'PhysicalSizeX="{n + 1}"><Channel ID="Channel:{n}:0"/>{blocks}</Pixels></Image>'
        )
    return f'<?xml version="1.0"?><OME xmlns="{SCHEMA}" UUID="{IDS[own]}">{images}</OME>'.encode()


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_the_file_of_a_position_gives_its_own_pixels(
    tmp_path: Path, compression: str | None
) -> None:
    for n in range(2):
        tifffile.imwrite(
            tmp_path / f"s_Pos{n}.ome.tif",
            noise(2, 24, 32, seed=n),
            description=xml(n),
            metadata=None,
            compression=compression,
            **GRAY,
        )
    for n in range(2):
        with read_stack(tmp_path / f"s_Pos{n}.ome.tif") as stack:
            np.testing.assert_array_equal(stack[...], noise(2, 24, 32, seed=n))
            assert stack.pixel_size[2] == n + 1
        assert image_names(tmp_path / f"s_Pos{n}.ome.tif") == (f"Pos{n}",)


@pytest.mark.parametrize("described", ["s_Pos0.ome.tif", "set.companion.ome", "gone.ome.xml"])
def test_a_file_whose_description_lies_elsewhere_gives_its_own_pixels(
    tmp_path: Path, described: str
) -> None:
    for n in range(2):
        tifffile.imwrite(
            tmp_path / f"s_Pos{n}.ome.tif",
            noise(2, 24, 32, seed=n),
            description=xml(n, binary_only=described if n else ""),
            metadata=None,
            **GRAY,
        )
    (tmp_path / "set.companion.ome").write_bytes(xml(0))
    with read_stack(tmp_path / "s_Pos1.ome.tif") as stack:
        np.testing.assert_array_equal(stack[...], noise(2, 24, 32, seed=1))
        if described == "gone.ome.xml":
            assert stack.notes == ("gone.ome.xml is missing: this file's pages alone",)
        else:
            assert stack.pixel_size[2] == 2


def imagej(path: Path, stack: NDArray[Any], text: str, *, virtual: bool = False) -> None:
    """Write ImageJ's text; with raw planes behind the first page, as ImageJ does above 4 GB."""
    first = stack[:1] if virtual else stack
    tifffile.imwrite(path, first, description=f"ImageJ=1.54f\n{text}", metadata=None, **GRAY)
    if virtual:
        with tifffile.TiffFile(path) as tif:
            end = tif.pages.first.dataoffsets[0] + stack[0].nbytes
        path.write_bytes(path.read_bytes()[:end] + stack[1:].tobytes())


def test_a_virtual_stack_of_imagej_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path, stack = tmp_path / "big.tif", noise(5, 24, 32)
    imagej(path, stack, "images=5\nslices=5\n", virtual=True)
    with read_stack(path) as read:
        np.testing.assert_array_equal(read[...], stack)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StackError, match=r"big.tif is truncated: ImageJ says that it has 5 images"):
        read_stack(path)


@pytest.mark.parametrize("counts", ["channels=2\nslices=2\nframes=1\n", "slices=9\n", ""])
def test_all_planes_are_read_where_imagej_s_counts_disagree(tmp_path: Path, counts: str) -> None:
    stack = noise(6, 24, 32)
    imagej(tmp_path / "six.tif", stack, f"images=6\n{counts}hyperstack=true\n")
    with read_stack(tmp_path / "six.tif") as read:
        np.testing.assert_array_equal(read[...].reshape(-1, 24, 32), stack)


@pytest.mark.parametrize(
    "error", [ZeroDivisionError, IndexError, KeyError, AssertionError, RecursionError, OSError]
)
def test_whatever_a_reader_raises_becomes_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
) -> None:
    path = tmp_path / "bad.tif"
    tifffile.imwrite(path, noise(2, 24, 32), compression="zlib", **GRAY)

    def fail(*_: object, **__: object) -> None:
        raise error("first line\nsecond line")

    caplog.set_level(logging.INFO)
    with read_stack(path) as stack:
        monkeypatch.setattr(tifffile.FileHandle, "read_segments", fail)
        with pytest.raises(StackError, match=r"bad.tif cannot be read at plane 1") as caught:
            stack[0]
    monkeypatch.setattr(tifffile.TiffFile, "series", property(fail))
    with pytest.raises(StackError, match=r"bad.tif is damaged or of an unsupported kind") as opened:
        read_stack(path)
    for info in (caught, opened):
        assert "\n" not in str(info.value)
        assert isinstance(info.value.__cause__, error)
    assert caplog.records[-1].exc_info


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_and_a_full_memory_are_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    path = tmp_path / "good.tif"
    tifffile.imwrite(path, noise(2, 24, 32), compression="zlib", **GRAY)

    def fail(*_: object, **__: object) -> None:
        raise error

    with read_stack(path) as stack:
        monkeypatch.setattr(tifffile.FileHandle, "read_segments", fail)
        with pytest.raises(error):
            stack[0]


@pytest.mark.parametrize("said", [5, 2**40, 2**60])
def test_a_text_that_says_more_images_than_there_are_takes_no_memory(
    tmp_path: Path, said: int
) -> None:
    text = f"ImageJ=1.53k\nimages=1\nslices=1\nframes={said}\n"
    path = tmp_path / "few.tif"
    plane = np.zeros((8, 8), np.uint8)
    tifffile.imwrite(path, plane, description=text, metadata=None, compression="zlib")
    with pytest.raises(StackError, match=rf"few.tif is truncated: .* {said} images"):
        read_stack(path)
