"""Training: goes on as if it had never stopped, is the same for a seed, and learns."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import identity_network, random_network
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.loop import TrainMessage, train, validate
from napari_srcnn.training.muon import orthogonal
from napari_srcnn.training.photographs import Pair, make_pair, read_luma
from napari_srcnn.training.state import LOSSES, TrainConfig, read_state

NETWORK = SRCNNConfig(kernels=(3, 1, 3), widths=(6, 4))
SHORT = TrainConfig(steps=25, batch=2, crop=12, warmup=5, validate_every=10, seed=3)
CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("one_thread")


def cells(seed: int, side: int = 96) -> Pair:
    """Bright discs with sharp edges, as nuclei have, of which bicubic makes blurred ones."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    image = np.zeros((side, side))
    for _ in range(25):
        cy, cx, radius = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(2, 9)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.uniform(0.3, 1)
    return make_pair(gaussian_filter(image, 0.6), 2)


TRAINED, HELD_HELD_OUT = [cells(0), cells(1)], [cells(2)]


def run(config: TrainConfig = SHORT, **options: Any) -> list[tuple[TrainMessage, dict[str, Any]]]:
    """Train to the end; the weights are copied, since they are one object that changes."""
    return [
        (message, {name: value.clone() for name, value in model.state_dict().items()})
        for message, model in train(config, NETWORK, [TRAINED], HELD_HELD_OUT, **options)
    ]


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def untimed(message: TrainMessage) -> TrainMessage:
    return dataclasses.replace(message, seconds=0.0, megapixels_per_second=0.0, seconds_left=0.0)


# -- the same again -------------------------------------------------------------------------------


def test_a_seed_gives_the_same_bits_and_another_seed_others() -> None:
    first, second = run(), run()
    assert [untimed(message) for message, _ in first] == [untimed(message) for message, _ in second]
    assert equal(first[-1][1], second[-1][1])
    other = run(dataclasses.replace(SHORT, seed=4))
    assert not equal(first[-1][1], other[-1][1])


@pytest.mark.parametrize("stopped_after", [1, 2])
def test_a_run_that_is_resumed_ends_as_if_it_had_never_stopped(
    stopped_after: int, tmp_path: Path
) -> None:
    whole = run()
    state = tmp_path / "run.state"
    messages = train(SHORT, NETWORK, [TRAINED], HELD_HELD_OUT, state_path=state)
    for _ in range(stopped_after):
        next(messages)
    messages.close()
    torch.rand(3), np.random.rand(3)  # noqa: NPY002  # a new process has other random numbers
    rest = run(state_path=state)
    assert [message.step for message, _ in rest] == [10, 20, 25][stopped_after:]
    for (resumed, weights), (message, expected) in zip(rest, whole[stopped_after:], strict=True):
        assert untimed(resumed) == untimed(message)
        assert equal(weights, expected)


def test_a_finished_run_has_no_more_to_say(tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    assert len(run(state_path=state)) == 3
    assert run(state_path=state) == []


def test_the_time_of_earlier_runs_counts(tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    messages = train(SHORT, NETWORK, [TRAINED], HELD_HELD_OUT, state_path=state)
    first, _ = next(messages)
    messages.close()
    rest = run(state_path=state)
    assert rest[0][0].seconds > first.seconds
    assert rest[0][0].megapixels_per_second == pytest.approx(
        20 * 2 * 12**2 / 1e6 / rest[0][0].seconds
    )


def test_a_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    run(state_path=state)
    with pytest.raises(ValueError, match="belongs to a run with other settings"):
        run(dataclasses.replace(SHORT, batch=3), state_path=state)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut short", b"no state at all"])
def test_a_damaged_state_is_refused(data: bytes, tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    state.write_bytes(data)
    with pytest.raises(ValueError, match=r"run\.state is no state of a training run; remove it"):
        run(state_path=state)


def test_another_file_of_torch_is_no_state(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(2)}, tmp_path / "run.state")
    with pytest.raises(ValueError, match="is no state of a training run"):
        run(state_path=tmp_path / "run.state")


def test_a_state_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "run.state"
    messages = train(SHORT, NETWORK, [TRAINED], HELD_HELD_OUT, state_path=state)
    next(messages)
    before = state.read_bytes()
    assert list(tmp_path.iterdir()) == [state]

    def full(value: Any, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    message, _ = next(messages)
    assert "run.state was not written" in message.note
    assert "No space left" in message.note
    assert "its last state stays" in message.note
    assert state.read_bytes() == before
    assert list(tmp_path.iterdir()) == [state]


def test_the_programs_own_random_numbers_stay_as_they_are() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    run()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
@pytest.mark.parametrize("loss", ["mse", "l1", "charbonnier"])
def test_every_loss_and_optimizer_learns(optimizer: Any, loss: Any) -> None:
    config = dataclasses.replace(SHORT, optimizer=optimizer, loss=loss, steps=60, batch=4)
    messages = [message for message, _ in run(config)]
    assert messages[-1].psnr > messages[0].psnr
    assert messages[-1].loss < messages[0].loss


def test_a_limit_of_minutes_ends_the_run_and_its_rate() -> None:
    config = dataclasses.replace(SHORT, steps=10**9, minutes=0.01)
    messages = [message for message, _ in run(config)]
    assert messages[-1].seconds >= 0.6
    # The last step and the last measurement may have been under way when the time was up.
    assert all(message.seconds < 0.6 for message in messages[:-2])
    assert messages[-1].step < 10**9
    assert messages[-1].seconds_left == pytest.approx(0, abs=0.01)
    assert config.rate(100, 0.6) == pytest.approx(0)
    assert config.rate(100, 0.3) == pytest.approx(config.learning_rate / 2)


class Breaking:
    """A loss that is no number at some steps."""

    def __init__(self, *steps: int) -> None:
        self.steps, self.calls = steps, 0

    def __call__(self, out: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return F.mse_loss(out, truth) * (math.nan if self.calls in self.steps else 1)


def test_after_a_loss_that_is_no_number_it_goes_on_from_the_best_and_slower(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LOSSES, "mse", Breaking(13))
    messages = run()
    assert [message.step for message, _ in messages] == [10, 20, 25]
    assert "from the best weights so far, at 0.5 of the rate" in messages[1][0].note
    assert not messages[0][0].note
    assert not messages[2][0].note
    assert all(value.isfinite().all() for value in messages[-1][1].values())


def test_a_loss_that_stays_no_number_ends_it_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LOSSES, "mse", Breaking(*range(5, 100)))
    with pytest.raises(ValueError, match="broke down several times in a row"):
        run()


def test_without_memory_a_batch_is_halved_and_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(out: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        if len(out) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB.")
        return F.mse_loss(out, truth)

    monkeypatch.setitem(LOSSES, "mse", small)
    messages = run(dataclasses.replace(SHORT, batch=8))
    assert [message.step for message, _ in messages] == [10, 20, 25]
    assert "a batch has 4 crops now" in messages[0][0].note
    assert "a batch has 2 crops now" in messages[0][0].note


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", 0),
        ("batch", 0),
        ("optimizer", "sgd"),
        ("loss", "huber"),
        ("learning_rate", -1.0),
        ("minutes", 0.0),
        ("patience", 0),
        ("precision", "float16"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{setting} is "):
        dataclasses.replace(SHORT, **{setting: value})


def test_an_orthogonal_matrix_has_singular_values_near_one() -> None:
    for shape in ((32, 81), (64, 20), (5, 5)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        values = torch.linalg.svdvals(orthogonal(1e-4 * matrix))
        assert values.min() > 0.3
        assert values.max() < 1.3


# -- what is asked for ----------------------------------------------------------------------------


def test_every_step_is_told_where_that_is_asked_for() -> None:
    plain = run()
    told = run(every_step=True)
    assert [message.step for message, _ in told] == list(range(1, 26))
    measured = [(message, weights) for message, weights in told if message.measured]
    assert [message.step for message, _ in measured] == [10, 20, 25]
    for (one, weights), (other, expected) in zip(measured, plain, strict=True):
        assert untimed(one) == untimed(other)
        assert equal(weights, expected)
    assert all(math.isnan(message.psnr) for message, _ in told[:9])
    assert [message.psnr for message, _ in told[10:19]] == [told[9][0].psnr] * 9
    assert not any(message.best for message, _ in told if not message.measured)


def test_the_time_in_which_nobody_asks_is_not_counted() -> None:
    messages = train(SHORT, NETWORK, [TRAINED], HELD_HELD_OUT, every_step=True)
    first, _ = next(messages)
    began = time.perf_counter()
    time.sleep(0.5)
    second, _ = next(messages)
    assert second.seconds - first.seconds <= time.perf_counter() - began - 0.5


def test_without_a_better_measurement_it_ends_early(tmp_path: Path) -> None:
    # Nothing is learned, so the first measurement stays the best.
    config = dataclasses.replace(
        SHORT, learning_rate=0.0, patience=3, steps=10**6, validate_every=2
    )
    state = tmp_path / "run.state"
    messages = [message for message, _ in run(config, state_path=state)]
    assert [message.step for message in messages] == [2, 4, 6, 8]
    assert [message.best for message in messages] == [True, False, False, False]
    assert messages[-1].seconds_left == 0
    assert run(config, state_path=state) == []
    again = train(config, NETWORK, [TRAINED], HELD_HELD_OUT, state_path=tmp_path / "other.state")
    next(again), next(again)
    again.close()
    rest = run(config, state_path=tmp_path / "other.state")
    assert [message.step for message, _ in rest] == [6, 8]


@pytest.mark.parametrize("side", [12, 16])
def test_bfloat16_learns_nearly_the_same_and_its_weights_stay_float32(side: int) -> None:
    config = dataclasses.replace(SHORT, crop=side, steps=60, batch=4)
    full, half = (
        run(dataclasses.replace(config, precision=precision))
        for precision in ("float32", "bfloat16")
    )
    assert not equal(full[-1][1], half[-1][1])
    assert all(value.dtype == torch.float32 for value in half[-1][1].values())
    assert half[-1][0].psnr == pytest.approx(full[-1][0].psnr, abs=0.5)
    assert half[-1][0].psnr > half[0][0].psnr


def test_a_peak_below_one_lowers_the_psnr_by_as_much() -> None:
    full, part = run()[0][0], run(peak=0.4)[0][0]
    lost = 20 * math.log10(0.4)
    assert part.psnr == pytest.approx(full.psnr + lost)
    assert part.bicubic_psnr == pytest.approx(full.bicubic_psnr + lost)
    assert part.loss == full.loss


class Always:
    """Draws the same crop at any time, and remembers how often."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Any, Any]:
        self.batches.append(size)
        pair, halo = TRAINED[0], NETWORK.halo
        inner = slice(20 - halo, 32 + halo)
        inputs, truths = pair.enlarged[:, inner, inner], pair.truth[:, 20:32, 20:32]
        return np.stack([inputs] * size), np.stack([truths] * size)


def test_what_draws_batches_itself_is_learned_from() -> None:
    source = Always()
    config = dataclasses.replace(SHORT, steps=200, validate_every=50)
    messages = [message for message, _ in train(config, NETWORK, source, HELD_HELD_OUT)]
    assert source.batches == [2] * 200
    # One crop is soon known by heart.
    assert messages[-1].loss < 0.5 * messages[0].loss


def test_a_stopped_run_says_how_far_it_had_come(tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    whole = run()
    began = time.perf_counter()
    messages = train(SHORT, NETWORK, [TRAINED], HELD_HELD_OUT, state_path=state)
    next(messages), next(messages)
    messages.close()
    passed = time.perf_counter() - began
    found = read_state(state)
    assert found.step == 20
    best = max(whole[:2], key=lambda told: told[0].psnr)
    assert found.best == best[0].psnr
    assert equal(found.best_weights, best[1])
    assert [psnr for _, psnr in found.curve] == [round(m.psnr, 3) for m, _ in whole[:2]]
    # The curve's times have one decimal.
    assert found.curve[-1][0] - 0.1 <= found.seconds <= passed


# -- messages -------------------------------------------------------------------------------------


def test_messages_come_at_every_measurement_and_at_the_end() -> None:
    messages = [message for message, _ in run()]
    assert [message.step for message in messages] == [10, 20, 25]
    assert {message.steps for message in messages} == {25}
    best = -math.inf
    for message in messages:
        assert message.best == (message.psnr > best)
        best = max(best, message.psnr)
        assert message.loss > 0
    assert len({message.bicubic_psnr for message in messages}) == 1
    seconds = [message.seconds for message in messages]
    assert seconds == sorted(seconds)
    with pytest.raises(dataclasses.FrozenInstanceError):
        messages[0].loss = 0.0  # type: ignore[misc]


def test_the_loss_is_the_mean_since_the_last_message_however_short() -> None:
    # Nothing is learned, so all steps have nearly one loss: a short last stretch has it, too.
    still = dataclasses.replace(SHORT, learning_rate=0.0, gain=None, batch=64)
    start = identity_network(skip=True, kernels=NETWORK.kernels, widths=NETWORK.widths)
    losses = [message.loss for message, _ in run(still, start=start)]
    assert losses[2] == pytest.approx(losses[1], rel=0.15)
    assert losses[0] == pytest.approx(losses[1], rel=0.15)


def test_the_rate_warms_up_and_follows_a_cosine_to_zero() -> None:
    config = TrainConfig(steps=1000, warmup=100, learning_rate=0.5)
    rates = [config.rate(step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.005)
    assert max(rates) == rates[100] == 0.5
    assert rates[550] == pytest.approx(0.25)
    assert rates[1000] == pytest.approx(0)
    assert np.all(np.diff(rates[:100]) > 0)
    assert np.all(np.diff(rates[100:]) < 0)


@pytest.mark.parametrize("holdout", [[], [make_pair(np.zeros((8, 200)), 2)]])
def test_without_images_to_measure_on_it_does_not_begin(holdout: list[Pair]) -> None:
    network = SRCNNConfig(kernels=(9, 1, 5), widths=(2, 2))
    with pytest.raises(ValueError, match="at least 13 pixels a side have to be held out"):
        next(train(SHORT, network, [TRAINED], holdout))


# -- measuring ------------------------------------------------------------------------------------


def test_bicubics_psnr_is_that_of_its_inner_pixels() -> None:
    model = identity_network(skip=True, kernels=NETWORK.kernels, widths=NETWORK.widths)
    ours, bicubic = validate(model, HELD_HELD_OUT, CPU)
    assert ours == bicubic
    pair = HELD_HELD_OUT[0]
    error = (pair.enlarged - pair.truth)[:, 2:-2, 2:-2].astype(np.float64)
    assert bicubic == pytest.approx(-10 * math.log10(np.mean(error**2)), abs=1e-4)


def test_the_networks_psnr_is_that_of_the_same_pixels() -> None:
    model = random_network(1, kernels=(3, 1, 3))
    pair = HELD_HELD_OUT[0]
    with torch.inference_mode():
        out = model(torch.from_numpy(pair.enlarged)[None])
    error = F.mse_loss(out, torch.from_numpy(pair.truth)[None, :, 2:-2, 2:-2]).item()
    assert validate(model, [pair], CPU)[0] == pytest.approx(-10 * math.log10(error), abs=1e-4)


def test_noise_that_was_added_to_a_truth_is_no_error_of_a_network() -> None:
    model = identity_network(skip=True, kernels=NETWORK.kernels, widths=NETWORK.widths)
    pair = HELD_HELD_OUT[0]
    added = np.random.default_rng(0).normal(0, 0.05, pair.truth.shape).astype(np.float32)
    noisy = Pair(enlarged=pair.enlarged, truth=pair.truth + added, added=added)
    np.testing.assert_allclose(noisy.shown, pair.truth, atol=1e-6)
    clean, (found, _) = validate(model, [pair], CPU)[0], validate(model, [noisy], CPU)
    assert validate(model, [Pair(enlarged=pair.enlarged, truth=noisy.truth)], CPU)[0] < clean - 1
    # What the noise has in common with the error is there by chance.
    error = (pair.enlarged - pair.truth)[:, 2:-2, 2:-2]
    chance = 2 * float((error * added[:, 2:-2, 2:-2]).mean())
    assert found == pytest.approx(-10 * math.log10(10 ** (-clean / 10) - chance), abs=1e-3)


# -- learning -------------------------------------------------------------------------------------


def train_for_seconds(groups: list[list[Pair]], holdout: list[Pair]) -> list[TrainMessage]:
    network = SRCNNConfig(kernels=(9, 1, 5), widths=(16, 8))
    config = TrainConfig(
        steps=300,
        batch=8,
        crop=24,
        learning_rate=4e-3,
        warmup=20,
        average=0.95,
        validate_every=100,
        gain=None,
    )
    return [message for message, _ in train(config, network, groups, holdout)]


def test_a_small_network_soon_beats_bicubic_on_what_it_has_not_seen() -> None:
    messages = train_for_seconds([[cells(i) for i in range(10, 16)]], [cells(20), cells(21)])
    assert messages[-1].psnr > messages[-1].bicubic_psnr + 0.5
    assert messages[-1].loss < 0.8 * messages[0].loss


def test_a_small_network_soon_beats_bicubic_on_photographs(photographs: list[Path]) -> None:
    *trained, held = [make_pair(read_luma(path), 2) for path in photographs]
    messages = train_for_seconds([trained], [held])
    assert messages[-1].psnr > messages[-1].bicubic_psnr + 0.3


def test_training_goes_on_from_weights_that_are_given() -> None:
    start = random_network(5, kernels=NETWORK.kernels, widths=NETWORK.widths)
    still = dataclasses.replace(SHORT, learning_rate=0.0)
    weights = run(still, start=start)[-1][1]
    assert equal(weights, start.state_dict())
    assert not equal(run(start=start)[-1][1], start.state_dict())


def test_what_is_given_and_yielded_can_be_used_as_it_is() -> None:
    start = random_network(5, kernels=NETWORK.kernels, widths=NETWORK.widths)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    for _, model in train(SHORT, NETWORK, [TRAINED], HELD_HELD_OUT, start=start):
        assert isinstance(model, SRCNN)
        assert model.config == NETWORK
    assert equal(start.state_dict(), before)
