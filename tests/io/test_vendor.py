"""ND2, CZI and LIF: what is read of files that were made here, and what is said without readers.

The files are made of what the readers' sources say that they look for; no microscope wrote them.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from commands import command_here
from vendor_files import (
    LeicaImage,
    NikonStack,
    ZeissTile,
    czi_xml,
    write_czi,
    write_lif,
    write_nd2,
)

from napari_srcnn.io import StackError, count_images, image_files, image_names, read_stack
from napari_srcnn.io.napari_hooks import get_reader, read_layers

WHY = 'is in the extra "vendor", which need not be installed'


def noise(*shape: int, dtype: str = "u2", seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


# ---------------------------------------------------------------- without the packages


@pytest.mark.parametrize(
    ("suffix", "package"), [(".nd2", "nd2"), (".czi", "czifile"), (".lif", "liffile")]
)
def test_without_the_package_it_is_said_how_to_get_it(
    tmp_path: Path, suffix: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"whatever")
    for call in (read_stack, image_names):
        with pytest.raises(StackError, match=rf"a{suffix} is read by the package {package}") as why:
            call(path)
        assert 'pip install "napari-srcnn[vendor]"' in str(why.value)
    # napari is answered, so that the sentence is seen there.
    assert get_reader(str(path)) is not None


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="does not exist"):
        read_stack(tmp_path / "none.lif")


@pytest.mark.parametrize(
    ("suffix", "package"), [(".nd2", "nd2"), (".czi", "czifile"), (".lif", "liffile")]
)
def test_a_file_of_another_kind_is_refused_in_a_sentence(
    tmp_path: Path, suffix: str, package: str
) -> None:
    pytest.importorskip(package, reason=f"{package} {WHY}")
    path = tmp_path / f"a{suffix}"
    path.write_text("Dear diary, this is no image." * 20)
    with pytest.raises(StackError, match=rf"a{suffix} is damaged or of an unsupported kind"):
        read_stack(path)


# ---------------------------------------------------------------- Leica


@pytest.fixture
def lif(tmp_path: Path) -> tuple[Path, Any, Any]:
    pytest.importorskip("liffile", reason=f"liffile {WHY}")
    stack, tiles = noise(4, 3, 2, 20, 24), noise(2, 20, 24, dtype="u1", seed=1)
    path = write_lif(
        tmp_path / "in.lif",
        LeicaImage(
            name="Series",
            pixels=stack,
            axes="TZCYX",
            lengths={"X": 23e-7, "Y": 19e-7, "Z": 2e-6, "T": 6.0},
            colors=("Green", "Red"),
        ),
        LeicaImage(name="Tiles", pixels=tiles, axes="MYX", lengths={"X": 23e-6, "Y": 19e-6}),
    )
    return path, stack, tiles


def test_a_lif_holds_images_and_the_positions_of_tile_scans(lif: tuple[Path, Any, Any]) -> None:
    path, stack, tiles = lif
    assert image_names(path) == ("Series", "Tiles, position 1", "Tiles, position 2")
    assert image_files(path) == (path,)
    with read_stack(path) as read:
        assert (read.axes, read.name, read.dtype) == ("TZCYX", "in", np.uint16)
        np.testing.assert_array_equal(read[...], stack)
        np.testing.assert_array_equal(read[3, 1, 1, 5:9, ::3], stack[3, 1, 1, 5:9, ::3])
        np.testing.assert_allclose(read.pixel_size, (2.0, 1.0, 1.0, 0.1, 0.1))
        assert read.units == ("second", "micrometer", "pixel", "micrometer", "micrometer")
        assert read.channel_names == ("Green", "Red")
        assert read.channel_colors == ("#00ff00", "#ff0000")
        assert read.notes == ("of the file's 3 images this is number 1 (Series)",)
    with read_stack(path, series=2) as read:
        assert read.axes == "YX"
        np.testing.assert_array_equal(read[...], tiles[1])


def test_the_channels_of_a_lif_are_layers(lif: tuple[Path, Any, Any]) -> None:
    path, stack, tiles = lif
    layers = read_layers(str(path))
    assert [arguments["name"] for _, arguments, _ in layers] == [
        "in Series Green",
        "in Series Red",
        "in Tiles, position 1",
        "in Tiles, position 2",
    ]
    data, arguments, _ = layers[1]
    np.testing.assert_array_equal(np.asarray(data), stack[:, :, 1])
    assert arguments["units"] == ("second", "micrometer", "micrometer", "micrometer")
    np.testing.assert_array_equal(np.asarray(layers[3][0]), tiles[1])


def test_rgb_of_a_lif_has_its_samples_last(tmp_path: Path) -> None:
    pytest.importorskip("liffile", reason=f"liffile {WHY}")
    pixels = noise(20, 24, 3, dtype="u1")
    image = LeicaImage(
        name="a",
        pixels=pixels,
        axes="YXS",
        lengths={"X": 23e-6, "Y": 19e-6},
        colors=("Red", "Green", "Blue"),
    )
    with read_stack(write_lif(tmp_path / "a.lif", image)) as read:
        assert read.axes == "YXS"
        np.testing.assert_array_equal(read[...], pixels)
        np.testing.assert_allclose(read.pixel_size[:2], (1.0, 1.0))


def test_a_section_across_says_that_its_rows_are_no_y(tmp_path: Path) -> None:
    pytest.importorskip("liffile", reason=f"liffile {WHY}")
    image = LeicaImage(name="xz", pixels=noise(20, 24), axes="ZX", lengths={"X": 23e-6, "Z": 38e-6})
    with read_stack(write_lif(tmp_path / "a.lif", image)) as read:
        assert read.axes == "YX"
        np.testing.assert_allclose(read.pixel_size, (2.0, 1.0))
        assert read.notes == ("the rows of its planes are Z, not Y",)


def test_an_array_of_a_lif_is_opened_again_where_it_is_unpickled(
    lif: tuple[Path, Any, Any],
) -> None:
    path, stack, _ = lif
    with read_stack(path) as read:
        again = pickle.loads(pickle.dumps(read.data))
    np.testing.assert_array_equal(again[2], stack[2])
    again.close()
    with pytest.raises(StackError, match="has been closed"):
        again[0]


def test_a_scene_of_a_lif_is_upscaled_with_its_pixel_size(lif: tuple[Path, Any, Any]) -> None:
    path, _, tiles = lif
    target = path.with_name("out.ome.tif")
    command = ("upscale", path, target, "--scene", "Tiles, position 2", "--device", "cpu")
    ended = command_here(*command, "--tile", 64, "--model", "srcnn-9-1-5-x2")
    assert ended.code == 0, ended.err
    with read_stack(target) as big:
        assert big.shape == tuple(2 * size for size in tiles[1].shape)
        np.testing.assert_allclose(big.pixel_size, (0.5, 0.5))
        assert big.units == ("micrometer", "micrometer")


# ---------------------------------------------------------------- Zeiss


XML = czi_xml(
    sizes={"X": 2e-7, "Y": 2e-7, "Z": 1e-6},
    between=2.5,
    channels={"DAPI": "#FF0000FF", "GFP": "#FF00FF00"},
    scenes=("A1", "B2"),
)


def test_a_czi_of_channels_planes_and_frames(tmp_path: Path) -> None:
    pytest.importorskip("czifile", reason=f"czifile {WHY}")
    pixels = noise(2, 2, 3, 20, 24)
    tiles = [
        ZeissTile(pixels=pixels[t, c, z], at={"Z": z, "C": c, "T": t})
        for t, c, z in np.ndindex(2, 2, 3)
    ]
    path = write_czi(tmp_path / "a.czi", tiles, XML)
    with read_stack(path) as read:
        assert (read.axes, read.dtype) == ("TCZYX", np.uint16)
        np.testing.assert_array_equal(read[...], pixels)
        np.testing.assert_array_equal(read[1, 0, 2, 3:7, 4:20:2], pixels[1, 0, 2, 3:7, 4:20:2])
        np.testing.assert_allclose(read.pixel_size, (2.5, 1.0, 1.0, 0.2, 0.2))
        assert read.units == ("second", "pixel", "micrometer", "micrometer", "micrometer")
        assert read.channel_names == ("DAPI", "GFP")
        assert read.channel_colors == ("#0000ff", "#00ff00")


def test_the_scenes_of_a_czi_are_images_put_together_of_their_tiles(tmp_path: Path) -> None:
    pytest.importorskip("czifile", reason=f"czifile {WHY}")
    left, right, other = noise(20, 24), noise(20, 24, seed=1), noise(10, 12, seed=2)
    path = write_czi(
        tmp_path / "a.czi",
        [
            # The right one overlaps the left one by 4 pixels, and lies above it.
            ZeissTile(pixels=right, at={"X": 1020, "Y": 503, "S": 0, "M": 1}),
            ZeissTile(pixels=left, at={"X": 1000, "Y": 500, "S": 0, "M": 0}),
            # What a pyramid has besides.
            ZeissTile(pixels=noise(12, 22), at={"X": 1000, "Y": 500, "S": 0}, smaller=2),
            ZeissTile(pixels=other, at={"X": 9000, "Y": 7000, "S": 1, "M": 0}),
        ],
        XML,
    )
    assert image_names(path) == ("A1", "B2")
    whole = np.zeros((23, 44), np.uint16)
    whole[:20, :24] = left
    whole[3:, 20:] = right
    with read_stack(path) as read:
        assert read.axes == "YX"
        np.testing.assert_array_equal(read[...], whole)
        np.testing.assert_array_equal(read[2:6, 18:30], whole[2:6, 18:30])
    with read_stack(path, series=1) as read:
        np.testing.assert_array_equal(read[...], other)
        assert read.notes == ("of the file's 2 images this is number 2 (B2)",)


@pytest.mark.parametrize("kind", ["plain", "zstd", "zstd with a header", "zstd of split bytes"])
def test_a_czi_is_read_however_it_is_compressed(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("czifile", reason=f"czifile {WHY}")
    pixels = noise(20, 24) * 257
    raw = pixels.tobytes()
    split = np.frombuffer(raw, np.uint8).reshape(-1, 2).T.tobytes()
    compression, data = {
        "plain": (0, raw),
        "zstd": (5, imagecodecs.zstd_encode(raw)),
        "zstd with a header": (6, b"\x01" + imagecodecs.zstd_encode(raw)),
        "zstd of split bytes": (6, b"\x03\x01\x01" + imagecodecs.zstd_encode(split)),
    }[kind]
    tile = ZeissTile(pixels=pixels, at={"C": 0}, compression=compression, data=data)
    with read_stack(write_czi(tmp_path / "a.czi", [tile], XML)) as read:
        np.testing.assert_array_equal(read[...], pixels)


@pytest.mark.parametrize("compression", [0, 5])
def test_colours_of_a_czi_come_in_the_order_of_rgb(tmp_path: Path, compression: int) -> None:
    pytest.importorskip("czifile", reason=f"czifile {WHY}")
    pixels = noise(20, 24, 3, dtype="u1")
    data = imagecodecs.zstd_encode(pixels.tobytes()) if compression else None
    tile = ZeissTile(pixels=pixels, at={"C": 0}, compression=compression, data=data)
    with read_stack(write_czi(tmp_path / "a.czi", [tile], XML)) as read:
        assert read.axes == "YXS"
        np.testing.assert_array_equal(read[...], pixels[..., ::-1])


# ---------------------------------------------------------------- Nikon


def test_the_positions_of_an_nd2_are_images(tmp_path: Path) -> None:
    pytest.importorskip("nd2", reason=f"nd2 {WHY}")
    pixels = noise(2, 3, 4, 2, 20, 24)
    path = write_nd2(
        tmp_path / "a.nd2",
        NikonStack(
            pixels=pixels,
            pixel=0.325,
            step=0.8,
            period=1500.0,
            points=("left", "middle", "right"),
            channels={"DAPI": 0xFF0000, "GFP": 0x00FF00},
        ),
    )
    assert image_names(path) == ("left", "middle", "right")
    assert count_images(path) == 3
    for position in range(3):
        with read_stack(path, series=position) as read:
            assert (read.axes, read.dtype) == ("TZCYX", np.uint16)
            np.testing.assert_array_equal(read[...], pixels[:, position])
            part = (1, 2, 1, slice(3, 9), slice(None, None, 5))
            np.testing.assert_array_equal(read[part], pixels[:, position][part])
    np.testing.assert_allclose(read.pixel_size, (1.5, 0.8, 1.0, 0.325, 0.325))
    assert read.units == ("second", "micrometer", "pixel", "micrometer", "micrometer")
    assert read.channel_names == ("DAPI", "GFP")
    # The file has blue in the highest of three bytes.
    assert read.channel_colors == ("#0000ff", "#00ff00")


def plain(*, is_rgb: bool = False, has_probes: bool = True) -> NikonStack:
    pixels = noise(1, 1, 1, 20, 24, 3, dtype="u1") if is_rgb else noise(1, 1, 1, 1, 20, 24)
    return NikonStack(
        pixels=pixels,
        pixel=0.5,
        step=0.0,
        period=0.0,
        points=("",),
        channels={"Brightfield": 0xFFFFFF},
        is_rgb=is_rgb,
        has_probes=has_probes,
    )


@pytest.mark.parametrize("is_rgb", [False, True])
def test_a_plain_nd2_is_a_plane(tmp_path: Path, is_rgb: bool) -> None:
    pytest.importorskip("nd2", reason=f"nd2 {WHY}")
    stack = plain(is_rgb=is_rgb)
    with read_stack(write_nd2(tmp_path / "a.nd2", stack)) as read:
        assert read.axes == ("YXS" if is_rgb else "YX")
        np.testing.assert_array_equal(read[...], np.squeeze(stack.pixels))
        np.testing.assert_allclose(read.pixel_size[:2], (0.5, 0.5))
        assert read.notes == ()


def test_an_nd2_that_is_described_in_part_only_is_read_and_said_to_be(tmp_path: Path) -> None:
    pytest.importorskip("nd2", reason=f"nd2 {WHY}")
    stack = plain(has_probes=False)
    with read_stack(write_nd2(tmp_path / "a.nd2", stack)) as read:
        np.testing.assert_array_equal(read[...], np.squeeze(stack.pixels))
        (note,) = read.notes
        assert note.startswith("what it says of its channels and pixel size cannot be read")
