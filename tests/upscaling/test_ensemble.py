"""The self-ensemble: the mean of eight views and their spread, whatever the tiles are."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import identity_network, random_network
from numpy.typing import NDArray

from napari_srcnn.assess.reference import evaluate
from napari_srcnn.assess.report import mean_scores
from napari_srcnn.image.rect import Padding
from napari_srcnn.upscaling.api import plan_upscale, upscale, upscale_region

NETWORK = random_network(1, strength=10)
VIEWS = list(itertools.product(range(4), (False, True)))


@pytest.fixture
def image() -> NDArray[np.float64]:
    return np.random.default_rng(0).random((23, 31))


def turned(image: NDArray[Any], turns: int, flipped: bool) -> NDArray[Any]:
    view = np.rot90(image, turns)
    return view[:, ::-1] if flipped else view


def eight(image: NDArray[Any], **options: Any) -> NDArray[Any]:
    """Enlarge the eight views one by one, and turn them back."""
    results = []
    for turns, flipped in VIEWS:
        view = np.ascontiguousarray(turned(image, turns, flipped))
        big = upscale(view, device="cpu", intensity="none", **options)
        results.append(np.rot90(big[:, ::-1] if flipped else big, -turns))
    return np.stack(results)


@pytest.mark.parametrize("padding", ["valid", "zeros"])
@pytest.mark.parametrize("tile", [16, 64])
def test_it_is_the_mean_of_eight_views_and_the_spread_their_deviation(
    image: NDArray[np.float64], padding: str, tile: int
) -> None:
    network = random_network(2, strength=10, padding=padding)
    views = eight(image, model=network)
    spread = np.empty((46, 62), np.float32)
    big = upscale(
        image,
        model=network,
        device="cpu",
        intensity="none",
        tile=tile,
        ensemble=True,
        spread=spread,
    )
    assert np.abs(big - views.mean(axis=0)).max() < 1e-5
    assert np.abs(spread - views.std(axis=0)).max() < 1e-5
    assert spread.max() > 0.01
    assert np.abs(views[0] - big).max() > 0.01


def test_the_spread_is_in_the_images_own_units() -> None:
    stack = np.random.default_rng(1).integers(1000, 3000, (3, 20, 24), dtype=np.uint16)
    small, large = (np.empty((3, 40, 48), np.float32) for _ in range(2))
    options: dict[str, Any] = {"model": NETWORK, "device": "cpu", "ensemble": True}
    upscale(stack, intensity=(0, 4000), spread=small, **options)
    upscale(stack * np.uint16(10), intensity=(0, 40_000), spread=large, **options)
    assert np.allclose(10 * small, large, rtol=1e-3, atol=1e-2)
    assert small.max() > 1


@pytest.mark.parametrize("color", ["luma", "channels"])
def test_colours_have_a_spread_each_and_alpha_none(color: str) -> None:
    picture = np.random.default_rng(2).integers(0, 255, (20, 24, 4), dtype=np.uint8)
    spread = np.empty((40, 48, 4), np.float32)
    upscale(
        picture, axes="YXS", model=NETWORK, device="cpu", color=color, ensemble=True, spread=spread
    )
    assert (spread[..., :3].max(axis=(0, 1)) > 0.1).all()
    assert not spread[..., 3].any()
    # The luma's change is that of red, green and blue alike.
    assert np.allclose(spread[..., 0], spread[..., 1]) == (color == "luma")


def test_a_region_is_that_part_of_the_whole(image: NDArray[np.float64]) -> None:
    options: dict[str, Any] = {"model": NETWORK, "device": "cpu", "ensemble": True}
    whole = upscale(image, **options)
    part = upscale_region(image, (slice(5, 30), slice(40, 62)), **options)
    assert np.abs(part - whole[5:30, 40:62]).max() < 1e-5


def test_a_network_that_corrects_nothing_has_no_spread(image: NDArray[np.float64]) -> None:
    spread = np.empty((46, 62), np.float32)
    upscale(image, model=identity_network(skip=True), device="cpu", ensemble=True, spread=spread)
    assert not spread.any()


def test_the_spread_is_nan_where_the_result_is(image: NDArray[np.float64]) -> None:
    image[10, 10] = np.nan
    spread = np.empty((46, 62), np.float32)
    big = upscale(image, model=NETWORK, device="cpu", ensemble=True, spread=spread)
    assert np.array_equal(np.isnan(big), np.isnan(spread))
    assert np.isnan(spread).any()


@pytest.mark.parametrize(
    ("spread", "ensemble", "sentence"),
    [
        (np.empty((46, 62), np.float32), False, "spread needs ensemble=True"),
        (np.empty((46, 61), np.float32), True, r"of shape \(46, 62\) and dtype float32"),
        (np.empty((46, 62)), True, "dtype float32"),
        ([1, 2], True, "dtype float32"),
    ],
)
def test_a_spread_that_does_not_fit_is_refused(
    image: NDArray[np.float64], spread: Any, ensemble: bool, sentence: str
) -> None:
    plan = plan_upscale(image, model=NETWORK, device="cpu", ensemble=ensemble)
    with pytest.raises(ValueError, match=sentence):
        plan.run(spread=spread)


def test_a_padding_turns_with_its_tile() -> None:
    padding = Padding(top=1, right=2, bottom=3, left=4)
    # What lies beyond the border of a tile is marked, and turned with it.
    marked = np.zeros((20, 20), int)
    marked[:1], marked[-3:], marked[:, :4], marked[:, -2:] = 1, 1, 1, 1
    for turns, flipped in VIEWS:
        view, p = turned(marked, turns, flipped), padding.turned(turns, flipped)
        inner = view[p.top : 20 - p.bottom, p.left : 20 - p.right]
        assert not inner.any()
        assert inner.shape in {(16, 14), (14, 16)}


def test_it_is_better_than_one_view_on_photographs(photographs: list[Path]) -> None:
    once, eightfold = (
        mean_scores(
            list(evaluate(photographs, ["srcnn-9-1-5-x3"], device="cpu", ensemble=ensemble))
        )[1]
        for ensemble in (False, True)
    )
    assert 0.02 < eightfold.psnr - once.psnr < 0.3
