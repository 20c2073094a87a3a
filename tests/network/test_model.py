"""The network, its exact fast form, and zero padding, against independent convolutions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from networks import identity_network, random_network
from scipy.ndimage import correlate
from torch.nn import functional as F

from napari_srcnn.image.rect import Padding
from napari_srcnn.network.config import PRESETS, SRCNNConfig
from napari_srcnn.network.fast import fast_correction, fast_forward
from napari_srcnn.network.model import SRCNN

NOTHING = Padding(top=0, bottom=0, left=0, right=0)
ODD = [(1, 1, 1), (3, 1, 7), (5, 3, 1), (11, 1, 3), (3, 5, 7)]
CPU = torch.device("cpu")


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", PRESETS)
def test_the_result_is_smaller_by_the_halo_and_the_counts_are_true(name: str) -> None:
    config = SRCNNConfig(kernels=PRESETS[name])
    model = SRCNN(config)
    assert sum(p.numel() for p in model.parameters()) == config.parameters
    halo = config.halo
    assert model(torch.zeros(2, 1, 30 + 2 * halo, 21 + 2 * halo)).shape == (2, 1, 30, 21)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_network_is_three_correlations(channels: int, skip: bool) -> None:
    model = random_network(1, kernels=(5, 3, 3), channels=channels, skip=skip)
    image = uniform(channels, 24, 27)
    maps = image.double().numpy()
    for layer in (model.conv1, model.conv2, model.conv3):
        weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
        half = layer.kernel_size[0] // 2
        maps = np.stack(
            [
                sum(correlate(m, k) for m, k in zip(maps, kernels, strict=True)) + b
                for kernels, b in zip(weight, bias, strict=True)
            ]
        )[:, half : maps.shape[1] - half, half : maps.shape[2] - half]
        if layer is not model.conv3:
            maps = maps.clip(0)
    halo = model.config.halo
    if skip:
        maps = maps + image.numpy()[:, halo:-halo, halo:-halo]
    assert np.abs(model(image[None])[0].detach().numpy() - maps).max() < 1e-5


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("skip", [True, False])
def test_the_fast_form_of_every_preset_equals_the_plain_one(name: str, skip: bool) -> None:
    model = random_network(2, kernels=PRESETS[name], widths=(64, 32), skip=skip, strength=10)
    fast = fast_correction(model, CPU)
    halo = model.config.halo
    for height, width in ((32, 32), (33, 30), (1, 1), (7, 50)):
        image = uniform(2, 1, height + 2 * halo, width + 2 * halo)
        with torch.inference_mode():
            difference = fast(image, NOTHING) - model.correction(image)
        assert difference.shape == (2, 1, height, width)
        assert difference.abs().max() < 1e-5


@pytest.mark.parametrize("kernels", ODD)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_fast_form_of_other_kernels_equals_the_plain_one(
    kernels: tuple[int, int, int], channels: int
) -> None:
    model = random_network(3, kernels=kernels, channels=channels, strength=10)
    fast = fast_correction(model, CPU)
    halo = model.config.halo
    image = uniform(1, channels, 19 + 2 * halo, 22 + 2 * halo)
    with torch.inference_mode():
        assert (fast(image, NOTHING) - model.correction(image)).abs().max() < 1e-5


def test_a_torch_without_onednn_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_network(4, widths=(64, 32), strength=10)
    image = uniform(1, 1, 40, 40)
    with torch.inference_mode():
        fused = fast_correction(model, CPU)(image, NOTHING)
        # What a build without it says.
        monkeypatch.setattr(torch.ops, "mkldnn", object())
        unfused = fast_correction(model, CPU)(image, NOTHING)
    assert (fused - unfused).abs().max() < 1e-6
    assert (unfused - model.correction(image)).abs().max() < 1e-5


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_fast_form_for_training_has_the_plain_ones_gradients(name: str, channels: int) -> None:
    model = random_network(2, kernels=PRESETS[name], channels=channels, strength=10)
    halo = model.config.halo
    image = uniform(2, channels, 12 + 2 * halo, 16 + 2 * halo)
    outs, gradients = [], []
    for forward in (model, functools.partial(fast_forward, model)):
        model.zero_grad()
        outs.append(forward(image))
        outs[-1].square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert (outs[0] - outs[1]).abs().max() < 1e-5
    assert len(gradients[0]) == len(gradients[1]) == 6
    for plain, fast in zip(*gradients, strict=True):
        assert (plain - fast).abs().max() < 1e-5 * plain.abs().max() + 1e-7


def test_the_fast_form_leaves_the_network_and_the_image_as_they_are() -> None:
    model, image = random_network(4), uniform(1, 1, 40, 40)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = image.clone()
    with torch.inference_mode():
        fast_correction(model, CPU)(image, NOTHING)
    assert torch.equal(image, copy)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_half_precision_is_near_full_precision() -> None:
    model = random_network(5, kernels=(9, 5, 5))
    image = uniform(1, 1, 48, 48)
    with torch.inference_mode():
        exact = model.correction(image)
        rough = fast_correction(model, CPU, torch.bfloat16)(image, NOTHING)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.02


@pytest.mark.parametrize("skip", [True, False])
def test_a_network_that_returns_its_input_corrects_nothing(skip: bool) -> None:
    image = uniform(1, 1, 40, 40)
    for kernels in PRESETS.values():
        model = identity_network(skip=skip, kernels=kernels)
        with torch.inference_mode():
            assert torch.equal(model.correction(image), torch.zeros_like(model.correction(image)))
            fast = fast_correction(model, CPU)(image, NOTHING)
        # Sums that minimal filtering takes apart are put together again to within rounding.
        assert fast.abs().max() <= (3e-6 if kernels[1] == 5 and not skip else 0)


# -- zero padding ----------------------------------------------------------------------------------


def zero_padded(model: SRCNN, image: torch.Tensor) -> torch.Tensor:
    """The network as published ones with zero padding were trained."""
    x = image
    for layer in (model.conv1, model.conv2, model.conv3):
        x = F.conv2d(x, layer.weight, layer.bias, padding="same")
        if layer is not model.conv3:
            x = F.relu(x)
    return x + image if model.config.skip else x


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("kernels", [(9, 1, 5), (5, 3, 3)])
def test_zero_padding_of_a_whole_image_is_torchs(kernels: tuple[int, int, int], skip: bool) -> None:
    model = random_network(6, kernels=kernels, padding="zeros", skip=skip, strength=10)
    image = uniform(1, 1, 20, 23)
    halo = model.config.halo
    # What lies beyond the border must not matter.
    padded = F.pad(image, (halo,) * 4, value=77.0)
    everywhere = Padding(top=halo, bottom=halo, left=halo, right=halo)
    with torch.inference_mode():
        expected = zero_padded(model, image)
        assert (model(padded, everywhere) - expected).abs().max() < 1e-5
        fast = fast_correction(model, CPU)(padded, everywhere) + image
        assert (fast - expected).abs().max() < 1e-5


def test_zero_padding_of_a_tile_is_that_of_the_whole() -> None:
    model = random_network(7, kernels=(9, 3, 5), padding="zeros", strength=10)
    image, halo = uniform(1, 1, 40, 36), model.config.halo
    around = F.pad(image, (halo,) * 4)
    with torch.inference_mode():
        whole = zero_padded(model, image)
        for y0, y1, x0, x1 in ((0, 5, 0, 9), (3, 20, 30, 36), (10, 25, 10, 25), (38, 40, 1, 3)):
            padding = Padding(
                top=max(halo - y0, 0),
                bottom=max(y1 + halo - 40, 0),
                left=max(halo - x0, 0),
                right=max(x1 + halo - 36, 0),
            )
            part = around[..., y0 : y1 + 2 * halo, x0 : x1 + 2 * halo]
            difference = model(part, padding) - whole[..., y0:y1, x0:x1]
            assert difference.abs().max() < 1e-5


def test_a_new_skip_network_starts_at_bicubic() -> None:
    model, image = SRCNN(SRCNNConfig()), uniform(1, 1, 40, 40)
    with torch.inference_mode():
        assert model.correction(image).abs().max() < 0.2


def test_every_weight_is_trained() -> None:
    model = random_network(8)
    model(uniform(1, 1, 40, 40)).square().mean().backward()  # type: ignore[no-untyped-call]
    gradients: list[Any] = [p.grad for p in model.parameters()]
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize("name", PRESETS)
def test_a_network_told_the_noise_is_its_plain_form_with_a_bias_that_follows_the_noise(
    name: str,
) -> None:
    model = random_network(6, kernels=PRESETS[name], strength=10, noise=True)
    half, halo = model.config.kernels[0] // 2, model.config.halo
    planes = uniform(2, 2, 17 + 2 * halo, 22 + 2 * halo)
    with torch.inference_mode():
        told = F.conv2d(planes[:, 1:, half:-half, half:-half], model.noise.weight)
        first = F.relu(model.conv1(planes[:, :1]) + told)
        expected = model.conv3(F.relu(model.conv2(first)))
        plain = model.correction(planes)
        fast = fast_correction(model, CPU)(planes, NOTHING)
        trained = fast_forward(model, planes[..., : 16 + 2 * halo, : 20 + 2 * halo])
    scale = float(expected.abs().max())
    centre = planes[:, :1, halo:-halo, halo:-halo]
    assert (plain - expected).abs().max() < 1e-6 * scale
    assert (fast - expected).abs().max() < 1e-5 * scale
    assert (trained - (expected + centre)[..., :16, :20]).abs().max() < 1e-5 * scale


@pytest.mark.parametrize("name", PRESETS)
def test_weights_of_zero_for_the_noise_give_the_bytes_of_the_network_without_it(name: str) -> None:
    plain = random_network(7, kernels=PRESETS[name], widths=(64, 32), strength=10)
    told = SRCNN(SRCNNConfig(kernels=PRESETS[name], noise=True))
    told.load_state_dict(plain.state_dict() | {"noise.weight": torch.zeros(64, 1, 1, 1)})
    planes = uniform(1, 2, 60, 64)
    with torch.inference_mode():
        expected = fast_correction(plain, CPU)(planes[:, :1], NOTHING)
        found = fast_correction(told, CPU)(planes, NOTHING)
    assert torch.equal(found, expected)
