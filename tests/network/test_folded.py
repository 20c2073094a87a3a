"""Bicubic as a part of layer 1 gives what bicubic and then layer 1 give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network

from napari_srcnn import upscale
from napari_srcnn.image.resize import imresize
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.folded import FoldedCorrection
from napari_srcnn.upscaling import tiles

AREAS = [(40, 96, 33, 91), (41, 60, 50, 61), (43, 44, 42, 43)]


@pytest.mark.parametrize(("scale", "taps"), [(2, 8), (3, 7), (4, 6)])
def test_fewer_low_res_pixels_are_seen_than_high_res_ones(scale: int, taps: int) -> None:
    assert FoldedCorrection(random_network(scale=scale)).taps == taps


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("settings", [{}, {"noise": True}, {"skip": False}, {"a": -0.75}])
def test_it_is_the_network_on_the_image_enlarged_by_bicubic(
    scale: int, settings: dict[str, Any]
) -> None:
    model = random_network(scale=scale, **settings)
    folded, halo = FoldedCorrection(model), model.config.halo
    generator = np.random.default_rng(scale)
    image = generator.random((70, 65))
    enlarged = imresize(image, scale=scale, a=model.config.a)
    sigma = generator.random(enlarged.shape)
    for y0, y1, x0, x1 in AREAS:
        window = slice(y0 - halo, y1 + halo), slice(x0 - halo, x1 + halo)
        planes = [enlarged[window], *([sigma[window]] if model.config.noise else [])]
        seen = torch.from_numpy(np.stack(planes)).float()[None]
        rows, columns = folded.cells(y0, y1), folded.cells(x0, x1)
        low, told = (
            torch.from_numpy(plane[slice(*part(rows)), slice(*part(columns))]).float()
            for plane, part in ((image, folded.low), (sigma, folded.pixels))
        )
        with torch.inference_mode():
            expected = model._convolutions(seen, None)
            found = folded(low, told if model.config.noise else None, rows, columns)
        assert found.shape == expected.shape
        assert (found - expected).abs().max() < 1e-6


def test_it_is_for_networks_whose_middle_is_of_single_pixels() -> None:
    assert FoldedCorrection.fits(SRCNNConfig(kernels=(9, 1, 5)))
    for settings in ({"kernels": (9, 5, 5)}, {"channels": 3}, {"padding": "zeros"}):
        assert not FoldedCorrection.fits(SRCNNConfig(**settings))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_tiles_far_from_the_border_equal_those_that_are_computed_as_ever(
    scale: int, noise: bool, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_network(scale=scale, noise=noise)
    image = (np.random.default_rng(5).random((90, 80)) * 1000 + 300).astype(dtype)
    options: dict[str, Any] = {
        "model": model,
        "device": "cpu",
        "intensity": (300, 1300),
        "tile": 60,
        "noise": 20.0 if noise else None,
    }
    used: list[object] = []
    enhance = tiles.Engine._enhance_cells

    def seen(self: tiles.Engine, *arguments: Any) -> Any:
        used.append(arguments)
        return enhance(self, *arguments)

    monkeypatch.setattr(tiles.Engine, "_enhance_cells", seen)
    folded = upscale(image, scale, **options)
    assert used
    monkeypatch.setattr(tiles.Engine, "_cells", lambda self, geometry: None)
    plain = upscale(image, scale, **options)
    assert np.abs(folded.astype(float) - plain).max() <= (1 if dtype is np.uint16 else 1e-6 * 1000)
