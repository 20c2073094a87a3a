"""Nikon's ND2, by nd2: the positions of a file are its images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.rect import Rect
from napari_srcnn.io.vendor.found import Found, Size, letter_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POSITION = "P"
# What one frame of the file holds.
_FRAME = ("C", "Y", "X", "S")


class NikonFile:
    """An open ND2 file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def names(self) -> tuple[str, ...]:
        """Return the names of the positions."""
        count = self._file.sizes.get(_POSITION, 1)
        points = [
            point.name or ""
            for loop in self._file.experiment
            if loop.type == "XYPosLoop"
            for point in loop.parameters.points
        ]
        return tuple(points) if len(points) == count else ("",) * count

    def image(self, number: int) -> Found:
        """Return a position."""
        reader = _Frames(self._file, number)
        axes = ""
        for axis in reader.before:
            axes += letter_of(axis, axes)
        axes += "YX" + "S" * reader.is_color
        channels, notes = self._channels()
        return Found.of(
            reader,
            axes,
            self._sizes(channels),
            names=[one.channel.name or "" for one in channels],
            colors=[_color(one.channel.color) for one in channels],
            notes=notes,
        )

    def _channels(self) -> tuple[list[Any], tuple[str, ...]]:
        """Return what is said of the channels, or why that cannot be read."""
        # nd2 raises errors of any class over a description that lacks what it counts on; the
        # pixels can be read all the same.
        try:
            return list(getattr(self._file.metadata, "channels", None) or ()), ()
        except Exception as error:
            return [], (f"what it says of its channels and pixel size cannot be read ({error})",)

    def _sizes(self, channels: list[Any]) -> dict[str, Size]:
        """Return the distances between neighbours along the axes."""
        sizes: dict[str, Size] = {}
        if channels:
            volume = channels[0].volume
            known = zip("XYZ", volume.axesCalibration, volume.axesCalibrated, strict=True)
            sizes |= {
                axis: (float(size), "micrometer") for axis, size, is_known in known if is_known
            }
        for loop in self._file.experiment:
            if loop.type == "ZStackLoop" and loop.parameters.stepUm:
                sizes["Z"] = (float(loop.parameters.stepUm), "micrometer")
            elif loop.type == "TimeLoop":
                # What was measured, else what was wanted.
                between = loop.parameters.periodDiff.avg or loop.parameters.periodMs or 0
                sizes["T"] = (float(between) / 1000, "second")
        return sizes

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_file(package: Any, path: Path) -> NikonFile:
    """Open an ND2 file."""
    return NikonFile(package.ND2File(path))


class _Frames:
    """The planes of a position."""

    def __init__(self, file: Any, position: int) -> None:
        self._file, self._position = file, position
        sizes = dict(file.sizes)
        # The loops over frames, as they are numbered.
        self._loops = {axis: size for axis, size in sizes.items() if axis not in _FRAME}
        self._frame = {axis: sizes[axis] for axis in _FRAME if axis in sizes}
        self.is_color = "S" in sizes
        self.before = tuple(axis for axis in self._loops if axis != _POSITION)
        if "C" in sizes:
            self.before += ("C",)
        self.leading = len(self.before)
        # nd2 leaves out whatever is one long.
        plane = [sizes.get("Y", 1), sizes.get("X", 1), *([sizes["S"]] if self.is_color else [])]
        self.shape = tuple(map(int, [*(sizes[axis] for axis in self.before), *plane]))
        self._plane = tuple(map(int, plane))
        self.dtype: np.dtype[Any] = np.dtype(file.dtype)

    def region(self, index: tuple[int, ...], box: Rect) -> NDArray[Any]:
        """Return a region of a plane."""
        where = dict(zip(self.before, index, strict=True)) | {_POSITION: self._position}
        loops = tuple(self._loops.values())
        place = tuple(where[axis] for axis in self._loops)
        number = int(np.ravel_multi_index(place, loops)) if loops else 0
        frame = np.asarray(self._file.read_frame(number))
        frame = frame.reshape(-1, *self._plane)[where.get("C", 0)]
        # A view of the file would be gone with it.
        return frame[box.y0 : box.y1, box.x0 : box.x1].copy()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _color(color: Any) -> str:
    return f"#{color.r:02x}{color.g:02x}{color.b:02x}"
