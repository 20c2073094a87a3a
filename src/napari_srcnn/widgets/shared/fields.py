"""Small controls that the widgets share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QResizeEvent, QWheelEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_srcnn.widgets.shared.caution import SIGN, caution_on

_WITHOUT_BUTTONS = """
QDoubleSpinBox { padding: 1px 0px; min-width: 46px; }
QDoubleSpinBox::up-button, QDoubleSpinBox::down-button { width: 0px; border: none; }
QDoubleSpinBox::up-arrow, QDoubleSpinBox::down-arrow { width: 0px; height: 0px; }
"""


class Choice(QComboBox):
    """A menu of values; fits any width, and its tooltip tells all of the entry that is chosen.

    Signals
    -------
    changed
        Another value was chosen, by the user or by setting `value`.
    """

    changed = Signal()

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        self._tooltip = tooltip
        self.setToolTip(tooltip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.currentIndexChanged.connect(self._on_index)

    @property
    def value(self) -> Any:
        """The value of the entry that is chosen; None where there is no entry."""
        return self.itemData(self.currentIndex())

    @value.setter
    def value(self, value: Any) -> None:
        for index in range(self.count()):
            if self.itemData(index) == value:
                self.setCurrentIndex(index)
                return

    @property
    def values(self) -> list[Any]:
        """All values there are."""
        return [self.itemData(index) for index in range(self.count())]

    def fill(self, entries: Iterable[tuple[str, Any, str]], chosen: Any) -> None:
        """Set the entries (text, value, tooltip) and choose one, or the first; emits nothing."""
        blocked = self.blockSignals(True)
        self.clear()
        for index, (text, value, tooltip) in enumerate(entries):
            self.addItem(text, value)
            self.setItemData(index, tooltip or text, Qt.ItemDataRole.ToolTipRole)
        self.value = chosen
        self.blockSignals(blocked)
        self._show_tooltip()

    def wheelEvent(self, event: QWheelEvent) -> None:  # Qt's name
        """Scroll the form, and not the value, which nobody would notice."""
        event.ignore()

    def _on_index(self) -> None:
        self._show_tooltip()
        self.changed.emit()

    def _show_tooltip(self) -> None:
        about = self.itemData(self.currentIndex(), Qt.ItemDataRole.ToolTipRole) or ""
        entry = self.currentText()
        whole = entry if len(entry) > 20 else ""
        parts = [whole, "" if about == entry else about, self._tooltip]
        self.setToolTip("\n\n".join(filter(None, parts)))


class Number(QDoubleSpinBox):
    """An intensity: any number, typed and not stepped through."""

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setRange(-1e12, 1e12)
        self.setDecimals(4)
        # Without NoButtons: under a style sheet, as napari has, Qt leaves the text one pixel then.
        self.setStyleSheet(_WITHOUT_BUTTONS)
        self.lineEdit().setTextMargins(6, 0, 4, 0)
        self.setKeyboardTracking(False)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def textFromValue(self, value: float) -> str:  # Qt's name
        """Return the number without zeros that say nothing."""
        return f"{value:.12g}"

    def wheelEvent(self, event: QWheelEvent) -> None:  # Qt's name
        """Scroll the form."""
        event.ignore()


class Whole(QSpinBox):
    """A whole number; 0 reads as automatic."""

    def __init__(self, tooltip: str, *, maximum: int, step: int) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setRange(0, maximum)
        self.setSingleStep(step)
        self.setSpecialValueText("Automatic")
        self.setKeyboardTracking(False)

    def wheelEvent(self, event: QWheelEvent) -> None:  # Qt's name
        """Scroll the form."""
        event.ignore()


class Tick(QCheckBox):
    """Something that is wanted or not.

    Signals
    -------
    changed
        By the user or by setting `value`.
    """

    changed = Signal()

    def __init__(self, text: str, tooltip: str) -> None:
        super().__init__(text)
        self.setToolTip(tooltip)
        self.toggled.connect(self._on_toggled)

    @property
    def value(self) -> bool:
        """Whether it is wanted."""
        return bool(self.isChecked())

    @value.setter
    def value(self, value: bool) -> None:
        self.setChecked(value)

    def _on_toggled(self) -> None:
        self.changed.emit()


class Note(QLabel):
    """Text below a control, wrapped; takes no room where it is empty."""

    def __init__(self, *, small: bool = True) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._is_small, self._is_caution = small, False
        #: How many lines it takes room for, so that what is below stays where it is.
        self.lines = 0
        self._dress()
        self.setVisible(False)

    def say(self, text: str, *, is_caution: bool = False) -> None:
        """Show a text, or nothing; a caution has a colour and a sign."""
        self._is_caution = is_caution and bool(text)
        self._dress()
        self.setText(SIGN * self._is_caution + text)
        self.setVisible(bool(text))
        self._fit()

    def changeEvent(self, event: QEvent) -> None:  # Qt's name
        """Take on what can be read in another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self._dress()

    def _dress(self) -> None:
        parts = ["font-size: 10pt;"] * self._is_small
        if self._is_caution:
            parts.append(f"color: {caution_on(self.palette().window().color()).name()};")
        style = f"QLabel {{ {' '.join(parts)} }}" if parts else ""
        if style != self.styleSheet():
            self.setStyleSheet(style)

    def resizeEvent(self, event: QResizeEvent) -> None:  # Qt's name
        """Take the height that the text needs at this width."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._fit()

    def hasHeightForWidth(self) -> bool:  # Qt's name
        """Leave no height to a form, which asks for it at another width than it gives."""
        return False

    def _fit(self) -> None:
        # Else lines were cut off, or followed by a gap. Qt's answer is never below the minimum.
        self.setMinimumHeight(0)
        least = self.lines * self.fontMetrics().lineSpacing()
        self.setFixedHeight(max(self.heightForWidth(self.width()), least))


class Section(QWidget):
    """A heading that folds what is below it."""

    def __init__(self, title: str, content: QWidget, tooltip: str) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setToolTip(tooltip)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setStyleSheet("QToolButton { border: none; background: transparent; }")
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.content = content
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(content)
        self.button.toggled.connect(self.open)
        self.open(False)

    def open(self, is_open: bool) -> None:
        """Fold or unfold."""
        self.button.setChecked(is_open)
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
        self.content.setVisible(is_open)


def set_up(rows: QFormLayout) -> None:
    """Give a form the distances that all of ours have."""
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    rows.setVerticalSpacing(5)
    rows.setHorizontalSpacing(8)


def show_row(rows: QFormLayout, field: QWidget, is_shown: bool) -> None:
    """Show a field with its label, or hide both."""
    field.setVisible(is_shown)
    label = rows.labelForField(field)
    if label is not None:
        label.setVisible(is_shown)
