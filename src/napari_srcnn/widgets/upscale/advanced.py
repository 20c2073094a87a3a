"""The fields of the upscale widget that most images do not need."""

from __future__ import annotations

from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_srcnn.widgets.shared.fields import Choice, Number, Whole, set_up

_INTENSITIES = (
    ("Automatic", "auto", "The range that nearly all of the image's values lie in, measured once."),
    ("Contrast limits of the layer", "layer", "What you see as black and as white now."),
    ("Whole range of the data type", "dtype", "0–255 for 8 bits, 0–65535 for 16; for photographs."),
    ("From … to …", "custom", "Two intensities that you type."),
)
_AS_IT_IS = ("Values as they are", "none", "For float images of about 0 to 1: nothing is mapped.")


class AdvancedFields(QWidget):
    """Intensities, channels, colour, number type, views and tile size."""

    def __init__(self) -> None:
        super().__init__()
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
                ("Eight, with their spread (8 × slower)", True, "About 0.1 dB better."),
            ],
            False,
        )
        self.tile = Whole(
            "The image is worked on in square tiles of so many pixels. Automatic measures the "
            "fastest size once; choose a smaller one only if memory runs out.",
            maximum=8192,
            step=32,
        )
        self.filters = QPushButton("Show its filters")
        self.filters.setToolTip(
            "Open the first layer's filters as an image: what the network looks for, the strongest "
            "at the top left."
        )
        self.intensity.fill(_INTENSITIES, "auto")
        self.dtype.fill(
            [
                ("Same as the image", "same", "Rounded to whole numbers where the image has them."),
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
        self._rows.addRow("Tile size", self.tile)
        self._rows.addRow("Network", self.filters)
        self.show_row(self._range, False)

    def offer_intensities(self, *, are_floats: bool) -> None:
        """Offer the ranges that fit the images."""
        entries = (*_INTENSITIES, _AS_IT_IS) if are_floats else _INTENSITIES
        self.intensity.fill(entries, self.intensity.value)

    def show_range(self) -> None:
        """Ask for two intensities where they are to be typed."""
        self.show_row(self._range, self.intensity.value == "custom")

    def show_row(self, field: QWidget, is_shown: bool) -> None:
        """Show a field with its label, or hide both."""
        field.setVisible(is_shown)
        label = self._rows.labelForField(field)
        if label is not None:
            label.setVisible(is_shown)
