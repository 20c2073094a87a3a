"""Odd input is enlarged, bad input is refused in one sentence before anything is done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
from networks import identity_network, random_network
from numpy.typing import NDArray

from napari_srcnn.image.resize import imresize
from napari_srcnn.models.library import list_models
from napari_srcnn.upscaling.api import bicubic, iter_upscale, plan_upscale, upscale, upscale_region

NETWORK = random_network()
CPU: dict[str, Any] = {"device": "cpu", "tile": 64, "model": NETWORK}
IMAGE = np.random.default_rng(0).integers(0, 60_000, (20, 22), dtype=np.uint16)
pytestmark = pytest.mark.usefixtures("one_thread")


def refusal(stack: Any, scale: Any = None, **options: Any) -> str:
    """The one sentence that an upscaling ends with, at once."""
    with pytest.raises(ValueError, match=r".") as refused:
        iter_upscale(stack, scale, **{**CPU, **options})
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 300
    return sentence


# -- images that are none -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 4, 5), (2, 0, 5)])
def test_an_image_without_pixels_is_refused(shape: tuple[int, ...]) -> None:
    assert "no pixels to enlarge" in refusal(np.zeros(shape))


@pytest.mark.parametrize("shape", [(), (5,)])
def test_an_image_needs_two_axes(shape: tuple[int, ...]) -> None:
    assert "at least two axes" in refusal(np.zeros(shape))


@pytest.mark.parametrize("stack", [None, 3, "image.tif", Path("image.tif"), {"a": 1}, object()])
def test_what_is_no_array_is_refused(stack: Any) -> None:
    assert "An image is needed that has a shape and a dtype" in refusal(stack)


def test_a_mask_is_refused_with_a_way_out() -> None:
    assert "convert it to uint8 first" in refusal(np.zeros((4, 4), bool))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_a_complex_image_is_refused_with_a_way_out(dtype: str) -> None:
    assert "enlarge its magnitude" in refusal(np.zeros((4, 4), dtype))


@pytest.mark.parametrize("dtype", ["U1", "S3", "O", "datetime64[s]", "V8", "i4,f4"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    assert "cannot be enlarged; choose one of uint8" in refusal(np.zeros((4, 4), dtype))


def test_a_tensor_is_refused_by_its_dtype() -> None:
    assert "torch.float32 is no dtype" in refusal(torch.zeros(4, 4))


def test_a_dask_array_of_unknown_length_is_refused_with_a_way_out() -> None:
    stack = da.from_array(IMAGE, chunks=5)
    assert "compute_chunk_sizes()" in refusal(stack[stack[:, 0] > 3])


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": 1}, "scale is 1; it can be 2, 3 or 4"),
        ({"scale": 2.5}, "it can be 2, 3 or 4"),
        ({"scale": "2"}, "it can be 2, 3 or 4"),
        ({"scale": True}, "it can be 2, 3 or 4"),
        ({"scale": np.array([2, 3])}, "it can be 2, 3 or 4"),
        ({"scale": 3}, "the given model enlarges ×2, not ×3; choose a model for ×3"),
        ({"model": "nope"}, "There is no model named 'nope'"),
        ({"model": "nope.safetensors"}, "There is no model file nope.safetensors"),
        ({"model": Path("nope")}, "There is no model file nope"),
        ({"model": 5}, "a name, a path or a loaded SRCNN is needed"),
        ({"model": torch.nn.Conv2d(1, 1, 3)}, "a name, a path or a loaded SRCNN is needed"),
        ({"axes": "ZYX"}, "names 3 axes, but the image has 2"),
        ({"axes": "XY"}, "has to end in YX"),
        ({"axes": "YS"}, "has to end in YX"),
        ({"axes": "YY"}, "each only once"),
        ({"axes": "Y "}, "each only once"),
        ({"axes": ("Y", "X")}, "a letter an axis is needed"),
        ({"device": "abacus"}, "There is no device 'abacus' here"),
        ({"intensity": "loud"}, "it can be 'auto', 'dtype', 'none'"),
        ({"intensity": "none"}, "for float images"),
        ({"intensity": (1, 1)}, "the lower one first"),
        ({"intensity": (5, 1)}, "the lower one first"),
        ({"intensity": (0, float("nan"))}, "two finite numbers"),
        ({"intensity": (0, 1, 2)}, "a pair (low, high) is needed"),
        ({"intensity": [(0, 1), (0, 2)]}, "one pair for each of the 1 channel"),
        ({"intensity": 7}, "a pair (low, high) is needed"),
        ({"intensity": ("a", "b")}, "a pair (low, high) is needed"),
        ({"window": (1, 0)}, "the lower one first"),
        ({"window": 0.5}, "two numbers (low, high)"),
        ({"window": (0, 1, 2)}, "two numbers (low, high)"),
        ({"color": "sepia"}, "it can be 'luma' or 'channels'"),
        ({"color": "luma"}, "needs colour samples: axes that end in S"),
        ({"dtype": "float31"}, "is no dtype; choose one of"),
        ({"dtype": bool}, "The result cannot be bool; choose uint8"),
        ({"dtype": complex}, "The result is complex128"),
        ({"tile": 8}, "at least 16"),
        ({"tile": 64.5}, "a whole number"),
        ({"tile": "large"}, "a whole number"),
        ({"tile": float("inf")}, "a whole number"),
        ({"out": np.zeros((40, 43), np.uint16)}, "but the result has (40, 44) and uint16"),
        ({"out": np.zeros((40, 44), np.int16)}, "but the result has (40, 44) and uint16"),
        ({"out": "file.tif"}, "out is a str; a numpy, memory-mapped or zarr array"),
        ({"out": [[0]]}, "out is a list"),
        ({"out": np.broadcast_to(np.uint16(0), (40, 44))}, "out cannot be written to"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_option_that_does_not_fit_is_said_at_once(options: dict[str, Any], words: str) -> None:
    assert re.search(re.escape(words), refusal(IMAGE, **options))


def test_a_window_of_nothing_mapped_is_refused() -> None:
    image = IMAGE.astype(np.float32)
    assert "takes no window" in refusal(image, intensity="none", window=(0, 1))


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((4, 4, 5), {"axes": "YXS"}, "5 samples are no colour"),
        ((4, 4, 2), {"axes": "YXS", "color": "luma"}, "needs RGB"),
        ((4, 4), {"model": random_network(channels=3)}, "takes RGB"),
        ((3, 4, 4), {"model": random_network(channels=3), "axes": "CYX"}, "takes RGB"),
        ((3, 4, 4), {"axes": "CYX", "intensity": [(0, 1)] * 2}, "each of the 3 channel"),
        ((4, 4, 4), {"axes": "YXS", "intensity": [(0, 1)] * 4}, "each of the 3 channel"),
    ],
)
def test_colours_and_channels_that_do_not_fit_are_refused(
    shape: tuple[int, ...], options: dict[str, Any], words: str
) -> None:
    assert words in refusal(np.zeros(shape, np.uint16), **options)


def test_a_read_only_memmap_cannot_be_the_output(tmp_path: Path) -> None:
    np.zeros((40, 44), np.uint16).tofile(tmp_path / "out")
    out = np.memmap(tmp_path / "out", np.uint16, "r", shape=(40, 44))
    assert "mode='r+'" in refusal(IMAGE, out=out)


def test_nothing_of_a_refused_stack_was_read() -> None:
    class Untouchable:
        shape, dtype, ndim = (20, 22), np.dtype("uint16"), 2

        def __getitem__(self, key: Any) -> Any:
            raise AssertionError(f"{key} was read")

    assert "at least 16" in refusal(Untouchable(), tile=3)
    assert "out is a str" in refusal(Untouchable(), out="a")


def test_numbers_of_numpy_are_numbers() -> None:
    expected = upscale(IMAGE, 2, intensity=(0, 9000), **CPU)
    options: dict[str, Any] = {**CPU, "tile": np.int64(64)}
    pair = np.array([0, 9000], np.uint16)
    assert np.array_equal(upscale(IMAGE, np.int64(2), intensity=pair, **options), expected)


# -- odd images -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float16", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (1, 7), (3, 1, 5, 1)])
def test_one_pixel_and_one_row_are_enlarged(shape: tuple[int, ...], dtype: str) -> None:
    stack = np.full(shape, 7, dtype)
    for model in (NETWORK, random_network(scale=3, kernels=(9, 5, 5))):
        result = upscale(stack, **{**CPU, "model": model})
        scale = model.config.scale
        assert result.shape == (*shape[:-2], shape[-2] * scale, shape[-1] * scale)
        # Of ×3, four weights add up to one but for the last bit of a float64.
        assert np.abs(result.astype(float) - 7).max() < 1e-14


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("value", [0, 1, 100])
def test_a_constant_image_stays_constant(value: int, dtype: str) -> None:
    *_, report = iter_upscale(np.full((9, 9), value, dtype), **CPU)
    assert (report.result == value).all()
    assert (report.clipped, report.nonfinite) == (0, 0)
    rgb = np.full((9, 9, 3), value, dtype)
    assert (upscale(rgb, axes="YXS", color="channels", **CPU) == value).all()


def test_a_constant_photograph_stays_nearly_constant() -> None:
    # Its range is that of 8 bits, so here the network's own answer is seen.
    for name in list_models():
        options = {**CPU, "model": name, "axes": "YXS"}
        for value in (0, 100, 255):
            result = upscale(np.full((9, 9, 3), value, np.uint8), **options)
            assert np.abs(result.astype(int) - value).max() <= 2


def test_one_constant_channel_among_others_stays_constant() -> None:
    stack = np.stack([IMAGE, np.full_like(IMAGE, 321)])
    assert (upscale(stack, axes="CYX", **CPU)[1] == 321).all()


def test_negative_hounsfield_units_keep_their_zero() -> None:
    image = (IMAGE.astype(np.int32) // 20 - 1024).astype(np.int16)
    result = upscale(image, **CPU)
    assert result.dtype == np.int16
    shifted = upscale((image + 1024).astype(np.int16), **CPU)
    assert np.abs(result.astype(int) + 1024 - shifted).max() <= 1
    assert result.min() < -900


def test_12_bits_in_16_use_their_own_range_not_the_dtypes() -> None:
    image = IMAGE % 4096
    plan = plan_upscale(image, **CPU)
    assert plan.ranges[0].high < 4096
    scaled = upscale((image * 16).astype(np.uint16), **CPU)
    result = plan.region([slice(None)] * 2)
    # The network sees the same, so it does the same; only rounding differs.
    inside = (result > 0) & (scaled > 0) & (scaled < 65535)
    assert np.abs(result[inside] - scaled[inside] / 16).max() <= 1


def test_a_float_image_far_from_0_to_1_is_mapped_and_comes_back() -> None:
    image = IMAGE.astype(np.float64)
    expected = upscale(image, **CPU)
    for gain, offset in ((1e-12, 0.0), (1e9, -5e12), (1.0, 1e6)):
        result = (upscale(image * gain + offset, **CPU) - offset) / gain
        assert np.abs(result - expected).max() < 1e-6 * 60_000


def test_the_limits_of_64_bits_are_kept() -> None:
    for dtype in ("uint64", "int64"):
        info = np.iinfo(dtype)
        image = np.full((6, 6), info.max, dtype)
        image[:, :3] = info.min
        result = bicubic(image, 2)
        assert result[0, 0] == info.min
        # float64 has 53 bits: the last float below the limit.
        assert info.max - int(result[0, -1]) < 2**11
        assert upscale(image, **CPU).dtype == np.dtype(dtype)


def test_float16_does_not_overflow() -> None:
    image = np.full((8, 8), 60_000, np.float16)
    image[:, 4:] = -60_000
    *_, report = iter_upscale(image, **{**CPU, "model": identity_network(skip=True)})
    expected = imresize(image.astype(float), scale=2)
    assert report.clipped == (np.abs(expected) > 65504).sum() > 0
    assert np.array_equal(report.result, expected.clip(-65504, 65504).astype(np.float16))


@pytest.mark.parametrize("shape", [(3, 1, 2, 9, 9), (1, 1, 1, 1, 9, 9)])
def test_singleton_axes_stay(shape: tuple[int, ...]) -> None:
    assert upscale(np.zeros(shape, np.uint8), **CPU).shape == (*shape[:-2], 18, 18)


# -- values that are not finite -------------------------------------------------------------------


def reach(position: int, length: int, halo: int, scale: int = 2) -> slice:
    """The output pixels that depend on an input pixel: the cubic's support and the halo."""
    return slice(
        max((position - 1) * scale - scale // 2 + (scale == 3) - halo, 0),
        min((position + 2) * scale + scale // 2 - (scale == 3) + halo, length * scale),
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_value_that_is_not_finite_stays_within_its_reach(dtype: str, bad: float) -> None:
    image = (IMAGE / 60_000).astype(dtype)
    clean = upscale(image, intensity=(0, 1), **CPU)
    spoiled = image.copy()
    spoiled[9, 4] = bad
    *_, report = iter_upscale(spoiled, intensity=(0, 1), **CPU)
    touched = np.zeros(clean.shape, bool)
    touched[reach(9, 20, 6), reach(4, 22, 6)] = True
    assert np.array_equal(np.isnan(report.result), touched)
    assert np.array_equal(report.result[~touched], clean[~touched])
    assert report.nonfinite == touched.sum()
    assert any("not finite" in message for message in report.messages)


@pytest.mark.parametrize("tile", [16, 25])
@pytest.mark.parametrize("position", [(0, 0), (19, 21), (9, 11), (0, 13)])
def test_where_nan_reaches_does_not_depend_on_the_tiles(
    position: tuple[int, int], tile: int
) -> None:
    image = IMAGE / 60_000
    image[position] = np.nan
    options = {**CPU, "intensity": (0, 1)}
    whole = upscale(image, **options)
    tiled = upscale(image, **{**options, "tile": tile})
    assert np.array_equal(np.isnan(whole), np.isnan(tiled))
    assert 0 < np.isnan(whole).sum() < whole.size / 2
    assert np.nanmax(np.abs(whole - tiled)) < 1e-6
    part = upscale_region(image, (slice(3, 33), slice(5, 40)), **options)
    assert np.array_equal(np.isnan(part), np.isnan(whole[3:33, 5:40]))


def test_nan_spoils_no_other_slice_and_no_range() -> None:
    stack = np.stack([IMAGE, IMAGE]).astype(np.float32)
    stack[0, 3:5] = np.nan
    stack[0, 6, 6] = np.inf
    plan = plan_upscale(stack, **CPU)
    assert np.isfinite([plan.ranges[0].low, plan.ranges[0].high]).all()
    assert plan.ranges[0].high <= 60_000
    *_, report = plan.run()
    assert np.isfinite(report.result[1]).all()


def test_nan_in_one_sample_of_a_colour_spoils_what_the_network_mixes() -> None:
    image = np.repeat((IMAGE / 60_000)[..., None], 4, axis=-1).astype(np.float32)
    image[10, 10, 1] = np.nan
    options = {**CPU, "axes": "YXS", "intensity": (0, 1)}
    apart = np.isnan(upscale(image, **options))
    assert [bool(apart[..., i].any()) for i in range(4)] == [False, True, False, False]
    mixed = np.isnan(upscale(image, color="luma", **options))
    assert [bool(mixed[..., i].any()) for i in range(4)] == [True, True, True, False]


def test_nan_becomes_the_lower_limit_of_integers_and_is_said() -> None:
    image = (IMAGE / 60_000).astype(np.float32) * 100 + 50
    image[10, 10] = np.nan
    *_, report = iter_upscale(image, dtype="uint8", **CPU)
    assert report.result.dtype == np.uint8
    touched = (reach(10, 20, 6), reach(10, 22, 6))
    assert (report.result[touched] == 0).all()
    assert any("lower limit" in message for message in report.messages)


def test_an_image_of_nothing_but_nan_stays_so() -> None:
    *_, report = iter_upscale(np.full((8, 8), np.nan, np.float32), **CPU)
    assert np.isnan(report.result).all()
    assert report.nonfinite == report.result.size


def test_bicubic_alone_spoils_only_its_support() -> None:
    image = IMAGE / 60_000
    image[10, 10] = np.nan
    touched = np.zeros((40, 44), bool)
    touched[reach(10, 20, 0), reach(10, 22, 0)] = True
    assert np.array_equal(np.isnan(bicubic(image, 2)), touched)


@pytest.mark.parametrize("marker", [-3.4028235e38, 3.0e38])
@pytest.mark.parametrize("kernels", [(9, 1, 5), (9, 5, 5)])
def test_a_marker_for_no_data_makes_no_nan(kernels: tuple[int, int, int], marker: float) -> None:
    image: NDArray[Any] = (IMAGE / 60_000).astype(np.float32)
    options = {**CPU, "model": random_network(kernels=kernels), "intensity": (0.0, 0.01)}
    clean = upscale(image, **options)
    image[10, 11] = marker
    *_, report = iter_upscale(image, **options)
    assert np.isfinite(report.result).all()
    assert report.nonfinite == 0
    far = np.ones(clean.shape, bool)
    far[reach(10, 20, 8), reach(11, 22, 8)] = False
    assert np.array_equal(report.result[far], clean[far])


@pytest.mark.parametrize("low", [0.0, 1.0])
def test_a_range_of_denormal_numbers_makes_no_nan(low: float) -> None:
    image = np.full((8, 8), low)
    image[:, 4:] = np.nextafter(low, 2)
    assert np.isfinite(upscale(image, **CPU)).all()
    wide = np.where(image > low, 1.7e308, -1.7e308)
    plan = plan_upscale(wide, **CPU)
    assert plan.ranges[0].gain == 0
