"""The fields of the fine-tuning widget: what is chosen, as options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLineEdit, QVBoxLayout, QWidget

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.models.library import list_models, microscopes_model, usable_models
from napari_srcnn.models.titles import in_order
from napari_srcnn.network.config import SCALES
from napari_srcnn.training.field import Source
from napari_srcnn.training.runs import stopped_runs
from napari_srcnn.widgets.finetune.advanced import AdvancedFields
from napari_srcnn.widgets.finetune.data import DataFields
from napari_srcnn.widgets.finetune.degradation import DegradationFields
from napari_srcnn.widgets.shared.fields import Choice, set_up
from napari_srcnn.widgets.shared.model_menu import entry
from napari_srcnn.widgets.shared.rows import Amount

if TYPE_CHECKING:
    from napari.layers import Image, Shapes

    from napari_srcnn.training.options import FinetuneOptions
    from napari_srcnn.training.state import TrainConfig
    from napari_srcnn.widgets.shared.messages import Loaded

SCRATCH = "scratch"


class FinetuneForm(QWidget):
    """All fields: which images, how low-res ones are made, scale, start, time and name.

    Signals
    -------
    edited
        Something was changed.
    failed : str
        Why something was not done.
    """

    edited = Signal()
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._named = False
        self.data = DataFields(self)
        self.low_res = DegradationFields(self)
        self.training = AdvancedFields(self)
        self._name_parts()
        self.scale = Choice("How many times as many pixels along Y and X.")
        self.start = Choice("The network to begin from. Its knowledge saves most of the time.")
        self.minutes = Amount(
            "How long to train. It can be stopped and the best kept at any time.",
            5.0,
            minimum=0.1,
            maximum=100_000,
            decimals=1,
            suffix=" min",
        )
        self.name = QLineEdit()
        self.name.setToolTip("Under this name the network will be in the Upscale widget's menu.")
        self.scale.fill([(f"× {scale}", scale, "") for scale in SCALES], 2)
        self._lay_out()
        self.data.images_changed.connect(self._on_images)
        self.data.edited.connect(self.edited)
        self.low_res.edited.connect(self.edited)
        self.low_res.take_optics.connect(self._blur_from_optics)
        self.scale.changed.connect(self._on_scale)
        self.start.changed.connect(self.edited)
        self.minutes.valueChanged.connect(self.edited)
        self.name.textEdited.connect(self._on_named)

    def _name_parts(self) -> None:
        """Give the fields the names by which a form is asked for them."""
        data, low_res, training = self.data, self.low_res, self.training
        self.high, self.low, self.inside = data.high, data.low, data.inside
        self.pair_note = data.pair_note
        self.sampling, self.blur = low_res.sampling, low_res.blur
        self.aperture, self.wavelength = low_res.aperture, low_res.wavelength
        self.gain, self.read, self.offset = low_res.gain, low_res.read, low_res.offset
        self.noise_from, self.example = low_res.noise_from, low_res.example
        self.from_optics, self.noise_button = low_res.from_optics, low_res.noise_button
        self.fit_button, self.preview_button = low_res.fit_button, low_res.preview_button
        self.device, self.patch, self.batch = training.device, training.patch, training.batch
        self.rate, self.loss, self.turn = training.rate, training.loss, training.turn
        self.vary, self.patience, self.shift = training.vary, training.patience, training.shift
        self.degradation, self.advanced = low_res.section, training.section

    def _lay_out(self) -> None:
        rows = QFormLayout()
        set_up(rows)
        self.data.add_to(rows)
        rows.addRow("Scale", self.scale)
        rows.addRow("Start from", self.start)
        rows.addRow("Time", self.minutes)
        rows.addRow("Name", self.name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.degradation)
        layout.addWidget(self.advanced)

    # ------------------------------------------------------------ what is chosen

    @property
    def pair_problem(self) -> str:
        """Why the images that are chosen are no pair; empty where they are, or there is none."""
        return self.data.problem

    @property
    def folders(self) -> tuple[Path, Path | None] | None:
        """The folders that are chosen, as :attr:`DataFields.folders`."""
        return self.data.folders

    def sources(self) -> tuple[Source, ...]:
        """Return the images that are chosen, as :meth:`DataFields.sources`."""
        return self.data.sources()

    def degradation_value(self) -> Degradation:
        """Return how low-res images are made."""
        return self.low_res.value

    def options(self, recipe: TrainConfig, make: Callable[..., FinetuneOptions]) -> FinetuneOptions:
        """Return the options; `recipe` and `make` are the library's, which needs torch.

        Raises
        ------
        ValueError
            If something is missing or cannot be.
        """
        sources = self.sources()
        if not self.name.text().strip():
            raise ValueError("The network needs a name; type one.")
        return make(
            sources=sources,
            scale=self.scale.value,
            name=self.name.text().strip(),
            start=self.start.value,
            degradation=self.degradation_value(),
            correct_shift=self.shift.value,
            turn=self.turn.value,
            recorrupt=None if self.data.is_paired else self.training.recorrupt.value,
            config=self.training.config(recipe, self.minutes.value()),
            device=self.device.value,
        )

    # ------------------------------------------------------------ what there is to choose

    def show_layers(
        self, images: Sequence[Image], shapes: Sequence[Shapes], active: Image | None
    ) -> None:
        """Offer the layers there are; emits nothing."""
        self.data.show_layers(images, shapes, active)
        self.low_res.show_examples(self.high.value, images)
        self.show_models()
        self._show_pair()
        self._show_name()

    def show_models(self) -> None:
        """Offer what can be begun from at this scale; emits nothing."""
        found = [
            info
            for info in usable_models()
            if info.config.scale == self.scale.value and info.config.channels == 1
        ]
        # As the command line's default: a lab's images are most like those. Then the user's own.
        found = in_order(found, microscopes_model(self.scale.value))
        entries = [entry(info) for info in found]
        entries.append(("Random weights (9-1-5)", SCRATCH, "Learns from your images alone."))
        self.start.fill(entries, self.start.value)

    def show_devices(self, loaded: Loaded) -> None:
        """Fill in the devices by their names."""
        self.training.show_devices(loaded)

    def show_degradation(self, found: Degradation) -> None:
        """Fill in what was estimated."""
        self.low_res.show(found)

    def _show_pair(self) -> None:
        """Take the scale from a pair, and show what concerns it."""
        is_paired = self.data.is_paired
        self.degradation.setVisible(not is_paired)
        self.scale.setEnabled(not is_paired)
        self.training.show_pair(is_paired)
        found = self.data.look_at_pair()
        if found is not None:
            self.scale.value = found

    def _show_name(self) -> None:
        """Propose a name, until the user gives one."""
        if self._named or not self.data.title:
            return
        text = self.data.title
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in text).strip("-")
        while "--" in plain:
            plain = plain.replace("--", "-")
        base = f"{plain[:30] or 'my-model'}-x{self.scale.value}"
        taken, number, name = {*list_models(), *stopped_runs()}, 2, base
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        self.name.setText(name)

    def _blur_from_optics(self) -> None:
        size = self.data.pixel_size
        if size is None:
            self.failed.emit("The image has no pixel size in a unit of length; type the blur.")
        else:
            self.low_res.show_blur(size)

    # ------------------------------------------------------------ what was changed

    def _on_named(self) -> None:
        self._named = bool(self.name.text().strip())
        self.edited.emit()

    def _on_images(self) -> None:
        self.low_res.show_examples(self.high.value)
        self._show_pair()
        self._on_scale()

    def _on_scale(self) -> None:
        self.show_models()
        self._show_name()
        self.edited.emit()
