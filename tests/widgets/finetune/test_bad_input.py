"""What can go wrong with data for fine-tuning: told in one sentence, nothing left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from networks import random_network
from tuning import Tuning

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.models.library import own_models
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.training.runs import stopped_runs
from napari_srcnn.widgets.shared import runner
from napari_srcnn.widgets.shared.caution import SIGN


def low_of(stack: np.ndarray, scale: int = 2) -> np.ndarray:
    return Degradation().low_res(stack, scale).astype(np.uint16)


def entries(choice: Any) -> list[str]:
    return [choice.menu.itemText(index) for index in range(choice.menu.count())]


def is_told(tuning: Tuning, *words: str) -> None:
    """The last note is a sentence with these words; it stands in the widget; nothing was begun."""
    text = tuning.notes[-1]
    assert all(word in text for word in words), text
    assert "Traceback" not in text
    assert "\n" not in text
    assert tuning.widget.message.text() == SIGN + text
    assert not tuning.widget.runner.job
    assert tuning.widget.train_button.isEnabled()
    assert tuning.widget.form.isEnabled()
    assert stopped_runs() == []


PAIRS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[str, ...]]] = {
    "x8": (lambda stack: stack[:, ::8, ::8], ("×8", "2, 3 or 4")),
    "swapped": (lambda stack: np.repeat(np.repeat(stack, 2, 1), 2, 2), ("larger", "swap")),
    "x1": (lambda stack: stack.copy(), ("×1",)),
    "unequal": (lambda stack: low_of(stack)[:, :, :30], ("along Y", "along X")),
    "fewer planes": (lambda stack: low_of(stack)[:4], ("planes", "needed")),
    "constant": (lambda stack: np.full((6, 48, 48), 7, np.uint16), ("constant",)),
    "nan": (lambda stack: np.full((6, 48, 48), np.nan, np.float32), ("not finite",)),
    "other place": (
        lambda stack: np.random.default_rng(0).random((6, 48, 48)),
        ("the same place",),
    ),
}


def test_pairs_that_are_none(viewer: Any, tuning: Tuning, pollen: np.ndarray) -> None:
    high = viewer.add_image(pollen, name="sharp")
    widget = tuning.open()
    widget.form.high.value = high
    for name, (low, words) in PAIRS.items():
        partner = viewer.add_image(low(pollen), name=name, contrast_limits=(0, 1))
        tuning.wait_for(lambda name=name: name in entries(widget.form.low))
        widget.form.low.value = partner
        tuning.train()
        tuning.finish()
        is_told(tuning, *words)


def test_a_layer_with_itself(viewer: Any, tuning: Tuning, pollen: np.ndarray) -> None:
    layer = viewer.add_image(pollen)
    widget = tuning.open()
    widget.form.low.value = layer
    assert "choose another" in widget.summary.text()
    tuning.train()
    is_told(tuning, "The low-res image is the high-res image")


POOR: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {
    "constant": (np.full((6, 96, 96), 3, np.uint16), ("constant",)),
    "nan": (np.full((6, 96, 96), np.nan, np.float32), ("not finite",)),
    "tiny": (np.random.default_rng(0).random((6, 20, 20)), ("20 × 20", "are needed")),
    "no room to measure": (np.random.default_rng(0).random((60, 60)), ("too small",)),
    "saturated": (np.full((6, 96, 96), 65535, np.uint16), ("constant",)),
}


def test_images_that_nothing_can_be_learned_from(viewer: Any, tuning: Tuning) -> None:
    widget = tuning.open()
    for name, (data, words) in POOR.items():
        layer = viewer.add_image(data, name=name, contrast_limits=(0, 1))
        tuning.wait_for(lambda name=name: name in entries(widget.form.high))
        widget.form.high.value = layer
        tuning.choose()
        tuning.train()
        tuning.finish()
        is_told(tuning, *words)
    assert own_models() == []


def test_masks_are_refused(viewer: Any, tuning: Tuning, pollen: np.ndarray) -> None:
    layer = viewer.add_image(pollen, name="mask")
    layer._data = pollen > 5000  # napari makes numbers of it
    tuning.open()
    tuning.train()
    tuning.finish()
    is_told(tuning, "mask", "bool")


def test_a_patch_larger_than_what_there_is(viewer: Any, tuning: Tuning, pollen: np.ndarray) -> None:
    viewer.add_image(pollen[:, :60, :60])
    widget = tuning.open()
    widget.form.patch.value = 96
    tuning.train()
    tuning.finish()
    is_told(tuning, "smaller patch")


def test_names_that_cannot_be(viewer: Any, tuning: Tuning, pollen: np.ndarray) -> None:
    save_model(user_model_dir() / "mine.safetensors", random_network(0), {})
    viewer.add_image(pollen)
    widget = tuning.open()
    for name, words in {
        "": "needs a name",
        "  ": "needs a name",
        "mine": "already",
        "a/b": "a/b",
        "..": "..",
        "srcnn-9-1-5-x2": "bundled",
    }.items():
        widget.form.name.setText(name)
        tuning.train()
        is_told(tuning, words)
    assert own_models() == ["mine"]


def test_a_model_folder_that_cannot_be_written(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    # A file stands where the folder should be; even root cannot write into that.
    tuning.home.mkdir(parents=True)
    (tuning.home / "models").write_text("")
    viewer.add_image(pollen)
    tuning.open()
    tuning.train()
    tuning.finish()
    is_told(tuning, "cannot be written")


def test_a_model_that_cannot_be_saved_is_asked_about_and_saved_later(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    widget.form.blur.setValue(1.0)
    tuning.train()
    tuning.wait_for(tuning.is_better)
    # Another program takes the name meanwhile.
    taken = save_model(user_model_dir() / "cells-x2.safetensors", random_network(0), {})
    before = taken.read_bytes()
    widget.stop()
    tuning.finish()
    assert "already" in tuning.notes[-1]
    assert tuning.sees(widget.save_button)
    widget.form.name.setText("no/name")
    widget.save_button.click()
    assert tuning.sees(widget.save_button), "still"
    widget.form.name.setText("mine")
    widget.save_button.click()
    assert own_models() == ["cells-x2", "mine"]
    assert taken.read_bytes() == before
    assert not tuning.sees(widget.save_button)


def test_a_folder_without_images(viewer: Any, tuning: Tuning, tmp_path: Path) -> None:
    widget = tuning.open()
    tuning.train()
    is_told(tuning, "There is no high-res image")
    (tmp_path / "empty").mkdir()
    widget.form.high.choose_path(tmp_path / "empty")
    tuning.train()
    is_told(tuning, "no images in", "empty")
    (tmp_path / "empty" / "x.tif").write_bytes(b"no image")
    tuning.train()
    is_told(tuning, "x.tif")


def test_folders_and_layers_do_not_pair_up(
    viewer: Any, tuning: Tuning, pollen: np.ndarray, tmp_path: Path
) -> None:
    layer = viewer.add_image(pollen)
    for number in range(2):
        tifffile.imwrite(tmp_path / f"{number}.tif", pollen[number])
    widget = tuning.open()
    widget.form.low.choose_path(tmp_path)
    tuning.train()
    is_told(tuning, "A layer needs a layer")
    widget.form.high.choose_path(tmp_path)
    widget.form.low.value = layer
    tuning.train()
    is_told(tuning, "folder")
    widget.preview()
    is_told(tuning, "needs an image layer")


def test_files_that_vanish_are_told_when_it_is_resumed(
    viewer: Any, tuning: Tuning, pollen: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, pollen)
    viewer.open(path, plugin="napari-srcnn")
    widget = tuning.open()
    tuning.train()
    tuning.measure()
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(20)
    viewer.layers.clear()
    path.unlink()
    widget = tuning.open()
    widget.resume_button.click()
    assert str(path) in tuning.notes[-1]
    assert not widget.runner.job
    assert stopped_runs() == ["stack-x2"]


def test_estimates_of_nothing(viewer: Any, tuning: Tuning) -> None:
    viewer.add_image(np.full((6, 96, 96), 3, np.uint16), name="flat", contrast_limits=(0, 1))
    viewer.add_image(np.full((6, 16, 16), 3, np.uint16), name="small", contrast_limits=(0, 1))
    widget = tuning.open()
    widget.form.high.value = viewer.layers["flat"]
    widget.estimate_noise()
    tuning.finish()
    is_told(tuning, "constant")
    widget.form.example.value = (viewer.layers["small"],)
    widget.fit_example()
    tuning.finish()
    is_told(tuning, ".")


def test_what_is_not_on_screen_is_not_shown(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    layer = viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    layer.corner_pixels = np.array([[0, 95, 0], [0, 95, 95]])  # all of it above the canvas
    widget.preview()
    is_told(tuning, "move it into view")


def test_colours_are_learned_from_one_by_one(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    """No bad input, but what was not thought of: a colour image."""
    gray = (pollen // 256).astype(np.uint8)
    viewer.add_image(np.stack([gray, gray // 2, 255 - gray], axis=-1), name="colours", rgb=True)
    widget = tuning.open()
    for action in (widget.estimate_noise, widget.preview):
        action()
        tuning.finish()
    assert viewer.layers[-1].rgb
    assert viewer.layers[-1].data.shape == (48, 48, 3)
    tuning.train()
    tuning.measure()
    widget.cancel()
    tuning.finish()
    assert not [note for note in tuning.notes if "Traceback" in note]
