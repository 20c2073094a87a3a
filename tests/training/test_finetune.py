"""Fine-tuning: from images to a model that is better than bicubic there, stopped and gone on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from commands import command_here
from networks import random_network
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tifffile import imwrite

import napari_srcnn
from napari_srcnn.image.resize import imresize
from napari_srcnn.io import read_stack
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.card import card_lines
from napari_srcnn.models.domain import check_domain
from napari_srcnn.models.library import default_model, load_model, model_info
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.training.field import Source
from napari_srcnn.training.finetune import FinetuneRun, Outcome, Prepared, Trained
from napari_srcnn.training.options import RECIPE, SCRATCH, FinetuneOptions
from napari_srcnn.training.runs import options_path, read_options, state_path, stopped_runs
from napari_srcnn.training.sources import reopened, sources_from_paths

CONFIG = dataclasses.replace(
    RECIPE,
    steps=60,
    minutes=None,
    batch=4,
    crop=16,
    warmup=10,
    validate_every=20,
    average=0.9,
    learning_rate=4e-3,
)
pytestmark = pytest.mark.usefixtures("one_thread", "own_home")


def discs(seed: int = 0, shape: tuple[int, ...] = (130, 120)) -> NDArray[np.uint16]:
    """Sharp bright discs on 16 bits, of which bicubic makes blurred ones."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for _ in range(40):
        cy, cx, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(2, 9)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.uniform(0.3, 1)
    return (100 + 4000 * gaussian_filter(image, 0.6)).astype(np.uint16)


@pytest.fixture(scope="module")
def stack() -> NDArray[np.uint16]:
    """Seven planes."""
    return np.stack([discs(seed) for seed in range(7)])


def options(high: Any, axes: str = "ZYX", **rest: Any) -> FinetuneOptions:
    given: dict[str, Any] = {
        "scale": 2,
        "name": "mine",
        "start": SCRATCH,
        "kernels": (3, 1, 3),
        "config": CONFIG,
        "device": "cpu",
    }
    source = Source(name="discs", high=high, axes=axes)
    return FinetuneOptions(sources=rest.pop("sources", (source,)), **(given | rest))


def finished(job: FinetuneRun) -> Outcome:
    for _ in job.run():
        pass
    return job.outcome()


def measured(job: FinetuneRun, number: int) -> Any:
    """Go on until the measurement of that number, and return the messages' iterator."""
    run = job.run()
    for message in run:
        number -= isinstance(message, Trained) and message.message.measured
        if number == 0:
            return run
    raise AssertionError("it was over before")


def measured_run(job: FinetuneRun) -> contextlib.closing[Any]:
    return contextlib.closing(measured(job, 1))


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# -- a whole run -----------------------------------------------------------------------------------


def test_a_network_from_scratch_soon_beats_bicubic_and_its_card_says_how(
    stack: NDArray[np.uint16],
) -> None:
    job = FinetuneRun(options(stack, degradation=Degradation(sigma=0.8)))
    messages = list(job.run())
    prepared, *rest = messages
    assert isinstance(prepared, Prepared)
    assert prepared.summary.startswith("discs: 0.062 megapixels to train on; held out: 1 whole")
    assert prepared.start == prepared.bicubic
    assert all(isinstance(message, Trained) for message in rest)
    assert [m.message.step for m in rest if isinstance(m, Trained)] == list(range(1, 61))
    looks = [m.now for m in rest if isinstance(m, Trained) and m.now is not None]
    assert len(looks) == 3
    patch = prepared.patch
    assert patch.truth.shape == patch.bicubic.shape == looks[-1].shape
    assert patch.low.shape == tuple(n // 2 for n in patch.truth.shape)
    errors = [float(((image - patch.truth) ** 2).mean()) for image in (patch.bicubic, looks[-1])]
    assert errors[1] < errors[0]

    outcome = job.outcome()
    assert outcome.is_better
    assert outcome.psnr > outcome.bicubic + 1
    over = f"+{outcome.psnr - outcome.bicubic:.2f} dB over bicubic"
    assert outcome.sentence == f"{over} on what it has not seen (1 whole plane of 7)."
    card = outcome.card
    assert card["steps_done"] == 60
    assert card["started_from"] is None
    assert card["degradation"] == "blur of 0.8 px, camera pixels (area), no noise"
    held = card["holdout"]
    assert (held["psnr"], held["bicubic"]) == (round(outcome.psnr, 3), round(outcome.bicubic, 3))
    assert held["bicubic_ssim"] < held["ssim"] < 1
    assert max(psnr for _, psnr in card["curve"]) == held["psnr"]
    assert len(card["curve"]) == 3
    json.dumps(card)
    path = job.save(outcome)
    response = model_info(path).card.response
    assert response is not None
    assert response.nonlinear < 1e-3
    assert 0 < response.overshoot < 100
    assert check_domain(stack, path).is_like
    assert check_domain(skimage.data.camera(), path).is_like is False


def test_the_saved_model_is_found_by_its_name_and_named_in_results(
    stack: NDArray[np.uint16], tmp_path: Path
) -> None:
    job = FinetuneRun(options(stack))
    outcome = finished(job)
    assert stopped_runs() == ["mine"]
    path = job.save(outcome)
    assert stopped_runs() == []
    assert [file.name for file in path.parent.iterdir()] == ["mine.safetensors"]
    loaded = load_model("mine")
    assert equal(loaded, outcome.model)
    image = torch.rand(1, 1, 20, 20)
    with torch.inference_mode():
        assert torch.equal(loaded(image), outcome.model(image))
    assert any(line.startswith("Held out: PSNR") for line in card_lines(model_info("mine")))
    result = napari_srcnn.upscale(discs(9), model="mine", device="cpu")
    assert result.shape == (260, 240)
    imwrite(tmp_path / "low.tif", discs(9))
    target = tmp_path / "out.ome.tif"
    done = command_here("upscale", tmp_path / "low.tif", target, "-m", "mine", "--device", "cpu")
    assert done.code == 0
    with read_stack(target) as made:
        assert made.metadata["napari_srcnn"]["model"] == "mine"


def test_it_begins_from_the_default_model_and_is_compared_with_it(
    stack: NDArray[np.uint16],
) -> None:
    config = dataclasses.replace(CONFIG, steps=2, learning_rate=0.0)
    job = FinetuneRun(options(stack, start="", config=config))
    prepared = next(iter(job.run()))
    assert isinstance(prepared, Prepared)
    assert prepared.start_name == "srcnn-9-5-5-x2-noise"
    assert prepared.start != prepared.bicubic
    outcome = finished(FinetuneRun(options(stack, start="", config=config)))
    # Nothing was learned, so it is as good as where it began, and that is not better.
    assert outcome.psnr == pytest.approx(outcome.start, abs=1e-4)
    assert not outcome.is_better
    assert "+0.00 dB over srcnn" in outcome.sentence or "-0.00 dB over srcnn" in outcome.sentence
    assert "It does not beat srcnn" in outcome.sentence
    # The spread's calibration is begun from, too, and one factor of it is its own.
    spread, before = outcome.card["spread"], model_info("srcnn-9-5-5-x2-noise").card.spread
    assert before is not None
    assert spread["weights"][1:] == list(before.weights[1:])
    (within,) = spread["within"].values()
    assert 0.4 < within[0] < within[1] <= 1
    assert "train longer, use more images, or check that the degradation" in outcome.sentence
    assert outcome.card["started_from"] == "srcnn-9-5-5-x2-noise"
    assert outcome.card["holdout"]["start"] == round(outcome.start, 3)


def test_worse_than_bicubic_is_told(stack: NDArray[np.uint16]) -> None:
    config = dataclasses.replace(CONFIG, steps=1, learning_rate=0.0)
    outcome = finished(FinetuneRun(options(stack, config=config)))
    assert not outcome.is_better
    assert outcome.psnr < outcome.bicubic
    assert "It does not beat bicubic" in outcome.sentence


def test_pairs_that_were_measured_are_trained_on(stack: NDArray[np.uint16]) -> None:
    low = Degradation(sigma=1.0).apply(stack, 2, np.random.default_rng(0), np.uint16)
    source = Source(name="discs", high=stack, axes="ZYX", low=low)
    outcome = finished(FinetuneRun(options(None, sources=(source,))))
    assert outcome.is_better
    assert outcome.card["degradation"] == "measured low-res images"
    assert outcome.card["recipe"]["shift_corrected"]


def test_fewer_patches_than_a_batch_are_told_and_trained_on() -> None:
    job = FinetuneRun(
        options(discs(0, (70, 80)), "YX", config=dataclasses.replace(CONFIG, batch=64))
    )
    prepared = next(job.run())
    assert isinstance(prepared, Prepared)
    assert any("fewer than a batch of 64" in note for note in prepared.notes)


# -- stopping and going on -------------------------------------------------------------------------


@pytest.mark.parametrize("stopped_after", [1, 2])
def test_a_run_that_goes_on_ends_as_if_it_had_never_stopped(
    stopped_after: int, stack: NDArray[np.uint16]
) -> None:
    noisy = Degradation(noise=Noise(gain=2, read=5, offset=100))
    whole = finished(FinetuneRun(options(stack, name="whole", degradation=noisy)))
    given = options(stack, degradation=noisy)
    run = measured(FinetuneRun(given), stopped_after)
    next(run)  # a step more, which is lost
    run.close()
    assert stopped_runs() == ["mine", "whole"]
    outcome = finished(FinetuneRun(given, resume=True))
    assert equal(outcome.model, whole.model)
    assert outcome.psnr == whole.psnr
    assert [psnr for _, psnr in outcome.card["curve"]] == [p for _, p in whole.card["curve"]]
    assert outcome.card["steps_done"] == whole.card["steps_done"] == 60


def test_the_best_from_before_the_stop_is_kept(stack: NDArray[np.uint16]) -> None:
    # From a model that is good already, a high rate leads away before long.
    config = dataclasses.replace(CONFIG, learning_rate=0.05, warmup=10, validate_every=1, steps=30)
    given = options(stack, start="", config=config)
    job = FinetuneRun(given)
    measured(job, 1).close()
    before = job.outcome()
    resumed = FinetuneRun(given, resume=True)
    outcome = finished(resumed)
    assert min(psnr for _, psnr in outcome.card["curve"][1:]) < before.psnr
    assert outcome.psnr >= before.psnr
    if outcome.psnr == before.psnr:
        assert equal(outcome.model, before.model)


def test_a_run_that_is_over_but_was_not_saved_can_still_be_saved(
    stack: NDArray[np.uint16],
) -> None:
    first = finished(FinetuneRun(options(stack)))
    job = FinetuneRun(options(stack), resume=True)
    outcome = finished(job)
    assert equal(outcome.model, first.model)
    assert outcome.card["steps_done"] == 60
    assert outcome.card["curve"] == first.card["curve"]
    job.save(outcome)
    assert stopped_runs() == []


def test_stopped_at_any_step_it_keeps_the_best_so_far(stack: NDArray[np.uint16]) -> None:
    job = FinetuneRun(options(stack))
    run = measured(job, 1)
    for _ in range(7):
        next(run)
    outcome = job.outcome()
    assert outcome.card["steps_done"] == 27
    assert len(outcome.card["curve"]) == 1
    run.close()
    job.save(outcome)
    assert equal(load_model("mine"), outcome.model)
    assert stopped_runs() == []


def test_before_the_first_measurement_there_is_nothing_to_keep(stack: NDArray[np.uint16]) -> None:
    job = FinetuneRun(options(stack))
    with pytest.raises(ValueError, match="Nothing was measured yet"):
        job.outcome()
    run = job.run()
    for _ in range(5):
        next(run)
    with pytest.raises(ValueError, match="Nothing was measured yet"):
        job.outcome()
    run.close()
    # Nothing is left that would only seem to be resumable.
    assert not options_path("mine").exists()
    with pytest.raises(ValueError, match="There is no stopped run named 'mine' to resume"):
        FinetuneRun(options(stack), resume=True)


def test_a_wish_comes_back_from_its_file(stack: NDArray[np.uint16], tmp_path: Path) -> None:
    imwrite(tmp_path / "high.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    boxes = [[(0, 100, 0, 120)]]
    given = options(
        None,
        sources=sources_from_paths(tmp_path / "high.tif", boxes=boxes),
        degradation=Degradation(sigma=0.5, noise=Noise(gain=1)),
        turn=False,
        config=dataclasses.replace(CONFIG, gain=(0.5, 1.1)),
    )
    whole = finished(FinetuneRun(dataclasses.replace(given, name="whole")))
    measured(FinetuneRun(given), 1).close()
    value = read_options("mine")
    again = FinetuneOptions.from_dict("mine", value, reopened(value))
    assert again.to_dict() == given.to_dict()
    outcome = finished(FinetuneRun(again, resume=True))
    assert equal(outcome.model, whole.model)


def test_damaged_leftovers_are_one_sentence(stack: NDArray[np.uint16]) -> None:
    measured(FinetuneRun(options(stack)), 1).close()
    value = read_options("mine")
    with pytest.raises(ValueError, match="were in no file; open them"):
        reopened(value)
    del value["kernels"]
    with pytest.raises(ValueError, match=r"mine\.run\.json is damaged or of another version"):
        FinetuneOptions.from_dict("mine", value, ())
    for text in ("", "[]", "{}", "{"):
        options_path("mine").write_text(text)
        with pytest.raises(ValueError, match=r"mine\.run\.json is damaged; remove it"):
            read_options("mine")
    state_path("mine").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"mine\.state is no state of a training run"):
        finished(FinetuneRun(options(stack), resume=True))
    with pytest.raises(ValueError, match="no stopped run named 'other' to resume; there are: mine"):
        read_options("other")


def test_other_settings_are_not_mixed_into_a_stopped_run(stack: NDArray[np.uint16]) -> None:
    measured(FinetuneRun(options(stack)), 1).close()
    with pytest.raises(ValueError, match="A run named 'mine' was stopped before it was over"):
        FinetuneRun(options(stack))
    other = options(stack, config=dataclasses.replace(CONFIG, batch=5))
    with pytest.raises(ValueError, match="belongs to a run with other settings"):
        finished(FinetuneRun(other, resume=True))


def test_a_state_without_a_best_measurement_has_nothing_to_keep(stack: NDArray[np.uint16]) -> None:
    measured(FinetuneRun(options(stack)), 1).close()
    state = torch.load(state_path("mine"), weights_only=True)
    torch.save(state | {"best": -math.inf}, state_path("mine"))
    run = FinetuneRun(options(stack), resume=True)
    steps = run.run()
    next(steps)
    next(steps)
    with pytest.raises(ValueError, match="Nothing was measured yet"):
        run.outcome()
    steps.close()


# -- noise ---------------------------------------------------------------------------------------


@pytest.fixture
def told(tmp_path: Path) -> str:
    """A network that is told the noise, in a file."""
    path = tmp_path / "told.safetensors"
    network = random_network(3, strength=0.1, kernels=(3, 1, 3), noise=True)
    card = {"description": "told", "windows": {"microscope": [0.1, 0.7]}}
    save_model(path, network, card)
    return str(path)


def noisy(stack: NDArray[np.uint16], seed: int = 0, times: float = 1.0) -> NDArray[np.uint16]:
    """The stack as a camera takes it, with noise of some percent of the range."""
    smooth = gaussian_filter(stack.astype(np.float64), (0, 1.5, 1.5))
    noise = Noise(gain=15, read=40, offset=100).times(times)
    made = noise.apply(smooth, np.random.default_rng(seed))
    return made.clip(0, 65535).round().astype(np.uint16)


@pytest.mark.parametrize("paired", [False, True])
def test_a_network_that_is_told_the_noise_stays_one(
    paired: bool, stack: NDArray[np.uint16], told: str
) -> None:
    low = Degradation().low_res(noisy(stack), 2) if paired else None
    source = Source(name="discs", high=stack if paired else noisy(stack), axes="ZYX", low=low)
    job = FinetuneRun(options(None, sources=(source,), start=told))
    messages = list(job.run())
    looks = [m.now for m in messages if isinstance(m, Trained) and m.now is not None]
    prepared = messages[0]
    assert isinstance(prepared, Prepared)
    assert looks[-1].shape == prepared.patch.truth.shape
    outcome = job.outcome()
    assert outcome.psnr > outcome.start
    job.save(outcome)
    model, info = load_model("mine"), model_info("mine")
    start = load_model(told)
    assert model.config == info.config == start.config
    assert model.config.noise
    assert not torch.equal(model.noise.weight, start.noise.weight)
    assert info.card.windows["microscope"] == (0.1, 0.7)
    assert ("ssim" in outcome.card["holdout"]) == paired
    json.dumps(outcome.card)
    result = napari_srcnn.upscale(noisy(stack)[0], model="mine", device="cpu")
    assert result.shape == (260, 240)


def test_noisy_images_are_recorrupted_which_is_said_and_can_be_left(
    stack: NDArray[np.uint16],
) -> None:
    config = dataclasses.replace(CONFIG, steps=1)
    said = {}
    for recorrupt in (None, False):
        job = FinetuneRun(options(noisy(stack), recorrupt=recorrupt, config=config))
        prepared, trained = job.run()
        assert isinstance(prepared, Prepared)
        assert isinstance(trained, Trained)
        # It is drawn on a logarithmic scale.
        assert 0 < trained.message.loss < 1
        outcome = job.outcome()
        said[recorrupt] = " ".join(prepared.notes)
        is_said = recorrupt is None
        assert ("by recorruption (Pang et al." in said[recorrupt]) == is_said
        assert ("noise included" in outcome.sentence) == is_said
        assert (
            "; recorruption of the examples' own noise" in outcome.card["degradation"]
        ) == is_said
        assert outcome.card["recipe"]["recorrupted"] == is_said
        assert outcome.card["recipe"]["loss"] == ("log_mse" if is_said else "mse")
        # The place that is watched is shown as it was recorded.
        known = prepared.patch.truth
        assert known.std() < 0.2
        job.save(outcome, force=True)
    l1 = dataclasses.replace(config, loss="l1")
    prepared = next(FinetuneRun(options(noisy(stack), config=l1)).run())
    assert isinstance(prepared, Prepared)
    assert "only the squared error teaches what clean images would" in " ".join(prepared.notes)


def test_recorruption_is_no_worse_on_the_clean_truth_where_noisy_targets_are(
    stack: NDArray[np.uint16],
) -> None:
    frames = noisy(stack, 1, 2.0)
    clean = gaussian_filter(stack.astype(np.float64), (0, 1.5, 1.5))
    test = noisy(stack, 2, 2.0)
    low, truth = Degradation().low_res(test[0], 2), clean[0]
    errors = {}
    for recorrupt in (True, False):
        config = dataclasses.replace(CONFIG, steps=150, batch=8)
        job = FinetuneRun(options(frames, recorrupt=recorrupt, config=config))
        outcome = finished(job)
        job.save(outcome, force=True)
        image = napari_srcnn.upscale(low.astype(np.float32), model="mine", device="cpu")
        errors[recorrupt] = float(np.square(image - truth)[8:-8, 8:-8].mean())
    bicubic = imresize(low, scale=2)
    errors["bicubic"] = float(np.square(bicubic - truth)[8:-8, 8:-8].mean())
    # So few steps hardly move it from bicubic, where it began; noisy targets take it far away.
    assert errors[True] < 1.05 * errors["bicubic"]
    assert errors[True] < 0.8 * errors[False]


@pytest.mark.parametrize("stopped_after", [1, 2])
def test_a_run_that_is_told_and_recorrupted_goes_on_as_if_it_had_never_stopped(
    stopped_after: int, stack: NDArray[np.uint16], told: str
) -> None:
    frames = noisy(stack)
    whole = finished(FinetuneRun(options(frames, name="whole", start=told)))
    given = options(frames, start=told)
    run = measured(FinetuneRun(given), stopped_after)
    next(run)
    run.close()
    outcome = finished(FinetuneRun(given, resume=True))
    assert equal(outcome.model, whole.model)
    assert outcome.psnr == whole.psnr


def test_whether_to_recorrupt_comes_back_and_older_runs_did_not(
    stack: NDArray[np.uint16],
) -> None:
    for recorrupt in (None, True, False):
        value = json.loads(json.dumps(options(stack, recorrupt=recorrupt).to_dict()))
        assert FinetuneOptions.from_dict("mine", value, ()).recorrupt is recorrupt
    del value["recorrupt"]
    assert FinetuneOptions.from_dict("mine", value, ()).recorrupt is False


def test_pairs_and_images_of_unknown_noise_are_not_recorrupted_by_force(
    stack: NDArray[np.uint16],
) -> None:
    low = Degradation().low_res(stack, 2)
    source = Source(name="discs", high=stack, axes="ZYX", low=low)
    with pytest.raises(ValueError, match="is for high-res images without low-res ones"):
        options(None, sources=(source,), recorrupt=True)
    small = noisy(stack)[0, :30, :90]
    job = FinetuneRun(options(small, "YX", recorrupt=True))
    with pytest.raises(ValueError, match="cannot be recorrupted: it has too few pixels"):
        finished(job)


# -- names and folders -----------------------------------------------------------------------------


def test_a_name_that_is_taken_is_refused_and_another_one_takes_all_along(
    stack: NDArray[np.uint16],
) -> None:
    config = dataclasses.replace(CONFIG, steps=3)
    job = FinetuneRun(options(stack, config=config))
    first = finished(job)
    path = job.save(first)
    before = path.read_bytes()
    job = FinetuneRun(options(stack, config=dataclasses.replace(config, seed=5)))
    second = finished(job)
    with pytest.raises(ValueError, match="There is a model named 'mine' already"):
        job.save(second)
    assert path.read_bytes() == before
    assert stopped_runs() == ["mine"]
    job.rename("yours")
    job.save(second)
    assert equal(load_model("yours"), second.model)
    assert stopped_runs() == []
    job.save(second, force=True)


def test_a_run_does_not_go_on_with_other_images(stack: NDArray[np.uint16]) -> None:
    measured(FinetuneRun(options(stack)), 1).close()
    for other in (options(np.roll(stack, 1, axis=0)), options(stack[:, :100])):
        with pytest.raises(ValueError, match="not the images, or not the rectangles, that mine"):
            finished(FinetuneRun(other, resume=True))
    assert stopped_runs() == ["mine"]
    finished(FinetuneRun(options(stack), resume=True))


def test_a_run_under_way_is_neither_offered_nor_taken(stack: NDArray[np.uint16]) -> None:
    run = measured(FinetuneRun(options(stack)), 1)
    next(run)
    assert stopped_runs() == []
    for how in ({}, {"resume": True}, {"anew": True}):
        with pytest.raises(ValueError, match="A run named 'mine' is under way; wait"):
            FinetuneRun(options(stack), **how)
    assert state_path("mine").is_file()
    run.close()
    assert stopped_runs() == ["mine"]


@pytest.mark.parametrize(
    "rest",
    [
        {"config": dataclasses.replace(CONFIG, crop=200)},
        {"sources": (Source(name="black", high=np.zeros((7, 130, 120), np.uint16), axes="ZYX"),)},
    ],
)
def test_a_stopped_run_is_not_lost_to_one_that_cannot_be(
    rest: dict[str, Any], stack: NDArray[np.uint16]
) -> None:
    measured(FinetuneRun(options(stack)), 1).close()
    with pytest.raises(ValueError):  # noqa: PT011  # whatever is wrong with it
        finished(FinetuneRun(options(stack, **rest), anew=True))
    assert stopped_runs() == ["mine"]
    finished(FinetuneRun(options(stack), resume=True))


def test_a_run_that_begins_anew_goes_on_from_nothing(stack: NDArray[np.uint16]) -> None:
    measured(FinetuneRun(options(stack)), 2).close()
    run = FinetuneRun(options(stack), anew=True).run()
    next(run)
    first = next(run)
    assert isinstance(first, Trained)
    assert first.message.step == 1
    run.close()


def test_no_model_takes_the_name_of_a_run_under_way(stack: NDArray[np.uint16]) -> None:
    job = FinetuneRun(options(stack, name="yours"))
    with measured_run(FinetuneRun(options(stack))), pytest.raises(ValueError, match="under way"):
        job.rename("mine")


@pytest.mark.parametrize("left", ["", "nobody knows", "1 0.0", "999999999 1.5"])
def test_what_a_crash_has_left_stops_nobody(left: str, stack: NDArray[np.uint16]) -> None:
    measured(FinetuneRun(options(stack)), 1).close()
    (state_path("mine").parent / "mine.running").write_text(left)
    assert stopped_runs() == ["mine"]
    finished(FinetuneRun(options(stack), resume=True))
    assert not (state_path("mine").parent / "mine.running").exists()


@pytest.mark.parametrize("name", ["", "a b", "../a", "a/b", "a.pt", default_model(2), "x" * 300])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name|characters"):
        options(discs(), "YX", name=name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_told(stack: NDArray[np.uint16], own_home: Path) -> None:
    own_home.mkdir()
    own_home.chmod(0o500)
    with pytest.raises(ValueError, match="cannot be written"):
        finished(FinetuneRun(options(stack)))


def test_a_folder_that_cannot_be_made_is_told_before_training(
    stack: NDArray[np.uint16], own_home: Path
) -> None:
    own_home.write_text("a file where the folder should be")
    run = FinetuneRun(options(stack)).run()
    next(run)
    with pytest.raises(ValueError, match="cannot be written"):
        next(run)


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        ({"scale": 5}, "scale is 5; 2, 3 or 4 can be trained"),
        ({"start": "nobody"}, "There is no model named 'nobody'"),
        ({"start": default_model(3)}, "enlarges ×3, not ×2; choose a model for ×2"),
        ({"device": "cuda:9"}, "There is no device 'cuda:9' here"),
        ({"kernels": (4, 1, 3)}, "odd"),
        ({"config": dataclasses.replace(CONFIG, crop=200)}, "choose a smaller patch"),
        ({"config": dataclasses.replace(CONFIG, crop=15)}, "no multiple of 2"),
        ({"sources": ()}, "There are no images"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    rest: dict[str, Any], sentence: str, stack: NDArray[np.uint16], own_home: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        finished(FinetuneRun(options(stack, **rest)))
    assert not own_home.exists()


# -- memory ----------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_steps(stack: NDArray[np.uint16]) -> None:
    config = dataclasses.replace(CONFIG, steps=10**6, batch=1, crop=12)
    run = measured(FinetuneRun(options(stack, config=config)), 3)
    tracemalloc.start()
    try:
        for _ in range(50):
            next(run)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            next(run)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        run.close()
    assert after - before < 200_000
