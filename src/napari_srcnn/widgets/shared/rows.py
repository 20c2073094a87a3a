"""Small controls of forms, and the rows that they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_srcnn.widgets.shared.fields import set_up

_STEPS = 1000


class JobBar(QProgressBar):
    """How far a job is, without a number on it.

    Signals
    -------
    shown : object
        The fraction that is shown, None where it is not known.
    """

    shown = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setRange(0, _STEPS)

    def show_fraction(self, fraction: float | None) -> None:
        """Show how far it is, 0..1; None where that is not known yet."""
        self.setRange(0, 0 if fraction is None else _STEPS)
        if fraction is not None:
            self.setValue(round(fraction * _STEPS))
        self.shown.emit(fraction)


class Amount(QDoubleSpinBox):
    """A number with a unit that the mouse wheel does not change."""

    def __init__(
        self,
        tooltip: str,
        value: float,
        *,
        maximum: float,
        decimals: int,
        suffix: str = "",
        minimum: float = 0.0,
    ) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setDecimals(decimals)
        self.setRange(minimum, maximum)
        self.setSuffix(suffix)
        self.setValue(value)
        self.setKeyboardTracking(False)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def textFromValue(self, value: float) -> str:  # Qt's name
        """Return the number without zeros that say nothing."""
        text = f"{value:.{self.decimals()}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def wheelEvent(self, event: Any) -> None:  # Qt's name
        """Scroll the form."""
        event.ignore()


def show_row(rows: QFormLayout, field: QWidget, is_shown: bool) -> None:
    """Show or hide a field with its label."""
    field.setVisible(is_shown)
    label = rows.labelForField(field)
    if label is not None:
        label.setVisible(is_shown)


def indented(rows: Sequence[tuple[str, Any]]) -> tuple[QWidget, QFormLayout]:
    """Return what a section folds: a form with these labels and fields."""
    content = QWidget()
    form = QFormLayout(content)
    set_up(form)
    form.setContentsMargins(12, 0, 0, 0)
    for text, part in rows:
        form.addRow(text, part)
    return content, form


def row(*parts: QWidget, stretched: QWidget | None = None, spacing: int | None = None) -> QWidget:
    """Return widgets beside each other, without a margin; one of them may take what is over."""
    beside = QWidget()
    layout = QHBoxLayout(beside)
    layout.setContentsMargins(0, 0, 0, 0)
    if spacing is not None:
        layout.setSpacing(spacing)
    for part in parts:
        layout.addWidget(part, int(part is stretched))
    return beside


def column(*parts: QWidget) -> QWidget:
    """Return widgets below each other, without a margin."""
    below = QWidget()
    layout = QVBoxLayout(below)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)
    return below
