"""How the fine-tuning widget looks: its parts, and what they show. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import (
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_srcnn.widgets.finetune.curves import Curves, PatchView
from napari_srcnn.widgets.finetune.form import FinetuneForm
from napari_srcnn.widgets.models.manager import ModelManager
from napari_srcnn.widgets.shared.copy_as import CopyAs
from napari_srcnn.widgets.shared.dock_panel import DockPanel
from napari_srcnn.widgets.shared.fields import Note, Section
from napari_srcnn.widgets.shared.rows import JobBar, column, row

_SUMMARY_LINES = 4


class FinetunePanel(DockPanel):
    """The widget's parts from top to bottom; see the names of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.form = FinetuneForm()
        self.summary = Note()
        self.train_button = QPushButton("Train")
        self.train_button.setToolTip(
            "Learn from these images; a part of them is held out to measure on."
        )
        self.copy_as = CopyAs()
        self.stopped_note = Note()
        self.resume_button = QPushButton("Resume")
        self.resume_button.setToolTip("Go on with the training that was stopped.")
        self.discard_button = QPushButton("Discard it")
        self.discard_button.setToolTip("Forget the training that was stopped.")
        self.verdict = Note(small=False)
        self.curves, self.patches = Curves(), PatchView()
        self.bar = JobBar()
        self.left = Note()
        self.pause_button = QPushButton("Pause")
        self.pause_button.setToolTip("Wait; the computer is free meanwhile.")
        self.stop_button = QPushButton("Stop and keep best")
        self.stop_button.setToolTip("End now, and keep the best network so far.")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop within a second; nothing is kept.")
        self.save_button = QPushButton("Save it anyway")
        self.save_button.setToolTip("Keep the network although it is no better.")
        self.drop_button = QPushButton("Discard it")
        self.drop_button.setToolTip("Keep nothing.")
        self.use_button = QPushButton("Use it now")
        self.use_button.setToolTip("Choose the network and its scale in the Upscale widget.")
        self.manager = ModelManager()
        self.sample_button = QPushButton("Open a sample stack")
        self.sample_button.setToolTip("A confocal stack of 16 bits that comes with the plugin.")
        self.folder_button = QPushButton("Choose a folder of TIFFs …")
        self.folder_button.setToolTip("Images are read from the folder as they are needed.")
        self.empty_note = Note()
        self._lay_out()

    def _lay_out(self) -> None:
        self._stopped_buttons = row(self.resume_button, self.discard_button)
        self._running = row(self.pause_button, self.stop_button, self.cancel_button)
        self._asking = row(self.save_button, self.drop_button)
        self.live = column(self.curves, self.patches)
        self._work = column(
            self.form,
            self.summary,
            row(self.train_button, self.copy_as),
            self.stopped_note,
            self._stopped_buttons,
        )
        self._empty = QWidget()
        empty = QVBoxLayout(self._empty)
        empty.setContentsMargins(0, 0, 0, 0)
        text = QLabel(
            "<p><b>Train the network on your own images.</b></p>"
            "<p>Open images that are as sharp as you want the results to be: a stack, or a folder "
            "of them. Low-res images are made of these, or are your own where you have both. The "
            "network learns the way from low-res to sharp, and is measured on a part that it has "
            "not seen.</p>"
        )
        text.setWordWrap(True)
        text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        empty.addWidget(text)
        empty.addWidget(self.empty_note)
        empty.addWidget(self.folder_button)
        empty.addWidget(self.sample_button)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(6, 6, 6, 6)
        models = Section("My models", self.manager, "Rename, delete, export, import")
        for part in (
            self._empty,
            self._work,
            # Above what changes its height, so that no button moves under the mouse.
            self._running,
            self.bar,
            self.left,
            self.verdict,
            self.message,
            self.use_button,
            self._asking,
            self.live,
            models,
        ):
            inner.addWidget(part)
        inner.addStretch()
        self.put(content)
        self.setMinimumWidth(300)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        # It grows once the noise is known, and the button below it would move.
        self.summary.lines = _SUMMARY_LINES
        self.live.setVisible(False)
        self._asking.setVisible(False)
        self.use_button.setVisible(False)
        self.show_busy(False)
        self.show_stopped("")

    def describe(self, summary: str, *, is_wrong: bool = False) -> None:
        """Say what will happen, or why it cannot."""
        self.summary.say(summary, is_caution=is_wrong)

    def show_empty(self, is_empty: bool) -> None:
        """Explain what to do where no image is open and no folder is chosen."""
        self._empty.setVisible(is_empty)
        self.form.setVisible(not is_empty)
        self.train_button.setVisible(not is_empty)
        self.copy_as.setVisible(not is_empty)

    def show_only_results(self, names: Sequence[str]) -> None:
        """Say why layers that are open cannot be learned from: they are results or previews."""
        were = "was" if len(names) == 1 else "were"
        self.empty_note.say(
            f"{', '.join(names)} {were} made by this plugin: a network that learns from results "
            "learns nothing new. Open the images that they came from."
            if names
            else ""
        )

    def show_stopped(self, name: str) -> None:
        """Offer to resume a training that was stopped."""
        self.stopped_note.say(
            f"The training of {name} was stopped before it was over." * bool(name)
        )
        self._stopped_buttons.setVisible(bool(name))

    def show_busy(self, is_busy: bool, *, is_training: bool = False) -> None:
        """Show what can be pressed now."""
        self._work.setVisible(not is_training)
        self.form.setEnabled(not is_busy)
        self.train_button.setEnabled(not is_busy)
        self._stopped_buttons.setEnabled(not is_busy)
        for part in (self.bar, self.left):
            part.setVisible(is_busy)
        self._running.setVisible(is_training)
        for button in (self.pause_button, self.stop_button, self.cancel_button):
            button.setEnabled(is_training)
        self.pause_button.setText("Pause")

    def progress(self, text: str, fraction: float | None) -> None:
        """Show how far a job is; None where that is not known yet."""
        self.bar.show_fraction(fraction)
        self.left.say(text)

    def ask_to_keep(self, is_asked: bool) -> None:
        """Ask whether to keep what is no better."""
        self._asking.setVisible(is_asked)
