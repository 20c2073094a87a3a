"""What a panel needs for those who do not use the mouse: keys, and names that are read aloud."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLayoutItem,
    QLineEdit,
    QProgressBar,
    QSlider,
    QWidget,
)

_READ_ALOUD = (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QProgressBar,
    QSlider,
)


def presses(panel: QWidget, event: QKeyEvent, cancel: QAbstractButton | None) -> bool:
    """Press what a key stands for, and tell whether it stands for something.

    Return presses the button that has the focus; Escape presses `cancel` where that can be pressed.
    """
    key = event.key()
    if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        button = panel.focusWidget()
        if isinstance(button, QAbstractButton):
            button.click()
            return True
        return False
    if key != Qt.Key.Key_Escape or cancel is None:
        return False
    is_there = bool(cancel.isEnabled() and cancel.isVisibleTo(panel))
    if is_there:
        cancel.click()
    return is_there


def name_parts(panel: QWidget) -> None:
    """Give each part that can be used the name that stands beside it, for screen readers."""
    for rows in panel.findChildren(QFormLayout):
        for label, field in _labelled(rows):
            inner = [*field.findChildren(QWidget), field]
            for part in inner:
                if not isinstance(part, _READ_ALOUD) or _has_words(part):
                    continue
                is_sign = isinstance(part, QAbstractButton) and not _has_words(part)
                part.setAccessibleName(f"{label}: {part.toolTip()}" if is_sign else label)
    for part in panel.findChildren(QWidget):
        if isinstance(part, _READ_ALOUD) and not part.accessibleName() and not _has_words(part):
            part.setAccessibleName(part.toolTip() or "Progress")


def _labelled(rows: QFormLayout) -> Iterator[tuple[str, QWidget]]:
    """Yield a form's fields and the label of each, or of the row above where it has none."""
    last = ""
    for number in range(rows.rowCount()):
        item = rows.itemAt(number, QFormLayout.ItemRole.FieldRole)
        label = rows.itemAt(number, QFormLayout.ItemRole.LabelRole)
        beside = None if label is None else label.widget()
        if isinstance(beside, QLabel):
            last = beside.text() or last
        for part in [] if item is None else _widgets_of(item):
            yield last, part


def _widgets_of(item: QLayoutItem) -> list[QWidget]:
    """Return the widget that stands in a row, or those beside each other."""
    layout, one = item.layout(), item.widget()
    if layout is None:
        return [] if one is None else [one]
    found = (layout.itemAt(number) for number in range(layout.count()))
    return [widget for part in found if part is not None for widget in _widgets_of(part)]


def _has_words(part: QWidget) -> bool:
    """Tell whether a part is a button with a word on it, which is its name."""
    return isinstance(part, QAbstractButton) and any(c.isalnum() for c in part.text())
