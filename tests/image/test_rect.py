"""Tiles cover a plane once, and know what lies around them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_srcnn.image.rect import Padding, Tile, tile_grid


@pytest.mark.parametrize("size", [16, 33, 100])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 70), (100, 16), (101, 99)])
def test_a_grid_covers_every_pixel_once(height: int, width: int, size: int) -> None:
    covered = np.zeros((height, width), int)
    for tile in tile_grid(height, width, size):
        assert 1 <= tile.height <= size
        assert 1 <= tile.width <= size
        covered[tile.slices] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("halo", [0, 6, 50])
def test_the_halo_is_cut_at_the_true_border_and_nowhere_else(halo: int) -> None:
    height, width = 60, 45
    for tile in tile_grid(height, width, 16):
        computed, padding = tile.with_halo(halo, height, width)
        assert 0 <= computed.y0 <= tile.y0 < tile.y1 <= computed.y1 <= height
        assert 0 <= computed.x0 <= tile.x0 < tile.x1 <= computed.x1 <= width
        assert computed.height + padding.top + padding.bottom == tile.height + 2 * halo
        assert computed.width + padding.left + padding.right == tile.width + 2 * halo
        assert (padding.top > 0) == (tile.y0 < halo)
        assert (padding.right > 0) == (tile.x1 + halo > width)


def test_padding_is_false_where_there_is_none() -> None:
    assert not Padding(top=0, bottom=0, left=0, right=0)
    assert Padding(top=0, bottom=0, left=1, right=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 8), (7, 12)])
def test_halves_of_a_tile_cover_it_once(shape: tuple[int, int]) -> None:
    height, width = shape
    tile = Tile(y0=5, y1=5 + height, x0=3, x1=3 + width)
    covered = np.zeros((5 + height, 3 + width), int)
    for part in tile.split():
        assert part.height <= (height + 1) // 2
        assert part.width <= (width + 1) // 2
        covered[part.slices] += 1
    assert covered.sum() == height * width
    assert (covered[tile.slices] == 1).all()
