"""Which bundled model an image gets, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_srcnn import upscale
from napari_srcnn.models.choose import propose_model
from napari_srcnn.models.library import model_info
from napari_srcnn.samples import load_sample
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.resolve import resolve

PHOTOGRAPHS, MICROSCOPES = "srcnn-9-5-5-x2", "srcnn-9-5-5-x2-noise"


def smooth(dtype: str, noise: float = 0.0, samples: int = 0) -> NDArray[Any]:
    """A picture of soft blobs, with noise in parts of its range."""
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.standard_normal((200, 220)), 6)
    image = (image - image.min()) / np.ptp(image)
    image = (image + noise * rng.standard_normal(image.shape)).clip(0, 1)
    if samples:
        image = np.stack([image] * samples, -1)
    top = 1.0 if dtype.startswith("float") else np.iinfo(dtype).max
    return (image * top).astype(dtype)


def test_a_microscopes_stack_gets_their_weights_and_hears_of_its_noise() -> None:
    found = propose_model(smooth("uint16", 0.03), 2)
    assert found.model == MICROSCOPES
    assert found.why.startswith("16-bit, taken for a microscope's")
    assert "noise" not in found.why, "it is measured better, and said beside this"
    assert propose_model(load_sample("pollen").data, 2).model == MICROSCOPES


def test_a_dark_background_does_not_hide_the_noise() -> None:
    image = smooth("uint8", 0.02)
    image[:, 90:] = 0
    assert propose_model(image, 2).model == MICROSCOPES


@pytest.mark.parametrize("dtype", ["uint8", "float32", "uint16"])
def test_noise_makes_any_type_a_microscopes_image(dtype: str) -> None:
    assert propose_model(smooth(dtype, 0.02), 2).model == MICROSCOPES


def test_photographs_get_theirs() -> None:
    assert propose_model(smooth("uint8", 0.02, samples=3), 2, "YXS").model == PHOTOGRAPHS
    gray = propose_model(skimage.data.camera(), 2)
    assert gray.model == PHOTOGRAPHS
    assert gray.why == "8-bit, looks like a photograph."


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_scale_has_weights_of_both_kinds(scale: int) -> None:
    for image in (skimage.data.camera(), smooth("uint16", 0.02)):
        config = model_info(propose_model(image, scale).model).config
        assert config.scale == scale
        assert config.noise == (image.dtype == np.uint16)


@pytest.mark.parametrize(
    "image", [np.zeros((40, 40), np.uint16), np.full((9, 9), np.nan, np.float32)]
)
def test_what_cannot_be_measured_gets_a_model_all_the_same(image: NDArray[Any]) -> None:
    assert propose_model(image, 2).model == MICROSCOPES


def test_only_a_few_tiles_of_8_bit_gray_are_read() -> None:
    read: list[int] = []

    class Counted:
        shape, dtype = (50, 2000, 2000), np.dtype(np.uint8)

        def __getitem__(self, key: Any) -> NDArray[Any]:
            part = np.broadcast_to(np.uint8(7), self.shape)[key]
            read.append(part.size)
            return part

    propose_model(Counted(), 2)
    assert 0 < sum(read) <= 4 * 256 * 256


def test_without_a_model_an_image_gets_what_fits_it_and_the_reason_is_told() -> None:
    plan = resolve(Options(scale=2), smooth("uint16", 0.03))
    assert plan.model == MICROSCOPES
    assert plan.note.startswith(f"{MICROSCOPES}: 16-bit, taken for")
    part = smooth("uint16", 0.03)[:40, :40]
    chosen = upscale(part, 2, device="cpu", tile=64)
    assert np.array_equal(chosen, upscale(part, 2, model=MICROSCOPES, device="cpu", tile=64))
