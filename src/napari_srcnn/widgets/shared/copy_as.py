"""A button that puts what is asked for on the clipboard, as a line that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QMenu, QPushButton

from napari_srcnn.upscaling.lines import Origin, origin_of
from napari_srcnn.widgets.shared.layers import pixels

if TYPE_CHECKING:
    from napari.layers import Image

COMMAND, PYTHON = "command", "Python"
# napari's arrow would lie on the text.
_LOOKS = """
QPushButton { padding: 3px 6px; }
QPushButton::menu-indicator { image: none; width: 0px; }
"""


class CopyAs(QPushButton):
    """A button with a menu: as a command, or as Python.

    Signals
    -------
    wanted : str
        "command" or "Python".
    """

    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setText("Copy as …")
        self.setToolTip(
            "Put this job on the clipboard as a line that does the same without a window"
        )
        self.setStyleSheet(_LOOKS)
        menu = QMenu(self)
        self.actions_by_kind = {}
        for kind, tooltip in (
            (COMMAND, "For a terminal: napari-srcnn …"),
            (PYTHON, "For a script, or for napari's console"),
        ):
            action = menu.addAction(f"Copy as {kind}")
            action.setObjectName(kind)
            action.setToolTip(tooltip)
            action.triggered.connect(self._on_triggered)
            self.actions_by_kind[kind] = action
        menu.setToolTipsVisible(True)
        self.setMenu(menu)

    def put(self, text: str) -> str:
        """Put a text on the clipboard, and return what to tell the user of it."""
        QGuiApplication.clipboard().setText(text)
        cautions = [line.removeprefix("# ") for line in text.splitlines() if line[:1] == "#"]
        return " ".join(("It is on the clipboard.", *dict.fromkeys(cautions)))

    def _on_triggered(self) -> None:
        self.wanted.emit(self.sender().objectName())


def layer_origin(layer: Image, axes: str) -> Origin:
    """Return where a line finds what a layer shows."""
    path = getattr(layer.source, "path", None)
    return origin_of(
        layer.name,
        None if path is None else str(path),
        pixels(layer),
        axes,
        is_multiscale=layer.multiscale,
    )
