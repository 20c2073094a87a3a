"""Training pairs: the truth lies in the middle of what the network sees, and no padding does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.io import imsave

from napari_srcnn.image.metrics import rgb_to_y
from napari_srcnn.image.resize import imresize
from napari_srcnn.training.photographs import (
    CropSampler,
    Pair,
    crop_to_multiple,
    find_images,
    make_pair,
    read_luma,
    rescaled,
)


def numbered(height: int, width: int, first: int = 0) -> Pair:
    """A pair whose pixels say where they are: the same in input and truth."""
    image = np.arange(first, first + height * width, dtype=np.float32).reshape(1, height, width)
    return Pair(enlarged=image, truth=image.copy())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_pair_is_matlabs_bicubic_down_and_up(scale: int) -> None:
    image = np.random.default_rng(0).random((25, 31))
    pair = make_pair(image, scale)
    truth = image[: 25 - 25 % scale, : 31 - 31 % scale]
    assert np.array_equal(pair.truth[0], truth.astype(np.float32))
    enlarged = imresize(imresize(truth, scale=1 / scale), scale=scale)
    assert np.array_equal(pair.enlarged[0], enlarged.astype(np.float32))
    assert pair.truth.dtype == pair.enlarged.dtype == np.float32


def test_colour_comes_first_in_a_pair() -> None:
    image = np.random.default_rng(1).random((12, 14, 3))
    pair = make_pair(image, 2)
    assert pair.truth.shape == pair.enlarged.shape == (3, 12, 14)
    assert np.array_equal(pair.truth[2], image[..., 2].astype(np.float32))


def test_cutting_to_a_multiple_keeps_the_first_pixels() -> None:
    image = np.arange(35).reshape(5, 7)
    assert np.array_equal(crop_to_multiple(image, 3), image[:3, :6])
    assert np.array_equal(crop_to_multiple(image, 1), image)


@pytest.mark.parametrize("halo", [0, 6])
def test_the_truth_lies_in_the_middle_of_what_the_network_sees(halo: int) -> None:
    sampler = CropSampler([[numbered(40, 50)]], crop=8, halo=halo, gain=None)
    seen, truth = sampler.batch(np.random.default_rng(0), 64)
    assert seen.shape == (64, 1, 8 + 2 * halo, 8 + 2 * halo)
    assert truth.shape == (64, 1, 8, 8)
    middle = slice(halo, halo + 8)
    assert np.array_equal(seen[..., middle, middle], truth)


def test_crops_are_turned_and_flipped_but_never_torn() -> None:
    sampler = CropSampler([[numbered(40, 50)]], crop=6, halo=1, gain=None)
    _, truth = sampler.batch(np.random.default_rng(1), 200)
    kinds = set()
    for crop in truth[:, 0]:
        down, right = crop[1, 0] - crop[0, 0], crop[0, 1] - crop[0, 0]
        assert {abs(down), abs(right)} == {1, 50}
        assert np.array_equal(np.diff(crop, axis=0), np.full((5, 6), down))
        assert np.array_equal(np.diff(crop, axis=1), np.full((6, 5), right))
        kinds.add((float(down), float(right)))
    assert len(kinds) == 8


def test_no_pixel_beyond_an_image_is_trained_on() -> None:
    # An image that a crop with its halo just fits into: there is one place to take it from.
    pair = numbered(20, 20, first=1)
    sampler = CropSampler([[pair]], crop=8, halo=6, gain=None)
    seen, _ = sampler.batch(np.random.default_rng(2), 16)
    for crop in seen[:, 0]:
        assert np.array_equal(np.unique(crop), np.arange(1, 401))


def test_every_place_of_an_image_is_drawn() -> None:
    sampler = CropSampler([[numbered(12, 13)]], crop=6, halo=2, gain=None)
    seen, _ = sampler.batch(np.random.default_rng(3), 400)
    assert len({float(crop.min()) for crop in seen}) == 3 * 4


def test_groups_are_drawn_equally_and_images_by_their_area() -> None:
    small, large, other = numbered(20, 20), numbered(40, 40, 10_000), numbered(30, 30, 20_000)
    sampler = CropSampler([[small, large], [other]], crop=8, halo=4, gain=None)
    _, truth = sampler.batch(np.random.default_rng(4), 2000)
    first = truth.min(axis=(1, 2, 3)) // 10_000
    shares = [float((first == number).mean()) for number in range(3)]
    assert shares == pytest.approx([0.1, 0.4, 0.5], abs=0.04)


def test_a_gain_is_the_same_for_input_and_truth_and_keeps_within_0_to_1() -> None:
    rng = np.random.default_rng(5)
    image = np.linspace(0, 1, 1600, dtype=np.float32).reshape(1, 40, 40)
    sampler = CropSampler([[Pair(enlarged=image, truth=image)]], crop=8, halo=2, gain=(0.25, 1.1))
    seen, truth = sampler.batch(rng, 300)
    assert np.array_equal(seen[..., 2:-2, 2:-2], truth)
    assert seen.min() > -0.11
    assert seen.max() < 1.11
    steps = np.abs(truth[:, 0, 0, 1] - truth[:, 0, 0, 0])
    smallest = np.minimum(steps, np.abs(truth[:, 0, 1, 0] - truth[:, 0, 0, 0])) * 1599
    unchanged = np.isclose(smallest, 1, atol=1e-3).mean()
    assert 0.2 < unchanged < 0.4
    assert smallest.min() > 0.24


def test_a_batch_of_a_seed_is_always_the_same() -> None:
    sampler = CropSampler([[numbered(40, 50)]], crop=8, halo=6)
    batches = [sampler.batch(np.random.default_rng(7), 8) for _ in range(2)]
    assert np.array_equal(batches[0][0], batches[1][0])
    assert np.array_equal(batches[0][1], batches[1][1])
    assert not np.array_equal(sampler.batch(np.random.default_rng(8), 8)[0], batches[0][0])


def test_images_that_are_too_small_are_left_out_or_refused() -> None:
    small, large = numbered(19, 60), numbered(20, 20, 5000)
    sampler = CropSampler([[small, large]], crop=8, halo=6, gain=None)
    assert sampler.batch(np.random.default_rng(0), 20)[0].min() >= 5000
    with pytest.raises(ValueError, match="has 20 pixels a side, which a patch of 8 needs; choose"):
        CropSampler([[large], [small]], crop=8, halo=6)


# -- files ----------------------------------------------------------------------------------------


def test_images_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no images in .*; files that end in \.bmp"):
        find_images(tmp_path)
    for name in ("b.png", "a.BMP", "c.tif", "notes.txt", "d.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in find_images(tmp_path)] == ["a.BMP", "b.png", "c.tif"]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_luma_is_read_of_colour_and_gray_is_taken_as_it_is(suffix: str, tmp_path: Path) -> None:
    image: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    path = tmp_path / f"image{suffix}"
    imsave(path, image, check_contrast=False)
    assert np.array_equal(read_luma(path), rgb_to_y(image) / 255)
    imsave(path, image[..., 0], check_contrast=False)
    assert np.array_equal(read_luma(path), image[..., 0] / 255)


def test_an_image_is_seen_at_several_sizes() -> None:
    image = np.random.default_rng(0).random((20, 30))
    sizes = list(rescaled(image, (1.0, 0.9, 0.6)))
    assert sizes[0] is image
    assert [size.shape for size in sizes] == [(20, 30), (18, 27), (12, 18)]
