"""The fine-tuning widget, from a stack to a model that the others find, in the real viewer."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from heartbeat import ALLOWED, PACE, TRIES, Heartbeat, slide, times_bare
from tuning import EVERY, START, Tuning

import napari_srcnn
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.library import load_model, model_info, own_models
from napari_srcnn.samples import load_sample
from napari_srcnn.training import options as finetune_options
from napari_srcnn.training.runs import options_path, state_path, stopped_runs
from napari_srcnn.widgets.shared import runner
from napari_srcnn.widgets.shared.display import image_layers


@pytest.fixture
def small(pollen: np.ndarray) -> np.ndarray:
    """What a microscope of half the pixels takes of the stack."""
    made = Degradation(sigma=1.0, sampling="area").low_res(pollen, 2)
    return made.round().astype(np.uint16)


def test_a_stack_becomes_a_model_that_the_others_find(
    viewer: Any, dock: Callable[[], Any], tuning: Tuning, pollen: np.ndarray
) -> None:
    upscale = dock()
    viewer.add_image(pollen, name="my pollen")
    widget = tuning.open()
    assert widget.form.name.text() == "my-pollen-x2"
    assert "no blur, camera pixels (area), no noise; 5 min." in widget.summary.text()
    widget.form.blur.setValue(1.0)
    widget.train_button.click()
    tuning.learn()
    assert tuning.sees(widget.pause_button)
    assert not tuning.sees(widget.train_button)
    assert re.fullmatch(
        r"about .+ left · step [\d,]+ · [\d.e-]+ Mpx/s", widget.left.text(), re.IGNORECASE
    )
    tuning.wait_for(tuning.is_better)
    widget.stop_button.click()
    tuning.finish()

    assert stopped_runs() == []
    assert own_models() == ["my-pollen-x2"]
    card = model_info("my-pollen-x2").card
    held = card["holdout"]
    # The pollen has noise, and no cleaner partner.
    assert held["what"] == "1 whole plane of 6, noise included"
    assert held["psnr"] > max(held["bicubic"], held["start"])
    made, learned = card["degradation"].split("; ")
    assert made == "blur of 1 px, camera pixels (area), no noise"
    assert learned.startswith("recorruption of the examples' own noise")
    assert card["started_from"] == START
    assert card["steps_done"] >= tuning.steps[-1] > 0
    over, more = held["psnr"] - held["bicubic"], held["psnr"] - held["start"]
    verdict = widget.verdict.text()
    assert "what it has not seen (1 whole plane of 6, noise included)" in verdict
    assert verdict.endswith(f", {more:+.2f} dB over {START}.")
    assert verdict.startswith(f"{over:+.2f} dB over bicubic")

    curves = widget.curves
    assert curves.psnr[0] == (0.0, curves.lines["start"])
    assert [round(value, 3) for _, value in curves.psnr[1:]] == [v for _, v in card["curve"]]
    assert curves.lines["bicubic"] == pytest.approx(held["bicubic"], abs=1e-3)
    times, losses = zip(*curves.loss, strict=True)
    assert list(times) == sorted(times)
    assert all(0 < loss < 1 for loss in losses)
    assert not curves.grab().isNull()
    assert all(not picture.pixmap().isNull() for picture in widget.patches.pictures.values())
    assert tuning.sees(widget.live)
    assert "my-pollen-x2" in widget.message.text()

    assert upscale.form.model.value != "my-pollen-x2"
    assert "my-pollen-x2" in upscale.form.model.values
    assert widget.manager.chosen == "my-pollen-x2"
    assert "my-pollen-x2" in widget.form.start.values
    assert widget.form.name.text() == "my-pollen-x2-2"
    before, after = (load_model(name).state_dict() for name in (START, "my-pollen-x2"))
    assert any(not before[key].equal(after[key]) for key in before)

    upscale.form.model.value = "my-pollen-x2"
    upscale.form.tile.setValue(64)
    upscale.upscale()
    tuning.finish(upscale)
    assert viewer.layers[-1].metadata["napari_srcnn"]["model"] == "my-pollen-x2"


@pytest.mark.parametrize("is_saved", [True, False])
def test_what_is_no_better_is_asked_about(
    is_saved: bool, viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    tuning.forget_all()
    tuning.train()
    tuning.measure()
    widget.stop()
    tuning.finish()
    assert "does not beat" in widget.verdict.text()
    assert re.search(rf"-\d+\.\d\d dB over {START}", widget.verdict.text())
    assert tuning.sees(widget.save_button)
    assert own_models() == []
    if is_saved:
        widget.save_button.click()
        assert own_models() == ["cells-x2"]
        assert model_info("cells-x2").card["holdout"]["psnr"] < widget.curves.lines["start"]
    else:
        widget.drop_button.click()
        assert own_models() == []
        assert "not kept" in widget.message.text()
    assert not tuning.sees(widget.save_button)
    assert stopped_runs() == []


def test_random_weights_learn_until_the_time_is_over(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    widget.form.start.value = "scratch"
    widget.form.minutes.setValue(0.1)
    tuning.train()
    tuning.finish()
    assert list(widget.curves.lines) == ["bicubic"]
    assert "start" not in widget.verdict.text()
    if tuning.sees(widget.save_button):
        widget.save_button.click()
    card = model_info("cells-x2").card
    assert card["started_from"] is None
    assert card["seconds"] >= 6


def test_a_question_is_answered_before_the_next_training(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    tuning.forget_all()
    tuning.train()
    tuning.measure()
    widget.stop()
    tuning.finish()
    assert not tuning.sees(widget.resume_button), "one question at a time"
    tuning.train()
    assert "Save it anyway" in tuning.notes[-1]
    assert not widget.runner.job


def test_pause_waits_and_go_on_goes_on(viewer: Any, tuning: Tuning, pollen: np.ndarray) -> None:
    viewer.add_image(pollen)
    widget = tuning.open()
    tuning.train()
    tuning.learn()
    widget.pause_button.click()
    assert widget.pause_button.text() == "Go on"
    tuning.rest()
    count, text = len(tuning.steps), widget.left.text()
    assert "Paused" in text
    tuning.wait(500)
    assert (len(tuning.steps), widget.left.text()) == (count, text)
    widget.pause_button.click()
    assert widget.pause_button.text() == "Pause"
    tuning.wait_for(lambda: len(tuning.steps) > count)
    widget.pause_button.click()
    widget.cancel_button.click()  # which a pause does not hold up
    tuning.finish()


def test_cancel_leaves_nothing(viewer: Any, tuning: Tuning, pollen: np.ndarray) -> None:
    viewer.add_image(pollen)
    widget = tuning.open()
    for is_measured in (True, False):
        tuning.train()
        if is_measured:
            tuning.measure()
            assert state_path("pollen-x2").exists() or stopped_runs()
        widget.cancel_button.click()
        assert not widget.cancel_button.isEnabled()
        tuning.finish()
        assert widget.message.text() == "Cancelled; nothing was kept."
        assert list((tuning.home / "models").glob("*")) == []
        assert tuning.sees(widget.train_button)
        assert widget.form.isEnabled()
        assert not tuning.sees(widget.live)


def test_a_widget_closed_while_it_trains_can_resume(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    widget.form.blur.setValue(1.0)
    tuning.train()
    tuning.measure()
    reached = tuning.steps[-1]
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(20)
    assert stopped_runs() == ["cells-x2"]

    widget = tuning.open()
    assert "cells-x2" in widget.stopped_note.text()
    assert widget.form.name.text() == "cells-x2-2", "another name is proposed"
    widget.form.blur.setValue(0.0)  # it keeps what it was asked for
    widget.resume_button.click()
    tuning.learn()
    assert tuning.steps[0] > reached - EVERY
    assert tuning.steps[0] > 1
    tuning.wait_for(tuning.is_better)
    widget.stop_button.click()
    tuning.finish()
    assert own_models() == ["cells-x2"]
    card = model_info("cells-x2").card
    made, learned = card["degradation"].split("; ")
    assert made == "blur of 1 px, camera pixels (area), no noise"
    assert learned.startswith("recorruption of the examples' own noise")
    assert card["steps_done"] > reached
    assert stopped_runs() == []
    assert not tuning.sees(widget.resume_button)


def test_a_stopped_training_can_be_discarded(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    tuning.train()
    tuning.measure()
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(20)
    widget = tuning.open()
    widget.form.name.setText("cells-x2")
    tuning.train()
    assert "resume or discard it" in tuning.notes[-1]
    widget.discard_button.click()
    assert stopped_runs() == []
    assert not tuning.sees(widget.discard_button)
    assert not options_path("cells-x2").exists()


def test_a_layer_may_be_removed_while_it_is_learned_from(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    widget.form.blur.setValue(1.0)
    tuning.train()
    tuning.learn()
    viewer.layers.clear()
    tuning.wait(50)
    assert not tuning.sees(widget.sample_button), "the training has the window"
    assert tuning.sees(widget.stop_button)
    tuning.wait_for(tuning.is_better)
    widget.stop()
    tuning.finish()
    assert own_models() == ["cells-x2"]
    assert tuning.sees(widget.sample_button)


def test_one_job_at_a_time_in_all_windows(
    viewer: Any, dock: Callable[[], Any], tuning: Tuning, pollen: np.ndarray
) -> None:
    upscale = dock()
    viewer.add_image(np.tile(pollen, (30, 3, 3)), name="cells")
    widget = tuning.open()
    tuning.train()
    tuning.learn()
    for action in (widget.train, widget.estimate_noise, widget.preview, widget.resume):
        action()
        assert "The training is already running" in tuning.notes[-1]
    for action in (upscale.upscale, upscale.preview):
        action()
        assert "The training is running in its own window" in tuning.notes[-1]
    assert len(viewer.layers) == 1
    widget.cancel()
    tuning.finish()

    upscale.form.tile.setValue(64)
    upscale.upscale()
    tuning.wait_for(lambda: len(viewer.layers) == 2)
    tuning.train()
    assert "The upscaling is running in its own window" in tuning.notes[-1]
    assert not widget.runner.job
    upscale.cancel()
    tuning.finish(upscale)
    assert own_models() == stopped_runs() == []


@pytest.mark.parametrize("scale", [2, 3])
def test_a_pair_says_its_scale_and_is_learned_from(
    scale: int, viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    low = Degradation(sigma=1.0).low_res(pollen, scale).round().astype(np.uint16)
    high = viewer.add_image(pollen, name="sharp")
    viewer.add_image(low, name="blurred", scale=(1, scale, scale))
    widget = tuning.open()
    widget.form.high.value = high
    widget.form.low.value = viewer.layers["blurred"]
    assert widget.form.scale.value == scale
    assert not widget.form.scale.isEnabled()
    assert not tuning.sees(widget.form.degradation)
    assert f"×{scale}" in widget.form.pair_note.text()
    assert "low-res images as you took them" in widget.summary.text()
    assert all(f"-x{scale}" in name for name in widget.form.start.values[:-1])
    if scale == 2:
        widget.form.start.value = START
        tuning.train()
        tuning.wait_for(tuning.is_better)
        widget.stop()
        tuning.finish()
        card = model_info("sharp-x2").card
        assert card["degradation"] == "measured low-res images"
        assert card["holdout"]["psnr"] > card["holdout"]["start"]
    widget.form.low.value = None
    assert widget.form.scale.isEnabled()
    assert tuning.sees(widget.form.degradation)


def test_rectangles_of_a_shapes_layer_limit_what_is_used(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    image = viewer.add_image(pollen, scale=(2.0, 0.5, 0.5), translate=(1, 10, 20), name="cells")
    widget = tuning.open()
    assert not tuning.sees(widget.form.inside)
    # Rows 8 to 72 and columns 16 to 96 of the image, in pixels of another size elsewhere.
    world = np.array([[8, 16], [8, 96], [72, 96], [72, 16]]) * 0.5 - 0.25 + (10, 20)
    corners = np.column_stack([np.zeros(4), (world - (3, 4)) / 0.1])
    viewer.add_shapes([corners], scale=(1, 0.1, 0.1), translate=(0, 3, 4), name="here")
    tuning.wait_for(lambda: tuning.sees(widget.form.inside))
    assert widget.form.sources()[0].boxes == ()
    widget.form.inside.value = (viewer.layers["here"],)
    assert widget.form.sources()[0].boxes == ((8, 72, 16, 96),)
    assert widget.form.high.value is image
    tuning.train()
    tuning.learn()
    # 3 of 6 planes are trained on, of 64 x 80 pixels each.
    assert "cells: 0.015 megapixels to train on" in widget.message.text()
    widget.cancel()
    tuning.finish()

    viewer.layers["here"].data = [corners + np.array([0, 1e5, 1e5])]
    tuning.train()
    assert tuning.notes[-1] == "here has no rectangle on cells; draw one."


def test_noise_is_estimated_into_the_fields(viewer: Any, tuning: Tuning) -> None:
    stack = np.asarray(load_sample("pollen").data[:8])
    clean = np.tile(stack[:, ::4, ::4], (1, 4, 4)).astype(np.float64) * 0 + 1000
    clean += 400 * np.linspace(0, 10, clean.shape[-1])
    noisy = Noise(gain=8.0, read=20.0).apply(clean, np.random.default_rng(0))
    viewer.add_image(noisy.round().astype(np.uint16), name="ramp")
    widget = tuning.open()
    form = widget.form
    form.degradation.open(True)
    form.noise_button.click()
    tuning.finish()
    known = Noise(gain=form.gain.value(), read=form.read.value(), offset=form.offset.value())
    wanted = Noise(gain=8.0, read=20.0).variance(clean)
    assert np.median(np.abs(known.variance(clean) / wanted - 1)) < 0.15
    assert "gain" in widget.message.text()
    assert "gain" in widget.summary.text()
    assert "gain" in str(form.degradation_value())


def test_the_optics_give_the_blur_in_pixels_of_the_image(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    layer = viewer.add_image(pollen, scale=(1, 100, 100), units="nm")
    widget = tuning.open()
    form = widget.form
    form.aperture.setValue(0.5)
    form.wavelength.setValue(500)
    form.from_optics.click()
    assert form.blur.value() == pytest.approx(0.21 * 0.5 / 0.5 / 0.1, abs=0.006)
    layer.units = "pixel"
    form.blur.setValue(0.0)
    form.from_optics.click()
    assert "no pixel size" in tuning.notes[-1]
    assert form.blur.value() == 0


def test_the_low_res_image_is_shown_right_of_the_image_as_large(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    image = viewer.add_image(pollen, scale=(2, 0.5, 0.5), translate=(1, 10, 20), units="um")
    widget = tuning.open()
    widget.form.blur.setValue(1.0)
    viewer.dims.set_current_step(0, 2)
    widget.form.preview_button.click()
    tuning.finish()
    shown = viewer.layers[-1]
    wanted = Degradation(sigma=1.0).apply(pollen[2], 2, np.random.default_rng(0), dtype=np.uint16)
    np.testing.assert_array_equal(shown.data, wanted)
    ours, theirs = shown._extent_world_augmented, image._extent_world_augmented[:, -2:]
    np.testing.assert_allclose(np.ptp(ours, axis=0), np.ptp(theirs, axis=0))
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0])
    assert theirs[1, 1] < ours[0, 1] < theirs[1, 1] + 0.1 * np.ptp(theirs[:, 1])
    assert set(viewer.layers.selection) == {image}
    assert widget.form.high.value is image, "what is only a look is not learned from"
    assert shown not in [entry[0] for entry in widget.form.high.menu.values]
    assert shown in image_layers(viewer), "but may be enlarged"
    # Again: there is one, of what is chosen now.
    widget.form.blur.setValue(0.0)
    widget.preview()
    tuning.finish()
    assert len(viewer.layers) == 2
    assert not np.array_equal(viewer.layers[-1].data, wanted)
    # The rest of the plane is learned from, and not this.
    tuning.train()
    assert len(viewer.layers) == 1
    widget.cancel()
    tuning.finish()


def test_blur_and_noise_are_fitted_to_an_example(viewer: Any, tuning: Tuning) -> None:
    stack = np.asarray(load_sample("pollen").data[10:16])
    # Of another place of the same specimen.
    other = np.asarray(load_sample("pollen").data[18:24])
    example = Degradation(sigma=2.0).apply(other, 2, np.random.default_rng(1), dtype=np.uint16)
    viewer.add_image(example, name="example")
    high = viewer.add_image(stack, name="sharp")
    widget = tuning.open()
    assert widget.form.high.value is high
    widget.form.example.value = (viewer.layers["sharp"],)
    widget.fit_example()
    assert "choose a low-res one" in tuning.notes[-1]
    widget.form.example.value = (viewer.layers["example"],)
    widget.form.fit_button.click()
    tuning.finish()
    assert widget.form.blur.value() == pytest.approx(2.0, abs=0.5)


def test_noise_measured_in_other_counts_is_taken_back(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image((pollen // 256).astype(np.uint8), name="8-bit")
    also = viewer.add_image((pollen // 256).astype(np.uint8), name="8-bit too")
    deep = viewer.add_image(pollen, name="16-bit")
    widget = tuning.open()
    widget.form.high.value = viewer.layers["8-bit"]
    widget.form.blur.setValue(1.5)
    widget.estimate_noise()
    tuning.finish()
    measured = widget.form.degradation_value()
    assert measured.noise.gain > 0 or measured.noise.read > 0
    widget.form.high.value = also
    assert widget.form.degradation_value() == measured
    widget.form.high.value = deep
    assert widget.form.degradation_value() == Degradation(sigma=1.5)
    assert "uint8 image, and this one is uint16" in widget.message.text()


def test_a_folder_is_learned_from_and_resumed_without_a_layer(
    viewer: Any, tuning: Tuning, pollen: np.ndarray, small: np.ndarray, tmp_path: Path
) -> None:
    for kind, stack in (("sharp", pollen), ("blurred", small)):
        (tmp_path / kind).mkdir()
        for number, plane in enumerate(stack):
            tifffile.imwrite(tmp_path / kind / f"{number}.tif", plane)
    widget = tuning.open()
    assert tuning.sees(widget.sample_button)
    widget.form.high.choose_path(tmp_path / "sharp")
    assert not tuning.sees(widget.sample_button)
    assert widget.form.name.text() == "sharp-x2"
    widget.form.low.choose_path(tmp_path / "blurred")
    assert widget.form.scale.value == 2
    tuning.choose()
    tuning.train()
    tuning.measure()
    assert "held out: 1 of 6 images" in widget.message.text()
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(20)

    widget = tuning.open()
    assert tuning.sees(widget.resume_button)
    widget.resume_button.click()
    tuning.wait_for(tuning.is_better)
    widget.stop()
    tuning.finish()
    assert model_info("sharp-x2").card["holdout"]["what"] == "1 of 6 images"


def test_nothing_is_left_of_a_widget_closed_while_it_reads(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    import dask.array as da

    def slow(block: np.ndarray) -> np.ndarray:
        time.sleep(0.1)
        return block

    stack = da.from_array(np.tile(pollen, (20, 1, 1)), chunks=(1, -1, -1)).map_blocks(slow)
    viewer.add_image(stack, contrast_limits=(0, 5000))
    widget = tuning.open()
    tuning.train()
    tuning.wait(300)
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(5)
    assert own_models() == stopped_runs() == []


def test_a_fine_tuned_network_is_better_at_what_it_was_made_for(
    viewer: Any, tuning: Tuning, pollen: np.ndarray, small: np.ndarray
) -> None:
    """Beyond what the widget says: measured through `upscale`, on a plane it has not seen."""
    viewer.add_image(np.delete(pollen, 2, axis=0), name="cells")
    widget = tuning.open()
    widget.form.blur.setValue(1.0)
    tuning.train()
    tuning.wait_for(lambda: tuning.is_better(0.3))
    widget.stop()
    tuning.finish()
    truth, errors = pollen[2].astype(float), []
    for model in (START, "cells-x2"):
        big = napari_srcnn.upscale(small[2], 2, model=model, device="cpu", dtype="float32")
        errors.append(float(np.mean((big - truth)[16:-16, 16:-16] ** 2)))
    assert errors[1] < errors[0]


def test_the_main_thread_is_not_held_up_longer_than_by_bare_napari(
    make_napari_viewer: Callable[..., Any],
    tuning_of: Callable[[Any], Tuning],
    pollen: np.ndarray,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its thread gives way to all others: on a busy machine 25 steps are minutes.
    recipe = dataclasses.replace(finetune_options.RECIPE, validate_every=5)
    monkeypatch.setattr(finetune_options, "RECIPE", recipe)
    viewer = make_napari_viewer(show=True)
    stack = np.tile(pollen, (2, 3, 3))
    viewer.add_image(stack, name="cells")
    tuning = tuning_of(viewer)
    widget = tuning.open()
    held_up = []
    for _ in range(TRIES):
        qtbot.wait(300)
        heart, slider, began = Heartbeat(), slide(viewer, len(stack)), time.perf_counter()
        tuning.train()
        tuning.measure()
        tuning.wait(3 * PACE)
        widget.cancel_button.click()
        tuning.finish()
        seconds = time.perf_counter() - began
        slider.stop()
        ran = heart.stop()
        qtbot.wait(300)
        heart, slider = Heartbeat(), slide(viewer, len(stack))
        qtbot.wait(int(seconds * 1000))
        slider.stop()
        bare = heart.stop()
        held_up.append(times_bare(ran, bare))
        print(f"longest stall {ran * 1e3:.0f} ms in {seconds:.1f} s, {bare * 1e3:.0f} bare")
        if held_up[-1] <= ALLOWED:
            break
    assert min(held_up) <= ALLOWED
