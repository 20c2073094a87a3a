"""How the upscale widget looks: its parts, and what they show. It decides nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_srcnn.widgets.compare.bar import CompareBar
from napari_srcnn.widgets.shared.copy_as import CopyAs
from napari_srcnn.widgets.shared.dock_panel import DockPanel
from napari_srcnn.widgets.shared.fields import Note
from napari_srcnn.widgets.shared.rows import JobBar
from napari_srcnn.widgets.upscale.form import Form
from napari_srcnn.widgets.upscale.queue_list import QueueList
from napari_srcnn.widgets.upscale.wording import Forecast

if TYPE_CHECKING:
    from napari_srcnn.widgets.shared.messages import Task


class Panel(DockPanel):
    """The widget's parts from top to bottom; see the names of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.form = Form()
        self.form.details.said.connect(self.status)
        self._forecast = Forecast()
        self.summary, self.intensities = Note(small=False), Note()
        self.preview_button = QPushButton("Preview")
        self.preview_button.setToolTip(
            "Enlarge what is on screen of the current slice, in seconds, and compare it with "
            "plain interpolation."
        )
        self.upscale_button = QPushButton("Upscale")
        self.upscale_button.setToolTip(
            "Enlarge every slice into a new layer, the current slice first."
        )
        self.copy_as = CopyAs()
        self.shown = CompareBar()
        self.bar = JobBar()
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop within a second. Finished slices are kept.")
        self.left = Note()
        self.queue = QueueList()
        self.go_on_button = QPushButton("Go on")
        self.go_on_button.setToolTip("Do the slices that are left, into the same layer.")
        self.go_on_button.setVisible(False)
        self.save_button = QPushButton("Save result …")
        self.save_button.setToolTip(
            "Write the result as OME-TIFF, with pixel size, units and how it was made. "
            "Fiji opens it."
        )
        self.sample_button = QPushButton("Open a sample stack")
        self.sample_button.setToolTip("A small MR stack of 16 bits that comes with the plugin.")
        self._lay_out()

    def _lay_out(self) -> None:
        self._running = QWidget()
        row = QHBoxLayout(self._running)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel_button)
        self._running.setVisible(False)
        buttons = QHBoxLayout()
        buttons.addWidget(self.preview_button, 1)
        buttons.addWidget(self.upscale_button, 1)
        buttons.addWidget(self.copy_as)
        self._work = QWidget()
        work = QVBoxLayout(self._work)
        work.setContentsMargins(0, 0, 0, 0)
        work.addWidget(self.form)
        work.addSpacing(8)
        work.addWidget(self.summary)
        work.addWidget(self.intensities)
        # Below what scrolls: what is pressed, and what is said of it, is always in view.
        self._actions = QWidget()
        actions = QVBoxLayout(self._actions)
        actions.setContentsMargins(6, 2, 6, 6)
        actions.addLayout(buttons)
        parts = (self.shown, self._running, self.left, self.queue, self.message, self.go_on_button)
        for part in (*parts, self.save_button):
            actions.addWidget(part)
        self._empty = QWidget()
        empty = QVBoxLayout(self._empty)
        empty.setContentsMargins(0, 0, 0, 0)
        self.why_empty = QLabel()
        self.why_empty.setWordWrap(True)
        self.why_empty.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        empty.addWidget(self.why_empty)
        empty.addWidget(self.sample_button)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(6, 6, 6, 2)
        inner.addWidget(self._empty)
        inner.addWidget(self._work)
        self.put(content, footer=self._actions)
        self.setMinimumWidth(300)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def describe_chosen(self) -> None:
        """Say what will happen to what is chosen; the window that knows it does."""

    def preview_tasks(self) -> list[Task]:
        """Return what a preview would show now; nothing where there can be none."""
        return []

    def show_empty(self, is_empty: bool, others: Sequence[str] = ()) -> None:
        """Explain what to do where no image is open, but maybe layers of another kind."""
        what = "No image is open."
        if others:
            names = html.escape(", ".join(others))
            are = "is no image" if len(others) == 1 else "are no images"
            what = f"{names} {are}: labels, points and shapes are not enlarged."
        self.why_empty.setText(
            "<p><b>Enlarge images 2, 3 or 4 times with a neural network (SRCNN).</b></p>"
            f"<p>{what} Open one with File › Open, or drag a file into the window; "
            "then choose it in the layer list.</p>"
            "<p>To try it out:</p>"
        )
        self._empty.setVisible(is_empty)
        self._work.setVisible(not is_empty)
        self._actions.setVisible(not is_empty)

    def describe(self, forecast: Forecast) -> None:
        """Say what will happen, or why it cannot; then it cannot be pressed either."""
        self._forecast = forecast
        self.summary.say(forecast.summary, is_caution=forecast.is_caution)
        self.intensities.say(forecast.intensities)
        self.intensities.setToolTip(forecast.details)
        self._enable()

    def _enable(self) -> None:
        is_idle = self.form.isEnabled()
        self.preview_button.setEnabled(is_idle and self._forecast.can_preview)
        self.upscale_button.setEnabled(is_idle and self._forecast.can_upscale)

    def progress(self, text: str, fraction: float | None) -> None:
        """Show how far a job is; None where that is not known yet."""
        self.bar.show_fraction(fraction)
        self.left.say(text)

    def show_busy(
        self, is_busy: bool, *, has_result: bool, done_and_total: tuple[int, int] | None = None
    ) -> None:
        """Show what can be pressed now.

        Parameters
        ----------
        is_busy, has_result : bool
        done_and_total : tuple of int, optional
            How many slices are done of a run that was stopped.
        """
        self.form.setEnabled(not is_busy)
        self._enable()
        self.shown.setEnabled(not is_busy)
        self.save_button.setVisible(has_result)
        self.save_button.setEnabled(not is_busy)
        if done_and_total is not None:
            self.go_on_button.setText("Go on ({} of {} done)".format(*done_and_total))
        self.go_on_button.setVisible(done_and_total is not None and not is_busy)
        self.save_button.setText(
            "Save result …" if done_and_total is None else "Save the finished slices …"
        )
        self.cancel_button.setEnabled(is_busy)
        if is_busy and not self._running.isVisibleTo(self):
            self.progress("Preparing …", None)
            self.status("")
        self._running.setVisible(is_busy)
        self.left.setVisible(is_busy)
