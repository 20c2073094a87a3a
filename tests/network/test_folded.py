"""Bicubic as a part of layer 1 gives what bicubic and then layer 1 give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network

from napari_srcnn import upscale
from napari_srcnn.image.rect import Tile
from napari_srcnn.image.resize import imresize
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.folded import FoldedCorrection
from napari_srcnn.upscaling.enhance import Enhancer
from napari_srcnn.upscaling.geometry import Geometry

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
@pytest.mark.parametrize("settings", [{}, {"skip": False}])
def test_tiles_equal_those_that_are_computed_as_ever_up_to_the_border(
    scale: int,
    noise: bool,
    dtype: type,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = random_network(scale=scale, noise=noise, **settings)
    image = (np.random.default_rng(5).random((90, 83)) * 1000 + 300).astype(dtype)
    options: dict[str, Any] = {
        "model": model,
        "device": "cpu",
        "intensity": (300, 1300),
        "noise": 20.0 if noise else None,
    }
    places: list[tuple[Tile, Tile]] = []
    inner = Enhancer.inner

    def seen(self: Enhancer, geometry: Geometry) -> Tile | None:
        found = inner(self, geometry)
        if found is not None:
            places.append((found, geometry.area))
        return found

    monkeypatch.setattr(Enhancer, "inner", seen)
    folded = {tile: upscale(image, scale, tile=tile, **options) for tile in (60, 500)}
    # Some are folded as a whole, and some but for a frame at the border.
    assert any(found == area for found, area in places)
    framed = [(found, area) for found, area in places if found != area]
    assert any(pixels(found) > 0.6 * pixels(area) for found, area in framed)
    monkeypatch.setattr(Enhancer, "inner", lambda self, geometry: None)
    plain = upscale(image, scale, tile=60, **options)
    for result in folded.values():
        difference = np.abs(result.astype(float) - plain).max()
        assert difference <= (1 if dtype is np.uint16 else 1e-6 * 1000)


def pixels(tile: Tile) -> int:
    return tile.height * tile.width


@pytest.mark.parametrize("scale", [2, 4])
def test_what_is_not_finite_reaches_as_far_as_ever(
    scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(3).random((70, 80)).astype(np.float32)
    image[2, 3] = image[40, 77] = np.nan
    image[30, 40] = -3e38
    options: dict[str, Any] = {"model": random_network(scale=scale), "device": "cpu"}
    folded = upscale(image, scale, intensity=(0, 1), tile=500, **options)
    monkeypatch.setattr(Enhancer, "inner", lambda self, geometry: None)
    plain = upscale(image, scale, intensity=(0, 1), tile=500, **options)
    np.testing.assert_array_equal(np.isfinite(folded), np.isfinite(plain))
    near = np.abs(plain) < 10
    np.testing.assert_allclose(folded[near], plain[near], rtol=0, atol=1e-5)
