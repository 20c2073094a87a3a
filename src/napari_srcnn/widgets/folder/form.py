"""The fields of the folder widget: what is chosen, as a `FolderRequest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_srcnn.models.library import model_info, usable_models
from napari_srcnn.models.titles import in_order
from napari_srcnn.network.config import SCALES
from napari_srcnn.upscaling.batch.messages import Writing
from napari_srcnn.upscaling.options import Options
from napari_srcnn.widgets.folder.tasks import FolderRequest
from napari_srcnn.widgets.shared.fields import Choice, Note, set_up
from napari_srcnn.widgets.shared.model_menu import device_entries, entry

if TYPE_CHECKING:
    from napari_srcnn.widgets.shared.messages import Loaded
    from napari_srcnn.widgets.shared.settings import Settings

FITTING = "What fits each image"
AGAIN = "Write again what is there"


class FolderField(QWidget):
    """A folder, typed or asked for.

    Signals
    -------
    changed
    """

    changed = Signal()

    def __init__(self, title: str, tooltip: str) -> None:
        super().__init__()
        self._title = title
        self.edit = QLineEdit()
        self.edit.setToolTip(tooltip)
        self.button = QPushButton("…")
        self.button.setFixedWidth(30)
        self.button.setToolTip(tooltip)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.button)
        self.edit.textChanged.connect(self.changed)
        self.button.clicked.connect(self.ask)

    @property
    def path(self) -> Path | None:
        """The folder; None where nothing is there."""
        text = self.edit.text().strip()
        return Path(text) if text else None

    @path.setter
    def path(self, path: Path | None) -> None:
        self.edit.setText("" if path is None else str(path))

    def suggest(self, path: Path | None) -> None:
        """Show what is taken where nothing is given."""
        self.edit.setPlaceholderText("" if path is None else str(path))

    def ask(self) -> None:
        """Ask for the folder."""
        begin = self.edit.text() or self.edit.placeholderText()
        chosen = QFileDialog.getExistingDirectory(self, self._title, begin)
        if chosen:
            self.path = Path(chosen)


class FolderForm(QWidget):
    """The fields.

    Signals
    -------
    edited
        Something else is chosen.
    """

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.source = FolderField(
            "A folder of images", "The folder with the images: TIFF, ImageJ, OME-TIFF, OME-Zarr."
        )
        self.source.edit.setPlaceholderText("Choose a folder …")
        self.output = FolderField(
            "A folder for the results",
            "Where the results go, arranged as the images are. It need not exist yet.",
        )
        self.recursive = QCheckBox("With subfolders")
        self.recursive.setChecked(True)
        self.scale = Choice("How many times as many pixels along Y and X.")
        self.model = Choice("The trained network, for all images or what fits each of them.")
        self.model_note = Note()
        self.device = Choice("What computes. A graphics card (GPU) is many times faster.")
        self.format = Choice("OME-TIFF opens everywhere; OME-Zarr is for large images.")
        self.again = QCheckBox(AGAIN)
        self.again.setToolTip(
            "Otherwise results that were made so already are skipped, and other files are kept."
        )
        self.scale.fill([(f"× {scale}", scale, "") for scale in SCALES], 2)
        self.format.fill([("OME-TIFF", "tiff", ""), ("OME-Zarr", "ome-zarr", "")], "tiff")
        self.device.fill([("Loading PyTorch …", "auto", "")], "auto")
        self.device.setEnabled(False)
        self._device = "auto"
        self._is_edited = False
        rows = QFormLayout(self)
        set_up(rows)
        rows.addRow("Images", self.source)
        rows.addRow("", self.recursive)
        rows.addRow("Results", self.output)
        rows.addRow("Scale", self.scale)
        rows.addRow("Model", self.model)
        rows.addRow("", self.model_note)
        rows.addRow("Device", self.device)
        rows.addRow("Files", self.format)
        rows.addRow("", self.again)
        self.scale.changed.connect(self._on_scale)
        self.model.changed.connect(self._show_model)
        self.source.changed.connect(self._suggest)
        self.output.changed.connect(self.edited)
        self.show_models()

    @property
    def folder(self) -> Path | None:
        """Where the results go: what was given, or a folder beside the images."""
        return self.output.path or self._suggested

    @property
    def _suggested(self) -> Path | None:
        source = self.source.path
        return None if source is None else source.with_name(f"{source.name}_x{self.scale.value}")

    def request(self) -> FolderRequest:
        """Return what is asked for.

        Raises
        ------
        ValueError
            If no folder is chosen.
        """
        source, output = self.source.path, self.folder
        if source is None or output is None:
            raise ValueError("Choose a folder of images first.")
        return FolderRequest(
            source=source,
            output=output,
            recursive=self.recursive.isChecked(),
            options=Options(
                scale=self.scale.value, model=self.model.value, device=self.device.value
            ),
            writing=Writing(
                format=self.format.value, force=self.again.isChecked(), again=f"“{AGAIN}”"
            ),
        )

    @property
    def lasting_device(self) -> str:
        """The device by its name, or "auto" where it is the fastest of this machine."""
        return "auto" if self.device.currentIndex() == 0 else str(self.device.value)

    def apply(self, settings: Settings) -> None:
        """Choose what was chosen in an earlier session, unless the user was quicker."""
        self._device = settings.device
        if not self._is_edited:
            self.scale.value = settings.scale
            self._is_edited = False

    def show_devices(self, loaded: Loaded) -> None:
        """Fill in the devices by their names."""
        wanted = "cuda:0" if self._device == "cuda" else self._device
        self.device.fill(device_entries(loaded), wanted)
        self.device.setEnabled(True)

    def show_models(self) -> None:
        """Offer the models that fit the scale; keep the one that was chosen."""
        fitting = [info for info in usable_models() if info.config.scale == self.scale.value]
        entries: list[tuple[str, str | None, str]]
        entries = [(FITTING, None, "The bundled network that fits an image's kind")]
        entries += [entry(info) for info in in_order(fitting, None)]
        self.model.fill(entries, self.model.value)
        self._show_model()

    def _on_scale(self) -> None:
        self._is_edited = True
        self.show_models()
        self._suggest()

    def _show_model(self) -> None:
        name = self.model.value
        self.model_note.say(model_info(name).description if name else "")

    def _suggest(self) -> None:
        self.output.suggest(self._suggested)
        self.edited.emit()
