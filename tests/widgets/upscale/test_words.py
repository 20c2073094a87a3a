"""What the Upscale window says, where, and how long: for who has never read a word of code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.settings import get_plugin_settings
from qtpy.QtWidgets import QFileDialog

from napari_srcnn.image.stack import Stack
from napari_srcnn.io import write_stack
from napari_srcnn.io.names import file_name
from napari_srcnn.widgets.shared.caution import SIGN
from napari_srcnn.widgets.upscale.saving import SUFFIX

MODEL = "srcnn-9-1-5-x2"


@pytest.fixture
def widget(viewer: Any, dock: Callable[[], Any], brain: np.ndarray) -> Any:
    viewer.add_image(brain, name="cells")
    made = dock()
    made.form.model.value = MODEL
    return made


def test_what_no_disk_holds_is_said_before_a_click(viewer: Any, dock: Callable[[], Any]) -> None:
    get_plugin_settings("napari-srcnn").upscale.lazy_above = 1e9  # gigabytes
    huge = np.broadcast_to(np.zeros((), np.uint16), (1000, 1000, 1000, 64, 64))
    viewer.add_image(huge, name="huge", contrast_limits=(0, 1))
    widget = dock()
    widget.form.model.value = MODEL
    assert widget.summary.text().startswith(SIGN)
    assert "The result has 32.8 TB" in widget.summary.text()
    assert not widget.upscale_button.isEnabled()
    assert widget.preview_button.isEnabled(), "a part of it can be looked at"


def test_what_cannot_be_enlarged_cannot_be_pressed(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray
) -> None:
    mask = viewer.add_image(brain > brain.mean(), name="mask")
    widget = dock()
    assert widget.summary.text().startswith(SIGN)
    assert not widget.upscale_button.isEnabled()
    assert not widget.preview_button.isEnabled()
    viewer.add_image(brain, name="cells")
    qtbot.waitUntil(widget.upscale_button.isEnabled)
    viewer.layers.selection = {mask}
    qtbot.waitUntil(lambda: not widget.upscale_button.isEnabled())


def test_words_go_with_what_they_were_about(
    viewer: Any, widget: Any, qtbot: Any, brain: np.ndarray
) -> None:
    viewer.dims.ndisplay = 3
    widget.preview()
    assert "switch the viewer to 2-D" in widget.message.text()
    viewer.dims.ndisplay = 2
    assert widget.message.text() == ""
    widget.status("Saved cells_x2.ome.tif in /tmp.")
    viewer.add_image(brain // 2, name="other")
    qtbot.waitUntil(lambda: widget.message.text() == "")
    widget.status("Done in 2 s.")
    widget.form.layer.setCurrentIndex(1 - widget.form.layer.currentIndex())
    assert widget.message.text() == ""


def test_where_a_result_is_saved_is_proposed_and_said(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = tmp_path / "images" / "my cells.ome.tif"
    source.parent.mkdir()
    write_stack(source, Stack(data=brain, axes="ZYX"))
    viewer.open(source, plugin="napari-srcnn")
    widget = dock()
    widget.form.model.value = MODEL
    widget.upscale()
    finish(widget)
    asked: list[tuple[str, str]] = []

    def ask(parent: Any, title: str, proposed: str, *rest: Any) -> tuple[str, str]:
        asked.append((title, proposed))
        return str(tmp_path / "elsewhere.ome.tif"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    widget.ask_and_save()
    finish(widget)
    (layer,) = widget.results.layers
    assert asked[0][0] == f"Save {layer.name}"
    assert asked[0][1] == str(source.parent / "my_cells_x2.ome.tif")
    assert widget.message.text() == f"Saved elsewhere.ome.tif in {tmp_path}."
    widget.ask_and_save()
    finish(widget)
    assert Path(asked[1][1]).parent == tmp_path, "where the last one went"


def test_channels_of_a_file_are_offered_together(
    viewer: Any, dock: Callable[[], Any], brain: np.ndarray, tmp_path: Path
) -> None:
    both = np.stack([brain, brain[::-1]], axis=1)
    write_stack(tmp_path / "two.ome.tif", Stack(data=both, axes="ZCYX"))
    opened = viewer.open(tmp_path / "two.ome.tif", plugin="napari-srcnn")
    widget = dock()
    texts = [widget.form.layer.itemText(n) for n in range(widget.form.layer.count())]
    assert texts[-1] == "All 2 of two.ome.tif"
    widget.form.layer.setCurrentIndex(len(texts) - 1)
    assert set(widget.form.layers) == set(opened)
    assert set(viewer.layers.selection) == set(opened)


def test_labels_alone_are_named(viewer: Any, dock: Callable[[], Any], qtbot: Any) -> None:
    widget = dock()
    assert "No image is open" in widget.why_empty.text()
    viewer.add_labels(np.zeros((8, 8), int), name="cells & co")
    qtbot.waitUntil(lambda: "cells &amp; co is no image" in widget.why_empty.text())


def test_a_run_whose_image_was_removed_says_so(
    viewer: Any, widget: Any, qtbot: Any, finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    viewer.add_image(np.tile(brain, (8, 4, 4)), name="much")
    qtbot.waitUntil(lambda: widget.form.layers[0].name == "much")
    widget.form.model.value = "srcnn-9-5-5-x2"
    widget.upscale()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    viewer.layers.remove("much")
    finish(widget)
    assert "for much was removed" in widget.message.text()


def test_the_time_of_a_run_is_that_of_all_its_layers_and_stays(
    viewer: Any, widget: Any, qtbot: Any, finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    viewer.add_image(brain[::-1], name="other")
    viewer.layers.selection = set(viewer.layers)
    widget._show_layers()
    widget.upscale()
    finish(widget)
    took = [one.metadata["napari_srcnn"]["seconds"] for one in widget.results.finished]
    assert len(took) == 2
    assert widget.results._seconds == pytest.approx(sum(took))
    qtbot.wait(400)  # what the layer list has to say comes a little later
    assert widget.message.text().startswith("Done in")


@pytest.mark.parametrize(
    ("layer", "file"),
    [
        ("brain ×2", "brain_x2.ome.tif"),
        ("a/b: c ×4", "a_b_c_x4.ome.tif"),
        ("DAPI ×3 (partial, 2 of 5)", "DAPI_x3_(partial,_2_of_5).ome.tif"),
        (" ", "result.ome.tif"),
    ],
)
def test_file_names_have_no_spaces_nor_signs(layer: str, file: str) -> None:
    assert file_name(layer, SUFFIX) == file


def test_what_is_chosen_is_said_for_people_and_can_be_taken_back(widget: Any) -> None:
    form = widget.form
    assert form.model.currentText() == "Photograph (fast)"
    assert f"{MODEL}.safetensors" in form.model.toolTip()
    assert form.advanced.button.text() == "Advanced"
    form.ensemble.value = True
    form.tile.setValue(64)
    assert form.advanced.button.text() == "Advanced (2 changed)"
    form.advanced.content.reset.click()
    assert form.advanced.button.text() == "Advanced"
    assert (form.ensemble.value, form.tile.value()) == (False, 0)
    assert get_plugin_settings("napari-srcnn").upscale.ensemble is False
