"""A button that puts on the clipboard what a report of an error begins with."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QPushButton

from napari_srcnn.widgets.shared.runner import Runner


class DetailsButton(QPushButton):
    """Copies what ``napari-srcnn doctor`` says; beside the window, as some of it takes seconds.

    Signals
    -------
    said : str
        What to tell the user.
    """

    said = Signal(str)

    def __init__(self) -> None:
        super().__init__("Copy details for a report")
        self.setToolTip(
            "Put versions, device, folders and the last error on the clipboard, as "
            "“napari-srcnn doctor” says them; no names of people or files."
        )
        self._runner = Runner(self)
        self._runner.received.connect(self._on_received)
        self.clicked.connect(self._on_clicked)

    def _on_clicked(self) -> None:
        self.said.emit("Looking at this machine …")
        self._runner.supersede(look)

    def _on_received(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.said.emit("The details are on the clipboard; paste them into your report.")


def look(cancel: threading.Event) -> Iterator[str]:
    """Yield the text, once."""
    from napari_srcnn.doctor.diagnosis import diagnose

    yield diagnose()
