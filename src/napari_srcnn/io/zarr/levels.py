"""The levels of an image's pyramid, and the chunks and shards that each is cut into.

Everything is in the order of the image's own axes, which end in YX or YXS.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.stack import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: A pyramid ends with the level whose Y and X are no longer than this.
SMALLEST = 512
_CHUNK = 512  # pixels along Y and X
_LEAST_CHUNK = 256
_SHARD = 1024
_SHARD_PLANES = 64
#: A shard of the default size holds at most so many bytes, before compression.
SHARD_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One array of a pyramid.

    Attributes
    ----------
    path : str
        Its name in the store: ``"0"`` is the full resolution.
    shape : tuple of int
    chunk : tuple of int
        What is compressed, and read, as one piece.
    shard : tuple of int
        What is written at once: whole chunks.
    """

    path: str
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """How many shards there are along each axis."""
        return tuple(ceil(n / step) for n, step in zip(self.shape, self.shard, strict=True))

    def region(self, index: Sequence[int]) -> tuple[slice, ...]:
        """Return where the shard at `index` of the grid lies; it ends where the level ends."""
        if len(index) != len(self.shape) or any(
            not 0 <= at < count for at, count in zip(index, self.grid, strict=True)
        ):
            raise IndexError(f"no shard {tuple(index)} in a grid of {self.grid}")
        return tuple(
            slice(at * step, min((at + 1) * step, size))
            for at, step, size in zip(index, self.shard, self.shape, strict=True)
        )


def levels_of(
    shape: tuple[int, ...],
    axes: str,
    itemsize: int,
    *,
    chunk: Sequence[int] | None = None,
    shard: Sequence[int] | None = None,
    count: int | None = None,
) -> tuple[Level, ...]:
    """Return the levels of an image: each half as long along Y and X as the one before.

    Parameters
    ----------
    shape, axes
        Of the full resolution.
    itemsize : int
        Bytes of a value.
    chunk, shard : sequence of int, optional
        One length an axis; by default 512 × 512 pixels of a plane, and 1024 × 1024 pixels of at
        most 64 planes and 128 MiB.
    count : int, optional
        How many levels; by default until Y and X are no longer than `SMALLEST`.

    Raises
    ------
    StackError
        The lengths do not fit the image or each other.
    """
    for word, given in (("chunk", chunk), ("shard", shard)):
        if given is not None and (len(given) != len(shape) or min(given) < 1):
            raise StackError(
                f"a {word} of {tuple(given)} does not fit the axes {axes}: give one length of at "
                "least 1 for each"
            )
    chunk, shard = _cut(shape, axes, itemsize, chunk, shard)
    shapes = [shape]
    y = axes.index("Y")
    while len(shapes) < count if count is not None else max(shapes[-1][y : y + 2]) > SMALLEST:
        last = shapes[-1]
        if max(last[y : y + 2]) == 1:
            break
        shapes.append((*last[:y], *(ceil(n / 2) for n in last[y : y + 2]), *last[y + 2 :]))
    if count is not None and len(shapes) != count:
        raise StackError(
            f"an image of shape {shape} cannot have {count} levels, only 1 to {len(shapes)}"
            if count > 1
            else f"{count} levels are no image; the least is 1"
        )
    return tuple(
        Level(path=str(number), shape=size, **_clipped(size, chunk, shard))
        for number, size in enumerate(shapes)
    )


def halved(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the mean of each 2 × 2 pixels of Y and X, in the same type.

    A last odd row or column is the mean of what there is of it. Integers are rounded half to even.
    """
    y = axes.index("Y")
    odd = [(0, n % 2 if at in (y, y + 1) else 0) for at, n in enumerate(values.shape)]
    if any(map(any, odd)):
        values = np.pad(values, odd, mode="edge")
    even, uneven = slice(0, None, 2), slice(1, None, 2)
    corners = [
        values[(*[slice(None)] * y, rows, columns)]
        for rows in (even, uneven)
        for columns in (even, uneven)
    ]
    if values.dtype.kind == "b":
        return sum(corner.view(np.uint8) for corner in corners) > 2  # type: ignore[return-value]
    if values.dtype.kind == "f":
        total = corners[0].astype(np.float64)
        for corner in corners[1:]:
            total += corner
        return (total / 4).astype(values.dtype)
    # Quarters and what they leave over, apart: no sum is too large for the type.
    quotient, rest = corners[0] >> 2, corners[0] & 3
    for corner in corners[1:]:
        quotient += corner >> 2
        rest += corner & 3
    quotient += rest >> 2
    rest &= 3
    quotient += ((rest > 2) | ((rest == 2) & (quotient & 1 == 1))).astype(values.dtype)
    return quotient


def _cut(
    shape: tuple[int, ...],
    axes: str,
    itemsize: int,
    chunk: Sequence[int] | None,
    shard: Sequence[int] | None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the chunk and the shard of the full resolution, before they are clipped to it."""
    y = axes.index("Y")
    samples = shape[y + 2 :]
    if shard is not None and chunk is None:
        chunk = (*[1] * y, *map(_chunk_of, shard[y : y + 2]), *shard[y + 2 :])
    elif chunk is None:
        chunk = (*[1] * y, *(min(_CHUNK, n) for n in shape[y : y + 2]), *samples)
    if shard is None:
        edges = [
            step * max(1, min(_SHARD, step * ceil(n / step)) // step)
            for step, n in zip(chunk[y : y + 2], shape[y : y + 2], strict=True)
        ]
        rest = [*chunk[:y], *edges, *chunk[y + 2 :]]
        if y:
            # As many planes of the axis before Y as the bytes allow, in whole chunks.
            bytes_of_one = prod(rest) * itemsize // rest[y - 1]
            planes = min(_SHARD_PLANES, shape[y - 1], max(1, SHARD_BYTES // bytes_of_one))
            rest[y - 1] *= max(1, planes // rest[y - 1])
        shard = rest
    if any(whole % part for whole, part in zip(shard, chunk, strict=True)):
        raise StackError(
            f"a shard of {tuple(shard)} is not made of whole chunks of {tuple(chunk)}: each of its "
            "lengths has to be a multiple of the chunk's"
        )
    return tuple(map(int, chunk)), tuple(map(int, shard))


def _chunk_of(shard: int) -> int:
    """Return the longest chunk along Y or X that a shard of that length is made of."""
    parts = (n for n in range(min(shard, _CHUNK), _LEAST_CHUNK - 1, -1) if shard % n == 0)
    return next(parts, shard)


def _clipped(
    shape: tuple[int, ...], chunk: tuple[int, ...], shard: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    """Return chunk and shard no larger than a level has use for."""
    chunks = tuple(min(step, size) for step, size in zip(chunk, shape, strict=True))
    shards = tuple(
        min(whole // step * used, used * ceil(size / used))
        for whole, step, used, size in zip(shard, chunk, chunks, shape, strict=True)
    )
    return {"chunk": chunks, "shard": shards}
