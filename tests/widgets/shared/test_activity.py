"""A job in napari's Activity dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from napari.utils import progress


def bars(viewer: Any) -> list[QtLabeledProgressBar]:
    """Return what the Activity dock shows."""
    dialog = viewer.window._qt_window._activity_dialog
    return [bar for bar in dialog.findChildren(QtLabeledProgressBar) if not bar.isHidden()]


def test_a_job_is_seen_in_the_activity_dock_and_cancelled_there(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    qtbot: Any,
    brain: np.ndarray,
) -> None:
    viewer.add_image(np.tile(brain, (20, 4, 4)), name="cells")
    widget = dock()
    widget.form.tile.setValue(64)
    widget.upscale()
    qtbot.waitUntil(
        lambda: any(b.qt_progress_bar.value() > 0 for b in bars(viewer)), timeout=60_000
    )
    (bar,) = bars(viewer)
    assert bar.description_label.text() == "SRCNN: upscaling: "
    assert bar.qt_progress_bar.maximum() == 1000
    assert bar.eta_label.text().endswith(" left")
    bar.cancel_button.click()
    finish(widget)
    assert widget.runner.is_cancelled
    assert "Stopped" in widget.message.text()
    assert not bars(viewer)
    assert not progress._all_instances


def test_a_dock_that_is_closed_during_a_job_leaves_nothing_in_the_activity_dock(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, brain: np.ndarray
) -> None:
    viewer.add_image(np.tile(brain, (20, 4, 4)), name="cells")
    widget = dock()
    widget.upscale()
    qtbot.waitUntil(lambda: bool(bars(viewer)), timeout=60_000)
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not progress._all_instances, timeout=60_000)
    assert not bars(viewer)
