"""The files of a folder as a table: name, state or progress, and what is known of one of them."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QTextOption
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QPlainTextEdit,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
)

from napari_srcnn.widgets.folder.rows import FileRows

_FRACTION = Qt.ItemDataRole.UserRole
_BAR, _FAILED = QColor(0x00, 0x7A, 0xCC, 150), QColor("#e0a030")
_HEIGHT, _DETAIL_LINES = 22, 5


class FileTable(QTableWidget):
    """A row a file.

    Signals
    -------
    chosen : str
        All that is known of the file that is chosen.
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__(0, 2)
        self._files = FileRows(())
        self._cells: list[tuple[QTableWidgetItem, QTableWidgetItem]] = []
        self.setHorizontalHeaderLabels(["File", "State"])
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(_HEIGHT)
        header = self.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        self.setColumnWidth(1, 110)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setMinimumHeight(8 * _HEIGHT)
        # Held: Qt does not.
        self._delegate = _Bar(self)
        self.setItemDelegateForColumn(1, self._delegate)
        self.itemSelectionChanged.connect(self._on_chosen)

    def show_files(self, files: FileRows) -> None:
        """Show other files."""
        self._files = files
        self.setRowCount(0)
        self._cells = []
        self.setRowCount(len(files.rows))
        for index, row in enumerate(files.rows):
            name = QTableWidgetItem(row.name)
            name.setToolTip(row.name)
            state = QTableWidgetItem()
            self.setItem(index, 0, name)
            self.setItem(index, 1, state)
            self._cells.append((name, state))
            self.refresh(index)

    def refresh(self, index: int) -> None:
        """Show what is known of a file now."""
        row = self._files.rows[index]
        name, state = self._cells[index]
        state.setText(row.state)
        state.setData(_FRACTION, row.fraction)
        state.setToolTip(row.detail)
        for cell in (name, state) if row.has_failed else ():
            cell.setForeground(_FAILED)
        if self.currentRow() == index:
            self._on_chosen()

    def follow(self, index: int) -> None:
        """Keep the file at work in sight, unless one was chosen."""
        if not self.selectedItems():
            self.scrollToItem(self._cells[index][0])

    def choose(self, index: int) -> None:
        """Choose a file."""
        self.selectRow(index)

    def _on_chosen(self) -> None:
        items = self.selectedItems()
        self.chosen.emit(self._files.rows[items[0].row()].detail if items else "")


class _Bar(QStyledItemDelegate):
    """Paints how much there is of a file behind its state."""

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Paint a cell."""
        fraction = index.data(_FRACTION)
        if fraction is not None:
            place = option.rect.adjusted(1, 2, -1, -2)
            place.setWidth(max(round(place.width() * fraction), 1))
            painter.fillRect(place, _BAR)
        super().paint(painter, option, index)


class Detail(QPlainTextEdit):
    """Text to read and to copy, wrapped within names too: those of files have no spaces."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setFixedHeight((_DETAIL_LINES + 1) * self.fontMetrics().lineSpacing())
        self.setVisible(False)

    def say(self, text: str) -> None:
        """Show a text, or nothing."""
        if text != self.toPlainText():
            self.setPlainText(text)
        self.setVisible(bool(text))
