"""A lab's images as training data: where blocks lie, what is held out, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift
from tifffile import imread

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training import blocks as field_blocks
from napari_srcnn.training import dataset as acquisition
from napari_srcnn.training.dataset import Dataset, enlarge, make_dataset
from napari_srcnn.training.field import Block, Source, context
from napari_srcnn.training.holdout import MARGIN
from napari_srcnn.training.sampler import BlockSampler

NETWORK = SRCNNConfig(kernels=(3, 1, 3), widths=(6, 4))
WIDE = SRCNNConfig(kernels=(9, 1, 5), widths=(6, 4), scale=3)


def scene(shape: tuple[int, ...], seed: int = 0, sigma: float = 2.0) -> NDArray[np.float64]:
    """Smooth structure within 0..1, that has something everywhere."""
    image = gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma, axes=(-2, -1))
    return np.asarray((image - image.min()) / np.ptp(image))


def numbered(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Every pixel has another value, by which it is found again."""
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


def area(high: NDArray[Any], scale: int) -> NDArray[np.float64]:
    height, width = (n // scale for n in high.shape[-2:])
    cells = high.reshape(*high.shape[:-2], height, scale, width, scale)
    return np.asarray(cells.mean((-3, -1)))


def source(high: Any, axes: str = "YX", name: str = "cells", **rest: Any) -> Source:
    return Source(name=name, high=high, axes=axes, **rest)


def used(data: Dataset, which: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where the blocks of a `numbered` image come from."""
    mask = np.zeros(shape, bool)
    for block in getattr(data, which):
        mask.ravel()[block.high.astype(int).ravel()] = True
    return mask


# -- what is held out ----------------------------------------------------------------------------


@pytest.mark.parametrize("network", [NETWORK, WIDE])
@pytest.mark.parametrize("shape", [(400, 130), (150, 500)])
def test_the_last_quarter_of_a_plane_is_held_out_with_a_margin(
    shape: tuple[int, int], network: SRCNNConfig
) -> None:
    data = make_dataset([source(numbered(shape))], network)
    along = int(np.argmax(shape))
    rows = [used(data, which, shape).any(1 - along).nonzero()[0] for which in ("training", "held")]
    gap = rows[1].min() - rows[0].max() - 1
    # Neither a pixel of truth nor what the network sees around one is shared.
    assert gap >= 2 * network.halo
    assert gap >= MARGIN
    assert len(rows[1]) == pytest.approx(shape[along] / 4, abs=4 + network.scale)
    assert "the last quarter of the plane" in data.summary


def test_overlapping_rectangles_share_nothing_either() -> None:
    shape, boxes = (300, 300), ((10, 150, 20, 290), (101, 299, 3, 211), (90, 201, 100, 260))
    data = make_dataset([source(numbered(shape), boxes=boxes)], NETWORK)
    inside = np.zeros(shape, bool)
    for y0, y1, x0, x1 in boxes:
        inside[y0:y1, x0:x1] = True
    masks = [used(data, which, shape) for which in ("training", "held")]
    assert not ((masks[0] | masks[1]) & ~inside).any()
    rows = [mask.any(1).nonzero()[0] for mask in masks]
    columns = [mask.any(0).nonzero()[0] for mask in masks]
    gaps = [held.min() - trained.max() - 1 for trained, held in (rows, columns)]
    assert max(gaps) >= MARGIN + NETWORK.halo


def test_of_two_small_rectangles_one_is_held_out() -> None:
    boxes = ((0, 40, 0, 40), (0, 40, 200, 240))
    data = make_dataset([source(numbered((60, 300)), boxes=boxes)], NETWORK)
    assert used(data, "training", (60, 300))[:40, :40].all()
    assert used(data, "held", (60, 300))[:40, 216:240].all()


def test_whole_planes_amid_a_stack_are_held_out_with_one_plane_between() -> None:
    high = scene((12, 60, 64)) + np.arange(12)[:, None, None] * 10
    data = make_dataset([source(high, "ZYX")], NETWORK)

    def planes(blocks: list[Block]) -> set[int]:
        return {int(block.high.min() // 10) for block in blocks}

    assert planes(data.held) == {5, 6}
    assert planes(data.training) == {0, 1, 2, 3, 8, 9, 10, 11}
    assert data.what_held == "2 whole planes of 12"


@pytest.mark.parametrize(
    ("axes", "shape", "along", "where"),
    [
        ("TZYX", (10, 6), 1, "10 whole planes of 60 (1 of 6 along Z)"),
        ("ZTYX", (6, 10), 0, "10 whole planes of 60 (1 of 6 along Z)"),
        ("TPYX", (5, 9), 1, "5 whole planes of 45 (1 of 9 along P)"),
        ("TZCYX", (2, 6, 2), 1, "2 whole planes of 12 (1 of 6 along Z)"),
        ("QQYX", (20, 6), 1, "20 whole planes of 120 (1 of 6 along Z)"),
    ],
)
def test_a_place_that_is_held_out_is_not_trained_on_at_another_time(
    axes: str, shape: tuple[int, ...], along: int, where: str
) -> None:
    numbers = np.indices(shape)[along][..., None, None]
    data = make_dataset([source(scene((*shape, 60, 64)) * 0.9 + numbers, axes)], NETWORK)

    def planes(blocks: list[Block]) -> set[int]:
        return {int(block.high.min()) for block in blocks}

    first = (shape[along] - 1) // 2
    assert planes(data.held) == {first}
    assert planes(data.training) == set(range(shape[along])) - {first - 1, first, first + 1}
    assert data.what_held == where
    assert any("if it is time, name it T" in note for note in data.notes) == ("Q" in axes)


@pytest.mark.parametrize(("axes", "shape"), [("TYX", (10,)), ("TZYX", (10, 4)), ("TQYX", (20, 4))])
def test_where_planes_may_be_of_one_place_the_same_part_of_each_is_held_out(
    axes: str, shape: tuple[int, ...]
) -> None:
    rows = np.arange(120.0)[:, None] + np.zeros((120, 60))
    data = make_dataset([source(np.broadcast_to(rows, (*shape, 120, 60)), axes)], NETWORK)
    ends = [
        (min(block.high.min() for block in part), max(block.high.max() for block in part))
        for part in (data.training, data.held)
    ]
    assert ends[0][1] + MARGIN < ends[1][0]
    assert data.what_held == "the last quarter of the planes"


@pytest.mark.parametrize("name", ["z{:03d}", "t{}", "cell 7, z{:02d}.ome"])
def test_of_numbered_files_a_run_is_held_out_with_one_between(name: str) -> None:
    sources = [source(scene((50, 60), n), name=name.format(n)) for n in range(12)]
    data = make_dataset(sources, NETWORK)
    assert {block.key[0] for block in data.held} == {5, 6}
    assert {block.key[0] for block in data.training} == set(range(12)) - {4, 5, 6, 7}
    assert data.what_held == "2 of 12 images"


def test_every_fifth_of_many_images_is_held_out() -> None:
    sources = [source(scene((50, 60), n), name="f" + "x" * n) for n in range(11)]
    data = make_dataset(sources, NETWORK)
    assert {block.key[0] for block in data.held} == {2, 7}
    assert {block.key[0] for block in data.training} == set(range(11)) - {2, 7}
    assert data.what_held == "2 of 11 images"
    assert data.summary.startswith("f, fx, fxx, …: ")


# -- blocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("boxes", [(), ((13, 205, 7, 290),)])
def test_low_blocks_are_the_area_means_of_the_truth(scale: int, boxes: Any) -> None:
    high = np.random.default_rng(1).integers(0, 4000, (211, 301)).astype(np.uint16)
    network = replace(NETWORK, scale=scale)
    data = make_dataset([source(high, boxes=boxes)], network)
    assert data.scale == scale
    for block in data.training + data.held:
        np.testing.assert_allclose(block.low, area(block.high, scale), rtol=1e-6)


def test_blocks_of_a_rectangle_lie_on_the_grid_of_the_whole_image() -> None:
    shape = (211, 301)
    data = make_dataset(
        [source(numbered(shape), boxes=((13, 205, 7, 290),))], replace(NETWORK, scale=3)
    )
    for block in data.training + data.held:
        y, x = divmod(int(block.high[0, 0]), shape[1])
        assert (y % 3, x % 3) == (0, 0)
        assert y >= 13
        assert x >= 7


def test_a_blurred_block_is_that_of_the_blurred_image() -> None:
    # Bounded memory means reading a block with what blurs into it, and no more.
    high = scene((900, 700), sigma=1) * 1000
    degradation = Degradation(sigma=2.0, sampling="bicubic")
    whole = degradation.low_res(high, 2)
    data = make_dataset([source(high)], NETWORK, degradation=degradation)
    assert len(data.training) > 1
    for block in data.training:
        y, x = np.argwhere(high.astype(np.float32) == block.high[0, 0])[0]
        part = whole[y // 2 : y // 2 + block.low.shape[0], x // 2 : x // 2 + block.low.shape[1]]
        np.testing.assert_allclose(block.low, part, atol=0.5)


def test_channels_have_ranges_of_their_own() -> None:
    dim, bright = scene((2, 100, 120)) * np.array([100, 30000])[:, None, None]
    for high, axes in ((np.stack([dim, bright]), "CYX"), (np.stack([dim, bright, dim], -1), "YXS")):
        data = make_dataset([source(high, axes)], NETWORK, window=(0.2, 0.6))
        assert data.ranges[0, 0].high == pytest.approx(np.percentile(dim, 99.9), rel=0.1)
        assert data.ranges[0, 1].high == pytest.approx(np.percentile(bright, 99.9), rel=0.1)
        assert data.peak == pytest.approx(0.4)
        for _, pair in data.held_images():
            assert 0.1 < pair.truth.min() < pair.truth.max() < 0.7


def test_alpha_is_no_channel() -> None:
    high = np.concatenate([scene((100, 120, 3)), np.ones((100, 120, 1))], -1)
    assert set(make_dataset([source(high, "YXS")], NETWORK).ranges) == {(0, 0), (0, 1), (0, 2)}


def test_any_leading_axes_are_planes() -> None:
    high = scene((2, 3, 3, 90, 60)) + numbered((2, 3, 3, 1, 1)) * 10
    data = make_dataset([source(high, "TCZYX")], NETWORK)
    for block in data.training + data.held:
        _, channel, _ = np.unravel_index(int(block.high.min() // 10), (2, 3, 3))
        assert block.key == (0, channel)


class Counted:
    """An array that remembers what was read of it."""

    def __init__(self, data: NDArray[Any]) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.planes: set[int] = set()
        self.pixels = self.largest = 0

    def __getitem__(self, key: Any) -> NDArray[Any]:
        part = self.data[key]
        self.planes.add(key[0])
        self.pixels += part.size
        self.largest = max(self.largest, part.size)
        return part


def test_memory_is_bounded_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquisition, "TRAIN_PIXELS", 100_000)
    monkeypatch.setattr(acquisition, "BLOCK", 64)
    monkeypatch.setattr(acquisition, "HELD_BLOCK", 64)
    high = Counted(scene((20, 128, 128)))
    data = make_dataset([source(high, "ZYX")], NETWORK)
    assert sum(block.high.size for block in data.training) <= 100_000
    assert high.pixels < 0.6 * high.data.size
    assert high.largest <= 72 * 128  # a block with what is around it
    assert len(high.planes - {8, 9, 10}) > 8  # from all over the stack
    assert "0.1 of 0.25 megapixels are kept to train on, evenly chosen." in " ".join(data.notes)


def test_only_the_rectangles_are_read() -> None:
    high = Counted(np.full((1, 600, 600), np.nan))
    high.data[:, 90:240, 90:240] = scene((150, 150))
    data = make_dataset([source(high, "ZYX", boxes=((100, 230, 100, 230),))], NETWORK)
    assert high.pixels < 150**2
    assert data.notes == ()


def test_every_channel_is_kept_where_not_all_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquisition, "TRAIN_PIXELS", 120_000)
    data = make_dataset([source(scene((60, 2, 50, 50)), "ZCYX")], NETWORK)
    channels = [block.key[1] for block in data.training]
    assert 0.25 < np.mean(channels) < 0.75
    # Not one of them at the beginning and the other at the end.
    assert abs(np.mean(channels[:20]) - np.mean(channels[-20:])) < 0.5


# -- crops -----------------------------------------------------------------------------------------


def sampler(data: Dataset, network: SRCNNConfig = NETWORK, **rest: Any) -> BlockSampler:
    return BlockSampler(data, crop=12, network=network, **({"turn": False} | rest))


@pytest.mark.parametrize("network", [NETWORK, WIDE, replace(WIDE, scale=4)])
def test_what_is_trained_on_is_what_bicubic_makes_of_the_whole_image(network: SRCNNConfig) -> None:
    high = scene((300, 200), sigma=1) * 1000
    data = make_dataset([source(high)], network, window=(0.1, 0.7))
    (block,) = data.training
    known = data.ranges[0, 0]
    # The block continues in the image: an edge of its own would be seen in the crop.
    height = 300 // network.scale * network.scale
    width = 200 // network.scale * network.scale
    low = area(high[:height, :width], network.scale)
    whole = enlarge(known.normalize(low), network.scale)
    truth = known.normalize(high).astype(np.float32)
    halo = network.halo
    inputs, truths = sampler(data, network).batch(np.random.default_rng(0), 40)
    assert inputs.shape == (40, 1, 12 + 2 * halo, 12 + 2 * halo)
    assert truths.shape == (40, 1, 12, 12)
    assert inputs.dtype == truths.dtype == np.float32
    for seen, wanted in zip(inputs[:, 0], truths[:, 0], strict=True):
        y, x = np.unravel_index(np.abs(truth - wanted[0, 0]).argmin(), truth.shape)
        np.testing.assert_allclose(truth[y : y + 12, x : x + 12], wanted, atol=1e-6)
        around = whole[y - halo : y + 12 + halo, x - halo : x + 12 + halo]
        np.testing.assert_allclose(seen, around, atol=2e-6)
        assert max(y, x) < max(block.high.shape)


def test_a_seed_gives_the_same_crops_and_noise_is_drawn_anew() -> None:
    noise = Noise(gain=2, read=5, offset=100)
    high = 100 + 2000 * scene((120, 100))
    data = make_dataset([source(high)], NETWORK, degradation=Degradation(noise=noise))
    draws = sampler(data, gain=(0.5, 1.1), turn=True)
    first, again, other = (draws.batch(np.random.default_rng(seed), 4) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])
    block, rng = data.training[0], np.random.default_rng(0)
    low = block.low
    one, two = (data.draw(low, block.high, (0, 0), rng).low for _ in range(2))
    assert not np.array_equal(one, two)
    deviation = (one - two).std() / np.sqrt(2)
    assert deviation == pytest.approx(np.sqrt(noise.variance(low).mean()), rel=0.05)
    # What is measured on is always the same.
    for (a, _), (b, _) in zip(data.held_images(), data.held_images(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_noise_is_rounded_and_clipped_as_the_camera_does() -> None:
    high = (scene((120, 100)) * 255).astype(np.uint8)
    data = make_dataset([source(high)], NETWORK, degradation=Degradation(noise=Noise(read=40)))
    block = data.training[0]
    low = data.draw(block.low, block.high, (0, 0), np.random.default_rng(0)).low
    np.testing.assert_array_equal(low, np.rint(low))
    assert (low.min(), low.max()) == (0, 255)


def test_crops_are_turned_mirrored_and_varied_alike() -> None:
    ramp = np.add.outer(np.arange(120.0), 3 * np.arange(100.0))
    data = make_dataset([source(ramp)], NETWORK)
    inputs, truths = sampler(data, turn=True).batch(np.random.default_rng(0), 64)
    halo = NETWORK.halo
    inner = inputs[..., halo:-halo, halo:-halo]
    assert np.abs(inner - truths).max() < 0.02
    slopes = {tuple(np.sign(t[0, [-1, 0], [0, -1]] - t[0, 0, 0])) for t in truths}
    assert len(slopes) == 4
    assert np.ptp(sampler(data).batch(np.random.default_rng(0), 9)[1][:, 0, 0, 1]) < 1
    inputs, truths = sampler(data, gain=(0.4, 0.6)).batch(np.random.default_rng(0), 64)
    assert np.abs(inputs[..., halo:-halo, halo:-halo] - truths).max() < 0.02
    steps = (truths[:, 0, -1, -1] - truths[:, 0, 0, 0]) / np.ptp(ramp[:12, :12])
    full = 1 / (data.ranges[0, 0].high - data.ranges[0, 0].low)
    assert np.mean(steps < 0.61 * full) == pytest.approx(0.7, abs=0.15)
    assert steps.max() == pytest.approx(full, rel=1e-3)


def test_a_patch_that_does_not_fit_is_refused() -> None:
    data = make_dataset([source(scene((120, 100)))], NETWORK)
    with pytest.raises(ValueError, match="A patch of 13 pixels is no multiple of 2"):
        BlockSampler(data, crop=13, network=NETWORK)
    with pytest.raises(ValueError, match=r"needs 2\d\d pixels a side .* choose a smaller patch"):
        BlockSampler(data, crop=200, network=NETWORK)


# -- pairs -----------------------------------------------------------------------------------------


def moved_pair(by: tuple[float, float], scale: int = 2) -> tuple[Any, Any]:
    """High, and low that lies `by` low-res pixels off and has another gain and offset."""
    high = scene((260, 300), sigma=3) * 1000
    low = area(shift(high, np.array(by) * scale, order=5, mode="reflect"), scale)
    return high[10:250, 12:288], (3 * low + 200)[10 // scale :, 12 // scale :][:120, :138]


def test_a_shift_gain_and_offset_between_a_pair_are_found_and_undone() -> None:
    high, low = moved_pair((0.4, -0.7))
    pair = source(high, low=low)
    errors = {}
    for correct in (True, False):
        data = make_dataset([pair], NETWORK, correct_shift=correct)
        (match,) = data.matches
        assert match.shift == pytest.approx((-0.4, 0.7), abs=0.05)
        assert match.correlation > 0.95
        (note,) = data.notes
        assert ("is corrected" in note) == correct
        blocks = data.training + data.held
        errors[correct] = max(np.abs(b.low - area(b.high, 2)).mean() for b in blocks)
        # The truth is in the units of the low-res image.
        assert np.mean([b.high.mean() for b in blocks]) == pytest.approx(low.mean(), rel=0.05)
    assert errors[True] < 0.01 * np.ptp(low)
    assert errors[True] < 0.2 * errors[False]


def test_blocks_of_a_pair_lie_on_one_another_in_rectangles_too() -> None:
    high = scene((300, 280)) * 1000
    data = make_dataset([source(high, low=area(high, 2), boxes=((31, 290, 23, 261),))], NETWORK)
    for block in data.training + data.held:
        np.testing.assert_allclose(block.low, area(block.high, 2), atol=1)
    assert data.notes == ()


def test_channels_of_a_pair_have_a_gain_of_their_own() -> None:
    high = scene((2, 160, 150)) * 1000
    low = area(high, 2) * np.array([5, 0.3])[:, None, None] + np.array([10, 400])[:, None, None]
    data = make_dataset([source(high, "CYX", low=low)], NETWORK)
    for block in data.training:
        np.testing.assert_allclose(block.low, area(block.high, 2), rtol=0.01)


def test_a_pair_is_matched_on_a_place_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_blocks, "MATCH", 64)
    high = scene((1, 400, 500))
    low = area(high, 2)
    counted = Counted(high)
    boxes = ((10, 120, 300, 480),)
    data = make_dataset([source(counted, "ZYX", low=low, boxes=boxes)], NETWORK)
    assert counted.largest <= max(128 * 128, 110 * 180)
    assert data.matches[0].correlation > 0.99


def test_no_noise_is_added_to_what_was_measured() -> None:
    high = scene((160, 150)) * 1000
    data = make_dataset(
        [source(high, low=area(high, 2))], NETWORK, degradation=Degradation(noise=Noise(read=50))
    )
    block = data.training[0]
    drawn = data.draw(block.low, block.high, (0, 0), np.random.default_rng(0))
    assert drawn.low is block.low
    assert drawn.high is block.high


def test_a_real_pair_is_matched(shared_data: Path) -> None:
    folder = shared_data / "micro/pairs/sr_caco2_x2"
    high, low = (imread(next((folder / part).iterdir())) for part in ("high", "low"))
    data = make_dataset([source(high, low=low)], NETWORK)
    assert data.matches[0].correlation > 0.5
    for block in data.held:
        assert np.corrcoef(block.low.ravel(), area(block.high, 2).ravel())[0, 1] > 0.5


# -- what is refused -------------------------------------------------------------------------------


def refusal(*sources: Source, network: SRCNNConfig = NETWORK) -> str:
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the sentences are compared
        make_dataset(sources, network)
    text = str(error.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("high", "low", "sentence"),
    [
        ((150, 150), (100, 100), "×1.5 along Y"),
        ((100, 100), (100, 100), "×1"),
        ((300, 300), (60, 60), "×5: 2, 3 or 4"),
        ((480, 480), (60, 60), "×8: 2, 3 or 4"),
        ((60, 60), (120, 120), "seem to be swapped"),
        ((200, 150), (100, 50), "the same along both"),
        ((180, 180), (60, 60), "differ by ×3, and a network for ×2 is to be trained; choose ×3"),
    ],
)
def test_pairs_of_other_shapes_are_refused(high: Any, low: Any, sentence: str) -> None:
    assert sentence in refusal(source(scene(high), low=scene(low)))


def test_pairs_that_do_not_belong_together_are_refused() -> None:
    high = scene((200, 200))
    other = area(scene((200, 200), seed=9), 2)
    assert "do not show the same place" in refusal(source(high, low=other))
    far = area(np.roll(high, 70, 0), 2)
    assert "low-res pixels apart" in refusal(source(high, low=far))
    assert "is constant or not finite" in refusal(source(high, low=np.ones((100, 100))))
    assert "is constant or not finite" in refusal(source(high, low=np.full((100, 100), np.nan)))
    sizes = {"pixel": (0.1, 0.1), "low_pixel": (0.4, 0.4)}
    assert "the pixel sizes ×4" in refusal(source(high, low=area(high, 2), **sizes))


def test_pairs_of_unlike_planes_are_refused() -> None:
    high = scene((3, 100, 100))
    for low in (area(high[:2], 2), area(high[0], 2)):
        assert "as many planes are needed of both" in refusal(source(high, "ZYX", low=low))
    colours = scene((100, 100, 3)), scene((50, 50, 4))[..., :1]
    assert "3 and 1 colours" in refusal(source(colours[0], "YXS", low=colours[1]))
    mixed = (source(scene((100, 100))), source(high[0], low=area(high[0], 2)))
    assert "give one kind" in refusal(*mixed)


@pytest.mark.parametrize(
    ("high", "axes", "sentence"),
    [
        (np.full((100, 120), 7.0), "YX", "every part of the images is constant, not finite or"),
        (np.full((100, 120), np.nan), "YX", "every part of the images is constant, not finite or"),
        (np.zeros((20, 120)), "YX", "at least 24 a side are needed"),
        (scene((60, 64)), "YX", "too small to holds a part of it out"),
        (np.zeros((0, 100, 120)), "ZYX", "no pixels"),
        (np.zeros((100, 120), bool), "YX", "whole numbers or floats are needed"),
        (np.zeros((100, 120), complex), "YX", "whole numbers or floats are needed"),
        (np.zeros((100, 120)), "ZYX", "a letter an axis"),
        (np.zeros((100, 120, 9)), "YXZ", "axes that end in YX"),
        (np.zeros((2, 100, 120, 3)), "CYXS", "channels and colour samples"),
    ],
)
def test_images_that_teach_nothing_are_refused(high: Any, axes: str, sentence: str) -> None:
    assert sentence in refusal(source(high, axes))


def test_saturated_images_are_refused_or_told() -> None:
    high = (scene((200, 220)) * 255).astype(np.uint8)
    half, some = (np.where(high > np.quantile(high, q), 255, high) for q in (0.2, 0.9))
    assert "of the image is saturated" in refusal(source(half.astype(np.uint8)))
    data = make_dataset([source(some.astype(np.uint8))], NETWORK)
    assert any("of the image is saturated" in note for note in data.notes)


def test_what_cannot_be_used_of_an_image_is_left_out_and_told() -> None:
    high = scene((1400, 600))
    high[700, 300] = np.inf
    data = make_dataset([source(high)], NETWORK)
    assert any("parts of the images are left out" in note for note in data.notes)
    assert all(np.isfinite(block.high).all() for block in data.training)


@pytest.mark.parametrize("fill", [np.nan, np.inf, -3.4028235e38])
@pytest.mark.parametrize("where", ["pixel", "margin", "frame"])
@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_what_is_known_of_an_image_is_learned_from_around_what_is_not(
    blur: float, where: str, fill: float
) -> None:
    high = (scene((400, 400)) * 1000).astype(np.float32)
    bad = np.zeros(high.shape, bool)
    if where == "pixel":
        bad[200, 100] = True
    else:
        bad[:12] = True
        bad[380:] = bad[:, :20] = bad[:, 390:] = where == "frame"
    given = np.where(bad, np.float32(fill), high)
    degradation = Degradation(sigma=blur)
    data = make_dataset([source(given)], NETWORK, degradation=degradation)
    assert sum(block.high.size for block in data.training) > 50_000
    whole = degradation.low_res(np.where(bad, 0, high), 2)
    range_ = data.ranges[0, 0]
    expected = np.percentile(degradation.low_res(high, 2)[10:-10, 10:-10], (0.1, 99.9))
    assert (range_.low, range_.high) == pytest.approx(tuple(expected), abs=60)
    for block in data.training + data.held:
        y, x = np.argwhere(high == block.high[0, 0])[0]
        height, width = block.high.shape
        assert not bad[y : y + height, x : x + width].any()
        # Nor does anything come near it that was made of what is not known.
        part = whole[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
        np.testing.assert_allclose(block.low, part, atol=0.5)


@pytest.mark.parametrize("fill", [np.nan, -3.4028235e38])
@pytest.mark.parametrize("by", [(0.0, 0.0), (0.4, -0.7)])
def test_so_it_is_with_pairs(by: tuple[float, float], fill: float) -> None:
    high, low = moved_pair(by)
    whole = make_dataset([source(high, low=low)], NETWORK)
    given = high.copy(), low.copy()
    given[0][100, 60] = given[1][90, 20] = fill
    data = make_dataset([source(given[0], low=given[1])], NETWORK)
    assert data.matches[0].shift == pytest.approx(whole.matches[0].shift, abs=0.05)
    pixels = [sum(block.high.size for block in one.training) for one in (data, whole)]
    assert pixels[0] > 0.5 * pixels[1]
    for block in data.training + data.held:
        assert np.abs(block.low - area(block.high, 2)).max() < 0.1 * np.ptp(low)


def test_a_stack_of_which_most_planes_are_empty_is_learned_from_where_it_shows_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acquisition, "TRAIN_PIXELS", 20_000)
    high = np.zeros((200, 60, 90))
    high[3:15] = scene((12, 60, 90))
    data = make_dataset([source(high, "ZYX")], NETWORK)
    assert sum(block.high.size for block in data.training) > 15_000
    # The planes amid the stack, which would be held out, are empty.
    assert data.what_held == "the last quarter of the planes"
    pair = make_dataset([source(high, "ZYX", low=area(high, 2))], NETWORK)
    assert pair.matches[0].correlation > 0.99


@pytest.mark.parametrize("margin", [0, 100, 900])
def test_an_image_amid_a_mask_is_measured_on_and_has_its_own_range(margin: int) -> None:
    high = np.pad(1000 + 100 * scene((200, 120)), margin)
    data = make_dataset([source(high)], NETWORK)
    assert data.ranges[0, 0].high == pytest.approx(1100, rel=0.02)
    assert sum((block.high > 0).sum() for block in data.held) > 24**2


def test_what_is_black_is_told() -> None:
    high = scene((200, 220))
    data = make_dataset([source(np.where(high < np.quantile(high, 0.3), 0, high))], NETWORK)
    assert any("is black (at its lowest value)" in note for note in data.notes)


def test_of_what_is_not_masked_too_much_may_be_saturated() -> None:
    high = np.zeros((200, 210), np.uint8)
    middle = scene((100, 210))
    high[50:150] = np.where(middle > np.quantile(middle, 0.3), 1.0, middle) * 254 + 1
    assert "of the image is saturated" in refusal(source(high))


def test_a_pair_whose_low_res_image_is_saturated_is_told() -> None:
    high = scene((200, 220)) * 1000
    low = area(high, 2)
    top = np.quantile(low, 0.8)
    data = make_dataset([source(high, low=np.minimum(low, top))], NETWORK)
    assert any("of the image is saturated" in note for note in data.notes)


# -- one place -------------------------------------------------------------------------------------


def test_the_frames_of_a_film_are_one_place_of_which_the_same_part_is_held_apart() -> None:
    rng = np.random.default_rng(3)
    place = scene((120, 60))
    frames = [place + 0.02 * rng.normal(size=place.shape) + 10 * n for n in range(12)]
    sources = [source(frame, name=f"t{n:02d}") for n, frame in enumerate(frames)]
    data = make_dataset(sources, NETWORK)
    assert data.what_held == "the last quarter of the planes"
    assert {block.key[0] for block in data.training} == set(range(12))


def test_a_copy_of_an_image_that_is_held_apart_is_not_trained_on() -> None:
    sources = [source(scene((50, 60), n), name="f" + "x" * n) for n in range(11)]
    sources[9] = source(sources[2].high * 2 + 5, name="copy")
    data = make_dataset(sources, NETWORK)
    assert {block.key[0] for block in data.held} == {2, 7}
    assert {block.key[0] for block in data.training} == set(range(11)) - {2, 7, 9}


def test_images_that_share_their_illumination_only_are_no_pair() -> None:
    y, x = np.mgrid[-1:1:200j, -1:1:220j]
    light = 1 - 0.4 * (y**2 + x**2)
    high, other = (light * (1 + 0.1 * scene((200, 220), seed)) for seed in (0, 9))
    assert "do not show the same place" in refusal(source(high, low=area(other, 2)))
    data = make_dataset([source(high, low=area(high, 2))], NETWORK)
    assert data.matches[0].correlation > 0.99


@pytest.mark.parametrize("which", ["high", "low"])
def test_colour_with_gray_is_said_as_such(which: str) -> None:
    high = scene((6, 96, 96))
    images = {"high": high, "low": area(high, 2)}
    images[which] = np.stack([images[which]] * 3, axis=-1)
    axes = "ZYXS" if which == "high" else "ZYX"
    said = refusal(source(images["high"], axes, low=images["low"]))
    assert "is RGB" in said
    assert "is gray" in said


# -- noise that is there already -------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "blur"), [(2, 0.0), (3, 0.0), (2, 0.8)])
def test_the_noise_of_high_res_images_is_not_counted_twice(scale: int, blur: float) -> None:
    noise = Noise(gain=2, read=12, offset=100)
    clean = 100 + 1500 * scene((600, 600), sigma=6)
    high = noise.apply(clean, np.random.default_rng(5))
    degradation = Degradation(sigma=blur, noise=noise)
    network = replace(NETWORK, scale=scale)
    data = make_dataset([source(high)], network, degradation=degradation)
    block = data.training[0]
    whole = clean[: 600 // scale * scale, : 600 // scale * scale]
    without = degradation.low_res(whole, scale)[: block.low.shape[0], : block.low.shape[1]]
    drawn = data.draw(block.low, block.high, (0, 0), np.random.default_rng(0))
    expected = float(np.sqrt(noise.variance(without).mean()))
    assert float(np.sqrt(drawn.told.variance(without).mean())) == pytest.approx(expected, rel=1e-3)
    assert (drawn.low - without).std() == pytest.approx(expected, rel=0.04)


def test_no_image_rectangles_outside_and_rgb_networks_are_refused() -> None:
    assert "There are no images" in refusal()
    outside = source(scene((100, 120)), boxes=((200, 300, 0, 90),))
    assert "No rectangle on cells has 24 pixels a side" in refusal(outside)
    network = replace(NETWORK, channels=3)
    assert "this one takes RGB" in refusal(source(scene((100, 120))), network=network)


def test_a_network_sees_no_further_than_its_context() -> None:
    for network in (NETWORK, WIDE, replace(WIDE, scale=4)):
        assert context(network) * network.scale >= network.halo + 2 * network.scale


@pytest.mark.parametrize(("dtype", "top"), [(np.uint16, 4095), (np.float32, 1.0), (np.uint8, 255)])
def test_a_detector_that_saturates_below_its_dtype_is_told(dtype: Any, top: float) -> None:
    high = scene((200, 210), sigma=4) * 2.0
    clipped = (np.minimum(high, np.quantile(high, 0.7)) / np.quantile(high, 0.7) * top).astype(
        dtype
    )
    data = make_dataset([source(clipped)], NETWORK)
    assert any("% of the image is saturated" in note for note in data.notes)
    much = (np.minimum(high, np.quantile(high, 0.3)) / np.quantile(high, 0.3) * top).astype(dtype)
    with pytest.raises(ValueError, match="choose an image that was exposed less"):
        make_dataset([source(much)], NETWORK)
