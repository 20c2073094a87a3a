"""The fields of the Assess widget: what is chosen, as an `AssessRequest`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QWidget

from napari_srcnn.assess.lines import command_of, python_of
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.widgets.assess.pairs import Pairs, stack_of
from napari_srcnn.widgets.assess.request import AssessRequest
from napari_srcnn.widgets.shared.copy_as import PYTHON, layer_origin
from napari_srcnn.widgets.shared.fields import Choice, Section, set_up, show_row
from napari_srcnn.widgets.shared.layers import is_made_by_us
from napari_srcnn.widgets.shared.rows import Amount, indented

if TYPE_CHECKING:
    from napari.layers import Image

ALIGN = "Align the reference"
_TYPED = "typed"
_SAMPLING = (
    ("Camera pixels (area)", "area", "A pixel of the source gathers the light of its whole area."),
    ("Point scanner", "point", "A pixel of the source is the value at its centre."),
    (
        "Bicubic, as in papers",
        "bicubic",
        "Antialiased bicubic; no instrument does it.",
    ),
)
_NOISE = (
    ("As measured", "auto", "Measured in the source, channel by channel."),
    ("As typed", _TYPED, "A standard deviation in the source's own units."),
    ("Not known", None, "Nothing is said in standard deviations of the noise."),
)


class AssessForm(QWidget):
    """The fields.

    Signals
    -------
    edited
        Something else is chosen.
    """

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layers: tuple[Image, ...] = ()
        # By the user; what is only proposed makes place for what Upscale has made since.
        self._is_chosen = False
        self._make_fields()
        self._lay_out()
        self.result.changed.connect(self._on_result)
        self.reference.changed.connect(self._on_edited)
        self.noise.changed.connect(self._on_edited)
        self.source.changed.connect(self._on_source)
        self.sampling.changed.connect(self.edited)
        for number in (self.blur, self.range, self.sigma):
            number.valueChanged.connect(self.edited)
        self.align.toggled.connect(self.edited)
        self._show_rows()

    def _make_fields(self) -> None:
        self.result = Choice("The enlarged image, whoever made it.")
        self.source = Choice("The image that it was made of: 2, 3 or 4 times smaller.")
        self.reference = Choice(
            "The same place as it really is, recorded at the result's pixel size; for PSNR and "
            "SSIM. Most have none."
        )
        self.align = QCheckBox(ALIGN)
        self.align.setToolTip(
            "Measure how the reference is shifted against the result, and lay it over that first."
        )
        self.sampling = Choice("How the microscope came to the source's pixels.")
        self.sampling.fill(_SAMPLING, "area")
        self.blur = Amount(
            "Gaussian blur of the optics, as a standard deviation in pixels of the result.",
            0.0,
            maximum=20,
            decimals=2,
            suffix=" px",
        )
        self.noise = Choice("The source's noise, which differences are said in parts of.")
        self.noise.fill(_NOISE, "auto")
        self.sigma = Amount(
            "Standard deviation of the source's noise, in its own units.",
            1.0,
            minimum=1e-6,
            maximum=1e9,
            decimals=6,
        )
        self.range = Amount(
            "The peak in PSNR and SSIM. Automatic: the reference's largest value less its "
            "smallest.",
            0.0,
            maximum=1e12,
            decimals=4,
        )
        self.range.setSpecialValueText("Automatic")

    def _lay_out(self) -> None:
        content, self._advanced_rows = indented(
            (
                ("Pixels", self.sampling),
                ("Blur", self.blur),
                ("Noise", self.noise),
                ("Sigma", self.sigma),
                ("Range", self.range),
            )
        )
        self.advanced = Section("Advanced", content, "Pixels, blur and noise of the source; range")
        self._rows = QFormLayout(self)
        set_up(self._rows)
        self._rows.addRow("Result", self.result)
        self._rows.addRow("Source", self.source)
        self._rows.addRow("Reference", self.reference)
        self._rows.addRow("", self.align)
        self._rows.addRow(self.advanced)

    # ------------------------------------------------------------ what is chosen

    def request(self, shown: tuple[int, ...] = ()) -> AssessRequest:
        """Return what is asked for.

        Parameters
        ----------
        shown : tuple of int
            As of `AssessRequest`.

        Raises
        ------
        ValueError
            If something is missing.
        """
        result, source, reference = self.result.value, self.source.value, self.reference.value
        if result is None:
            raise ValueError("There is no image to assess; open one.")
        if source is None:
            raise ValueError(
                f"No other layer is 2, 3 or 4 times smaller than {result.name}; open the image "
                "that it was made of, or upscale it first."
            )
        return AssessRequest(
            result=stack_of(result),
            source=stack_of(source),
            reference=None if reference is None else stack_of(reference),
            result_name=result.name,
            source_name=source.name,
            align=self.align.isChecked() and reference is not None,
            degradation=Degradation(sigma=self.blur.value(), sampling=self.sampling.value),
            noise=self.sigma.value() if self.noise.value == _TYPED else self.noise.value,
            data_range=self.range.value() or None,
            shown=shown,
        )

    def line(self, kind: str) -> str:
        """Return what is asked for as a line that runs.

        Parameters
        ----------
        kind : str
            "command" or "Python".

        Raises
        ------
        ValueError
            If something is missing.
        """
        request = self.request()
        layers = [self.result.value, self.source.value, self.reference.value]
        origins = [
            layer_origin(layer, stack_of(layer).axes) for layer in layers if layer is not None
        ]
        say = python_of if kind == PYTHON else command_of
        how = request.degradation, request.noise, request.data_range
        return say(origins, *how, align=request.align)

    def show_layers(self, layers: Sequence[Image], selected: Sequence[Image]) -> None:
        """Offer layers, the topmost first; keep what the user chose, as long as it is there."""
        self._layers = tuple(layers)
        result, source = self.result.value, self.source.value
        is_there = result in layers and source in layers
        self._is_chosen = self._is_chosen and is_there
        if not self._is_chosen:
            pairs = Pairs(layers)
            # Of what somebody else made, what is opened next may be the reference.
            ours = pairs.propose([layer for layer in layers if is_made_by_us(layer)], selected)
            if ours[1] is not None:
                result, source = ours
            elif not is_there:
                result, source = pairs.propose(layers, selected)
        self._fill(result, source)

    def _fill(self, result: Any, source: Any) -> None:
        entries = [(layer.name, layer, "") for layer in self._layers]
        self.result.fill(entries, result)
        others = [entry for entry in entries if entry[1] is not result]
        missing = [] if source is not None else [("No layer fits", None, "")]
        self.source.fill([*missing, *others], source)
        rest = [entry for entry in others if entry[1] is not source]
        self.reference.fill([("None", None, ""), *rest], self.reference.value)
        self._show_rows()

    def _on_source(self) -> None:
        self._is_chosen = True
        self._fill(self.result.value, self.source.value)
        self.edited.emit()

    def _on_result(self) -> None:
        self._is_chosen = True
        self._fill(self.result.value, Pairs(self._layers).source_of(self.result.value))
        self.edited.emit()

    def _on_edited(self) -> None:
        self._show_rows()
        self.edited.emit()

    def _show_rows(self) -> None:
        has_reference = self.reference.value is not None
        show_row(self._rows, self.align, has_reference)
        show_row(self._advanced_rows, self.range, has_reference)
        show_row(self._advanced_rows, self.sigma, self.noise.value == _TYPED)
