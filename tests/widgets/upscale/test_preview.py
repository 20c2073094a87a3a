"""A preview: the part on screen of the current slice, three times, where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import napari_srcnn
from napari_srcnn.widgets.shared.layers import METADATA_KEY
from napari_srcnn.widgets.upscale.tasks import _cut


def outer(layer: Any) -> np.ndarray:
    return np.asarray(layer._extent_world_augmented)


def test_a_preview_equals_the_result_there_and_lies_over_it(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    source = viewer.add_image(brain, scale=(4, 0.5, 0.5), translate=(1, 2, 3))
    widget = dock()
    widget.form.tile.setValue(64)
    viewer.dims.set_current_step(0, 3)
    source.corner_pixels = np.array([[0, 10, 20], [0, 24, 41]])  # as when zoomed in
    widget.preview()
    finish(widget)
    names = [layer.name for layer in viewer.layers]
    assert names[1:] == ["Preview: difference", "Preview: bicubic", "Preview: SRCNN"]
    srcnn, bicubic = viewer.layers["Preview: SRCNN"], viewer.layers["Preview: bicubic"]
    assert srcnn.data.shape == (1, 30, 44)
    whole = napari_srcnn.upscale(brain, scale=2, tile=64)
    part = whole[3:4, 20:50, 40:84]
    assert np.abs(srcnn.data.astype(int) - part).max() <= 1, "rounding of another tiling at most"
    enlarged = napari_srcnn.bicubic(brain, 2)
    np.testing.assert_array_equal(bicubic.data, enlarged[3:4, 20:50, 40:84])
    difference = viewer.layers["Preview: difference"]
    np.testing.assert_array_equal(
        difference.data, srcnn.data.astype(np.float32) - bicubic.data.astype(np.float32)
    )
    assert difference.contrast_limits[0] == -difference.contrast_limits[1]

    viewer.layers.selection.active = source
    widget.upscale()
    finish(widget)
    result = viewer.layers[-1]
    for layer in (srcnn, bicubic, difference):
        # The pixel at a world point is the same one.
        for point in ((0, 0, 0), (0, 7, 11)):
            world = layer.data_to_world(point)
            np.testing.assert_allclose(
                result.world_to_data(world), np.add(point, (3, 20, 40)), atol=1e-9
            )


def test_the_next_preview_replaces_the_last_one_and_is_no_source_itself(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    source = viewer.add_image(brain)
    widget = dock()
    widget.form.tile.setValue(64)
    for _ in range(2):
        widget.preview()
        finish(widget)
    assert len(viewer.layers) == 4
    assert widget.form.layer.values == [(source,)]
    assert widget.form.layers == (source,)
    for kind in ("bicubic", "difference", "SRCNN", ""):
        widget.shown.buttons[kind].click()
        visible = [layer.name for layer in viewer.layers if layer.visible]
        assert visible[1:] == ([f"Preview: {kind}"] if kind else [])
    widget.shown.buttons["remove"].click()
    assert list(viewer.layers) == [source]


def test_colour_is_previewed_in_colour(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    colored = np.stack([brain[0], brain[1], brain[2]], axis=-1).astype(np.uint8)
    viewer.add_image(colored, rgb=True)
    widget = dock()
    widget.form.tile.setValue(64)
    widget.preview()
    finish(widget)
    assert viewer.layers["Preview: SRCNN"].rgb
    assert viewer.layers["Preview: SRCNN"].data.shape == (80, 112, 3)
    assert viewer.layers["Preview: difference"].data.shape == (80, 112)


def test_a_preview_refuses_what_is_not_one_slice_on_screen(
    viewer: Any, dock: Callable[[], Any], brain: np.ndarray, notes: list[str]
) -> None:
    source = viewer.add_image(brain)
    widget = dock()
    viewer.dims.ndisplay = 3
    widget.preview()
    assert "switch the viewer to 2-D" in notes[-1]
    viewer.dims.ndisplay = 2
    viewer.dims.order = (1, 0, 2)
    widget.preview()
    assert "last two axes" in notes[-1]
    viewer.dims.order = (0, 1, 2)
    source.corner_pixels = np.array([[0, 39, 0], [0, 39, 55]])  # all of it above the canvas
    widget.preview()
    assert "is on screen" in notes[-1]
    assert not widget.runner.job


@pytest.mark.parametrize("scale", [2, 4])
def test_what_would_take_long_is_cut_to_its_middle(scale: int) -> None:
    assert _cut((0, 100, 0, 50), scale) == ((0, 100, 0, 50), False)
    (y0, y1, x0, x1), cut = _cut((0, 20_000, 1000, 31_000), scale)
    assert cut
    assert 0.9 < (y1 - y0) * (x1 - x0) * scale**2 / (16 << 20) <= 1
    assert (y0 + y1) // 2 == pytest.approx(10_000, abs=1)
    assert (x0 + x1) // 2 == pytest.approx(16_000, abs=1)


def test_a_preview_is_not_offered_as_a_result(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    viewer.add_image(brain)
    widget = dock()
    widget.form.tile.setValue(64)
    widget.preview()
    finish(widget)
    assert widget.save_button.isHidden()
    assert viewer.layers[-1].metadata[METADATA_KEY] == {"preview": "SRCNN", "scale": 2}
