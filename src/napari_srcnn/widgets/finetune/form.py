"""The fields of the fine-tuning widget: what is chosen, as a options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_srcnn.io import StackError, read_stack
from napari_srcnn.microscope.degradation import Degradation, gaussian_sigma
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.registration import pair_scale
from napari_srcnn.models.library import MICROSCOPES, bundled_name, list_models, model_info
from napari_srcnn.network.checkpoint import CheckpointError
from napari_srcnn.training.field import Source
from napari_srcnn.training.runs import stopped_runs
from napari_srcnn.training.sources import sources_from_paths
from napari_srcnn.widgets.shared.fields import Choice, Note, Section, Whole
from napari_srcnn.widgets.shared.layers import axes_of, pixel_size, pixels, rectangles
from napari_srcnn.widgets.upscale.form import SCALES, set_up

if TYPE_CHECKING:
    from napari.layers import Image, Shapes

    from napari_srcnn.widgets.shared.messages import Loaded

SCRATCH = "scratch"
_FROM = (
    ("Camera pixels (area)", "area", "A larger pixel gathers the light of several small ones."),
    ("Point scanner", "point", "A scanner stops at fewer places."),
    ("Bicubic, as in papers", "bicubic", "Smoother than any instrument; to compare with papers."),
)


class Amount(QDoubleSpinBox):
    """A number with a unit that the mouse wheel does not change."""

    def __init__(
        self,
        tooltip: str,
        value: float,
        *,
        maximum: float,
        decimals: int,
        suffix: str = "",
        minimum: float = 0.0,
    ) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setDecimals(decimals)
        self.setRange(minimum, maximum)
        self.setSuffix(suffix)
        self.setValue(value)
        self.setKeyboardTracking(False)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def textFromValue(self, value: float) -> str:  # Qt's name
        """Return the number without zeros that say nothing."""
        text = f"{value:.{self.decimals()}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def wheelEvent(self, event: Any) -> None:  # Qt's name
        """Scroll the form."""
        event.ignore()


@dataclass(frozen=True, slots=True)
class Files:
    """A file or folder that was chosen instead of a layer."""

    path: Path


class DataChoice(QWidget):
    """A menu of layers, with a button that adds a file or a folder to it."""

    changed = Signal()

    def __init__(self, tooltip: str, *, may_be_none: str = "") -> None:
        super().__init__()
        self._none = may_be_none
        self._files: list[Files] = []
        self.menu = Choice(tooltip)
        self.button = QPushButton("…")
        self.button.setFixedWidth(30)
        self.button.setToolTip("Choose a folder of TIFFs, which are read as they are needed.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.menu, 1)
        layout.addWidget(self.button)
        self.menu.changed.connect(self.changed)
        self.button.clicked.connect(self.ask)

    @property
    def value(self) -> Image | Files | None:
        """The layer, file or folder that is chosen; None for none."""
        chosen = self.menu.value
        return chosen[0] if chosen else None

    @value.setter
    def value(self, value: Image | Files | None) -> None:
        self.menu.value = () if value is None else (value,)

    def show_layers(self, images: Sequence[Image], chosen: Image | None = None) -> None:
        """Offer the layers there are; emits nothing."""
        entries: list[tuple[str, Any, str]] = [(self._none, (), "")] if self._none else []
        entries += [(image.name, (image,), "") for image in images]
        entries += [(one.path.name, (one,), str(one.path)) for one in self._files]
        wanted = self.menu.value if chosen is None else (chosen,)
        self.menu.fill(entries, wanted)

    def choose_path(self, path: Path) -> None:
        """Take a file or a folder."""
        files = Files(path)
        self._files = [one for one in self._files if one != files] + [files]
        self.show_layers([v[0] for v in self.menu.values if v and not isinstance(v[0], Files)])
        # In an empty menu it is chosen already, and the menu would have nothing to say.
        blocked = self.menu.blockSignals(True)
        self.value = files
        self.menu.blockSignals(blocked)
        self.changed.emit()

    def ask(self) -> None:
        """Ask for a folder."""
        chosen = QFileDialog.getExistingDirectory(self, "A folder of TIFFs")
        if chosen:
            self.choose_path(Path(chosen))


class FinetuneForm(QWidget):
    """The fields.

    Signals
    -------
    edited
        Something was changed.
    estimate_noise, fit_example, preview
        A button was pressed.
    failed : str
        Why something was not done.
    """

    edited = Signal()
    estimate_noise = Signal()
    fit_example = Signal()
    preview = Signal()
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._named = False
        #: Why the images that are chosen are no pair; empty where they are, or there is none.
        self.pair_problem = ""
        self.high = DataChoice(
            "Images as good as the result shall be: the network learns to come from low-res to "
            "these. A layer, or a folder of TIFFs."
        )
        self.low = DataChoice(
            "Low-res images of the same fields, if you have taken them; otherwise they are made.",
            may_be_none="Made from high-res",
        )
        self.inside = Choice("Rectangles of a Shapes layer limit what is used, on every plane.")
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
        self.pair_note = Note()
        self.scale.fill([(f"× {scale}", scale, "") for scale in SCALES], 2)
        self._make_degradation()
        self._make_advanced()
        rows = QFormLayout()
        set_up(rows)
        self._rows = rows
        rows.addRow("High-res", self.high)
        rows.addRow("Low-res", self.low)
        rows.addRow("", self.pair_note)
        rows.addRow("Only inside", self.inside)
        rows.addRow("Scale", self.scale)
        rows.addRow("Start from", self.start)
        rows.addRow("Time", self.minutes)
        rows.addRow("Name", self.name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.degradation)
        layout.addWidget(self.advanced)
        for choice in (self.high, self.low, self.inside, self.scale, self.start, self.sampling):
            choice.changed.connect(self._on_edited)
        for number in (self.blur, self.gain, self.read, self.offset, self.minutes):
            number.valueChanged.connect(self._on_edited)
        self.name.textEdited.connect(self._on_named)

    def _make_degradation(self) -> None:
        self.blur = Amount(
            "Gaussian blur of the optics, as a standard deviation in high-res pixels.",
            0.0,
            maximum=20,
            decimals=2,
            suffix=" px",
        )
        self.sampling = Choice("How an instrument comes to fewer pixels.")
        self.sampling.fill(_FROM, "area")
        self.gain = Amount(
            "Intensities a photon. 0: no photon noise.", 0.0, maximum=1e9, decimals=9
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
        self.example = Choice("A low-res image of the same kind; it need not show the same place.")
        self.aperture = Amount(
            "Numerical aperture of the objective.", 1.4, minimum=0.05, maximum=2.0, decimals=2
        )
        self.wavelength = Amount(
            "Wavelength of the light.", 520, minimum=100, maximum=2000, decimals=0, suffix=" nm"
        )
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
        content = QWidget()
        rows = QFormLayout(content)
        set_up(rows)
        rows.setContentsMargins(12, 0, 0, 0)
        optics = QHBoxLayout()
        optics.setSpacing(4)
        optics.addWidget(self.aperture)
        optics.addWidget(self.wavelength)
        # Each button below what it fills in or needs.
        for text, part in (
            ("Pixels", self.sampling),
            ("Blur", self.blur),
            ("NA, light", optics),
            ("", self.from_optics),
            ("Photon gain", self.gain),
            ("Read noise", self.read),
            ("Offset", self.offset),
            ("", self.noise_button),
            ("Example", self.example),
            ("", self.fit_button),
        ):
            rows.addRow(text, part)
        for button in (self.noise_button, self.from_optics, self.fit_button, self.preview_button):
            button.setStyleSheet("QPushButton { padding: 3px 4px; }")
        rows.addRow(self.preview_button)
        self.degradation = Section(
            "How low-res images are made", content, "Optics, pixels and noise of low-res images"
        )
        self.noise_button.clicked.connect(self.estimate_noise)
        self.fit_button.clicked.connect(self.fit_example)
        self.preview_button.clicked.connect(self.preview)
        self.from_optics.clicked.connect(self._blur_from_optics)

    def _make_advanced(self) -> None:
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
        content = QWidget()
        rows = QFormLayout(content)
        set_up(rows)
        rows.setContentsMargins(12, 0, 0, 0)
        for text, part in (
            ("Device", self.device),
            ("Patch", self.patch),
            ("Batch", self.batch),
            ("Rate", self.rate),
            ("Loss", self.loss),
            ("Crops", self.turn),
            ("Brightness", self.vary),
            ("End early", self.patience),
            ("Shift", self.shift),
        ):
            rows.addRow(text, part)
        self._advanced_rows = rows
        self.advanced = Section("Advanced", content, "Device, patch, batch, rate, loss, variation")

    # ------------------------------------------------------------ what is chosen

    def sources(self, boxes_of: Shapes | None = None) -> tuple[Source, ...]:
        """Return the images that are chosen; of a folder the first, to check the rest by.

        Raises
        ------
        ValueError
            If there are none, or a layer is paired with a folder.
        """
        high, low = self.high.value, self.low.value
        if high is None:
            raise ValueError("There is no high-res image; open one or choose a folder.")
        if isinstance(high, Files):
            if low is not None and not isinstance(low, Files):
                raise ValueError("High-res images in a folder need low-res ones in a folder.")
            return sources_from_paths(high.path, None if low is None else low.path, first=True)
        if isinstance(low, Files):
            raise ValueError("A layer needs a layer as its low-res image.")
        if low is high:
            raise ValueError("The low-res image is the high-res image; choose another one.")
        shapes = boxes_of if boxes_of is not None else self.inside.value
        boxes = rectangles(shapes[0], high) if shapes else ()
        if shapes and not boxes:
            raise ValueError(f"{shapes[0].name} has no rectangle on {high.name}; draw one.")
        return (
            Source(
                name=high.name,
                high=pixels(high),
                axes=axes_of(high),
                low=None if low is None else pixels(low),
                boxes=boxes,
                pixel=pixel_size(high),
                low_pixel=None if low is None else pixel_size(low),
                path=_path(high),
                low_path=None if low is None else _path(low),
            ),
        )

    @property
    def folders(self) -> tuple[Path, Path | None] | None:
        """The folders that are chosen, which are too slow to open beside the window."""
        high, low = self.high.value, self.low.value
        if not isinstance(high, Files):
            return None
        return high.path, low.path if isinstance(low, Files) else None

    def degradation_value(self) -> Degradation:
        """Return how low-res images are made."""
        return Degradation(
            sigma=self.blur.value(),
            sampling=self.sampling.value,
            noise=Noise(gain=self.gain.value(), read=self.read.value(), offset=self.offset.value()),
        )

    def show_degradation(self, found: Degradation) -> None:
        """Fill in what was estimated."""
        self.blur.setValue(found.sigma)
        self.sampling.value = found.sampling
        for field, value in zip(
            (self.gain, self.read, self.offset),
            (found.noise.gain, found.noise.read, found.noise.offset),
            strict=True,
        ):
            field.setValue(float(f"{value:.4g}"))

    def options(self, recipe: Any, make: Any) -> Any:
        """Return the options; `recipe` and `make` are the library's, which needs torch.

        Raises
        ------
        ValueError
            If something is missing or cannot be.
        """
        sources = tuple(_of_files(source) for source in self.sources())
        if not self.name.text().strip():
            raise ValueError("The network needs a name; type one.")
        config = replace(
            recipe,
            minutes=self.minutes.value(),
            crop=self.patch.value,
            batch=self.batch.value(),
            learning_rate=self.rate.value(),
            loss=self.loss.value,
            patience=self.patience.value() or None,
            gain=(0.5, 1.1) if self.vary.value else None,
        )
        return make(
            sources=sources,
            scale=self.scale.value,
            name=self.name.text().strip(),
            start=self.start.value,
            degradation=self.degradation_value(),
            correct_shift=self.shift.value,
            turn=self.turn.value,
            config=config,
            device=self.device.value,
        )

    # ------------------------------------------------------------ what there is to choose

    def show_layers(
        self, images: Sequence[Image], shapes: Sequence[Shapes], active: Image | None
    ) -> None:
        """Offer the layers there are; emits nothing."""
        before = self.high.value
        known = before is not None and (isinstance(before, Files) or before in images)
        self.high.show_layers(images, None if known else active)
        self.low.show_layers(images)
        self.inside.fill(
            [("Everywhere", (), ""), *((one.name, (one,), "") for one in shapes)], self.inside.value
        )
        show_row(self._rows, self.inside, bool(shapes))
        self.example.fill([(image.name, (image,), "") for image in images], self.example.value)
        self.show_models()
        self._show_pair()
        self._show_name()

    def show_models(self) -> None:
        """Offer what can be begun from at this scale; emits nothing."""
        entries = []
        for name in list_models():
            try:
                info = model_info(name)
            except CheckpointError:
                continue
            if info.config.scale == self.scale.value and info.config.channels == 1:
                entries.append((name, name, info.description))
        # As the command line's default: a lab's images are most like those.
        best = bundled_name(self.scale.value, MICROSCOPES)
        entries.sort(key=lambda entry: entry[0] != best)
        entries.append(("Random weights (9-1-5)", SCRATCH, "Learns from your images alone."))
        self.start.fill(entries, self.start.value)

    def show_devices(self, loaded: Loaded) -> None:
        """Fill in the devices by their names."""
        self.device.fill([(d.label, d.name, "") for d in loaded.devices], self.device.value)

    def _show_pair(self) -> None:
        """Take the scale from a pair's shapes, and say what was found."""
        paired = self.low.value is not None
        self.degradation.setVisible(not paired)
        self.scale.setEnabled(not paired)
        show_row(self._advanced_rows, self.shift, paired)
        self.pair_note.say("")
        self.pair_problem = ""
        if not paired:
            return
        try:
            one = self.sources()[0]
            planes = [one.low.shape, one.high.shape]
            ends = slice(-3, -1) if one.axes.endswith("S") else slice(-2, None)
            found = pair_scale(planes[0][ends], planes[1][ends], one.low_pixel, one.pixel)
        except ValueError as error:
            self.pair_problem = str(error)
            return
        self.scale.value = found
        self.pair_note.say(f"The images differ by ×{found}.")

    def _show_name(self) -> None:
        """Propose a name, until the user gives one."""
        high = self.high.value
        if self._named or high is None:
            return
        text = high.path.stem if isinstance(high, Files) else high.name
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in text).strip("-")
        while "--" in plain:
            plain = plain.replace("--", "-")
        base = f"{plain[:30] or 'my-model'}-x{self.scale.value}"
        taken, number, name = {*list_models(), *stopped_runs()}, 2, base
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        self.name.setText(name)

    def _blur_from_optics(self) -> None:
        high = self.high.value
        size = None if high is None or isinstance(high, Files) else pixel_size(high)
        if size is None:
            self.failed.emit("The image has no pixel size in a unit of length; type the blur.")
            return
        self.blur.setValue(
            gaussian_sigma(self.aperture.value(), self.wavelength.value() / 1000, size[0])
        )

    def _on_named(self) -> None:
        self._named = bool(self.name.text().strip())
        self.edited.emit()

    def _on_edited(self) -> None:
        source = self.sender()
        if source in (self.high, self.low):
            self._show_pair()
        if source in (self.high, self.low, self.scale):
            self.show_models()
            self._show_name()
        self.edited.emit()


def show_row(rows: QFormLayout, field: QWidget, is_shown: bool) -> None:
    """Show or hide a field with its label."""
    field.setVisible(is_shown)
    label = rows.labelForField(field)
    if label is not None:
        label.setVisible(is_shown)


def _of_files(source: Source) -> Source:
    """Return a source without the paths of files that hold something else, as all channels."""
    return replace(
        source, path=_same(source.path, source.high), low_path=_same(source.low_path, source.low)
    )


def _same(path: Path | None, data: Any) -> Path | None:
    if path is None:
        return None
    try:
        with read_stack(path) as stack:
            is_same = stack.data.shape == data.shape and stack.data.dtype == data.dtype
    except (StackError, OSError, ValueError):
        return None
    return path if is_same else None


def _path(layer: Image) -> Path | None:
    path = getattr(layer.source, "path", None)
    return Path(path) if path else None
