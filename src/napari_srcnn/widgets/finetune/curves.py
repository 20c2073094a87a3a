"""Live pictures of a training: its curves, and a place that it does not learn from.

They are drawn by Qt alone: a plotting library takes a second or more to import and a tenth of one
to draw, and the window may not stall for either.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPointF, QRectF, Qt, QTimer
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from napari_srcnn.widgets.shared.caution import readable

ACCENT = QColor("#4fb3ff")
LOSS = QColor("#e0a030")
LINES = {"bicubic": QColor("#9a9a9a"), "start": QColor("#7fc97f")}
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 8, 16, 18
# Share of the height that the PSNR's plot takes; the loss has the rest.
_SHARE = 0.64
# Of each picture of the patch: two fit beside each other into a dock of 300 pixels.
_SIDE = 133
# Milliseconds between two drawings, and up to how many measurements each has a dot.
PACE = 500
_DOTS = 100


class Curves(QWidget):
    """PSNR on what is held out over the minutes, with bicubic's and the start's; the loss.

    However often is measured, it is drawn twice a second at most; between, what is drawn is kept as
    a picture, so that a label that changes beside it costs no drawing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pace = QTimer(self)
        self._pace.setSingleShot(True)
        self._pace.setInterval(PACE)
        self._pace.timeout.connect(self._on_pace)
        self._is_due = False
        self._picture: QPixmap | None = None
        self.psnr: list[tuple[float, float]] = []
        self.loss: list[tuple[float, float]] = []
        self.lines: dict[str, float] = {}
        self.setMinimumHeight(210)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Above: how close the network comes to the truth on a part of the images that it does "
            "not learn from (PSNR, higher is better). Below: its error on what it learns from."
        )

    def begin(self, lines: dict[str, float]) -> None:
        """Begin anew, with the PSNR of bicubic and of the start model as lines."""
        self.psnr, self.loss, self.lines = [], [], dict(lines)
        if "start" in lines:
            self.psnr.append((0.0, lines["start"]))
        self._draw_anew()

    def add_psnr(self, seconds: float, value: float) -> None:
        """Add a measurement."""
        self.psnr.append((seconds, value))
        self._draw_soon()

    def add_loss(self, seconds: float, value: float) -> None:
        """Add the mean error of the steps since the last measurement."""
        self.loss.append((seconds, value))
        if len(self.loss) > 1000:
            self.loss = self.loss[::2]
        self._draw_soon()

    def _draw_soon(self) -> None:
        # At once where that may be: then the bar and the labels, which change with the same
        # message, are brought to the screen with it, and the whole window once instead of twice.
        self._is_due = True
        if not self._pace.isActive():
            self._on_pace()

    def _on_pace(self) -> None:
        if self._is_due:
            self._is_due = False
            self._pace.start()
            self._draw_anew()

    def _draw_anew(self) -> None:
        self._picture = None
        self.update()

    def changeEvent(self, event: QEvent) -> None:  # Qt's name
        """Take other colours or letters on."""
        self._picture = None
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # Qt's name
        """Show both plots as they were drawn last."""
        size = self.size() * self.devicePixelRatioF()
        if self._picture is None or self._picture.size() != size:
            self._picture = QPixmap(size)
            self._picture.setDevicePixelRatio(self.devicePixelRatioF())
            self._picture.fill(Qt.GlobalColor.transparent)
            self._draw(self._picture)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        painter.end()

    def _draw(self, picture: QPixmap) -> None:
        """Draw both plots."""
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self.font()
        font.setPointSizeF(8.0)
        painter.setFont(font)
        width, height = self.width() - _LEFT - _RIGHT, self.height() - 2 * _TOP - 2 * _BOTTOM
        upper = QRectF(_LEFT, _TOP, width, height * _SHARE)
        lower = QRectF(_LEFT, upper.bottom() + _TOP + _BOTTOM, width, height * (1 - _SHARE))
        end = max([t for t, _ in self.psnr[-1:] + self.loss[-1:]], default=0.0)
        end = max(end, 10.0)
        # Columns a little wider than the line, whose drawing is most of the time.
        columns = max(width // 3, 1)
        psnr, loss = (thinned(points, end, columns) for points in (self.psnr, self.loss))
        values = [v for _, v in psnr] + list(self.lines.values())
        color = self.palette().windowText().color()
        behind = self.palette().window().color()
        _Plot(painter, upper, end, values, color, behind).draw(
            "PSNR on held-out images (dB)",
            psnr,
            ACCENT,
            self.lines,
            dots=len(psnr) <= _DOTS,
        )
        logs = [(t, math.log10(max(v, 1e-12))) for t, v in loss]
        _Plot(painter, lower, end, [v for _, v in logs], color, behind, is_log=True).draw(
            "Training error (log)", logs, LOSS, {}, dots=False
        )
        painter.end()


def thinned(
    points: list[tuple[float, float]], end: float, columns: int
) -> list[tuple[float, float]]:
    """Return what can be seen of a curve on so many columns: two points in each.

    Parameters
    ----------
    points : list of (float, float)
        Seconds, in their order, and values.
    end : float
        The seconds that the last column stands for.
    columns : int

    Returns
    -------
    list of (float, float)
        The points themselves where there are few; else the lowest and the highest of each column.
    """
    if len(points) <= 2 * columns:
        return points
    flat = np.fromiter(itertools.chain.from_iterable(points), np.float64, 2 * len(points))
    seconds, values = flat[::2], flat[1::2]
    column = np.minimum(seconds * columns / end, columns - 1).astype(int)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    at, low, high = (
        seconds[starts],
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
    )
    pairs = np.stack([at, low, at, high], axis=-1).reshape(-1, 2)
    return [(float(t), float(v)) for t, v in pairs]


class _Plot:
    """One plot: its frame, its ticks, its lines."""

    def __init__(
        self,
        painter: QPainter,
        frame: QRectF,
        end: float,
        values: list[float],
        color: QColor,
        behind: QColor,
        *,
        is_log: bool = False,
    ) -> None:
        self.painter, self.frame, self.end = painter, frame, end
        self.color, self.behind = color, behind
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        room = max((high - low) * 0.12, 0.02)
        self.low, self.high, self.is_log = low - room, high + room, is_log
        self.has_values = bool(values)

    def at(self, seconds: float, value: float) -> QPointF:
        x = self.frame.left() + seconds / self.end * self.frame.width()
        share = (value - self.low) / (self.high - self.low)
        return QPointF(x, self.frame.bottom() - share * self.frame.height())

    def draw(
        self,
        title: str,
        points: list[tuple[float, float]],
        color: QColor,
        lines: dict[str, float],
        *,
        dots: bool,
    ) -> None:
        p, frame = self.painter, self.frame
        faint = QColor(self.color)
        faint.setAlpha(60)
        p.setPen(QPen(faint, 1))
        p.setBrush(Qt.BrushStyle.NoBrush)
        p.drawRect(frame)
        p.setPen(self.color)
        p.drawText(QRectF(frame.left(), frame.top() - 16, frame.width(), 15), title)
        if self.has_values:
            for value in _ticks(self.low, self.high):
                y = self.at(0, value).y()
                p.setPen(QPen(faint, 1))
                p.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
                p.setPen(self.color)
                text = f"{10**value:.1e}" if self.is_log else f"{value:g}"
                p.drawText(
                    QRectF(0, y - 8, _LEFT - 4, 16),
                    int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter),
                    text,
                )
        p.setPen(self.color)
        box = QRectF(frame.left(), frame.bottom() + 2, frame.width(), 15)
        unit, factor = ("min", 60.0) if self.end >= 120 else ("s", 1.0)
        p.drawText(box, int(Qt.AlignmentFlag.AlignLeft), "0")
        p.drawText(box, int(Qt.AlignmentFlag.AlignRight), f"{self.end / factor:.3g} {unit}")
        self._draw_lines(lines)
        p.setPen(QPen(color, 1.6))
        p.drawPolyline(QPolygonF([self.at(*point) for point in points]))
        if dots:
            p.setBrush(color)
            for point in points:
                p.drawEllipse(self.at(*point), 2.0, 2.0)

    def _draw_lines(self, lines: dict[str, float]) -> None:
        taken: list[float] = []
        for name, value in lines.items():
            y, color = self.at(0, value).y(), LINES[name]
            self.painter.setPen(QPen(color, 1.2, Qt.PenStyle.DashLine))
            self.painter.drawLine(QPointF(self.frame.left(), y), QPointF(self.frame.right(), y))
            self.painter.setPen(readable(color, self.behind))
            # At the right and below, for the curve begins at the left and should end above; where
            # there is no room, or the other line's name, above.
            below = y + 15 < self.frame.bottom() and all(abs(y - other) > 15 for other in taken)
            taken.append(y + 8 if below else y - 8)
            box = QRectF(self.frame.left(), y + 1 if below else y - 15, self.frame.width() - 4, 14)
            self.painter.drawText(box, int(Qt.AlignmentFlag.AlignRight), f"{name} {value:.2f}")


def _ticks(low: float, high: float) -> list[float]:
    """Return two to five round numbers between two."""
    span = high - low
    step = 10 ** math.floor(math.log10(span / 2))
    for factor in (1, 2, 5, 10):
        if span / (step * factor) <= 4.5:
            step *= factor
            break
    first = math.ceil(low / step)
    return [round(i * step, 10) for i in range(first, math.floor(high / step) + 1)]


class PatchView(QWidget):
    """A place that is not trained on: low-res, bicubic, the network now, the truth."""

    NAMES = ("Low-res", "Bicubic", "Network now", "Truth")

    def __init__(self) -> None:
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        self.pictures: dict[str, QLabel] = {}
        self._captions: dict[str, QLabel] = {}
        for number, name in enumerate(self.NAMES):
            row, column = divmod(number, 2)
            caption, picture = QLabel(name), QLabel()
            caption.setStyleSheet("QLabel { font-size: 9pt; }")
            picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
            picture.setFixedSize(_SIDE, _SIDE)
            picture.setStyleSheet("QLabel { background: black; }")
            layout.addWidget(caption, 2 * row, column)
            layout.addWidget(picture, 2 * row + 1, column)
            self.pictures[name], self._captions[name] = picture, caption
        layout.setColumnStretch(2, 1)

    def show_image(
        self, name: str, image: NDArray[Any], limits: tuple[float, float], caption: str = ""
    ) -> None:
        """Show one of the four, black and white at the limits."""
        low, high = limits
        gray = ((image - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
        gray = np.ascontiguousarray(gray)
        height, width = gray.shape
        # The bytes are copied before the array goes.
        data = QImage(gray.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
        picture = self.pictures[name]
        # Pixels are shown as squares: smoothing would make all four look alike.
        shown = QPixmap.fromImage(data).scaled(
            picture.size(),
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.FastTransformation,
        )
        picture.setPixmap(shown)
        self._captions[name].setText(caption or name)
