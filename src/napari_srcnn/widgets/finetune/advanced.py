"""The fields that most users never open: device, crops, rate, loss, when to end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_srcnn.widgets.shared.fields import Choice, Section, Whole
from napari_srcnn.widgets.shared.model_menu import device_entries
from napari_srcnn.widgets.shared.rows import Amount, indented, show_row

if TYPE_CHECKING:
    from napari_srcnn.training.state import TrainConfig
    from napari_srcnn.widgets.shared.messages import Loaded


class AdvancedFields(QObject):
    """How a network is trained."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.device = Choice("What computes. A graphics card (GPU) is many times faster.")
        self.device.fill([("Loading PyTorch …", "auto", "")], "auto")
        self.patch = Choice("Pixels a side of the crops that are learned from.")
        self.patch.fill([(str(n), n, "") for n in (24, 48, 96)], 48)
        self.batch = Whole("Crops a step.", maximum=1024, step=8)
        self.batch.setRange(1, 1024)
        self.batch.setSpecialValueText("")
        self.batch.setValue(16)
        self.rate = Amount(
            "The highest learning rate; smaller is more careful.",
            0.0005,
            minimum=0.000001,
            maximum=0.1,
            decimals=6,
        )
        self.rate.setSingleStep(0.0001)
        self.loss = Choice("What is made small.")
        self.loss.fill(
            [
                ("Squared error", "mse", "The best PSNR."),
                ("Absolute error", "l1", "Less moved by bright spots."),
                ("Charbonnier", "charbonnier", "Between the two."),
            ],
            "mse",
        )
        self.turn = Choice("Learn from turned and mirrored crops as well.")
        self.turn.fill([("Turn and mirror", True, ""), ("As they are", False, "")], True)
        self.vary = Choice("Learn from crops made brighter and darker as well.")
        self.vary.fill(
            [
                ("As it is", False, "Best for images like these."),
                ("Brighter and darker", True, "Safer on images of other brightness."),
            ],
            False,
        )
        self.patience = Whole(
            "End early after so many measurements without a better one.", maximum=1000, step=5
        )
        self.patience.setSpecialValueText("Never")
        self.shift = Choice("What to do with a shift between the images of a pair.")
        self.shift.fill([("Correct it", True, ""), ("Leave it", False, "")], True)
        self.recorrupt = Choice("How images are learned from that are noisy themselves.")
        self.recorrupt.fill(
            [
                (
                    "Recorrupt if noisy",
                    None,
                    "Above 1 % of noise: two images of independent noise are made of each; one is "
                    "learned from the other (Pang et al., CVPR 2021).",
                ),
                ("Recorrupt", True, "So whatever their noise is measured to be."),
                ("As they are", False, "The network learns to keep some of their noise."),
            ],
            None,
        )
        content, self._rows = indented(
            (
                ("Device", self.device),
                ("Patch", self.patch),
                ("Batch", self.batch),
                ("Rate", self.rate),
                ("Loss", self.loss),
                ("Crops", self.turn),
                ("Brightness", self.vary),
                ("End early", self.patience),
                ("Shift", self.shift),
                ("Noisy images", self.recorrupt),
            )
        )
        self.section = Section("Advanced", content, "Device, patch, batch, rate, loss, variation")

    def config(self, recipe: TrainConfig, minutes: float) -> TrainConfig:
        """Return a recipe with what is chosen.

        Raises
        ------
        ValueError
            If something cannot be.
        """
        return replace(
            recipe,
            minutes=minutes,
            crop=self.patch.value,
            batch=self.batch.value(),
            learning_rate=self.rate.value(),
            loss=self.loss.value,
            patience=self.patience.value() or None,
            gain=(0.5, 1.1) if self.vary.value else None,
        )

    def show_devices(self, loaded: Loaded) -> None:
        """Fill in the devices by their names."""
        self.device.fill(device_entries(loaded), self.device.value)

    def show_pair(self, is_paired: bool) -> None:
        """Offer what concerns pairs, or what concerns images without partners."""
        show_row(self._rows, self.shift, is_paired)
        show_row(self._rows, self.recorrupt, not is_paired)
