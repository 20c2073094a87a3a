"""Estimates: noise, shift, scale and blur of simulated images come out as they went in."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from numpy.typing import NDArray
from real_data import with_data
from scipy.ndimage import gaussian_filter

from napari_srcnn.image.intensity import cast
from napari_srcnn.microscope.blur import estimate_degradation
from napari_srcnn.microscope.degradation import Degradation, Sampling
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_estimate import estimate_noise
from napari_srcnn.microscope.registration import estimate_shift, pair_scale

UINT16 = np.dtype("uint16")
NOISES = [(0.5, 2.0), (2.0, 6.0), (8.0, 20.0)]


@cache
def scene(size: int, seed: int, psf: float, cells: int = 60) -> NDArray[np.float64]:
    """Filaments and blobs on nothing, of peak 1, as a microscope of this blur sees them."""
    rng = np.random.default_rng(seed)
    lines = np.zeros((size, size))
    for _ in range(cells // 2):
        steps = int(rng.integers(60, 400) * psf)
        angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.03, steps))
        y = rng.uniform(0, size) + np.cumsum(0.5 * np.sin(angle))
        x = rng.uniform(0, size) + np.cumsum(0.5 * np.cos(angle))
        inside = (y >= 0) & (x >= 0) & (y < size - 1) & (x < size - 1)
        place = y[inside].astype(int), x[inside].astype(int)
        np.add.at(lines, place, rng.uniform(0.3, 1))
    image = gaussian_filter(lines, psf)
    for radius in (1.5 * psf, 3 * psf, 5 * psf):
        spots = np.zeros((size, size))
        place = rng.integers(0, size, (2, cells // 3))
        np.add.at(spots, tuple(place), rng.uniform(0.3, 1, cells // 3) * radius**2 * 3)
        image += gaussian_filter(spots, math.hypot(radius, psf))
    image /= np.quantile(image, 0.9995)
    image.flags.writeable = False
    return image


@cache
def scenes() -> NDArray[np.float64]:
    return np.stack([scene(256, seed, 1.5) for seed in range(2)])


def noisy(light: NDArray[np.float64], noise: Noise, seed: int = 0) -> NDArray[np.uint16]:
    """A 16-bit image of so many photons."""
    image = noise.offset + noise.gain * light
    return cast(noise.apply(image, np.random.default_rng(seed)), UINT16)[0]


# -- noise -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [100.0, None])
@pytest.mark.parametrize("photons", [50, 300, 2000])
@pytest.mark.parametrize(("gain", "read"), NOISES)
def test_gain_and_read_noise_are_found_within_15_percent(
    gain: float, read: float, photons: float, offset: float | None
) -> None:
    true = Noise(gain=gain, read=read, offset=100)
    found = estimate_noise(noisy(photons * scenes(), true), offset=offset)
    assert found.gain == pytest.approx(gain, rel=0.15)
    assert found.read == pytest.approx(read, rel=0.15)
    assert found.offset == pytest.approx(100, abs=0.3 * read)


def test_counted_photons_have_a_gain_of_1_and_no_read_noise() -> None:
    found = estimate_noise(noisy(20 * scenes(), Noise(gain=1)))
    assert found.gain == pytest.approx(1, rel=0.15)
    assert found.read < 0.2
    assert found.offset == pytest.approx(0, abs=0.2)


def test_without_a_dark_place_the_variance_is_right_where_there_is_light() -> None:
    true = Noise(gain=2, read=6, offset=100)
    light = 200 + 800 * scenes()
    found = estimate_noise(noisy(light, true))
    assert found.offset > 400
    values = 100 + 2 * np.array([220.0, 400, 900])
    assert found.variance(values) == pytest.approx(true.variance(values), rel=0.15)


def test_even_light_gives_the_variance_that_it_has() -> None:
    true = Noise(gain=2, read=6, offset=100)
    found = estimate_noise(noisy(np.full((256, 256), 200.0), true))
    assert found.variance(np.array([500.0])) == pytest.approx(836, rel=0.15)


@pytest.mark.parametrize("limit", [4095, 65535])
def test_saturated_pixels_are_left_out(limit: int) -> None:
    true = Noise(gain=8, read=20, offset=100)
    light = 1500 * scenes() * (1 if limit == 4095 else 16)
    found = estimate_noise(noisy(light, true).clip(0, limit))
    assert np.quantile(100 + 8 * light, 0.99) > limit
    assert found.gain == pytest.approx(8, rel=0.15)
    assert found.read == pytest.approx(20, rel=0.15)


def test_nan_and_padding_are_left_out() -> None:
    true = Noise(gain=2, read=6, offset=100)
    image = noisy(500 * scenes(), true).astype(np.float32)
    image[:, :60], image[:, 100:110, 70] = np.nan, np.nan
    image[:, :, :40] = 0
    found = estimate_noise(image, offset=100)
    assert found.gain == pytest.approx(2, rel=0.15)
    assert found.read == pytest.approx(6, rel=0.15)


def test_files_and_dask_arrays_are_measured_slice_by_slice(tmp_path: Path) -> None:
    image = noisy(500 * scenes(), Noise(gain=2, read=6, offset=100))
    expected = estimate_noise(image)
    assert estimate_noise(image[0, :99].tolist()) == estimate_noise(image[0, :99])
    assert estimate_noise(da.from_array(image, chunks=(1, 128, 256))) == expected
    file = np.memmap(tmp_path / "stack.raw", ">u2", "w+", shape=(2, 1, 256, 256))
    file[:, 0] = image
    assert estimate_noise(file) == expected


class Asked:
    """A large stack of noise, which sees what is read of it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype, self.pixels = shape, np.dtype("uint16"), 0
        self.slices = set[int]()
        self.noise = np.random.default_rng(0).poisson(20, (300, 400)).astype(np.uint16)

    def __getitem__(self, key: Any) -> NDArray[np.uint16]:
        *index, rows, columns = key
        self.slices.update(index)
        part = (rows.stop - rows.start, columns.stop - columns.start)
        self.pixels += math.prod(part)
        return self.noise[: part[0], : part[1]]


@pytest.mark.parametrize("shape", [(900, 300, 4000), (40_000, 30_000)])
def test_only_a_bounded_part_of_a_large_stack_is_read(shape: tuple[int, ...]) -> None:
    stack = Asked(shape)
    found = estimate_noise(stack)
    assert found.variance(np.array([20.0])) == pytest.approx(20, rel=0.1)
    assert 1 << 20 <= stack.pixels <= 1 << 21
    if len(shape) == 3:
        assert {0, shape[0] - 1} <= stack.slices
        assert len(stack.slices) == 16


@pytest.mark.parametrize(
    ("stack", "sentence"),
    [
        (np.full((200, 200), 7, np.uint16), "constant, and so without noise"),
        (np.full((200, 200), 0.1), "constant, and so without noise"),
        (np.full((200, 200), 65535, np.uint16), "so few pixels"),
        (np.full((200, 200), np.nan), "so few pixels"),
        (np.arange(100.0).reshape(10, 10), "so few pixels"),
        (np.random.default_rng(0).normal(0, 1, (30, 30)), "so few pixels: 25 blocks"),
        (np.zeros(50), r"a stack of real numbers of shape \(\.\.\., Y, X\)"),
        (np.zeros((0, 50, 50)), "a stack of real numbers"),
        (np.zeros((50, 50), np.complex64), "not one of shape .50, 50. and dtype complex64"),
    ],
)
def test_noise_cannot_be_measured_on_nothing(stack: NDArray[Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        estimate_noise(stack)


def test_an_offset_is_a_finite_number() -> None:
    with pytest.raises(ValueError, match="The offset is nan, but it needs a finite number or None"):
        estimate_noise(scenes(), offset=math.nan)


# -- shift -----------------------------------------------------------------------------------------

FINE = 4


def moved_pair(
    scale: int, move: tuple[float, float], seed: int = 0
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.float64]]:
    """Two images of a finely sampled scene, `move` high-resolution pixels from each other.

    The last is by how many low-resolution pixels things lie further on in the high one.
    """
    cells = 72 if scale == 4 else 96
    size = cells * scale
    fine = scene((size + 32) * FINE, seed, 1.5 * FINE, 90)
    start = 16 * FINE
    dy, dx = (round(d * FINE) for d in move)

    def view(y: int, x: int, pixel: int) -> NDArray[np.float64]:
        part = fine[start + y : start + y + size * FINE, start + x : start + x + size * FINE]
        count = size * FINE // pixel
        return np.asarray(part.reshape(count, pixel, count, pixel).mean(axis=(1, 3)))

    high = noisy(400 * view(0, 0, FINE), Noise(gain=2, read=6, offset=100), seed)
    # What the low image sees begins further on, so that it lies further back in it.
    low = noisy(100 * view(dy, dx, FINE * scale), Noise(gain=5, read=9, offset=300), seed + 1)
    return low, high, np.array([dy, dx]) / FINE / scale


@pytest.mark.parametrize("move", [(0, 0), (0.25, -0.5), (-2.5, 1.25), (-13, 11.75)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_shift_is_found_within_a_tenth_of_a_pixel(scale: int, move: tuple[float, float]) -> None:
    low, high, true = moved_pair(scale, move)
    match = estimate_shift(low, high, scale)
    assert match.shift == pytest.approx(true, abs=0.1)
    assert match.correlation > 0.8


def test_the_shift_is_added_to_a_position_in_the_low_image() -> None:
    high = np.zeros((96, 96))
    low = np.zeros((48, 48))
    # Two spots of the low image and the same in the high one: 3 and -2 low-resolution pixels on.
    for y, x in ((20, 15), (31, 29)):
        low[y, x] = 1
        high[2 * (y + 3) : 2 * (y + 3) + 2, 2 * (x - 2) : 2 * (x - 2) + 2] = 7
    match = estimate_shift(gaussian_filter(low, 1), gaussian_filter(high, 2), 2)
    assert match.shift == pytest.approx((3, -2), abs=0.02)
    assert match.correlation > 0.99


def test_a_rest_of_rows_and_nan_do_no_harm() -> None:
    low, high, true = moved_pair(3, (0.25, -0.5))
    high = np.pad(high, ((0, 2), (0, 1)))
    holes = low.astype(np.float32)
    holes[5, 7:9] = np.nan
    assert estimate_shift(holes, high, 3).shift == pytest.approx(true, abs=0.1)


def test_images_of_other_things_do_not_correlate() -> None:
    high = scene(256, 1, 1.5)
    low = Degradation(sigma=1).low_res(scene(256, 2, 1.5), 2)
    assert estimate_shift(low, high, 2).correlation < 0.7


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (np.zeros((32, 32)), np.eye(64), "The low image is constant"),
        (np.eye(32), np.full((64, 64), np.nan), "The high image is constant"),
        (np.eye(32), np.ones((2, 64, 64)), r"The high image has shape \(2, 64, 64\), but it takes"),
        (np.eye(12), np.eye(24), "share 12 x 12 low-resolution pixels, but it takes 16 x 16"),
    ],
)
def test_a_shift_takes_two_images(low: NDArray[Any], high: NDArray[Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        estimate_shift(low, high, 2)


@pytest.mark.parametrize(("name", "scale"), with_data([("sr_caco2_x2", 2), ("sr_caco2_x4", 4)]))
def test_a_real_pair_lies_as_it_was_cropped(shared_data: Path, name: str, scale: int) -> None:
    import tifffile

    folder = shared_data / "micro" / "pairs" / name
    low, high = (
        tifffile.imread(folder / part / f"{name}_{part}.ome.tif") for part in ("low", "high")
    )
    assert pair_scale(low.shape, high.shape) == scale
    match = estimate_shift(low, high, scale)
    # Cropped by whole pixels: half a fine one is left, and the two scans differ by a little more.
    assert max(np.abs(match.shift)) * scale < 1
    assert match.correlation > 0.95


# -- scale -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_scale_is_that_of_the_shapes_with_a_rest_or_without(scale: int) -> None:
    for rest in range(scale):
        assert pair_scale((5, 100, 90), (5, 100 * scale + rest, 90 * scale), None, None) == scale
    assert pair_scale((100, 90), (100 * scale, 90 * scale), (1, 1), (1 / scale, 1.015 / scale))
    assert pair_scale((100, 90), (100 * scale, 90 * scale), (9, 9), None) == scale
    assert pair_scale((100, 90), (100 * scale, 90 * scale), (None, 1), (1, None)) == scale


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        ((200, 200), (100, 100), "low-resolution image is larger .* seem to be swapped"),
        ((200, 100), (100, 100), "seem to be swapped"),
        ((100, 90), (100, 90), r"Both images have 100 × 90 pixels \(×1\)"),
        ((100, 90), (500, 450), "which is ×5: 2, 3 or 4 can be trained"),
        ((63, 63), (504, 504), "which is ×8: 2, 3 or 4 can be trained"),
        ((100, 100), (250, 250), r"×2.5 along Y and ×2.5 along X: crop them"),
        ((100, 100), (199, 200), r"×1.99 along Y and ×2 along X: crop them"),
        ((100, 100), (202, 200), "at most scale - 1 rows and columns more"),
        ((100, 100), (200, 300), "×2 along Y and ×3 along X, but the scale has to be the same"),
        ((100, 100), (200, 100), "×2 along Y and ×1 along X, but the scale has to be the same"),
        ((100, 100), (200, 50), "but the scale has to be the same"),
        ((100, 100), (130, 130), "×1.3 along Y and ×1.3 along X: crop them"),
        ((100,), (200,), "two shapes"),
        ((0, 5), (5, 5), "two shapes"),
    ],
)
def test_other_shapes_are_refused(low: Any, high: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        pair_scale(low, high)


def test_pixel_sizes_that_say_another_scale_are_refused() -> None:
    with pytest.raises(ValueError, match="The shapes say ×2, the pixel sizes ×4; "):
        pair_scale((100, 100), (200, 200), (0.4, 0.4), (0.1, 0.1))
    with pytest.raises(ValueError, match=r"The shapes say ×2, the pixel sizes ×1\.95; "):
        pair_scale((100, 100), (200, 200), (0.2, 0.195), (0.1, 0.1))


# -- degradation -----------------------------------------------------------------------------------


@cache
def places(scale: int, first: int) -> NDArray[np.float64]:
    size = 128 * scale
    shown = [scene(size, seed, 1.0, 60 * scale**2 // 2) for seed in range(first, first + 3)]
    return 100 + 2000 * np.stack(shown)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
@pytest.mark.parametrize(("scale", "sampling"), [(2, "area"), (3, "point")])
def test_a_blur_is_found_on_another_place_of_the_kind(
    scale: int, sampling: Sampling, sigma: float
) -> None:
    rng = np.random.default_rng(3)
    true = Degradation(sigma=sigma, sampling=sampling, noise=Noise(gain=4, read=10, offset=100))
    low = true.apply(places(scale, 3), scale, rng, UINT16)
    high = Noise(gain=1, read=3, offset=100).apply(places(scale, 0), rng)
    found = estimate_degradation(high, low, scale, sampling=sampling)
    assert found.sampling == sampling
    assert found.sigma == pytest.approx(sigma, abs=max(0.25, 0.15 * sigma))
    if sigma > 2:
        # Only then the low image is sampled finely enough to tell its noise from structure.
        values = np.array([600.0, 1500])
        ratio = found.noise.variance(values) / true.noise.variance(values)
        assert np.abs(ratio - 1).max() < 0.35


def test_the_noise_is_in_the_units_of_the_high_image() -> None:
    rng = np.random.default_rng(4)
    true = Degradation(sigma=2.5, noise=Noise(gain=4, read=10, offset=100))
    low = true.apply(places(2, 3), 2, rng)
    high = Noise(gain=1, read=3, offset=100).apply(places(2, 0), rng)
    same = estimate_degradation(high, low, 2)
    brighter = estimate_degradation(high, 5 * low + 70, 2)
    assert brighter.sigma == pytest.approx(same.sigma, abs=0.01)
    assert brighter.noise.gain == pytest.approx(same.noise.gain, rel=0.01)
    assert brighter.noise.read == pytest.approx(same.noise.read, rel=0.01)
    assert brighter.noise.offset == pytest.approx(100, abs=3)


def test_a_degradation_takes_images_that_show_something() -> None:
    high = places(2, 0)[0]
    low = np.random.default_rng(0).normal(0, 1, (64, 64))
    with pytest.raises(ValueError, match="constant"):
        estimate_degradation(high, np.ones((64, 64)), 2)
    with pytest.raises(ValueError, match="The scale is 5, but it is 2, 3 or 4"):
        estimate_degradation(high, low, 5)
    with pytest.raises(ValueError, match="The sampling is 'mean'"):
        estimate_degradation(high, low, 2, sampling="mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="too small to measure a blur: it takes 32 x 32"):
        estimate_degradation(high, np.random.default_rng(0).normal(0, 1, (500, 20)), 2)
