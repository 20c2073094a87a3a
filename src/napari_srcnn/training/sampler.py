"""Batches of crops, drawn of blocks: noise, bicubic, flips and rotations, each time anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.resize import axis_weights, mean_weights
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.dataset import Dataset
from napari_srcnn.training.field import context
from napari_srcnn.training.photographs import varied


class BlockSampler:
    """Draw batches of crops from blocks: noise, bicubic, flips and rotations, each time anew.

    Parameters
    ----------
    acquisition : Dataset
    crop : int
        Pixels a side of the truth, a multiple of the scale.
    network : SRCNNConfig
    gain : tuple of two floats, optional
        Range of a random gain of 70 % of the crops; an offset keeps them within 0..1.
    turn : bool
        Whether crops are rotated and mirrored.

    Raises
    ------
    ValueError
        If no block is large enough.
    """

    def __init__(
        self,
        acquisition: Dataset,
        *,
        crop: int,
        network: SRCNNConfig,
        gain: tuple[float, float] | None = None,
        turn: bool = True,
    ) -> None:
        scale = acquisition.scale
        if crop % scale:
            raise ValueError(f"A patch of {crop} pixels is no multiple of {scale}, the scale.")
        self._data, self._gain, self._turn = acquisition, gain, turn
        self._noise = network.noise
        self._crop, self._halo, self._scale = crop, network.halo, scale
        # A window reaches beyond the halo, so that no pixel is interpolated from beyond its edge.
        self._context = context(network)
        self._side = crop // scale + 2 * self._context
        self._blocks = [b for b in acquisition.training if min(b.low.shape) >= self._side]
        if not self._blocks:
            largest = max((min(b.high.shape) for b in acquisition.training), default=0)
            raise ValueError(
                f"A patch of {crop} pixels needs {self._side * scale} pixels a side with what the "
                f"network sees around it, and there are {largest} at most to train on; draw "
                "larger rectangles, take larger images, or choose a smaller patch."
            )
        areas = np.array([b.low.size for b in self._blocks], dtype=np.float64)
        self._weights = areas / areas.sum()
        n = self._side
        self._matrix = axis_weights(n, scale, 0, n * scale, a=network.a).dense(0, n)
        self._mean_matrix = mean_weights(n, scale, 0, n * scale).dense(0, n)

    def batch(
        self, rng: np.random.Generator, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs (B, planes, crop + 2 halo, same) and truths (B, 1, crop, crop)."""
        crops = [self._draw(rng) for _ in range(size)]
        enlarged, truth = zip(*crops, strict=True)
        return np.stack(enlarged), np.stack(truth)[:, None]

    def _draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        block = self._blocks[rng.choice(len(self._blocks), p=self._weights)]
        y, x = (int(rng.integers(n - self._side + 1)) for n in block.low.shape)
        known = self._data.ranges[block.key]
        rows, columns = (slice(n, n + self._side) for n in (y, x))
        wide = (slice(n * self._scale, (n + self._side) * self._scale) for n in (y, x))
        drawn = self._data.draw(block.low[rows, columns], block.high[tuple(wide)], block.key, rng)
        low = known.normalize(drawn.low)
        start = self._context * self._scale
        used = slice(start - self._halo, start + self._crop + self._halo)
        matrix = self._matrix[used]
        planes = [matrix @ low @ matrix.T]
        if self._noise:
            mean = self._mean_matrix[used]
            planes.append(drawn.told.sigma(mean @ drawn.low @ mean.T) * known.gain)
        middle = slice(start, start + self._crop)
        truth = known.normalize(drawn.high[middle, middle])
        enlarged, truth = varied(
            rng, np.stack(planes), truth, gain=self._gain, turn=self._turn, noise=self._noise
        )
        return enlarged.astype(np.float32), truth.astype(np.float32)
