"""What a tile of the output needs of the source."""

from __future__ import annotations

from dataclasses import dataclass

from napari_srcnn.image.rect import Padding, Tile
from napari_srcnn.image.resize import MEAN_REACH, canonical_window, mean_matrix, window_matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What a tile of the output needs of the source, with the whole image's phase and border.

    Attributes
    ----------
    rows, columns : slice
        Of the source plane.
    enlarge_y, enlarge_x : tuple
        Arguments of :func:`bicubic_matrix`: bicubic along each axis.
    inner : tuple of two slices
        Where in those rows and columns the pixels lie that bicubic reads; all of them for a network
        that is not told the noise.
    mean_y, mean_x : tuple or None
        Arguments of :func:`_mean_matrix`, for a network that is told the noise.
    whole, whole_out : tuple of two slices
        The source pixels that lie in the tile as a whole, in those rows and columns, and where
        they lie in the tile.
    padding : Padding
        The part of the halo that lies beyond the true border.
    crop : tuple of two slices
        Where the tile lies in what is computed, which may be more than the tile.
    held : tuple of two slices
        The source pixels that lie in what is computed, in those rows and columns; none where the
        result is not held to its source.
    area : Tile
        What is computed, in the whole output plane.
    plane : tuple of two ints
        Of that plane, pixels (Y, X).
    """

    rows: slice
    columns: slice
    enlarge_y: tuple[int, int, int, int, float]
    enlarge_x: tuple[int, int, int, int, float]
    padding: Padding
    area: Tile
    plane: tuple[int, int]
    inner: tuple[slice, slice] = (slice(None), slice(None))
    mean_y: tuple[int, int, int, int] | None = None
    mean_x: tuple[int, int, int, int] | None = None
    whole: tuple[slice, slice] = (slice(0), slice(0))
    whole_out: tuple[slice, slice] = (slice(0), slice(0))
    crop: tuple[slice, slice] = (slice(None), slice(None))
    held: tuple[slice, slice] | None = None


def tile_geometry(
    tile: Tile,
    plane: tuple[int, int],
    scale: int,
    halo: int,
    a: float,
    *,
    noise: bool = False,
    block: Tile | None = None,
    reach: int = 0,
    around: int = 0,
) -> Geometry:
    """Return what `tile` needs of a source plane.

    Parameters
    ----------
    tile : Tile
    plane : tuple of two ints
        Source pixels (Y, X).
    scale, halo : int
    a : float
    noise : bool
        That is more than bicubic reads: the local mean, which the noise is told by, reaches
        further.
    block : Tile, optional
        What is computed as one, the tile in it; the tile itself by default.
    reach : int
        Source pixels around that which hold the result to its source; 0 where it is not held.
    around : int
        Result pixels around that which are computed along, at least.
    """
    height, width = (n * scale for n in plane)
    inside = tile if block is None else block
    if reach:
        inside = _whole_pixels(inside, plane, scale, reach)
    # What holds a result to its source is further than what a spread is calibrated by.
    elif around:
        inside, _ = inside.with_halo(around, height, width)
    computed, padding = inside.with_halo(halo, height, width)
    ends = (computed.y0, computed.y1), (computed.x0, computed.x1)
    reads, inner, enlarge, means = [], [], [], []
    for length, (start, stop) in zip(plane, ends, strict=True):
        moved, window = canonical_window(length, scale, start, stop)
        low, high, _ = window_matrix(*window, a)
        read = own = slice(moved + low, moved + high)
        if noise:
            moved, mean = canonical_window(length, scale, start, stop, MEAN_REACH + 1)
            low, high, _ = mean_matrix(*mean)
            read = slice(moved + low, moved + high)
            means.append(mean)
        reads.append(read)
        inner.append(slice(own.start - read.start, own.stop - read.start))
        enlarge.append((*window, a))
    # From the first source pixel that begins in the tile to the last that ends there.
    within = [(-(-a // scale), b // scale) for a, b in ((tile.y0, tile.y1), (tile.x0, tile.x1))]
    places = list(zip(within, reads, (tile.y0, tile.x0), strict=True))
    whole = [slice(a - read.start, max(a, b) - read.start) for (a, b), read, _ in places]
    whole_out = [slice(a * scale - begin, max(a, b) * scale - begin) for (a, b), _, begin in places]
    held = None
    if reach:
        pixels = [(inside.y0, inside.y1), (inside.x0, inside.x1)]
        held = tuple(
            slice(start // scale - read.start, stop // scale - read.start)
            for (start, stop), read in zip(pixels, reads, strict=True)
        )
    return Geometry(
        whole=(whole[0], whole[1]),
        whole_out=(whole_out[0], whole_out[1]),
        rows=reads[0],
        columns=reads[1],
        enlarge_y=enlarge[0],
        enlarge_x=enlarge[1],
        inner=(inner[0], inner[1]),
        mean_y=means[0] if noise else None,
        mean_x=means[1] if noise else None,
        padding=padding,
        area=inside,
        plane=(height, width),
        crop=(
            slice(tile.y0 - inside.y0, tile.y1 - inside.y0),
            slice(tile.x0 - inside.x0, tile.x1 - inside.x0),
        ),
        held=None if held is None else (held[0], held[1]),
    )


def _whole_pixels(tile: Tile, plane: tuple[int, int], scale: int, reach: int) -> Tile:
    """Return a tile with so many source pixels around it, none of them cut."""
    ends = (tile.y0, tile.y1), (tile.x0, tile.x1)
    (y0, y1), (x0, x1) = (
        (max(a // scale - reach, 0) * scale, min(-(-b // scale) + reach, n) * scale)
        for (a, b), n in zip(ends, plane, strict=True)
    )
    return Tile(y0=y0, y1=y1, x0=x0, x1=x1)
