"""The one control that compares pictures of a place: one alone, or two beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_srcnn.widgets.shared.fields import Choice, Note

SRCNN, BICUBIC, DIFFERENCE, IMAGE = "SRCNN", "bicubic", "difference", ""
#: The image's own pixels, and two pictures beside each other.
PIXELS, DIVIDED = "image", "divided"
REMOVE = "remove"
#: Before the name of a layer that is one of the pictures.
_LAYER = "layer: "
_USUAL = (
    ("Bicubic", BICUBIC, "Plain interpolation"),
    ("SRCNN", SRCNN, "The network's result"),
    ("Image", PIXELS, "The image's own pixels"),
)
_LONGEST = 28


class CompareBar(QWidget):
    """Buttons that show one of the pictures, two beside each other, or none of them.

    Attributes
    ----------
    buttons : dict of str to QPushButton
        By what they show.
    left, right : Choice
        What is seen on each side of the line.

    Signals
    -------
    changed : str
        "SRCNN", "bicubic", "difference", "divided", "" for the image alone, "remove".
    sides_changed
        Other pictures are to be on the sides.
    """

    changed = Signal(str)
    sides_changed = Signal()
    _ENTRIES = (
        ("SRCNN", SRCNN, "The network's result"),
        ("Bicubic", BICUBIC, "Plain interpolation, to compare with"),
        ("Difference", DIFFERENCE, "SRCNN minus bicubic: orange is brighter, blue is darker"),
        ("Image", IMAGE, "The image as it is"),
        ("✕", REMOVE, "End the comparison; all layers are as they were before it"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        kinds = QHBoxLayout()
        kinds.setSpacing(2)
        for text, kind, tooltip in self._ENTRIES:
            kinds.addWidget(self._button(text, kind, tooltip), 0 if kind == REMOVE else len(text))
        divided = self._button(
            "Before | after",
            DIVIDED,
            "Two pictures of the place on screen, with a line between them that can be dragged",
        )
        self.left = Choice("What is seen left of the line.")
        self.right = Choice("What is seen right of the line.")
        self._bar = QLabel("|")
        self.hint = Note()
        sides = QHBoxLayout()
        sides.setSpacing(3)
        for part in (self.left, self._bar, self.right):
            sides.addWidget(part, int(part is not self._bar))
        for side, chosen in ((self.left, BICUBIC), (self.right, SRCNN)):
            side.setMinimumContentsLength(5)
            side.fill(_USUAL, chosen)
            side.changed.connect(self.sides_changed)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(3)
        rows.addLayout(kinds)
        rows.addWidget(divided)
        rows.addLayout(sides)
        rows.addWidget(self.hint)
        self._show_sides()
        self.setVisible(False)

    def _button(self, text: str, kind: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(kind)
        button.setToolTip(tooltip)
        button.setCheckable(kind != REMOVE)
        button.setStyleSheet("QPushButton { padding: 3px 5px; }")
        button.setMinimumWidth(0)
        button.clicked.connect(self._on_clicked)
        self.buttons[kind] = button
        return button

    @property
    def sides(self) -> tuple[str, str]:
        """What is to be seen left and right of the line."""
        return self.left.value, self.right.value

    @property
    def layers(self) -> list[str]:
        """The names of the layers that are to be seen on a side."""
        return [side.removeprefix(_LAYER) for side in self.sides if side.startswith(_LAYER)]

    def offer(self, names: Sequence[str]) -> None:
        """Offer layers of the same place and size; says so where one that was chosen is gone."""
        wanted = [name for _, name, _ in _USUAL] + [layer_kind(name) for name in names]
        if self.left.values == wanted:
            return
        before = self.sides
        entries = [(_short(name), layer_kind(name), f"The layer {name}") for name in names]
        for side, usual in ((self.left, BICUBIC), (self.right, SRCNN)):
            side.fill((*_USUAL, *entries), side.value if side.value in wanted else usual)
        if self.sides != before:
            self.sides_changed.emit()

    def choose(self, kind: str) -> None:
        """Press one of the buttons; emits nothing."""
        for name, button in self.buttons.items():
            button.setChecked(name == kind)
        self._show_sides()

    def say_how(self, key: str) -> None:
        """Say how to use the line; `key` is what shows each side alone, if there is one."""
        alone = f" {key} over the image shows each side alone." if key else ""
        self.hint.say(f"Drag the line.{alone}" if self._is_divided else "")

    @property
    def _is_divided(self) -> bool:
        return self.buttons[DIVIDED].isChecked()

    def _show_sides(self) -> None:
        for part in (self.left, self._bar, self.right):
            part.setVisible(self._is_divided)
        if not self._is_divided:
            self.hint.say("")

    def _on_clicked(self) -> None:
        kind = self.sender().objectName()
        if kind != REMOVE:
            self.choose(kind)
        self.changed.emit(kind)


def layer_kind(name: str) -> str:
    """Return what the picture that is a layer of this name is called."""
    return _LAYER + name


def said(kind: str) -> str:
    """Return what a picture is called on the canvas."""
    return _short(kind.removeprefix(_LAYER))


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
