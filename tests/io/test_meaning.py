"""Tags that say what values mean are applied, kept or said, in reading and in writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_srcnn.io import StackError, read_stack, write_stack


def noise(*shape: int, dtype: str = "u2") -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def again(path: Path) -> tifffile.TiffPage:
    """Write what was read, and return the page."""
    with read_stack(path) as stack:
        written = write_stack(path.with_name("again.ome.tif"), stack)
    with tifffile.TiffFile(written) as tif:
        return tif.pages.first


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_white_stays_white(tmp_path: Path, dtype: str) -> None:
    image = noise(24, 32, dtype=dtype)
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="miniswhite")
    page = again(tmp_path / "in.tif")
    assert page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    with read_stack(tmp_path / "again.ome.tif") as stack:
        np.testing.assert_array_equal(stack[...], image)


def test_a_palette_becomes_the_colours_that_it_stands_for(tmp_path: Path) -> None:
    index = np.zeros((24, 32), "u1")
    index[:, 16:] = 2
    colors = np.zeros((3, 256), "u2")
    colors[0, 0] = colors[2, 1] = colors[1, 2] = 65535
    tifffile.imwrite(tmp_path / "in.tif", index, photometric="palette", colormap=colors)
    with read_stack(tmp_path / "in.tif") as stack:
        assert (stack.axes, stack.dtype) == ("YXS", "uint8")
        assert stack[0, 0].tolist() == [255, 0, 0]
        assert stack[0, 31].tolist() == [0, 255, 0]
        np.testing.assert_array_equal(stack[3:5, 15:17], stack[...][3:5, 15:17])
        assert "palette is applied" in stack.notes[0]
    assert again(tmp_path / "in.tif").photometric == tifffile.PHOTOMETRIC.RGB


@pytest.mark.parametrize(
    ("top", "color"), [((0, 255, 0), "#00ff00"), ((255, 0, 255), "#ff00ff"), ((255,) * 3, None)]
)
def test_intensities_shown_in_one_colour_stay_intensities(
    tmp_path: Path, top: tuple[int, int, int], color: str | None
) -> None:
    image = noise(24, 32, dtype="u1")
    table = (np.outer(top, np.arange(256)) / 255).astype("u2") * 257
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="palette", colormap=table)
    with read_stack(tmp_path / "in.tif") as stack:
        np.testing.assert_array_equal(stack[...], image)
        assert stack.channel_colors == ((color,) if color else ())


def test_imagej_s_own_look_up_table_leaves_intensities_as_they_are(tmp_path: Path) -> None:
    image = noise(24, 32, dtype="u1")
    table = np.random.default_rng(1).integers(0, 65535, (3, 256)).astype("u2")
    text = "ImageJ=1.54f\nimages=1\nunit=micron\n"
    tifffile.imwrite(
        tmp_path / "in.tif",
        image,
        photometric="palette",
        colormap=table,
        description=text,
        metadata=None,
    )
    with read_stack(tmp_path / "in.tif") as stack:
        np.testing.assert_array_equal(stack[...], image)
        assert stack.notes == ("its look-up table of several colours is left out",)


@pytest.mark.parametrize("channels", [2, 1])
def test_the_colour_of_a_channel_is_read(tmp_path: Path, channels: int) -> None:
    green = np.array([np.zeros(256), np.arange(256), np.zeros(256)]).astype("u1")
    tifffile.imwrite(
        tmp_path / "lut.tif",
        np.zeros((3, channels, 24, 32), "u2"),
        imagej=True,
        metadata={"axes": "ZCYX", "mode": "color", "LUTs": [green] * channels},
    )
    with read_stack(tmp_path / "lut.tif") as stack:
        assert stack.channel_colors == ("#00ff00",) * channels


@pytest.mark.parametrize("orientation", [3, 6])
def test_the_corner_of_the_first_pixel_is_kept(tmp_path: Path, orientation: int) -> None:
    image = noise(24, 32)
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="minisblack", extratags=tags)
    assert again(tmp_path / "in.tif").tags.valueof(274) == orientation


@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha", "unspecified"])
def test_a_fourth_sample_stays_what_it_was(tmp_path: Path, kind: str) -> None:
    image = noise(24, 32, 4, dtype="u1")
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="rgb", extrasamples=[kind])
    page = again(tmp_path / "in.tif")
    assert page.extrasamples[0] == tifffile.EXTRASAMPLE[kind.upper()]


def test_twelve_bits_in_sixteen_stay_twelve(tmp_path: Path) -> None:
    metadata = {"axes": "YX", "SignificantBits": 12}
    tifffile.imwrite(tmp_path / "in.ome.tif", noise(24, 32), ome=True, metadata=metadata)
    assert 'SignificantBits="12"' in str(again(tmp_path / "in.ome.tif").description)


def test_a_value_for_no_data_is_kept_and_said(tmp_path: Path) -> None:
    tags = [(42113, 2, 0, "-9999", True)]
    image = noise(24, 32, dtype="f4")
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="minisblack", extratags=tags)
    with read_stack(tmp_path / "in.tif") as stack:
        assert "without data have the value -9999" in stack.notes[0]
    assert again(tmp_path / "in.tif").tags.valueof(42113) == "-9999"


def test_imagej_s_calibration_of_values_is_said(tmp_path: Path) -> None:
    text = "ImageJ=1.54f\nimages=1\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
    image = noise(24, 32)
    tifffile.imwrite(
        tmp_path / "in.tif", image, description=text, metadata=None, photometric="minisblack"
    )
    with read_stack(tmp_path / "in.tif") as stack:
        np.testing.assert_array_equal(stack[...], image)
        assert "calibration of its values (-32768 + 1 × value) in Gray Value" in stack.notes[0]


def test_inks_are_said_to_be_no_light(tmp_path: Path) -> None:
    image = noise(24, 32, 4, dtype="u1")
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="separated")
    with read_stack(tmp_path / "in.tif") as stack:
        assert stack.axes == "CYX"
        assert "inks (CMYK)" in stack.notes[0]


def test_a_camera_s_mosaic_is_refused(tmp_path: Path) -> None:
    tags = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, b"\0\1\1\2", True)]
    image = noise(24, 32)
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="cfa", extratags=tags)
    with pytest.raises(StackError, match="raw colour mosaic"):
        read_stack(tmp_path / "in.tif")


@pytest.mark.parametrize(
    ("dots", "unit"),
    [
        (300, "INCH"),
        (118.11, "CENTIMETER"),
        (28.346, "CENTIMETER"),
        (37.795, "CENTIMETER"),
        (240, "INCH"),
        (144, "INCH"),
        (1200, "INCH"),
        (96.012, "INCH"),
        (2400, "INCH"),
    ],
)
def test_a_printer_s_resolution_is_no_pixel_size(tmp_path: Path, dots: float, unit: str) -> None:
    options = {"resolution": (dots, dots), "resolutionunit": unit}
    tifffile.imwrite(tmp_path / "p.tif", noise(24, 32), **options)
    with read_stack(tmp_path / "p.tif") as stack:
        assert stack.units == ("pixel", "pixel")


@pytest.mark.parametrize("micrometers", [0.1, 5, 10, 20, 25, 50, 100, 200, 1000])
def test_a_microscope_s_resolution_is_a_pixel_size(tmp_path: Path, micrometers: float) -> None:
    options = {"resolution": (1e4 / micrometers,) * 2, "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "p.tif", noise(24, 32), **options)
    with read_stack(tmp_path / "p.tif") as stack:
        assert stack.pixel_size == pytest.approx((micrometers,) * 2)
        assert stack.units == ("micrometer",) * 2


@pytest.mark.parametrize(
    ("text", "resolution", "size", "unit"),
    [
        ("unit=micron\nspacing=-0.5\n", 4, (0.5, 0.25, 0.25), "micrometer"),
        ("unit=micron\n", 4, (1.0, 0.25, 0.25), "micrometer"),
        ("spacing=3.0\n", 1, (3.0, 1.0, 1.0), "pixel"),
        ("unit=pixel\nspacing=3.0\n", 1, (3.0, 1.0, 1.0), "pixel"),
        ("", 1, (1.0, 1.0, 1.0), "pixel"),
    ],
    ids=["from the other end", "left out", "without a unit", "in pixels", "nothing"],
)
def test_imagej_s_spacing_is_read_as_imagej_reads_it(
    tmp_path: Path, text: str, resolution: float, size: tuple[float, ...], unit: str
) -> None:
    tifffile.imwrite(
        tmp_path / "z.tif",
        noise(3, 24, 32),
        description=f"ImageJ=1.54f\nimages=3\nslices=3\n{text}",
        metadata=None,
        photometric="minisblack",
        resolution=(resolution, resolution),
        resolutionunit="NONE",
    )
    with read_stack(tmp_path / "z.tif") as stack:
        assert (stack.axes, stack.pixel_size, stack.units) == ("ZYX", size, (unit,) * 3)


def test_imagej_s_resolution_per_centimetre_counts_without_a_unit(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "ij.tif",
        noise(3, 24, 32),
        imagej=True,
        resolution=(2e4, 2e4),
        resolutionunit="CENTIMETER",
        metadata={"axes": "ZYX"},
    )
    with read_stack(tmp_path / "ij.tif") as stack:
        assert stack.pixel_size[1:] == pytest.approx((0.5, 0.5))
        assert stack.units[1:] == ("micrometer",) * 2


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_pixels_of_four_picometres_are_written(tmp_path: Path, kind: str) -> None:
    sizes = {f"PhysicalSize{axis}": 0.004 for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": "nm" for axis in "XY"}
    options: dict[str, Any] = {
        "ome": {"ome": True, "metadata": {"axes": "YX", **sizes, **units}},
        "imagej": {"imagej": True, "resolution": (250, 250), "metadata": {"unit": "nm"}},
    }[kind]
    tifffile.imwrite(tmp_path / "in.tif", noise(24, 32), **options)
    again(tmp_path / "in.tif")
    with read_stack(tmp_path / "again.ome.tif") as stack:
        assert stack.pixel_size == pytest.approx((0.004, 0.004))
        assert stack.units == ("nanometer",) * 2


MODULO = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">
<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="24" SizeZ="6" SizeC="1"
SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData/></Pixels>
<AnnotationRef ID="Annotation:1"/></Image><StructuredAnnotations><XMLAnnotation ID="Annotation:1"
Namespace="openmicroscopy.org/omero/dimension/modulo"><Value>
<Modulo namespace="http://www.openmicroscopy.org/Schemas/Additions/2011-09"><ModuloAlongZ
Type="angle" Start="0" End="1" Step="1"/></Modulo></Value></XMLAnnotation></StructuredAnnotations>
</OME>"""


def test_what_is_written_of_a_modulo_file_can_be_read(tmp_path: Path) -> None:
    image = noise(6, 24, 32)
    tifffile.imwrite(
        tmp_path / "in.ome.tif",
        image,
        description=MODULO.encode(),
        metadata=None,
        photometric="minisblack",
    )
    again(tmp_path / "in.ome.tif")
    for name in ("in", "again"):
        with read_stack(tmp_path / f"{name}.ome.tif") as stack:
            assert (stack.axes, stack.shape) == ("ZAYX", (3, 2, 24, 32))
            np.testing.assert_array_equal(stack[...], image.reshape(3, 2, 24, 32))
