"""A preview: the part on screen of the current slice, three times, where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import napari_srcnn
from napari_srcnn.models.library import model_info
from napari_srcnn.models.titles import title_of
from napari_srcnn.widgets.shared.layers import METADATA_KEY, visible_box
from napari_srcnn.widgets.upscale.preview_job import PREVIEW_PIXELS, _cut


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
    preview = viewer.layers[-1]
    assert list(viewer.layers) == [source, preview]
    shown = {}
    for kind in ("difference", "bicubic", "SRCNN"):
        widget.shown.buttons[kind].click()
        assert preview.name == f"Preview: {kind}"
        shown[kind] = preview.data
        is_difference = preview.contrast_limits[0] == -preview.contrast_limits[1]
        assert is_difference == (kind == "difference")
        assert preview.visible
    assert shown["SRCNN"].shape == (1, 30, 44)
    whole = napari_srcnn.upscale(brain, scale=2, tile=64)
    part = whole[3:4, 20:50, 40:84]
    assert np.abs(shown["SRCNN"].astype(int) - part).max() <= 1, "rounding of another tiling"
    enlarged = napari_srcnn.bicubic(brain, 2)
    np.testing.assert_array_equal(shown["bicubic"], enlarged[3:4, 20:50, 40:84])
    np.testing.assert_array_equal(
        shown["difference"],
        shown["SRCNN"].astype(np.float32) - shown["bicubic"].astype(np.float32),
    )

    viewer.layers.selection.active = source
    widget.upscale()
    finish(widget)
    result = viewer.layers[-1]
    assert not preview.visible
    widget.shown.buttons["SRCNN"].click()
    assert viewer.layers[-1] is preview, "it is seen over the result"
    assert preview.visible
    # The pixel at a world point is the same one.
    for point in ((0, 0, 0), (0, 7, 11)):
        world = preview.data_to_world(point)
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
    assert len(viewer.layers) == 2
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
    widget.shown.buttons["difference"].click()
    difference = viewer.layers["Preview: difference"]
    assert difference.rgb
    assert difference.data.shape == (80, 112, 3)
    srcnn, bicubic = (
        widget.previews._one[viewer.layers[0]]._pixels[kind].astype(float).mean(axis=-1)
        for kind in ("SRCNN", "bicubic")
    )
    warm = difference.data[..., 0].astype(int) - difference.data[..., 2]
    assert np.all(warm[srcnn > bicubic + 1] > 0), "orange where it is brighter"
    assert np.all(warm[srcnn < bicubic - 1] < 0), "blue where it is darker"


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
    pixels = PREVIEW_PIXELS / scale**2
    assert _cut((0, 100, 0, 50), pixels) == ((0, 100, 0, 50), False)
    (y0, y1, x0, x1), cut = _cut((0, 20_000, 1000, 31_000), pixels)
    assert cut
    assert 0.9 < (y1 - y0) * (x1 - x0) * scale**2 / PREVIEW_PIXELS <= 1
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


@pytest.fixture
def channels(viewer: Any, brain: np.ndarray) -> list[Any]:
    """Three channels, as napari opens them."""
    big = np.tile(brain, (1, 6, 6))
    return list(
        viewer.add_image(
            np.stack([big, big // 2, big[::-1]]),
            channel_axis=0,
            name=["a", "b", "c"],
            blending="additive",
        )
    )


def test_a_preview_of_one_channel_takes_its_place_among_the_others(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], channels: list[Any]
) -> None:
    widget = dock()
    viewer.layers.selection.active = channels[1]
    widget._show_layers()
    widget.preview()
    finish(widget)
    preview = viewer.layers[-1]
    assert [one.visible for one in (*channels, preview)] == [True, False, True, True]
    assert str(preview.blending) == "additive"
    widget.shown.buttons["difference"].click()
    assert str(preview.blending) == "translucent_no_depth", "differences lie over all"
    widget.shown.buttons[""].click()
    assert [one.visible for one in (*channels, preview)] == [True, True, True, False]
    widget.shown.buttons["bicubic"].click()
    widget.shown.buttons["remove"].click()
    assert [one.visible for one in channels] == [True, True, True]
    assert list(viewer.layers) == channels


def test_a_preview_and_its_image_have_one_contrast(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    source = viewer.add_image(brain)
    widget = dock()
    widget.preview()
    finish(widget)
    preview = viewer.layers[-1]
    source.contrast_limits, preview.gamma = (50, 400), 0.5
    assert preview.contrast_limits == [50, 400]
    assert source.gamma == 0.5
    widget.shown.buttons["difference"].click()
    assert source.contrast_limits == [50, 400]
    assert source.gamma == 0.5
    source.contrast_limits, source.colormap = (60, 300), "magenta"
    widget.shown.buttons["SRCNN"].click()
    assert preview.contrast_limits == [60, 300]
    assert preview.colormap.name == "magenta"


def test_a_preview_follows_the_slice_the_scale_and_the_model(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
) -> None:
    source = viewer.add_image(brain)
    widget = dock()
    widget.preview()
    finish(widget)
    preview = viewer.layers[-1]
    viewer.dims.set_current_step(0, 4)
    assert not preview.visible, "it is of another slice"
    qtbot.waitUntil(lambda: preview.visible and preview.translate[0] == 4, timeout=20_000)
    np.testing.assert_array_equal(
        widget.previews._one[source]._pixels["bicubic"][0],
        napari_srcnn.bicubic(brain, 2)[4, : preview.data.shape[1], : preview.data.shape[2]],
    )
    widget.form.scale.value = 3
    qtbot.waitUntil(lambda: preview.visible and preview.scale[1] == pytest.approx(1 / 3))
    assert "×3" in widget.message.text()
    assert model_title(widget) in widget.message.text()
    before = preview.data
    widget.form.model.value = widget.form.model.values[-1]
    qtbot.waitUntil(lambda: preview.visible and preview.data is not before, timeout=20_000)
    assert model_title(widget) in widget.message.text()
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: not widget.shown.isEnabled())
    assert "does not fit" in widget.message.text()
    assert list(viewer.layers) == [source, preview]


def model_title(widget: Any) -> str:
    return title_of(model_info(widget.form.model.value))


def test_a_preview_of_what_is_small_on_screen_says_to_zoom_in(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    source = viewer.add_image(brain)
    widget = dock()
    viewer.scene.camera.zoom = 0.5
    widget.preview()
    finish(widget)
    assert "Zoom in" in widget.message.text()
    assert not viewer.layers[-1].bounding_box.visible
    source.corner_pixels = np.array([[0, 10, 20], [0, 24, 41]])
    viewer.scene.camera.zoom = 8
    widget.preview()
    finish(widget)
    assert "Zoom in" not in widget.message.text()
    assert viewer.layers[-1].bounding_box.visible, "a frame tells a part from the whole"


def test_layers_in_other_units_are_previewed_where_they_are_on_screen(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
    notes: list[str],
) -> None:
    big = np.tile(brain, (1, 4, 4))
    nano = viewer.add_image(big, name="a", units=("nm",) * 3, scale=(2000, 500, 500))
    micro = viewer.add_image(big, name="b", units=("um",) * 3, scale=(2, 0.5, 0.5))
    widget = dock()
    viewer.reset_view()
    viewer.scene.camera.zoom *= 4
    viewer.window._qt_viewer.canvas.on_draw(None)
    viewer.layers.selection.active = micro
    widget._show_layers()
    widget.preview()
    finish(widget)
    assert not notes
    assert viewer.layers[-1].name == "Preview: SRCNN"
    assert visible_box(micro) == visible_box(nano)


def test_a_stack_that_has_no_slice_here_has_no_preview(
    viewer: Any, dock: Callable[[], Any], brain: np.ndarray, notes: list[str]
) -> None:
    here = viewer.add_image(brain, name="a")
    viewer.add_image(brain, name="b", translate=(100, 0, 0))
    viewer.dims.set_point(0, 102)
    viewer.layers.selection.active = here
    widget = dock()
    widget._show_layers()
    widget.preview()
    assert "No part of a is on screen" in notes[-1]
    assert not widget.runner.job


def test_further_previews_and_the_run_add_and_remove_no_preview_layer(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], channels: list[Any]
) -> None:
    widget = dock()
    for channel in channels:
        channel.data = channel.data[:, :40, :56]
    viewer.layers.selection = set(channels)
    widget._show_layers()
    widget.form.model.value = "srcnn-9-1-5-x2"
    widget.preview()
    finish(widget)
    before = list(viewer.layers)
    assert len(before) == 6
    moved: list[str] = []
    viewer.layers.events.removed.connect(lambda event: moved.append(event.value.name))
    viewer.layers.events.inserted.connect(lambda event: moved.append(event.value.name))
    # Each removal costs napari a garbage collection, in which the window does not answer.
    for kind in ("difference", ""):
        widget.shown.buttons[kind].click()
        widget.preview()
        finish(widget)
    assert list(viewer.layers) == before
    widget.upscale()
    finish(widget)
    assert moved == [f"{name} ×2 (running)" for name in "abc"]
    assert [one.visible for one in before] == [False] * 6, "the results are seen alone"
