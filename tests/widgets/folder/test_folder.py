"""A folder upscaled from napari: each file's state, the report, stopping, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from networks import random_network
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_srcnn.io import is_zarr, read_stack
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.upscaling.batch.outcomes import report_of
from napari_srcnn.widgets.folder.rows import STOPPED
from napari_srcnn.widgets.shared.caution import SIGN

NAME = "Upscale a folder…"


@pytest.fixture
def widget(viewer: Any, own_home: Path, qtbot: Any) -> Any:
    """The docked widget with a small network of the user's own, torch being loaded."""
    save_model(user_model_dir() / "small.safetensors", random_network(), {})
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", NAME)
    qtbot.waitUntil(lambda: widget.loaded is not None, timeout=60_000)
    widget.form.model.value = "small"
    return widget


def write(path: Path, *shape: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(100, 4000, shape).astype("u2")
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "raw" / "a.tif", 20, 24)
    (tmp_path / "raw" / "b.tif").write_text("Dear diary, this is no image.")
    write(tmp_path / "raw" / "deep" / "c.tif", 22, 30)
    return tmp_path / "raw"


def rows(widget: Any) -> list[tuple[str, str]]:
    """What the table shows."""
    table = widget.table
    return [(table.item(n, 0).text(), table.item(n, 1).text()) for n in range(table.rowCount())]


def test_each_file_has_its_state_and_a_report_is_there_to_open(
    widget: Any,
    folder: Path,
    finish: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not widget.start_button.isEnabled()
    widget.form.source.path = folder
    assert widget.start_button.isEnabled()
    widget.start_button.click()
    assert not widget.form.isEnabled()
    finish(widget)

    deep = str(Path("deep") / "c.tif")
    assert rows(widget) == [("a.tif", "done"), ("b.tif", "failed"), (deep, "done")]
    assert widget.message.text() == "3 images: 2 done, 1 failed."
    # The one that failed is chosen, and what is wrong with it is said.
    assert "b.tif is not a TIFF file" in widget.detail.toPlainText()
    output = folder.with_name("raw_x2")
    with read_stack(output / "deep" / "c_x2.ome.tif") as big:
        assert big.shape == (44, 60)
        assert big.metadata["napari_srcnn"]["model"] == "small"
    lines = report_of(output).read_text("utf-8").splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["done", "failed", "done"]

    opened: list[str] = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True
    )
    assert widget.report_button.isVisibleTo(widget)
    widget.report_button.click()
    assert [Path(path) for path in opened] == [report_of(output)]


def test_what_is_done_is_skipped_unless_it_is_wanted_again(
    widget: Any, folder: Path, finish: Callable[[Any], None], tmp_path: Path
) -> None:
    (folder / "b.tif").unlink()
    widget.form.source.path, widget.form.output.path = folder, tmp_path / "out"
    widget.form.recursive.setChecked(False)
    for expected in ("done", "skipped"):
        widget.start()
        finish(widget)
        assert rows(widget) == [("a.tif", expected)]
    widget.form.again.setChecked(True)
    widget.start()
    finish(widget)
    assert rows(widget) == [("a.tif", "done")]


def test_a_folder_becomes_ome_zarr_at_another_scale(
    widget: Any, folder: Path, finish: Callable[[Any], None]
) -> None:
    widget.form.source.path = folder
    widget.form.scale.value = 3
    assert widget.form.model.value is None  # the network chosen before is one for × 2
    widget.form.format.value = "ome-zarr"
    widget.start()
    finish(widget)
    assert is_zarr(folder.with_name("raw_x3") / "a_x3.ome.zarr")


def test_stop_keeps_what_is_done_and_leaves_no_half_a_file(
    widget: Any, tmp_path: Path, finish: Callable[[Any], None], qtbot: Any
) -> None:
    write(tmp_path / "raw" / "a.tif", 20, 24)
    write(tmp_path / "raw" / "b.tif", 100, 256, 256)
    write(tmp_path / "raw" / "c.tif", 20, 24)
    widget.form.source.path = tmp_path / "raw"
    widget.start()
    qtbot.waitUntil(lambda: len(rows(widget)) == 3 and "%" in rows(widget)[1][1], timeout=60_000)
    widget.stop_button.click()
    finish(widget)
    assert [state for _, state in rows(widget)] == ["done", STOPPED, STOPPED]
    assert widget.message.text() == "Stopped. 1 image: 1 done."
    written = sorted(path.name for path in (tmp_path / "raw_x2").iterdir())
    assert written == ["a_x2.ome.tif"]


def test_a_folder_without_images_is_refused(
    widget: Any, tmp_path: Path, finish: Callable[[Any], None]
) -> None:
    (tmp_path / "empty").mkdir()
    widget.form.source.path = tmp_path / "empty"
    widget.start()
    finish(widget)
    assert widget.message.text().startswith(f"{SIGN}There are no images in {tmp_path / 'empty'}")
    assert not (tmp_path / "empty_x2").exists()
    assert not widget.report_button.isVisibleTo(widget)


def test_folders_are_asked_for(widget: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    widget.form.source.button.click()
    assert widget.form.source.path == folder
    assert widget.form.output.edit.placeholderText() == str(folder.with_name("raw_x2"))
