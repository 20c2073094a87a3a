"""Tiles: which rectangle of the output is written, and which is computed around it.

::

    +--------------------------+   computed: the tile and the halo that the
    |  halo                    |   convolutions eat, cut at the true border
    |    +----------------+    |
    |    | written        |    |
    |    +----------------+    |
    +--------------------------+
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """A rectangle of a plane, in pixels.

    Attributes
    ----------
    y0, y1, x0, x1 : int
        Rows [y0, y1) and columns [x0, x1).
    """

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Columns."""
        return self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rectangle as an index."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


class Tile(Rect):
    """A rectangle of the output plane, in output pixels."""

    __slots__ = ()

    def with_halo(self, halo: int, height: int, width: int) -> tuple[Tile, Padding]:
        """Return the rectangle to compute, and how much of the halo lies beyond the true border.

        Parameters
        ----------
        halo : int
            Pixels that the convolutions need on every side.
        height, width : int
            The whole output plane.
        """
        y0, y1 = max(self.y0 - halo, 0), min(self.y1 + halo, height)
        x0, x1 = max(self.x0 - halo, 0), min(self.x1 + halo, width)
        padding = Padding(
            top=y0 - (self.y0 - halo),
            bottom=(self.y1 + halo) - y1,
            left=x0 - (self.x0 - halo),
            right=(self.x1 + halo) - x1,
        )
        return Tile(y0=y0, y1=y1, x0=x0, x1=x1), padding

    def split(self) -> Iterator[Tile]:
        """Yield the tile in halves along each side that can be halved."""
        middle_y = (self.y0 + self.y1 + 1) // 2 if self.height > 1 else self.y1
        middle_x = (self.x0 + self.x1 + 1) // 2 if self.width > 1 else self.x1
        for y0, y1 in ((self.y0, middle_y), (middle_y, self.y1)):
            for x0, x1 in ((self.x0, middle_x), (middle_x, self.x1)):
                if y0 < y1 and x0 < x1:
                    yield Tile(y0=y0, y1=y1, x0=x0, x1=x1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Padding:
    """Pixels beyond the true border on each side."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def turned(self, turns: int, flipped: bool) -> Padding:
        """Return the padding of the tile after `turns` quarter turns and a mirroring.

        Parameters
        ----------
        turns : int
            Counterclockwise, as ``numpy.rot90`` turns.
        flipped : bool
            Whether left and right are then exchanged.
        """
        top, right, bottom, left = self.top, self.right, self.bottom, self.left
        for _ in range(turns % 4):
            top, right, bottom, left = right, bottom, left, top
        left, right = (right, left) if flipped else (left, right)
        return Padding(top=top, bottom=bottom, left=left, right=right)

    def __bool__(self) -> bool:
        return bool(self.top or self.bottom or self.left or self.right)


def tile_grid(height: int, width: int, size: int) -> list[Tile]:
    """Cover a plane with tiles of at most `size` pixels a side, row by row."""
    return [
        Tile(y0=y, y1=min(y + size, height), x0=x, x1=min(x + size, width))
        for y in range(0, height, size)
        for x in range(0, width, size)
    ]
