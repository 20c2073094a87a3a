"""A preview that follows what is on screen: when it has rested, all is computed anew beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from napari.components import ViewerModel

REST = 300  # milliseconds


class Following(QObject):
    """Says when the view was moved, and when it has come to rest.

    Signals
    -------
    moved, rested
    """

    moved = Signal()
    rested = Signal()

    def __init__(self, parent: QObject, viewer: ViewerModel) -> None:
        super().__init__(parent)
        dims, camera = viewer.dims.events, viewer.scene.camera.events
        self._events = (dims.current_step, dims.ndisplay, dims.order, camera.center, camera.zoom)
        self._is_connected = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST)
        self._timer.timeout.connect(self.rested)

    def start(self) -> None:
        """Follow the view."""
        if not self._is_connected:
            self._is_connected = True
            for event in self._events:
                event.connect(self.poke)

    def stop(self) -> None:
        """Follow it no more."""
        self._timer.stop()
        if self._is_connected:
            self._is_connected = False
            for event in self._events:
                event.disconnect(self.poke)

    def poke(self, event: Any = None) -> None:
        """Note that something was moved or chosen."""
        self._timer.start()
        self.moved.emit()
