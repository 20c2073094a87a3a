"""How a training ends: what is asked, what is kept, and where its network goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QMessageBox
from tuning import Tuning

from napari_srcnn.models.library import model_info, own_models
from napari_srcnn.training.runs import stopped_runs
from napari_srcnn.widgets.finetune import steering
from napari_srcnn.widgets.shared import runner

BUTTONS = QMessageBox.StandardButton


class Asked(list[str]):
    """What was asked; the answer is Cancel, until the user agrees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.answer = BUTTONS.Cancel
        monkeypatch.setattr(QMessageBox, "question", self._ask)

    def agree(self) -> None:
        self.answer = BUTTONS.Discard

    def _ask(self, parent: Any, title: str, text: str, *rest: Any) -> Any:
        self.append(f"{title}: {text}")
        return self.answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Questions that are asked; each is answered by Cancel. All is worth asking about."""
    monkeypatch.setattr(steering, "WORTH_ASKING", 0.0)
    return Asked(monkeypatch)


@pytest.fixture
def open_cells(viewer: Any, tuning: Tuning, pollen: np.ndarray) -> Callable[[], Any]:
    """Opens the window beside a stack named cells."""

    def open_beside() -> Any:
        viewer.add_image(pollen, name="cells")
        return tuning.open()

    return open_beside


def test_stopped_before_the_first_measurement_it_is_measured_once_and_kept(
    open_cells: Callable[[], Any], tuning: Tuning
) -> None:
    widget = open_cells()
    tuning.train()
    tuning.wait_for(lambda: bool(tuning.prepared))
    widget.stop_button.click()
    assert "Measuring once" in widget.left.text()
    tuning.finish()
    assert not [note for note in tuning.notes if "nothing to keep" in note]
    assert len(widget.curves.psnr) == 2, "the start and the one measurement"
    if tuning.sees(widget.save_button):
        widget.save_button.click()
    assert own_models() == ["cells-x2"]
    card = model_info("cells-x2").card
    assert card["steps_done"] >= 1
    assert len(card["curve"]) == 1
    assert stopped_runs() == []


def test_cancel_asks_before_much_that_was_learned_is_lost(
    open_cells: Callable[[], Any], tuning: Tuning, asked: Asked
) -> None:
    widget = open_cells()
    tuning.train()
    tuning.measure()
    widget.cancel_button.click()
    assert "Stop and keep best" in asked[-1]
    assert widget.cancel_button.isEnabled()
    count = len(tuning.steps)
    tuning.wait_for(lambda: len(tuning.steps) > count)
    asked.agree()
    widget.cancel_button.click()
    tuning.finish()
    assert own_models() == stopped_runs() == []


def test_discarding_asks_before_much_that_was_learned_is_lost(
    viewer: Any, open_cells: Callable[[], Any], tuning: Tuning, asked: Asked
) -> None:
    widget = open_cells()
    tuning.forget_all()
    tuning.train()
    tuning.measure()
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(20)
    widget = tuning.open()
    widget.discard_button.click()
    assert "Resume" in asked[-1]
    assert stopped_runs() == ["cells-x2"]
    widget.resume_button.click()
    tuning.measure()
    widget.stop()
    tuning.finish()
    widget.drop_button.click()
    assert "Save it anyway" in asked[-1]
    assert tuning.sees(widget.drop_button)
    asked.agree()
    widget.drop_button.click()
    assert not tuning.sees(widget.drop_button)
    assert own_models() == stopped_runs() == []


class ClosedByUser(QCloseEvent):
    """Closing as by the mouse."""

    def spontaneous(self) -> bool:
        return True


def test_napari_asks_before_it_is_closed_during_a_training_only(
    viewer: Any, open_cells: Callable[[], Any], tuning: Tuning, asked: Asked
) -> None:
    widget = open_cells()
    tuning.train()
    tuning.learn()
    event = ClosedByUser()
    assert widget.closing.eventFilter(viewer.window._qt_window, event), "napari stays open"
    assert not event.isAccepted()
    assert "cells-x2 is being trained" in asked[-1]
    assert widget.runner.job
    widget.cancel()
    tuning.finish()
    asked.clear()
    assert not widget.closing.eventFilter(viewer.window._qt_window, ClosedByUser())
    assert not asked


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_training_ends_with_napari_and_can_be_resumed(
    is_paused: bool,
    make_napari_viewer: Callable[..., Any],
    tuning_of: Callable[[Any], Tuning],
    pollen: np.ndarray,
    qtbot: Any,
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(pollen, name="cells")
    tuning = tuning_of(viewer)
    widget = tuning.open()
    tuning.train()
    tuning.measure()
    if is_paused:
        widget.pause()
    viewer.close()
    qtbot.waitUntil(lambda: runner.wait(0.1), timeout=60_000)
    assert stopped_runs() == ["cells-x2"]


@pytest.mark.parametrize("is_open", [True, False])
def test_the_network_is_used_at_once_whatever_the_upscale_widget_stood_at(
    is_open: bool,
    viewer: Any,
    dock: Callable[[], Any],
    tuning: Tuning,
    pollen: np.ndarray,
    qtbot: Any,
) -> None:
    viewer.add_image(pollen, name="cells")
    upscale = dock() if is_open else None
    if upscale is not None:
        upscale.form.scale.value = 3
    widget = tuning.open()
    widget.form.blur.setValue(1.0)
    assert not tuning.sees(widget.use_button)
    tuning.train()
    tuning.wait_for(tuning.is_better)
    widget.stop()
    tuning.finish()
    assert "×2" in widget.message.text()
    assert tuning.sees(widget.use_button)
    widget.use_button.click()
    upscale = dock()
    assert upscale.form.scale.value == 2
    assert upscale.form.model.value == "cells-x2"
    tuning.wait(300)  # settings of an earlier session do not come in between
    assert upscale.form.model.value == "cells-x2"
    # Not offered where it is not there any more, nor beside the next training.
    assert widget.manager.delete("cells-x2")
    assert not tuning.sees(widget.use_button)


def test_what_went_wrong_is_not_said_beside_what_is_right_again(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    widget = tuning.open()
    tuning.train()
    assert "There is no high-res image" in widget.message.text()
    viewer.add_image(pollen, name="cells")
    tuning.wait_for(lambda: widget.form.high.value is not None)
    assert widget.message.text() == ""
    widget.form.name.setText("")
    tuning.train()
    assert "needs a name" in widget.message.text()
    widget.form.name.setText("good")
    widget.form.name.textEdited.emit("good")
    assert widget.message.text() == ""
    widget.preview()
    tuning.finish()
    assert "Right of the image" in widget.message.text()
    viewer.layers.remove("Low-res of cells")
    tuning.wait_for(lambda: widget.message.text() == "")


def test_what_is_not_loaded_yet_is_not_said_once_it_is(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="cells")
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", "Fine-tune")
    widget.train()
    assert "being loaded" in widget.message.text()
    assert "being loaded" in tuning.notes[-1]
    tuning.wait_for(lambda: widget.is_ready)
    assert widget.message.text() == ""
