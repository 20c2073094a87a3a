"""The user's own models: what each is, and its renaming, deleting, exporting and importing."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_srcnn.models.card import card_lines, origin_lines
from napari_srcnn.models.export import kind_of
from napari_srcnn.models.library import model_info, own_models
from napari_srcnn.models.manage import (
    convert_model,
    delete_model,
    export_model,
    import_model,
    is_published,
    name_for,
    rename_model,
)
from napari_srcnn.network.checkpoint import SUFFIX, CheckpointError
from napari_srcnn.widgets.models import files
from napari_srcnn.widgets.shared.fields import Choice, Note
from napari_srcnn.widgets.shared.messages import sentence
from napari_srcnn.widgets.shared.runner import Runner

NONE_YET = "You have no models of your own yet."


class ModelManager(QWidget):
    """A menu of the user's own models, the chosen one's card, and what can be done with it.

    The files are small, so all is done at once; but for files of other programs, which are written
    and read beside the window. torch is loaded for those, and to convert published checkpoints.

    Signals
    -------
    changed
        There is another set of models than before.
    said : str
        What was done.
    failed : str
        Why something was not done.
    """

    changed = Signal()
    said = Signal(str)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.model = Choice("Your own models: made by training, or imported.")
        self.card = Note()
        self.rename_button = _button("Rename …", "Give the chosen model another name.")
        self.delete_button = _button("Delete …", "Delete the chosen model for good.")
        self.export_button = _button(
            "Export …",
            "Write the chosen model to a file: to back it up, to share it, or for other programs "
            "(ONNX, bioimage.io).",
        )
        self.import_button = _button(
            "Import …",
            "Take a file that was exported, or an SRCNN from bioimage.io, to your own models, or "
            "make one of a published checkpoint (.mat, .pth …).",
        )
        self._runner = Runner(self)
        self._runner.received.connect(self._on_done)
        buttons = QGridLayout()
        buttons.addWidget(self.rename_button, 0, 0)
        buttons.addWidget(self.delete_button, 0, 1)
        buttons.addWidget(self.export_button, 1, 0)
        buttons.addWidget(self.import_button, 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.model)
        layout.addWidget(self.card)
        layout.addLayout(buttons)
        self.model.changed.connect(self._show_card)
        self.rename_button.clicked.connect(self.ask_and_rename)
        self.delete_button.clicked.connect(self.ask_and_delete)
        self.export_button.clicked.connect(self.ask_and_export)
        self.import_button.clicked.connect(self.ask_and_import)
        self.refresh()

    @property
    def chosen(self) -> str | None:
        """The chosen model's name; None where there is no model."""
        return self.model.value  # type: ignore[no-any-return]

    def refresh(self, chosen: str | None = None) -> None:
        """Look again which models there are, and choose one; by default the one that was."""
        names = own_models()
        entries = [(name, name, _description(name)) for name in names]
        self.model.fill(entries, chosen or self.chosen)
        self.model.setVisible(bool(names))
        self._show_card()

    def showEvent(self, event: QShowEvent) -> None:  # Qt's name
        """Look again: a model may have been made by the command line meanwhile."""
        super().showEvent(event)
        self.refresh()

    # ------------------------------------------------------------ what is done

    def rename(self, old: str, new: str) -> bool:
        """Rename a model; tell whether it was done."""

        def work() -> str:
            rename_model(old, new)
            return f"“{old}” is called “{new}” now."

        return self._do(work, new)

    def delete(self, name: str) -> bool:
        """Delete a model, without asking; tell whether it was done."""

        def work() -> str:
            delete_model(name)
            return f"“{name}” was deleted."

        return self._do(work)

    def export(self, name: str, path: str | Path, *, force: bool = False) -> bool:
        """Write a model to a file; tell whether it was done, or has begun for other programs."""
        if kind_of(path) not in (None, SUFFIX):
            self.said.emit(f"“{name}” is being written to {path} …")
            self._runner.prepare(files.write, name, path, force)
            return True

        def work() -> str:
            return f"“{name}” was copied to {export_model(name, path, force=force)}."

        return self._do(work)

    def import_(self, path: str | Path, name: str | None = None) -> bool:
        """Copy a file to the user's models, by default under its own name; tell whether it was."""
        made: list[str] = []

        def work() -> str:
            take = convert_model if is_published(path) else import_model
            made.append(take(path, name).name)
            return f"{Path(path).name} is your model “{made[0]}” now."

        return self._do(work, lambda: made[0])

    def _do(self, work: Callable[[], str], chosen: str | Callable[[], str] | None = None) -> bool:
        before = own_models()
        try:
            text = work()
        except (ValueError, OSError, MemoryError) as error:
            self.refresh()
            self.failed.emit(sentence(error))
            return False
        self.refresh(chosen() if callable(chosen) else chosen)
        if own_models() != before:
            self.changed.emit()
        self.said.emit(text)
        return True

    def _on_done(self, message: files.Written | files.Looked) -> None:
        if isinstance(message, files.Looked):
            self._ask_about(message.path)
        else:
            (self.said if message.is_done else self.failed).emit(message.text)

    # ------------------------------------------------------------ what is asked before

    def ask_and_rename(self) -> None:
        """Ask for a new name."""
        if (old := self.chosen) is None:
            return
        new = self._ask_name("Rename a model", f"A new name for “{old}”:", old)
        if new and new != old:
            self.rename(old, new)

    def ask_and_delete(self) -> None:
        """Ask whether the model may go."""
        if (name := self.chosen) is None:
            return
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Delete a model",
            f"Delete the model “{name}” for good? Export it first to keep a copy.",
            buttons.Yes | buttons.Cancel,
            buttons.Cancel,
        )
        if answer == buttons.Yes:
            self.delete(name)

    def ask_and_export(self) -> None:
        """Ask for the file."""
        if (name := self.chosen) is None:
            return
        path, kind = QFileDialog.getSaveFileName(
            self, "Export a model", f"{name}{SUFFIX}", files.EXPORT_FILTER
        )
        if not path:
            return
        # The dialog has asked whether to replace the file; not the one with an ending added.
        is_whole = kind_of(path) is not None
        self.export(name, path if is_whole else path + files.ending(kind), force=is_whole)

    def ask_and_import(self) -> None:
        """Ask for the file, and then about it."""
        path, _ = QFileDialog.getOpenFileName(self, "Import a model", "", files.IMPORT_FILTER)
        if files.is_foreign(path):
            self.said.emit(f"{path} is being read …")
            self._runner.prepare(files.look, path)
        elif path:
            self._ask_about(path)

    def _ask_about(self, path: str) -> None:
        """Ask whether a file is trusted, and for a name where its own is taken; then take it."""
        if not self._ask_whether_trusted(path):
            return
        name: str | None = name_for(path)
        if reason := files.why_not(name or ""):
            name = self._ask_name("Import a model", f"{reason}\n\nA name for it:", files.free(name))
            if not name:
                return
        self.import_(path, name)

    def _ask_whether_trusted(self, path: str) -> bool:
        """Show what is known of a file from elsewhere; True if it shall be taken, or cannot be."""
        try:
            lines = origin_lines(model_info(Path(path)))
        except (CheckpointError, OSError):
            return True  # importing says why not
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Import a model",
            f"<p>Take this model to your own?</p>{_as_entries(lines)}",
            buttons.Yes | buttons.Cancel,
            buttons.Cancel,
        )
        return bool(answer == buttons.Yes)

    def _ask_name(self, title: str, text: str, suggested: str) -> str:
        """Return a name; "" where the user has thought better of it."""
        name, is_given = QInputDialog.getText(
            self, title, text, QLineEdit.EchoMode.Normal, suggested
        )
        return name.strip() if is_given else ""

    # ------------------------------------------------------------ what is shown

    def _show_card(self) -> None:
        name = self.chosen
        text, path, is_usable = NONE_YET, "", False
        if name is not None:
            try:
                info = model_info(name)
                # The first is the name, which the menu shows.
                text, path, is_usable = _as_entries(card_lines(info)[1:]), str(info.path), True
            except (CheckpointError, OSError) as error:
                text = f"{name} cannot be used: {sentence(error)}"
        formats = Qt.TextFormat
        self.card.setTextFormat(formats.RichText if is_usable else formats.PlainText)
        self.card.say(text)
        self.card.setToolTip(path)
        self.rename_button.setEnabled(is_usable)
        self.export_button.setEnabled(is_usable)
        # What is damaged can be thrown away.
        self.delete_button.setEnabled(name is not None)


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button


def _as_entries(lines: list[str]) -> str:
    """Return lines as rich text in which one can see where each begins."""
    style = "margin: 0 0 3px 12px; text-indent: -12px"
    return "".join(f'<p style="{style}">{html.escape(line)}</p>' for line in lines)


def _description(name: str) -> str:
    try:
        return model_info(name).description
    except (CheckpointError, OSError) as error:
        return sentence(error)
