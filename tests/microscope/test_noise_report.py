"""The noise that a network is told: measured, or a sentence about what is used in its place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_srcnn.microscope.correlation import alike_spectrum, told_factor
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_report import MeasuredNoise, measure_noise

CAMERA = Noise(gain=2, read=6, offset=100)


def light(size: int = 256, planes: int = 2, peak: float = 1000.0) -> NDArray[np.float64]:
    """Soft spots on nothing."""
    rng = np.random.default_rng(3)
    spots = np.zeros((planes, size, size))
    number = size * size // 400
    for plane in spots:
        plane[tuple(rng.integers(0, size, (2, number)))] = rng.uniform(0.2, 1, number)
    spots = gaussian_filter(spots, (0, 4, 4))
    return np.asarray(100 + peak * np.maximum(spots / spots.max() - 0.15, 0))


def recorded(image: NDArray[np.float64], noise: Noise = CAMERA) -> NDArray[np.float64]:
    return noise.apply(image, np.random.default_rng(0))


def alike(image: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """An image with the camera's noise, made alike as the training's is."""
    residual = recorded(image) - image
    taps = gaussian_filter(np.eye(15)[7], length)
    smooth = gaussian_filter(residual, (0, length, length))
    return np.asarray(image + smooth / np.square(taps).sum())


def variance_ratio(found: MeasuredNoise, true: Noise = CAMERA) -> float:
    values = light()
    return math.sqrt(float(found.noise.variance(values).mean() / true.variance(values).mean()))


def test_shot_noise_is_measured_and_said_in_plain_words() -> None:
    found = measure_noise(recorded(light()).round().astype(np.uint16))
    assert found.is_measured
    assert found.method == "photon transfer"
    assert found.notes == ()
    assert found.correlation == 0
    assert variance_ratio(found) == pytest.approx(1, abs=0.08)
    assert found.text.endswith(" % of the range at mid brightness, mostly shot noise")
    assert found.level == pytest.approx(0.035, abs=0.01)


def test_read_noise_is_said_too() -> None:
    found = measure_noise(recorded(light(), Noise(read=40, offset=100)))
    assert "shot" not in found.text
    assert found.noise.sigma(np.array(500.0)) == pytest.approx(40, rel=0.08)


@pytest.mark.parametrize(("a", "b"), [(3.7, -1e4), (1e-4, 0.3), (1e5, 1e7), (1.0, -5000.0)])
def test_it_goes_with_the_units_of_the_image(a: float, b: float) -> None:
    image = recorded(light())
    one, other = measure_noise(image), measure_noise(a * image + b)
    assert other.noise.gain == pytest.approx(a * one.noise.gain, rel=1e-6)
    assert other.noise.read == pytest.approx(a * one.noise.read, rel=1e-6)
    assert other.noise.offset == pytest.approx(a * one.noise.offset + b, rel=1e-6)
    assert other.text == one.text


def test_an_inverted_image_is_told_one_strength_and_it_is_said() -> None:
    found = measure_noise(3000 - recorded(light()))
    assert found.method == "even"
    assert found.noise.gain == 0
    assert any("is it inverted?" in note for note in found.notes)
    # On average over the image, and rather too much.
    assert 0.9 < variance_ratio(found) < 1.7


@pytest.mark.parametrize("length", [0.42, 0.48])
def test_noise_that_is_alike_is_told_as_what_it_has_of_low_frequencies(length: float) -> None:
    found = measure_noise(alike(light(), length))
    assert found.correlation == pytest.approx(length, abs=0.05)
    assert f"alike over {found.correlation:.1f} pixels" in found.text
    assert any("resampled, compressed or denoised" in note for note in found.notes)
    frequencies = np.linspace(0, 0.25, 100)
    matters = float(alike_spectrum(length, frequencies).mean())
    assert variance_ratio(found) == pytest.approx(matters, rel=0.15)


def test_of_noise_that_is_much_alike_the_dark_places_are_told_and_it_is_said() -> None:
    found = measure_noise(alike(light(), 0.65))
    assert found.correlation == pytest.approx(0.65, abs=0.05)
    assert found.method == "even"
    assert any("where the image shows nothing" in note for note in found.notes)
    # 1.6 times the read noise of 6.
    assert found.noise.read == pytest.approx(1.6 * 6, rel=0.25)


def test_a_sharp_image_with_white_noise_is_not_taken_for_alike() -> None:
    for peak in (200.0, 1000.0, 8000.0):
        assert measure_noise(recorded(light(peak=peak))).correlation == 0


def test_the_factor_of_white_noise_is_1_and_grows() -> None:
    assert told_factor(0.2) == pytest.approx(1, abs=0.01)
    assert told_factor(0.5) == pytest.approx(2.33, abs=0.05)


@pytest.mark.parametrize("black", [-5.0, -15.0])
def test_8_bit_frames_with_clipped_blacks_are_not_said_to_have_no_noise(black: float) -> None:
    image = black + 0.15 * (light() - 100)
    clipped = recorded(image, Noise(read=4)).clip(0, 255).round().astype(np.uint8)
    assert np.mean(clipped == 0) > 0.3
    found = measure_noise(clipped)
    assert found.is_measured
    assert any("least value" in note for note in found.notes)
    assert 0.8 < float(found.noise.sigma(np.array(60.0))) / 4 < 1.4


def test_whole_counts_have_no_less_noise_than_rounding_makes() -> None:
    found = measure_noise((0.15 * (light() - 100)).round().astype(np.uint8))
    assert found.noise.read >= 0.28
    steps = np.kron(np.arange(64).reshape(8, 8) % 13, np.ones((32, 32))).astype(np.uint8)
    still = measure_noise(steps)
    assert still.method == "rounding"
    assert still.text.endswith("which is rounding to whole counts")
    assert any("less noise than one count" in note for note in still.notes)


def test_one_brightness_says_that_shot_and_read_noise_cannot_be_told_apart() -> None:
    found = measure_noise(recorded(np.full((256, 256), 500.0)))
    assert found.method == "even"
    assert any("one brightness only" in note for note in found.notes)
    assert found.noise.read == pytest.approx(math.sqrt(836), rel=0.1)


def test_a_tiny_plane_is_said_and_leans_to_too_much_noise() -> None:
    image = light(256, 1)[0]
    ratios = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        y, x = rng.integers(0, 170, 2)
        part = image[y : y + 61, x : x + 80]
        found = measure_noise(CAMERA.apply(part, rng))
        assert any("blocks of 8 x 8 pixels only" in note for note in found.notes)
        variances = found.noise.variance(part).mean() / CAMERA.variance(part).mean()
        ratios.append(math.sqrt(float(variances)))
    assert min(ratios) > 0.85
    assert np.median(ratios) < 1.35


def test_a_few_pixels_are_measured_on_neighbours_and_it_is_said() -> None:
    rng = np.random.default_rng(0)
    found = measure_noise(rng.normal(500, 20, (20, 20)))
    assert found.method == "neighbours"
    assert 0.9 < found.noise.read / 20 < 1.8
    assert any("too few pixels" in note for note in found.notes)


@pytest.mark.parametrize(
    ("stack", "sentence"),
    [
        (np.full((3, 50, 50), 7.0), "has one value: no noise"),
        (np.zeros((60, 60), np.uint8), "has one value: no noise"),
        (np.full((50, 50), np.nan), "No pixel has a finite value"),
        (np.full((50, 50), 255, np.uint8), "Every pixel is saturated"),
        (np.kron(np.eye(8), np.ones((16, 16))), "one of two values"),
        (np.arange(4.0).reshape(2, 2), "too small"),
    ],
)
def test_where_nothing_can_be_measured_a_sentence_says_so(
    stack: NDArray[Any], sentence: str
) -> None:
    found = measure_noise(stack)
    assert not found.is_measured
    assert found.noise == Noise()
    assert found.text == "not measured"
    assert sentence in found.notes[0]
    assert found.notes[0].endswith("None is assumed.")


def test_what_is_no_stack_of_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="a stack of real numbers"):
        measure_noise(np.zeros((50, 50), np.complex64))
    with pytest.raises(ValueError, match="The offset is inf"):
        measure_noise(light(), offset=math.inf)


def test_of_a_long_stack_a_bounded_part_is_read() -> None:
    class Counted:
        """A stack that counts the pixels which are read of it."""

        shape, dtype, read = (50, 512, 512), np.dtype(np.uint16), 0

        def __getitem__(self, key: tuple[int, slice, slice]) -> NDArray[np.uint16]:
            part = np.broadcast_to(plane, self.shape)[key]
            self.read += part.size
            return part

    plane = np.tile(recorded(light(planes=1))[0].round().astype(np.uint16), (2, 2))
    stack = Counted()
    assert variance_ratio(measure_noise(stack)) == pytest.approx(1, abs=0.08)
    assert stack.read <= 1 << 19
