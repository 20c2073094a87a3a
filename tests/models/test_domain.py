"""Whether an image is said to be unlike what a model was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from networks import random_network
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import napari_srcnn
from napari_srcnn.image.looks import FEATURES, look, tiles_of
from napari_srcnn.models.card import Learned
from napari_srcnn.models.domain import check_domain, learn, look_at
from napari_srcnn.models.library import list_models, model_info
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.samples import SAMPLES, load_sample

PHOTOGRAPHS, MICROSCOPES = "srcnn-9-5-5-x2", "srcnn-9-5-5-x2-noise"
PICTURES = {
    "astronaut": ("YXS", skimage.data.astronaut),
    "coffee": ("YXS", skimage.data.coffee),
    "camera": ("YX", skimage.data.camera),
    "brick": ("YX", skimage.data.brick),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_photograph_is_unlike_what_microscopes_models_learned(name: str) -> None:
    axes, read = PICTURES[name]
    found = check_domain(read(), MICROSCOPES, axes)
    assert found.is_like is False
    assert found.kind == "photograph"
    assert found.sentence.startswith("The image looks like photographs: ")
    assert f"{PHOTOGRAPHS} was trained on such images" in found.sentence
    assert all(reason in found.sentence for reason in found.reasons)
    like = check_domain(read(), PHOTOGRAPHS, axes)
    assert like.is_like
    assert like.sentence == ""


@pytest.mark.parametrize("name", SAMPLES)
def test_a_stack_is_unlike_what_photographs_models_learned(name: str) -> None:
    sample = load_sample(name)
    found = check_domain(sample.data, PHOTOGRAPHS, sample.axes)
    assert found.is_like is False
    assert f"{MICROSCOPES} was trained on such images" in found.sentence
    assert found.unlikeness == -check_domain(sample.data, MICROSCOPES, sample.axes).unlikeness
    assert check_domain(sample.data, MICROSCOPES, sample.axes).sentence == ""


def test_gain_offset_and_type_change_nothing() -> None:
    stack = load_sample("pollen").data[10:12]
    first = look(tiles_of(stack)[0])
    assert first is not None
    assert first.shape == (len(FEATURES),)
    assert np.allclose(look(tiles_of(stack * 3.5 - 1000.0)[0]), first, atol=1e-6)


def test_of_a_large_stack_a_few_tiles_are_read() -> None:
    read: list[tuple[int, ...]] = []

    class Counted:
        shape, dtype = (5, 40, 3000, 3000), np.dtype(np.uint16)

        def __getitem__(self, key: Any) -> NDArray[Any]:
            read.append(key[:2])
            rng = np.random.default_rng(0)
            return rng.integers(0, 99, [part.stop - part.start for part in key[2:]])

    look_at(Counted(), "CZYX")
    assert len(read) == 12, "four of each of three channels"
    assert {plane for _, plane in read} == {13, 26}


@pytest.mark.parametrize(
    "image",
    [np.zeros((64, 64), np.uint16), np.full((64, 64), np.nan), np.arange(100.0).reshape(10, 10)],
)
def test_of_an_image_of_which_nothing_can_be_told_nothing_is_said(image: NDArray[Any]) -> None:
    found = check_domain(image, PHOTOGRAPHS)
    assert (found.is_like, found.kind, found.sentence) == (None, None, "")


def test_a_model_that_says_nothing_of_its_images_is_not_judged(own_home: Path) -> None:
    path = save_model(
        own_home / "a.safetensors", random_network(0), {"domain": {"kind": "drawing"}}
    )
    found = check_domain(skimage.data.camera(), path)
    assert (found.is_like, found.kind, found.sentence) == (None, "photograph", "")


def test_a_fine_tuned_model_is_held_against_its_own_images(own_home: Path) -> None:
    rng = np.random.default_rng(0)

    def blobs(sigma: float) -> NDArray[np.float64]:
        smooth = gaussian_filter(rng.standard_normal((160, 160)), sigma)
        return smooth / smooth.std() + 0.05 * rng.standard_normal(smooth.shape)

    learned = learn([blobs(3) for _ in range(6)])
    assert isinstance(learned, Learned)
    assert learn([np.zeros((40, 40))]) is None
    card = {"domain": {"mean": dict(learned.mean), "deviation": dict(learned.deviation)}}
    path = save_model(own_home / "mine.safetensors", random_network(0), card)
    assert model_info(path).card.domain == learned
    assert check_domain(blobs(3), path).is_like
    other = check_domain(skimage.data.camera(), path)
    assert other.is_like is False
    assert "unlike those that mine was fine-tuned on" in other.sentence
    assert "Fine-tune a model on images of this kind" in other.sentence


def test_every_bundled_card_says_what_its_images_are() -> None:
    for name in list_models():
        info = model_info(name)
        assert info.card.domain is not None
        assert info.card.domain.kind == ("microscope" if "stacks" in info.card else "photograph")


def test_it_is_a_public_function() -> None:
    found = napari_srcnn.check_domain(skimage.data.camera(), MICROSCOPES)
    assert isinstance(found, napari_srcnn.Domain)
