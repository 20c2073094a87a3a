"""The Assess widget in the real viewer: proposals, figures, maps, plots, files, what is refused."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from commands import command_here
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_srcnn.assess.assessment import Assessment, assess
from napari_srcnn.assess.lines import PLACEHOLDERS
from napari_srcnn.image.resize import imresize
from napari_srcnn.io import Stack, write_stack
from napari_srcnn.widgets.assess.form import ALIGN
from napari_srcnn.widgets.assess.pairs import stack_of
from napari_srcnn.widgets.assess.plots import MISSING
from napari_srcnn.widgets.shared.layers import METADATA_KEY

NAME = "Assess a result"
# Of a source of 0.2 µm and the result over it, so that their pixels cover the same ground.
SOURCE = {"scale": (1.0, 0.2, 0.2), "units": ("µm",) * 3, "axis_labels": ("z", "y", "x")}
RESULT = {**SOURCE, "scale": (1.0, 0.1, 0.1), "translate": (0.0, -0.05, -0.05)}


@pytest.fixture(scope="module")
def images(pollen: np.ndarray) -> dict[str, np.ndarray]:
    """Three planes: what they are, what of that was recorded, and a result with a bright lie."""
    truth = np.asarray(pollen[:3, :64, :64])
    low = truth.reshape(3, 32, 2, 32, 2).mean((2, 4))
    made = np.stack([imresize(plane, scale=2) for plane in low])
    made[1, 20:24, 30:34] += 20_000
    return {
        "truth": truth,
        "cells": np.rint(low).astype(np.uint16),
        "enlarged": np.rint(made).clip(0, 65535).astype(np.uint16),
    }


@pytest.fixture
def widget(viewer: Any, qtbot: Any) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", NAME)
    return widget


@pytest.fixture
def settle(qtbot: Any) -> Callable[[Any], None]:
    """Waits until a widget has heard of the layers that are open."""

    def wait(widget: Any) -> None:
        widget._layers.flush()

    return wait


@pytest.fixture
def opened(
    viewer: Any, widget: Any, images: dict[str, np.ndarray], settle: Callable[[Any], None]
) -> Any:
    """The widget, a source and its result being open."""
    viewer.add_image(images["cells"], name="cells", **SOURCE)
    viewer.add_image(images["enlarged"], name="enlarged", **RESULT)
    settle(widget)
    return widget


def rows(widget: Any) -> dict[str, list[str]]:
    table = widget.table
    return {
        table.item(row, 0).text(): [table.item(row, column).text() for column in (1, 2)]
        for row in range(table.rowCount())
    }


def test_what_is_missing_is_said_until_there_are_two_images(
    viewer: Any, widget: Any, images: dict[str, np.ndarray], settle: Callable[[Any], None]
) -> None:
    assert widget.sample_button.isVisibleTo(widget)
    assert not widget.assess_button.isVisibleTo(widget)
    viewer.add_image(images["cells"], name="cells")
    settle(widget)
    assert widget.alone.text() == "Only cells is open. Enlarge it first:"
    widget.upscale_button.click()
    assert "Upscale (SRCNN)" in viewer.window.dock_widgets or any(
        "Upscale" in title for title in viewer.window.dock_widgets
    )
    viewer.add_image(np.zeros((3, 31, 64), np.uint16), name="other")
    settle(widget)
    assert widget.assess_button.isVisibleTo(widget)
    assert not widget.assess_button.isEnabled()
    assert "No other layer is 2, 3 or 4 times smaller than" in widget.summary.text()
    widget.form.source.value = widget.form.source.values[-1]
    assert "are no whole multiple of the source's" in widget.summary.text()


def test_a_result_knows_its_source(
    viewer: Any, widget: Any, images: dict[str, np.ndarray], settle: Callable[[Any], None]
) -> None:
    for name in ("one", "two"):
        viewer.add_image(images["cells"], name=name, **SOURCE)
    viewer.add_image(images["enlarged"], name="foreign", **RESULT)
    made = {METADATA_KEY: {"source_layer": "one", "scale": 2}}
    result = viewer.add_image(images["enlarged"], name="ours", metadata=made, **RESULT)
    viewer.add_image(images["cells"], name="look", metadata={METADATA_KEY: {"preview": "SRCNN"}})
    viewer.layers.selection = set()
    settle(widget)
    form = widget.form
    assert (form.result.value, form.source.value.name) == (result, "one")
    assert "look" not in [layer.name for layer in form.result.values]
    assert widget.summary.text() == "64 × 64 is ×2 of 32 × 32, 3 planes."
    form.result.value = viewer.layers["foreign"]
    assert form.source.value.name in ("one", "two")
    # What the user chose stays, whatever is selected.
    viewer.layers.selection = {result}
    settle(widget)
    assert form.result.value.name == "foreign"


def test_figures_maps_and_plots_are_those_of_the_library(
    viewer: Any, opened: Any, finish: Callable[[Any], None], qtbot: Any
) -> None:
    widget = opened
    viewer.dims.set_current_step(0, 1)
    widget.assess_button.click()
    assert not widget.form.isEnabled()
    finish(widget)

    cells, enlarged = viewer.layers["cells"], viewer.layers["enlarged"]
    *_, wanted = assess(stack_of(enlarged), stack_of(cells))
    assert isinstance(wanted, Assessment)
    ours, plain = wanted.rows
    assert rows(widget)["RSE"] == [f"{ours.rse:.4g}", f"{plain.rse:.4g}"]
    assert rows(widget)["decorrelation"][0].endswith(" µm")
    assert "PSNR (dB)" not in rows(widget)
    assert "not optical resolution" in widget.remarks.text()
    assert "orange" in widget.message.text()
    assert widget.title.text() == "enlarged, made of cells"

    maps = {layer.name: layer for layer in viewer.layers if "difference" in layer.name}
    seen, plainly = maps["enlarged difference (σ)"], maps["enlarged difference"]
    assert seen.visible
    assert not plainly.visible
    assert viewer.layers["enlarged error map"] not in viewer.layers.selection
    np.testing.assert_allclose(seen.extent.world, cells.extent.world)
    difference = np.asarray(plainly.data[1])
    # What was painted, 20,000 (but for what is beyond the type), on 2 x 2 pixels of the source.
    assert difference[10:12, 15:17].min() > 10_000
    assert np.abs(difference).max() == pytest.approx(ours.largest)
    assert isinstance(plainly.data, da.Array)

    assert widget.plots.curves.isVisibleTo(widget)
    (curves,) = widget.plots.curves._canvas.figure.axes
    assert [len(line.get_xdata()) for line in curves.get_lines()] == [3, 3]
    (spectra,) = widget.plots.spectra._canvas.figure.axes
    assert {line.get_label() for line in spectra.get_lines()} == {"source", "result", "bicubic"}
    widget.plots.figure_choice.value = "largest"
    (curves,) = widget.plots.curves._canvas.figure.axes
    assert curves.get_lines()[0].get_ydata().argmax() == 1
    dark = spectra.get_facecolor()
    viewer.theme = "light"
    qtbot.waitUntil(lambda: widget.plots.spectra._canvas.figure.axes[0].get_facecolor() != dark)


def test_the_table_is_copied_and_all_is_saved(
    opened: Any,
    finish: Callable[[Any], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notes: list[str],
) -> None:
    widget = opened
    widget.assess()
    finish(widget)
    widget.copy_button.click()
    cells = QApplication.clipboard().text().splitlines()
    assert cells[0] == "\tresult\tbicubic"
    assert float(cells[1].split("\t")[1]) == pytest.approx(widget.found.assessment.rows[0].rse)

    asked: list[str] = []

    def answer(parent: Any, title: str, name: str, kinds: str) -> tuple[str, str]:
        asked.append(name)
        return (str(tmp_path / "a"), "A row each plane (*.csv)" if "json" in name else kinds)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    widget.save_button.click()
    finish(widget)
    widget.report_button.click()
    finish(widget)
    assert asked == ["enlarged assessed.json", "enlarged assessed.html"]
    with (tmp_path / "a.csv").open() as file:
        assert [row["plane"] for row in csv.DictReader(file)] == ["1", "2", "3"] * 2
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "<h1>enlarged, made of cells</h1>" in page
    assert widget.message.text() == f"Saved as {tmp_path / 'a.html'}."
    widget.save(tmp_path / "b.json")
    finish(widget)
    assert json.loads((tmp_path / "b.json").read_text())["result"] == "enlarged"
    widget.save(tmp_path / "none" / "b.json")
    finish(widget)
    assert "There is no folder" in widget.message.text()
    assert "There is no folder" in notes[-1]


def test_a_shifted_reference_is_offered_to_be_aligned(
    viewer: Any, opened: Any, images: dict[str, np.ndarray], finish: Callable[[Any], None]
) -> None:
    widget = opened
    moved = np.roll(images["truth"], (2, -4), (1, 2))
    viewer.add_image(moved, name="truth", **RESULT)
    widget._layers.flush()
    assert widget.form.result.value.name == "enlarged", "what is opened later may be a reference"
    widget.form.reference.value = viewer.layers["truth"]
    assert widget.form.align.isVisibleTo(widget.form)
    widget.assess()
    finish(widget)
    before = float(rows(widget)["PSNR (dB)"][1])
    assert f"Tick “{ALIGN}”" in widget.remarks.text()
    widget.form.align.setChecked(True)
    widget.assess()
    finish(widget)
    assert float(rows(widget)["PSNR (dB)"][1]) > before + 2
    assert "was laid over" in widget.remarks.text()
    assert widget.form.reference.value.name == "truth"
    # The maps, in place of the first ones, are of the part that is left, at its place.
    assert len(viewer.layers) == 6
    shown = viewer.layers["enlarged difference"]
    margin = widget.found.assessment.compared.origin[1]
    assert shown.translate[1] == pytest.approx(margin * 0.2)


def test_what_cannot_be_read_is_said_and_cancel_keeps_nothing(
    viewer: Any,
    widget: Any,
    images: dict[str, np.ndarray],
    finish: Callable[[Any], None],
    qtbot: Any,
) -> None:
    many = np.tile(images["cells"], (60, 1, 1))
    viewer.add_image(many, name="cells", **SOURCE)
    viewer.add_image(many.repeat(2, 1).repeat(2, 2), name="large", **RESULT)
    widget.assess()
    qtbot.waitUntil(lambda: "of 180" in widget.left.text(), timeout=30_000)
    widget.cancel_button.click()
    finish(widget)
    assert widget.message.text() == "Stopped; nothing is kept."
    assert len(viewer.layers) == 2
    assert not widget.table.isVisibleTo(widget)

    def fail(block: np.ndarray) -> np.ndarray:
        raise OSError("The disk is gone")

    broken = da.zeros((180, 64, 64), chunks=(1, 64, 64), dtype=np.uint16).map_blocks(
        fail, dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16)
    )
    viewer.layers.clear()
    viewer.add_image(many, name="cells", **SOURCE)
    viewer.add_image(broken, name="broken", contrast_limits=(0, 1), visible=False, **RESULT)
    widget._layers.flush()
    widget.assess()
    finish(widget)
    assert "The disk is gone" in widget.message.text()


def test_without_matplotlib_a_sentence_stands_in_the_plots_place(
    viewer: Any,
    images: dict[str, np.ndarray],
    finish: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_qtagg", None)
    viewer.add_image(images["cells"][0], name="cells", scale=(0.2, 0.2))
    viewer.add_image(images["enlarged"][0], name="enlarged", scale=(0.1, 0.1))
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", NAME)
    widget._prepare()
    widget.assess()
    finish(widget)
    assert widget.plots.missing.text() == MISSING
    assert not widget.plots.spectra.isVisibleTo(widget)
    assert float(rows(widget)["RSE"][0]) > 0
    assert "0.25 down and 0.25 right" in widget.summary.text()


def test_what_is_assessed_is_copied_as_lines_that_run(
    viewer: Any, widget: Any, images: dict[str, np.ndarray], settle: Any, tmp_path: Path
) -> None:
    for name in ("cells", "enlarged"):
        place = SOURCE if name == "cells" else RESULT
        write_stack(
            tmp_path / f"{name}.ome.tif",
            Stack(
                data=images[name],
                axes="ZYX",
                pixel_size=place["scale"],
                units=place["units"],
            ),
        )
        viewer.open(str(tmp_path / f"{name}.ome.tif"), plugin="napari-srcnn")
    settle(widget)
    widget.form.noise.value = None
    widget.form.blur.setValue(0.5)
    widget.copy_line("command")
    line = QApplication.clipboard().text()
    report = tmp_path / "enlarged-assessed.html"
    assert shlex.split(line)[1:] == [
        *("assess", str(tmp_path / "enlarged.ome.tif")),
        *("--source", str(tmp_path / "cells.ome.tif")),
        *("--blur", "0.5", "--noise", "none", "--report", str(report)),
    ]
    ended = command_here(*shlex.split(line)[1:])
    assert ended.code == 0, ended.err
    assert report.is_file()
    widget.copy_line("Python")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(QApplication.clipboard().text(), {})
    assert printed.getvalue().strip() == ended.out.strip()


def test_a_line_says_which_image_is_in_no_file(opened: Any) -> None:
    opened.copy_line("command")
    first, second, line = QApplication.clipboard().text().splitlines()
    assert first.startswith("# enlarged comes from no file. Save its layer")
    assert second.startswith("# cells comes from no file.")
    assert shlex.split(line)[2:5] == [PLACEHOLDERS[0], "--source", PLACEHOLDERS[1]]
    assert first.removeprefix("# ") in opened.message.text()
