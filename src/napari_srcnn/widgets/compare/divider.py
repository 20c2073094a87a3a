"""A line over the canvas that can be dragged, with a word on each side."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QLabel, QWidget

# Screen pixels: what of the line takes the mouse, the grip in its middle, and the words' distance.
_WIDTH, _GRIP, _GAP, _TOP = 26, 24, 16, 10
_LIGHT, _DARK = QColor("#ffffff"), QColor(0, 0, 0, 190)
# Read on any image and in any theme.
_WORDS = """
QLabel { background: rgba(0, 0, 0, 190); color: white; border: 1px solid rgba(255, 255, 255, 110);
border-radius: 4px; padding: 3px 8px; font-size: 11pt; }
"""


class Divider(QObject):
    """The line: where it stands, its grip and its words; all of it lies over a canvas.

    Parameters
    ----------
    canvas : QWidget

    Attributes
    ----------
    at : float
        Where it stands: 0 at the canvas' left edge, 1 at its right.

    Signals
    -------
    moved
        It stands elsewhere, or the canvas has another size.
    """

    moved = Signal()

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self.at = 0.5
        self.handle = _Handle(canvas)
        self.words = (QLabel(canvas), QLabel(canvas))
        for word in self.words:
            word.setStyleSheet(_WORDS)
            word.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            word.setTextFormat(Qt.TextFormat.PlainText)
        self.handle.dragged.connect(self._on_dragged)
        self.handle.centred.connect(self._on_centred)
        canvas.installEventFilter(self)
        self.hide()

    def show(self, left: str, right: str) -> None:
        """Show it, with what is seen on each side."""
        for word, text in zip(self.words, (left, right), strict=True):
            word.setText(text)
            word.adjustSize()
        self.handle.show()
        # Over the image, and under what napari says over the canvas.
        for part in (*self.words, self.handle):
            part.lower()
        self._place()

    def hide(self) -> None:
        """Take it away; it stays where it stands."""
        for part in (self.handle, *self.words):
            part.hide()

    def move(self, at: float) -> None:
        """Stand elsewhere."""
        self.at = min(max(at, 0.0), 1.0)
        self._place()
        self.moved.emit()

    def flip(self) -> None:
        """Show the left side alone or, where that is seen, the right one."""
        self.move(0.0 if self.at == 1 else 1.0)

    def remove(self) -> None:
        """Let go of the canvas."""
        self.canvas.removeEventFilter(self)
        for part in (self.handle, *self.words):
            part.deleteLater()
        self.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # Qt's name
        """Keep its place on a canvas that gets another size."""
        if event.type() == QEvent.Type.Resize and not self.handle.isHidden():
            self._place()
            self.moved.emit()
        return False

    def _on_dragged(self, x: float) -> None:
        self.move(x / max(self.canvas.width(), 1))

    def _on_centred(self) -> None:
        self.move(0.5)

    def _place(self) -> None:
        width, height = self.canvas.width(), self.canvas.height()
        x = round(self.at * width)
        # At an edge its grip is seen still, and can be dragged back.
        left = min(max(x - _WIDTH // 2, 0), max(width - _WIDTH, 0))
        self.handle.setGeometry(left, 0, _WIDTH, height)
        self.handle.line = x - left
        self.handle.update()
        is_shown = self.handle.isVisibleTo(self.canvas)
        before, after = self.words
        before.move(x - _GAP - before.width(), _TOP)
        after.move(x + _GAP, _TOP)
        # A word that would not fit has its side all but gone.
        before.setVisible(is_shown and before.x() >= 0)
        after.setVisible(is_shown and after.x() + after.width() <= width)


class _Handle(QWidget):
    """What of the line can be dragged.

    Signals
    -------
    dragged : float
        To which x of the canvas.
    centred
        It was clicked twice.
    """

    dragged = Signal(float)
    centred = Signal()

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.line = _WIDTH // 2
        self._offset: float | None = None
        self.setObjectName("napari-srcnn divider")
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setToolTip("Drag it; click twice to bring it back to the middle.")
        # napari's style sheet would paint it.
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setStyleSheet("background: transparent;")

    def paintEvent(self, event: QPaintEvent) -> None:  # Qt's name
        """Paint a white line with dark edges, and a grip with two arrows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x, middle = float(self.line), self.height() / 2
        painter.fillRect(QRectF(x - 2, 0, 4, self.height()), _DARK)
        painter.fillRect(QRectF(x - 1, 0, 2, self.height()), _LIGHT)
        # Whole, at the canvas' edge too.
        centre = min(max(x, _GRIP / 2 + 1), self.width() - _GRIP / 2 - 1)
        painter.setPen(QPen(_DARK, 1.5))
        painter.setBrush(_LIGHT)
        painter.drawEllipse(QPointF(centre, middle), _GRIP / 2 - 1, _GRIP / 2 - 1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#202020"))
        for side in (-1, 1):
            tip, base = centre + side * 8, centre + side * 3
            corners = [
                QPointF(tip, middle),
                QPointF(base, middle - 4.5),
                QPointF(base, middle + 4.5),
            ]
            painter.drawPolygon(QPolygonF(corners))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # Qt's name
        """Take hold of the line."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._offset = event.position().x() - self.line
        else:
            event.ignore()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # Qt's name
        """Take the line along."""
        if self._offset is not None:
            x = self.mapToParent(event.position().toPoint()).x()
            self.dragged.emit(x - self._offset)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # Qt's name
        """Let go of the line."""
        self._offset = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # Qt's name
        """Bring the line back to the middle."""
        self._offset = None
        self.centred.emit()
