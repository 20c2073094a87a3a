"""The noise that a network is told, tile by tile, against the whole plane made in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import random_network

from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.image.rect import Tile, tile_grid
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.training.dataset import enlarge, noise_plane
from napari_srcnn.upscaling.geometry import tile_geometry
from napari_srcnn.upscaling.tiles import Engine

NOISE = Noise(gain=2.5, read=6, offset=90)
RANGE = IntensityRange(100, 900, (0.2, 0.6))


def frame(height: int, width: int, dtype: str = "uint16") -> np.ndarray:
    """Bright spots on a dark ground, with the noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    light = 100 + 700 * (np.sin(y / 4) * np.cos(x / 5)) ** 8
    return NOISE.apply(light, rng).clip(0, 65535).astype(dtype)


def whole(image: np.ndarray, model: torch.nn.Module, scale: int, noise: Noise) -> np.ndarray:
    """The result, by the plain network on whole planes padded at the border."""
    halo = model.config.halo
    bicubic = enlarge(image.astype(float), scale)
    planes = np.stack(
        [RANGE.normalize(bicubic), noise_plane(image.astype(float), noise, scale) * RANGE.gain]
    )
    padded = np.pad(planes, ((0, 0), (halo, halo), (halo, halo)), mode="edge")
    with torch.inference_mode():
        delta = model.correction(torch.from_numpy(padded[None].astype(np.float32)))[0, 0].numpy()
    return bicubic + delta * RANGE.inverse_gain


def tiled(
    image: np.ndarray, model: torch.nn.Module, tile: int, noise: Noise, dtype: str = "float64"
) -> np.ndarray:
    scale = model.config.scale
    engine = Engine(model, torch.device("cpu"), color="gray", alpha=False, dtype=np.dtype(dtype))
    out = np.empty(tuple(n * scale for n in image.shape), dtype)
    for one in tile_grid(*out.shape, tile):
        geometry = tile_geometry(
            one, image.shape, scale, model.config.halo, -0.5, noise=model.config.noise
        )
        raw = image[geometry.rows, geometry.columns][None, None]
        done = engine.submit(raw, geometry, [[RANGE]], noises=[[noise]]).result()
        out[one.slices] = done.values[0, 0]
    return out


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("tile", [500, 48, 33])
def test_tiles_of_a_network_that_is_told_the_noise_are_the_whole(scale: int, tile: int) -> None:
    model = random_network(4, kernels=(9, 5, 5), scale=scale, noise=True, strength=5)
    image = frame(37, 41)
    expected = whole(image, model, scale, NOISE)
    found = tiled(image, model, tile, NOISE)
    assert np.abs(found - expected).max() < 1e-6 * (RANGE.high - RANGE.low) * 5
    # It matters what is told.
    assert np.abs(tiled(image, model, tile, Noise()) - found).max() > 1


def test_weights_of_zero_for_the_noise_give_the_bytes_of_the_network_without_it() -> None:
    plain = random_network(5, kernels=(9, 5, 5), strength=5)
    told = random_network(5, kernels=(9, 5, 5), strength=5, noise=True)
    told.load_state_dict(plain.state_dict() | {"noise.weight": torch.zeros(8, 1, 1, 1)})
    image = frame(40, 52)
    for dtype in ("uint16", "float32"):
        expected = tiled(image, plain, 32, NOISE, dtype)
        assert tiled(image, told, 32, NOISE, dtype).tobytes() == expected.tobytes()


def test_a_dead_pixel_tells_its_neighbours_nothing_of_noise() -> None:
    model = random_network(6, kernels=(1, 1, 1), noise=True, strength=5)
    image = frame(30, 30, "float32")
    image[12, 15] = np.nan
    expected = image.copy()
    expected[12, 15] = np.nanmean(image)
    found, whole_found = (tiled(one, model, 60, NOISE) for one in (image, expected))
    bad = np.isnan(found)
    assert bad.any()
    # Four low-res pixels away the dead pixel is out of bicubic's reach, and the noise that is told
    # there is that of the pixels which are alive: about what a pixel of mean brightness leaves.
    assert np.abs(found - whole_found)[~bad].max() < 0.05 * (RANGE.high - RANGE.low)
    assert not bad[Tile(y0=0, y1=16, x0=0, x1=60).slices].any()
