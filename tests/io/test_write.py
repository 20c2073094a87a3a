from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_srcnn.io import OmeTiffWriter, Stack, StackError, read_stack, write_stack

LENGTH = "micrometer"
OME = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Experimenter ID="Experimenter:0" LastName="Curie"/>
<Instrument ID="Instrument:0"><Microscope Model="Axio"/>
<Objective ID="Objective:0" NominalMagnification="63" LensNA="1.4"/></Instrument>
<Image ID="Image:0" Name="scan"><AcquisitionDate>2021-11-22T11:33:05</AcquisitionDate>
<ExperimenterRef ID="Experimenter:0"/><InstrumentRef ID="Instrument:0"/>
<ObjectiveSettings ID="Objective:0"/>
<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="30" SizeY="20" SizeZ="1"
 SizeC="2" SizeT="3" PhysicalSizeX="0.1" PhysicalSizeY="0.2" TimeIncrement="2">
<Channel ID="Channel:0:0" Name="DAPI" Color="65535" EmissionWavelength="461"/>
<Channel ID="Channel:0:1" Name="GFP" Color="16711935"/>
<TiffData IFD="0" PlaneCount="6"/>
{planes}
</Pixels><ROIRef ID="ROI:0"/><AnnotationRef ID="Annotation:0"/></Image>
<StructuredAnnotations><MapAnnotation ID="Annotation:0"><Value><M K="laser">405</M></Value>
</MapAnnotation></StructuredAnnotations>
<ROI ID="ROI:0"><Union><Point ID="Shape:0" X="1" Y="2"/></Union></ROI></OME>"""
PLANES = "".join(
    f'<Plane TheZ="0" TheC="{c}" TheT="{t}" DeltaT="{2 * t + c}.5" ExposureTime="0.1" '
    f'PositionX="{t}"/>'
    for t in range(3)
    for c in range(2)
)


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return (np.random.default_rng(0).random(shape) * 200).astype(dtype)


def assert_round_trip(path: Path, stack: Stack, **options: Any) -> None:
    """What is written is read, by this package and, pixels alone, by tifffile."""
    write_stack(path, stack, overwrite=True, **options)
    with read_stack(path) as again:
        np.testing.assert_array_equal(np.asarray(again.data), np.asarray(stack.data))
        assert again.dtype == stack.dtype.newbyteorder("=")
        for name in ("shape", "axes", "pixel_size", "units", "channel_names", "channel_colors"):
            assert getattr(again, name) == getattr(stack, name), name
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        np.testing.assert_array_equal(
            tif.series[0].asarray().reshape(stack.shape), np.asarray(stack.data)
        )


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("dtype", ["i1", "u1", ">i2", "u2", "i4", ">u4", "f4", "f8"])
def test_every_type_comes_back_as_it_was(
    tmp_path: Path, dtype: str, compression: str | None
) -> None:
    stack = Stack(data=noise(3, 21, 35, dtype=dtype), axes="ZYX")
    assert_round_trip(tmp_path / "a.ome.tif", stack, compression=compression)


@pytest.mark.parametrize(
    "axes",
    [
        "YX",
        "ZYX",
        "TYX",
        "CYX",
        "QYX",
        "IYX",
        "TZYX",
        "CZYX",
        "ZCYX",
        "QZYX",
        "QQYX",
        "TZCYX",
        "TCZYX",
        "CTZYX",
        "ZTCYX",
        "QQQYX",
        "YXS",
        "ZYXS",
        "TZCYXS",
        "CYXS",
    ],
)
@pytest.mark.parametrize("single", [False, True], ids=["long axes", "one axis of length 1"])
def test_every_order_of_axes_comes_back_as_it_was(tmp_path: Path, axes: str, single: bool) -> None:
    sizes = [*range(2, len(axes.removesuffix("S"))), 21, 35][-len(axes.removesuffix("S")) :]
    if single:
        sizes[0] = 1
    stack = Stack(
        data=noise(*sizes, *[3] * axes.endswith("S")),
        axes=axes,
        pixel_size=tuple(0.25 + n for n in range(len(axes))),
        units=tuple("second" if axis == "T" else "nanometer" for axis in axes),
    )
    assert_round_trip(tmp_path / "a.ome.tif", stack)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_alpha_is_kept_as_an_extra_sample(tmp_path: Path, samples: int) -> None:
    image = noise(3, 20, 30, samples, dtype="uint8")
    with OmeTiffWriter(tmp_path / "a.ome.tif", image.shape, "u1", "ZYXS") as writer:
        for n in range(3):
            writer[n] = image[n]
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        page = tif.pages.first
        assert page.photometric == (2 if samples > 2 else 1)
        assert [int(kind) for kind in page.extrasamples] == ([2] if samples in (2, 4) else [])
        np.testing.assert_array_equal(tif.asarray().reshape(image.shape), image)


@pytest.mark.parametrize(("dtype", "stored"), [("f2", "float32"), ("?", "uint8")])
def test_types_unknown_to_ome_are_stored_without_loss_and_it_is_said(
    tmp_path: Path, dtype: str, stored: str
) -> None:
    image = noise(20, 30, dtype=dtype)
    writer = OmeTiffWriter(tmp_path / "a.ome.tif", image.shape, dtype, "YX")
    assert writer.dtype == image.dtype
    assert f"stored as {stored}" in writer.notes[0]
    with writer:
        writer[()] = image
    with read_stack(tmp_path / "a.ome.tif") as stack:
        assert stack.dtype == stored
        np.testing.assert_array_equal(stack[...], image)


def test_every_real_image_survives_a_round_trip(tmp_path: Path, shared_data: Path) -> None:
    paths = sorted((shared_data / "micro").rglob("*.tif"))
    assert paths
    for path in paths:
        with read_stack(path) as stack:
            assert_round_trip(tmp_path / "a.ome.tif", stack)


def test_instrument_channels_and_times_survive_upscaling(tmp_path: Path) -> None:
    source = tmp_path / "source.ome.tif"
    tifffile.imwrite(
        source,
        noise(3, 2, 20, 30),
        description=OME.format(planes=PLANES).encode(),
        metadata=None,
        photometric="minisblack",
    )
    with read_stack(source) as stack:
        assert stack.axes == "TCYX"
        shape = (*stack.shape[:2], 40, 60)
        made = {"model": "srcnn-9-1-5-x2", "scale": 2}
        described = stack.upscaled(2)
        with OmeTiffWriter(
            tmp_path / "big.ome.tif", shape, stack.dtype, **described, provenance=made
        ) as writer:
            for index in np.ndindex(shape[:2]):
                writer[index] = np.kron(stack[index], np.ones((2, 2), stack.dtype))
        with read_stack(tmp_path / "big.ome.tif") as big:
            assert big.pixel_size == (2.0, 1.0, 0.1, 0.05)
            assert big.units == ("second", "pixel", LENGTH, LENGTH)
            assert big.channel_names == ("DAPI", "GFP")
            assert big.channel_colors == ("#0000ff", "#00ff00")
            assert big.metadata["delta_t"] == stack.metadata["delta_t"]
            assert big.metadata["delta_t"] == [[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]]
            assert big.metadata["napari_srcnn"] == made
            ome = tifffile.xml2dict(big.metadata["ome_xml"])["OME"]
    assert ome["Instrument"]["Objective"]["NominalMagnification"] == 63
    assert ome["Experimenter"]["LastName"] == "Curie"
    assert ome["Image"]["ObjectiveSettings"]["ID"] == "Objective:0"
    assert ome["Image"]["Pixels"]["Channel"][0]["EmissionWavelength"] == 461
    assert ome["Image"]["Pixels"]["Plane"][5]["PositionX"] == 2
    assert ome["StructuredAnnotations"]["MapAnnotation"]["Value"]["M"]["value"] == 405
    assert "ROI" not in ome, "regions in old pixels would lie elsewhere in the new image"
    assert "ROIRef" not in ome["Image"]


def test_imagej_calibration_survives_as_ome(tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    tifffile.imwrite(
        source,
        noise(2, 3, 20, 30),
        imagej=True,
        resolution=(10, 10),
        metadata={
            "axes": "TZYX",
            "unit": "\\u00B5m",
            "spacing": 0.5,
            "finterval": 2.0,
            "Info": "Laser = 405\nObjective = 63×\n",
        },
    )
    with read_stack(source) as stack:
        write_stack(tmp_path / "b.ome.tif", stack)
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
        notes = tifffile.xml2dict(tif.ome_metadata)["OME"]["StructuredAnnotations"]
    assert [pixels[f"PhysicalSize{axis}"] for axis in "XYZ"] == [0.1, 0.1, 0.5]
    assert [pixels[f"PhysicalSize{axis}Unit"] for axis in "XYZ"] == ["µm"] * 3
    assert (pixels["TimeIncrement"], pixels["TimeIncrementUnit"]) == (2, "s")
    assert any("Laser = 405" in note["Value"] for note in notes["CommentAnnotation"])


def test_a_file_written_twice_keeps_one_note(tmp_path: Path) -> None:
    stack = Stack(data=noise(20, 30), axes="YX", metadata={"imagej": {"Info": "kept"}})
    for n in range(3):
        write_stack(tmp_path / f"{n}.ome.tif", stack)
        stack = read_stack(tmp_path / f"{n}.ome.tif")
        assert stack.metadata["ome_xml"].count("<CommentAnnotation") == 2
        stack.close()
        stack = Stack(data=noise(20, 30), axes="YX", metadata=stack.metadata)


def test_plain_readers_find_the_pixel_size_in_the_resolution(tmp_path: Path) -> None:
    stack = Stack(
        data=noise(20, 30), axes="YX", pixel_size=(500.0, 0.25), units=("nanometer", LENGTH)
    )
    write_stack(tmp_path / "a.ome.tif", stack)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.pages.first.resolutionunit == tifffile.RESUNIT.CENTIMETER
        assert tif.pages.first.resolution == (40000.0, 20000.0)


def test_uncalibrated_axes_keep_pixels_as_their_unit(tmp_path: Path) -> None:
    stack = Stack(data=noise(3, 20, 30), axes="ZYX")
    path = tmp_path / "a.ome.tif"
    with OmeTiffWriter(path, stack.shape, stack.dtype, **stack.upscaled(4)) as writer:
        for n in range(3):
            writer[n] = stack[n]
    with read_stack(path) as again:
        assert again.pixel_size == (1.0, 0.25, 0.25)
        assert again.units == ("pixel",) * 3


def test_a_layer_s_translate_moves_with_the_first_pixel_s_centre() -> None:
    stack = Stack(
        data=noise(3, 20, 30),
        axes="ZYX",
        pixel_size=(5.0, 2.0, 1.0),
        metadata={"layer": {"translate": [10.0, 20.0, 30.0], "shear": [0.0, 0.0, 0.5]}},
    )
    layer = stack.upscaled(2)["metadata"]["layer"]
    # A quarter of a pixel nearer the border; sheared, Y gains half of what X moved.
    assert layer["translate"] == pytest.approx([10.0, 19.5 - 0.125, 29.75])


@pytest.mark.parametrize("planes", [1, 30])
def test_too_few_planes_leave_nothing_behind(tmp_path: Path, planes: int) -> None:
    writer = OmeTiffWriter(tmp_path / "a.ome.tif", (40, 20, 30), "u2", "ZYX")
    with pytest.raises(StackError, match=f"{planes} of 40 planes came"), writer:  # noqa: PT012
        for n in range(planes):
            writer[n] = noise(20, 30)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    with (  # noqa: PT012
        pytest.raises(error),
        OmeTiffWriter(tmp_path / "a.ome.tif", (40, 20, 30), "u2", "ZYX") as writer,
    ):
        writer[0] = noise(20, 30)
        assert not (tmp_path / "a.ome.tif").exists()
        raise error
    assert not list(tmp_path.iterdir())


def test_a_cancelled_file_leaves_nothing_behind_and_the_old_one_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_stack(path, Stack(data=noise(20, 30), axes="YX"))
    before = path.read_bytes()
    with OmeTiffWriter(path, (2, 20, 30), "u2", "ZYX", overwrite=True) as writer:
        writer[0] = noise(20, 30)
        writer.abort()
        writer.abort()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_stack(tmp_path / "a.ome.tif", Stack(data=noise(20, 30), axes="YX"))
    modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()]
    assert modes[0] == modes[1]


def test_a_stack_can_be_written_over_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    image = noise(4, 20, 30)
    write_stack(path, Stack(data=image, axes="ZYX"))
    if os.name == "nt":
        pytest.skip("Windows keeps an open file's name")
    with read_stack(path) as stack:
        write_stack(path, stack, compression="zlib", overwrite=True)
    with read_stack(path) as stack:
        np.testing.assert_array_equal(stack[...], image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "i8"}, "no pixels of type int64; convert the image to one of int8"),
        ({"dtype": "c8"}, "no pixels of type complex64"),
        ({"shape": (0, 20, 30)}, "has no pixels"),
        ({"axes": "ZXY"}, "must end in YX"),
        ({"axes": "TZYX"}, "name 4 axes of an image that has 3"),
        ({"shape": (1,) * 6, "axes": "QTZCYX"}, "split the stack along one of them"),
        ({"compression": "jpeg"}, "choose one of zlib, lzw, zstd"),
        ({"path": "no/folder/a.ome.tif"}, "there is no folder"),
        ({"path": "folder.ome.tif"}, "is a folder"),
        ({"path": "there.ome.tif"}, "exists already"),
        ({"shape": (10**9, 2000, 3000)}, "B free"),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_refused_in_one_sentence(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "folder.ome.tif").mkdir()
    (tmp_path / "there.ome.tif").touch()
    before = sorted(tmp_path.iterdir())
    path = tmp_path / options.pop("path", "a.ome.tif")
    arguments = {"shape": (3, 20, 30), "dtype": "u2", "axes": "ZYX"} | options
    with pytest.raises(StackError, match=message) as caught:
        OmeTiffWriter(path, **arguments)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_planes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    writer = OmeTiffWriter(tmp_path / "a.ome.tif", (2, 3, 20, 30), "u2", "TZYX")
    with pytest.raises(StackError, match="use it in a with block"):
        writer[0, 0] = noise(20, 30)
    with writer:
        with pytest.raises(StackError, match=r"plane \(0, 1\) was given where \(0, 0\) comes"):
            writer[0, 1] = noise(20, 30)
        with pytest.raises(StackError, match=r"shape \(30, 20\)"):
            writer[0, 0] = noise(30, 20)
        with pytest.raises(StackError, match="type float64"):
            writer[0, 0] = noise(20, 30, dtype="f8")
        for index in np.ndindex(2, 3):
            writer[index] = noise(20, 30)
        with pytest.raises(StackError, match="comes next"):
            writer[2, 0] = noise(20, 30)


def test_a_disk_too_small_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    with pytest.raises(StackError, match=r"takes 24 KB and .* has only 10 KB free"):
        OmeTiffWriter(tmp_path / "a.ome.tif", (20, 20, 30), "u2", "ZYX")
    OmeTiffWriter(tmp_path / "a.ome.tif", (2, 20, 30), "u2", "ZYX")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of a process are POSIX")
@pytest.mark.parametrize("limit", [1000, 100_000, 1_000_000])
def test_a_disk_that_fills_up_leaves_one_sentence_and_no_file(tmp_path: Path, limit: int) -> None:
    code = (
        "import resource, sys, numpy as np\n"
        "from napari_srcnn.io import Stack, StackError, write_stack\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try:\n"
        "    write_stack(sys.argv[1], Stack(data=np.ones((20, 256, 256), 'u2'), axes='ZYX'))\n"
        "except StackError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "a.ome.tif")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("a.ome.tif was not written: ")
    assert done.stdout.count("\n") == 1
    assert not done.stderr
    assert not list(tmp_path.iterdir())


def test_large_images_become_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_srcnn.io.ome_tiff._BIGTIFF_FROM", 10_000)
    for size, big in ((20, False), (200, True)):
        path = tmp_path / f"{size}.ome.tif"
        assert_round_trip(path, Stack(data=noise(2, size, size), axes="ZYX"))
        with tifffile.TiffFile(path) as tif:
            assert tif.is_bigtiff is big


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_number_of_planes(tmp_path: Path) -> None:
    code = (
        "import sys, re, numpy as np\n"
        "from napari_srcnn.io import OmeTiffWriter, read_stack, write_stack\n"
        "planes, folder = int(sys.argv[1]), sys.argv[2]\n"
        "with OmeTiffWriter(folder + '/a.ome.tif', (planes, 1024, 1024), 'u2', 'ZYX', "
        "overwrite=True) as out:\n"
        "    for n in range(planes):\n"
        "        out[n] = np.full((1024, 1024), n, 'u2')\n"
        "with read_stack(folder + '/a.ome.tif') as stack:\n"
        "    write_stack(folder + '/b.ome.tif', stack, compression='zstd', overwrite=True)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
    )
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", code, str(planes), str(tmp_path)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for planes in (5, 60)
    ]
    assert peaks[1] < peaks[0] + 10_000, "kB; the 55 planes more are 115 000 kB"


def test_a_full_disk_is_called_full_though_numpy_does_not_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_written(*_: Any, **__: Any) -> None:
        # The room comes back when what was written is removed.
        part = next(tmp_path.iterdir())
        room = {True: 4096, False: 2**30}
        monkeypatch.setattr(
            shutil, "disk_usage", lambda _: SimpleNamespace(free=room[part.exists()])
        )
        raise OSError("2048 requested and 968 written")

    monkeypatch.setattr(tifffile.TiffWriter, "write", half_written)
    with pytest.raises(StackError, match=r"a.ome.tif was not written: the disk is full"):
        write_stack(tmp_path / "a.ome.tif", Stack(data=noise(20, 30), axes="YX"))
    assert not list(tmp_path.iterdir())
