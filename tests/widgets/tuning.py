"""What the tests of the fine-tuning widget share: it, and what it has said so far."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

START = "srcnn-9-1-5-x2"
# Steps between two measurements.
EVERY = 25


class Tuning:
    """Docks the widget, follows a training and waits for what it does."""

    def __init__(self, viewer: Any, qtbot: Any, notes: list[str], home: Path) -> None:
        self.viewer, self.notes, self.home, self._bot = viewer, notes, home, qtbot
        self.widget: Any = None
        #: The steps, measurements and beginnings that were heard of since a training was begun.
        self.steps: list[int] = []
        self.measured: list[float] = []
        self.prepared: list[Any] = []

    def open(self) -> Any:
        """Dock it, and wait until all is loaded; choose what takes little time."""
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-srcnn", "Fine-tune")
        self.wait_for(lambda: self.widget.is_ready)
        self.widget.runner.received.connect(self._hear)
        self.steps, self.measured, self.prepared = [], [], []
        self.choose()
        return self.widget

    def choose(self) -> None:
        """Choose a small network and small batches, and low-res images without noise."""
        self.widget.form.noise_from.value = "typed"
        for field in (self.widget.form.gain, self.widget.form.read, self.widget.form.offset):
            field.setValue(0.0)
        self.widget.form.start.value = START
        self.widget.form.patch.value = 24
        self.widget.form.batch.setValue(4)

    def forget_all(self) -> None:
        """Choose so high a rate that the start is lost, and what the start was made for."""
        self.widget.form.rate.setValue(0.1)
        self.widget.form.sampling.value = "bicubic"

    def train(self) -> None:
        """Press Train, and forget what was heard before."""
        self.steps, self.measured, self.prepared = [], [], []
        self.widget.train()

    def _hear(self, message: Any) -> None:
        if hasattr(message, "start_name"):
            self.prepared.append(message)
        told = getattr(message, "message", None)
        if told is not None:
            self.steps.append(told.step)
            if told.measured:
                self.measured.append(told.psnr)

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        self._bot.waitUntil(lambda: bool(is_so()), timeout=180_000)

    def wait(self, milliseconds: int) -> None:
        """Let the window live."""
        self._bot.wait(milliseconds)

    def rest(self) -> None:
        """Wait until no step has been heard of for a while: one may have been under way."""
        heard = -1
        while heard != len(self.steps):
            heard = len(self.steps)
            self.wait(1000)

    def learn(self) -> None:
        """Wait for the first step."""
        self.wait_for(lambda: bool(self.steps))

    def measure(self) -> None:
        """Wait for the first measurement."""
        self.wait_for(lambda: bool(self.measured))

    def is_better(self, by: float = 0.0) -> bool:
        """Tell whether the curve has come above its lines."""
        curves = self.widget.curves
        return bool(self.measured) and max(self.measured) > max(curves.lines.values()) + by

    def sees(self, part: Any) -> bool:
        """Tell whether a part of the widget is shown."""
        return bool(part.isVisibleTo(self.widget))

    def finish(self, widget: Any = None) -> None:
        """Wait until a job has ended."""
        widget = widget or self.widget
        self.wait_for(lambda: not widget.runner.job)
