"""A result against its source: what is the same, and where it is not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from napari_srcnn.assess.consistency import consistency
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise


def source() -> Any:
    rng = np.random.default_rng(0)
    return 500 + 100 * rng.standard_normal((24, 20))


def test_a_result_that_is_its_source_again_has_no_error() -> None:
    low = source()
    found = consistency(np.kron(low, np.ones((3, 3))), low, 3, noise=Noise(read=10.0))
    assert found.rse == pytest.approx(0, abs=1e-9)
    assert found.rsp == pytest.approx(1)
    assert found.beyond_3_sigma == 0
    assert found.largest == pytest.approx(0, abs=1e-9)
    assert found.total == pytest.approx(0)


def test_values_are_those_of_the_formulas() -> None:
    low = source()
    high = np.kron(low, np.ones((2, 2))) + np.random.default_rng(1).normal(0, 30, (48, 40))
    small = high.reshape(24, 2, 20, 2).mean((1, 3))
    found = consistency(high, low, 2)
    gain, offset = np.polyfit(small.ravel(), low.ravel(), 1)
    error = gain * small + offset - low
    assert found.rse == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found.rsp == pytest.approx(np.corrcoef(small.ravel(), low.ravel())[0, 1])
    np.testing.assert_allclose(found.error_map, np.abs(error))
    np.testing.assert_allclose(found.difference, small - low)
    assert found.total == pytest.approx(small.sum() / low.sum() - 1)
    assert found.sigmas is None
    assert found.beyond_3_sigma is None


def test_what_was_painted_in_is_where_it_was_painted() -> None:
    low = source()
    high = np.kron(low, np.ones((2, 2)))
    high[10:14, 20:26] += 80.0
    found = consistency(high, low, 2, noise=Noise(read=20.0))
    assert found.sigmas is not None
    ours = np.zeros(low.shape, bool)
    ours[5:7, 10:13] = True
    np.testing.assert_array_equal(np.abs(found.sigmas) > 3, ours)
    np.testing.assert_allclose(found.sigmas[ours], 4.0)
    assert found.beyond_3_sigma == pytest.approx(6 / low.size)


def test_shot_noise_counts_where_it_is_bright() -> None:
    low = np.full((8, 24), 100.0)
    low[:, 12:] = 10_000.0
    high = np.kron(low, np.ones((2, 2))) + 50.0
    found = consistency(high, low, 2, noise=Noise(gain=1.0))
    assert found.sigmas is not None
    np.testing.assert_allclose(found.sigmas[:, :8], 5.0)  # 50 of √100, where no light is near
    np.testing.assert_allclose(found.sigmas[:, 12:], 0.5)  # 50 of √10,000
    assert found.beyond_3_sigma is not None
    assert 8 / 24 <= found.beyond_3_sigma <= 12 / 24


def test_the_microscopes_own_degradation_is_taken() -> None:
    high = np.zeros((40, 40))
    high[20, 20] = 1000.0
    blurred = Degradation(sigma=1.5)
    low = blurred.low_res(high, 2)
    assert consistency(high, low, 2, degradation=blurred).largest == pytest.approx(0, abs=1e-9)
    assert consistency(high, low, 2).largest > 100


def test_what_is_not_finite_is_left_out() -> None:
    low = source()
    high = np.kron(low, np.ones((2, 2)))
    high[0, 0] = np.nan
    found = consistency(high, low, 2, noise=Noise(read=1.0))
    assert math.isnan(found.difference[0, 0])
    assert found.rse == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="No pixel is finite in both"):
        consistency(np.full((4, 4), np.nan), np.ones((2, 2)), 2)


def test_shapes_that_do_not_fit_are_said() -> None:
    with pytest.raises(ValueError, match=r"41 × 40 pixels, where ×2 of the source's 20 × 20 are"):
        consistency(np.ones((41, 40)), np.ones((20, 20)), 2)


def test_where_few_photons_are_counted_the_light_that_there_is_lies_within_the_noise() -> None:
    # Nothing but photons, two a pixel: many pixels hold none, whose own noise would be nothing.
    light = np.full((128, 128), 2.0)
    source = np.random.default_rng(0).poisson(light).astype(float)
    found = consistency(light.repeat(2, 0).repeat(2, 1), source, 2, noise=Noise(gain=1.0))
    assert found.beyond_3_sigma is not None
    # Of a Poisson distribution of mean 2, 0.0045 lie above 2 + 3 √2.
    assert found.beyond_3_sigma < 0.0045
