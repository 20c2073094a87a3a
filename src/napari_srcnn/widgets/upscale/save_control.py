"""Saving the results: what is asked, and how far it has come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_srcnn.io.names import file_name
from napari_srcnn.widgets.upscale import saving
from napari_srcnn.widgets.upscale.shard_saving import is_unfinished
from napari_srcnn.widgets.upscale.subjects import origin_layer
from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_srcnn.widgets.shared.runner import Runner
    from napari_srcnn.widgets.upscale.panel import Panel


class SaveControl(QObject):
    """Saves result layers as a job.

    Attributes
    ----------
    stopped : Path or None
        Where a save was stopped that can be gone on with.
    """

    def __init__(self, panel: Panel, runner: Runner) -> None:
        super().__init__(panel)
        self._panel, self._runner = panel, runner
        self._job: saving.SaveJob | None = None
        self.stopped: Path | None = None
        # Where the last result went.
        self._folder: Path | None = None
        self._poll = QTimer(self)
        self._poll.setInterval(100)
        self._poll.timeout.connect(self._show_progress)

    def ask(self, layers: list[Image]) -> str:
        """Ask where to save the results; return "" where the user has thought better of it."""
        folder = self._folder_for(layers[0])
        if len(layers) > 1:
            names = ", ".join(layer.name for layer in layers)
            title = f"Save {names}: a file for each layer, in this folder"
            return str(QFileDialog.getExistingDirectory(self._panel, title, str(folder)))
        if self.stopped is not None and is_unfinished(self.stopped) and self._goes_on(self.stopped):
            return str(self.stopped)
        chosen, _ = QFileDialog.getSaveFileName(
            self._panel,
            f"Save {layers[0].name}",
            str(folder / file_name(layers[0].name, saving.SUFFIX)),
            "OME-TIFF (*.ome.tif *.ome.tiff);;OME-Zarr, larger than memory (*.ome.zarr)",
        )
        return str(chosen)

    def _folder_for(self, layer: Image) -> Path:
        """Return where the last result went or, before, where the image came from."""
        if self._folder is not None and self._folder.is_dir():
            return self._folder
        source = origin_layer(layer)
        path = None if source is None else getattr(source.source, "path", None)
        folder = Path(path).absolute().parent if path else Path.home()
        return folder if folder.is_dir() else Path.home()

    def begin(self, layers: list[Image], path: Path) -> bool:
        """Begin to save; tell whether the user agreed to what would be replaced."""
        if len(layers) == 1 and not self._may_write(path):
            return False
        self._folder = path.absolute() if len(layers) > 1 else path.absolute().parent
        self._job = saving.SaveJob(layers, path)
        self._runner.begin("The saving", saving.save, self._job)
        self._poll.start()
        return True

    @property
    def what_is_lost(self) -> str:
        """What closing napari now would cost, as a sentence."""
        if self._job is None:
            return ""
        names = ", ".join(path.name for path, _, _ in self._job.jobs)
        if self._job.goes_on:
            return f"{names} is being saved. What is done is kept; saving there again goes on."
        are = "are" if len(self._job.jobs) > 1 else "is"
        return f"{names} {are} being saved. A file that is not whole yet is not kept."

    def halt(self, path: Path) -> str:
        """Remember where a save was stopped, and return what to say of it."""
        self.stopped = path
        return f"Stopped; {path.name} keeps what is done, and Save… goes on with it."

    def end(self) -> None:
        """Let go of the job."""
        self._poll.stop()
        self._job = None

    def _goes_on(self, path: Path) -> bool:
        """Ask whether to go on with a save that was stopped."""
        buttons = QMessageBox.StandardButton
        text = f"The saving to {path.name} was stopped. Go on with it?"
        return self._agrees(text, buttons.No, usual=buttons.Yes)

    def _may_write(self, path: Path) -> bool:
        """Ask before a file is replaced that the dialog could not ask about."""
        target = saving.with_suffix(path)
        if target == path or not target.exists():
            return True
        cancel = QMessageBox.StandardButton.Cancel
        return self._agrees(f"{target.name} is there already. Replace it?", cancel, usual=cancel)

    def _agrees(
        self,
        text: str,
        otherwise: QMessageBox.StandardButton,
        *,
        usual: QMessageBox.StandardButton,
    ) -> bool:
        """Ask a question, and tell whether the answer is yes."""
        yes = QMessageBox.StandardButton.Yes
        answer = QMessageBox.question(self._panel, "Save the result", text, yes | otherwise, usual)
        return bool(answer == yes)

    def _show_progress(self) -> None:
        if self._job is not None and not self._runner.is_cancelled:
            left = self._job.seconds_left
            words = "Saving …" if left is None else f"Saving … · {duration(left)} left"
            self._panel.progress(words, self._job.fraction)
