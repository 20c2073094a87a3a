"""The place that is watched while a network trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.photographs import Pair

# Pixels a side of it.
PATCH = 128


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patch:
    """A place that is not trained on, as the network's input, by bicubic, and in truth.

    Attributes
    ----------
    low : ndarray of float32, shape (y, x)
    bicubic, truth : ndarray of float32, shape (y * scale, x * scale)
        In network units.
    limits : tuple of two floats
        Black and white, to show them with.
    """

    low: NDArray[np.float32]
    bicubic: NDArray[np.float32]
    truth: NDArray[np.float32]
    limits: tuple[float, float]


def choose_patch(
    images: list[tuple[NDArray[np.float32], Pair]], network: SRCNNConfig
) -> tuple[Patch, Pair]:
    """Choose a place that shows much, of what is held out.

    Parameters
    ----------
    images : list of (ndarray, Pair)
        Each low-res plane of shape (y, x) with its enlarged and true ones.
    network : SRCNNConfig

    Returns
    -------
    Patch
    Pair
        The same place with the network's halo, to be looked at by a network.
    """
    low, pair = max(images, key=lambda image: float(image[1].shown.std()))
    scale, halo = network.scale, network.halo
    step = math.lcm(scale, 4)  # the fast form computes blocks of four
    reach = -(-halo // scale) * scale
    sides = [max(min(n - 2 * reach, PATCH) // step * step, scale) for n in pair.truth.shape[1:]]
    truth = pair.shown[0]
    best, where = -1.0, (reach, reach)
    for y in range(reach, truth.shape[0] - reach - sides[0] + 1, max(sides[0] // 2, 1)):
        for x in range(reach, truth.shape[1] - reach - sides[1] + 1, max(sides[1] // 2, 1)):
            spread = float(truth[y : y + sides[0], x : x + sides[1]].std())
            if spread > best:
                best, where = spread, (y // scale * scale, x // scale * scale)
    (y, x), (height, width) = where, sides
    inner = slice(y, y + height), slice(x, x + width)
    wide = slice(y - halo, y + height + halo), slice(x - halo, x + width + halo)
    low = low[y // scale : (y + height) // scale, x // scale : (x + width) // scale]
    shown = truth[inner]
    black, white = (float(v) for v in np.percentile(shown, (0.5, 99.8)))
    cut = Pair(enlarged=pair.enlarged[:, wide[0], wide[1]], truth=pair.truth[:, inner[0], inner[1]])
    return (
        Patch(
            low=low.astype(np.float32),
            bicubic=pair.enlarged[0][inner],
            truth=shown,
            limits=(black, white if white > black else black + 1),
        ),
        cut,
    )
