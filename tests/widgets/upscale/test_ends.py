"""How a run ends, in whatever way: a sentence, a layer that says so, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QMessageBox

import napari_srcnn
from napari_srcnn.widgets.shared import runner
from napari_srcnn.widgets.shared.layers import METADATA_KEY
from napari_srcnn.widgets.upscale.saving import _blocks_of


class ClientError(Exception):
    """As the libraries for HTTP and S3 define theirs."""


class Remote:
    """A stack of which one slice cannot be read any more."""

    def __init__(self, pixels: np.ndarray, error: Exception, lost: int) -> None:
        self.pixels, self.error, self.lost, self.is_down = pixels, error, lost, False
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, key: Any) -> Any:
        index = key[0] if isinstance(key, tuple) else key
        if self.is_down and isinstance(index, int | np.integer) and index == self.lost:
            raise self.error
        return self.pixels[key]


MODEL = "srcnn-9-1-5-x2"
ERRORS = [KeyError("0/3.0.0"), EOFError("end"), ClientError("403 Forbidden"), OSError("no network")]


@pytest.mark.parametrize("error", ERRORS)
def test_a_slice_that_cannot_be_read_ends_the_run_in_words_and_it_can_be_gone_on_with(
    error: Exception,
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
) -> None:
    remote = Remote(np.tile(brain, (2, 1, 1)), error, lost=6)
    source = viewer.add_image(remote, name="s", contrast_limits=(0, 800), blending="additive")
    viewer.dims.set_current_step(0, 2)
    widget = dock()
    # Nothing is measured on the image first, which would end at once.
    widget.form.model.value = MODEL
    widget.form.intensity.value = "layer"
    widget.form.tile.setValue(64)
    remote.is_down = True
    widget.upscale()
    finish(widget)
    result = viewer.layers[-1]
    assert result.name == "s ×2 (partial, 6 of 10)"
    assert source.visible
    assert str(error).strip("'") in widget.message.text()
    assert widget.message.text().count("\n") == 0

    remote.is_down = False
    assert widget.go_on_button.text() == "Go on (6 of 10 done)"
    assert not widget.go_on_button.isHidden()
    widget.go_on_button.click()
    finish(widget)
    assert viewer.layers[-1] is result
    assert result.name == "s ×2"
    assert "partial" not in result.metadata[METADATA_KEY]
    wanted = napari_srcnn.upscale(remote.pixels, scale=2, model=MODEL, intensity=(0, 800), tile=64)
    np.testing.assert_array_equal(result.data, wanted)
    assert widget.go_on_button.isHidden()


def test_a_preview_of_what_cannot_be_read_says_so(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    remote = Remote(brain, KeyError("0/2.0.0"), lost=2)
    viewer.add_image(remote, contrast_limits=(0, 800))
    viewer.dims.set_current_step(0, 2)
    widget = dock()
    remote.is_down = True
    widget.preview()
    finish(widget)
    assert "0/2.0.0" in widget.message.text()


def test_a_dock_that_is_closed_ends_a_run_as_cancel_does_and_a_new_one_can_save_it(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
    tmp_path: Path,
) -> None:
    big = np.tile(brain, (40, 4, 4))
    source = viewer.add_image(big, name="s", blending="additive", scale=(3, 1, 1))
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    result = viewer.layers[-1]
    qtbot.waitUntil(lambda: bool(result.data[2].any()), timeout=60_000)
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(10)
    qtbot.waitUntil(lambda: "(partial, " in result.name, timeout=5_000)
    assert source.visible
    made = result.metadata[METADATA_KEY]
    assert 3 <= made["slices_done"] < 200
    first = made["first_slice"][0]
    assert first > made["slices_done"]

    again = dock()
    assert again.form.layer.values == [(source,)], "half of a result is no image to enlarge"
    assert not again.save_button.isHidden()
    again.save(tmp_path / "big")
    finish(again)
    alone = f"big_slice_{first + 1}.ome.tif"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.ome.tif", alone]
    for name, indices in ((alone, [first]), ("big.ome.tif", range(made["slices_done"] - 1))):
        with napari_srcnn.read_stack(tmp_path / name) as stack:
            planes = np.asarray(stack.data).reshape(-1, *result.data.shape[1:])
            np.testing.assert_array_equal(planes, result.data[list(indices)])
        (layer,) = viewer.open(str(tmp_path / name), plugin="napari-srcnn")
        assert layer.translate[0] == pytest.approx(3 * indices[0])
    assert all(tifffile.imread(path).any() for path in tmp_path.iterdir())


@pytest.mark.parametrize("leading", [(7,), (3, 4), (2, 3, 4), (5, 1)])
def test_what_is_finished_falls_into_blocks_that_hold_each_slice_once(
    leading: tuple[int, ...],
) -> None:
    total = int(np.prod(leading))
    for start in range(total):
        for stop in range(start + 1, total + 1):
            counted = np.zeros(leading, int)
            for block in _blocks_of(leading, start, stop):
                counted[block] += 1
            wanted = np.zeros(total, int)
            wanted[start:stop] = 1
            np.testing.assert_array_equal(counted.ravel(), wanted)


@pytest.mark.parametrize("action", ["upscale", "preview"])
def test_data_that_are_replaced_by_others_of_fewer_axes_disturb_no_job(
    action: str,
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
) -> None:
    source = viewer.add_image(brain, name="s")
    widget = dock()
    widget.form.tile.setValue(64)
    getattr(widget, action)()
    source.data = brain[0]
    finish(widget)
    if action == "upscale":
        wanted = napari_srcnn.upscale(brain, scale=2, tile=64)
        np.testing.assert_array_equal(viewer.layers[-1].data, wanted)
    else:
        assert "changed meanwhile" in widget.message.text()
        assert list(viewer.layers) == [source]


def test_a_source_is_shown_again_where_its_result_was_removed(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    source = viewer.add_image(brain, name="channel", blending="additive", colormap="green")
    widget = dock()
    for scale in (2, 3):
        viewer.layers.selection.active = source
        widget._show_layers()
        widget.form.scale.value = scale
        widget.upscale()
        finish(widget)
        assert viewer.layers[-1].name == f"channel ×{scale}"
        assert viewer.layers[-1].visible, "what was just made is seen"
        assert not source.visible
    viewer.layers.pop()
    assert not source.visible
    viewer.layers.pop()
    assert source.visible


def test_a_slice_that_is_not_there_yet_shows_the_source(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
) -> None:
    source = viewer.add_image(np.tile(brain, (20, 4, 4)), name="s", blending="additive")
    widget = dock()
    widget.form.tile.setValue(64)
    viewer.dims.set_current_step(0, 50)
    widget.upscale()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    result = viewer.layers[-1]
    assert (source.visible, result.visible) == (False, True)
    viewer.dims.set_current_step(0, 99)
    assert (source.visible, result.visible) == (True, False)
    viewer.dims.set_current_step(0, 50)
    assert (source.visible, result.visible) == (False, True)
    qtbot.waitUntil(lambda: bool(result.data[2].any()), timeout=60_000)
    widget.cancel()
    finish(widget)
    assert result.visible
    viewer.dims.set_current_step(0, 99)
    assert (source.visible, result.visible) == (True, False)


def test_closing_napari_names_what_would_be_lost(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer.add_image(np.tile(brain, (20, 4, 4)), name="cells")
    widget = dock()
    asked: list[str] = []
    answers = [QMessageBox.StandardButton.Cancel]

    def answer(_parent: Any, _title: str, text: str, *_: Any) -> Any:
        asked.append(text)
        return answers[0]

    class ByUser(QCloseEvent):
        def spontaneous(self) -> bool:
            return True

    monkeypatch.setattr(QMessageBox, "question", answer)
    window = widget._under_way
    widget.upscale()
    event = ByUser()
    assert window.eventFilter(window._main, event), "napari does not get to see it"
    assert not event.isAccepted()
    assert "cells" in asked[0]
    assert "not saved" in asked[0]
    answers[0] = QMessageBox.StandardButton.Yes
    assert not window.eventFilter(window._main, ByUser())
    widget.cancel()
    finish(widget)
    assert not window.eventFilter(window._main, ByUser())
    assert len(asked) == 2


def test_an_array_of_no_dtype_of_numpy_is_refused_in_a_sentence(
    viewer: Any, dock: Callable[[], Any], notes: list[str]
) -> None:
    viewer.add_image(torch.rand(32, 32), name="torch")
    widget = dock()
    assert "no dtype of numpy" in widget.summary.text()
    widget.upscale()
    assert "no dtype of numpy" in notes[-1]
    assert not widget.runner.job
