"""The figures of a result beside bicubic's, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
)

if TYPE_CHECKING:
    from napari_srcnn.assess.assessment import Assessment

_HEIGHT = 22
_MEANING = {
    "RSE": "Root mean square difference of the result, made small again, from its source, after "
    "gain and offset were fitted (NanoJ-SQUIRREL). In the image's units; smaller is better.",
    "RSP": "Correlation of the result, made small again, with its source (NanoJ-SQUIRREL). 1 is "
    "best.",
    "beyond 3 σ": "Share of the source's pixels that the result, made small again, misses by more "
    "than three standard deviations of the noise. Chance alone: 0.27 %.",
    "largest difference": "The largest difference of all, in the image's units.",
    "total intensity": "By how much all light together became more or less.",
    "PSNR (dB)": "Peak signal-to-noise ratio against the reference, for the range below.",
    "PSNR, fitted (dB)": "The same after gain and offset were fitted to the reference.",
    "SSIM": "Structural similarity to the reference; 1 is best.",
    "MS-SSIM": "Structural similarity on five scales; 1 is best.",
    "NRMSE": "Root mean square error in parts of the reference's; smaller is better.",
    "decorrelation (pixels)": "How fine the image looks: the shortest period by decorrelation "
    "analysis, in its own pixels. It is no optical resolution.",
    "decorrelation": "The same as a length. It is no optical resolution.",
    "shared with reference (pixels)": "The shortest period that the reference has too, by Fourier "
    "ring correlation of the two. What is finer was made up, or lies in noise.",
    "shared with reference": "The same as a length.",
}


class FigureTable(QTableWidget):
    """A row a figure, a column each for the result and bicubic; as high as its rows."""

    def __init__(self) -> None:
        super().__init__(0, 3)
        self._cells = ""
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(_HEIGHT)
        self.verticalHeader().setMinimumSectionSize(_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setWordWrap(False)

    def show_figures(self, assessment: Assessment) -> None:
        """Show what was found."""
        from napari_srcnn.assess.tables import as_cells, said_of

        self._cells = as_cells(assessment)
        self.setHorizontalHeaderLabels(["", *(row.what for row in assessment.rows)])
        rows = said_of(assessment)
        self.setRowCount(len(rows))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for number, (name, figures) in enumerate(rows):
            for column, text in enumerate((name, *figures)):
                item = QTableWidgetItem(text)
                item.setToolTip(_MEANING.get(name, name))
                if column:
                    item.setTextAlignment(right)
                self.setItem(number, column, item)
        around = self.horizontalHeader().sizeHint().height() + 2 * self.frameWidth()
        self.setFixedHeight(around + len(rows) * _HEIGHT)

    def copy(self) -> None:
        """Put the figures on the clipboard, as a spreadsheet takes them."""
        QApplication.clipboard().setText(self._cells)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # Qt's name
        """Copy where that is asked for."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)
