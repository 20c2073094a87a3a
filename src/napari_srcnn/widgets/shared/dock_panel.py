"""What the windows share: how they speak to their user, and that they scroll."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

from napari_srcnn.widgets.shared.fault_watch import watch_faults
from napari_srcnn.widgets.shared.fields import Note


class DockPanel(QWidget):
    """A window with a line, `message`, in which it says how things went."""

    def __init__(self) -> None:
        super().__init__()
        watch_faults()
        self.message = Note()
        self._is_failure = False

    def event(self, event: QEvent) -> bool:
        """Stop when the dock is closed: napari takes the widget out and lets it go."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.shut()
        return bool(super().event(event))

    def shut(self) -> None:
        """Stop all work and let go of the viewer; for windows that do some."""

    def status(self, text: str) -> None:
        """Say how something ended."""
        self._is_failure = False
        self.message.setStyleSheet("")
        self.message.say(text)

    def notify(self, text: str, *, is_status: bool = True) -> None:
        """Tell the user something as napari's notification and, by default, here."""
        from napari.utils.notifications import show_info

        if is_status:
            self.status(text)
        show_info(text)

    def fail(self, text: str) -> None:
        """Tell the user what went wrong, here and as napari's notification."""
        from napari.utils.notifications import show_error

        self._is_failure = True
        self.message.setStyleSheet("QLabel { color: #e0a030; }")
        self.message.say(text)
        show_error(text)

    def say_for_now(self, text: str) -> None:
        """Say what is true until something changes."""
        self.status(text)
        self._is_failure = True

    def forget_failure(self) -> None:
        """Take back what went wrong, or was said for now: its cause may be gone."""
        if self._is_failure:
            self.status("")


def scrolled(content: QWidget) -> QScrollArea:
    """Return a part that scrolls on a small screen; nothing is cut off."""
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(content)
    return scroll
