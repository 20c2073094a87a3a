"""What is offered to learn from, what is refused as a pair, and where rectangles lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from tuning import Tuning

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.model import SRCNN
from napari_srcnn.widgets.shared.layers import rectangles


def menu_of(choice: Any) -> list[str]:
    choice = getattr(choice, "menu", choice)
    return [choice.itemText(index) for index in range(choice.count())]


@pytest.mark.parametrize("which", ["high", "low"])
def test_a_pair_of_a_colour_and_a_gray_image_is_said_to_be_one(
    which: str, viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    low = Degradation().low_res(pollen, 2).astype(np.uint16)
    images = {"high": pollen, "low": low}
    images[which] = np.stack([images[which] // 256] * 3, axis=-1).astype(np.uint8)
    widget = tuning.open()
    high = viewer.add_image(images["high"], name="H", rgb=which == "high")
    partner = viewer.add_image(images["low"], name="L", rgb=which == "low")
    tuning.wait_for(lambda: "L" in menu_of(widget.form.low))
    widget.form.high.value = high
    widget.form.low.value = partner
    coloured = {"high": "H", "low": "L"}[which]
    assert f"{coloured} is a colour image (RGB)" in widget.summary.text()
    tuning.train()
    assert f"{coloured} is a colour image (RGB)" in tuning.notes[-1]
    assert not widget.runner.job


def test_a_pair_whose_axes_are_in_another_order_is_said_to_be_one(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    # As many channels as slices: the shapes alone would not tell.
    high = np.stack([pollen[:2], pollen[2:4]])
    low = Degradation().low_res(high, 2).astype(np.uint16)
    high_layer = viewer.add_image(high, name="H", axis_labels=("z", "c", "y", "x"))
    low_layer = viewer.add_image(low, name="L", axis_labels=("c", "z", "y", "x"))
    widget = tuning.open()
    widget.form.high.value = high_layer
    widget.form.low.value = low_layer
    assert "The axes of H are ZCYX and those of L are CZYX" in widget.summary.text()


def test_a_rectangle_in_nanometers_lies_where_it_is_drawn(viewer: Any, pollen: np.ndarray) -> None:
    """Napari draws layers of other units of length over each other: napari#2487, #7975."""
    image = viewer.add_image(pollen, name="a", units=("micrometer",) * 3, scale=(2, 0.5, 0.5))
    corners = np.array([[5, 5], [5, 20], [20, 20], [20, 5]])
    here = viewer.add_shapes([corners], units=("micrometer",) * 2, name="um")
    there = viewer.add_shapes([corners * 1000], units=("nanometer",) * 2, name="nm")
    deep = np.column_stack([np.zeros(4), corners * 1000])
    third = viewer.add_shapes(
        [deep], ndim=3, units=("micrometer", "nanometer", "nanometer"), name="3-D"
    )
    # Pixels are no length: napari draws them number for number.
    pixel = viewer.add_shapes([corners], name="pixel")
    for shapes in (here, there, third, pixel):
        assert rectangles(shapes, image) == ((10, 40, 10, 40),), shapes.name


def test_a_result_is_not_proposed_as_what_is_learned_from(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    tuning: Tuning,
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(0).integers(0, 4000, (96, 96)).astype(np.uint16)
    viewer.add_image(noise, name="cells")
    upscale = dock()
    upscale.upscale()
    finish(upscale)
    result = viewer.layers["cells ×2"]
    viewer.add_points(np.zeros((1, 2)), name="marks")
    widget = tuning.open()
    assert widget.form.high.value.name == "cells"
    viewer.layers.selection = {result}
    tuning.wait(50)
    assert menu_of(widget.form.high) == ["cells"]
    # Nor where it comes from a file.
    result.save(str(tmp_path / "result.ome.tif"), plugin="napari-srcnn")
    viewer.layers.clear()
    viewer.open(tmp_path / "result.ome.tif", plugin="napari-srcnn")
    tuning.wait(50)
    assert widget.form.high.value is None
    assert "result was made by this plugin" in widget.empty_note.text()


def test_a_mixed_folder_says_how_many_files_of_what_kinds_before_training(
    viewer: Any, tuning: Tuning, pollen: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(folder / f"p{number}.tif", pollen[number])
    tifffile.imwrite(folder / "stack.tif", (pollen // 256).astype(np.uint8))
    (folder / "q.tif").write_bytes(b"no image")
    (folder / "notes.txt").write_text("what was stained")
    widget = tuning.open()
    widget.form.high.choose_path(folder)
    said = widget.form.data.files_note
    tuning.wait_for(lambda: bool(said.text()))
    assert said.text() == (
        "mixed: 5 files: 3 uint16 planes, 1 uint8 stack, 1 that cannot be read (q.tif). "
        "They are of several kinds; a network learns best from one. No TIFFs, and not read: "
        "1 .txt."
    )
    assert tuning.sees(said)
    viewer.add_image(pollen, name="cells")
    tuning.wait_for(lambda: "cells" in menu_of(widget.form.high))
    widget.form.high.value = viewer.layers["cells"]
    assert said.text() == ""


def test_the_example_that_is_proposed_is_not_the_high_res_image(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    sharp = viewer.add_image(pollen, name="sharp")
    widget = tuning.open()
    assert menu_of(widget.form.example) == ["No other image"]
    widget.fit_example()
    assert "There is no example" in widget.message.text()
    low = viewer.add_image(pollen[0, ::2, ::2], name="low")
    tuning.wait_for(lambda: "low" in menu_of(widget.form.example))
    assert widget.form.high.value is sharp
    assert widget.form.example.value == (low,)
    widget.form.high.value = low
    assert widget.form.example.value == (sharp,)


def test_the_noise_of_data_that_were_replaced_is_not_that_of_the_old_ones(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    layer = viewer.add_image(pollen, name="cells")
    widget = tuning.open()
    widget.form.noise_from.value = "measured"
    tuning.wait_for(lambda: not widget.noise.is_pending and "measured" in widget.summary.text())
    before = widget.form.gain.value()
    rng = np.random.default_rng(0)
    smooth = np.broadcast_to(np.linspace(20, 200, 96), pollen.shape)
    layer.data = (rng.poisson(smooth) * 30).astype(np.uint16)
    tuning.train()
    tuning.learn()
    widget.cancel()
    tuning.finish()
    assert widget.form.gain.value() != pytest.approx(before, rel=0.05)
    assert widget.form.gain.value() == pytest.approx(30, rel=0.3)


def test_own_networks_come_second_and_are_told_apart(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    for name, psnr in (("cells-x2", 31.5), ("cells-x2-2", 32.25)):
        card = {
            "description": "Fine-tuned on cells",
            "date": "2026-05-04T10:00:00+02:00",
            "holdout": {"psnr": psnr, "bicubic": 30.0},
        }
        save_model(user_model_dir() / f"{name}.safetensors", SRCNN(SRCNNConfig(scale=2)), card)
    viewer.add_image(pollen, name="cells")
    start = tuning.open().form.start
    assert start.values[0] == "srcnn-9-5-5-x2-noise", "what a lab's images are most like"
    assert start.values[1:3] == ["cells-x2", "cells-x2-2"]
    assert [start.itemData(n, Qt.ItemDataRole.ToolTipRole) for n in (1, 2)] == [
        "Fine-tuned on cells, on 2026-05-04, +1.50 dB over bicubic on what it has not seen"
        "\ncells-x2.safetensors",
        "Fine-tuned on cells, on 2026-05-04, +2.25 dB over bicubic on what it has not seen"
        "\ncells-x2-2.safetensors",
    ]
