"""Minimal filtering gives what a convolution gives, in fewer products."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import random_network
from torch.nn import functional as F

from napari_srcnn.image.rect import Padding
from napari_srcnn.network import minimal
from napari_srcnn.network.fast import fast_correction
from napari_srcnn.network.minimal import POINTS, ROWS, MinimalLayer, minimal_matrices

NOTHING = Padding(top=0, bottom=0, left=0, right=0)


@pytest.mark.parametrize("taps", POINTS)
def test_the_matrices_give_every_sum_of_products_in_as_many_products_as_points(taps: int) -> None:
    before, weights, after = (matrix.numpy() for matrix in minimal_matrices(taps))
    count = ROWS + taps - 1
    assert before.shape == (count, count)
    generator = np.random.default_rng(0)
    values, filters = generator.integers(-9, 9, count), generator.integers(-9, 9, taps)
    found = after @ ((weights @ filters) * (before @ values))
    assert np.allclose(found, np.correlate(values, filters, "valid"), rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(5, 5), (13, 21), (36, 67), (40, 9)])
def test_a_layer_is_a_convolution_and_a_relu(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 64, *shape, generator=generator)
    weight = torch.randn(32, 64, 5, 5, generator=generator) * 0.05
    bias = torch.randn(32, generator=generator)
    expected = F.conv2d(x.double(), weight.double(), bias.double()).relu()
    found = MinimalLayer(weight, bias)(x)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 5e-6 * expected.max()


def test_strips_of_the_layer_are_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(1, 8, 61, 33, generator=generator)
    layer = MinimalLayer(torch.randn(4, 8, 5, 5, generator=generator), torch.zeros(4))
    whole = layer(x)
    monkeypatch.setattr(minimal, "STRIP_BYTES", 1)
    assert torch.allclose(layer(x), whole, rtol=0, atol=1e-5 * float(whole.max()))


@pytest.mark.parametrize("bright", [50.0, -1e30])
def test_a_very_large_value_reaches_no_further_than_the_network(bright: float) -> None:
    model = random_network(3, kernels=(9, 5, 5), strength=10)
    fast, halo = fast_correction(model, torch.device("cpu")), model.config.halo
    image = torch.rand(1, 1, 60, 60, generator=torch.Generator().manual_seed(3))
    spoilt = image.clone()
    spoilt[..., 30, 30] = bright
    far = torch.ones(60 - 2 * halo, 60 - 2 * halo, dtype=torch.bool)
    far[30 - 2 * halo : 31, 30 - 2 * halo : 31] = False
    with torch.inference_mode():
        assert (fast(spoilt, NOTHING) - fast(image, NOTHING))[0, 0][far].abs().max() < 1e-5
