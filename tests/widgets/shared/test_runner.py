"""Jobs beside the window: what becomes of one whose window goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QWidget

from napari_srcnn.widgets.shared.runner import Runner, wait


def talk(cancel: threading.Event) -> Iterator[int]:
    """Say something all the time."""
    number = 0
    while not cancel.is_set():
        yield (number := number + 1)


def test_a_window_can_go_while_a_job_speaks(qtbot: Any) -> None:
    """A signal that a thread emits while Qt takes its object apart ends the program."""
    heard: list[int] = []
    for count in range(1, 41):
        window = QWidget()
        runner = Runner(window)
        runner.received.connect(heard.append)
        runner.prepare(talk)
        heard.clear()
        qtbot.waitUntil(lambda: len(heard) > 1)
        window.deleteLater()
        QCoreApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete)
        said = len(heard)
        QCoreApplication.processEvents()
        assert len(heard) == said, f"window {count} was told something after its end"
    assert wait(20), "a thread goes on talking to nobody"
