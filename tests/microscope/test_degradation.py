"""Degradation: what blur, sampling and noise do, against what is known of them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from napari_srcnn.image.resize import imresize
from napari_srcnn.microscope.degradation import Degradation, Sampling, gaussian_sigma
from napari_srcnn.microscope.noise import Noise

SAMPLINGS: list[Sampling] = ["bicubic", "area", "point"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- noise -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("light", [0, 3, 40, 2000])
@pytest.mark.parametrize(("gain", "read"), [(0.5, 2), (8, 20), (2, 0), (0, 5)])
def test_noise_has_the_variance_that_it_says_and_keeps_the_mean(
    light: float, gain: float, read: float
) -> None:
    noise = Noise(gain=gain, read=read, offset=100)
    image = np.full((200, 200), 100.0 + light)
    variance = noise.variance(image)
    assert variance == pytest.approx(gain * light + read**2)
    noisy = noise.apply(image, rng())
    assert noisy.var() == pytest.approx(variance[0, 0], rel=0.04)
    assert noisy.mean() == pytest.approx(100 + light, abs=5 * math.sqrt(variance[0, 0]) / 200)


def test_shot_noise_comes_in_whole_photons() -> None:
    noisy = Noise(gain=2.5, offset=10).apply(np.full((50, 50), 20.0), rng())
    photons = (noisy - 10) / 2.5
    assert photons == pytest.approx(photons.round())
    assert photons.min() >= 0


def test_below_the_offset_there_are_no_photons() -> None:
    image = np.array([[0.0, 50.0, 100.0]])
    noise = Noise(gain=3, offset=100)
    assert np.array_equal(noise.apply(image, rng()), image)
    assert np.array_equal(noise.variance(image), np.zeros((1, 3)))


def test_without_noise_the_image_is_copied() -> None:
    image = np.arange(12.0).reshape(3, 4)
    copy = Noise(offset=5).apply(image, rng())
    assert np.array_equal(copy, image)
    assert not np.shares_memory(copy, image)
    assert Noise().apply(image.astype(np.uint16), rng()).dtype == np.float64


def test_a_seed_makes_the_same_noise_again_and_nan_stays_nan() -> None:
    noise = Noise(gain=2, read=3)
    image = np.full((2, 30, 30), 500.0)
    image[0, 0, 0] = np.nan
    first = noise.apply(image, rng(7))
    assert np.array_equal(first, noise.apply(image, rng(7)), equal_nan=True)
    assert not np.array_equal(first, noise.apply(image, rng(8)), equal_nan=True)
    assert np.isnan(first).sum() == 1
    assert np.isnan(image).sum() == 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"gain": -1}, "gain is -1, but it needs a finite number of 0 or more"),
        ({"gain": math.nan}, "gain is nan"),
        ({"read": math.inf}, "read is inf"),
        ({"read": "much"}, "read is much"),
        ({"offset": -math.inf}, "offset is -inf, but it needs a finite number"),
    ],
)
def test_noise_refuses_what_is_no_noise(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Noise(**values)
    assert Noise(offset=-50).offset == -50


# -- blur and sampling -----------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_constant_stays_constant_and_stacks_keep_their_axes(
    sampling: Sampling, scale: int
) -> None:
    stack = np.full((2, 3, 10 * scale, 8 * scale), 1234.5)
    low = Degradation(sigma=1.3, sampling=sampling).low_res(stack, scale)
    assert low.shape == (2, 3, 10, 8)
    assert low == pytest.approx(1234.5)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_an_impulse_becomes_a_gaussian_of_sigma_and_keeps_its_energy(sigma: float) -> None:
    image = np.zeros((3, 60, 60))
    image[1, 29:31, 29:31] = 250
    low = Degradation(sigma=sigma).low_res(image, 2)
    assert low.sum() * 4 == pytest.approx(1000, rel=1e-3)
    assert low[0].max() == low[2].max() == 0, "slices do not mix"
    y = np.arange(30) - 14.5
    for axis in (0, 1):
        profile = low[1].sum(axis=axis) / low.sum()
        # The variances add: the blur's, that of two pixels' width and that of sorting into pairs.
        pixels2 = 4 * ((profile * y**2).sum() - (profile * y).sum() ** 2)
        assert pixels2 == pytest.approx(sigma**2 + 1 / 4 + 1 / 4, rel=0.05)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_camera_pixels_are_means_and_points_are_centres(scale: int) -> None:
    image = rng().normal(1000, 100, (6 * scale, 5 * scale))
    area = Degradation(sampling="area").low_res(image, scale)
    point = Degradation(sampling="point").low_res(image, scale)
    middle = {2: slice(0, 2), 3: slice(1, 2), 4: slice(1, 3)}[scale]
    for y, x in np.ndindex(area.shape):
        cell = image[y * scale : (y + 1) * scale, x * scale : (x + 1) * scale]
        assert area[y, x] == pytest.approx(cell.mean())
        assert point[y, x] == pytest.approx(cell[middle, middle].mean())
    bicubic = Degradation(sampling="bicubic").low_res(image, scale)
    assert bicubic == pytest.approx(imresize(image, scale=1 / scale))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_no_sampling_shifts_the_image(sampling: Sampling, scale: int) -> None:
    x = np.arange(20 * scale, dtype=np.float64)
    image = np.broadcast_to(3 * x, (20 * scale, 20 * scale))
    low = Degradation(sigma=0.7, sampling=sampling).low_res(image, scale)
    expected = 3 * ((np.arange(20) + 0.5) * scale - 0.5)
    assert low[10, 4:-4] == pytest.approx(expected[4:-4])


def test_the_blur_is_applied_before_sampling_in_high_resolution_pixels() -> None:
    wave = np.cos(2 * np.pi * np.arange(240) / 12)
    image = np.broadcast_to(wave, (24, 240))
    low = Degradation(sigma=2, sampling="point").low_res(image, 3)
    damping = math.exp(-2 * (np.pi * 2 / 12) ** 2)
    assert np.abs(low[4, 10:-10]).max() == pytest.approx(damping * wave[1::3].max(), rel=0.01)


def test_integers_are_rounded_and_clipped() -> None:
    image = np.full((8, 8), 254.0)
    image[:4] = 3.4
    noise = Noise(read=30)
    noisy = Degradation(noise=noise).apply(image, 2, rng(), np.uint8)
    assert noisy.dtype == np.uint8
    assert {0, 255} <= set(noisy.ravel().tolist())
    exact = Degradation(noise=noise).apply(image, 2, rng())
    assert exact.dtype == np.float64
    assert np.array_equal(noisy, np.rint(exact).clip(0, 255))
    assert np.array_equal(Degradation().apply(image, 2, rng(), "uint16")[0], [3, 3, 3, 3])
    assert Degradation().apply(image.astype(np.float32), 2, rng(), np.float32).dtype == np.float32


def test_the_noise_is_that_of_the_low_resolution_image() -> None:
    degradation = Degradation(sigma=2, noise=Noise(gain=2, read=6, offset=100))
    low = degradation.apply(np.full((600, 600), 600, np.uint16), 2, rng(), np.uint16)
    assert low.var() == pytest.approx(2 * 500 + 36, rel=0.03)
    again = degradation.apply(np.full((600, 600), 600, np.uint16), 2, rng(), np.uint16)
    assert np.array_equal(low, again)


@pytest.mark.parametrize("shape", [(7, 8), (8, 7), (2, 8, 6), (8,), (0, 8)])
def test_shapes_need_to_be_multiples_of_the_scale(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="multiples of the scale, 4: cut off what is over"):
        Degradation().low_res(np.zeros(shape), 4)


@pytest.mark.parametrize("scale", [0, 1, 5, 2.5])
def test_other_scales_are_refused(scale: Any) -> None:
    with pytest.raises(ValueError, match=r"The scale is .*, but it is 2, 3 or 4"):
        Degradation().low_res(np.zeros((20, 20)), scale)


# -- as text ---------------------------------------------------------------------------------------


def test_a_degradation_survives_json() -> None:
    degradation = Degradation(
        sigma=1.2, sampling="point", noise=Noise(gain=2.1, read=5.3, offset=100)
    )
    assert Degradation.from_dict(json.loads(json.dumps(degradation.to_dict()))) == degradation
    assert Degradation.from_dict({}) == Degradation()
    assert Degradation.from_dict({"noise": {"read": 2}}) == Degradation(noise=Noise(read=2))
    sixteen_bits = Noise(gain=np.float32(2), offset=np.uint16(100))  # type: ignore[arg-type]
    assert json.dumps(Degradation(noise=sixteen_bits).to_dict())


@pytest.mark.parametrize(
    ("d", "sentence"),
    [
        ({"sigmas": 1}, "A degradation is a mapping of sigma, sampling, noise"),
        ({"noise": {"gian": 1}}, "A noise is a mapping of gain, read, offset"),
        ({"noise": 3}, "A noise is a mapping"),
        ([], "A degradation is a mapping"),
        ({"sampling": "lanczos"}, "sampling is 'lanczos', but it is one of 'bicubic', 'area'"),
        ({"sigma": -1}, "sigma is -1, but it needs a finite number of 0 or more"),
        ({"sigma": None}, "sigma is None"),
    ],
)
def test_other_dicts_are_refused(d: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Degradation.from_dict(d)


def test_a_degradation_is_one_line_for_people() -> None:
    noise = Noise(gain=2.1, read=5.3, offset=100)
    text = "blur of 1.2 px, camera pixels (area), gain 2.1, read noise 5.3, offset 100"
    assert Degradation(sigma=1.2, noise=noise).text == text
    assert str(Degradation(sampling="point")) == "no blur, point scanner (point), no noise"


# -- noise that adds up ----------------------------------------------------------------------------


@pytest.mark.parametrize("other", [Noise(), Noise(read=3, offset=50), Noise(gain=1, offset=140)])
def test_the_variances_of_two_noises_add_up_and_what_lacks_is_found_again(other: Noise) -> None:
    one, light = Noise(gain=2, read=9, offset=100), np.linspace(150, 4000, 50)
    both = one.plus(other)
    np.testing.assert_allclose(both.variance(light), one.variance(light) + other.variance(light))
    lacking = both.minus(other)
    np.testing.assert_allclose(lacking.variance(light), one.variance(light), rtol=1e-6)
    assert not both.minus(both.times(2)).is_any
    assert not one.minus(one.times(1 + 1e-12)).is_any


# -- optics ----------------------------------------------------------------------------------------


def test_the_sigma_of_an_objective_is_021_wavelengths_per_aperture() -> None:
    assert gaussian_sigma(1.4, 525, 65) == pytest.approx(0.21 * 525 / 1.4 / 65)
    assert gaussian_sigma(1.4, 0.525, 0.065) == pytest.approx(gaussian_sigma(1.4, 525, 65))


@pytest.mark.parametrize("values", [(0, 525, 65), (1.4, math.nan, 65), (1.4, 525, -1)])
def test_optics_need_numbers_above_0(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="but it needs a finite number above 0"):
        gaussian_sigma(*values)
