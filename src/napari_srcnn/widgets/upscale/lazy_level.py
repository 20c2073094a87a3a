"""A level of a lazy result as napari takes data: napari's drawing never waits for it."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_srcnn.image.rect import Tile
from napari_srcnn.widgets.shared.storage import memory_limit
from napari_srcnn.words import format_bytes

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from napari_srcnn.upscaling.lazy import LazyResult

# Where napari takes from a layer what it draws. What other code asks for it has to get whole.
_DRAWING = ("napari.layers._scalar_field._slice", "napari.layers._scalar_field.scalar_field")
# A volume that is drawn at once: what graphics cards take along an axis, and bytes.
VOLUME_SIDE, VOLUME_BYTES = 2048, 128 << 20
Part = int | range


class LazyLevel:
    """A level, or a part of one; cut like a numpy array, it stays lazy until it is made an array.

    ``numpy.asarray`` computes all of it, here and now, for everybody but napari's drawing, which
    gets what is there and is drawn anew as more comes.

    Parameters
    ----------
    lazy : LazyResult
    level : int
    parts : tuple of int or range, optional
        What of each axis; all of it by default.
    """

    def __init__(self, lazy: LazyResult, level: int, parts: tuple[Part, ...] | None = None) -> None:
        self.lazy, self.level = lazy, level
        whole = tuple(map(range, lazy.levels.shapes[level]))
        self._parts: tuple[Part, ...] = whole if parts is None else parts

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes that are left."""
        return tuple(len(part) for part in self._parts if isinstance(part, range))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the result."""
        return self.lazy.dtype

    @property
    def ndim(self) -> int:
        """Number of axes that are left."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> LazyLevel:
        asked = iter(_expanded(key, self.ndim))
        parts = tuple(
            _cut(part, next(asked)) if isinstance(part, range) else part for part in self._parts
        )
        return LazyLevel(self.lazy, self.level, parts)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        is_drawn = sys._getframe(1).f_globals.get("__name__") in _DRAWING
        pixels = self._pixels(is_drawn=is_drawn)
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # napari copies the data of a layer that is duplicated.
        return self

    def compute(self) -> NDArray[Any]:
        """Return all pixels, computed as far as they are not there yet."""
        return self._pixels(is_drawn=False)

    def _pixels(self, *, is_drawn: bool) -> NDArray[Any]:
        *leading, rows, columns = self._parts[: self.lazy.levels.leading + 2]
        if not self.size:
            return np.empty(self.shape, self.dtype)
        if is_drawn and self._is_too_large():
            # Of the number of axes that napari expects: nothing is seen of it.
            return np.zeros((1,) * self.ndim, self.dtype)
        if not is_drawn:
            self._check_memory()
        indices = list(itertools.product(*map(_places, leading)))
        y, x = _places(rows), _places(columns)
        area = Tile(y0=min(y), y1=max(y) + 1, x0=min(x), x1=max(x) + 1)
        if is_drawn:
            planes = self.lazy.look(self.level, indices, area)
        else:
            planes = np.stack([self.lazy.read(self.level, index, area) for index in indices])
        lengths = [len(part) for part in leading if isinstance(part, range)]
        pixels = planes.reshape(*lengths, *planes.shape[1:])
        samples = self._parts[self.lazy.levels.leading + 2 :]
        within = (_moved(rows, area.y0), _moved(columns, area.x0), *map(_moved, samples))
        return pixels[(..., *within)]

    def _check_memory(self) -> None:
        if self.nbytes > memory_limit():
            raise ValueError(
                f"These pixels have {format_bytes(self.nbytes)}, more than half of the memory "
                "that is free; take fewer slices, or save the result to a file."
            )

    def _is_too_large(self) -> bool:
        """Tell whether a volume is too large to be drawn."""
        *leading, _, _ = self._parts[: self.lazy.levels.leading + 2]
        lengths = [len(part) for part in leading if isinstance(part, range)]
        return math.prod(lengths) > 1 and is_too_large(self.shape, self.dtype)


def is_too_large(shape: Sequence[int], dtype: np.dtype[Any]) -> bool:
    """Tell whether a volume of a shape is more than is drawn at once."""
    return math.prod(shape) * dtype.itemsize > VOLUME_BYTES or max(shape) > VOLUME_SIDE


def _expanded(key: Any, ndim: int) -> Iterator[Any]:
    """Return one part for each axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if any(part is Ellipsis for part in parts):
        at = next(n for n, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (ndim - len(parts) + 1)
    if len(parts) > ndim:
        raise IndexError(f"There are {ndim} axes, but {len(parts)} were asked for.")
    return iter(parts + [slice(None)] * (ndim - len(parts)))


def _cut(part: range, asked: Any) -> Part:
    if isinstance(asked, slice):
        return part[asked]
    if isinstance(asked, int | np.integer):
        return part[int(asked)]
    raise IndexError(
        f"A lazy result is cut by numbers and slices, not by a {type(asked).__name__}; "
        "make it an array with numpy.asarray first."
    )


def _places(part: Part) -> range:
    return part if isinstance(part, range) else range(part, part + 1)


def _moved(part: Part, by: int = 0) -> int | slice:
    """Return a part as an index of an array that begins at `by`."""
    if isinstance(part, int):
        return part - by
    stop = part.stop - by
    return slice(part.start - by, None if stop < 0 else stop, part.step)
