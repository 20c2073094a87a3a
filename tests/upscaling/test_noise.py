"""What a network is told of the noise: measured or given, for each channel, and said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network

from napari_srcnn import Noise, iter_upscale, plan_upscale, upscale
from napari_srcnn.upscaling.messages import Report
from napari_srcnn.upscaling.misfit import Misfit
from napari_srcnn.upscaling.noise import measure
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.plan import load_plan
from napari_srcnn.upscaling.provenance import Provenance
from napari_srcnn.upscaling.resolve import resolve

CPU = {"device": "cpu"}


def told_network(seed: int = 1, **settings: Any) -> torch.nn.Module:
    return random_network(seed, kernels=(9, 1, 5), noise=True, strength=5, **settings)


def frames(*shape: int, level: float = 0.05, seed: int = 0, dtype: str = "uint16") -> np.ndarray:
    """Blurred spots with shot noise of a level at their bright end (value 1000)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    light = 100 + 900 * (0.5 + 0.5 * np.sin(y / 7) * np.cos(x / 9)) ** 2
    noise = Noise(gain=level**2 * 900, offset=100)
    return noise.apply(np.broadcast_to(light, shape), rng).clip(0).astype(dtype)


def run(stack: np.ndarray, model: torch.nn.Module, **options: Any) -> Report:
    *_, report = iter_upscale(stack, model=model, **CPU, **options)
    assert isinstance(report, Report)
    return report


def test_the_noise_is_measured_once_a_channel_and_said() -> None:
    quiet, loud = frames(3, 96, 96, level=0.02), frames(3, 96, 96, level=0.1, seed=1)
    stack = np.stack([quiet, loud])
    report = run(stack, told_network(), axes="CZYX")
    one, other = report.noise or ()
    at_bright = [float(noise.sigma(np.array(1000.0))) / 900 for noise in (one, other)]
    assert 0.015 < at_bright[0] < 0.026
    assert 0.08 < at_bright[1] < 0.13
    assert any(text.startswith("Noise: ") and "channels" in text for text in report.messages)
    assert report.to_metadata()["noise"][1]["gain"] == other.gain


@pytest.mark.parametrize("tile", [32, 50, 500])
def test_tiles_are_the_whole_with_the_noise_that_is_measured(tile: int) -> None:
    stack = frames(2, 70, 61, dtype="float32")
    model = told_network(scale=3)
    whole = upscale(stack, model=model, tile=1000, **CPU)
    assert np.abs(upscale(stack, model=model, tile=tile, **CPU) - whole).max() < 1e-6 * 900
    part = plan_upscale(stack, model=model, tile=tile, **CPU).region((1, slice(9, 80), slice(60)))
    assert np.abs(part - whole[1, 9:80, :60]).max() < 1e-6 * 900


@pytest.mark.parametrize(("a", "b"), [(2.0, 0.0), (0.25, 1000.0), (37.5, -300.0)])
def test_scaled_and_shifted_intensities_give_the_scaled_and_shifted_result(
    a: float, b: float
) -> None:
    image = frames(80, 90, dtype="float64")
    model = told_network()
    expected = a * upscale(image, model=model, **CPU) + b
    found = upscale(a * image + b, model=model, **CPU)
    assert np.abs(found - expected).max() < 1e-6 * a * 900


def test_weights_of_zero_for_the_noise_give_the_bytes_of_the_network_without_it() -> None:
    plain = random_network(5, kernels=(9, 1, 5), strength=5)
    told = told_network(5)
    told.load_state_dict(plain.state_dict() | {"noise.weight": torch.zeros(8, 1, 1, 1)})
    stack = frames(2, 60, 52)
    expected = upscale(stack, model=plain, tile=64, **CPU)
    assert upscale(stack, model=told, tile=64, **CPU).tobytes() == expected.tobytes()


def test_a_constant_image_without_noise_stays_that_constant() -> None:
    image = np.full((40, 44), 1234, np.uint16)
    assert (upscale(image, model=told_network(), noise=None, **CPU) == 1234).all()
    assert (upscale(image, model=told_network(), **CPU) == 1234).all()


def test_smoothing_scales_what_is_told() -> None:
    image, model = frames(64, 64), told_network()
    given = Noise(gain=4, read=3, offset=100)
    twice = Noise(gain=16, read=6, offset=100)
    expected = upscale(image, model=model, noise=twice, **CPU)
    assert np.array_equal(upscale(image, model=model, noise=given, smoothing=2, **CPU), expected)
    nothing = upscale(image, model=model, noise=None, **CPU)
    assert np.array_equal(upscale(image, model=model, smoothing=0, **CPU), nothing)
    assert not np.array_equal(expected, nothing)


def test_noise_that_was_measured_before_is_not_measured_again() -> None:
    stack, model = frames(2, 64, 64), told_network()
    options = Options(model=model, smoothing=0.5, axes="CYX", device="cpu")
    plan = resolve(options, stack)
    measured = measure(plan, stack)
    louder = frames(2, 64, 64, level=0.2)
    told = load_plan(plan, louder, measured).told
    assert told is not None
    assert told.noises == tuple(one.noise.times(0.5) for one in measured)
    assert told.text == load_plan(plan, stack).told.text  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"1 noises were measured for 2 channel\(s\)"):
        _ = load_plan(plan, stack, measured[:1]).told


def test_how_much_was_smoothed_is_told_with_the_result() -> None:
    image = frames(64, 64)
    assert run(image, told_network(), smoothing=0).to_metadata()["smoothing"] == 0
    made = run(image, told_network(), smoothing=1.5).provenance
    assert made.smoothing == 1.5
    assert Provenance.from_dict(made.to_dict()).smoothing == 1.5
    assert "smoothing" not in run(image, random_network(1)).to_metadata()


def test_a_number_is_the_same_noise_everywhere_and_a_noise_a_channel_its_own() -> None:
    stack, model = frames(2, 64, 64), told_network()
    number = upscale(stack, model=model, noise=20, axes="CYX", **CPU)
    each = upscale(stack, model=model, noise=(Noise(read=20), Noise(read=20)), axes="CYX", **CPU)
    assert np.array_equal(number, each)
    other = upscale(stack, model=model, noise=(20, Noise(gain=9)), axes="CYX", **CPU)
    assert np.array_equal(other[0], number[0])
    assert not np.array_equal(other[1], number[1])


def test_colours_are_told_the_noise_of_their_luma() -> None:
    rgb = np.stack([frames(48, 48, seed=s) for s in range(3)], -1)
    eight = (rgb / 5).clip(0, 255).astype(np.uint8)
    model = told_network()
    for image in (rgb, eight):
        quiet, loud = (upscale(image, model=model, axes="YXS", noise=n, **CPU) for n in (None, 40))
        assert quiet.shape == (96, 96, 3)
        assert not np.array_equal(quiet, loud)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noise": -1}, "noise is -1; a standard deviation of 0 or more"),
        ({"noise": float("nan")}, "noise is nan; it can be 'auto', None"),
        ({"noise": "strong"}, "noise is 'strong'; it can be 'auto', None"),
        ({"noise": []}, "it can be 'auto', None"),
        ({"noise": True}, "noise is True"),
        ({"noise": 5000.0}, "larger than the image's range"),
        ({"noise": (1, 2, 3)}, "3 noises are given for 1 channel"),
        ({"smoothing": -0.1}, "smoothing is -0.1; it can be 0"),
        ({"smoothing": 2.5}, "smoothing is 2.5"),
        ({"smoothing": float("inf")}, "smoothing is inf"),
        ({"smoothing": "much"}, "smoothing is 'much'"),
    ],
)
def test_noise_that_cannot_be_is_refused_in_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        upscale(frames(64, 64), model=told_network(), **CPU, **options)
    assert words in str(caught.value)


def test_one_gain_for_several_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="One gain is given for 2 channels"):
        upscale(frames(2, 64, 64), model=told_network(), noise=Noise(gain=2), axes="CYX", **CPU)


@pytest.mark.parametrize("options", [{"noise": 5}, {"noise": Noise(gain=1)}, {"smoothing": 0.5}])
def test_a_network_that_is_told_nothing_refuses_what_it_would_ignore(
    options: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match="is told nothing of the noise"):
        upscale(frames(64, 64), model=random_network(1), **CPU, **options)


@pytest.mark.parametrize(
    "stack",
    [
        np.full((2, 64, 64), np.nan, np.float32),
        np.full((64, 64), 65535, np.uint16),
        np.random.default_rng(0).integers(0, 2, (64, 64)).astype(np.uint8),
        frames(9, 7),
    ],
    ids=["all NaN", "saturated", "a mask", "tiny"],
)
def test_where_no_noise_can_be_measured_it_is_said(stack: np.ndarray) -> None:
    report = run(stack, told_network())
    assert any("noise" in text for text in report.messages), report.messages


def test_an_empty_channel_is_said_and_the_other_measured() -> None:
    stack = np.stack([np.zeros((2, 96, 96), np.uint16), frames(2, 96, 96, level=0.1)])
    report = run(stack, told_network(), axes="CZYX")
    empty, lit = report.noise or ()
    assert empty == Noise()
    assert float(lit.sigma(np.array(1000.0))) > 50
    assert any(text.startswith("Channel 1: ") for text in report.messages)


def test_a_result_that_leaves_its_source_is_said() -> None:
    wild = told_network()
    with torch.no_grad():
        wild.conv3.bias += 0.5
    assert any("made small again" in text for text in run(frames(200, 200), wild).messages)
    kind = told_network()
    with torch.no_grad():
        kind.conv3.weight.zero_()
        kind.conv3.bias.zero_()
    assert not any("made small again" in text for text in run(frames(200, 200), kind).messages)


def test_the_noise_explains_a_difference_of_its_own_size_only() -> None:
    assert not Misfit(result=200.0, bicubic=1.0, noise=100.0, pixels=100).is_beyond_noise
    assert Misfit(result=300.0, bicubic=1.0, noise=100.0, pixels=100).is_beyond_noise
    assert "1.7 times the noise" in Misfit(result=300, bicubic=1, noise=100, pixels=100).sentence
