"""Back and forth with Fiji and ImageJ: what docs/howto/fiji.md says is so.

Results are read by tifffile, Pillow and ome-types, and by ImageJ itself where there is one: IJ_JAR
names its ij.jar (Debian's package libij-java brings /usr/share/java/ij.jar). It opens windows.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from commands import command_here
from numpy.typing import NDArray
from PIL import Image

import napari_srcnn
from napari_srcnn.io import read_stack
from napari_srcnn.io.napari_hooks import read_layers
from napari_srcnn.samples import load_sample

MODEL = "srcnn-9-1-5-x2"
SHAPE = (2, 3, 2, 32, 40)
RAMP = np.arange(256, dtype=np.uint8)
GREEN = np.stack([0 * RAMP, RAMP, 0 * RAMP])
FIRE = np.stack([RAMP, RAMP[::-1], RAMP // 2])
RANGES = (100.0, 700.0, 7.0, 300.5)
INFO = "Laser = 405\nObjective = 63×"
LABELS = [f"plane {n}" for n in range(12)]
JAR = Path(os.environ.get("IJ_JAR", "/usr/share/java/ij.jar"))


def cells() -> NDArray[Any]:
    """A hyperstack (2, 3, 2, 32, 40) of 16 bits: parts of the pollen sample."""
    data = np.asarray(load_sample("pollen").data[10:22, 80:112, 100:140])
    return data.reshape(SHAPE).astype(np.uint16)


def rectangle(left: int, top: int, width: int, height: int) -> bytes:
    """A selection as ImageJ stores one."""
    head = struct.pack(">4shBB4h", b"Iout", 227, 1, 0, top, left, top + height, left + width)
    return head.ljust(64, b"\0")


def hyperstack(path: Path, **more: Any) -> Path:
    """A file with all that ImageJ keeps of a hyperstack."""
    metadata = {
        "axes": "TZCYX",
        "mode": "composite",
        "unit": "micron",
        "spacing": 1.5,
        "finterval": 2.5,
        "Ranges": RANGES,
        "LUTs": [GREEN, FIRE],
        "Info": INFO,
        "Labels": LABELS,
        "ROI": rectangle(5, 6, 10, 11),
        "Overlays": [rectangle(1, 2, 3, 4)],
    }
    tifffile.imwrite(
        path, cells(), imagej=True, resolution=(4, 2), metadata=metadata | more, byteorder=">"
    )
    return path


@pytest.fixture(scope="module")
def enlarged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A hyperstack that the command line enlarged, and what that said."""
    folder = tmp_path_factory.mktemp("fiji")
    target = folder / "cells_x2.ome.tif"
    ended = command_here("upscale", hyperstack(folder / "cells.tif"), target, "-m", MODEL)
    assert ended.code == 0
    return target, ended.err


def test_a_hyperstack_is_read_with_all_that_imagej_keeps_or_it_is_said(tmp_path: Path) -> None:
    with read_stack(hyperstack(tmp_path / "cells.tif", xorigin=3.5, yorigin=-2)) as stack:
        np.testing.assert_array_equal(stack[...], cells())
        assert stack.axes == "TZCYX"
        assert stack.pixel_size == (2.5, 1.5, 1.0, 0.5, 0.25)
        assert stack.units == ("second", "micrometer", "pixel", "micrometer", "micrometer")
        assert stack.channel_colors == ("#00ff00", None)
        assert stack.channel_names == (), "planes that are called something are no channels"
        assert stack.metadata["windows"] == [(100.0, 700.0), (7.0, 300.5)]
        assert stack.notes == (
            "ImageJ's selection and overlay are left out",
            "ImageJ's origin (x 3.5, y -2) is left out: the first pixel lies at 0",
            "the look-up table of channel 2 does not run from black to one colour and is left out",
        )


def test_an_origin_that_is_no_number_is_said_all_the_same(tmp_path: Path) -> None:
    with read_stack(hyperstack(tmp_path / "cells.tif", xorigin="left")) as stack:
        assert "ImageJ's origin (x left) is left out: the first pixel lies at 0" in stack.notes


def test_channels_open_in_napari_as_imagej_shows_them(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="selection and overlay are left out"):
        layers = read_layers(str(hyperstack(tmp_path / "cells.tif")))
    assert [arguments["contrast_limits"] for _, arguments, _ in layers] == [(100, 700), (7, 300.5)]
    assert layers[0][1]["colormap"] == "#00ff00"


@pytest.mark.parametrize("labels", ["same", "mixed"])
def test_labels_that_repeat_name_the_channels(tmp_path: Path, labels: str) -> None:
    texts = ["DAPI", "GFP"] * 6
    if labels == "mixed":
        texts[5] = "bleached"
    with read_stack(hyperstack(tmp_path / "cells.tif", Labels=texts)) as stack:
        assert stack.channel_names == (("DAPI", "GFP") if labels == "same" else ())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"min": 10.0, "max": 99.5}, [(10.0, 99.5)]),
        ({"min": 99.0, "max": 10.0}, None),
        ({"min": 10.0, "max": 99.0, "cf": 0, "c0": -32768.0, "c1": 1.0}, None),
        ({}, None),
    ],
    ids=["range", "from above", "calibrated", "none"],
)
def test_the_range_of_a_single_channel_is_read(
    tmp_path: Path, said: dict[str, float], expected: list[tuple[float, float]] | None
) -> None:
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, cells()[0, :, 0], imagej=True, metadata={"axes": "ZYX", **said})
    with read_stack(path) as stack:
        assert stack.metadata.get("windows") == expected


def test_the_result_has_the_pixels_and_the_calibration_for_every_reader(
    enlarged: tuple[Path, str],
) -> None:
    path, _ = enlarged
    expected = napari_srcnn.upscale(cells(), 2, model=MODEL, axes="TZCYX", device="cpu")
    np.testing.assert_array_equal(tifffile.imread(path), expected)
    planes = expected.reshape(-1, 64, 80)
    with Image.open(path) as pages:
        assert pages.n_frames == len(planes)
        for number, plane in enumerate(planes):
            pages.seek(number)
            np.testing.assert_array_equal(np.asarray(pages), plane)
        # TIFF's own tags, which plain ImageJ goes by: pixels along a centimetre.
        assert [pages.tag_v2[tag] for tag in (282, 283, 296)] == [80000, 40000, 3]
    found = pytest.importorskip("ome_types", reason="needs ome-types").from_tiff(path)
    pixels = found.images[0].pixels
    assert (pixels.size_t, pixels.size_z, pixels.size_c) == SHAPE[:3]
    assert pixels.dimension_order.value == "XYCZT"
    sizes = (pixels.physical_size_x, pixels.physical_size_y, pixels.physical_size_z)
    assert sizes == (0.125, 0.25, 1.5)
    assert pixels.physical_size_x_unit.value == "µm"
    assert (pixels.time_increment, pixels.time_increment_unit.value) == (2.5, "s")
    assert pixels.channels[0].color.as_hex() in ("#0f0", "#00ff00")
    comments = {note.namespace: note.value for note in found.structured_annotations}
    assert comments["imagej/Info"] == INFO
    assert comments["imagej/Labels"].splitlines() == LABELS


def test_the_result_keeps_the_ranges_for_napari_and_what_is_left_out_was_said(
    enlarged: tuple[Path, str],
) -> None:
    path, said = enlarged
    assert "Note: ImageJ's selection and overlay are left out" in said
    assert "look-up table of channel 2 does not run from black to one colour" in said
    with read_stack(path) as stack:
        assert stack.metadata["windows"] == [(100.0, 700.0), (7.0, 300.5)]
        assert stack.channel_colors[0] == "#00ff00"
        assert stack.notes == ()
        # Channels that become slices have no windows of their own.
        assert "windows" not in stack.with_axes("TQZYX").metadata


def test_an_ome_zarr_made_of_a_hyperstack_shows_its_ranges(tmp_path: Path) -> None:
    target = tmp_path / "cells.ome.zarr"
    assert (
        command_here("upscale", hyperstack(tmp_path / "cells.tif"), target, "-m", MODEL).code == 0
    )
    with read_stack(target) as again:
        assert [tuple(pair) for pair in again.metadata["windows"]] == [(100, 700), (7, 300.5)]


@pytest.mark.parametrize("windows", ["[1]", '[["a", "b"]]', "[[2, 1]]", "7", "[[1, 2, 3]]"])
def test_ranges_that_a_file_says_wrongly_are_none(tmp_path: Path, windows: str) -> None:
    note = f'{{"windows": {windows}}}'
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="40" SizeY="32" '
        'SizeZ="1" SizeC="1" SizeT="1"><Channel ID="Channel:0:0"/><TiffData/></Pixels></Image>'
        '<StructuredAnnotations><CommentAnnotation ID="A" Namespace="napari-srcnn"><Value>'
        f"{note}</Value></CommentAnnotation></StructuredAnnotations></OME>"
    )
    tifffile.imwrite(tmp_path / "a.ome.tif", cells()[0, 0, 0], description=xml, metadata=None)
    with read_stack(tmp_path / "a.ome.tif") as stack:
        assert "windows" not in stack.metadata


@pytest.mark.parametrize("refers", [True, False])
def test_regions_of_interest_of_an_ome_tiff_are_said_to_be_left_out(
    tmp_path: Path, refers: bool
) -> None:
    pixels = (
        '<Pixels ID="Pixels:{0}" DimensionOrder="XYCZT" Type="uint16" SizeX="40" SizeY="32" '
        'SizeZ="1" SizeC="1" SizeT="1"><Channel ID="Channel:{0}:0"/><TiffData IFD="{0}" '
        'PlaneCount="1"/></Pixels>'
    )
    reference = '<ROIRef ID="ROI:0"/>' * refers
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0" Name="a">{pixels.format(0)}{reference}</Image>'
        f'<Image ID="Image:1" Name="b">{pixels.format(1)}</Image>'
        '<ROI ID="ROI:0"><Union><Point ID="Shape:0" X="1" Y="2"/></Union></ROI></OME>'
    )
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=False) as tif:
        tif.write(cells()[0, 0, 0], description=xml, metadata=None)
        tif.write(cells()[0, 0, 1], metadata=None)
    said = "its OME-XML's region of interest is left out"
    for series, is_said in ((0, True), (1, not refers)):
        with read_stack(tmp_path / "two.ome.tif", series=series) as stack:
            assert (said in stack.notes) == is_said
    target = tmp_path / "two_x2.ome.tif"
    ended = command_here("upscale", tmp_path / "two.ome.tif", target, "--image", "1", "-m", MODEL)
    assert ended.code == 0
    assert said in ended.err
    with tifffile.TiffFile(target) as tif:
        assert "ROI" not in (tif.ome_metadata or "")


# -- the macro ------------------------------------------------------------------------------------


def macro() -> str:
    """The macro in the documentation."""
    page = Path(__file__).resolve().parent.parent / "docs" / "howto" / "fiji.md"
    (found,) = re.findall(r"```java\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return str(found)


def test_the_command_in_the_macro_enlarges_a_hyperstack(tmp_path: Path) -> None:
    (call,) = re.findall(r"\bexec\((.*)\);", macro())
    source, result = hyperstack(tmp_path / "source.tif"), tmp_path / "result.ome.tif"
    known = {"program": "napari-srcnn", "source": str(source), "result": str(result)}
    known['"" + scale'] = "2"
    words = [known[word] if word in known else word.strip('"') for word in call.split(", ")]
    assert words[0] == "napari-srcnn"
    ended = command_here(*words[1:])
    # ImageJ shows what a program writes to its output, and hears nothing of an exit code.
    assert (ended.code, ended.out) == (0, "")
    assert tifffile.imread(result).shape == (2, 3, 2, 64, 80)
    # What the macro tells to type in a terminal is taken, too.
    assert '" upscale " + source + " " + result + " --scale " + scale' in macro()


@pytest.fixture
def imagej(tmp_path: Path) -> Callable[[str], list[str]]:
    """Runs a macro in ImageJ itself, and returns the lines that it prints."""
    java = shutil.which("java")
    if java is None or not JAR.is_file():
        pytest.skip("needs java, and ImageJ's ij.jar (IJ_JAR names it)")
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        pytest.skip("ImageJ needs a display")

    def run(text: str) -> list[str]:
        file = tmp_path / "macro.ijm"
        file.write_text(text, "utf-8")
        arguments = (f"-Djava.io.tmpdir={tmp_path}", f"-Duser.home={tmp_path}", "-jar", str(JAR))
        # A mistake in a macro opens a dialog, which nobody would answer.
        ended = subprocess.run(
            [java, *arguments, "-batch", str(file)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return ended.stdout.splitlines()

    return run


def test_imagej_s_own_hyperstack_comes_back_to_it_by_the_macro(
    imagej: Callable[[str], list[str]], tmp_path: Path
) -> None:
    program = Path(sys.executable).with_name("napari-srcnn")
    if not program.is_file():
        pytest.skip("napari-srcnn is not installed as a program")
    source, raw = tmp_path / "cells.tif", tmp_path / "pixels.raw"
    make = f"""
newImage("cells", "16-bit grayscale-mode ramp", 40, 32, 2, 3, 4);
for (i = 1; i <= nSlices; i++) {{ setSlice(i); run("Add...", "value=" + (i * 10) + " slice"); }}
setVoxelSize(0.25, 0.5, 1.5, "micron");
Stack.setFrameInterval(2.5);
Stack.setDisplayMode("composite");
Stack.setChannel(1); run("Green"); setMinAndMax(100, 20000);
Stack.setChannel(2); run("Fire"); setMinAndMax(7, 3000);
getLut(reds, greens, blues);
print("fire " + reds[200] + " " + greens[200] + " " + blues[200]);
makeRectangle(5, 6, 10, 11); Overlay.addSelection("red");
makeRectangle(3, 4, 5, 6);
saveAs("Tiff", "{source}");
"""
    show = f"""
getDimensions(w, h, c, s, f); print("dimensions " + w + " " + h + " " + c + " " + s + " " + f);
getVoxelSize(x, y, z, u);
print("voxel " + x + " " + y + " " + z + " " + u + " " + Stack.getFrameInterval);
for (c = 1; c <= 2; c++) {{
  Stack.setChannel(c); getMinAndMax(low, high); getLut(r, g, b);
  print("channel " + low + " " + high + " " + r[200] + " " + g[200] + " " + b[200]);
}}
getSelectionBounds(x, y, w, h); print("selection " + x + " " + y + " " + w + " " + h);
print(getTitle());
run("Select None");
saveAs("Raw Data", "{raw}");
"""
    said = imagej(make + macro().replace('"napari-srcnn"', f'"{program}"') + show)
    fire = said[0].removeprefix("fire ")
    assert said[1:] == [
        "dimensions 80 64 2 3 4",
        "voxel 0.125 0.25 1.5 microns 2.5",
        "channel 100 20000 0 200 0",
        f"channel 7 3000 {fire}",
        "selection 6 8 10 12",
        "cells.tif x2",
    ]
    # The very bytes, by ImageJ's own reader and writer.
    result = tifffile.imread(tmp_path / "napari-srcnn-enlarged.ome.tif")
    assert result.shape == (4, 3, 2, 64, 80)
    np.testing.assert_array_equal(np.fromfile(raw, ">u2").reshape(result.shape), result)
    with read_stack(source) as stack:
        assert stack.pixel_size == (2.5, 1.5, 1.0, 0.5, 0.25)
        assert stack.channel_colors == ("#00ff00", None)
        assert stack.metadata["windows"] == [(100.0, 20000.0), (7.0, 3000.0)]
        assert "ImageJ's selection and overlay are left out" in stack.notes


def test_imagej_opens_what_is_made_of_an_ome_tiff(
    imagej: Callable[[str], list[str]], tmp_path: Path
) -> None:
    source, target = tmp_path / "cells.ome.tif", tmp_path / "cells_x2.ome.tif"
    raw = tmp_path / "pixels.raw"
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 1.5}
    tifffile.imwrite(source, cells()[0, :, 0], metadata=metadata)
    assert command_here(*shlex.split(f"upscale '{source}' '{target}' -m {MODEL}")).code == 0
    said = imagej(
        f'open("{target}"); getVoxelSize(x, y, z, u);\n'
        'print("" + nSlices + " " + bitDepth() + " " + x + " " + y + " " + u);\n'
        f'saveAs("Raw Data", "{raw}");'
    )
    # Without Bio-Formats, ImageJ goes by TIFF's own tags, which have no depth.
    assert said == ["3 16 0.125 0.25 µm"]
    np.testing.assert_array_equal(
        np.fromfile(raw, ">u2").reshape(3, 64, 80), tifffile.imread(target)
    )
