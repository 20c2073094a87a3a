"""Several layers, one after the other: what is seen of those that wait, and how one is ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QToolButton

import napari_srcnn
from napari_srcnn.widgets.shared.fields import Note
from napari_srcnn.widgets.shared.layers import METADATA_KEY


@pytest.fixture
def opened(viewer: Any, dock: Callable[[], Any], brain: np.ndarray) -> Any:
    """The widget, with two long stacks and a short one selected."""
    layers = [
        viewer.add_image(np.tile(brain, (20, 3, 3)), name="a"),
        viewer.add_image(np.tile(brain, (20, 3, 3)), name="b", translate=(0, 200, 0)),
        viewer.add_image(brain, name="c", translate=(0, 400, 0)),
    ]
    widget = dock()
    viewer.layers.selection = set(layers)
    widget._show_layers()
    widget.form.tile.setValue(64)
    return widget


def rows(widget: Any) -> list[str]:
    """Return what the list says."""
    return [note.text() for note in widget.queue.findChildren(Note)]


def test_what_waits_is_seen_and_each_layer_can_be_ended_alone(
    opened: Any, viewer: Any, finish: Callable[[Any], None], qtbot: Any, brain: np.ndarray
) -> None:
    opened.upscale()
    assert rows(opened) == ["1. a: waits", "2. b: waits", "3. c: waits"]
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=60_000)
    first = viewer.layers[-1]
    qtbot.waitUntil(lambda: bool(first.data[2].any()), timeout=60_000)
    assert rows(opened) == ["1. a: at work", "2. b: waits", "3. c: waits"]
    qtbot.waitUntil(lambda: "1 of 3: a · Slice" in opened.left.text(), timeout=60_000)
    buttons = opened.queue.findChildren(QToolButton)
    buttons[1].click()
    assert rows(opened)[1] == "2. b: left out"
    assert not buttons[1].isEnabled()
    buttons[0].click()
    finish(opened)
    assert not opened.queue.isVisibleTo(opened)
    assert not opened.runner.is_cancelled
    made = [layer.name for layer in viewer.layers[3:]]
    assert len(made) == 2
    assert made[0].startswith("a ×2 (partial, ")
    assert made[1] == "c ×2"
    assert not opened.results.is_partial, "what was ended is not gone on with"
    result = viewer.layers[-1]
    wanted = napari_srcnn.upscale(brain, scale=2, tile=64)
    np.testing.assert_array_equal(result.data, wanted)
    assert result.metadata[METADATA_KEY]["model"]
    assert result.translate[1] == pytest.approx(400 - 0.25)


def test_cancel_ends_all_and_go_on_leaves_out_what_was_left_out(
    opened: Any, viewer: Any, finish: Callable[[Any], None], qtbot: Any
) -> None:
    opened.upscale()
    opened.queue.end_one(1)
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=60_000)
    qtbot.waitUntil(lambda: bool(viewer.layers[-1].data[1].any()), timeout=60_000)
    opened.cancel()
    finish(opened)
    assert len(viewer.layers) == 4
    assert opened.results.is_partial
    opened.go_on()
    assert rows(opened)[1:] == ["2. b: left out", "3. c: waits"]
    opened.queue.end_one(0)
    finish(opened)
    assert viewer.layers[-1].name == "c ×2"
    assert "b ×2" not in viewer.layers


def test_a_layer_that_is_removed_ends_its_own_part_only(
    opened: Any, viewer: Any, finish: Callable[[Any], None], qtbot: Any
) -> None:
    opened.upscale()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=60_000)
    viewer.layers.remove("b")
    viewer.layers.remove("a")
    finish(opened)
    assert viewer.layers[-1].name == "c ×2"
    assert "b ×2" not in viewer.layers
