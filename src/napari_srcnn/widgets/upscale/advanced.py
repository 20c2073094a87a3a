"""The fields of the upscale widget that most images do not need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_srcnn.microscope.noise import Noise
from napari_srcnn.widgets.shared.details import DetailsButton
from napari_srcnn.widgets.shared.fields import Choice, Number, Whole, set_up, show_row
from napari_srcnn.widgets.shared.layers import (
    axes_of,
    axis_name,
    dtype_of,
    is_float,
    labelled_channel_axis,
)

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_srcnn.upscaling.checks import Kind, Pair

_INTENSITIES = (
    ("Automatic", "auto", "The range that nearly all of the image's values lie in, measured once."),
    ("Contrast limits", "layer", "What you see as black and as white now."),
    ("Data type's range", "dtype", "0–255 for 8 bits, 0–65535 for 16; for photographs."),
    ("From … to …", "custom", "Two intensities that you type."),
)
_AS_IT_IS = ("As they are", "none", "For float images of about 0 to 1: nothing is mapped.")


class AdvancedFields(QWidget):
    """Intensities, channels, colour, number type, views and tile size."""

    def __init__(self) -> None:
        super().__init__()
        # The axis that the user chose for a layer, and the labels it had then.
        self._channel_axes: WeakKeyDictionary[Image, tuple[tuple[str, ...], int]]
        self._channel_axes = WeakKeyDictionary()
        self.intensity = Choice(
            "Which intensities of the image the network sees as dark and as bright. "
            "The result keeps the image's own intensities."
        )
        self.low = Number("The intensity that counts as dark.")
        self.high = Number("The intensity that counts as bright.")
        self.high.setValue(255)
        self.channels = Choice(
            "Which axis holds channels (stains, wavelengths); each has its own intensity range."
        )
        self.color = Choice("What of a colour image passes the network.")
        self.dtype = Choice("Number type of the result.")
        self.ensemble = Choice(
            "Average the network over the eight turned and mirrored views of the image: a little "
            "better, and how far they lie apart is a layer that shows where it is not sure."
        )
        self.ensemble.fill(
            [
                ("One", False, "The image as it is."),
                ("Eight (8 × slower)", True, "About 0.1 dB better; and their spread."),
            ],
            False,
        )
        self.noise = Choice(
            "What the network is told of the image's noise, and what a result that keeps to its "
            "source may lie from it."
        )
        self.noise.fill(
            [
                ("As measured", "auto", "Measured on the image, for each channel."),
                ("None", "none", "There is none: all grain is kept."),
                ("A number", "given", "A standard deviation that you type, the same everywhere."),
            ],
            "auto",
        )
        self.sigma = Number(
            "Standard deviation of the noise in the image's intensities, the same everywhere."
        )
        self.sigma.setMinimum(0)
        self.tile = Whole(
            "The image is worked on in square tiles of so many pixels. Automatic gives the same "
            "bytes each time on a processor, and takes what fits on a graphics card; choose a "
            "smaller one only if memory runs out.",
            maximum=8192,
            step=32,
        )
        self.filters = QPushButton("Show its filters")
        self.filters.setToolTip(
            "Open the first layer's filters as an image: what the network looks for, the strongest "
            "at the top left."
        )
        self.details = DetailsButton()
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Choose what is usual in each of these fields.")
        self.reset.clicked.connect(self.choose_usual)
        self.intensity.fill(_INTENSITIES, "auto")
        self.dtype.fill(
            [
                ("As the image", "same", "Rounded to whole numbers where the image has them."),
                ("32-bit float", "float32", "Keeps fractions; four bytes a pixel."),
            ],
            "same",
        )
        self._range = QWidget()
        row = QHBoxLayout(self._range)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.low)
        row.addWidget(QLabel("to"))
        row.addWidget(self.high)
        self._rows = QFormLayout(self)
        set_up(self._rows)
        self._rows.setContentsMargins(12, 0, 0, 0)
        self._rows.addRow("Intensities", self.intensity)
        self._rows.addRow("", self._range)
        self._rows.addRow("Channel axis", self.channels)
        self._rows.addRow("Colour", self.color)
        self._rows.addRow("Result type", self.dtype)
        self._rows.addRow("Views", self.ensemble)
        self._rows.addRow("Noise", self.noise)
        self._rows.addRow("", self.sigma)
        self._rows.addRow("Tile size", self.tile)
        self._rows.addRow("Network", self.filters)
        self._rows.addRow("Trouble", self.details)
        self._rows.addRow("", self.reset)
        show_row(self._rows, self._range, False)
        self.show_noise(False)

    # ------------------------------------------------------------ what is chosen

    @property
    def unusual(self) -> int:
        """In how many fields something else is chosen than what is usual."""
        changed = [field for field, usual in self._usual if field.value != usual]
        return len(changed) + bool(self.tile.value())

    @property
    def _usual(self) -> tuple[tuple[Choice, Any], ...]:
        # Channels and colour are the image's own, and not kept for others.
        return (
            (self.intensity, "auto"),
            (self.dtype, "same"),
            (self.ensemble, False),
            (self.noise, "auto"),
        )

    def choose_usual(self) -> None:
        """Choose what is usual in each field."""
        for field, usual in self._usual:
            field.value = usual
        self.tile.setValue(0)

    def axes(self, layer: Image) -> str:
        """Return a letter for each axis of a layer, channels as they were chosen."""
        return axes_of(layer, self.channels.value if self.channels.isEnabled() else None)

    def intensity_of(self, layer: Image) -> Kind | Pair:
        """Return which intensities of a layer the network sees as dark and as bright."""
        kind: Any = self.intensity.value
        if kind == "custom":
            return self.low.value(), self.high.value()
        if kind == "layer":
            low, high = layer.contrast_limits
            return float(low), float(high)
        return cast("Kind", kind)

    @property
    def told(self) -> Literal["auto"] | tuple[Noise, ...] | None:
        """What the network is told of the noise."""
        if self.noise.value == "auto":
            return "auto"
        return None if self.noise.value == "none" else (Noise(read=self.sigma.value()),)

    @property
    def noise_text(self) -> str:
        """What was chosen in place of what is measured."""
        if self.noise.value == "none":
            return "None, as chosen under Advanced: all grain is kept."
        return f"{self.sigma.value():.6g} at every brightness, as given under Advanced."

    # ------------------------------------------------------------ what there is to choose

    def show_layers(self, layers: Sequence[Image]) -> None:
        """Offer what fits the layers."""
        self._show_channels(layers)
        colored = [layer for layer in layers if layer.rgb]
        show_row(self._rows, self.color, bool(colored))
        if colored:
            eight = dtype_of(colored[0]) == np.uint8
            luma = ("Brightness", "luma", "Brightness by the network, colour by bicubic.")
            each = ("Red, green, blue", "channels", "Three times as much work.")
            self.color.fill([luma, each] if eight else [each, luma], self.color.value)
        floats = bool(layers) and all(is_float(one) for one in layers)
        self.intensity.fill((*_INTENSITIES, *[_AS_IT_IS] * floats), self.intensity.value)
        self.show_range()

    def _show_channels(self, layers: Sequence[Image]) -> None:
        leading = {layer.ndim - 2 for layer in layers}
        entries = [("None", -1, "No axis holds channels.")]
        chosen = -1
        if layers and len(leading) == 1:
            layer = layers[0]
            entries += [(axis_name(layer, axis), axis, "") for axis in range(layer.ndim - 2)]
            chosen = self._channel_axis(layer)
        self.channels.fill(entries, chosen)
        self.channels.setEnabled(len(entries) > 1)

    def _channel_axis(self, layer: Image) -> int:
        """Return the axis that was chosen, or else the labelled one; -1 for none."""
        labels, chosen = self._channel_axes.get(layer, ((), -1))
        # Labels that were written since then are the newer word.
        return chosen if labels == layer.axis_labels else labelled_channel_axis(layer)

    def note_channels(self, layers: Sequence[Image]) -> None:
        """Keep the channel axis that was chosen for these layers."""
        for layer in layers:
            self._channel_axes[layer] = (layer.axis_labels, self.channels.value)

    def show_range(self) -> None:
        """Ask for two intensities where they are to be typed."""
        show_row(self._rows, self._range, self.intensity.value == "custom")

    def show_noise(self, is_asked: bool) -> None:
        """Ask for the noise where it matters."""
        show_row(self._rows, self.noise, is_asked)
        show_row(self._rows, self.sigma, is_asked and self.noise.value == "given")
