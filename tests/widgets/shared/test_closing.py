"""What is asked before a real window is closed during a job, in all the ways of closing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_srcnn.widgets.shared import runner

WAYS: dict[str, Callable[[Any], Any]] = {
    "window manager": lambda main: main.windowHandle().close(),
    "Close Window": lambda main: main.close(quit_app=False, confirm_need=True),
    "Exit": lambda main: main.close(quit_app=True, confirm_need=True),
}


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """The questions, each of which is answered with Cancel."""
    texts: list[str] = []

    def answer() -> None:
        window = QApplication.activeModalWidget()
        if isinstance(window, QMessageBox):
            texts.append(window.text())
            window.button(QMessageBox.StandardButton.Cancel).click()

    clerk = QTimer()
    clerk.timeout.connect(answer)
    clerk.start(20)
    yield texts
    clerk.stop()


@pytest.fixture
def shown(make_napari_viewer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A viewer on the screen, of which napari itself asks nothing."""
    monkeypatch.setattr(get_settings().application, "confirm_close_window", False)
    yield make_napari_viewer(show=True)
    assert runner.wait(20), "a thread was left behind"


def test_however_a_window_is_closed_during_a_job_it_is_asked_and_cancel_leaves_all_as_it_was(
    shown: Any,
    make_napari_viewer: Callable[..., Any],
    qtbot: Any,
    brain: np.ndarray,
    asked: list[str],
    finish: Callable[[Any], None],
) -> None:
    other = make_napari_viewer(show=True).window._qt_window
    main = shown.window._qt_window
    shown.add_image(np.tile(brain, (20, 4, 4)), name="cells")
    _, widget = shown.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    qtbot.waitUntil(lambda: widget.loaded is not None, timeout=60_000)
    widget.form.tile.setValue(64)
    widget.upscale()
    for close in WAYS.values():
        close(main)
        assert main.isVisible()
        assert not widget.runner.is_cancelled
        assert widget.runner.job
    assert len(asked) == len(WAYS)
    assert all("cells" in text and "not saved" in text for text in asked)
    assert not main._quit_app, "the next Close Window closes one window"
    other.close(quit_app=True, confirm_need=True)
    assert other.isVisible()
    assert len(asked) == len(WAYS) + 1, "an exit closes the window with the job, too"
    widget.cancel()
    finish(widget)


def test_what_is_lost_of_a_save_is_named(
    viewer: Any,
    dock: Callable[[], Any],
    brain: np.ndarray,
    tmp_path: Path,
    finish: Callable[[Any], None],
) -> None:
    viewer.add_image(brain, name="cells")
    widget = dock()
    widget.upscale()
    finish(widget)
    widget.save(tmp_path / "cells.ome.tif")
    assert "cells.ome.tif is being saved. A file that is not whole" in widget._under_way.lost
    finish(widget)
    assert not widget._under_way.lost


def test_a_program_that_closes_its_viewer_during_a_job_is_not_asked(
    shown: Any, qtbot: Any, brain: np.ndarray, asked: list[str]
) -> None:
    shown.add_image(np.tile(brain, (20, 4, 4)), name="cells")
    _, widget = shown.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    qtbot.waitUntil(lambda: widget.loaded is not None, timeout=60_000)
    widget.upscale()
    shown.close()
    assert not asked
    assert runner.wait(20)
