"""What the windows share: how they speak to their user, and that they scroll."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QKeyEvent, QResizeEvent, QShowEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QDockWidget,
    QFrame,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_srcnn.widgets.shared.closing import main_window
from napari_srcnn.widgets.shared.fault_watch import watch_faults
from napari_srcnn.widgets.shared.fields import Note
from napari_srcnn.widgets.shared.keyboard import name_parts, presses


class DockPanel(QWidget):
    """A window with a line, `message`, in which it says how things went."""

    def __init__(self) -> None:
        super().__init__()
        watch_faults()
        self.message = Note()
        self._is_failure = self._is_of_view = False
        self._scroll: QScrollArea | None = None
        self._is_shown = self._is_placed = False

    @property
    def escape_button(self) -> QAbstractButton | None:
        """What Escape presses: what stops the work that is under way."""
        return getattr(self, "cancel_button", None)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # Qt's name
        """Let Return press the button that has the focus, and Escape stop what is under way."""
        if not presses(self, event, self.escape_button):
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Stop when the dock is closed: napari takes the widget out and lets it go."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.shut()
        return bool(super().event(event))

    def showEvent(self, event: QShowEvent) -> None:  # Qt's name
        """Join our other windows, once the dock is where napari puts it."""
        super().showEvent(event)
        if not self._is_shown:
            self._is_shown = True
            QTimer.singleShot(0, self._join_others)

    def _join_others(self) -> None:
        """Become a tab of another of our windows: below each other both would be too low."""
        self._is_placed = True
        mine, main = _dock_of(self), main_window(self)
        if mine is None or main is None or mine.isFloating() or main.tabifiedDockWidgets(mine):
            return
        area = main.dockWidgetArea(mine)
        for panel in main.findChildren(DockPanel):
            dock = _dock_of(panel)
            if dock is None or dock is mine or not panel._is_placed or dock.isFloating():
                continue
            if dock.isVisible() and main.dockWidgetArea(dock) == area:
                main.tabifyDockWidget(dock, mine)
                mine.raise_()
                return

    def shut(self) -> None:
        """Stop all work and let go of the viewer; for windows that do some."""

    def status(self, text: str) -> None:
        """Say how something ended."""
        self._is_failure = self._is_of_view = False
        self.message.say(text)

    def notify(self, text: str, *, is_status: bool = True) -> None:
        """Tell the user something: here, or as napari's notification where this is not seen.

        What is no status stands elsewhere in the window already.
        """
        from napari.utils.notifications import show_info

        if is_status:
            self.status(text)
        if not self._is_seen():
            show_info(text)

    def fail(self, text: str, *, of_view: bool = False) -> None:
        """Tell the user what went wrong: here, or by napari where this is not seen.

        What is wrong with what is on screen is said until something else is.
        """
        from napari.utils.notifications import show_error

        self._is_failure, self._is_of_view = True, of_view
        self.message.say(text, is_caution=True)
        if not self._is_seen():
            show_error(text)

    def _is_seen(self) -> bool:
        """Tell whether what stands here is on screen, and neither behind another dock nor folded.

        It may be scrolled out: then it is brought into view.
        """
        scroll = self._scroll
        content = None if scroll is None else scroll.widget()
        if scroll is not None and content is not None and content.isAncestorOf(self.message):
            scroll.ensureWidgetVisible(self.message)
        window = self.window()
        return self.isVisible() and not window.isMinimized() and not self.visibleRegion().isEmpty()

    def say_for_now(self, text: str) -> None:
        """Say what is true until something changes."""
        self.status(text)
        self._is_failure = True

    def forget_view(self) -> None:
        """Take back what was wrong with what was on screen."""
        if self._is_of_view:
            self._is_of_view = False
            self.forget_failure()

    def forget_failure(self) -> None:
        """Take back what went wrong, or was said for now: its cause may be gone."""
        if self._is_failure:
            self.status("")

    def put(self, content: QWidget, *, footer: QWidget | None = None) -> None:
        """Fill the window with a part that scrolls on a small screen; nothing is cut off.

        A footer stands below it, and stays in view when there is no room for all.
        """
        scroll = _set_up(QScrollArea(), content) if footer is None else _Scroll(content, footer)
        self._scroll = scroll
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(scroll)
        if footer is not None:
            outer.addWidget(footer)
            outer.addStretch(1)
        name_parts(self)


def _dock_of(panel: QWidget) -> QDockWidget | None:
    """Return the dock that a window stands in."""
    part = panel.parentWidget()
    while part is not None and not isinstance(part, QDockWidget):
        part = part.parentWidget()
    return part


_EDGE = 4
# Milliseconds after which nested layouts have come to rest.
_SETTLED = 40


class _Scroll(QScrollArea):
    """What scrolls above a footer: no higher than what it holds, and always as wide.

    Room for the bar is kept where there is none. Else notes, which are wrapped, would be lower
    without a bar than with it, and Qt would show it and hide it for ever.
    """

    def __init__(self, content: QWidget, footer: QWidget) -> None:
        super().__init__()
        _set_up(self, content)
        self._footer = footer
        self._watch = _LayoutWatch(self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        # A part that is shown or hidden is arranged at once, and only the viewport hears of it.
        for part in (content, self.viewport()):
            part.installEventFilter(self._watch)

    def sizeHint(self) -> QSize:  # Qt's name
        """Ask for the height of what it holds."""
        content = self.widget()
        if content is None:
            return QSize(super().sizeHint())
        # napari's style sheet gives it an edge, which its frame's width does not tell.
        return QSize(content.sizeHint()) + QSize(_EDGE, _EDGE)

    def resizeEvent(self, event: QResizeEvent) -> None:  # Qt's name
        """Give what it holds its width, and the footer the same."""
        content, room = self.widget(), self.verticalScrollBar().sizeHint().width()
        layout = self._footer.layout()
        if content is not None and layout is not None:
            content.setFixedWidth(max(self.width() - room - _EDGE // 2, 1))
            margins = layout.contentsMargins()
            if margins.right() != margins.left() + room:
                margins.setRight(margins.left() + room)
                layout.setContentsMargins(margins)
        super().resizeEvent(event)


class _LayoutWatch(QObject):
    """Tells a scroll area that what it holds wants another height."""

    def __init__(self, scroll: QScrollArea) -> None:
        super().__init__(scroll)
        # Once what is arranged now has come to rest.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SETTLED)
        self._soon.timeout.connect(scroll.updateGeometry)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # Qt's name
        """Let all pass."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._soon.start()
        return False


def _set_up(scroll: QScrollArea, content: QWidget) -> QScrollArea:
    """Let a part scroll up and down."""
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(content)
    return scroll
