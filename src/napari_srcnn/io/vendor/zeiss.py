"""Zeiss' CZI, by czifile: the scenes of a file, each put together of its tiles as it is read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from napari_srcnn.image.rect import Rect
from napari_srcnn.image.stack import StackError
from napari_srcnn.io.vendor.found import Found, Size, letter_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SCENE, _TILE, _SAMPLES = "S", "M", "0"
_PLANE = ("Y", "X")
_IMAGE = "Metadata/Information/Image"
# How a tile is compressed that czifile does not know: zstd, alone and with a header before it.
_ZSTD, _ZSTD_WITH_HEADER = 5, 6


class ZeissFile:
    """An open CZI file."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file = file
        scenes: dict[int, list[_Tile]] = {}
        for entry in file.subblock_directory:
            tile = _Tile(entry)
            # The rest are the smaller levels of a pyramid.
            if tile.is_whole:
                scenes.setdefault(tile.start.get(_SCENE, 0), []).append(tile)
        if not scenes:
            raise StackError(f"{path.name} holds no images")
        self._scenes = dict(sorted(scenes.items()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no description
            text = file.metadata()
        self._root = ElementTree.fromstring(text) if text else ElementTree.Element("none")

    def names(self) -> tuple[str, ...]:
        """Return the names of the scenes."""
        found = {
            int(scene.get("Index", -1)): scene.get("Name", "")
            for scene in self._root.iterfind(f"{_IMAGE}/Dimensions/S/Scenes/Scene")
        }
        return tuple(found.get(number, "") for number in self._scenes)

    def image(self, number: int) -> Found:
        """Return a scene."""
        tiles = list(self._scenes.values())[number]
        reader = _Mosaic(self._file, tiles)
        axes = ""
        for axis in reader.before:
            axes += letter_of(axis, axes)
        axes += "YX" + "S" * reader.is_color
        names, colors = self._channels()
        first = reader.first.get("C", 0)
        count = reader.shape[axes.index("C")] if "C" in axes else 1
        part = slice(first, first + count)
        return Found.of(reader, axes, self._sizes(), names=names[part], colors=colors[part])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _sizes(self) -> dict[str, Size]:
        sizes: dict[str, Size] = {}
        for item in self._root.iterfind("Metadata/Scaling/Items/Distance"):
            # In meters.
            sizes[item.get("Id", "")] = (_number(item.findtext("Value")) * 1e6, "micrometer")
        between = self._root.findtext(f"{_IMAGE}/Dimensions/T/Positions/Interval/Increment")
        sizes["T"] = (_number(between), "second")
        return sizes

    def _channels(self) -> tuple[list[str], list[str | None]]:
        channels = self._root.findall(f"{_IMAGE}/Dimensions/Channels/Channel")
        colors = {
            channel.get("Id"): channel.findtext("Color")
            for channel in self._root.iterfind("Metadata/DisplaySetting/Channels/Channel")
        }
        names = [channel.get("Name") or channel.get("Id") or "" for channel in channels]
        return names, [_color(colors.get(channel.get("Id"))) for channel in channels]


def open_file(package: Any, path: Path) -> ZeissFile:
    """Open a CZI file."""
    # A string: of another kind of path it would not look for the other files of a set.
    file = package.CziFile(str(path))
    try:
        return ZeissFile(file, path)
    except BaseException:
        file.close()
        raise


class _Tile:
    """A part of a plane, as the file's directory has it."""

    def __init__(self, entry: Any) -> None:
        self.entry = entry
        self.dims = [one.dimension for one in entry.dimension_entries if one.dimension != _TILE]
        self.start = {one.dimension: int(one.start) for one in entry.dimension_entries}
        self.size = {one.dimension: int(one.size) for one in entry.dimension_entries}
        self.is_whole = all(one.size == one.stored_size for one in entry.dimension_entries)
        dtype = np.dtype(entry.dtype)
        self.dtype: np.dtype[Any] = dtype.base
        self.samples: int = prod(dtype.shape)
        self.box = Rect(
            y0=self.start["Y"],
            y1=self.start["Y"] + self.size["Y"],
            x0=self.start["X"],
            x1=self.start["X"] + self.size["X"],
        )
        self.order = self.start.get(_TILE, 0)

    def place(self, before: tuple[str, ...]) -> tuple[int, ...]:
        """Return which plane it belongs to."""
        return tuple(self.start.get(axis, 0) for axis in before)

    def pixels(self) -> NDArray[Any]:
        """Read it: (Y, X, S)."""
        segment = self.entry.data_segment()
        if self.entry.compression in (_ZSTD, _ZSTD_WITH_HEADER):
            data = _unzipped(
                segment.data(raw=True),
                with_header=self.entry.compression == _ZSTD_WITH_HEADER,
            )
            values = np.frombuffer(data, self.dtype).reshape(self.box.height, self.box.width, -1)
            # Blue comes first in the file.
            return values[..., [2, 1, 0, 3][: self.samples]] if self.samples > 1 else values
        values = np.asarray(segment.data(resize=False))
        return values.reshape(self.box.height, self.box.width, self.samples)


class _Mosaic:
    """The planes of a scene."""

    def __init__(self, file: Any, tiles: list[_Tile]) -> None:
        self._file = file
        kinds = {tile.samples for tile in tiles}
        if len(kinds) > 1:
            raise StackError("it mixes gray and coloured channels, which is not supported")
        samples = kinds.pop()
        self.is_color = samples > 1
        all_before = [axis for axis in tiles[0].dims if axis not in (*_PLANE, _SCENE, _SAMPLES)]
        if any(tile.size.get(axis, 1) != 1 for tile in tiles for axis in all_before):
            raise StackError("it holds several planes in a piece, which is not supported")
        starts = {axis: {tile.start.get(axis, 0) for tile in tiles} for axis in all_before}
        #: The first of each axis, which need not be 0.
        self.first = {axis: min(found) for axis, found in starts.items()}
        counts = {axis: max(found) - self.first[axis] + 1 for axis, found in starts.items()}
        self.before = tuple(axis for axis in all_before if counts[axis] > 1)
        self._by_plane: dict[tuple[int, ...], list[_Tile]] = {}
        for tile in sorted(tiles, key=lambda tile: tile.order):
            self._by_plane.setdefault(tile.place(self.before), []).append(tile)
        self._y = min(tile.box.y0 for tile in tiles)
        self._x = min(tile.box.x0 for tile in tiles)
        height = max(tile.box.y1 for tile in tiles) - self._y
        width = max(tile.box.x1 for tile in tiles) - self._x
        self._trailing = (samples,) if self.is_color else ()
        self.leading = len(self.before)
        self.shape = (*(counts[axis] for axis in self.before), height, width, *self._trailing)
        self.dtype: np.dtype[Any] = np.result_type(*{tile.dtype for tile in tiles})

    def region(self, index: tuple[int, ...], box: Rect) -> NDArray[Any]:
        """Return a region of a plane; what no tile covers is 0, and a later tile lies above."""
        out = np.zeros((box.height, box.width, *self._trailing), self.dtype)
        place = tuple(n + self.first[axis] for n, axis in zip(index, self.before, strict=True))
        for tile, inside in self._touched(place, box):
            pixels = tile.pixels()
            values = pixels if self.is_color else pixels[..., 0]
            y, x = tile.box.y0 - self._y, tile.box.x0 - self._x
            out[
                inside.y0 - box.y0 : inside.y1 - box.y0, inside.x0 - box.x0 : inside.x1 - box.x0
            ] = values[inside.y0 - y : inside.y1 - y, inside.x0 - x : inside.x1 - x]
        return out

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _touched(self, place: tuple[int, ...], box: Rect) -> Iterator[tuple[_Tile, Rect]]:
        """Yield the tiles that a region of a plane needs, and the part of it that they cover."""
        for tile in self._by_plane.get(place, ()):
            y0, y1 = max(tile.box.y0 - self._y, box.y0), min(tile.box.y1 - self._y, box.y1)
            x0, x1 = max(tile.box.x0 - self._x, box.x0), min(tile.box.x1 - self._x, box.x1)
            if y0 < y1 and x0 < x1:
                yield tile, Rect(y0=y0, y1=y1, x0=x0, x1=x1)


def _unzipped(data: bytes, *, with_header: bool) -> bytes:
    """Decompress zstd, and put the bytes of 16 bits together again where they lie apart."""
    import imagecodecs

    is_split = False
    if with_header:
        # Its own length, then what it says: 1 and whether low bytes lie before high ones.
        length = data[0]
        is_split = length >= 3 and data[1] == 1 and bool(data[2] & 1)
        data = data[length:]
    found: bytes = bytes(imagecodecs.zstd_decode(data))
    if not is_split:
        return found
    halves = np.frombuffer(found, np.uint8).reshape(2, -1)
    return np.ascontiguousarray(halves.T).tobytes()


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def _color(text: str | None) -> str | None:
    """Return ``"#rrggbb"`` of ``"#AARRGGBB"`` or ``"#RRGGBB"``."""
    digits = (text or "").lstrip("#")
    return f"#{digits[-6:].lower()}" if len(digits) in (6, 8) else None
