"""The first layer's filters as a picture: what the network looks for in an image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_srcnn.network.model import SRCNN


def filter_mosaic(model: SRCNN, *, zoom: int = 8) -> NDArray[np.uint8]:
    """Arrange a network's first-layer filters in a square, the strongest first.

    Parameters
    ----------
    model : SRCNN
    zoom : int
        Pixels a side of each weight.

    Returns
    -------
    ndarray of uint8, shape (Y, X), or (Y, X, 3) for a network of three channels
        Each filter by itself stretched to 0..255 about 128, which is a weight of zero; filters are
        sorted by their variance, as in figure 5 of the paper.

    References
    ----------
    .. [1] C. Dong et al., IEEE TPAMI 38(2), 2016, figure 5.
    """
    weights = model.conv1.weight.detach().double().cpu().numpy()
    order = np.argsort(-weights.var(axis=(1, 2, 3)), kind="stable")
    # (filters, rows, columns, channels)
    tiles = np.moveaxis(weights[order], 1, -1)
    largest = np.abs(tiles).max(axis=(1, 2, 3), keepdims=True)
    tiles = 127.5 + 127.5 * tiles / np.where(largest > 0, largest, 1)
    tiles = tiles.round().astype(np.uint8).repeat(zoom, axis=1).repeat(zoom, axis=2)
    count, side = len(tiles), tiles.shape[1]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    gap = max(zoom // 4, 1)
    step = side + gap
    mosaic = np.full((rows * step + gap, columns * step + gap, tiles.shape[-1]), 255, np.uint8)
    for number, tile in enumerate(tiles):
        y, x = (gap + step * n for n in divmod(number, columns))
        mosaic[y : y + side, x : x + side] = tile
    return mosaic[..., 0] if mosaic.shape[-1] == 1 else mosaic
