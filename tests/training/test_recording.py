"""Noisy examples: what is drawn of them, what a network is told of it, and what is said."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import NO_NOISE, Noise
from napari_srcnn.microscope.noise_report import measure_noise
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.dataset import Dataset, make_dataset
from napari_srcnn.training.field import Source
from napari_srcnn.training.recording import Recorruption
from napari_srcnn.training.sampler import BlockSampler

NETWORK = SRCNNConfig(kernels=(3, 1, 3), widths=(6, 4))
TOLD = replace(NETWORK, noise=True)
CAMERA = Noise(gain=2, read=12, offset=100)


def light(shape: tuple[int, ...] = (400, 400), seed: int = 0) -> NDArray[np.float64]:
    """Structure that an objective would let through."""
    image = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4, axes=(-2, -1))
    return np.asarray(100 + 1500 * (image - image.min()) / np.ptp(image))


def frame(shape: tuple[int, ...] = (400, 400), seed: int = 0) -> NDArray[np.uint16]:
    noisy = CAMERA.apply(light(shape, seed), np.random.default_rng(seed + 10))
    return noisy.round().astype(np.uint16)


def data_of(high: Any, network: SRCNNConfig = TOLD, axes: str = "YX", **rest: Any) -> Dataset:
    options = {"recorrupt": None} | {
        k: rest.pop(k) for k in ("recorrupt", "degradation") & rest.keys()
    }
    return make_dataset([Source(name="cells", high=high, axes=axes, **rest)], network, **options)


def level(noise: Noise, at: NDArray[np.float64]) -> float:
    return math.sqrt(float(noise.variance(at).mean()))


# -- what is drawn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [NETWORK, TOLD])
@pytest.mark.parametrize(
    "degradation",
    [
        Degradation(),
        Degradation(sigma=1.0, sampling="bicubic"),
        Degradation(noise=Noise(gain=4, read=30, offset=100)),
    ],
)
def test_the_noise_of_a_truth_is_not_in_the_low_res_image(
    network: SRCNNConfig, degradation: Degradation
) -> None:
    clean, scale = light((320, 320)), 2
    noisy = CAMERA.apply(clean, np.random.default_rng(1))
    way = data_of(noisy, network, degradation=degradation).recordings[0, 0]
    assert isinstance(way, Recorruption)
    way = replace(way, own=CAMERA, left=degradation.noise_left(CAMERA, scale))
    without, low = (degradation.low_res(image, scale) for image in (clean, noisy))
    rng = np.random.default_rng(2)
    number, products, truths = 12, [], []
    for _ in range(number):
        drawn = way.draw(low, noisy, rng)
        # Compared pixel for pixel: the truth's noise as its own low-res image would have it.
        residuals = drawn.low - without, degradation.low_res(drawn.high - clean, scale)
        products.append(
            [(a * b).mean() for a, b in [residuals, (residuals[0],) * 2, (residuals[1],) * 2]]
        )
        truths.append(drawn.high)
    common, first, second = np.mean(products, axis=0)
    # What they share is zero to within its standard error; n draws share the frame's own noise.
    pixels = low.size / (1 if degradation.sigma == 0 else 4 * math.pi * 1.5)
    assert abs(common) < 5 * math.sqrt(first * second / pixels)
    # Had the truth been left as it is, they would share much more than that.
    kept = ((low - without) * degradation.low_res(noisy - clean, scale)).mean()
    assert kept > 10 * abs(common)
    # On average a truth is the frame as it was recorded.
    spread = np.std([truth - noisy for truth in truths]) / math.sqrt(number)
    mean = np.mean(truths, axis=0) - noisy
    assert mean.std() == pytest.approx(spread, rel=0.1)
    assert abs(mean.mean()) < 5 * spread / math.sqrt(noisy.size)


@pytest.mark.parametrize(
    "degradation",
    [
        Degradation(),
        Degradation(sigma=0.8),
        Degradation(noise=CAMERA),
        Degradation(noise=Noise(gain=4, read=60, offset=90)),
    ],
)
@pytest.mark.parametrize("network", [NETWORK, TOLD])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_low_res_image_has_the_noise_that_is_told(
    scale: int, network: SRCNNConfig, degradation: Degradation
) -> None:
    clean = light((360, 360))
    noisy = CAMERA.apply(clean, np.random.default_rng(1))
    data = data_of(noisy, replace(network, scale=scale), degradation=degradation)
    without, low = (degradation.low_res(image, scale) for image in (clean, noisy))
    rng = np.random.default_rng(3)
    levels = []
    for _ in range(6):
        drawn = data.draw(low, noisy, (0, 0), rng)
        told = level(drawn.told, without)
        assert (drawn.low - without).std() == pytest.approx(told, rel=0.05)
        levels.append(told)
    wanted = degradation.noise if degradation.noise.is_any else NO_NOISE
    most = level(wanted, without)
    if network.noise:
        # Told, it learns from any noise up to what images shall have, or up to the frame's own.
        most = most or level(CAMERA, without)
        assert max(levels) < 1.05 * most
        assert np.ptp(levels) > 0.1 * most
    else:
        assert np.ptp(levels) == 0
        if most:
            assert levels[0] == pytest.approx(most, rel=0.05)


def test_a_crop_of_the_sampler_is_recorrupted_anew_and_told_its_noise() -> None:
    noisy = frame()
    data = data_of(noisy, degradation=Degradation(noise=CAMERA))
    sampler = BlockSampler(data, crop=12, network=TOLD, turn=False)
    rng = np.random.default_rng(0)
    inputs, truths = sampler.batch(rng, 32)
    assert inputs.shape[1] == 2
    block, known = data.training[0], data.ranges[0, 0]
    seen = known.normalize(block.high).astype(np.float32)
    # No crop of the frame is a truth as it is.
    assert np.abs(seen[:, :, None] - truths[:, 0, 5, 5]).min(0).min(0).max() < 0.01
    assert not np.isin(truths[:, 0], seen).all()
    sigma = known.gain * level(CAMERA, block.low)
    assert 0.4 * sigma < inputs[:, 1].mean() < sigma
    again = sampler.batch(np.random.default_rng(0), 32)
    np.testing.assert_array_equal(inputs, again[0])
    np.testing.assert_array_equal(truths, again[1])


def test_what_is_held_out_is_measured_as_against_a_second_recording() -> None:
    noisy = frame()
    data = data_of(noisy)
    (low, pair), *_ = data.held_images(noise=True)
    (_, again), *_ = data.held_images(noise=True)
    np.testing.assert_array_equal(pair.truth, again.truth)
    held, known = data.held[0], data.ranges[0, 0]
    np.testing.assert_allclose(pair.shown[0], known.normalize(held.high), atol=1e-5)
    assert pair.enlarged.shape == (2, *held.high.shape)
    assert low.shape == held.low.shape
    # Of an image without any error what is left is the frame's own noise.
    y, x = np.argwhere(noisy == held.high[0, 0])[0]
    clean = light()
    for y, x in np.argwhere(noisy == held.high[0, 0]):
        part = noisy[y : y + held.high.shape[0], x : x + held.high.shape[1]]
        if np.array_equal(part, held.high):
            break
    truth = known.normalize(clean[y : y + held.high.shape[0], x : x + held.high.shape[1]])
    assert pair.added is not None
    error = np.square(pair.truth[0] - truth).mean() - np.square(pair.added).mean()
    assert error == pytest.approx(known.gain**2 * level(CAMERA, clean) ** 2, rel=0.1)


# -- which way -------------------------------------------------------------------------------------


def notes(data: Dataset) -> str:
    return " ".join(data.notes)


def test_above_one_percent_of_noise_it_is_the_default_and_is_said() -> None:
    data = data_of(frame(), NETWORK)
    assert data.is_recorrupted
    share = measure_noise(frame()).level
    assert f"The examples are noisy ({100 * share:.1f}"[:-1] in notes(data)
    assert "learns by recorruption (Pang et al., CVPR 2021)" in notes(data)
    assert "as against a second recording with its own noise" in notes(data)
    assert data.what_held.endswith(", noise included")
    for recorrupt, high in ((False, frame()), (None, light())):
        ordinary = data_of(high, NETWORK, recorrupt=recorrupt)
        assert not ordinary.is_recorrupted
        assert ordinary.notes == ()
        block = ordinary.training[0]
        drawn = ordinary.draw(block.low, block.high, (0, 0), np.random.default_rng(0))
        assert drawn.high is block.high


def test_each_channel_is_treated_as_its_own_noise_asks() -> None:
    high = np.stack([frame(), light().astype(np.uint16)])
    data = data_of(high, axes="CYX")
    assert isinstance(data.recordings[0, 0], Recorruption)
    assert not isinstance(data.recordings[0, 1], Recorruption)
    assert "in 1 of 2 of them" in notes(data)
    assert data_of(high, axes="CYX", recorrupt=True).recordings.keys() == {(0, 0), (0, 1)}


def test_images_too_small_to_measure_are_learned_from_as_they_are() -> None:
    high = frame((30, 90))
    data = data_of(high, NETWORK)
    assert not data.is_recorrupted
    why = "cells is learned from as it is, without recorruption: it has too few pixels to measure"
    assert why in notes(data)
    with pytest.raises(ValueError, match="cells cannot be recorrupted: it has too few pixels"):
        data_of(high, NETWORK, recorrupt=True)


def test_small_images_of_one_camera_are_measured_together() -> None:
    sources = [Source(name=f"c{'x' * n}", high=frame((70, 70), n)) for n in range(10)]
    data = make_dataset(sources, NETWORK, recorrupt=None)
    ways = list(data.recordings.values())
    assert all(isinstance(way, Recorruption) for way in ways)
    assert len({way.own for way in ways if isinstance(way, Recorruption)}) == 1
    own = next(way.own for way in ways if isinstance(way, Recorruption))
    assert level(own, light()) == pytest.approx(level(CAMERA, light()), rel=0.15)


def test_noise_that_is_alike_from_pixel_to_pixel_is_not_split() -> None:
    y, x = np.mgrid[:400, :400] - 200
    disc = 100 + 1500.0 * gaussian_filter((y**2 + x**2 < 80**2).astype(float), 2)
    smooth = gaussian_filter(CAMERA.times(3).apply(disc, np.random.default_rng(0)), 0.6)
    data = data_of(smooth, NETWORK)
    assert not data.is_recorrupted
    assert "without recorruption: its noise is alike from pixel to pixel." in notes(data)


# -- pairs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [0, 1])
def test_of_pairs_is_told_what_is_measured_of_the_low_res_images(by: int) -> None:
    clean = light((2, 420, 420))
    noises = CAMERA, Noise(read=70, offset=100)
    means = Degradation().low_res(clean, 2)
    low = np.stack(
        [
            one.apply(mean, np.random.default_rng(n))
            for n, (one, mean) in enumerate(zip(noises, means, strict=True))
        ]
    )
    # Half a low-res pixel apart: what is corrected by interpolation is told as it was taken.
    high = np.roll(clean, by, axis=-1)
    data = data_of(high, axes="CYX", low=low)
    for channel, noise in enumerate(noises):
        block = next(one for one in data.training if one.key == (0, channel))
        drawn = data.draw(block.low, block.high, block.key, np.random.default_rng(0))
        assert drawn.low is block.low
        assert drawn.high is block.high
        expected = level(noise, block.low)
        assert level(drawn.told, block.low) == pytest.approx(expected, rel=0.1)
    (_, pair), *_ = data.held_images(noise=True)
    known = data.ranges[data.held[0].key]
    assert pair.enlarged[1].mean() == pytest.approx(
        known.gain * level(noises[data.held[0].key[1]], means), rel=0.15
    )


def test_a_network_that_is_told_nothing_does_not_make_pairs_be_measured() -> None:
    clean = light()
    low = CAMERA.apply(Degradation().low_res(clean, 2), np.random.default_rng(0))
    data = data_of(clean, NETWORK, low=low)
    assert {way.told for way in data.recordings.values()} == {NO_NOISE}
