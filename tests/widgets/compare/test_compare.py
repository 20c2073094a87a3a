"""Before | after: a line over the canvas, in the real viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

import napari_srcnn
from napari_srcnn.widgets.compare.split import KEYS, Split, canvas_line, compose, free_key

MODEL = "srcnn-9-1-5-x2"


class Comparing:
    """The Upscale widget, with what is compared in it."""

    def __init__(self, viewer: Any, widget: Any, qtbot: Any) -> None:
        self.viewer, self.widget, self.qtbot = viewer, widget, qtbot
        widget.form.model.value = MODEL
        widget.form.tile.setValue(64)

    @property
    def layer(self) -> Any:
        found = [one for one in self.viewer.layers if one.name.startswith(("Compare", "Preview"))]
        assert len(found) == 1
        return found[0]

    @property
    def divider(self) -> Any:
        return self.widget.previews.split.divider

    def press(self, kind: str) -> None:
        self.widget.shown.buttons[kind].click()

    def divide(self) -> None:
        self.press("divided")
        self.wait_for(lambda: self.widget.previews.split.is_shown)

    def wait_for(self, what: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(what, timeout=30_000)

    def columns_left(self) -> int:
        """How many columns of what is compared lie left of the line, by napari's own canvas."""
        canvas = self.viewer.window._qt_viewer.canvas
        # napari moves its own camera when it draws.
        canvas.on_draw(None)
        x = self.divider.at * self.viewer.canvas.size[1]
        world = canvas._map_canvas2world((x, 10), canvas.view)
        column = self.layer.world_to_data(world)[-1]
        return int(np.clip(np.ceil(column), 0, self.layer.data.shape[-1]))

    def check(self, before: np.ndarray, after: np.ndarray) -> None:
        """What is seen is one picture left of the line, and the other one right of it."""
        self.wait_for(lambda: not self.widget.previews.split._timer.isActive())
        at = self.columns_left()
        np.testing.assert_array_equal(self.layer.data[..., :at], before[..., :at])
        np.testing.assert_array_equal(self.layer.data[..., at:], after[..., at:])


@pytest.fixture
def comparing(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, finish: Callable[[Any], None]
) -> Callable[[], Comparing]:
    def make(*, upscale: bool = True) -> Comparing:
        one = Comparing(viewer, dock(), qtbot)
        if upscale:
            one.widget.upscale()
            finish(one.widget)
        return one

    return make


def test_a_result_is_compared_by_a_line_that_is_dragged_and_by_a_key(
    viewer: Any, comparing: Callable[[], Comparing], brain: np.ndarray
) -> None:
    source = viewer.add_image(brain, name="s", scale=(3, 0.5, 0.5))
    viewer.dims.set_current_step(0, 2)
    one = comparing()
    widget = one.widget
    result = viewer.layers[-1]
    assert viewer.layers.selection.active is result
    assert widget.form.layers == (source,), "Upscale enlarges the image again, not its result"
    result.contrast_limits, result.gamma = (50, 400), 0.8
    assert not widget.shown.isHidden()
    one.divide()
    layer = one.layer
    assert layer.name == "Compare: bicubic | SRCNN"
    assert layer.contrast_limits == [50, 400]
    assert layer.gamma == 0.8
    assert [word.text() for word in one.divider.words] == ["bicubic", "SRCNN"]
    bicubic = napari_srcnn.bicubic(brain, 2)
    # Not a stack: the slice on screen, which lies where the result's does.
    np.testing.assert_array_equal(layer.data.shape, (1, 80, 112))
    np.testing.assert_allclose(layer.data_to_world((0, 5, 7)), result.data_to_world((2, 5, 7)))
    one.check(bicubic[2:3], result.data[2:3])
    middle = one.columns_left()
    assert 40 < middle < 72, "the line begins in the middle"

    handle = one.divider.handle
    start = QPoint(handle.line, 100)
    QTest.mousePress(handle, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(handle, start - QPoint(120, 0))
    QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, pos=start)
    one.check(bicubic[2:3], result.data[2:3])
    assert one.columns_left() < middle
    viewer.scene.camera.zoom *= 2
    one.check(bicubic[2:3], result.data[2:3])

    canvas = viewer.window._qt_viewer.canvas.native
    for seen in (bicubic, result.data, bicubic):
        QTest.keyClick(canvas, Qt.Key.Key_K)
        one.wait_for(lambda seen=seen: np.array_equal(layer.data[0], seen[2][layer_box(layer, 2)]))
    one.divider.move(0.5)

    viewer.dims.set_current_step(0, 4)
    assert not layer.visible, "it is of another slice"
    assert one.divider.handle.isHidden()
    one.wait_for(lambda: layer.visible)
    box = layer_box(layer, 2)
    one.check(bicubic[4][box][None], result.data[4][box][None])
    one.press("bicubic")
    np.testing.assert_array_equal(layer.data[0], bicubic[4][box])
    assert one.divider.handle.isHidden()
    one.press("remove")
    assert list(viewer.layers) == [source, result]
    assert [source.visible, result.visible] == [True, True]
    assert result.contrast_limits == [50, 400]
    assert "K" not in {str(key) for key in viewer.keymap}
    assert not widget.shown.isHidden(), "it can be compared again"
    viewer.layers.remove(source)
    one.wait_for(lambda: widget.shown.isHidden())


def layer_box(layer: Any, scale: int) -> tuple[slice, slice]:
    """Which rows and columns of the result a comparison shows, whose pixels lie half an image's."""
    first = np.asarray(layer.translate[-2:]) / np.asarray(layer.scale[-2:]) + (scale - 1) / 2
    rows, columns = (
        slice(round(start), round(start) + length)
        for start, length in zip(first, layer.data.shape[-2:], strict=True)
    )
    return rows, columns


def test_channels_are_compared_by_one_line_and_all_that_was_hidden_is_shown_again(
    viewer: Any, comparing: Callable[[], Comparing], brain: np.ndarray
) -> None:
    viewer.add_image(
        np.stack([brain[0], brain[1] // 2]), channel_axis=0, name=["a", "b"], blending="additive"
    )
    viewer.layers.selection = set(viewer.layers)
    one = comparing()
    before = {layer: layer.visible for layer in viewer.layers}
    results = [viewer.layers["a ×2"], viewer.layers["b ×2"]]
    assert set(viewer.layers.selection) == set(results)
    one.divide()
    compared = [layer for layer in viewer.layers if layer not in before]
    assert [layer.name for layer in compared] == [
        "Compare: bicubic | SRCNN (a ×2)",
        "Compare: bicubic | SRCNN (b ×2)",
    ]
    assert not any(layer.visible for layer in before), "light would be added to light"
    for layer, result, plane in zip(compared, results, (brain[0], brain[1] // 2), strict=True):
        half = layer.data.shape[1] // 2
        np.testing.assert_array_equal(
            layer.data[:, : half - 1], napari_srcnn.bicubic(plane, 2)[:, : half - 1]
        )
        np.testing.assert_array_equal(layer.data[:, half + 1 :], result.data[:, half + 1 :])
    viewer.canvas.grid.enabled = True
    assert one.divider.handle.isHidden()
    assert "leave the grid" in one.widget.shown.hint.text()
    viewer.canvas.grid.enabled = False
    assert not one.divider.handle.isHidden()
    viewer.layers.remove(compared[0])
    one.press("remove")
    assert {layer: layer.visible for layer in viewer.layers} == before
    one.divide()
    viewer.window.remove_dock_widget(one.widget)
    assert {layer: layer.visible for layer in viewer.layers} == before, "nothing would follow it"


def test_a_preview_is_compared_with_the_image_and_with_a_reference_in_colour(
    viewer: Any, comparing: Callable[..., Comparing], finish: Any, brain: np.ndarray
) -> None:
    colored = np.stack([brain[0], brain[1], brain[2]], axis=-1).astype(np.uint8)
    truth = np.repeat(np.repeat(colored, 2, axis=0), 2, axis=1)[::-1]
    reference = viewer.add_image(truth, rgb=True, name="truth", scale=(0.5, 0.5))
    reference.translate = (-0.25, -0.25)
    viewer.add_image(truth, rgb=True, name="elsewhere", scale=(0.5, 0.5), translate=(3, 0))
    source = viewer.add_image(colored, rgb=True, name="s")
    one = comparing(upscale=False)
    one.widget.preview()
    finish(one.widget)
    one.divide()
    assert one.widget.shown.left.values == ["bicubic", "SRCNN", "image", "layer: truth"]
    one.widget.shown.left.value = "image"
    one.divider.move(1.0)
    pixels = np.repeat(np.repeat(colored, 2, axis=0), 2, axis=1)
    one.wait_for(lambda: np.array_equal(one.layer.data, pixels))
    one.widget.shown.left.value = "layer: truth"
    one.wait_for(lambda: np.array_equal(one.layer.data, truth))
    assert one.layer.name == "Preview: truth | SRCNN"
    viewer.dims.ndisplay = 3
    assert not one.layer.visible
    viewer.dims.ndisplay = 2
    one.wait_for(lambda: one.layer.visible)
    viewer.layers.remove(reference)
    one.wait_for(lambda: one.widget.shown.left.value == "bicubic")
    bicubic = napari_srcnn.bicubic(colored, 2, axes="YXS")
    one.wait_for(lambda: np.array_equal(one.layer.data, bicubic))
    viewer.layers.remove(source)
    one.wait_for(lambda: one.divider.handle.isHidden())
    assert [layer.name for layer in viewer.layers] == ["elsewhere"]


def test_a_lazy_result_is_compared_where_it_is_looked_at(
    viewer: Any, comparing: Callable[[], Comparing], pollen: np.ndarray
) -> None:
    coarse = pollen[:, ::2, ::2]
    viewer.add_image([pollen, coarse], multiscale=True, contrast_limits=(0, 3000), name="s")
    viewer.dims.set_current_step(0, 3)
    one = comparing()
    result = viewer.layers[-1]
    assert result.multiscale
    one.divide()
    whole = napari_srcnn.upscale(pollen, 2, model=MODEL, tile=64)
    at = one.columns_left()
    np.testing.assert_array_equal(
        one.layer.data[0, :, :at], napari_srcnn.bicubic(pollen, 2)[3, :, :at]
    )
    assert np.abs(one.layer.data[0, :, at:].astype(int) - whole[3, :, at:]).max() <= 1
    one.press("remove")
    assert result.visible
    viewer.layers.remove(result)


def test_the_line_parts_an_image_that_is_turned_where_it_is_seen(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((40, 60)), scale=(2, 3), rotate=30, translate=(5, -7))
    canvas, width = viewer.window._qt_viewer.canvas, viewer.canvas.size[1]
    for order in ((0, 1), (1, 0)):
        viewer.dims.order = order
        canvas.on_draw(None)
        start, per_row, per_column = canvas_line(layer, viewer)
        for x in (0.25 * width, 0.5 * width):
            point = layer.world_to_data(canvas._map_canvas2world((x, 50), canvas.view))
            seen = start + per_row * point[0] + per_column * point[1]
            assert seen == pytest.approx(x, abs=0.5)
        out = np.empty((40, 60))
        split = Split(layer=layer, left=np.ones((40, 60)), right=np.zeros((40, 60)), out=out)
        compose(split, width / 2, start, per_row, per_column)
        rows, columns = np.indices((40, 60))
        is_left = start + rows * per_row + columns * per_column < width / 2
        np.testing.assert_array_equal(out, is_left)
        assert 0.3 < out.mean() < 0.7


def test_the_key_is_one_that_neither_napari_nor_the_user_uses() -> None:
    viewer = ViewerModel()
    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    assert not taken & set(KEYS)
    assert free_key(viewer) == "K"
    viewer.bind_key("K", lambda viewer: None)
    assert free_key(viewer) == "J"
    viewer.bind_key("K", None)
    shortcuts = get_settings().shortcuts
    before = dict(shortcuts.shortcuts)
    shortcuts.shortcuts = {**before, "napari:toggle_theme": ["K"]}
    try:
        assert free_key(viewer) == "J"
    finally:
        shortcuts.shortcuts = before
