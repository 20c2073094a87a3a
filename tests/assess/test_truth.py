"""An image against a reference: the values of scikit-image and of the published formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import correlate, gaussian_filter
from skimage.data import camera
from skimage.metrics import (
    normalized_root_mse,
    peak_signal_noise_ratio,
    structural_similarity,
)

from napari_srcnn.assess.similarity import similarities
from napari_srcnn.assess.truth import against


def pair() -> tuple[np.ndarray, np.ndarray]:
    reference = camera()[:256, :256].astype(float)
    rng = np.random.default_rng(0)
    return reference, gaussian_filter(reference, 1.0) * 0.9 + 12 + rng.normal(0, 3, (256, 256))


def ms_ssim(reference: np.ndarray, image: np.ndarray) -> float:
    return similarities(reference, image, 255)[1]


def test_values_are_scikit_images() -> None:
    reference, image = pair()
    found = against(reference, image)
    data_range = reference.max() - reference.min()
    assert found.data_range == data_range
    assert found.psnr == pytest.approx(
        peak_signal_noise_ratio(reference, image, data_range=data_range), abs=1e-9
    )
    assert found.nrmse == pytest.approx(normalized_root_mse(reference, image), abs=1e-12)
    whole = structural_similarity(
        reference,
        image,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert found.ssim == pytest.approx(whole, abs=1e-9)


def test_gain_and_offset_are_fitted_for_the_scale_invariant_psnr() -> None:
    reference, image = pair()
    found = against(reference, image)
    gain, offset = np.polyfit(image.ravel(), reference.ravel(), 1)
    error = np.mean((gain * image + offset - reference) ** 2)
    assert found.si_psnr == pytest.approx(10 * math.log10(found.data_range**2 / error), abs=1e-6)
    other = against(reference, 3 * image - 100)
    assert other.si_psnr == pytest.approx(found.si_psnr, abs=1e-6)
    assert other.psnr < found.psnr


def test_several_scales_begin_with_one_and_end_at_none() -> None:
    reference, image = pair()
    assert ms_ssim(reference, reference) == pytest.approx(1)
    near, far = (ms_ssim(reference, gaussian_filter(reference, sigma)) for sigma in (1, 4))
    assert 0 < far < near < 1
    # Fine noise is lost on the coarser scales, where most of the weight lies.
    noisy = reference + np.random.default_rng(0).normal(0, 20, reference.shape)
    assert ms_ssim(reference, noisy) > against(reference, noisy).ssim
    assert math.isnan(ms_ssim(image[:100], image[:100]))


@pytest.mark.parametrize("shape", [(176, 563), (301, 217), (229, 190)])
def test_whatever_the_size_both_are_their_formulas(shape: tuple[int, int]) -> None:
    """Wang, Simoncelli and Bovik 2003, with numbers of pixels that no block divides."""
    rng = np.random.default_rng(0)
    x = gaussian_filter(rng.normal(size=shape), 3) * 1000 + 60_000
    y = x + rng.normal(0, 20, shape)
    data_range = float(np.ptp(x))
    single, several = similarities(x, y, data_range)
    assert single == pytest.approx(
        structural_similarity(
            x,
            y,
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        ),
        abs=1e-9,
    )
    value = 1.0
    for number, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if number:
            x, y = (
                correlate(one, np.full((2, 2), 0.25), mode="nearest", origin=-1)[::2, ::2]
                for one in (x, y)
            )
        mx, my, xx, yy, xy = (
            gaussian_filter(one, 1.5, truncate=3.5)[5:-5, 5:-5]
            for one in (x, y, x * x, y * y, x * y)
        )
        c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
        part = (2 * (xy - mx * my) + c2) / (xx - mx * mx + yy - my * my + c2)
        if number == 4:
            part *= (2 * mx * my + c1) / (mx * mx + my * my + c1)
        value *= part.mean() ** weight
    assert several == pytest.approx(value, abs=1e-9)


def test_the_second_scale_is_made_of_means_of_four_pixels() -> None:
    # Equal but for what is finer than two pixels: all scales but the finest see the same.
    reference, _ = pair()
    finest = reference + 10 * np.where(np.indices(reference.shape).sum(0) % 2, 1.0, -1.0)
    value = ms_ssim(reference, finest)
    # The finest scale's share of the exponents is 0.0448.
    contrast = value ** (1 / 0.0448)
    assert 0.3 < contrast < 1
    assert value > 0.95


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(ValueError, match="they need to be equal"):
        against(np.ones((20, 20)), np.ones((20, 21)))
    with pytest.raises(ValueError, match="The reference is constant"):
        against(np.ones((20, 20)), np.ones((20, 20)))
    with pytest.raises(ValueError, match="not finite"):
        against(np.eye(20), np.full((20, 20), np.inf))
    small = against(np.eye(9), np.eye(9)[::-1])
    assert math.isnan(small.ssim)
    assert small.nrmse > 0
