"""The upscale widget, from a layer to a file, in the real viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from napari.settings import get_plugin_settings
from qtpy.QtWidgets import QFileDialog, QMessageBox

import napari_srcnn
from napari_srcnn.models.library import microscopes_model
from napari_srcnn.samples import load_sample
from napari_srcnn.widgets.shared import runner
from napari_srcnn.widgets.shared.layers import METADATA_KEY


def result_of(viewer: Any) -> Any:
    """The topmost layer."""
    return viewer.layers[-1]


def test_a_stack_becomes_a_layer_over_it_and_a_file_with_its_geometry(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], tmp_path: Path
) -> None:
    widget = dock()
    viewer.open_sample("napari-srcnn", "brain")
    (source,) = viewer.layers
    widget.upscale()
    finish(widget)
    result = result_of(viewer)
    assert result.name == "brain ×2"
    assert (result.data.shape, result.data.dtype) == ((24, 192, 256), source.data.dtype)
    np.testing.assert_allclose(
        result._extent_world_augmented, source._extent_world_augmented, rtol=0, atol=1e-9
    )
    made = result.metadata[METADATA_KEY]
    for key in ("model", "model_sha256", "scale", "intensity_ranges", "device", "version"):
        assert made[key], key
    assert "partial" not in made
    assert made["source_layer"] == "brain"
    tile = made["tile"]
    wanted = napari_srcnn.upscale(np.asarray(source.data), scale=2, axes="ZYX", tile=tile)
    np.testing.assert_array_equal(result.data, wanted)

    widget.save(tmp_path / "big.tif")
    finish(widget)
    stack = napari_srcnn.read_stack(tmp_path / "big.ome.tif")
    np.testing.assert_array_equal(np.asarray(stack.data), wanted)
    assert stack.axes == "ZYX"
    np.testing.assert_allclose(stack.pixel_size, result.scale)
    assert stack.units == ("millimeter",) * 3
    assert stack.metadata["napari_srcnn"]["model"] == made["model"]


def test_the_line_before_the_run_says_what_will_happen(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray
) -> None:
    viewer.add_image(brain, name="cells")
    widget = dock()
    said = "5 planes of 56 × 40 → 112 × 80 px, uint16"
    assert widget.summary.text().startswith(f"{said}, 89.6 KB")
    assert widget.summary.text().endswith("It has no pixel size.")
    assert "microscope" in widget.intensities.toolTip()
    widget.form.dtype.value = "float32"
    assert f"{said} → float32, 179 KB" in widget.summary.text()
    viewer.layers[0].scale, viewer.layers[0].units = (1, 0.2, 0.1), ("um", "um", "um")
    sizes = "Pixels of 0.1 × 0.2 → 0.05 × 0.1 µm, field 5.6 × 8 µm."
    qtbot.waitUntil(lambda: widget.summary.text().endswith(sizes))
    viewer.layers[0].units = ("mm", "mm", "mm")
    viewer.layers[0].scale = (1, 2, 2)
    qtbot.waitUntil(lambda: "Pixels of 2 → 1 mm, field 112 × 80 mm." in widget.summary.text())
    viewer.add_image(np.zeros((8, 9, 3), np.uint8), rgb=True)
    qtbot.waitUntil(lambda: widget.summary.text().startswith("9 × 8 → 18 × 16 px, uint8"))
    assert "Intensities 0–255" in widget.intensities.text()
    assert "photograph" in widget.intensities.toolTip()


def test_the_current_slice_is_the_first(
    viewer: Any,
    dock: Callable[[], Any],
    qtbot: Any,
    finish: Callable[[Any], None],
    brain: np.ndarray,
) -> None:
    viewer.add_image(np.tile(brain, (20, 4, 4)), scale=(3, 1, 1))
    widget = dock()
    viewer.dims.set_current_step(0, 17)
    widget.form.tile.setValue(64)
    widget.upscale()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    result = result_of(viewer)
    qtbot.waitUntil(lambda: bool(result.data[17].any()), timeout=60_000)
    assert not result.data[-1].any()
    widget.cancel()
    finish(widget)


def test_cancel_keeps_the_finished_slices_and_says_so(
    viewer: Any,
    dock: Callable[[], Any],
    qtbot: Any,
    finish: Callable[[Any], None],
    brain: np.ndarray,
) -> None:
    source = np.tile(brain, (20, 4, 4))
    viewer.add_image(source, name="cells")
    widget = dock()
    widget.form.tile.setValue(64)
    viewer.dims.set_current_step(0, 50)
    widget.upscale()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    result = result_of(viewer)
    qtbot.waitUntil(lambda: bool(result.data[3].any()), timeout=60_000)
    widget.cancel_button.click()
    finish(widget)
    made = result.metadata[METADATA_KEY]
    done = made["slices_done"]
    assert made["partial"]
    assert made["slices_total"] == 100
    assert 4 <= done < 100
    assert result.name == f"cells ×2 (partial, {done} of 100)"
    assert "kept" in widget.message.text()
    whole = [50, *range(done - 1)]
    plan = napari_srcnn.plan_upscale(source, scale=2, tile=64)
    for index in whole[:4]:
        wanted = plan.region((index, slice(None), slice(None)))
        np.testing.assert_array_equal(result.data[index], wanted)
    assert all(result.data[index].any() for index in whole)
    rest = sorted(set(range(100)) - set(whole))
    assert not result.data[rest].any(), "a slice that was begun is empty"
    assert widget.upscale_button.isEnabled()


def test_several_selected_layers_are_one_run(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    layers = viewer.add_image(
        np.stack([brain, brain[::-1] // 2]),
        channel_axis=0,
        name=["a", "b"],
        colormap=["green", "magenta"],
    )
    widget = dock()
    viewer.layers.selection = set(layers)
    widget._show_layers()
    assert widget.form.layer.currentText() == "2 layers: a, b"
    assert widget.summary.text().startswith("2 layers: each 5 planes of 56 × 40 → 112 × 80 px")
    widget.upscale()
    finish(widget)
    assert {layer.name for layer in viewer.layers} == {"a", "b", "a ×2", "b ×2"}
    for name, source in (("a", brain), ("b", brain[::-1] // 2)):
        result = viewer.layers[f"{name} ×2"]
        wanted = napari_srcnn.upscale(source, scale=2, tile=result.metadata[METADATA_KEY]["tile"])
        np.testing.assert_array_equal(result.data, wanted)
        assert result.colormap.name == viewer.layers[name].colormap.name
        assert str(result.blending) == str(viewer.layers[name].blending)
    assert set(viewer.layers.selection) == {viewer.layers["a ×2"], viewer.layers["b ×2"]}
    assert widget.form.layers == tuple(layers), "they are made again, and not the results"
    viewer.layers.selection = {layers[0]}
    widget.upscale()
    viewer.layers.selection = {layers[1]}
    finish(widget)
    assert set(viewer.layers.selection) == {layers[1]}, "the user's own selection stays"


def test_the_chooser_follows_the_active_image_and_stays_where_another_layer_is_active(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray
) -> None:
    first = viewer.add_image(brain, name="first")
    second = viewer.add_image(brain, name="second")
    widget = dock()
    assert widget.form.layers == (second,)
    viewer.layers.selection.active = first
    qtbot.waitUntil(lambda: widget.form.layers == (first,))
    viewer.add_points(np.zeros((1, 3)))
    qtbot.wait(50)
    assert widget.form.layers == (first,)
    widget.form.layer.value = (second,)
    assert viewer.layers.selection.active is second
    second.name = "renamed"
    qtbot.waitUntil(lambda: widget.form.layer.currentText() == "renamed")


def test_a_large_result_lies_in_a_temporary_file_that_goes_with_the_layer(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    viewer.add_image(brain)
    widget = dock()
    widget.memory_limit = 1000
    widget.upscale()
    finish(widget)
    result = result_of(viewer)
    assert isinstance(result.data, np.memmap)
    path = Path(result.data.filename)
    assert path.stat().st_size == result.data.nbytes
    tile = result.metadata[METADATA_KEY]["tile"]
    np.testing.assert_array_equal(result.data, napari_srcnn.upscale(brain, scale=2, tile=tile))
    del result
    viewer.layers.pop()
    assert not path.exists()


def test_settings_last(viewer: Any, dock: Callable[[], Any]) -> None:
    widget = dock()
    widget.form.intensity.value = "custom"
    widget.form.low.setValue(100)
    widget.form.high.setValue(4095)
    widget.form.dtype.value = "float32"
    widget.form.tile.setValue(96)
    widget.form.scale.value = 3
    saved = get_plugin_settings("napari-srcnn")
    assert saved.upscale.scale == 3
    assert "intensity: 100, 4095" in Path(saved.config_path).read_text()
    viewer.window.remove_dock_widget(widget)
    again = dock()
    assert again is not widget
    assert again.form.scale.value == 3
    assert again.form.intensity.value == "custom"
    assert (again.form.low.value(), again.form.high.value()) == (100, 4095)
    assert again.form.dtype.value == "float32"
    assert again.form.tile.value() == 96


def test_only_models_that_fit_are_offered_each_with_a_line(
    viewer: Any, dock: Callable[[], Any], brain: np.ndarray
) -> None:
    viewer.add_image(brain)
    widget = dock()
    for scale in (2, 3, 4):
        widget.form.scale.value = scale
        for name in widget.form.model.values:
            info = napari_srcnn.model_info(name)
            assert (info.config.scale, info.config.channels) == (scale, 1)
    widget.form.scale.value = 2
    assert widget.form.model.value == widget.form.model.values[0]
    info = napari_srcnn.model_info(widget.form.model.value)
    assert info.description
    assert info.description in widget.form.model.toolTip()
    assert widget.form.model_note.text()


def test_a_model_is_proposed_and_the_reason_is_told(
    viewer: Any, dock: Callable[[], Any], qtbot: Any
) -> None:
    layer = viewer.add_image(np.asarray(load_sample("pollen").data[10:12]))
    widget = dock()
    note = widget.form.model_note
    qtbot.waitUntil(lambda: "16-bit, taken for" in note.text(), timeout=60_000)
    assert widget.form.model.value == microscopes_model(2)
    widget.form.scale.value = 3
    assert widget.form.model.value == microscopes_model(3)
    assert "taken for a microscope's" in note.text()
    # An 8-bit image may look like a photograph.
    viewer.layers.remove(layer)
    viewer.add_image(skimage.data.camera()[:256, :256])
    qtbot.waitUntil(lambda: "looks like a photograph" in note.text(), timeout=60_000)
    assert widget.form.model.value == "srcnn-9-5-5-x3"
    # What the user chose stays.
    widget.form.model.value = "srcnn-9-1-5-x3"
    viewer.add_image(np.asarray(load_sample("pollen").data[0]), name="other")
    qtbot.waitUntil(lambda: widget.form.layers[0].name == "other", timeout=60_000)
    assert widget.form.model.value == "srcnn-9-1-5-x3"


def test_devices_have_their_names_and_a_missing_gpu_its_reason(dock: Callable[[], Any]) -> None:
    import torch

    widget = dock()
    assert "CPU" in widget.form.device.itemText(widget.form.device.count() - 1)
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert widget.form.device.currentText() == "CPU (no GPU)"
        assert "No GPU" in widget.form.device.toolTip()


def test_without_an_image_the_widget_explains_and_opens_a_sample(
    viewer: Any, dock: Callable[[], Any], qtbot: Any
) -> None:
    widget = dock()
    assert not widget._empty.isHidden()
    assert widget._work.isHidden()
    widget.sample_button.click()
    qtbot.waitUntil(lambda: not widget._work.isHidden())
    assert widget.form.layer.currentText() == "brain"


def test_channels_are_taken_from_the_labels_and_can_be_corrected(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    stack = np.stack([brain, brain // 3])
    viewer.add_image(stack, axis_labels=("c", "z", "y", "x"))
    widget = dock()
    assert widget.form.channels.currentText() == "c (2)"
    widget.form.channels.value = -1
    widget.upscale()
    finish(widget)
    assert len(result_of(viewer).metadata[METADATA_KEY]["intensity_ranges"]) == 1
    widget.form.channels.value = 0
    widget.upscale()
    finish(widget)
    assert len(result_of(viewer).metadata[METADATA_KEY]["intensity_ranges"]) == 2


def test_a_channel_axis_that_was_chosen_stays_chosen(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    source = viewer.add_image(np.stack([brain, brain // 3]), axis_labels=("c", "z", "y", "x"))
    widget = dock()
    for axis, ranges in ((-1, 1), (1, 5)):
        widget.form.channels.value = axis
        source.contrast_limits = (0, 500 + axis)  # what makes the fields look again
        viewer.layers.selection.active = viewer.add_image(brain[0], name="other")
        widget._show_layers()
        viewer.layers.selection.active = source
        widget._show_layers()
        widget.upscale()
        finish(widget)
        assert widget.form.channels.value == axis
        assert len(result_of(viewer).metadata[METADATA_KEY]["intensity_ranges"]) == ranges
    source.axis_labels = ("z", "c", "y", "x")
    widget._show_layers()
    assert widget.form.channels.value == 1, "what the labels say now"


@pytest.mark.parametrize("typed", ["precious", "precious.tif", "precious.ome.tif"])
@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_has_the_name_with_its_suffix_is_asked_about(
    typed: str,
    is_replaced: bool,
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def answer(_parent: Any, _title: str, text: str, *_: Any) -> Any:
        asked.append(text)
        buttons = QMessageBox.StandardButton
        return buttons.Yes if is_replaced else buttons.Cancel

    monkeypatch.setattr(QMessageBox, "question", answer)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / typed), "OME-TIFF")
    )
    precious = tmp_path / "precious.ome.tif"
    precious.write_bytes(b"years of work")
    viewer.add_image(brain)
    widget = dock()
    widget.upscale()
    finish(widget)
    widget.save_button.click()
    finish(widget)
    is_dialogs_own = typed == precious.name  # which has asked by then
    assert len(asked) == (not is_dialogs_own)
    is_written = is_replaced or is_dialogs_own
    assert (precious.read_bytes() != b"years of work") == is_written
    assert ("Saved" in widget.message.text()) == is_written


@pytest.mark.parametrize(
    ("choice", "intensity"), [("layer", (3.0, 700.0)), ("dtype", "dtype"), ("custom", (5, 600))]
)
def test_every_intensity_range_reaches_the_library(
    choice: str,
    intensity: Any,
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
) -> None:
    viewer.add_image(brain[0], contrast_limits=(3, 700))
    widget = dock()
    widget.form.intensity.value = choice
    widget.form.low.setValue(5)
    widget.form.high.setValue(600)
    widget.form.tile.setValue(128)
    widget.upscale()
    finish(widget)
    wanted = napari_srcnn.upscale(brain[0], scale=2, intensity=intensity, tile=128)
    np.testing.assert_array_equal(result_of(viewer).data, wanted)


def test_no_thread_is_left_when_the_widget_is_closed_while_torch_loads(viewer: Any) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(20)


def test_eight_views_give_the_result_and_their_spread(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    viewer.add_image(brain, name="brain", scale=(3, 0.5, 0.5), units="um")
    widget = dock()
    widget.form.model.value = "srcnn-9-1-5-x2"
    widget.form.ensemble.value = True
    widget._show_layers()
    widget.upscale()
    finish(widget)
    result, spread = viewer.layers[-2:]
    assert (result.name, spread.name) == ("brain ×2", "brain ×2 sigma")
    table = spread.metadata["napari_srcnn"]["spread"]
    assert table["calibrated"]
    assert all(len(pair) == 2 for pair in table["within_1_and_2_sigma"].values())
    expected = np.empty(result.data.shape, np.float32)
    big = napari_srcnn.upscale(
        brain, 2, model="srcnn-9-1-5-x2", device="cpu", ensemble=True, spread=expected
    )
    assert np.abs(result.data.astype(int) - big).max() <= 1
    assert np.allclose(spread.data, expected, atol=0.01 * expected.max())
    assert spread.data.dtype == np.float32
    assert not spread.visible
    assert np.allclose(spread.extent.world, result.extent.world)
    assert spread.metadata["napari_srcnn"]["spread_of"] == "brain ×2"
    assert widget.results.layers == [result, spread]


def test_a_result_that_keeps_to_its_source_is_asked_for_by_a_tick_which_lasts(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None]
) -> None:
    stack = np.zeros((2, 30, 26), np.uint16)
    stack[..., ::2] = 4000
    viewer.add_image(stack)
    widget = dock()
    widget.form.model.value = "srcnn-9-5-5-x2-microscopes"
    assert widget.form.consistent.isVisibleTo(widget)
    widget.form.consistent.click()
    widget.form.noise.value = "none"
    assert get_plugin_settings("napari-srcnn").upscale.consistent is True
    widget.upscale()
    finish(widget)
    result = result_of(viewer)
    means = np.asarray(result.data, float).reshape(2, 30, 2, 26, 2).mean((2, 4))
    told = result.metadata[METADATA_KEY]
    assert told["consistent"] is True
    assert told["job"]["consistent"] is True
    assert np.abs(means - stack).max() <= 0.5


def test_the_filters_of_the_chosen_network_are_a_layer(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    source = viewer.add_image(brain, name="brain", scale=(3, 0.5, 0.5), units="um")
    widget = dock()
    widget.form.model.value = "srcnn-9-1-5-x2"
    widget.form.filters.click()
    finish(widget)
    assert viewer.layers[-1].name == "srcnn-9-1-5-x2 filters"
    # 8 x 8 filters of 9 x 9 weights of 8 pixels, 2 between.
    assert viewer.layers[-1].data.shape == (8 * 74 + 2, 8 * 74 + 2)
    # Beside the image and as high, in its units.
    image, filters = (layer.extent.world[:, -2:] for layer in (source, viewer.layers[-1]))
    assert filters[0, 1] > image[1, 1]
    assert np.allclose(filters[:, 0], image[:, 0], atol=0.1)
    assert viewer.layers[-1].units == source.units[-2:]
    assert viewer.layers.selection == {source}
    assert widget.form.layers == (source,)
