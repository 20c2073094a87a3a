"""What is asked before napari closes while something is under way."""

from __future__ import annotations

import weakref

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QApplication, QMainWindow, QMessageBox, QWidget


class UnderWay(QObject):
    """Asks before the main window is closed by its user, and names what would be lost.

    Parameters
    ----------
    window : QWidget
        What stands in a dock of the main window.

    Attributes
    ----------
    lost : str
        What would be lost, as a sentence; empty where nothing would be.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        # Not held: the last to let go of a window would take it apart with all that is in it, in
        # the midst of what it was doing; and napari's viewer could not be collected.
        self._main: weakref.ref[QMainWindow] | None = None
        self.lost = ""

    def say(self, what_is_lost: str) -> None:
        """Name what would be lost, as a sentence; nothing for an empty text."""
        self.lost = what_is_lost
        main = main_window(self._window) if self._main is None else self._main()
        if main is None:
            return
        if what_is_lost and self._main is None:
            self._main = weakref.ref(main)
            for window in _windows_like(main):
                window.installEventFilter(self)
        elif self._main is not None and not what_is_lost:
            self._main = None
            for window in _windows_like(main):
                window.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # Qt's name
        """Ask, and refuse to close where the user has thought better of it."""
        if event.type() != QEvent.Type.Close or not self.lost or self._main is None:
            return False
        # File > Exit of any window closes them all.
        is_ours = not isinstance(watched, QMainWindow) or watched is self._main()
        is_exit = getattr(watched, "_quit_app", False)
        if (is_ours or is_exit) and _is_by_user(watched, event):
            buttons = QMessageBox.StandardButton
            answer = QMessageBox.question(
                self._window,
                "Close napari",
                f"{self.lost} Close napari all the same?",
                buttons.Yes | buttons.Cancel,
                buttons.Cancel,
            )
            if answer != buttons.Yes:
                event.ignore()
                if is_exit:
                    # File > Exit has set it before it closes the window, and it would turn the
                    # next File > Close Window into an exit.
                    watched._quit_app = False  # type: ignore[attr-defined]  # napari's
                return True
        return False


def _windows_like(main: QMainWindow) -> list[QMainWindow]:
    """Return the windows of all viewers there are."""
    return [one for one in QApplication.topLevelWidgets() if type(one) is type(main)]


def _is_by_user(main: QObject, event: QEvent) -> bool:
    """Tell whether it is the user who closes a window: a program that closes its viewer means it.

    The entries of the File menu and their keys call the window's ``close`` as a program might; but
    ``Viewer.close`` has closed what stands in the window's middle by then.
    """
    if event.spontaneous():
        return True
    middle = main.centralWidget() if isinstance(main, QMainWindow) else None
    if middle is None or not middle.isVisible():
        return False
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    return any(part.isVisible() for part in middle.findChildren(QWidget, "", direct))


def main_window(widget: QWidget) -> QMainWindow | None:
    """Return the window that a dock belongs to, whether it floats or not."""
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parent()
    return parent
