"""How the Assess widget looks: its parts, and what they show. It decides nothing."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_srcnn.widgets.assess.form import AssessForm
from napari_srcnn.widgets.assess.plots import Plots
from napari_srcnn.widgets.assess.table import FigureTable
from napari_srcnn.widgets.shared.copy_as import CopyAs
from napari_srcnn.widgets.shared.dock_panel import DockPanel
from napari_srcnn.widgets.shared.fields import Note
from napari_srcnn.widgets.shared.rows import JobBar, column, row


class AssessPanel(DockPanel):
    """The widget's parts from top to bottom; see the names of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.form = AssessForm()
        self.summary = Note(small=False)
        self.assess_button = QPushButton("Assess")
        self.assess_button.setToolTip(
            "Make the result small again as the microscope would, and compare it with its source; "
            "bicubic beside it."
        )
        self.copy_as = CopyAs()
        self.bar = JobBar()
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop after the plane at hand; nothing is kept.")
        self.left = Note()
        self.title = Note(small=False)
        self.title.setStyleSheet("QLabel { font-weight: bold; }")
        self.table = FigureTable()
        self.remarks = Note()
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Put the table on the clipboard, for a spreadsheet.")
        self.save_button = QPushButton("Save figures …")
        self.save_button.setToolTip(
            "Write the figures as JSON, or those of each plane as CSV, by the name's ending."
        )
        self.report_button = QPushButton("Save report …")
        self.report_button.setToolTip(
            "Write a page (HTML) with pictures, figures, how the result was made, and text for a "
            "paper."
        )
        self.plots = Plots()
        self.sample_button = QPushButton("Open a sample stack")
        self.sample_button.setToolTip(
            "A confocal stack of 16 bits that comes with the plugin; enlarge it with Upscale."
        )
        self.alone = Note(small=False)
        self.upscale_button = QPushButton("Open the Upscale widget")
        self.upscale_button.setToolTip("Enlarge the image there, and assess the result here.")
        self._lay_out()
        self.show_results(False)
        self.show_busy(False)

    def _lay_out(self) -> None:
        self._running = row(self.bar, self.cancel_button, stretched=self.bar, spacing=4)
        self._results = column(
            self.title,
            self.table,
            self.remarks,
            row(self.copy_button, self.save_button, self.report_button, spacing=4),
            self.plots,
        )
        for button in (self.copy_button, self.save_button, self.report_button):
            button.setStyleSheet("QPushButton { padding: 3px 5px; }")
        begin = row(self.assess_button, self.copy_as, stretched=self.assess_button, spacing=4)
        self._work = column(self.form, self.summary, begin, self._running, self.left)
        text = QLabel(
            "<p><b>What is an enlarged image worth?</b></p>"
            "<p>Made small again, it has to be the image that it was made of, to within the noise. "
            "Here that is measured: with maps of where it is not, bicubic beside it, and PSNR and "
            "SSIM where there is a reference.</p>"
            "<p>Open the enlarged image, whoever made it, and the image that it was made of.</p>"
        )
        text.setWordWrap(True)
        text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._empty = column(text, self.alone, self.upscale_button, self.sample_button)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(6, 6, 6, 6)
        for part in (self._empty, self._work, self.message, self._results):
            inner.addWidget(part)
        inner.addStretch()
        self.put(content)
        self.setMinimumWidth(300)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def show_empty(self, is_empty: bool, alone: str = "") -> None:
        """Explain what to do where there are no two images to compare.

        Parameters
        ----------
        is_empty : bool
        alone : str
            The one image that is open.
        """
        self._empty.setVisible(is_empty)
        self._work.setVisible(not is_empty)
        text = f"Only {alone} is open. Enlarge it first:" if alone else "To try it out:"
        self.alone.say(text)
        self.upscale_button.setVisible(bool(alone))
        self.sample_button.setVisible(not alone)

    def describe(self, summary: str, *, is_wrong: bool = False) -> None:
        """Say what will be compared, or why it cannot."""
        self.summary.say(summary, is_caution=is_wrong)
        for button in (self.assess_button, self.copy_as):
            button.setEnabled(not is_wrong and self.form.isEnabled())

    def progress(self, text: str, fraction: float | None) -> None:
        """Show how far a job is; None where that is not known yet."""
        self.bar.show_fraction(fraction)
        self.left.say(text)

    def show_busy(self, is_busy: bool) -> None:
        """Show what can be pressed now."""
        self.form.setEnabled(not is_busy)
        self.assess_button.setEnabled(not is_busy)
        for button in (self.save_button, self.report_button):
            button.setEnabled(not is_busy)
        self.cancel_button.setEnabled(is_busy)
        for part in (self._running, self.left):
            part.setVisible(is_busy)

    def show_results(self, are_there: bool) -> None:
        """Show the table and the plots, or nothing of them."""
        self._results.setVisible(are_there)
