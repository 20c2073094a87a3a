"""Which images are learned from: layers, or files and folders; and what is wrong with a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QPushButton, QWidget

from napari_srcnn.microscope.registration import pair_scale
from napari_srcnn.training.field import Box, Source
from napari_srcnn.training.sources import sources_from_paths
from napari_srcnn.widgets.shared.fields import Choice, Note
from napari_srcnn.widgets.shared.layers import axes_of, pixel_size, pixels, rectangles
from napari_srcnn.widgets.shared.rows import show_row

if TYPE_CHECKING:
    from napari.layers import Image, Shapes


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


class DataFields(QObject):
    """The fields that say which images are learned from.

    Signals
    -------
    images_changed
        Other images are chosen.
    edited
        Other rectangles are.

    Attributes
    ----------
    problem : str
        Why the images that are chosen are no pair; empty where they are, or there is none.
    """

    images_changed = Signal()
    edited = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.problem = ""
        self.high = DataChoice(
            "Images as good as the result shall be: the network learns to come from low-res to "
            "these. A layer, or a folder of TIFFs."
        )
        self.low = DataChoice(
            "Low-res images of the same fields, if you have taken them; otherwise they are made.",
            may_be_none="From high-res",
        )
        self.pair_note = Note()
        self.files_note = Note()
        self._opened: tuple[Any, tuple[Source, ...]] = (None, ())
        self.inside = Choice("Rectangles of a Shapes layer limit what is used, on every plane.")
        self.high.changed.connect(self.images_changed)
        self.low.changed.connect(self.images_changed)
        self.inside.changed.connect(self.edited)

    def add_to(self, rows: QFormLayout) -> None:
        """Add the fields to a form."""
        self._rows = rows
        rows.addRow("High-res", self.high)
        rows.addRow("Low-res", self.low)
        rows.addRow("", self.files_note)
        rows.addRow("", self.pair_note)
        rows.addRow("Only inside", self.inside)

    @property
    def is_paired(self) -> bool:
        """Whether low-res images were taken."""
        return self.low.value is not None

    @property
    def folders(self) -> tuple[Path, Path | None] | None:
        """The folders that are chosen, which are too slow to open beside the window."""
        high, low = self.high.value, self.low.value
        if not isinstance(high, Files):
            return None
        return high.path, low.path if isinstance(low, Files) else None

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """The high-res layer's, along Y and X in micrometers, where it is known."""
        high = self.high.value
        return None if high is None or isinstance(high, Files) else pixel_size(high)

    @property
    def title(self) -> str:
        """The name of the images; empty where there are none."""
        high = self.high.value
        if high is None:
            return ""
        return high.path.stem if isinstance(high, Files) else high.name

    def sources(self) -> tuple[Source, ...]:
        """Return the images that are chosen; of a folder the first, to check the rest by.

        Raises
        ------
        ValueError
            If there are none, or these are no pair.
        """
        high, low = self.high.value, self.low.value
        if high is None:
            raise ValueError("There is no high-res image; open one or choose a folder.")
        if isinstance(high, Files):
            if low is not None and not isinstance(low, Files):
                raise ValueError("High-res images in a folder need low-res ones in a folder.")
            return self._first_of(high.path, None if low is None else low.path)
        if isinstance(low, Files):
            raise ValueError("A layer needs a layer as its low-res image.")
        if low is high:
            raise ValueError("The low-res image is the high-res image; choose another one.")
        if low is not None:
            _check_colours(high, low)
            _check_axes(high, low)
        return (
            Source(
                name=high.name,
                high=pixels(high),
                axes=axes_of(high),
                low=None if low is None else pixels(low),
                boxes=self._boxes(high),
                pixel=pixel_size(high),
                low_pixel=None if low is None else pixel_size(low),
                path=_path(high),
                low_path=None if low is None else _path(low),
            ),
        )

    def _first_of(self, high: Path, low: Path | None) -> tuple[Source, ...]:
        """Return the first image of a folder, opened anew only where files came or went."""
        key = [(path, path.stat().st_mtime_ns) for path in (high, low) if path and path.exists()]
        if key != self._opened[0]:
            self._opened = (key, sources_from_paths(high, low, first=True))
        return self._opened[1]

    def _boxes(self, high: Image) -> tuple[Box, ...]:
        shapes = self.inside.value
        boxes = rectangles(shapes[0], high) if shapes else ()
        if shapes and not boxes:
            raise ValueError(f"{shapes[0].name} has no rectangle on {high.name}; draw one.")
        return boxes

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

    def look_at_pair(self) -> int | None:
        """Return the scale of a pair, and say what was found; None where there is none."""
        self.pair_note.say("")
        self.problem = ""
        if not self.is_paired:
            return None
        try:
            one = self.sources()[0]
            # Of colour images, Y and X come before the colours.
            ends = slice(-3, -1) if one.axes.endswith("S") else slice(-2, None)
            shapes = one.low.shape[ends], one.high.shape[ends]
            found = pair_scale(*shapes, one.low_pixel, one.pixel)
        except ValueError as error:
            self.problem = str(error)
            return None
        self.pair_note.say(f"The images differ by ×{found}.")
        return found


def _check_colours(high: Image, low: Image) -> None:
    """Raise ValueError where one image of a pair is RGB and the other is not."""
    if high.rgb != low.rgb:
        coloured, gray = (high, low) if high.rgb else (low, high)
        raise ValueError(
            f"{coloured.name} is a colour image (RGB) and {gray.name} is not; choose two of one "
            "kind, or split the colours first (right click on the layer, Split RGB)."
        )


def _check_axes(high: Image, low: Image) -> None:
    """Raise ValueError where a pair's axes are in another order."""
    ours, theirs = axes_of(high), axes_of(low)
    if sorted(ours) == sorted(theirs) and ours != theirs:
        raise ValueError(
            f"The axes of {high.name} are {ours} and those of {low.name} are {theirs}; bring them "
            "into one order."
        )


def _path(layer: Image) -> Path | None:
    path = getattr(layer.source, "path", None)
    return Path(path) if path else None
