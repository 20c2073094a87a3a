"""The controls of a training that runs: pause, stop and keep, cancel; and what is asked before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_srcnn.widgets.finetune.tasks import Control
from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari_srcnn.widgets.finetune.live import LiveView
    from napari_srcnn.widgets.finetune.panel import FinetunePanel
    from napari_srcnn.widgets.shared.runner import Runner

# Seconds of learning that are worth a question before they are thrown away.
WORTH_ASKING = 30.0


class Steering(QObject):
    """Steers the training of a panel.

    Attributes
    ----------
    control : Control or None
        Of the training that runs; None where none does.
    """

    def __init__(self, panel: FinetunePanel, runner: Runner, live: LiveView) -> None:
        super().__init__(panel)
        self._panel, self._runner, self._live = panel, runner, live
        self.control: Control | None = None
        panel.pause_button.clicked.connect(self.pause)
        panel.stop_button.clicked.connect(self.stop)
        panel.cancel_button.clicked.connect(self.ask_and_cancel)

    @property
    def is_held_up(self) -> bool:
        """Whether the training is paused or about to end."""
        return self.control is not None and (
            self.control.pause.is_set() or self.control.stop.is_set()
        )

    def begin(self) -> Control:
        """Return what a new training is steered by."""
        self.control = Control()
        return self.control

    def end(self) -> None:
        """Let go of it."""
        self.control = None

    def pause(self) -> None:
        """Let the training wait, or go on."""
        if self.control is None:
            return
        if self.control.pause.is_set():
            self.control.pause.clear()
            self._panel.pause_button.setText("Pause")
        else:
            self.control.pause.set()
            self._panel.pause_button.setText("Go on")
            self._panel.left.say("Paused; nothing is lost.")

    def stop(self) -> None:
        """End the training and keep the best; measure once where nothing was measured yet."""
        if self.control is not None:
            self.control.stop.set()
            for button in (self._panel.pause_button, self._panel.stop_button):
                button.setEnabled(False)
            is_measured = len(self._panel.curves.psnr) > ("start" in self._panel.curves.lines)
            self._panel.left.say(
                "Stopping; the best is kept …"
                if is_measured
                else "Measuring once; then it stops, and the network is kept …"
            )

    def ask_and_cancel(self) -> None:
        """Ask before much is lost, and cancel."""
        if is_lost_gladly(
            self._panel,
            "Cancel the training",
            self._live.seconds,
            "“Stop and keep best” keeps the network instead.",
        ):
            self.cancel()

    def cancel(self) -> None:
        """Stop the training and forget it."""
        if self.control is not None and self._runner.job:
            self.control.discard.set()
            self._panel.cancel_button.setEnabled(False)
            self._panel.left.say("Stopping …")
            self._runner.cancel()


def is_lost_gladly(parent: QWidget, title: str, seconds: float, otherwise: str) -> bool:
    """Ask whether a training may be forgotten, where it is worth asking.

    Parameters
    ----------
    parent : QWidget
    title : str
        Of the question.
    seconds : float
        How long it has learned.
    otherwise : str
        What to do instead.
    """
    if seconds < WORTH_ASKING:
        return True
    buttons = QMessageBox.StandardButton
    took = duration(seconds).removeprefix("about ")
    answer = QMessageBox.question(
        parent,
        title,
        f"Forget what was learned in {took}? {otherwise}",
        buttons.Discard | buttons.Cancel,
        buttons.Cancel,
    )
    return bool(answer == buttons.Discard)
