"""The fields that say how low-res images are made of high-res ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton

from napari_srcnn.microscope.degradation import Degradation, gaussian_sigma
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.widgets.shared.fields import Choice, Section
from napari_srcnn.widgets.shared.rows import Amount, indented

if TYPE_CHECKING:
    from napari.layers import Image

_SAMPLING = (
    ("Camera pixels (area)", "area", "A larger pixel gathers the light of several small ones."),
    ("Point scanner", "point", "A scanner stops at fewer places."),
    ("Bicubic, as in papers", "bicubic", "Smoother than any instrument; to compare with papers."),
)
MEASURED, TYPED = "measured", "typed"
_NOISE = (
    ("As in the image", MEASURED, "Measured in the high-res image as soon as it is chosen."),
    ("As typed below", TYPED, "Of another camera, or none at all: 0 and 0."),
)


class DegradationFields(QObject):
    """Pixels, blur and noise of low-res images, and the buttons that find them out.

    Signals
    -------
    edited
        A field was changed.
    estimate_noise, fit_example, preview, take_optics
        A button was pressed.
    """

    edited = Signal()
    estimate_noise = Signal()
    fit_example = Signal()
    preview = Signal()
    take_optics = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._images: tuple[Image, ...] = ()
        self._make_fields()
        self._make_buttons()
        self._lay_out()
        for choice in (self.sampling, self.noise_from):
            choice.changed.connect(self.edited)
        self.blur.valueChanged.connect(self.edited)
        for number in self._noise_fields:
            number.valueChanged.connect(self._on_typed)

    def _make_fields(self) -> None:
        self.sampling = Choice("How an instrument comes to fewer pixels.")
        self.sampling.fill(_SAMPLING, "area")
        self.blur = Amount(
            "Gaussian blur of the optics, as a standard deviation in high-res pixels.",
            0.0,
            maximum=20,
            decimals=2,
            suffix=" px",
        )
        self.aperture = Amount(
            "Numerical aperture of the objective.", 1.4, minimum=0.05, maximum=2.0, decimals=2
        )
        self.wavelength = Amount(
            "Wavelength of the light.", 520, minimum=100, maximum=2000, decimals=0, suffix=" nm"
        )
        self.noise_from = Choice("What noise low-res images have.")
        self.noise_from.fill(_NOISE, MEASURED)
        self.gain = Amount(
            "By how much the intensity rises for a photon (the photon gain). 0: no photon noise.",
            0.0,
            maximum=1e9,
            decimals=9,
        )
        self.read = Amount(
            "Noise of the camera's electronics: standard deviation, in intensities.",
            0.0,
            maximum=1e9,
            decimals=9,
        )
        self.offset = Amount(
            "The intensity that the camera gives without light.",
            0.0,
            minimum=-1e9,
            maximum=1e9,
            decimals=6,
        )
        self._noise_fields = (self.gain, self.read, self.offset)
        self.example = Choice("A low-res image of the same kind; it need not show the same place.")

    def _make_buttons(self) -> None:
        self.from_optics = QPushButton("Blur from optics")
        self.from_optics.setToolTip(
            "0.21 λ / NA, of low-res images that were taken with this objective; needs the image's "
            "pixel size."
        )
        self.noise_button = QPushButton("Estimate noise")
        self.noise_button.setToolTip(
            "Measure gain, read noise and offset in the high-res image (photon transfer)."
        )
        self.fit_button = QPushButton("Fit to example")
        self.fit_button.setToolTip("Estimate blur and noise so that they make images like it.")
        self.preview_button = QPushButton("Show low-res")
        self.preview_button.setToolTip(
            "Make the low-res image of what is on screen and put it right of the image."
        )
        self.from_optics.clicked.connect(self.take_optics)
        self.noise_button.clicked.connect(self.estimate_noise)
        self.fit_button.clicked.connect(self.fit_example)
        self.preview_button.clicked.connect(self.preview)

    def _lay_out(self) -> None:
        # Each button below what it fills in or needs.
        content, rows = indented(
            (
                ("Pixels", self.sampling),
                ("Blur", self.blur),
                ("NA", self.aperture),
                ("Light", self.wavelength),
                ("", self.from_optics),
                ("Noise", self.noise_from),
                ("Per photon", self.gain),
                ("Read noise", self.read),
                ("Offset", self.offset),
                ("", self.noise_button),
                ("Example", self.example),
                ("", self.fit_button),
            )
        )
        for button in (self.noise_button, self.from_optics, self.fit_button, self.preview_button):
            button.setStyleSheet("QPushButton { padding: 3px 4px; }")
        rows.addRow(self.preview_button)
        self.section = Section(
            "How low-res images are made", content, "Optics, pixels and noise of low-res images"
        )

    # ------------------------------------------------------------ what is chosen

    @property
    def value(self) -> Degradation:
        """How low-res images are made."""
        return Degradation(
            sigma=self.blur.value(),
            sampling=self.sampling.value,
            noise=Noise(gain=self.gain.value(), read=self.read.value(), offset=self.offset.value()),
        )

    @property
    def follows_image(self) -> bool:
        """Whether the noise is that of the image, whichever is chosen."""
        return bool(self.noise_from.value == MEASURED)

    def show(self, found: Degradation) -> None:
        """Fill in what was estimated once, and stays whichever image is chosen."""
        self.blur.setValue(found.sigma)
        self.sampling.value = found.sampling
        self._fill_in(found.noise)
        self.noise_from.value = TYPED
        self.edited.emit()

    def show_measured(self, noise: Noise) -> None:
        """Fill in the noise of the image that is chosen now; emits nothing."""
        if self.follows_image:
            self._fill_in(noise)

    def _fill_in(self, noise: Noise) -> None:
        """Fill in a noise, in digits that one can read; emits nothing."""
        for field, value in zip(
            self._noise_fields, (noise.gain, noise.read, noise.offset), strict=True
        ):
            blocked = field.blockSignals(True)
            field.setValue(float(f"{value:.4g}"))
            field.blockSignals(blocked)

    def _on_typed(self) -> None:
        self.noise_from.value = TYPED
        self.edited.emit()

    def show_examples(self, high: Any, images: Sequence[Image] | None = None) -> None:
        """Offer layers as examples, those there were where none are given; emits nothing.

        The high-res image comes last, and not at all where it is alone.
        """
        self._images = self._images if images is None else tuple(images)
        others = [image for image in self._images if image is not high]
        if not others:
            self.example.fill([("No other image", (), "")], ())
            return
        ordered = [*others, *(image for image in self._images if image is high)]
        chosen = self.example.value
        if not chosen or chosen[0] is high:
            chosen = (others[0],)
        self.example.fill([(image.name, (image,), "") for image in ordered], chosen)

    def show_blur(self, pixel_size: tuple[float, float]) -> None:
        """Fill in the blur of the objective, for a pixel size in micrometers."""
        wavelength = self.wavelength.value() / 1000
        self.blur.setValue(gaussian_sigma(self.aperture.value(), wavelength, pixel_size[0]))
