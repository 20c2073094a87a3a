"""Small controls in a real window, under the style that napari gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from napari_srcnn.widgets.shared.fields import Note, Number, set_up


def test_a_number_can_be_read(viewer: Any, dock: Callable[[], Any], brain: np.ndarray) -> None:
    viewer.add_image(brain)
    form = dock().form
    form.advanced.open(True)
    form.intensity.value = "custom"
    form.low.setValue(0.5)
    form.high.setValue(4095)
    for field in (form.low, form.high):
        text, edit = field.text(), field.lineEdit()
        assert edit.width() > field.fontMetrics().horizontalAdvance(text), text
    assert isinstance(form.low, Number)
    assert form.minimumSizeHint().width() <= 300 - 12, "the form fits the narrowest dock"


def test_a_note_takes_the_height_of_its_text_at_the_width_it_gets(qtbot: Any) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    rows = QFormLayout(window)
    set_up(rows)
    note = Note()
    rows.addRow("A row", note)
    window.show()
    for width, words in ((900, 60), (240, 60), (400, 60), (400, 9), (240, 30)):
        text = "word " * words
        note.say(text)
        window.resize(width, 500)
        fresh = QLabel(text)
        fresh.setFont(note.font())
        fresh.setWordWrap(True)
        qtbot.addWidget(fresh)

        def fits(label: QLabel = fresh) -> bool:
            return bool(note.height() == label.heightForWidth(note.width()))

        qtbot.waitUntil(fits)
    note.lines = 4
    note.say("short")
    assert note.height() == 4 * note.fontMetrics().lineSpacing(), "what is below stays there"
    note.say("")
    assert not note.isVisible()
