"""The main job: what comes out equals an independent SRCNN, whatever the tiles, dtype or stack."""

from __future__ import annotations

import itertools
import math
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from networks import identity_network, random_network
from numpy.typing import NDArray
from scipy.ndimage import correlate
from skimage.color import rgb2ycbcr, ycbcr2rgb

import napari_srcnn
from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.image.metrics import psnr, rgb_to_y, shave
from napari_srcnn.image.resize import imresize
from napari_srcnn.models.library import list_models, model_info
from napari_srcnn.network.config import PRESETS
from napari_srcnn.network.half import half_gain
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.switches import tf32 as tf32_switched
from napari_srcnn.training.photographs import crop_to_multiple, read_luma, read_rgb
from napari_srcnn.upscaling import reader as reader_module
from napari_srcnn.upscaling.api import bicubic, iter_upscale, plan_upscale, upscale, upscale_region
from napari_srcnn.upscaling.messages import Progress, Report
from napari_srcnn.upscaling.pending import Pending
from napari_srcnn.upscaling.plan import UpscalePlan
from napari_srcnn.upscaling.speed import Busy, Stopwatch
from napari_srcnn.upscaling.tiles import Engine
from napari_srcnn.words import format_bytes

DTYPES = [f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)]
DTYPES += ["float16", "float32", "float64", ">u2", ">i4", ">f4", ">f8"]
CPU: dict[str, Any] = {"device": "cpu", "tile": 64}
NETWORK = random_network()
pytestmark = pytest.mark.usefixtures("one_thread")


def texture(*shape: int, dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    """Noise that fills most of a dtype's range (0..1 for floats), smooth enough to have edges."""
    values = np.random.default_rng(seed).random(shape)
    wanted = np.dtype(dtype)
    if wanted.kind == "f":
        return values.astype(wanted)
    info = np.iinfo(wanted)
    return (float(info.min) + (0.1 + 0.8 * values) * (float(info.max) - info.min)).astype(wanted)


def srcnn(
    image: NDArray[Any], model: SRCNN, intensity: IntensityRange | None = None
) -> NDArray[np.float64]:
    """SRCNN of a plane (Y, X) in float64 by numpy and scipy alone."""
    mapped = intensity or IntensityRange(0, 1)
    config = model.config
    halo = config.halo
    enlarged = imresize(image.astype(np.float64), scale=config.scale, a=config.a)
    padded = np.pad(mapped.normalize(enlarged), halo, mode="edge")
    maps = padded[None]
    for layer in (model.conv1, model.conv2, model.conv3):
        weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
        maps = np.stack(
            [
                sum(correlate(m, k) for m, k in zip(maps, kernels, strict=True)) + b
                for kernels, b in zip(weight, bias, strict=True)
            ]
        )
        if layer is not model.conv3:
            maps = maps.clip(0)
    # What the borders of scipy's filters touched lies within the halo, and is cut off.
    out = maps[0] + padded if config.skip else maps[0]
    return mapped.restore(out[halo:-halo, halo:-halo])


# -- equal to an independent implementation -------------------------------------------------------


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_floats_with_no_intensity_are_the_networks_answer_untouched(scale: int, skip: bool) -> None:
    model = random_network(scale, scale=scale, skip=skip, strength=1 if skip else 30)
    # Far outside of 0..1: nothing is mapped, clipped or rounded.
    image = texture(13, 17, dtype="float32") * 8 - 4
    result = upscale(image, model=model, intensity="none", **CPU)
    assert result.dtype == np.float32
    expected = srcnn(image, model)
    assert np.abs(expected).max() > 1
    tolerance = 1e-6 * np.abs(expected).max()
    assert np.abs(result - expected).max() < tolerance
    exact = upscale(image.astype(np.float64), model=model, intensity="none", **CPU)
    assert np.abs(exact - expected).max() < tolerance


@pytest.mark.parametrize("kernels", PRESETS.values(), ids=PRESETS)
def test_16_bits_in_a_window_are_an_independent_srcnn_rounded(
    kernels: tuple[int, int, int],
) -> None:
    model = random_network(1, kernels=kernels)
    image = texture(14, 15)
    result = upscale(image, model=model, intensity=(3000, 50_000), window=(0.2, 0.6), **CPU)
    expected = srcnn(image, model, IntensityRange(3000, 50_000, (0.2, 0.6)))
    assert result.dtype == np.uint16
    assert np.abs(result - np.rint(expected.clip(0, 65535))).max() <= 1


def test_auto_measures_percentiles_and_uses_the_models_microscope_window(own_home: Path) -> None:
    image = texture(20, 21)
    info = model_info(list_models()[0])
    plan = plan_upscale(image, model=info.name, **CPU)
    low, high = np.percentile(image, [0.1, 99.9])
    assert plan.ranges == (IntensityRange(low, high, info.window("microscope")),)
    expected = srcnn(image, plan.model, plan.ranges[0])
    result = plan.region([slice(None)] * 2)
    assert np.abs(result - np.rint(expected.clip(0, 65535))).max() <= 1


def test_the_dtypes_range_is_a_photographs_and_so_its_window(own_home: Path) -> None:
    image = texture(10, 11, dtype="uint8")
    plan = plan_upscale(image, model=list_models()[0], intensity="dtype", **CPU)
    assert plan.ranges == (IntensityRange(0, 255, (0, 1)),)


@pytest.mark.parametrize("name", list_models())
def test_the_bundled_weights_beat_bicubic_by_the_figures_asked_for(
    name: str, photographs: list[Path]
) -> None:
    model = napari_srcnn.load_model(name)
    scale, ours, plain = model.config.scale, [], []
    read = read_rgb if model.config.channels == 3 else read_luma
    for path in photographs:
        truth = crop_to_multiple(read(path), scale)
        low_res = imresize(truth, scale=1 / scale)
        axes = "YXS" if truth.ndim == 3 else "YX"
        result = upscale(low_res, model=model, intensity="none", axes=axes, **CPU)
        for scores, image in ((ours, result), (plain, imresize(low_res, scale=scale))):
            rounded = np.floor(image.clip(0, 1) * 255 + 0.5)
            scores.append(psnr(shave(truth * 255, scale), shave(rounded, scale), data_range=255))
    assert np.mean(ours) - np.mean(plain) >= (1.0 if scale == 4 else 1.4)


# -- a network that returns its input -------------------------------------------------------------


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_network_that_returns_its_input_gives_bicubic_rounded(dtype: str, skip: bool) -> None:
    model = identity_network(skip=skip)
    image = texture(9, 12, dtype=dtype)
    # Of a window well above zero, since the network's ReLU stops what is negative.
    result = upscale(image, model=model, intensity="auto", window=(5.0, 6.0), **CPU)
    assert result.dtype == np.dtype(dtype)
    expected = imresize(image.astype(np.float64), scale=2)
    wanted = np.dtype(dtype)
    if wanted.kind == "f":
        # The order of four additions, which only float64 is fine enough to show.
        tolerance = 1e-14 if wanted.itemsize == 8 else 0
        assert np.abs(result - expected.astype(wanted)).max() <= tolerance
        return
    info = np.iinfo(wanted)
    clipped = np.rint(expected).clip(float(info.min), float(info.max))
    error = np.abs(result.astype(np.float64) - clipped)
    # Of 64 bits a float64 has 53. Four products and their sum along each of two axes are rounded
    # eight times, in either computation and in any order; the weights' sizes add up to 1.25 a side.
    roundings = 2 * 8 * 1.25**2 * 2.0 ** (info.bits - 53)
    assert error.max() <= (0 if info.bits < 64 else roundings)


def test_bicubic_alone_is_matlabs() -> None:
    stack = texture(2, 9, 10)
    result = bicubic(stack, 2)
    for plane, enlarged in zip(stack, result, strict=True):
        expected = imresize(plane.astype(float), scale=2)
        assert np.array_equal(enlarged, np.rint(expected).clip(0, 65535))
    colour = bicubic(texture(8, 9, 4, dtype="uint8"), 2, axes="YXS", dtype="float32")
    assert colour.shape == (16, 18, 4)
    assert colour.dtype == np.float32


def test_values_outside_of_the_dtype_are_clipped_counted_and_said() -> None:
    image = np.zeros((8, 8), np.uint8)
    image[:, 4:] = 255
    *_, report = iter_upscale(image, model=identity_network(skip=True), **CPU)
    expected = np.rint(imresize(image.astype(float), scale=2))
    outside = int(((expected < 0) | (expected > 255)).sum())
    assert outside > 0
    assert report.clipped == outside
    assert any(str(outside) in message for message in report.messages)
    assert np.array_equal(report.result, expected.clip(0, 255))


def test_float32_on_request_is_neither_rounded_nor_clipped() -> None:
    image = np.zeros((8, 8), np.uint8)
    image[:, 4:] = 255
    model = identity_network(skip=True)
    result = upscale(image, model=model, dtype="float32", **CPU)
    assert result.dtype == np.float32
    assert np.array_equal(result, imresize(image.astype(float), scale=2).astype(np.float32))


# -- tiles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernels", PRESETS.values(), ids=PRESETS)
def test_tiled_equals_whole(kernels: tuple[int, int, int], scale: int) -> None:
    model = random_network(2, kernels=kernels, scale=scale)
    image = texture(31, 27)
    options: dict[str, Any] = {"model": model, "device": "cpu", "intensity": "dtype"}
    floats = {**options, "dtype": "float32"}
    whole = upscale(image, tile=512, **options)
    exact = upscale(image, tile=512, **floats)
    for tile in (16, 33, 50):
        difference = upscale(image, tile=tile, **options).astype(int) - whole
        assert np.abs(difference).max() <= 1
        assert np.abs(upscale(image, tile=tile, **floats) - exact).max() <= 1e-6 * 65535


def test_the_same_tiles_give_the_same_bits() -> None:
    image = texture(40, 41)
    first = upscale(image, model=NETWORK, device="cpu", tile=32)
    assert np.array_equal(first, upscale(image, model=NETWORK, device="cpu", tile=32))


@pytest.mark.parametrize("skip", [True, False])
def test_tiled_equals_whole_for_networks_with_zero_padding(skip: bool) -> None:
    model = random_network(3, padding="zeros", skip=skip, a=-0.75)
    image = texture(33, 21, dtype="float32")
    options: dict[str, Any] = {"model": model, "device": "cpu", "intensity": "none"}
    whole = upscale(image, tile=512, **options)
    inner = srcnn(image, model)[8:-8, 8:-8]
    assert np.abs(whole[8:-8, 8:-8] - inner).max() < 1e-5
    # The border is another one than that of replicated pixels.
    assert np.abs(whole - srcnn(image, model)).max() > 1e-3
    for tile in (16, 35):
        assert np.abs(upscale(image, tile=tile, **options) - whole).max() < 1e-6


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (2, 3), (3, 2), (16, 9)])
@pytest.mark.parametrize("scale", [2, 3])
def test_images_smaller_than_the_halo_are_enlarged(shape: tuple[int, int], scale: int) -> None:
    model = random_network(4, scale=scale)
    image = texture(*shape, dtype="float32")
    result = upscale(image, model=model, intensity="none", device="cpu", tile=16)
    assert np.abs(result - srcnn(image, model)).max() < 5e-6


# -- regions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("enhance", [True, False])
def test_any_region_is_the_crop_of_the_whole(enhance: bool) -> None:
    stack = texture(3, 2, 19, 23)
    plan = plan_upscale(stack, model=random_network(5, scale=3), device="cpu", tile=24)
    whole = plan.region([slice(None)] * 4, enhance=enhance)
    rng = np.random.default_rng(0)
    for _ in range(12):
        parts: list[Any] = [int(rng.integers(-3, 3)), slice(0, int(rng.integers(1, 3)))]
        for length in (57, 69):
            start, stop = np.sort(rng.choice(length + 1, 2, replace=False))
            parts.append(slice(int(start), int(stop)))
        part = plan.region(parts, enhance=enhance)
        assert part.shape == whole[tuple(parts)].shape
        assert np.abs(part.astype(int) - whole[tuple(parts)]).max() <= 1


def test_a_region_is_indexed_as_numpy_is() -> None:
    stack = texture(3, 10, 12)
    whole = upscale(stack, model=NETWORK, **CPU)
    for region in (
        (-1, slice(None), slice(-5, None)),
        (np.int64(1), 3, 4),
        (slice(1, None), slice(None, 7), -24),
        (slice(-2, -1), slice(20), slice(23, 24)),
    ):
        part = upscale_region(stack, region, model=NETWORK, **CPU)
        assert part.shape == whole[region].shape
        assert np.abs(part.astype(int) - whole[region]).max() <= 1


@pytest.mark.parametrize(
    "region",
    [
        (slice(None), slice(None)),
        (0, slice(None), slice(None), slice(None)),
        (3, slice(None), slice(None)),
        (-4, slice(None), slice(None)),
        (0, slice(5, 5), slice(None)),
        (0, slice(0, 21), slice(None)),
        (0, slice(-21, None), slice(None)),
        (0, slice(0, 8, 2), slice(None)),
        (0, slice(8, 0, -1), slice(None)),
        (0, ..., slice(None)),
        (0, slice(0.5, 3), slice(None)),
        (0, None, slice(None)),
        (0, "all", slice(None)),
    ],
)
def test_a_region_beyond_the_result_is_refused(region: Any) -> None:
    with pytest.raises(ValueError, match=r"region"):
        upscale_region(texture(3, 10, 12), region, model=NETWORK, **CPU)


# -- dimensions and axes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(9, 8), (2, 9, 8), (2, 1, 9, 8), (1, 2, 2, 9, 8), (2, 1, 2, 1, 9, 8), (1, 1, 9, 8)]
)
def test_two_to_six_dimensions_are_planes_of_one_range(shape: tuple[int, ...]) -> None:
    stack = texture(*shape)
    ranges = tuple(np.percentile(stack, [0.1, 99.9]))
    result = upscale(stack, model=NETWORK, **CPU)
    assert result.shape == (*shape[:-2], 18, 16)
    for index in np.ndindex(shape[:-2]):
        alone = upscale(stack[index], model=NETWORK, intensity=ranges, **CPU)
        assert np.array_equal(result[index], alone)


def test_a_length_of_three_is_never_taken_for_colour() -> None:
    assert upscale(texture(3, 8, 3, dtype="uint8"), model=NETWORK, **CPU).shape == (3, 16, 6)


@pytest.mark.parametrize("axes", ["CYX", "cyx"])
def test_channels_have_a_range_each(axes: str) -> None:
    stack = texture(3, 10, 11) // np.array([1, 10, 100], np.uint16)[:, None, None]
    plan = plan_upscale(stack, model=NETWORK, axes=axes, **CPU)
    assert len(plan.ranges) == 3
    result = plan.region([slice(None)] * 3)
    for channel in range(3):
        assert np.array_equal(result[channel], upscale(stack[channel], model=NETWORK, **CPU))
    # Without the axes' names it is a stack of one range.
    assert len(plan_upscale(stack, model=NETWORK, **CPU).ranges) == 1


def test_channels_need_not_come_first_and_may_be_given_ranges() -> None:
    stack = texture(2, 3, 8, 9)
    pairs = [(0, 1000), (0, 30_000), (5000, 60_000)]
    options: dict[str, Any] = {"model": NETWORK, "axes": "TCYX", **CPU}
    result = upscale(stack, intensity=pairs, **options)
    for t, c in np.ndindex(2, 3):
        alone = upscale(stack[t, c], model=NETWORK, intensity=pairs[c], **CPU)
        assert np.array_equal(result[t, c], alone)
    one = upscale(stack, intensity=(0, 30_000), **options)
    assert np.array_equal(one[:, 1], result[:, 1])


# -- colour ---------------------------------------------------------------------------------------


def test_8_bit_colour_is_the_luma_through_the_network_and_the_rest_by_bicubic(
    own_home: Path,
) -> None:
    image = (texture(18, 17, 3, dtype="uint8") // 2 + 60).astype(np.uint8)
    model = random_network(6)
    result = upscale(image, model=model, axes="YXS", **CPU)
    ycbcr = np.stack([imresize(p, scale=2) for p in np.moveaxis(rgb2ycbcr(image), -1, 0)], axis=-1)
    luma = rgb2ycbcr(image)[..., 0]
    ycbcr[..., 0] = srcnn(luma, model, IntensityRange(0, 255))
    expected = np.rint((ycbcr2rgb(ycbcr) * 255).clip(0, 255))
    assert np.abs(result - expected).max() <= 1
    # And it is something else than bicubic.
    assert np.abs(result.astype(int) - bicubic(image, 2, axes="YXS")).max() > 4


def test_colour_of_more_than_8_bits_is_channels_unless_luma_is_asked_for() -> None:
    image = texture(12, 13, 3)
    options: dict[str, Any] = {"model": NETWORK, "axes": "YXS", **CPU}
    plan = plan_upscale(image, **options)
    assert plan.request.color == "channels"
    assert len(plan.ranges) == 3
    result = plan.region([slice(None)] * 2)
    for sample in range(3):
        alone = upscale(image[..., sample], model=NETWORK, **CPU)
        assert np.array_equal(result[..., sample], alone)
    luma = plan_upscale(image, color="luma", **options)
    assert luma.request.color == "luma"
    assert len(luma.ranges) == 1
    assert np.abs(luma.region([slice(None)] * 2).astype(int) - result).max() > 100


@pytest.mark.parametrize("window", [(0.0, 1.0), (0.2, 0.6)])
def test_luma_of_16_bits_is_that_of_its_range(window: tuple[float, float]) -> None:
    image = texture(12, 13, 3) // 4 + np.uint16(20_000)
    model = random_network(6)
    low, high = 15_000.0, 45_000.0
    result = upscale(
        image, model=model, axes="YXS", color="luma", intensity=(low, high), window=window, **CPU
    )
    enlarged = np.stack(
        [imresize(p.astype(float), scale=2) for p in np.moveaxis(image, -1, 0)], axis=-1
    )
    luma = rgb_to_y((image - low) / (high - low))
    change = srcnn(luma, model, IntensityRange(0, 1, window)) - imresize(luma, scale=2)
    expected = enlarged + (change * 255 / 219 * (high - low))[..., None]
    assert np.abs(result - np.rint(expected)).max() <= 1


def test_8_bit_colour_can_be_channels() -> None:
    image = texture(12, 13, 3, dtype="uint8")
    result = upscale(image, model=NETWORK, axes="YXS", color="channels", window=(0, 1), **CPU)
    alone = upscale(image[..., 1], model=NETWORK, window=(0, 1), **CPU)
    assert np.array_equal(result[..., 1], alone)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("samples", [2, 4])
def test_alpha_is_enlarged_by_bicubic_and_measured_nowhere(samples: int, dtype: str) -> None:
    image = texture(12, 13, samples, dtype=dtype)
    options: dict[str, Any] = {"model": NETWORK, **CPU}
    result = upscale(image, axes="YXS", **options)
    alpha = np.rint(imresize(image[..., -1].astype(float), scale=2))
    assert np.array_equal(result[..., -1], alpha.clip(0, np.iinfo(dtype).max))
    if samples == 4:
        opaque = upscale(image[..., :3], axes="YXS", **options)
        assert np.array_equal(result[..., :3], opaque)
    else:
        assert np.array_equal(result[..., 0], upscale(image[..., 0], **options))


def test_alpha_belongs_to_no_range() -> None:
    image = texture(12, 13, 4)
    image[..., 3] = 65535
    for options in (
        {"color": "luma"},
        {"color": "channels"},
        {"model": random_network(channels=3)},
    ):
        settings: dict[str, Any] = {"model": NETWORK, "axes": "YXS", **CPU, **options}
        plain = plan_upscale(image[..., :3], **settings)
        assert plan_upscale(image, **settings).ranges == plain.ranges
    stack = np.stack([image, image // 2])
    plan = plan_upscale(stack, model=NETWORK, axes="CYXS", color="luma", **CPU)
    assert [r.high for r in plan.ranges] == pytest.approx(
        [np.percentile(part[..., :3], 99.9) for part in stack]
    )


def test_a_network_of_three_channels_sees_rgb() -> None:
    model = random_network(7, channels=3)
    image = texture(12, 13, 3, dtype="float32")
    result = upscale(image, model=model, axes="YXS", intensity="none", **CPU)
    enlarged = np.stack([imresize(p, scale=2) for p in np.moveaxis(image, -1, 0)])
    padded = np.pad(enlarged, ((0, 0), (6, 6), (6, 6)), mode="edge").astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(padded)[None])[0].numpy()
    assert np.abs(np.moveaxis(result, -1, 0) - expected).max() < 1e-5
    rgba = np.concatenate([image, image[..., :1]], axis=-1)
    with_alpha = upscale(rgba, model=model, axes="YXS", intensity="none", **CPU)
    assert np.array_equal(with_alpha[..., :3], result)


def test_a_colour_photographs_range_is_that_of_8_bits_for_every_network() -> None:
    image = texture(12, 13, 3, dtype="uint8")
    for model in (NETWORK, random_network(channels=3)):
        plan = plan_upscale(image, model=model, axes="YXS", **CPU)
        assert plan.ranges == (IntensityRange(0, 255, (0, 1)),)


def test_stacks_of_colour_planes_tile_as_one_does() -> None:
    stack = texture(2, 3, 20, 21, 3, dtype="uint8")
    result = upscale(stack, model=NETWORK, axes="TCYXS", device="cpu", tile=16)
    assert result.shape == (2, 3, 40, 42, 3)
    alone = upscale(stack[1, 2], model=NETWORK, axes="YXS", **CPU)
    assert np.abs(result[1, 2].astype(int) - alone).max() <= 1


# -- what a stack may be, and how it is read ------------------------------------------------------


class CountingStack:
    """Counts how often each pixel of an array is read; it has no other way in than indexing."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim
        self.times = np.zeros(values.shape, int)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        self.times[key] += 1
        return self._values[key].copy()


def test_every_pixel_is_read_once_for_the_result() -> None:
    stack = CountingStack(texture(3, 40, 41))
    upscale(stack, model=NETWORK, intensity="dtype", device="cpu", tile=16)
    assert (stack.times == 1).all()


def test_auto_reads_a_pixel_once_more_at_most() -> None:
    stack = CountingStack(texture(3, 40, 41))
    upscale(stack, model=NETWORK, device="cpu", tile=16)
    assert stack.times.max() == 2


def test_a_plane_too_large_for_memory_is_read_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    values = texture(60, 40)
    expected = upscale(values, model=NETWORK, intensity="dtype", device="cpu", tile=32)
    monkeypatch.setattr(reader_module, "PLANE_LIMIT", 1000)
    stack = CountingStack(values)
    result = upscale(stack, model=NETWORK, intensity="dtype", device="cpu", tile=32)
    assert np.array_equal(result, expected)
    # Three borders between four bands, each with a halo and the cubic's support on both sides.
    assert stack.times.max() == 2
    assert (stack.times == 2).sum() == 3 * 2 * (6 // 2 + 2) * 40


def test_a_region_reads_no_more_than_it_needs() -> None:
    stack = CountingStack(texture(4, 200, 300))
    upscale_region(
        stack, (2, slice(100, 140), slice(50, 90)), model=NETWORK, intensity="dtype", **CPU
    )
    # 40 pixels and a halo of 6 on both sides, at half the size, and 2 for the cubic.
    rows, columns = (np.flatnonzero(stack.times[2].any(axis=axis)) for axis in (1, 0))
    assert (rows.min(), rows.max()) == (45, 74)
    assert (columns.min(), columns.max()) == (20, 49)
    assert stack.times.sum() == 30 * 30


def test_bicubic_alone_measures_no_intensities() -> None:
    stack = CountingStack(texture(2, 20, 20))
    bicubic(stack, 2)
    assert (stack.times == 1).all()


def test_a_plan_alone_reads_nothing() -> None:
    stack = CountingStack(texture(2, 20, 20))
    plan = plan_upscale(stack, model=NETWORK, **CPU)
    assert (plan.shape, plan.dtype, plan.nbytes) == ((2, 40, 40), np.uint16, 6400)
    assert (plan.scale, plan.model_name, plan.model_sha256) == (2, "unnamed", "")
    assert not stack.times.any()


@pytest.fixture
def stack() -> NDArray[Any]:
    return texture(3, 20, 22)


@pytest.fixture
def expected(stack: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(upscale(stack, model=NETWORK, **CPU))


def test_a_dask_stack_equals_numpy(stack: NDArray[Any], expected: NDArray[Any]) -> None:
    lazy = da.from_array(stack, chunks=(1, 7, 22))
    assert np.array_equal(upscale(lazy, model=NETWORK, **CPU), expected)


def test_a_zarr_stack_equals_numpy(
    stack: NDArray[Any], expected: NDArray[Any], tmp_path: Path
) -> None:
    stored = zarr.create_array(tmp_path / "a.zarr", data=stack, chunks=(1, 16, 16))
    assert np.array_equal(upscale(stored, model=NETWORK, **CPU), expected)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_memmap_equals_numpy(
    mode: Any, stack: NDArray[Any], expected: NDArray[Any], tmp_path: Path
) -> None:
    stack.tofile(tmp_path / "raw")
    mapped = np.memmap(tmp_path / "raw", stack.dtype, mode, shape=stack.shape)
    assert np.array_equal(upscale(mapped, model=NETWORK, **CPU), expected)


def test_views_of_any_strides_and_byte_order_equal_numpy(
    stack: NDArray[Any], expected: NDArray[Any]
) -> None:
    for view in (
        stack[::-1][::-1],
        np.asfortranarray(stack),
        np.repeat(stack, 2, axis=2)[..., ::2],
        stack.astype(">u2"),
    ):
        assert np.array_equal(upscale(view, model=NETWORK, **CPU), expected)
    frozen = stack.copy()
    frozen.flags.writeable = False
    assert np.array_equal(upscale(frozen, model=NETWORK, **CPU), expected)
    assert np.array_equal(upscale(stack.tolist(), model=NETWORK, dtype="uint16", **CPU), expected)


def test_the_source_is_never_changed(stack: NDArray[Any]) -> None:
    before = stack.copy()
    upscale(stack, model=NETWORK, **CPU)
    floats = texture(8, 8, dtype="float64")
    floats[2, 2] = np.nan
    copy = floats.copy()
    upscale(floats, model=NETWORK, **CPU)
    assert np.array_equal(stack, before)
    assert np.array_equal(floats, copy, equal_nan=True)


# -- where the result goes ------------------------------------------------------------------------


def test_out_is_filled_and_returned(stack: NDArray[Any], expected: NDArray[Any]) -> None:
    out = np.zeros_like(expected)
    assert upscale(stack, out=out, model=NETWORK, **CPU) is out
    assert np.array_equal(out, expected)
    wide = np.zeros((3, 40, 90), np.uint16)[..., 1::2][..., :44]
    upscale(stack, out=wide, model=NETWORK, **CPU)
    assert np.array_equal(wide, expected)


@pytest.mark.parametrize(("stored", "given"), [(">u2", "<u2"), ("<u2", ">u2"), (">u2", ">u2")])
def test_the_order_of_bytes_is_not_a_type(
    stored: str, given: str, stack: NDArray[Any], expected: NDArray[Any]
) -> None:
    out = np.zeros(expected.shape, given)
    upscale(stack.astype(stored), out=out, model=NETWORK, **CPU)
    assert np.array_equal(out, expected)
    spread = np.zeros(expected.shape, ">f4")
    upscale(stack, spread=spread, model=NETWORK, ensemble=True, **CPU)
    assert spread.any()


def test_out_may_be_a_memmap(stack: NDArray[Any], expected: NDArray[Any], tmp_path: Path) -> None:
    out = np.memmap(tmp_path / "out", np.uint16, "w+", shape=expected.shape)
    upscale(stack, out=out, model=NETWORK, **CPU)
    out.flush()
    assert np.array_equal(np.fromfile(tmp_path / "out", np.uint16).reshape(out.shape), expected)


def test_out_may_be_a_zarr_array(
    stack: NDArray[Any], expected: NDArray[Any], tmp_path: Path
) -> None:
    out = zarr.create_array(
        tmp_path / "out.zarr", shape=expected.shape, dtype="uint16", chunks=(1, 40, 44)
    )
    assert upscale(stack, out=out, model=NETWORK, device="cpu", tile=16) is out
    assert np.abs(out[:].astype(int) - expected).max() <= 1
    plane = zarr.create_array(tmp_path / "plane.zarr", shape=(40, 44), dtype="uint16")
    upscale(stack[0], out=plane, model=NETWORK, intensity="dtype", **CPU)
    alone = upscale(stack[0], model=NETWORK, intensity="dtype", **CPU)
    assert np.array_equal(plane[:], alone)


class PlaneSink:
    """An output that takes whole planes in any order, as a file's writer does."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.planes: dict[tuple[int, ...], NDArray[Any]] = {}

    def __setitem__(self, index: tuple[int, ...], plane: NDArray[Any]) -> None:
        assert index not in self.planes, "a plane comes once"
        self.planes[index] = plane


def test_another_output_gets_whole_planes_in_order(
    stack: NDArray[Any], expected: NDArray[Any]
) -> None:
    sink = PlaneSink(expected.shape, "uint16")
    upscale(stack, out=sink, model=NETWORK, device="cpu", tile=16)
    assert list(sink.planes) == [(0,), (1,), (2,)]
    for (i,), plane in sink.planes.items():
        assert np.abs(plane.astype(int) - expected[i]).max() <= 1


# -- messages, cancelling -------------------------------------------------------------------------


def test_messages_count_up_to_the_end_and_cover_every_pixel_once(stack: NDArray[Any]) -> None:
    *steps, report = iter_upscale(stack, model=NETWORK, device="cpu", tile=16)
    assert all(isinstance(step, Progress) for step in steps)
    assert isinstance(report, Report)
    assert [step.tiles_done for step in steps] == list(range(1, len(steps) + 1))
    assert {step.tiles_total for step in steps} == {3 * 3 * 3}
    covered = np.zeros((3, 40, 44), int)
    for step in steps:
        y0, y1, x0, x1 = step.region
        covered[(*step.index, slice(y0, y1), slice(x0, x1))] += 1
        assert step.finished_slice == bool((covered[step.index] == 1).all())
        assert step.slices_done == sum((plane == 1).all() for plane in covered)
        assert step.slices_total == 3
    assert (covered == 1).all()
    seconds = [step.seconds for step in steps]
    assert seconds == sorted(seconds)
    assert steps[-1].seconds_left == 0
    assert all(step.seconds_left >= 0 for step in steps)


def test_the_report_says_how_the_result_was_made(stack: NDArray[Any], own_home: Path) -> None:
    name = list_models()[0]
    plan = plan_upscale(stack, model=name, **CPU)
    *_, report = plan.run()
    assert report.model == name
    assert report.model_sha256 == model_info(name).sha256
    assert report.scale == plan.scale
    assert report.ranges == plan.ranges
    assert report.window == plan.ranges[0].window
    assert (report.tile, report.device) == (64, plan.device_label)
    assert (report.slices_done, report.slices_total) == (3, 3)
    assert report.version == napari_srcnn.__version__
    assert report.seconds > 0
    metadata = report.to_metadata()
    assert metadata["intensity_ranges"] == [[plan.ranges[0].low, plan.ranges[0].high]]
    assert metadata["model_sha256"] == report.model_sha256
    assert "result" not in metadata


def test_a_run_can_begin_with_any_slice() -> None:
    stack = texture(2, 3, 8, 8)
    plan = plan_upscale(stack, model=NETWORK, **CPU)
    expected = upscale(stack, model=NETWORK, **CPU)
    *steps, report = plan.run(first=(1, 1))
    order = [step.index for step in steps if step.finished_slice]
    assert order[0] == (1, 1)
    assert order[1:] == [i for i in itertools.product(range(2), range(3)) if i != (1, 1)]
    assert np.array_equal(report.result, expected)
    with pytest.raises(ValueError, match=r"no slice \(2, 0\)"):
        plan.run(first=(2, 0))


@pytest.mark.parametrize("kind", ["numpy", "planes"])
def test_closing_stops_after_the_tile_at_hand_and_keeps_finished_slices(
    kind: str, stack: NDArray[Any]
) -> None:
    whole = upscale(stack, model=NETWORK, device="cpu", tile=16)
    out: Any = np.zeros_like(whole) if kind == "numpy" else PlaneSink(whole.shape, "uint16")
    source = CountingStack(stack)
    run = plan_upscale(source, model=NETWORK, intensity="auto", device="cpu", tile=16).run(out)
    assert hasattr(run, "close")
    for step in run:
        assert isinstance(step, Progress)
        if step.tiles_done == 10:
            run.close()
            break
    assert list(run) == []
    if kind == "planes":
        assert list(out.planes) == [(0,)]
        out = np.stack([out.planes[0,], np.zeros_like(whole[0]), np.zeros_like(whole[0])])
    assert np.array_equal(out[0], whole[0])
    assert np.array_equal(out[1, :16, :16], whole[1, :16, :16]) or kind == "planes"
    assert not out[1, 16:].any()
    assert not out[2].any()
    # The third slice was read for the range only.
    assert source.times[2].max() == 1


def test_several_slices_at_a_time_are_announced_one_by_one(stack: NDArray[Any]) -> None:
    # As a GPU does: here the CPU is told to.
    stack = np.concatenate([stack, stack[:2, ::-1]])
    pairs = [(0, 40_000 + 5000 * i) for i in range(5)]
    options: dict[str, Any] = {"axes": "CYX", "intensity": pairs, "model": NETWORK}
    expected = upscale(stack, device="cpu", tile=32, **options)
    plan = plan_upscale(stack, device="cpu", tile=32, **options)
    plan.batch = 2
    *steps, report = plan.run()
    assert np.array_equal(report.result, expected)
    assert [step.index for step in steps[:4]] == [(0,), (1,), (0,), (1,)]
    assert [step.tiles_done for step in steps] == list(range(1, 21))
    assert {step.tiles_total for step in steps} == {20}
    assert [step.index for step in steps if step.finished_slice] == [(i,) for i in range(5)]


def test_steps_of_a_run_and_regions_of_its_plan_do_not_disturb_each_other(
    stack: NDArray[Any], expected: NDArray[Any]
) -> None:
    plan = plan_upscale(stack, model=NETWORK, **CPU)
    for step in plan.run():
        if isinstance(step, Progress):
            part = plan.region([*step.index, slice(3, 9), slice(4, 40)])
            difference = part.astype(int) - expected[(*step.index, slice(3, 9), slice(4, 40))]
            assert np.abs(difference).max() <= 1
        else:
            assert np.array_equal(step.result, expected)


def test_previews_in_other_threads_equal_the_whole(
    stack: NDArray[Any], expected: NDArray[Any]
) -> None:
    plan = plan_upscale(stack, model=NETWORK, **CPU)
    parts = [(i, slice(y, y + 20), slice(None)) for i in range(3) for y in range(0, 20, 5)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(plan.region, parts))
    for part, result in zip(parts, results, strict=True):
        assert np.abs(result.astype(int) - expected[part]).max() <= 1


# -- memory ---------------------------------------------------------------------------------------


class SmallEngine(Engine):
    """An engine whose device holds tiles up to some size only."""

    largest, failures = 0, 0

    def submit(self, raw: NDArray[Any], *arguments: Any, **options: Any) -> Pending:
        if max(raw.shape[-2:]) * 2 > self.largest:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB.")
        return super().submit(raw, *arguments, **options)


def plan_with_little_memory(stack: NDArray[Any], largest: int, *, tile: int) -> UpscalePlan:
    plan = plan_upscale(stack, model=NETWORK, intensity="dtype", device="cpu", tile=tile)
    engine = SmallEngine(NETWORK, plan.device, color="gray", alpha=False, dtype=plan.dtype)
    engine.largest = largest
    plan.__dict__["engine"] = engine
    return plan


@pytest.mark.parametrize("batch", [1, 4])
def test_running_out_of_memory_halves_the_tile_and_goes_on(batch: int) -> None:
    stack = texture(7, 50, 45) // 2 + 10_000
    expected = upscale(stack, model=NETWORK, intensity="dtype", device="cpu", tile=512)
    plan = plan_with_little_memory(stack, 60, tile=96)
    plan.batch = batch
    *steps, report = plan.run()
    assert np.abs(report.result.astype(int) - expected).max() <= 1
    assert report.tile == 32
    assert plan.engine.failures == 2  # type: ignore[attr-defined]
    assert len(report.messages) == 2
    assert "ran out of memory; the tile is now 48 pixels" in report.messages[0]
    assert "".join(step.message for step in steps).count("ran out of memory") == 2
    assert report.slices_done == 7
    assert steps[-1].tiles_done == steps[-1].tiles_total == len(steps)
    covered = np.zeros(plan.shape, int)
    for step in steps:
        y0, y1, x0, x1 = step.region
        covered[(*step.index, slice(y0, y1), slice(x0, x1))] += 1
    assert (covered == 1).all()


def test_a_tile_larger_than_the_image_is_halved_from_the_images_size() -> None:
    plan = plan_with_little_memory(texture(40, 40), 70, tile=4096)
    *_, report = plan.run()
    assert report.tile == 40
    assert plan.engine.failures == 1  # type: ignore[attr-defined]


def test_a_region_recovers_from_a_lack_of_memory_as_a_run_does() -> None:
    stack = texture(3, 50, 45) // 2 + 10_000
    expected = upscale(stack, model=NETWORK, intensity="dtype", device="cpu", tile=512)
    plan = plan_with_little_memory(stack, 72, tile=96)
    part = (1, slice(3, 99), slice(7, 90))
    assert np.abs(plan.region(part).astype(int) - expected[part]).max() <= 1
    assert plan.engine.failures == 1  # type: ignore[attr-defined]
    # What does not fit is not tried again for the next part.
    plan.region(part)
    assert plan.engine.failures == 1  # type: ignore[attr-defined]
    assert plan.tile == 48


def test_a_region_without_memory_for_the_smallest_tile_ends_in_a_sentence() -> None:
    plan = plan_with_little_memory(texture(100, 100), 0, tile=64)
    with pytest.raises(ValueError, match="not enough memory for a tile of 32 pixels; close other"):
        plan.region((slice(None), slice(None)))


def test_no_memory_for_the_smallest_tile_ends_in_a_sentence() -> None:
    plan = plan_with_little_memory(texture(100, 100), 0, tile=64)
    with pytest.raises(ValueError, match="not enough memory for a tile of 32 pixels; close other"):
        list(plan.run())


def test_other_errors_of_torch_are_not_taken_for_a_lack_of_memory() -> None:
    plan = plan_with_little_memory(texture(10, 10), 512, tile=64)

    def fail(*_: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    plan.engine.enhancer.correction = fail
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        list(plan.run())


def test_a_result_that_does_not_fit_in_memory_is_refused_with_a_word_about_out() -> None:
    huge = np.broadcast_to(np.zeros((1, 64, 64), np.uint16), (10**9, 64, 64))
    plan = plan_upscale(huge, model=NETWORK, **CPU)
    with pytest.raises(ValueError, match=r"GB|TB.*out=.*memmap or a zarr array"):
        plan.run()
    with pytest.raises(ValueError, match="out="):
        upscale(huge, model=NETWORK, **CPU)


def test_memory_stays_constant_whatever_the_number_of_planes() -> None:
    # Two planes are read and one is made at a time: nothing of the others is kept.
    class Source:
        shape, dtype = (200, 64, 64), np.dtype("uint16")

        def __getitem__(self, key: Any) -> NDArray[Any]:
            return texture(*self.shape[1:], seed=key[0])[key[1:]]

    class Sink:
        shape, dtype = (200, 128, 128), np.dtype("uint16")
        total = 0

        def __setitem__(self, index: tuple[int, ...], plane: NDArray[Any]) -> None:
            self.total += 1

    plan = plan_upscale(Source(), model=random_network(widths=(1, 1)), device="cpu", tile=128)
    tracemalloc.start()
    try:
        peaks, sink = {}, Sink()
        for step in plan.run(sink):
            if isinstance(step, Progress) and step.slices_done in (20, 200):
                peaks[step.slices_done] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sink.total == 200
    # numpy's arrays are traced; one plane of the result has 32 KB.
    assert peaks[200] - peaks[20] < 20_000


class SlowStack(CountingStack):
    """As on a slow disk."""

    def __getitem__(self, key: Any) -> NDArray[Any]:
        time.sleep(0.06)
        return super().__getitem__(key)


def slow_down(plan: UpscalePlan, seconds: float = 0.06) -> None:
    """Let a plan's engine take some time for each tile."""
    compute = plan.engine._compute

    def slowly(*arguments: Any) -> Any:
        time.sleep(seconds)
        return compute(*arguments)

    plan.engine._compute = slowly  # type: ignore[method-assign]


def test_the_time_is_known_once_the_network_ran_here(own_home: Path) -> None:
    # Shorter runs than 0.2 s say too little of the speed to be remembered.
    plan = plan_upscale(texture(4, 30, 30), model=NETWORK, intensity="dtype", **CPU)
    slow_down(plan)
    assert plan.estimate_seconds() is None
    *_, report = plan.run()
    assert report.seconds > 0.2
    other = plan_upscale(texture(2, 30, 30), model=NETWORK, **CPU)
    seconds = other.estimate_seconds()
    # The speed is kept in megapixels a second with three decimals.
    assert seconds == pytest.approx(report.seconds / 2, rel=0.05)


def test_the_time_of_reading_and_of_waiting_is_not_taken_for_the_networks(own_home: Path) -> None:
    stack = SlowStack(texture(4, 30, 30))
    plan = plan_upscale(stack, model=NETWORK, intensity="dtype", **CPU)
    slow_down(plan)
    left = []
    for step in plan.run():
        if isinstance(step, Progress):
            left.append(step.seconds_left)
            # Somebody looks at the first slices for a while.
            time.sleep(0.5)
    # Four slices of 0.12 s: reading is work that is still to come, waiting is none.
    assert max(left) < 0.6
    seconds = plan_upscale(texture(4, 30, 30), model=NETWORK, **CPU).estimate_seconds()
    assert seconds == pytest.approx(4 * 0.06, rel=0.2)


def test_a_stopped_process_does_not_make_the_rest_look_slow() -> None:
    watch = Stopwatch()
    for _ in range(4):
        watch.count(0.5)
    watch.count(6 * 3600.0)
    assert watch.seconds == 2.5
    # What is merely slow counts as it is.
    watch.count(9.0)
    assert watch.seconds == 11.5


def test_work_on_two_tiles_at_a_time_is_counted_once() -> None:
    busy = Busy()
    for span in ((0, 4), (1, 3), (2, 5), (8, 9)):
        busy.add(*span)
    assert busy.seconds == 6


def test_a_tile_is_measured_once_and_remembered(own_home: Path) -> None:
    # By default a CPU computes by blocks of one size.
    options: dict[str, Any] = {"model": random_network(widths=(2, 1)), "deterministic": False}
    first = plan_upscale(texture(8, 8), device="cpu", **options).choose_tile()
    assert first in (96, 128, 160, 192, 256)
    file = own_home / "cache" / "speed.json"
    written = file.read_text()
    assert plan_upscale(texture(8, 8), device="cpu", **options).choose_tile() == first
    assert file.read_text() == written
    file.write_text("{ damaged")
    again = plan_upscale(texture(8, 8), device="cpu", **options).choose_tile()
    assert again in (96, 128, 160, 192, 256)


def test_looking_at_a_plan_measures_and_writes_nothing(own_home: Path) -> None:
    plan = plan_upscale(texture(8, 8), model=random_network(widths=(2, 1)), device="cpu")
    assert plan.tile > 0
    assert plan.estimate_seconds() is None
    assert not own_home.exists()
    assert plan.tile == plan.tile
    chosen = plan.choose_tile()
    assert plan.tile == chosen


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 KB"),
        (999_999, "1 MB"),
        (83_886_080, "83.9 MB"),
        (2.5e9, "2.5 GB"),
        (4e15, "4,000 TB"),
    ],
)
def test_bytes_are_written_for_reading(number: float, text: str) -> None:
    assert format_bytes(number) == text


def test_switching_tf32_touches_no_other_switch_and_is_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cudnn = torch.backends.cudnn
    for before, benchmark in itertools.product((True, False), repeat=2):
        monkeypatch.setattr(cudnn, "allow_tf32", before)
        monkeypatch.setattr(cudnn, "benchmark", benchmark)
        for wanted in (True, False):
            with tf32_switched(wanted):
                assert (cudnn.allow_tf32, cudnn.benchmark) == (wanted, benchmark)
                # Somebody else's choice in the meantime stays theirs.
                cudnn.benchmark = not benchmark
            assert (cudnn.allow_tf32, cudnn.benchmark) == (before, not benchmark)
            cudnn.benchmark = benchmark


def test_two_engines_never_see_each_others_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)

    def look(wanted: bool) -> bool:
        with tf32_switched(wanted):
            time.sleep(0.001)
            return torch.backends.cudnn.allow_tf32 == wanted

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(look, [True, False] * 50))
    assert torch.backends.cudnn.allow_tf32


def test_half_precision_that_would_be_slower_is_refused() -> None:
    image = texture(30, 30)
    gain = half_gain()
    if gain < 1:
        with pytest.raises(ValueError, match=r"times as long in half precision.*leave half"):
            upscale(image, model=NETWORK, half=True, **CPU)
    else:
        upscale(image, model=NETWORK, half=True, **CPU)


def test_half_precision_is_asked_for_and_near(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a processor that has it, so that its arithmetic is tested on all.
    monkeypatch.setattr("napari_srcnn.network.half.half_gain", lambda: 2.0)
    image = texture(30, 30)
    image[10, 10] = 65535
    exact = upscale(image, model=NETWORK, **CPU)
    rough = upscale(image, model=NETWORK, half=True, **CPU)
    difference = np.abs(rough.astype(int) - exact).max()
    assert 0 < difference < 0.02 * 65535


def test_the_shape_of_a_plan_is_that_of_what_it_makes() -> None:
    for shape, axes in (((5, 6), "YX"), ((2, 5, 6, 4), "ZYXS"), ((2, 1, 5, 6), "CZYX")):
        plan = plan_upscale(texture(*shape, dtype="uint8"), model=NETWORK, axes=axes, **CPU)
        *_, report = plan.run()
        assert report.result.shape == plan.shape
        assert math.prod(plan.shape) == plan.nbytes
