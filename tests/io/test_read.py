from __future__ import annotations

import gc
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import real_data
import tifffile
from numpy.typing import NDArray

import napari_srcnn.io.tiff_array
from napari_srcnn.image.units import unit_name
from napari_srcnn.io import Stack, StackError, read_stack, stack_name

COMPRESSIONS = ("zlib", "lzw", "zstd", "packbits", "jpeg2000")


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return (np.random.default_rng(0).random(shape) * 200).astype(dtype)


def written(path: Path, image: NDArray[Any], **options: Any) -> Path:
    tifffile.imwrite(path, image, **{"photometric": "minisblack", **options})
    return path


def some_keys(shape: tuple[int, ...]) -> list[Any]:
    """Keys of every kind that slice-by-slice work uses."""
    rng = np.random.default_rng(1)
    keys: list[Any] = [..., (0,) * len(shape), slice(None, None, -1), (..., slice(1, None, 3))]
    for _ in range(10):
        key = []
        for length in shape:
            start, stop = sorted(rng.integers(0, length + 1, 2).tolist())
            choice = [int(rng.integers(length)), slice(start, stop), slice(stop, start, -2)]
            key.append(choice[int(rng.integers(3))])
        keys.append(tuple(key))
    return keys


def assert_reads(path: Path, expected: NDArray[Any]) -> Stack:
    """The lazy array gives what the eager one gives, for any key, also when unpickled."""
    with read_stack(path) as stack:
        np.testing.assert_array_equal(np.asarray(stack.data), expected)
        assert stack.shape == expected.shape
        assert stack.dtype == expected.dtype.newbyteorder("=")
        for key in some_keys(expected.shape):
            np.testing.assert_array_equal(stack.data[key], expected[key], err_msg=str(key))
        with stack_of(pickle.loads(pickle.dumps(stack.data)), stack.axes) as again:
            np.testing.assert_array_equal(again[...], expected)
    return stack


def stack_of(data: Any, axes: str) -> Stack:
    return Stack(data=data, axes=axes)


@pytest.fixture(params=[2**26, 0], ids=["kept", "read anew"])
def page_limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read compressed strips and tiles from those that were kept, and from the file."""
    monkeypatch.setattr(napari_srcnn.io.tiff_array, "_KEPT_BYTES", request.param)


@pytest.mark.parametrize(
    "dtype", ["u1", "u2", ">i2", "f4", ">f8", "i8", "f2", "?", "c8"], ids=lambda name: name
)
def test_every_type_and_byte_order_is_read(tmp_path: Path, dtype: str) -> None:
    image = noise(3, 37, 53, dtype=dtype)
    order = ">" if dtype.startswith(">") else "<"
    path = written(tmp_path / "a.tif", image, byteorder=order, metadata={"axes": "ZYX"})
    assert assert_reads(path, image).axes == "ZYX"


@pytest.mark.usefixtures("page_limit")
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("tile", [None, (32, 48)], ids=["strips", "tiles"])
def test_compressed_pages_are_read_as_they_were(
    tmp_path: Path, compression: str, tile: tuple[int, int] | None
) -> None:
    image = noise(2, 70, 90)
    rows = {} if tile else {"rowsperstrip": 16}
    path = written(tmp_path / "a.tif", image, compression=compression, tile=tile, **rows)
    assert_reads(path, image)


@pytest.mark.usefixtures("page_limit")
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"compression": "zlib"}], ids=str)
@pytest.mark.parametrize("planar", [False, True], ids=["interleaved", "planar"])
def test_colour_samples_stand_last_however_they_are_stored(
    tmp_path: Path, options: dict[str, Any], planar: bool
) -> None:
    image = noise(4, 40, 50, 3, dtype="uint8")
    stored = np.moveaxis(image, -1, 1) if planar else image
    config = "separate" if planar else "contig"
    path = written(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=config, **options)
    assert assert_reads(path, image).axes == "QYXS"


@pytest.mark.parametrize("planar", [False, True], ids=["interleaved", "planar"])
def test_samples_that_are_no_colour_are_channels(tmp_path: Path, planar: bool) -> None:
    image = noise(5, 40, 50)
    stored = image if planar else np.moveaxis(image, 0, -1)
    config = "separate" if planar else "contig"
    path = written(tmp_path / "a.tif", stored, planarconfig=config)
    assert assert_reads(path, image).axes == "CYX"


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (1, 5, 7), (1, 1, 1, 6, 7)], ids=str)
def test_axes_of_length_one_are_kept(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = noise(*shape)
    assert_reads(written(tmp_path / "a.tif", image), image)


def test_volumetric_tiles_and_bigtiff_are_read(tmp_path: Path) -> None:
    image = noise(32, 48, 64)
    assert_reads(written(tmp_path / "v.tif", image, tile=(16, 16, 16), volumetric=True), image)
    assert_reads(written(tmp_path / "b.tif", image, bigtiff=True), image)


def test_a_pyramid_is_read_at_full_resolution(tmp_path: Path) -> None:
    image = noise(2, 128, 160)
    with tifffile.TiffWriter(tmp_path / "p.ome.tif", ome=True) as tif:
        options: dict[str, Any] = {"tile": (64, 64), "photometric": "minisblack"}
        tif.write(image, subifds=1, metadata={"axes": "CYX"}, **options)
        tif.write(image[:, ::2, ::2], subfiletype=1, **options)
    assert assert_reads(tmp_path / "p.ome.tif", image).axes == "CYX"


def test_any_series_of_a_file_can_be_chosen(tmp_path: Path) -> None:
    first, second = noise(2, 20, 30), noise(40, 50)
    with tifffile.TiffWriter(tmp_path / "two.tif") as tif:
        tif.write(first, photometric="minisblack")
        tif.write(second, photometric="minisblack")
    with read_stack(tmp_path / "two.tif", series=1) as stack:
        np.testing.assert_array_equal(stack[...], second)
        with stack_of(pickle.loads(pickle.dumps(stack.data)), "YX") as again:
            assert again.shape == second.shape
    with pytest.raises(StackError, match="holds 2 images; there is no number 2"):
        read_stack(tmp_path / "two.tif", series=2)


def multi_file(folder: Path, image: NDArray[Any], compression: str | None) -> list[Path]:
    """Write (C, Z, Y, X) as OME-TIFF, a file a channel, the whole OME-XML in each."""
    names = [f"channel{c}.ome.tif" for c in range(len(image))]
    uuids = [f"urn:uuid:6a39a5c0-0000-0000-0000-00000000000{c}" for c in range(len(image))]
    blocks = "".join(
        f'<TiffData FirstC="{c}" IFD="0" PlaneCount="{image.shape[1]}">'
        f'<UUID FileName="{names[c]}">{uuids[c]}</UUID></TiffData>'
        for c in range(len(image))
    )
    for c, name in enumerate(names):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuids[c]}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
            f'SizeX="{image.shape[3]}" SizeY="{image.shape[2]}" SizeZ="{image.shape[1]}" '
            f'SizeC="{image.shape[0]}" SizeT="1" PhysicalSizeX="0.5">'
            '<Channel ID="Channel:0:0" Name="DAPI" Color="-16776961"/>'
            f'<Channel ID="Channel:0:1" Name="GFP"/>{blocks}'
            '<Plane TheZ="0" TheC="0" TheT="0" DeltaT="1500" DeltaTUnit="ms"/>'
            "</Pixels></Image></OME>"
        )
        written(folder / name, image[c], description=xml, metadata=None, compression=compression)
    return [folder / name for name in names]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_multi_file_ome_tiff_is_one_stack_from_several_threads(
    tmp_path: Path, compression: str | None
) -> None:
    image = noise(2, 3, 40, 50)
    paths = multi_file(tmp_path, image, compression)
    for path in paths:
        assert assert_reads(path, image).channel_names == ("DAPI", "GFP")
    wrong = []

    def read(stack: Stack) -> None:
        for n in range(30):
            key = (n % 2, n % 3, slice(3, 7))
            if not np.array_equal(stack.data[key], image[key]):
                wrong.append(key)

    with read_stack(paths[0]) as stack:
        threads = [threading.Thread(target=read, args=(stack,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert stack.channel_colors == ("#ff0000", None)
    assert stack.metadata["delta_t"] == [[1.5, None, None], [None, None, None]]


def test_a_missing_file_of_a_set_is_said_and_reads_as_zeros(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = noise(2, 3, 40, 50)
    first, second = multi_file(tmp_path, image, None)
    second.unlink()
    with read_stack(first) as stack:
        np.testing.assert_array_equal(stack[0], image[0])
        assert not stack[1].any()
        assert stack.metadata["missing_planes"] == 3
    assert "lacks 3 planes" in caplog.text


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m", "microns"])
def test_imagej_calibration_is_read_in_any_spelling(tmp_path: Path, unit: str) -> None:
    luts = [np.outer(color, np.arange(256)).astype("uint8") for color in np.eye(3)]
    path = written(
        tmp_path / "a.tif",
        noise(2, 4, 3, 20, 30),
        photometric=None,
        imagej=True,
        resolution=(10, 5),
        metadata={"axes": "TZCYX", "unit": unit, "spacing": 2.5, "finterval": 3.0, "LUTs": luts},
    )
    with read_stack(path) as stack:
        assert stack.axes == "TZCYX"
        assert stack.pixel_size == (3.0, 2.5, 1.0, 0.2, 0.1)
        length = "micrometer"
        assert stack.units == ("second", length, "pixel", length, length)
        assert stack.channel_colors == ("#ff0000", "#00ff00", "#0000ff")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("µm", "micrometer"),
        ("\u03bcm", "micrometer"),
        ("Micron", "micrometer"),
        ("\\u00b5m", "micrometer"),
        ("micrometer", "micrometer"),
        ("Å", "angstrom"),
        ("inches", "inch"),
        ("mm", "millimeter"),
        ("sec", "second"),
        ("px", "pixel"),
        ("Mm", None),
        ("frames", None),
        ("", None),
    ],
)
def test_units_have_one_name_however_they_are_spelled(text: str, name: str | None) -> None:
    assert unit_name(text) == name


def test_ome_calibration_is_read_with_its_units(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.ome.tif",
        noise(2, 3, 20, 30),
        metadata={
            "axes": "TZYX",
            "PhysicalSizeX": 100.5,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.2,
            "PhysicalSizeZ": 1.5,
            "PhysicalSizeZUnit": "mm",
            "TimeIncrement": 0.5,
            "TimeIncrementUnit": "min",
        },
    )
    with read_stack(path) as stack:
        assert stack.pixel_size == (0.5, 1.5, 0.2, 100.5)
        assert stack.units == ("minute", "millimeter", "micrometer", "nanometer")


@pytest.mark.parametrize(
    ("resolution", "unit", "size"),
    [
        ((20000, 10000), "CENTIMETER", ((1.0, 0.5), "micrometer")),
        ((2540, 2540), "INCH", ((10.0, 10.0), "micrometer")),
        ((72, 72), "INCH", ((1.0, 1.0), "pixel")),
        ((20, 20), "NONE", ((1.0, 1.0), "pixel")),
    ],
)
def test_plain_resolution_is_a_pixel_size_unless_a_printer_s(
    tmp_path: Path, resolution: tuple[int, int], unit: str, size: tuple[tuple[float, float], str]
) -> None:
    path = written(tmp_path / "a.tif", noise(20, 30), resolution=resolution, resolutionunit=unit)
    with read_stack(path) as stack:
        assert stack.pixel_size == pytest.approx(size[0])
        assert stack.units == (size[1],) * 2


def test_every_real_image_reads_lazily_as_it_does_at_once(shared_data: Path) -> None:
    paths = sorted((shared_data / "micro").rglob("*.tif"))
    assert paths
    for path in paths:
        with read_stack(path) as stack:
            np.testing.assert_array_equal(stack[...], tifffile.imread(path), err_msg=path.name)


# -- files as microscopes, ImageJ and scanners leave them -----------------------------------------

MICRON = "\\u00B5m"  # as ImageJ writes it
IMAGEJ: dict[str, Any] = {"photometric": "minisblack", "metadata": None, "resolutionunit": "NONE"}
OME_CT: dict[str, Any] = {
    "photometric": "minisblack",
    "ome": True,
    "metadata": {
        "axes": "ZYX",
        "PhysicalSizeZ": 4.22,
        "PhysicalSizeY": 0.4883,
        "PhysicalSizeX": 0.4883,
        **{f"PhysicalSize{axis}Unit": "mm" for axis in "ZYX"},
    },
}


def described(**lines: object) -> str:
    return "".join(f"{key}={value}\n" for key, value in {"ImageJ": "1.54f", **lines}.items())


# What is stored in the file of the same name, and how; small.
LIKE_REAL: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "fluo/hela_3ch_rgb48.tif": (
        noise(20, 30, 3),
        IMAGEJ
        | {
            "photometric": "rgb",
            "resolution": (19.420064, 19.420064),
            "description": described(channels=3, mode="composite", unit=MICRON, spacing=0.0515),
        },
    ),
    "fluo/vesicles_z.tif": (
        noise(4, 20, 30),
        IMAGEJ
        | {
            "resolution": (10.623103, 10.623103),
            "description": described(images=4, slices=4, unit=MICRON, spacing=0.39999999999999974),
        },
    ),
    "fluo/golgi_bfa_t_float32.tif": (
        noise(4, 20, 30, dtype="float32"),
        IMAGEJ
        | {
            "resolution": (2.845474, 2.845474),
            "description": described(
                images=4, frames=4, unit="micron", finterval=59.86, spacing=0.3876
            ),
        },
    ),
    "fluo/cell_migration_t_plainaxes.tif": (noise(4, 20, 30), {"photometric": "minisblack"}),
    "fluo/pollen_z_plain.tif": (
        noise(4, 20, 30),
        {
            "photometric": "minisblack",
            "metadata": None,
            "compression": "packbits",
            "resolution": (72, 72),
            "resolutionunit": "INCH",
        },
    ),
    "medical/ct_head_hu_int16.ome.tif": (noise(4, 20, 30, dtype="int16") - 1500, OME_CT),
}


@pytest.mark.parametrize(
    ("name", "axes", "pixel_size", "units"),
    [
        ("fluo/hela_3ch_rgb48.tif", "YXS", (0.0515, 0.0515, 1), ("micrometer",) * 2 + ("pixel",)),
        ("fluo/vesicles_z.tif", "ZYX", (0.4, 0.0941, 0.0941), ("micrometer",) * 3),
        ("fluo/golgi_bfa_t_float32.tif", "TYX", (59.86, 0.3514, 0.3514), ("second", "micrometer")),
        ("fluo/cell_migration_t_plainaxes.tif", "QYX", (1, 1, 1), ("pixel",) * 3),
        ("fluo/pollen_z_plain.tif", "IYX", (1, 1, 1), ("pixel",) * 3),
        ("medical/ct_head_hu_int16.ome.tif", "ZYX", (4.22, 0.4883, 0.4883), ("millimeter",) * 3),
    ],
)
def test_real_calibrations_are_read(
    tmp_path: Path, name: str, axes: str, pixel_size: tuple[float, ...], units: tuple[str, ...]
) -> None:
    image, options = LIKE_REAL[name]
    like = tmp_path / Path(name).name
    tifffile.imwrite(like, image, **options)
    real = [real_data.FOLDER / "micro" / name] if real_data.THERE else []
    for path in [like, *real]:
        with read_stack(path) as stack:
            assert stack.axes == axes
            assert stack.pixel_size == pytest.approx(pixel_size, rel=1e-3)
            assert stack.units[: len(units)] == units


@pytest.mark.parametrize("name", LIKE_REAL)
def test_a_file_like_a_real_one_reads_lazily_as_it_does_at_once(tmp_path: Path, name: str) -> None:
    image, options = LIKE_REAL[name]
    tifffile.imwrite(tmp_path / Path(name).name, image, **options)
    assert_reads(tmp_path / Path(name).name, image)


def damaged_files() -> dict[str, Callable[[Path], str]]:
    """Files that are no images, with what the message has to say."""

    def text(path: Path) -> str:
        path.write_text("these are my notes, not an image")
        return r"bad.tif is not a TIFF file: it begins with b'these ar'"

    def empty(path: Path) -> str:
        path.write_bytes(b"")
        return r"bad.tif is empty"

    def header_only(path: Path) -> str:
        path.write_bytes(b"II*\0")
        return r"bad.tif (is truncated|is not a TIFF file)"

    def corrupt(path: Path) -> str:
        written(path, noise(64, 64), compression="zlib")
        content = bytearray(path.read_bytes())
        content[300:-600] = b"\xa5" * len(content[300:-600])
        path.write_bytes(content)
        return r"bad.tif (cannot be read|is damaged)"

    def folder(path: Path) -> str:
        path.mkdir()
        return r"bad.tif is a folder"

    def missing(path: Path) -> str:
        return r"there is no file .*bad.tif"

    return {make.__name__: make for make in (text, empty, header_only, corrupt, folder, missing)}


@pytest.mark.parametrize("kind", damaged_files())
def test_what_is_no_image_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    expected = damaged_files()[kind](tmp_path / "bad.tif")
    with (
        pytest.raises(StackError, match=expected) as caught,
        read_stack(tmp_path / "bad.tif") as stack,
    ):
        stack[...]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["imagej", "ome", "shaped", "compressed", "tiled"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_stack_is_refused_when_it_is_opened(
    tmp_path: Path, kind: str, part: float
) -> None:
    options: dict[str, dict[str, Any]] = {
        "imagej": {"imagej": True, "photometric": None},
        "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
        "shaped": {},
        "compressed": {"compression": "zlib", "ome": True},
        "tiled": {"tile": (32, 32)},
    }
    path = written(tmp_path / "a.tif", noise(30, 96, 96), **options[kind])
    os.truncate(path, int(part * path.stat().st_size))
    with pytest.raises(StackError, match=r"a.tif is truncated"):
        read_stack(path)


def test_a_closed_stack_says_so_and_a_forgotten_one_closes_its_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", noise(3, 20, 30))
    stack = read_stack(path)
    stack.close()
    stack.close()
    with pytest.raises(StackError, match=r"a.tif has been closed"):
        stack[0]
    forgotten = read_stack(path)
    forgotten[0]
    del forgotten
    gc.collect()  # an unclosed file would warn here


@pytest.mark.parametrize("key", [5, (0, 0, 0, 0), (..., ...), "z", [0, 1], True])
def test_keys_that_do_not_fit_are_refused(tmp_path: Path, key: Any) -> None:
    with (
        read_stack(written(tmp_path / "a.tif", noise(5, 20, 30))) as stack,
        pytest.raises(IndexError),
    ):
        stack.data[key]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b.ome.tif", "b"), ("b.OME.TIF", "b"), ("c.v2.tiff", "c.v2"), ("d", "d"), ("e.npy", "e")],
)
def test_a_stack_s_name_is_its_file_s_without_the_ending(name: str, expected: str) -> None:
    assert stack_name(name) == expected


@pytest.mark.parametrize("axes", ["YX", "ZXY", "YXZ", "ZZYX", "SYX", "ZYXS", ""])
def test_wrong_axes_are_refused(axes: str) -> None:
    with pytest.raises(StackError, match="axes"):
        Stack(data=noise(2, 3, 4), axes=axes)
