"""The fields of the upscale widget: what is chosen, as `Options`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.choose import guess_model
from napari_srcnn.models.library import model_info, usable_models
from napari_srcnn.models.titles import in_order
from napari_srcnn.network.checkpoint import CheckpointError
from napari_srcnn.network.config import SCALES
from napari_srcnn.upscaling.options import Options
from napari_srcnn.widgets.shared.fields import Choice, Note, Section, Tick, set_up, show_row
from napari_srcnn.widgets.shared.layer_list import channels_of_files
from napari_srcnn.widgets.shared.layers import dtype_of, pixels
from napari_srcnn.widgets.shared.model_menu import device_entries, entry
from napari_srcnn.widgets.shared.settings import Settings, parse_range
from napari_srcnn.widgets.upscale.advanced import AdvancedFields
from napari_srcnn.widgets.upscale.smoothing import Smoothing

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_srcnn.models.card import ModelInfo
    from napari_srcnn.models.choose import Proposal
    from napari_srcnn.widgets.shared.messages import Loaded, Proposed


class Form(QWidget):
    """The fields.

    Signals
    -------
    edited : str
        The name of the field that was changed.
    """

    edited = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.layers: tuple[Image, ...] = ()
        self._settings = Settings()
        # By scale, of the layers that are chosen.
        self._proposals: dict[int, Proposal] = {}
        self._is_proposed = True  # else the user chose the model
        self.layer = Choice(
            "The image to enlarge. Follows the layer list; select several layers there "
            "(Shift or Ctrl and click) to enlarge them together."
        )
        self.scale = Choice("How many times as many pixels along Y and X.")
        self.model = Choice("The trained network. The first one is the best for most images.")
        self.device = Choice("What computes. A graphics card (GPU) is many times faster.")
        self.model_note = Note()
        # Of an image that is unlike what the model was trained on.
        self.domain_note = Note()
        self._more = AdvancedFields()
        more = self._more
        self.intensity, self.low, self.high = more.intensity, more.low, more.high
        self.channels, self.color, self.dtype = more.channels, more.color, more.dtype
        self.ensemble, self.tile, self.filters = more.ensemble, more.tile, more.filters
        self.noise, self.sigma, self.details = more.noise, more.sigma, more.details
        self.noise_note, self.smoothing = Note(), Smoothing()
        self.consistent = Tick(
            "Keep to the source",
            "Correct the result so that, made small again as a camera would record it, it is the "
            "image it was made of, to within the noise: intensities are kept. A little slower.",
        )
        self.advanced = Section(
            "Advanced", more, "Intensities, channels, colour, number type, views and tile size"
        )
        self.scale.fill([(f"× {scale}", scale, "") for scale in SCALES], 2)
        self.device.fill([("Loading PyTorch …", "auto", "")], "auto")
        self.device.setEnabled(False)

        self._rows = rows = QFormLayout()
        set_up(rows)
        rows.addRow("Image", self.layer)
        rows.addRow("Scale", self.scale)
        rows.addRow("Model", self.model)
        rows.addRow("", self.model_note)
        rows.addRow("", self.domain_note)
        rows.addRow("Noise", self.noise_note)
        rows.addRow("Smoothing", self.smoothing)
        rows.addRow("", self.consistent)
        rows.addRow("Device", self.device)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.advanced)
        self._show_unusual()
        # Bound methods and no lambdas: those would keep a closed widget alive.
        for name in (
            "layer",
            "scale",
            "model",
            "device",
            "intensity",
            "channels",
            "color",
            "dtype",
            "ensemble",
            "noise",
            "smoothing",
            "consistent",
        ):
            getattr(self, name).setObjectName(name)
            getattr(self, name).changed.connect(self._on_edited)
        for name in ("low", "high", "tile", "sigma"):
            getattr(self, name).setObjectName(name)
            getattr(self, name).valueChanged.connect(self._on_edited)

    # ------------------------------------------------------------ what is chosen

    def axes(self, layer: Image) -> str:
        """Return a letter for each axis of one of the layers, channels as they were chosen."""
        return self._more.axes(layer)

    def options(self, layer: Image) -> Options:
        """Return what is asked for one of the layers.

        Raises
        ------
        ValueError
            If it cannot be, whatever the layer is.
        """
        return Options(
            scale=self.scale.value,
            model=self.model.value,
            axes=self.axes(layer),
            device=self.device.value,
            intensity=self._more.intensity_of(layer),
            color=self.color.value if layer.rgb else None,
            dtype=None if self.dtype.value == "same" else np.dtype(self.dtype.value),
            tile=self.tile.value() or None,
            ensemble=self.ensemble.value,
            noise=self._more.told if self.is_noise_asked else "auto",
            smoothing=self.smoothing.value if self.is_told else 1.0,
            consistent=self.consistent.value,
        )

    @property
    def lazy_above(self) -> float:
        """Gigabytes above which a result is computed where it is looked at."""
        return self._settings.lazy_above

    def setting(self, name: str) -> tuple[str, Any] | None:
        """Return the setting that lasts and its value, for a field; None for one of the layer."""
        if name in ("low", "high"):
            name = "intensity"
        if name == "intensity":
            if self.intensity.value == "custom":
                return name, f"{self.low.value():.12g}, {self.high.value():.12g}"
            return name, self.intensity.value
        if name == "model":
            # The best of a scale is not kept by its name: it changes with the scale.
            return name, "" if self.model.currentIndex() == 0 else self.model.value
        if name == "device":
            return name, "auto" if self.device.currentIndex() == 0 else self.device.value
        if name == "tile":
            return name, self.tile.value()
        lasting = ("scale", "dtype", "ensemble", "smoothing", "consistent")
        return (name, getattr(self, name).value) if name in lasting else None

    # ------------------------------------------------------------ what there is to choose

    def apply(self, settings: Settings, keep: Mapping[str, Any] | None = None) -> None:
        """Choose what was chosen in an earlier session, but for what `keep` gives; emit nothing."""
        settings = replace(settings, **(keep or {}))
        self._settings = settings
        blocked = self.blockSignals(True)
        kind, pair = parse_range(settings.intensity)
        if pair is not None:
            self.low.setValue(pair[0])
            self.high.setValue(pair[1])
        self.scale.value = settings.scale
        self.intensity.value = kind
        self.dtype.value = settings.dtype
        self.ensemble.value = settings.ensemble
        self.smoothing.value = settings.smoothing
        self.consistent.value = settings.consistent
        self.tile.setValue(settings.tile)
        self.show_models(settings.model)
        self._more.show_range()
        self._show_unusual()
        self.blockSignals(blocked)

    def show_proposal(self, message: Proposed) -> None:
        """Choose the model that was found to fit, unless the user chose one; emits nothing."""
        if self.layers and pixels(self.layers[0]) is message.source:
            self._proposals[message.scale] = message.proposal
            self.show_models()

    def show_devices(self, loaded: Loaded) -> None:
        """Fill in the devices by their names."""
        wanted = self._settings.device
        self.device.fill(device_entries(loaded), "cuda:0" if wanted == "cuda" else wanted)
        self.device.setEnabled(True)

    def show_layers(self, images: Sequence[Image], selected: Sequence[Image]) -> None:
        """Offer the images there are, and choose those that are selected; emits nothing."""
        entries = [(image.name, (image,), "") for image in images]
        if len(selected) > 1:
            names = ", ".join(image.name for image in selected)
            entries.insert(0, (f"{len(selected)} layers: {names}", tuple(selected), ""))
        for name, channels in channels_of_files(images):
            if set(channels) != set(selected):
                names = ", ".join(image.name for image in channels)
                entries.append((f"All {len(channels)} of {name}", channels, names))
        self.layer.fill(entries, tuple(selected))
        self._show_layer()

    def _show_layer(self) -> None:
        """Offer what fits the chosen layers."""
        before, self.layers = self.layers[:1], self.layer.value or ()
        if self.layers[:1] != before:
            self._proposals = {}
        self.show_models()
        self._more.show_layers(self.layers)

    def show_models(self, wanted: str = "") -> None:
        """Offer the models that fit the scale and the channels; keep the one that was chosen."""
        scale, rgb = self.scale.value, bool(self.layers) and all(x.rgb for x in self.layers)
        fitting = [
            info
            for info in usable_models()
            if info.config.scale == scale and info.config.channels in ((1, 3) if rgb else (1,))
        ]
        proposal = self._proposals.get(scale)
        try:
            dtype = dtype_of(self.layers[0]) if self.layers else None
            guess = guess_model(dtype or np.dtype(np.uint8), scale)
            best = guess if proposal is None else proposal.model
        except CheckpointError:
            best = ""
        fitting = in_order(fitting, best)
        names = [info.name for info in fitting]
        self._is_proposed = self._is_proposed and wanted not in names
        chosen = best if self._is_proposed else wanted or self.model.value
        self.model.fill([entry(info) for info in fitting], chosen)
        self.model.setEnabled(bool(fitting))
        self._show_model()

    def _show_model(self) -> None:
        name = self.model.value
        note = model_info(name).description if name else f"No model for × {self.scale.value} yet."
        proposal = self._proposals.get(self.scale.value)
        if proposal is not None and name == proposal.model:
            note = proposal.why
        self.model_note.say(note)
        self._show_noise()

    @property
    def chosen_model(self) -> ModelInfo | None:
        """What is known of the model that is chosen; None where there is none for the scale."""
        name = self.model.value
        return model_info(name) if name else None

    @property
    def is_told(self) -> bool:
        """Whether the model that is chosen is told the noise of the image."""
        name = self.model.value
        return bool(name) and model_info(name).config.noise

    @property
    def is_noise_asked(self) -> bool:
        """Whether the noise matters, to the model or to how near the result keeps to its source."""
        return self.is_told or self.consistent.value

    @property
    def is_noise_measured(self) -> bool:
        """Whether the model is told the noise as it is measured."""
        return self.is_told and self.noise.value == "auto"

    def show_noise(self, text: str, *, is_there: bool) -> None:
        """Say what was measured of the noise; without any there is nothing to smooth."""
        if self.is_told and self.noise.value != "auto":
            text, is_there = self._more.noise_text, self._more.told not in (None, (Noise(),))
        if self.is_told:
            self.noise_note.say(text)
            self.smoothing.setEnabled(is_there)
            self.smoothing.call_one("as measured" if self.is_noise_measured else "as given")

    def _show_noise(self) -> None:
        """Show what only those models have that are told the noise."""
        for field in (self.noise_note, self.smoothing):
            show_row(self._rows, field, self.is_told)
        self._more.show_noise(self.is_noise_asked)

    def _on_edited(self) -> None:
        name = self.sender().objectName()
        if name == "layer":
            self._show_layer()
        elif name == "scale":
            self.show_models()
        elif name == "model":
            self._is_proposed = self.model.currentIndex() == 0
            self._show_model()
        elif name == "intensity":
            self._more.show_range()
        elif name in ("noise", "consistent"):
            self._show_noise()
        elif name == "channels":
            self._more.note_channels(self.layers)
        self._show_unusual()
        self.edited.emit(name)

    def _show_unusual(self) -> None:
        """Say beside Advanced, which is mostly closed, that something in it is not as usual."""
        number = self._more.unusual
        self.advanced.button.setText(f"Advanced ({number} changed)" if number else "Advanced")
        self._more.reset.setVisible(bool(number))
