"""What the windows share, seen on small screens, in both themes, and by who uses no mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QAccessible, QColor
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPushButton,
    QSlider,
    QWidget,
)

from napari_srcnn.widgets.shared.caution import SIGN, caution_on, contrast
from napari_srcnn.widgets.shared.fields import Section

WINDOWS = ["Upscale", "Fine-tune", "Assess a result", "Upscale a folder…"]


@pytest.fixture
def shown(make_napari_viewer: Any) -> Any:
    """A viewer that is on screen, as small as a laptop's."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    return viewer


def is_in_view(part: QWidget, window: QWidget) -> bool:
    """Tell whether all of a part is inside a dock, and not scrolled out of it."""
    whole = part.visibleRegion().boundingRect()
    corner = part.mapTo(window, QPoint(0, 0))
    return bool(
        part.isVisible()
        and whole.height() == part.height()
        and corner.y() + part.height() <= window.height()
    )


def test_a_caution_can_be_read_on_any_background() -> None:
    for background in ("#ebe7e6", "#23242b", "#ffffff", "#000000", "#808080"):
        assert contrast(caution_on(QColor(background)), QColor(background)) >= 4.5
    # WCAG's own extremes.
    assert contrast(QColor("white"), QColor("black")) == pytest.approx(21)


def test_a_caution_follows_the_theme_and_has_a_sign(
    viewer: Any, dock: Callable[[], Any], qtbot: Any
) -> None:
    note = dock().message
    note.say("This cannot be.", is_caution=True)
    for theme in ("light", "dark"):
        viewer.theme = theme
        QApplication.processEvents()
        colors = note.palette()
        assert contrast(colors.windowText().color(), colors.window().color()) >= 4.5
    assert note.text() == f"{SIGN}This cannot be."
    note.say("All is well.")
    assert note.text() == "All is well."


def test_what_is_pressed_and_said_stays_in_view_with_all_fields_open(
    shown: Any, qtbot: Any, brain: np.ndarray
) -> None:
    shown.add_image(brain)
    _, widget = shown.window.add_plugin_dock_widget("napari-srcnn", "Upscale")

    def gap() -> int:
        below = widget.intensities.mapTo(widget, QPoint(0, widget.intensities.height())).y()
        return int(widget.upscale_button.mapTo(widget, QPoint(0, 0)).y() - below)

    qtbot.waitUntil(lambda: 0 <= gap() < 20)  # with room for all, they follow the fields
    widget.form.advanced.open(True)
    widget.show_busy(False, has_result=True)
    widget.status("Done.")
    for part in (widget.upscale_button, widget.message, widget.save_button):
        qtbot.waitUntil(lambda part=part: is_in_view(part, widget))
    # And the fields have all the room that is left.
    lowest = widget.save_button
    qtbot.waitUntil(
        lambda: (
            widget.height() - lowest.mapTo(widget, QPoint(0, lowest.height())).y() < 12
            and widget._scroll.verticalScrollBar().maximum() > 0
        )
    )


def test_what_went_wrong_is_said_once(
    shown: Any, qtbot: Any, notes: list[str], brain: np.ndarray
) -> None:
    shown.add_image(brain)
    _, widget = shown.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    qtbot.waitUntil(lambda: widget.message.isVisibleTo(widget) or widget.isVisible())
    widget.fail("It cannot be.")
    assert "It cannot be." in widget.message.text()
    assert notes == [], "it is on screen"
    widget.parent().hide()
    widget.fail("Nor can this.")
    assert notes == ["Nor can this."], "nobody would see it"


def test_a_second_window_of_ours_is_a_tab_of_the_first(shown: Any, qtbot: Any) -> None:
    one, _ = shown.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    two, widget = shown.window.add_plugin_dock_widget("napari-srcnn", "Fine-tune")
    main = shown.window._qt_window
    qtbot.waitUntil(lambda: main.tabifiedDockWidgets(two) == [one])
    qtbot.waitUntil(widget.isVisible)
    qtbot.waitUntil(lambda: widget.height() > 400)


def test_return_presses_the_button_in_focus_and_escape_stops(
    shown: Any, qtbot: Any, brain: np.ndarray
) -> None:
    shown.add_image(brain)
    _, widget = shown.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    pressed: list[str] = []
    widget.cancel_button.clicked.connect(lambda: pressed.append("cancel"))
    button = QPushButton("Try", widget._actions)
    button.clicked.connect(lambda: pressed.append("try"))
    button.show()
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Return)
    assert pressed == ["try"]
    qtbot.keyClick(button, Qt.Key.Key_Escape)
    assert pressed == ["try"], "nothing is under way"
    widget.show_busy(True, has_result=False)
    qtbot.keyClick(button, Qt.Key.Key_Escape)
    assert pressed == ["try", "cancel"]


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_fits_300_pixels_and_all_its_parts_have_names(viewer: Any, name: str) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", name)
    used = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider)
    for part in widget.findChildren(QWidget):
        if isinstance(part, used) and part.objectName() != "qt_spinbox_lineedit":
            read = QAccessible.queryAccessibleInterface(part).text(QAccessible.Text.Name)
            assert any(letter.isalnum() for letter in read), (part, part.toolTip())
    for section in widget.findChildren(Section):
        section.open(True)
    content = widget._scroll.widget()
    bar = widget._scroll.verticalScrollBar().sizeHint().width()
    assert max(widget.minimumSizeHint().width(), widget.minimumWidth()) <= 300
    assert content.minimumSizeHint().width() + bar <= 300
