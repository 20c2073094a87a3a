"""What a model does to gain and offset, to an edge and to a bright pixel; what its card says."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from networks import identity_network, random_network

from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.card import card_lines
from napari_srcnn.models.library import list_models, load_model, model_info
from napari_srcnn.samples import load_sample
from napari_srcnn.upscaling.api import upscale
from napari_srcnn.upscaling.response import measure_response

pytestmark = pytest.mark.usefixtures("one_thread")
BUNDLED = "srcnn-9-1-5-x2", "srcnn-9-1-5-x2-noise"


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize(("gain", "offset"), [(3.0, -500.0), (1e-4, 2.0), (0.125, 0.0)])
def test_the_result_of_a_times_x_plus_b_is_a_times_that_of_x_plus_b(
    name: str, gain: float, offset: float
) -> None:
    image = np.asarray(load_sample("pollen").data[12, 60:140, 60:140], np.float64)
    whole = upscale(image, model=name, device="cpu", tile=256)
    other = upscale(gain * image + offset, model=name, device="cpu", tile=256)
    width = np.ptp(image)
    assert np.abs((other - offset) / gain - whole).max() < 1e-6 * width


def test_noise_that_is_given_is_scaled_with_the_image() -> None:
    image = np.asarray(load_sample("pollen").data[12, 60:140, 60:140], np.float64)
    noise = Noise(gain=2.0, read=3.0, offset=10.0)
    whole = upscale(image, model=BUNDLED[1], device="cpu", tile=256, noise=noise)
    scaled = replace(noise, gain=4.0 * noise.gain, read=4.0 * noise.read, offset=45.0)
    other = upscale(4.0 * image + 5.0, model=BUNDLED[1], device="cpu", tile=256, noise=scaled)
    assert np.abs((other - 5.0) / 4.0 - whole).max() < 1e-6 * np.ptp(image)


@pytest.mark.parametrize("name", [*BUNDLED, "srcnn-9-1-5-x3-rgb"])
def test_a_bundled_card_says_what_is_measured_again(name: str) -> None:
    info = model_info(name)
    card = info.card
    assert card.domain is not None
    assert card.response is not None
    found = measure_response(load_model(name), info.window(card.domain.kind))
    for key, value in asdict(card.response).items():
        assert getattr(found, key) == pytest.approx(value, abs=0.02), key


def test_every_bundled_card_states_it_in_words() -> None:
    for name in list_models():
        lines = dict(line.split(": ", 1) for line in card_lines(model_info(name)))
        assert "an image times a plus b gives the result times a plus b" in lines["Linear"]
        assert lines["Edge"].startswith("overshoots by ")
        assert "bicubic" in lines["Bright pixel"]


def test_bicubic_overshoots_an_edge_by_what_its_kernel_does() -> None:
    # Keys' kernel of a = -0.5 is -0.0703 at 1.25 pixels and -0.0234 at 1.75, of which x2 sees an
    # edge's first and second pixel beyond; the largest sum of one side's negative weights is that.
    found = measure_response(identity_network(skip=True))
    assert found.bicubic_overshoot == pytest.approx(7.03, abs=0.01)
    assert found.overshoot == found.bicubic_overshoot
    assert found.peak == found.bicubic_peak
    # 0.867 = 1 - 2.5 / 16 + 1.5 / 64, Keys' kernel at 0.25 pixels, along both axes.
    assert found.bicubic_peak == pytest.approx(100 * 0.8671875**2, abs=0.01)


def test_a_network_that_is_no_filter_of_its_range_is_as_linear_as_any() -> None:
    assert measure_response(random_network(3, strength=10), (0.2, 0.6)).nonlinear < 1e-3
