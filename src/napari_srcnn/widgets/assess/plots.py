"""Plots in the dock, drawn by matplotlib: figures plane by plane, and power by frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent
from qtpy.QtGui import QColor, QPalette, QWheelEvent
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_srcnn.widgets.shared.fields import Choice, Note, set_up

if TYPE_CHECKING:
    from napari_srcnn.widgets.assess.tasks import Found

MISSING = 'Plots need matplotlib; install it: pip install "napari-srcnn[plot]".'
_HEIGHT = 210
_ON_DARK = {
    "source": "#f0f0f0",
    "bicubic": "#e0a030",
    "result": "#4fb3ff",
    "reference": "#7fc97f",
}
_ON_LIGHT = {
    "source": "#202020",
    "bicubic": "#b06000",
    "result": "#0060b0",
    "reference": "#00803c",
}
# What would else hide the others.
_DASHES = {"source": ":", "reference": "--"}


class Plots(QWidget):
    """Both plots, or the sentence that says what they need."""

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self.missing = Note()
        self.figure_choice = Choice("Which figure is drawn plane by plane.")
        self.curves, self.spectra = _Plot(), _Plot()
        self._choice = QWidget()
        rows = QFormLayout(self._choice)
        set_up(rows)
        rows.addRow("By plane", self.figure_choice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.missing, self._choice, self.curves, self.spectra):
            layout.addWidget(part)
        self.figure_choice.changed.connect(self._draw_curves)
        self._is_there = True
        self.clear()

    def allow(self, is_there: bool) -> None:
        """Take note of whether there is something to draw with."""
        self._is_there = is_there

    def clear(self) -> None:
        """Show nothing."""
        self._found = None
        for part in (self.missing, self._choice, self.curves, self.spectra):
            part.setVisible(False)

    def show_found(self, found: Found) -> None:
        """Draw what was found."""
        self._found = found
        if not self._is_there:
            self.missing.say(MISSING)
            return
        from napari_srcnn.assess.tables import COLUMNS

        planes = found.assessment.curves["result"]
        several = len(planes) > 1
        entries = [
            (title, name, "")
            for name, title in COLUMNS.items()
            if any(one.get(name) is not None for one in planes)
        ]
        self.figure_choice.fill(entries, self.figure_choice.value)
        self._choice.setVisible(several and bool(entries))
        self.curves.setVisible(several and bool(entries))
        if several and entries:
            self._draw_curves()
        self.spectra.setVisible(True)
        self._draw_spectra(found)

    def _draw_curves(self) -> None:
        name = self.figure_choice.value
        if self._found is None or name is None:
            return
        lines = {}
        for what, planes in self._found.assessment.curves.items():
            values = [np.nan if one.get(name) is None else one[name] for one in planes]
            lines[what] = np.arange(1, len(values) + 1), np.asarray(values, np.float64)
        factor, unit = (100, " (%)") if name in ("beyond_3_sigma", "total") else (1, "")
        self.curves.draw(
            {what: (x, y * factor) for what, (x, y) in lines.items()},
            title=f"{self.figure_choice.currentText()}{unit}",
            x_label="plane",
        )

    def _draw_spectra(self, found: Found) -> None:
        several = len(found.assessment.curves["result"]) > 1
        index = ", ".join(str(n + 1) for n in found.index)
        plane = f" of plane {index}" if several else ""
        lines = {what: (one.frequency, one.value) for what, one in found.spectra.items()}
        self.spectra.draw(
            lines,
            title=f"Power{plane} (log₁₀)",
            x_label="frequency (1: the result's Nyquist frequency)",
            limits=(0.0, 1.0),
            empty="The plane is constant or not finite: it has no spectrum.",
        )


class _Plot(QWidget):
    """Lines in the colours of the window, drawn anew where these change."""

    def __init__(self) -> None:
        super().__init__()
        self._canvas: Any = None
        self._arguments: dict[str, Any] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.setFixedHeight(_HEIGHT)

    def draw(
        self,
        lines: dict[str, tuple[Any, Any]],
        *,
        title: str,
        x_label: str,
        limits: tuple[float, float] | None = None,
        empty: str = "",
    ) -> None:
        """Draw lines by their names."""
        self._arguments = {
            "lines": lines,
            "title": title,
            "x_label": x_label,
            "limits": limits,
            "empty": empty,
        }
        if self._canvas is None:
            self._canvas = _canvas()
            self._layout.addWidget(self._canvas)
        self._redraw()

    def changeEvent(self, event: QEvent) -> None:  # Qt's name
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange) and self._canvas:
            self._redraw()

    def _redraw(self) -> None:
        palette = self.palette()
        paper, ink = palette.window().color(), palette.windowText().color()
        self._canvas.setPalette(QPalette(paper))
        figure = self._canvas.figure
        figure.clear()
        figure.set_facecolor(paper.name())
        _paint(figure.add_subplot(), paper=paper, ink=ink, **self._arguments)
        self._canvas.draw_idle()


def _paint(
    axes: Any,
    *,
    paper: QColor,
    ink: QColor,
    lines: dict[str, tuple[Any, Any]],
    title: str,
    x_label: str,
    limits: tuple[float, float] | None,
    empty: str,
) -> None:
    colors = _ON_DARK if paper.lightness() < 128 else _ON_LIGHT
    axes.set_facecolor(paper.name())
    axes.set_title(title, color=ink.name(), fontsize=9, loc="left")
    axes.tick_params(colors=ink.name(), labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(ink.name())
        spine.set_alpha(0.4)
    if not lines:
        axes.set_axis_off()
        axes.text(0, 0.9, empty, color=ink.name(), fontsize=8, wrap=True, va="top")
        return
    axes.set_xlabel(x_label, color=ink.name(), fontsize=8)
    axes.grid(color=ink.name(), alpha=0.12)
    for what, (x, y) in lines.items():
        # What is thin lies over the others.
        order = {"source": 4, "result": 3}.get(what, 2)
        style = _DASHES.get(what, "-")
        axes.plot(x, y, style, color=colors[what], label=what, lw=1.5, zorder=order)
    if limits is not None:
        axes.set_xlim(limits)
    else:
        axes.xaxis.get_major_locator().set_params(integer=True)
    # Below, where no line runs through it.
    axes.figure.legend(
        loc="outside lower center",
        ncols=len(lines),
        fontsize=8,
        frameon=False,
        labelcolor=ink.name(),
        # All four fit a narrow dock.
        handlelength=1.1,
        handletextpad=0.4,
        columnspacing=0.8,
    )


def _canvas() -> Any:
    """Return an empty canvas of matplotlib's, without choosing a backend for the whole program."""
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
    from matplotlib.figure import Figure

    class Canvas(FigureCanvasQTAgg):
        """A canvas that lets the window scroll."""

        def wheelEvent(self, event: QWheelEvent) -> None:  # Qt's name
            event.ignore()

    make: Any = Canvas
    return make(Figure(layout="constrained"))
