from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaozarrs
import zarr
from numpy.typing import NDArray

from napari_srcnn.io import Stack, StackError, ZarrTarget, read_stack, write_zarr

VERSIONS = pytest.mark.parametrize("version", ["0.5", "0.4"])
#: Axes and shapes, each odd where it can be, with shards that the edges cut.
IMAGES: Mapping[str, tuple[int, ...]] = {
    "YX": (37, 41),
    "ZYX": (3, 33, 17),
    "ZCYX": (2, 2, 17, 15),
    "TCZYX": (2, 2, 3, 17, 9),
    "TYXS": (3, 20, 15, 3),
    "QYX": (5, 1, 40),
    "QQYX": (2, 3, 9, 8),
}


def noise(*shape: int, dtype: Any = "uint16") -> NDArray[Any]:
    values = np.random.default_rng(0).random(shape)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    if np.dtype(dtype).kind == "b":
        return values > 0.5
    info = np.iinfo(dtype)
    low = max(int(info.min), -(2**62))
    return (values * (min(int(info.max), 2**62) - low) + low).astype(dtype)


def small(axes: str) -> dict[str, Any]:
    """Shards of two by two chunks, and of two planes."""
    y = axes.index("Y")
    samples = (3,) * axes.count("S")
    leading = (1,) * y
    shard = (*leading[:-1], *(2,) * bool(y), 16, 16, *samples)
    return {"chunk": (*leading, 8, 8, *samples), "shard": shard}


def filled(target: ZarrTarget, image: NDArray[Any]) -> ZarrTarget:
    target.create()
    for number, level in enumerate(target.levels):
        for index in np.ndindex(*level.grid):
            at = target.region(number, index)
            target.write(number, index, target.downsampled(number, index) if number else image[at])
    return target


def mean_of_two_by_two(image: NDArray[Any], axes: str) -> NDArray[Any]:
    """By numpy, one block after another."""
    y = axes.index("Y")
    rows, columns = (range(0, image.shape[n], 2) for n in (y, y + 1))
    before = (slice(None),) * y
    return np.stack(
        [
            np.stack(
                [
                    np.mean(
                        image[(*before, slice(r, r + 2), slice(c, c + 2))],
                        axis=(y, y + 1),
                        dtype=np.float64,
                    )
                    for c in columns
                ],
                axis=y,
            )
            for r in rows
        ],
        axis=y,
    )


@VERSIONS
@pytest.mark.parametrize("axes", IMAGES)
def test_what_is_written_by_shards_is_what_zarr_reads(
    tmp_path: Path, axes: str, version: str
) -> None:
    image = noise(*IMAGES[axes])
    options = {"version": version, "levels": 3, **small(axes)}
    target = filled(
        ZarrTarget(tmp_path / "a.ome.zarr", image.shape, "uint16", axes, **options), image
    )
    group = zarr.open_group(target.path, mode="r")
    names = "".join(axis["name"][0] for axis in multiscale(group)["axes"])
    letters = axes.lower().replace("s", "c")
    order = [names.index(letter) for letter in letters] if "Q" not in axes else range(len(axes))
    np.testing.assert_array_equal(group["0"][...].transpose(order), image)
    yaozarrs.validate_zarr_store(target.path)
    assert group["0"].metadata.zarr_format == (3 if version == "0.5" else 2)
    if version == "0.5":
        assert group["0"].shards is not None
        assert group["0"].metadata.dimension_names[-2:] == ("y", "x")


def multiscale(group: zarr.Group) -> Any:
    attributes = group.attrs.asdict()
    return attributes.get("ome", attributes)["multiscales"][0]


@VERSIONS
@pytest.mark.parametrize("axes", IMAGES)
def test_a_stack_comes_back_with_everything(tmp_path: Path, axes: str, version: str) -> None:
    image = noise(*IMAGES[axes])
    known = {"T": "second", "Z": "micrometer", "Y": "nanometer", "X": "nanometer"}
    channels = image.shape[axes.index("C")] if "C" in axes else 1
    stack = Stack(
        data=image,
        axes=axes,
        pixel_size=tuple(1.0 if letter == "S" else 0.1 + n for n, letter in enumerate(axes)),
        units=tuple(known.get(letter, "pixel") for letter in axes),
        channel_names=() if "S" in axes else tuple(f"dye {n}" for n in range(channels)),
        channel_colors=() if "S" in axes else ("#00ff00", *[None] * (channels - 1)),
        metadata={
            "layer": {"translate": [1.25 * n for n in range(len(axes.removesuffix("S")))]},
            "napari_srcnn": {"model": "m", "scale": np.float32(2), "nothing": float("nan")},
            "delta_t": [1.5, 2.5],
            "ome_xml": "<OME/>",
        },
    )
    path = write_zarr(tmp_path / "a.ome.zarr", stack, version=version)
    with read_stack(path) as again:
        np.testing.assert_array_equal(np.asarray(again.data), image)
        assert again.dtype == image.dtype
        for name in ("axes", "pixel_size", "units", "channel_names", "channel_colors"):
            assert getattr(again, name) == getattr(stack, name), name
        assert again.metadata["layer"] == stack.metadata["layer"]
        made = again.metadata["napari_srcnn"]
        # JSON has no NaN, and other programs refuse a file that has one.
        assert made == {"model": "m", "scale": 2.0, "nothing": "nan"}
        assert again.metadata["delta_t"] == [1.5, 2.5]
        assert again.metadata["ome_xml"] == "<OME/>"
        assert again.name == "a"
        assert again.notes == ()


@VERSIONS
@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "<i2", ">u2", "i4", ">u4", "i8", "u8", "f2", ">f4", "f8"]
)
def test_pixels_of_any_type_keep_their_values(tmp_path: Path, dtype: str, version: str) -> None:
    image = noise(3, 20, 21, dtype=dtype)
    path = write_zarr(tmp_path / "a.zarr", Stack(data=image, axes="ZYX"), version=version)
    with read_stack(path) as again:
        np.testing.assert_array_equal(np.asarray(again.data), image)
        assert again.dtype == image.dtype.newbyteorder("=")


@pytest.mark.parametrize("axes", ["YX", "ZCYX", "TYXS"])
@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "u4", "f4"])
def test_each_level_is_the_mean_of_the_one_before(tmp_path: Path, axes: str, dtype: str) -> None:
    image = noise(*IMAGES[axes], dtype=dtype)
    target = ZarrTarget(
        tmp_path / "a.zarr", image.shape, image.dtype, axes, levels=4, **small(axes)
    )
    filled(target, image)
    expected = image
    for number, level in enumerate(target.levels):
        found = target.read(number, [slice(None)] * target.ndim)
        assert found.shape == level.shape
        np.testing.assert_array_equal(found, expected)
        exact = mean_of_two_by_two(expected, axes)
        expected = (exact if dtype == "f4" else np.rint(exact)).astype(image.dtype)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u8", "i8"])
def test_means_of_integers_are_exact_and_halves_go_to_the_even(tmp_path: Path, dtype: str) -> None:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    image = np.array(
        [
            [high, high, low, low, 1, 1, 2, 1, high, high, 1],
            [high, high, low, low, 0, 0, 2, 1, high, high - 2, 0],
        ],
        dtype,
    )
    target = filled(ZarrTarget(tmp_path / "a.zarr", image.shape, dtype, "YX", levels=2), image)
    # (1+1+0+0)/4 and (1+0)/2 are a half, (2+1+2+1)/4 and (4·max-2)/4 are so as well.
    wanted = [[high, low, 0, 2, high - 1, 0]]
    assert target.read(1, [slice(None)] * 2).tolist() == wanted


@VERSIONS
def test_levels_lie_over_each_other(tmp_path: Path, version: str) -> None:
    target = ZarrTarget(
        tmp_path / "a.zarr",
        (4, 40, 30),
        "uint8",
        "ZYX",
        (2, 0.5, 0.25),
        ("micrometer",) * 3,
        metadata={"layer": {"translate": [10, 20, 30]}},
        version=version,
        levels=3,
    )
    target.create()
    image = multiscale(zarr.open_group(target.path, mode="r"))
    assert [axis["unit"] for axis in image["axes"]] == ["micrometer"] * 3
    places = [data["coordinateTransformations"] for data in image["datasets"]]
    assert [place[0]["scale"] for place in places] == [[2, 0.5, 0.25], [2, 1, 0.5], [2, 2, 1]]
    # A pixel of the second level has its centre between those of two pixels of the first.
    assert [place[1]["translation"] for place in places] == [
        [10, 20, 30],
        [10, 20.25, 30.125],
        [10, 20.75, 30.375],
    ]


def test_an_enlargement_covers_the_ground_of_its_source(tmp_path: Path) -> None:
    source = Stack(data=noise(20, 30), axes="YX", pixel_size=(0.3, 0.2), units=("micrometer",) * 2)
    shape = (60, 90)
    target = ZarrTarget(tmp_path / "a.zarr", shape, "uint16", **source.upscaled(3))
    filled(target, noise(*shape))
    with read_stack(target.path) as again:
        np.testing.assert_allclose(again.pixel_size, (0.1, 0.2 / 3), rtol=1e-12)
        # The first new pixel's centre: (1/3 - 1)/2 of an old pixel before the old one's.
        moved = np.array(again.metadata["layer"]["translate"]) / again.pixel_size
        np.testing.assert_allclose(moved, [-1, -1], atol=1e-6)


def test_the_default_chunks_and_shards_stay_within_their_bounds() -> None:
    def cut(shape: tuple[int, ...], dtype: str, axes: str, **options: Any) -> Any:
        level = ZarrTarget("a.zarr", shape, dtype, axes, **options).levels[0]
        return level.chunk, level.shard

    assert cut((500, 4096, 4096), "u2", "ZYX") == ((1, 512, 512), (64, 1024, 1024))
    assert cut((500, 4096, 4096), "f8", "ZYX") == ((1, 512, 512), (16, 1024, 1024))
    assert cut((2, 3, 4, 700, 90), "u1", "TCZYX") == ((1, 1, 1, 512, 90), (1, 1, 4, 1024, 90))
    assert cut((9, 9), "u1", "YX") == ((9, 9), (9, 9))
    assert cut((4, 2000, 2000, 3), "u1", "ZYXS") == ((1, 512, 512, 3), (4, 1024, 1024, 3))
    # A shard of one's own is cut into chunks of 256 to 512 pixels, where that goes.
    own = {"shard": (1, 768, 1021)}
    assert cut((5, 4000, 4000), "u2", "ZYX", **own) == ((1, 384, 1021), (1, 768, 1021))
    levels = ZarrTarget("a.zarr", (3, 4097, 1000), "u1", "ZYX").levels
    assert [level.shape[1:] for level in levels] == [
        (4097, 1000),
        (2049, 500),
        (1025, 250),
        (513, 125),
        (257, 63),
    ]


@VERSIONS
def test_shards_encoded_in_threads_and_in_any_order_are_the_same(
    tmp_path: Path, version: str
) -> None:
    image = noise(6, 50, 60)
    target = ZarrTarget(
        tmp_path / "a.zarr", image.shape, "uint16", "ZYX", version=version, **small("ZYX")
    )
    target.create()
    shards = list(np.ndindex(*target.levels[0].grid))

    def encoded(index: tuple[int, ...]) -> list[tuple[str, bytes]]:
        return target.encode(0, index, image[target.region(0, index)])

    alone = [encoded(index) for index in shards]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(encoded, reversed(shards))) == alone[::-1]
    for key, content in (item for items in reversed(alone) for item in items):
        target.key_path(key).parent.mkdir(parents=True, exist_ok=True)
        target.key_path(key).write_bytes(content)
    np.testing.assert_array_equal(zarr.open_array(target.path / "0", mode="r")[...], image)


@VERSIONS
def test_a_shard_of_zeros_takes_no_file(tmp_path: Path, version: str) -> None:
    image = np.zeros((2, 16, 32), np.uint16)
    image[:, :, 16:] = 7
    target = ZarrTarget(
        tmp_path / "a.zarr", image.shape, "u2", "ZYX", version=version, **small("ZYX")
    )
    assert target.encode(0, (0, 0, 0), image[:, :, :16]) == []
    filled(target, image)
    with read_stack(target.path) as again:
        np.testing.assert_array_equal(np.asarray(again.data), image)


@VERSIONS
@pytest.mark.parametrize("compression", ["zstd", "blosc", "zlib", "none"])
def test_every_compression_is_lossless(tmp_path: Path, compression: str, version: str) -> None:
    image = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    target = ZarrTarget(
        tmp_path / "a.zarr", image.shape, "u2", "YX", compression=compression, version=version
    )
    filled(target, image)
    np.testing.assert_array_equal(zarr.open_array(target.path / "0", mode="r")[...], image)
    size = sum(len(content) for _, content in target.encode(0, (0, 0), image))
    assert (size < image.nbytes) == (compression != "none")


def test_a_target_is_filled_on_after_a_stop(tmp_path: Path) -> None:
    image = noise(4, 30, 30)

    def target() -> ZarrTarget:
        return ZarrTarget(tmp_path / "a.zarr", image.shape, "uint16", "ZYX", **small("ZYX"))

    first = target()
    assert not first.is_created
    first.create()
    first.write(0, (0, 0, 0), image[first.region(0, (0, 0, 0))])
    again = target()
    assert again.is_created
    for index in list(np.ndindex(*again.levels[0].grid))[1:]:
        again.write(0, index, image[again.region(0, index)])
    np.testing.assert_array_equal(again.read(0, [slice(None)] * 3), image)
    # Another image's store is not gone on with, and not written over.
    other = ZarrTarget(tmp_path / "a.zarr", image.shape, "uint8", "ZYX")
    assert not other.is_created
    with pytest.raises(StackError, match="exists already"):
        other.create()


@VERSIONS
def test_a_store_made_by_half_is_recognised_and_made_anew(tmp_path: Path, version: str) -> None:
    target = ZarrTarget(tmp_path / "a.zarr", (9, 9), "u1", "YX", version=version)
    target.create()
    (target.path / ("zarr.json" if version == "0.5" else ".zgroup")).unlink()
    assert not target.is_created
    with pytest.raises(StackError, match="holds no zarr"):
        read_stack(target.path)
    target.create()
    assert target.is_created


def test_nothing_is_left_of_a_folder_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        shape, dtype, ndim = (2, 9, 9), np.dtype("u1"), 3

        def __getitem__(self, key: Any) -> Any:
            raise RuntimeError("the source is gone")

    path = write_zarr(tmp_path / "a.ome.zarr", Stack(data=noise(9, 9), axes="YX"))
    with pytest.raises(RuntimeError, match="gone"):
        write_zarr(path, Stack(data=Failing(), axes="ZYX"), overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ome.zarr"]
    with read_stack(path) as kept:
        assert kept.shape == (9, 9)
    with pytest.raises(StackError, match="exists already"):
        write_zarr(path, Stack(data=noise(8, 8), axes="YX"))
    write_zarr(path, Stack(data=noise(8, 8), axes="YX"), overwrite=True)
    with read_stack(path) as new:
        assert new.shape == (8, 8)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ome.zarr"]
    full = SimpleNamespace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(StackError, match=r"b\.zarr takes .* has only"):
        write_zarr(tmp_path / "b.zarr", Stack(data=noise(80, 80), axes="YX"))


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter 1.txt").write_text("long")
    with pytest.raises(StackError, match="no OME-Zarr that could be replaced"):
        write_zarr(folder, Stack(data=noise(9, 9), axes="YX"), overwrite=True)
    assert (folder / "chapter 1.txt").read_text() == "long"
    with pytest.raises(StackError, match="exists already"):
        ZarrTarget(folder, (9, 9), "u1", "YX").create()


@pytest.mark.parametrize(
    ("axes", "options", "said"),
    [
        ("CYXS", {}, "one channel axis"),
        ("TCZQYX", {}, "at most 5 axes"),
        ("ZYX", {"version": "0.6"}, "choose one of 0.5, 0.4"),
        ("ZYX", {"compression": "jpeg"}, "choose one of zstd"),
        ("ZYX", {"chunk": (1, 2, 2), "shard": (1, 3, 4)}, "not made of whole chunks"),
        ("ZYX", {"chunk": (2, 2)}, "does not fit the axes ZYX"),
        ("ZYX", {"shard": (0, 2, 2)}, "does not fit the axes ZYX"),
        ("ZYX", {"levels": 0}, "the least is 1"),
        ("ZYX", {"levels": 9}, "only 1 to 2"),
        ("ZYX", {"dtype": "complex64"}, "no pixels of type complex64"),
        ("ZYX", {"shape": (0, 2, 2)}, "no pixels to write"),
        ("YXZ", {}, "must end in YX"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    axes: str, options: dict[str, Any], said: str
) -> None:
    arguments = {"shape": (2,) * len(axes), "dtype": "uint8", **options}
    with pytest.raises(StackError, match=said) as caught:
        ZarrTarget("a.zarr", axes=axes, **arguments)
    assert "\n" not in str(caught.value)


def test_shards_that_do_not_fit_are_refused() -> None:
    target = ZarrTarget("a.zarr", (4, 20, 20), "uint8", "ZYX", **small("ZYX"))
    with pytest.raises(StackError, match=r"\(2, 16, 4\) is due"):
        target.encode(0, (0, 0, 1), np.zeros((2, 16, 16), np.uint8))
    with pytest.raises(StackError, match="of type uint16"):
        target.encode(0, (0, 0, 0), np.zeros((2, 16, 16), np.uint16))
    with pytest.raises(IndexError, match="no shard"):
        target.region(0, (0, 0, 2))


def test_channels_are_described_for_other_viewers(tmp_path: Path) -> None:
    target = ZarrTarget(
        tmp_path / "a.zarr",
        (2, 9, 9),
        "uint16",
        "CYX",
        channel_names=("DAPI", "GFP"),
        channel_colors=("#0000ff", None),
        metadata={"layer": {"contrast_limits": [100, 4000]}},
    )
    target.create()
    first, second = zarr.open_group(target.path, mode="r").attrs["ome"]["omero"]["channels"]
    assert (first["label"], first["color"]) == ("DAPI", "0000FF")
    assert first["window"] == {"min": 0, "max": 65535, "start": 100, "end": 4000}
    assert (second["label"], second["active"]) == ("GFP", True)


def test_importing_the_io_room_loads_no_zarr(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys, napari_srcnn.io, napari_srcnn.io.napari_hooks; "
        "print(*{'zarr', 'yaozarrs', 'pydantic'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == ""
