"""The layers of a run as a list: which is at work, which wait, and a button that ends each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_srcnn.widgets.shared.fields import Note
from napari_srcnn.widgets.shared.messages import Finished, Opened, Stopped, Task

WAITS, AT_WORK, DONE, ENDED, LEFT_OUT, ENDING = (
    "waits",
    "at work",
    "done",
    "ended",
    "left out",
    "is being ended …",
)


class QueueList(QWidget):
    """What becomes of each of several layers; of one alone nothing is shown.

    Attributes
    ----------
    states : list of str
        Of each layer, in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.states: list[str] = []
        self._tasks: tuple[Task, ...] = ()
        self._rows: list[tuple[Note, QToolButton]] = []
        self._lines: list[QWidget] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(1)
        self.setVisible(False)

    @property
    def is_several(self) -> bool:
        """Whether there is more than one layer."""
        return len(self._tasks) > 1

    def begin(self, tasks: Sequence[Task]) -> None:
        """Show the layers of a run that begins."""
        self.end()
        self._tasks = tuple(tasks)
        self.states = [LEFT_OUT if task.skip.is_set() else WAITS for task in tasks]
        for number in range(len(tasks) if len(tasks) > 1 else 0):
            self._add_row(number)
        self.setVisible(len(tasks) > 1)

    def end(self) -> None:
        """Show nothing any more."""
        self.setVisible(False)
        for line in self._lines:
            line.setParent(None)
            line.deleteLater()
        self._lines = []
        self._rows, self._tasks = [], ()

    def end_one(self, number: int) -> None:
        """Leave one layer out, or end it where it is at work; the others go on."""
        if self.states[number] in (WAITS, AT_WORK):
            self._tasks[number].skip.set()
            self._show(number, LEFT_OUT if self.states[number] == WAITS else ENDING)

    def receive(self, message: Any) -> None:
        """Show what a run says of its layers."""
        if isinstance(message, Opened):
            self._show(message.task, AT_WORK)
        elif isinstance(message, Finished):
            self._show(message.task, DONE)
        elif isinstance(message, Stopped):
            self._show(message.task, ENDED)

    def _add_row(self, number: int) -> None:
        note, button = Note(), QToolButton()
        # It wraps in what the button leaves.
        note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        button.setText("×")
        button.setToolTip("End this layer alone; its finished slices are kept, and the rest go on.")
        button.clicked.connect(partial(self.end_one, number))
        line = QWidget()
        beside = QHBoxLayout(line)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(note, 1)
        beside.addWidget(button)
        self._layout.addWidget(line)
        self._lines.append(line)
        self._rows.append((note, button))
        self._show(number, self.states[number])

    def _show(self, number: int, state: str) -> None:
        if number >= len(self.states):
            return
        self.states[number] = state
        if self._rows:
            note, button = self._rows[number]
            note.say(f"{number + 1}. {self._tasks[number].name}: {state}")
            button.setEnabled(state in (WAITS, AT_WORK))
