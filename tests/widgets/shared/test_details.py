"""The button that copies what a report of an error begins with, and what it is told of errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication

from napari_srcnn import diagnose, faults


def later(text: str) -> list[str]:
    """What does not change from one moment to the next."""
    return [
        line
        for line in text.splitlines()[1:]
        if " free" not in line and not line.startswith("memory")
    ]


def test_the_button_copies_what_doctor_says(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, own_home: Path
) -> None:
    viewer.add_image(np.zeros((32, 32), np.uint16))
    widget = dock()
    QGuiApplication.clipboard().clear()
    widget.form.details.click()
    assert widget.message.text() == "Looking at this machine …"
    qtbot.waitUntil(lambda: "on the clipboard" in widget.message.text(), timeout=60_000)
    assert later(QGuiApplication.clipboard().text()) == later(diagnose())


def _ours() -> None:
    from napari_srcnn.io.read import read_stack

    read_stack(5)  # type: ignore[arg-type]


def test_an_error_that_napari_shows_is_kept_if_it_is_ours(
    viewer: Any, dock: Callable[[], Any], own_home: Path
) -> None:
    from napari.utils.notifications import notification_manager

    dock()
    faults._last = None
    for function, is_kept in ((lambda: np.zeros("many"), False), (_ours, True)):
        # As Python does with what a slot or a thread raises while napari runs.
        try:
            function()
        except TypeError as error:
            notification_manager.receive_error(type(error), error, error.__traceback__)
        assert (faults.last() is not None) == is_kept
    kept = faults.last()
    assert kept is not None
    assert (kept.where, kept.kind) == ("napari", "TypeError")
    assert kept.frames[0].startswith("io.read:")


def test_a_job_that_fails_as_nobody_foresaw_is_kept_and_said(
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_srcnn.widgets.upscale import tasks

    faults._last = None
    viewer.add_image(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64), name="Anna")
    widget = dock()

    def plan(*_: Any) -> None:
        raise ZeroDivisionError("a tile of no pixels")

    monkeypatch.setattr(tasks, "_plan", plan)
    widget.upscale()
    finish(widget)
    assert "a tile of no pixels" in widget.message.text()
    kept = faults.last()
    assert kept is not None
    assert kept.kind == "ZeroDivisionError"
    assert any(frame.startswith("widgets.upscale.tasks:") for frame in kept.frames)
