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
        Arguments of :func:`_matrix`: bicubic along each axis.
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
    """

    rows: slice
    columns: slice
    enlarge_y: tuple[int, int, int, int, float]
    enlarge_x: tuple[int, int, int, int, float]
    padding: Padding
    inner: tuple[slice, slice] = (slice(None), slice(None))
    mean_y: tuple[int, int, int, int] | None = None
    mean_x: tuple[int, int, int, int] | None = None
    whole: tuple[slice, slice] = (slice(0), slice(0))
    whole_out: tuple[slice, slice] = (slice(0), slice(0))


def tile_geometry(
    tile: Tile, plane: tuple[int, int], scale: int, halo: int, a: float, *, noise: bool = False
) -> Geometry:
    """Return what `tile` needs of a source plane of shape `plane` (Y, X).

    With `noise` that is more than bicubic reads: the local mean, which the noise is told by,
    reaches further.
    """
    height, width = (n * scale for n in plane)
    computed, padding = tile.with_halo(halo, height, width)
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
    )
