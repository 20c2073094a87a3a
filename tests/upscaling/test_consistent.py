"""Results that are held to their sources: made small again, they are the source."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.card import Card
from napari_srcnn.models.degradation import degradation_of
from napari_srcnn.upscaling.api import plan_upscale, upscale
from napari_srcnn.upscaling.hold import hold

CPU: dict[str, Any] = {"device": "cpu", "consistent": True}
FREE = {"consistent": False}


def blobs(height: int = 40, width: int = 34) -> NDArray[np.float64]:
    """A smooth image of 0 to 1, half of it black."""
    image = gaussian_filter(np.random.default_rng(3).normal(size=(height, width)), 1.5)
    return (image / image.max()).clip(0, 1)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_without_noise_each_source_pixel_keeps_its_intensity(scale: int) -> None:
    # A network of no file is held to camera pixels. It is random: all that it adds is wrong.
    options = {"model": random_network(scale=scale), "noise": None, "intensity": "dtype", **CPU}
    counts = np.round(blobs() * 65535).astype(np.uint16)
    result = upscale(counts, scale, **options)
    small = Degradation().low_res(result, scale)
    # Rounding is half a count; half of the image is black, where overshoots cannot be stored.
    assert np.abs(small - counts).max() <= 0.5
    free = upscale(counts, scale, **options | FREE)
    assert np.abs(Degradation().low_res(free, scale) - counts).max() > 50

    floats = blobs().astype(np.float32)
    result = upscale(floats, scale, **options | {"intensity": "none"})
    assert np.abs(Degradation().low_res(result, scale) - floats).max() < 1e-6


@pytest.mark.parametrize("name", ["srcnn-9-1-5-x3", "srcnn-9-5-5-x3-microscopes"])
def test_tiles_are_the_whole_and_what_the_models_card_says_is_undone(name: str) -> None:
    image = blobs()
    options: dict[str, Any] = {"model": name, "noise": None, **CPU}
    whole = upscale(image, 3, tile=1000, **options)
    sampling: Any = "bicubic" if name == "srcnn-9-1-5-x3" else "area"
    small = Degradation(sampling=sampling).low_res(whole, 3)
    assert np.abs(small - image).max() < 1e-9
    assert np.abs(upscale(image, 3, tile=50, **options) - whole).max() < 1e-6
    part = plan_upscale(image, 3, tile=50, **options).region((slice(31, 70), slice(3, 90)))
    assert np.abs(part - whole[31:70, 3:90]).max() < 1e-6


def test_what_is_within_the_noise_is_left_and_what_is_beyond_is_put_back() -> None:
    noise = Noise(gain=2.0, read=5.0, offset=100.0)
    image = noise.apply(100 + 900 * blobs(60, 60), np.random.default_rng(0))
    # A bright spot, which a network that smooths takes for noise.
    image[20, 20] += 2000
    options: dict[str, Any] = {"model": "srcnn-9-1-5-x2-noise", "device": "cpu", "noise": noise}
    free = upscale(image, 2, **options)
    held = upscale(image, 2, consistent=True, **options)

    def sigmas(result: NDArray[np.float64]) -> NDArray[np.float64]:
        small = Degradation().low_res(result, 2)
        return np.abs(small - image) / np.maximum(noise.sigma(image), noise.sigma(small))

    assert sigmas(free).max() > 3.1
    assert sigmas(held).max() < 3.001
    # Told twice the noise, it is held to within the noise as it is.
    assert sigmas(upscale(image, 2, consistent=True, smoothing=2.0, **options)).max() < 3.001
    # Away from the spot noise alone leaves next to nothing to be put back.
    far = np.abs(np.indices(free.shape) - 41).max(0) > 30
    assert np.median(np.abs(held - free)[far]) < 1e-9
    assert np.abs(held - free)[38:44, 38:44].max() > 100


def test_a_network_that_is_told_nothing_is_held_to_within_the_noise_that_is_given() -> None:
    image = 100 + 900 * blobs()
    options: dict[str, Any] = {"model": random_network(), "intensity": (100, 1000), "device": "cpu"}
    with pytest.raises(ValueError, match="is told nothing of the noise"):
        upscale(image, 2, noise=10.0, **options)
    result = upscale(image, 2, noise=10.0, consistent=True, **options)
    off = np.abs(Degradation().low_res(result, 2) - image)
    assert off.max() == pytest.approx(30, abs=1e-6)


def test_where_pixels_are_not_finite_nothing_is_held() -> None:
    image = blobs(60, 47).astype(np.float32)
    image[30, 20] = np.nan
    image[5, 40] = np.float32(-3e38)
    options = {"model": random_network(), "noise": None, "intensity": "none", **CPU}
    result = upscale(image, 2, **options)
    assert np.array_equal(np.isnan(result), np.isnan(upscale(image, 2, **options | FREE)))
    off = np.abs(Degradation().low_res(result, 2) - image)
    # As far as bicubic and the network reach around the marker.
    marked = np.abs(np.indices(image.shape).T - (5, 40)).max(-1).T < 9
    assert np.nanmax(np.where(marked, 0, off)) < 1e-5


def test_colours_are_held_each_and_alpha_is_left() -> None:
    image = (255 * np.stack([blobs(), blobs()[::-1], blobs(), blobs()], -1)).astype(np.uint8)
    options: dict[str, Any] = {"model": random_network(), "axes": "YXS", "noise": None, **CPU}
    result = upscale(image, 2, **options)
    small = np.stack([Degradation().low_res(result[..., i], 2) for i in range(3)], -1)
    assert np.abs(small - image[..., :3]).max() <= 0.5
    assert np.array_equal(result[..., 3], upscale(image, 2, **options | FREE)[..., 3])


def test_what_low_res_images_were_made_by_is_read_off_the_card() -> None:
    assert degradation_of(None) == Degradation()
    assert degradation_of(Card()) == Degradation(sampling="bicubic")
    for degradation in (
        Degradation(sigma=1.25, sampling="point"),
        Degradation(sigma=2.0, sampling="bicubic", noise=Noise(gain=2, read=1, offset=7)),
        Degradation(),
    ):
        found = degradation_of(Card(degradation=str(degradation)))
        assert (found.sigma, found.sampling) == (degradation.sigma, degradation.sampling)
    assert degradation_of(Card(degradation="measured low-res images")) == Degradation()


def test_a_blur_is_undone_as_far_as_it_left_something() -> None:
    degradation = Degradation(sigma=1.0)
    truth = blobs(48, 48)
    source = degradation.low_res(truth, 2)
    result = np.kron(source, np.ones((2, 2)))
    images = (torch.tensor(one)[None, None] for one in (result, source))
    held = hold(*images, 2, degradation)[0, 0].numpy()
    before, after = (np.abs(degradation.low_res(x, 2) - source).mean() for x in (result, held))
    assert after < before / 5
    assert np.square(held - truth).mean() < np.square(result - truth).mean()
