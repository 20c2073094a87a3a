"""What can go wrong in a viewer: each is told in one sentence and leaves everything in order."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

import napari_srcnn
from napari_srcnn.widgets.shared import runner
from napari_srcnn.widgets.shared.layers import METADATA_KEY


@pytest.fixture
def long_stack(brain: np.ndarray) -> np.ndarray:
    """A stack that takes some seconds."""
    return np.tile(brain, (40, 6, 6))


@pytest.fixture
def running(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, long_stack: np.ndarray
) -> Callable[[], Any]:
    """Starts a run that is under way, its layer there and a slice done."""

    def start() -> Any:
        viewer.add_image(long_stack, name="cells")
        widget = dock()
        widget.form.tile.setValue(64)
        widget.upscale()
        qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
        result = viewer.layers[-1].data
        assert viewer.dims.current_step[0] > 0
        # The current slice comes first: it is done when the one at 0 is begun.
        qtbot.waitUntil(lambda: bool(result[0].any()), timeout=60_000)
        return widget

    return start


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (np.zeros((20, 20), bool), "mask of bool"),
        (np.zeros((20, 20), np.complex64), "complex64"),
    ],
)
def test_what_cannot_be_enlarged_is_said_before_and_when_it_is_tried(
    data: np.ndarray, word: str, viewer: Any, dock: Callable[[], Any], notes: list[str]
) -> None:
    viewer.add_image(np.zeros((20, 20)))
    layer = viewer.layers[0]
    widget = dock()
    layer._data = data  # napari itself shows no complex values
    widget._show_layers()
    assert word in widget.summary.text()
    assert not widget.upscale_button.isEnabled()
    widget.upscale()
    assert word in notes[-1]
    assert notes[-1].count(".") == 1, "one sentence"
    assert len(viewer.layers) == 1
    assert not widget.runner.job


def test_axes_in_another_order_are_said(viewer: Any, dock: Callable[[], Any]) -> None:
    viewer.add_image(np.zeros((20, 20, 3)), axis_labels=("y", "x", "c"), rgb=False)
    widget = dock()
    assert "has to end in YX" in widget.summary.text()


def test_without_an_image_there_is_nothing_to_do(
    viewer: Any, dock: Callable[[], Any], notes: list[str]
) -> None:
    widget = dock()
    viewer.add_points(np.zeros((1, 2)))
    for action in (widget.upscale, widget.preview):
        action()
        assert "no image" in notes[-1]


def test_a_second_run_is_refused(
    running: Callable[[], Any], notes: list[str], viewer: Any, finish: Callable[[Any], None]
) -> None:
    widget = running()
    assert not widget.upscale_button.isEnabled()
    for action in (widget.upscale, widget.preview, lambda: widget.save("nowhere.ome.tif")):
        action()
        assert "already running" in notes[-1]
    widget.cancel()
    finish(widget)
    assert len(viewer.layers) == 2


@pytest.mark.parametrize("which", [0, 1])
def test_removing_the_source_or_the_result_stops_the_run(
    which: int,
    running: Callable[[], Any],
    viewer: Any,
    finish: Callable[[Any], None],
    notes: list[str],
) -> None:
    widget = running()
    viewer.layers.pop(which)
    finish(widget)
    assert runner.wait(5)
    if which == 0:
        assert viewer.layers[0].metadata[METADATA_KEY]["partial"]
    else:
        assert "was removed" in widget.message.text()
        assert [layer.name for layer in viewer.layers] == ["cells"]
    assert not [note for note in notes if "Traceback" in note]


def test_renaming_layers_does_not_disturb_a_run(
    running: Callable[[], Any], viewer: Any, finish: Callable[[Any], None]
) -> None:
    widget = running()
    source, result = viewer.layers
    source.name, result.name = "other", "mine"
    widget.cancel()
    finish(widget)
    assert (source.name, result.name) == ("other", "mine")
    assert result.metadata[METADATA_KEY]["partial"]


def test_closing_the_viewer_stops_the_run(running: Callable[[], Any], viewer: Any) -> None:
    widget = running()
    viewer.close()
    assert runner.wait(5)
    assert widget.runner.is_cancelled


def test_closing_the_widget_stops_the_run_and_lets_it_go(
    running: Callable[[], Any], viewer: Any, qtbot: Any
) -> None:
    widget = running()
    gone = weakref.ref(widget)
    viewer.window.remove_dock_widget(widget)
    assert runner.wait(5)
    qtbot.wait(100)
    assert widget.runner.is_cancelled
    viewer.add_image(np.zeros((4, 4)), name="another")  # nothing listens any more
    del widget

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(is_gone, timeout=60_000)


def test_cancelling_before_a_slice_is_done_leaves_no_layer(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
) -> None:
    viewer.add_image(np.tile(brain[0], (40, 40)))
    widget = dock()
    widget.form.tile.setValue(32)
    widget.upscale()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    widget.cancel()
    finish(widget)
    assert len(viewer.layers) == 1
    assert "nothing is kept" in widget.message.text()


def test_a_slow_source_can_be_cancelled_while_it_is_read(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
) -> None:
    import time

    read: list[float] = []

    def slow(block: np.ndarray) -> np.ndarray:
        read.append(time.monotonic())
        time.sleep(0.2)
        return block

    stack = da.from_array(np.tile(brain, (20, 1, 1)), chunks=(1, -1, -1)).map_blocks(
        slow, meta=np.empty((0, 0, 0), brain.dtype)
    )
    viewer.add_image(stack, contrast_limits=(0, 1000))
    widget = dock()
    read.clear()
    widget.upscale()
    qtbot.waitUntil(lambda: bool(read), timeout=60_000)
    widget.cancel()
    cancelled = time.monotonic()
    finish(widget)
    # What was being read is read to its end, and no more of the hundred planes is begun.
    assert len([began for began in read if began > cancelled]) <= 2


def test_a_small_lazy_layer_is_enlarged_at_once_and_all_of_it(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], brain: np.ndarray
) -> None:
    lazy = da.from_array(brain, chunks=(1, 20, 28))
    layer = viewer.add_image(lazy, contrast_limits=(0, 900))
    widget = dock()
    assert widget.summary.text().startswith("5 planes of 56 × 40 →")
    widget.form.tile.setValue(64)
    widget.upscale()
    finish(widget)
    result = viewer.layers[-1]
    np.testing.assert_array_equal(result.data, napari_srcnn.upscale(brain, scale=2, tile=64))
    assert result.contrast_limits == layer.contrast_limits
    np.testing.assert_allclose(
        result._extent_world_augmented, layer._extent_world_augmented, atol=1e-9
    )


SHAPES = [((20, 31), False), ((1, 1), False), ((9, 8, 4), True), ((1, 3, 1, 5, 7), False)]


@pytest.mark.parametrize(("shape", "rgb"), SHAPES)
def test_every_shape_of_image_works(
    shape: tuple[int, ...],
    rgb: bool,
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
) -> None:
    data = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    viewer.add_image(data, rgb=rgb)
    widget = dock()
    widget.upscale()
    finish(widget)
    axes = None if not rgb else "YXS"
    tile = viewer.layers[-1].metadata[METADATA_KEY]["tile"]
    wanted = napari_srcnn.upscale(data, scale=2, axes=axes, tile=tile)
    np.testing.assert_array_equal(viewer.layers[-1].data, wanted)
    assert viewer.layers[-1].rgb == rgb


def test_a_full_disk_is_said_and_nothing_is_left(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
    notes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer.add_image(brain)
    widget = dock()
    widget.memory_limit = 0
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    widget.upscale()
    finish(widget)
    assert "has only 1 KB free" in notes[-1]
    assert len(viewer.layers) == 1


def test_a_file_that_cannot_be_written_is_said(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
    notes: list[str],
    tmp_path: Path,
) -> None:
    viewer.add_image(brain)
    widget = dock()
    widget.save(tmp_path / "x.ome.tif")
    assert "no result to save" in notes[-1]
    widget.upscale()
    finish(widget)
    widget.save(tmp_path / "there is no such folder" / "x.ome.tif")
    finish(widget)
    assert "no folder" in notes[-1]
    assert not widget.runner.job


def test_a_broken_model_of_the_users_spoils_no_menu(
    own_home: Path, viewer: Any, dock: Callable[[], Any], brain: np.ndarray
) -> None:
    (own_home / "models").mkdir(parents=True)
    (own_home / "models" / "broken.safetensors").write_bytes(b"\0" * 100)
    viewer.add_image(brain)
    widget = dock()
    assert "broken" not in widget.form.model.values
    assert widget.form.model.values
