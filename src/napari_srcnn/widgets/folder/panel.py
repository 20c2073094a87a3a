"""How the folder widget looks: its parts, and what they show. It decides nothing."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_srcnn.widgets.folder.form import FolderForm
from napari_srcnn.widgets.folder.table import Detail, FileTable
from napari_srcnn.widgets.shared.copy_as import CopyAs
from napari_srcnn.widgets.shared.dock_panel import DockPanel
from napari_srcnn.widgets.shared.fields import Note
from napari_srcnn.widgets.shared.rows import JobBar


class FolderPanel(DockPanel):
    """The widget's parts from top to bottom; see the names of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.form = FolderForm()
        self.start_button = QPushButton("Start")
        self.start_button.setToolTip(
            "Enlarge the folder's images into files. What is done already is skipped."
        )
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("Stop within seconds. The files that are done are kept.")
        self.copy_as = CopyAs()
        self.bar = JobBar()
        self.left = Note()
        self.table = FileTable()
        self.detail = Detail()
        self.report_button = QPushButton("Open report")
        self.report_button.setToolTip("What came of each image: a line of JSON for each.")
        self._lay_out()
        self.show_busy(False)
        self.table.setVisible(False)
        self.report_button.setVisible(False)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.stop_button, 1)
        buttons.addWidget(self.copy_as)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(6, 6, 6, 6)
        inner.addWidget(self.form)
        inner.addSpacing(8)
        inner.addLayout(buttons)
        for part in (self.bar, self.left, self.message):
            inner.addWidget(part)
        inner.addWidget(self.table, 1)
        inner.addWidget(self.detail)
        inner.addWidget(self.report_button)
        inner.addStretch()
        self.put(content)
        self.setMinimumWidth(300)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    @property
    def escape_button(self) -> QPushButton:
        """What Escape presses."""
        return self.stop_button

    def progress(self, text: str, fraction: float | None) -> None:
        """Show how far the folder is; None where that is not known yet."""
        self.bar.show_fraction(fraction)
        self.left.say(text)

    def show_busy(self, is_busy: bool) -> None:
        """Show what can be pressed now."""
        self.form.setEnabled(not is_busy)
        self.start_button.setEnabled(not is_busy and self.form.source.path is not None)
        self.stop_button.setEnabled(is_busy)
        self.copy_as.setEnabled(self.form.source.path is not None)
        for part in (self.bar, self.left):
            part.setVisible(is_busy)
