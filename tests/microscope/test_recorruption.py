"""Two images of one noisy image: what they share is the image, and never its noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.recorruption import recorrupt

CAMERA = Noise(gain=2, read=6, offset=100)
# Pixels of one brightness: a mean of them is known to sigma / 700, a covariance to sigma² / 500.
DARK, BRIGHT, SIDE = 150.0, 900.0, 512


def planes() -> NDArray[np.float64]:
    image = np.full((2, SIDE, SIDE), DARK)
    image[1] = BRIGHT
    return image


def pair(
    noise: Noise = CAMERA, strength: float = 0.5
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    noisy = CAMERA.apply(planes(), np.random.default_rng(0))
    return recorrupt(noisy, noise, np.random.default_rng(1), strength=strength)


@pytest.mark.parametrize("strength", [0.3, 0.5, 1.0, 2.0])
def test_both_images_have_the_mean_of_the_clean_one(strength: float) -> None:
    for image in pair(strength=strength):
        for plane, true in zip(image, (DARK, BRIGHT), strict=True):
            assert plane.mean() == pytest.approx(true, abs=5 * float(plane.std()) / SIDE)


@pytest.mark.parametrize("strength", [0.3, 0.5, 1.0, 2.0])
def test_the_noises_are_uncorrelated_and_as_strong_as_the_formula_says(strength: float) -> None:
    first, second = pair(strength=strength)
    for k, true in enumerate((DARK, BRIGHT)):
        variance = float(CAMERA.variance(np.array(true)))
        one, other = first[k] - true, second[k] - true
        assert one.var() == pytest.approx((1 + strength**2) * variance, rel=0.02)
        assert other.var() == pytest.approx((1 + strength**-2) * variance, rel=0.02)
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / SIDE


def test_noise_told_too_weak_leaves_what_the_formula_says_in_common() -> None:
    half = Noise(gain=0.25 * CAMERA.gain, read=0.5 * CAMERA.read, offset=CAMERA.offset)
    first, second = pair(half)
    variance = float(CAMERA.variance(np.array(BRIGHT)))
    common = float(np.mean((first[1] - BRIGHT) * (second[1] - BRIGHT)))
    assert common == pytest.approx((1 - 0.5**2) * variance, rel=0.05)


def test_the_target_does_not_depend_on_the_noise_of_the_input_where_photons_are_few() -> None:
    faint = Noise(gain=1)
    clean = np.full((SIDE, SIDE), 5.0)
    first, second = recorrupt(
        faint.apply(clean, np.random.default_rng(0)), faint, np.random.default_rng(1)
    )
    above = first > np.median(first)
    # Were the strength read from the noisy pixel, bright ones would be paired with another mean.
    spread = math.sqrt(5 * (1 + 1 / 0.25)) * 2 / SIDE
    assert abs(second[above].mean() - second[~above].mean()) < 5 * spread


def test_without_noise_both_are_copies_and_the_image_stays_as_it_is() -> None:
    image = np.arange(30, dtype=np.uint16).reshape(5, 6)
    first, second = recorrupt(image, Noise(), np.random.default_rng(0))
    assert np.array_equal(first, image)
    assert np.array_equal(second, image)
    first[:] = 0
    assert image[4, 5] == 29
    assert second[4, 5] == 29


def test_nan_stays_nan_and_spoils_no_neighbour() -> None:
    image = np.full((9, 9), 500.0, np.float32)
    image[4, 4] = image[0, 0] = np.nan
    for made in recorrupt(image, CAMERA, np.random.default_rng(0)):
        assert made.dtype == np.float64
        assert np.array_equal(np.isnan(made), np.isnan(image))


def test_the_same_generator_makes_the_same_pair() -> None:
    for one, other in zip(pair(), pair(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("strength", [0.0, -1.0, math.nan, math.inf])
def test_a_strength_that_makes_no_pair_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="needs a finite number above 0"):
        pair(strength=strength)


@pytest.mark.parametrize("image", [np.zeros(5), np.zeros((5, 5), np.complex64)])
def test_what_is_no_image_of_real_numbers_is_refused(image: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match=r"real numbers of shape \(\.\.\., Y, X\)"):
        recorrupt(image, CAMERA, np.random.default_rng(0))
