"""The window stays responsive while a result is made: measured by a heartbeat against bare napari.

Bare napari does in the same viewer what the run makes it do: a layer of that size is added, the
slider is moved at the same pace, and the layer is drawn anew as often.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from heartbeat import ALLOWED, TRIES, Heartbeat, slide, times_bare

from napari_srcnn.widgets.shared.layers import Appearance


def test_the_main_thread_is_not_held_up_longer_than_by_bare_napari(
    make_napari_viewer: Callable[..., Any], brain: np.ndarray, qtbot: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    stack = np.tile(brain, (1, 10, 7))
    source = viewer.add_image(stack, name="cells")
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    qtbot.waitUntil(lambda: widget.loaded is not None, timeout=60_000)
    widget.form.model.value = "srcnn-9-1-5-x2"
    widget.form.tile.setValue(128)
    held_up = []
    for _ in range(TRIES):
        ran, seconds = of_the_run(viewer, widget, len(stack), qtbot)
        bare = of_bare_napari(viewer, source, seconds, len(stack), qtbot)
        held_up.append(times_bare(ran, bare))
        print(
            f"longest stall {ran * 1e3:.0f} ms in a run of {seconds:.1f} s, {bare * 1e3:.0f} bare"
        )
        if held_up[-1] <= ALLOWED:
            break
    assert min(held_up) <= ALLOWED


def of_the_run(viewer: Any, widget: Any, count: int, qtbot: Any) -> tuple[float, float]:
    """Return the longest stall of a run, and how long it took."""
    qtbot.wait(300)
    heart, slider, began = Heartbeat(), slide(viewer, count), time.perf_counter()
    widget.upscale_button.click()
    qtbot.waitUntil(lambda: not widget.runner.job, timeout=120_000)
    seconds = time.perf_counter() - began
    slider.stop()
    longest = heart.stop()
    assert "partial" not in viewer.layers[-1].metadata["napari_srcnn"]
    viewer.layers.pop()
    return longest, seconds


def of_bare_napari(viewer: Any, source: Any, seconds: float, count: int, qtbot: Any) -> float:
    """Return the longest stall of the same work on a layer, without the widget's."""
    data = np.zeros((count, *(2 * n for n in source.data.shape[1:])), source.data.dtype)
    qtbot.wait(300)
    heart, slider = Heartbeat(), slide(viewer, count)
    layer = viewer.add_image(data, name="bare", **Appearance.of(source).enlarged(2))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        qtbot.wait(250)
        layer.refresh()
    slider.stop()
    longest = heart.stop()
    viewer.layers.remove(layer)
    return longest
