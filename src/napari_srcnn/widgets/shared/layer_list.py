"""Following a viewer's layer list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_srcnn.widgets.shared.layers import is_made_by_us, pixels

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image


class LayerListWatch(QObject):
    """Follows a viewer's layer list; what it says several times in a row is answered once.

    Signals
    -------
    changed
        There are other layers, or another order, other names or another selection.
    removed : object
        A layer was taken away; said at once.
    """

    changed = Signal()
    removed = Signal(object)

    def __init__(self, parent: QObject, viewer: ViewerModel) -> None:
        super().__init__(parent)
        events = viewer.layers.events
        self._events = (events.inserted, events.reordered, events.renamed)
        self._removed = events.removed
        self._selected = viewer.layers.selection.events.changed
        self._is_connected = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.changed)

    def start(self) -> None:
        """Follow the list."""
        if not self._is_connected:
            self._is_connected = True
            for event in (*self._events, self._selected):
                event.connect(self.note)
            self._removed.connect(self._on_removed)

    def stop(self) -> None:
        """Follow it no more."""
        self._timer.stop()
        if self._is_connected:
            self._is_connected = False
            for event in (*self._events, self._selected):
                event.disconnect(self.note)
            self._removed.disconnect(self._on_removed)

    def note(self, event: Any = None) -> None:
        """Say soon that something changed."""
        self._timer.start(0)

    def flush(self) -> None:
        """Say now what is waiting to be said."""
        if self._timer.isActive():
            self._timer.stop()
            self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        self.removed.emit(event.value)
        self.note()


def channels_of_files(images: Sequence[Image]) -> list[tuple[str, tuple[Image, ...]]]:
    """Return the images that are of one file and of one shape, by the file's name."""
    found: dict[tuple[str, tuple[int, ...]], list[Image]] = {}
    for image in images:
        path = getattr(image.source, "path", None)
        if path and not is_made_by_us(image):
            found.setdefault((str(path), tuple(pixels(image).shape)), []).append(image)
    return [(Path(path).name, tuple(many)) for (path, _), many in found.items() if len(many) > 1]
