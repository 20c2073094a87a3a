"""PSNR, SSIM and luma against MATLAB's and the literature's numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from real_data import bundled_photographs, with_data
from scipy.signal import fftconvolve
from skimage.color import rgb2ycbcr
from skimage.io import imread

from napari_srcnn.image.metrics import LUMA_TO_RGB, fit_affine, psnr, rgb_to_y, shave, ssim
from napari_srcnn.image.resize import imresize
from napari_srcnn.training.photographs import crop_to_multiple


def test_luma_is_matlabs_studio_range() -> None:
    # MATLAB: rgb2ycbcr(uint8(cat(3, r, g, b))), first plane, for white, black, red, green, blue.
    colours = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]])
    y = rgb_to_y(colours[None].astype(np.uint8))[0]
    assert y.dtype == np.uint8
    assert y.tolist() == [235, 16, 81, 145, 41]


def test_luma_of_floats_is_scikit_images_in_0_to_1() -> None:
    image = np.random.default_rng(0).random((9, 8, 3))
    assert rgb_to_y(image) * 255 == pytest.approx(rgb2ycbcr(image)[..., 0])
    gray = np.broadcast_to(image[..., :1], image.shape)
    # A gray pixel that is brighter by d has a Y that is brighter by d / LUMA_TO_RGB.
    assert (rgb_to_y(gray) - 16 / 255) * LUMA_TO_RGB == pytest.approx(image[..., 0])


def test_psnr_of_a_known_error() -> None:
    reference = np.zeros((10, 10))
    assert psnr(reference, reference + 1, data_range=255) == pytest.approx(20 * math.log10(255))
    assert psnr(reference, reference, data_range=1) == math.inf


def test_psnr_of_unsigned_integers_does_not_wrap_around() -> None:
    reference = np.zeros((4, 4), np.uint8)
    image = np.full((4, 4), 255, np.uint8)
    assert psnr(reference, image, data_range=255) == pytest.approx(0)


def test_psnr_has_no_ceiling() -> None:
    reference = np.zeros((100, 100))
    assert psnr(reference, reference + 1e-7, data_range=1) == pytest.approx(140)


def test_images_of_two_shapes_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match=r"shape \(4, 4\) and the image \(4, 5\)"):
        psnr(np.zeros((4, 4)), np.zeros((4, 5)), data_range=1)


def test_ssim_is_one_for_equal_images_and_the_mean_over_samples() -> None:
    rng = np.random.default_rng(1)
    reference = rng.random((32, 40, 3))
    noisy = reference + rng.normal(0, 0.1, reference.shape)
    assert ssim(reference, reference, data_range=1) == pytest.approx(1)
    parts = [ssim(reference[..., i], noisy[..., i], data_range=1) for i in range(3)]
    assert ssim(reference, noisy, data_range=1) == pytest.approx(np.mean(parts))
    assert max(parts) < 1


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", bundled_photographs())
def test_psnr_and_ssim_of_a_photograph_are_those_of_their_definitions(
    name: str, scale: int
) -> None:
    image = bundled_photographs()[name]
    truth = rgb_to_y(image) if image.ndim == 3 else image
    truth = crop_to_multiple(truth, scale).astype(np.float64)
    blurred = imresize(imresize(truth, scale=1 / scale), scale=scale)
    error = np.mean((truth - blurred) ** 2)
    assert psnr(truth, blurred, data_range=255) == pytest.approx(10 * math.log10(255**2 / error))
    # Wang et al.'s own code: a Gaussian of 11 x 11, and only where all of it lies in the image.
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(fftconvolve(values, window, mode="valid"))

    one, other, c1, c2 = mean(truth), mean(blurred), (0.01 * 255) ** 2, (0.03 * 255) ** 2
    spreads = mean(truth**2) - one**2 + mean(blurred**2) - other**2
    shared = mean(truth * blurred) - one * other
    similarity = (2 * one * other + c1) * (2 * shared + c2)
    similarity /= (one**2 + other**2 + c1) * (spreads + c2)
    assert ssim(truth, blurred, data_range=255) == pytest.approx(similarity.mean(), abs=1e-6)


# Bicubic in the SRCNN paper (TPAMI 2016), table 4.
@pytest.mark.parametrize(("scale", "expected"), with_data([(2, 0.9299), (3, 0.8682), (4, 0.8104)]))
def test_bicubic_has_the_literatures_ssim_on_set5(
    scale: int, expected: float, shared_data: Path
) -> None:
    scores = []
    for path in sorted((shared_data / "natural/eval/Set5").glob("*.bmp")):
        truth = rgb_to_y(crop_to_multiple(imread(path), scale))
        result = imresize(imresize(truth / 255, scale=1 / scale), scale=scale)
        result = np.floor(result.clip(0, 1) * 255 + 0.5)
        scores.append(ssim(shave(truth, scale), shave(result, scale), data_range=255))
    assert np.mean(scores) == pytest.approx(expected, abs=0.001)


def test_fitting_undoes_a_gain_and_an_offset() -> None:
    reference = np.random.default_rng(2).random((8, 9))
    assert fit_affine(reference, reference * 7 - 3) == pytest.approx(reference)
    constant = fit_affine(reference, np.ones((8, 9)))
    assert constant == pytest.approx(reference.mean())
