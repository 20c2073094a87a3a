"""“Copy as command” and “Copy as Python”: what is on the clipboard does the widget's job."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from commands import command_here
from qtpy.QtGui import QGuiApplication

from napari_srcnn.upscaling.lines import PLACEHOLDER


def copied(widget: Any, kind: str) -> str:
    """What is on the clipboard once an entry of the menu was chosen."""
    QGuiApplication.clipboard().clear()
    widget.copy_as.actions_by_kind[kind].trigger()
    return str(QGuiApplication.clipboard().text())


def test_an_upscaling_that_is_copied_gives_the_pixels_of_the_layer(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
    tmp_path: Path,
) -> None:
    brain = brain[:2]
    path = tmp_path / "my brain.ome.tif"
    tifffile.imwrite(path, brain, metadata={"axes": "ZYX"})
    (source,) = viewer.open(str(path), plugin="napari-srcnn")
    widget = dock()
    form = widget.form
    form.scale.value, form.model.value = 3, "srcnn-9-1-5-x3"
    form.intensity.value = "custom"
    form.low.setValue(-20)
    form.high.setValue(700.5)
    form.dtype.value = "float32"
    form.tile.setValue(96)
    widget.upscale()
    finish(widget)
    result = np.asarray(viewer.layers[-1].data)
    target = tmp_path / "my brain_x3.ome.tif"
    for kind in ("command", "Python"):
        text = copied(widget, kind)
        assert widget.message.text() == "It is on the clipboard."
        if kind == "command":
            assert "\n" not in text
            assert command_here(*shlex.split(text)[1:]).code == 0
        else:
            exec(text, {})
        np.testing.assert_array_equal(tifffile.imread(target), result)
        target.unlink()

    # What is looked at is not the file any more.
    source.data = brain[1:]
    form.scale.value = 2
    assert copied(widget, "command").startswith("# my brain is not what my brain.ome.tif holds")
    assert PLACEHOLDER in widget.message.text()
    made = viewer.add_image(brain, name="it's made here")
    viewer.layers.selection.active = made
    widget._show_layers()
    assert copied(widget, "command").startswith("# it's made here comes from no file.")
    names: dict[str, Any] = {"viewer": viewer}
    exec(copied(widget, "Python"), names)
    assert names["result"].shape == (2, 80, 112)

    # Channels that are layers of one file.
    path = tmp_path / "two.ome.tif"
    tifffile.imwrite(path, np.stack([brain, brain // 2]), metadata={"axes": "CZYX"})
    channels = viewer.open(str(path), plugin="napari-srcnn")
    viewer.layers.selection = set(channels)
    widget._show_layers()
    *comments, line = copied(widget, "command").splitlines()
    assert [text.split(" is one channel")[0] for text in comments] == [
        f"# {layer.name}" for layer in channels
    ]
    assert shlex.split(line)[2] == str(path)
    form.intensity.value = "layer"
    channels[0].contrast_limits, channels[1].contrast_limits = (0, 500), (0, 300)
    assert copied(widget, "command") == ""
    assert "have ranges of their own" in widget.message.text()


def test_a_folder_that_is_copied_is_the_widgets_own_request(
    viewer: Any, qtbot: Any, brain: np.ndarray, tmp_path: Path
) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", "Upscale a folder…")
    assert not widget.copy_as.isEnabled(), "there is no folder yet"
    images = tmp_path / "my images"
    images.mkdir()
    tifffile.imwrite(images / "a.tif", brain[0])
    widget.form.source.path = images
    widget.form.format.value = "ome-zarr"
    widget.form.again.setChecked(True)
    asked = f"upscale {shlex.quote(str(images))} {shlex.quote(str(tmp_path / 'my images_x2'))}"
    line = copied(widget, "command")
    assert line == f"napari-srcnn {asked} --recursive --scale 2 --format ome-zarr --force"
    compile(copied(widget, "Python"), "copied", "exec")
    qtbot.waitUntil(lambda: widget.loaded is not None, timeout=60_000)
    assert copied(widget, "command") == line, "the fastest device is no choice"


def test_a_training_that_is_copied_says_what_stands_in_the_fields(
    viewer: Any, tuning: Any, pollen: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "pollen.ome.tif"
    tifffile.imwrite(path, pollen, metadata={"axes": "ZYX"})
    viewer.open(str(path), plugin="napari-srcnn")
    widget = tuning.open()
    form = widget.form
    form.blur.setValue(0.5)
    form.gain.setValue(0)
    form.read.setValue(12)
    form.offset.setValue(0)
    form.minutes.setValue(2)
    form.patience.setValue(9)
    words = shlex.split(copied(widget, "command"))
    assert words[:2] == ["napari-srcnn", "finetune"]
    said = dict(zip(words[2::2], words[3::2], strict=True))
    assert said == {
        "--name": form.name.text(),
        "--high": str(path),
        "--scale": "2",
        "--from": form.start.value,
        "--minutes": "2",
        "--batch": "4",
        "--crop": "24",
        "--patience": "9",
        "--blur": "0.5",
        "--read-noise": "12.0",
    }
    assert "patience=9" in copied(widget, "Python")
