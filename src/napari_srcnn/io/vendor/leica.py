"""Leica's LIF, by liffile: the images of a file, and of those the positions of a tile scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.rect import Rect
from napari_srcnn.image.stack import StackError
from napari_srcnn.image.units import is_length, to_micrometers, to_seconds, unit_name
from napari_srcnn.io.vendor.found import Found, Size, letter_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As the file numbers its axes.
_AXES = {"1": "X", "2": "Y", "3": "Z", "4": "T"}
_POSITION = "M"
_COLORS = {
    "gray": "#ffffff",
    "grey": "#ffffff",
    "red": "#ff0000",
    "green": "#00ff00",
    "blue": "#0000ff",
    "cyan": "#00ffff",
    "magenta": "#ff00ff",
    "yellow": "#ffff00",
}


class LeicaFile:
    """An open LIF file."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path = file, path
        #: By number: an image, and which position of it; None where it has none.
        self._images: list[tuple[Any, int | None]] = []
        for image in file.images:
            # Counts of photons by their time are no image.
            if not image.is_flim:
                count = image.sizes.get(_POSITION, 0)
                self._images += [(image, n) for n in range(count)] or [(image, None)]
        if not self._images:
            raise StackError(f"{path.name} holds no images")

    def names(self) -> tuple[str, ...]:
        """Return the names of the images."""
        return tuple(
            image.path if position is None else f"{image.path}, position {position + 1}"
            for image, position in self._images
        )

    def image(self, number: int) -> Found:
        """Return an image."""
        image, position = self._images[number]
        reader = _Frames(self._file, image, position)
        rows = reader.rows
        axes = ""
        for axis in reader.before:
            # The wavelengths of a spectrum are channels.
            axes += letter_of("C" if axis == "λ" and "C" not in reader.before else axis, axes)
        axes += "YX" + "S" * reader.is_color
        sizes = _sizes(image)
        sizes["Y"] = sizes.get(rows, (0.0, ""))
        notes = () if rows == "Y" else (f"the rows of its planes are {rows}, not Y",)
        names, colors = _channels(image)
        return Found.of(reader, axes, sizes, names=names, colors=colors, notes=notes)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_file(package: Any, path: Path) -> LeicaFile:
    """Open a LIF file."""
    file = package.LifFile(path)
    try:
        return LeicaFile(file, path)
    except BaseException:
        file.close()
        raise


class _Frames:
    """The planes of an image, at one position where it has several."""

    def __init__(self, file: Any, image: Any, position: int | None) -> None:
        self._file, self._image, self._position = file, image, position
        frame = tuple(image.frames.frame_dims)
        self.is_color = frame[-1:] == ("S",)
        plane = frame[: len(frame) - self.is_color]
        if len(plane) != 2 or plane[1] != "X":
            raise StackError(f"its planes are not stored as such (their axes are {frame})")
        self.rows: str = plane[0]
        self.before = tuple(axis for axis in image.dims if axis not in (*frame, _POSITION))
        sizes = image.sizes
        self.leading = len(self.before)
        self.shape = tuple(int(sizes[axis]) for axis in (*self.before, *frame))
        self.dtype: np.dtype[Any] = np.dtype(image.dtype)

    def region(self, index: tuple[int, ...], box: Rect) -> NDArray[Any]:
        """Return a region of a plane."""
        where = dict(zip(self.before, index, strict=True))
        if self._position is not None:
            where[_POSITION] = self._position
        plane: NDArray[Any] = self._image.frame(**where)
        return plane[box.y0 : box.y1, box.x0 : box.x1]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _sizes(image: Any) -> dict[str, Size]:
    """Return the distances between neighbours along the axes."""
    sizes = {}
    for axis in image.xml_element.iter("DimensionDescription"):
        letter = _AXES.get(axis.get("DimID", ""), "")
        unit = unit_name(axis.get("Unit", ""))
        # The length is that from the first to the last.
        steps = int(axis.get("NumberOfElements", 0)) - 1
        if letter and unit and steps > 0:
            size = abs(float(axis.get("Length", 0))) / steps
            if letter == "T":
                sizes[letter] = (to_seconds(size, unit), "second")
            elif is_length(unit):
                sizes[letter] = (to_micrometers(size, unit) or 0.0, "micrometer")
    return sizes


def _channels(image: Any) -> tuple[list[str], list[str | None]]:
    """Return the names of the channels' lookup tables, and their colours."""
    found = image.xml_element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription")
    found = sorted(found, key=lambda channel: int(channel.get("BytesInc", 0)))
    names = [channel.get("LUTName", "") for channel in found]
    return names, [_COLORS.get(name.lower()) for name in names]
