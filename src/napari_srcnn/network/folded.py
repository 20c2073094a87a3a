"""A network of 1 x 1 in the middle, straight from low-res pixels: bicubic is part of layer 1.

Bicubic is a filter of four taps that repeats itself every low-res pixel, so layer 1 after it is one
filter for each place of a high-res pixel in a low-res one. The 9 x 9 high-res pixels that layer 1
sees come of 8 x 8 low-res ones at x2, of 7 x 7 at x3 and of 6 x 6 at x4: 64, 49 and 36 products in
place of 81, and none for bicubic. All places together are one matrix product. They are counted from
between two low-res pixels where the scale is even: there all of them see the same low-res pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.image.resize import axis_weights
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.fast import BLOCK, arranged_last
from napari_srcnn.network.linear import linear_relu
from napari_srcnn.network.model import SRCNN, _bias

# Of which layer 1's maps are made and used up at a time, so that they stay in a cache.
STRIP_BYTES = 1 << 20
# Rows of a matrix product that it takes to be fast: at x4, where a row is longest, more than that.
STRIP_CELLS = 512
# High-res pixels from the border on, from where bicubic reads no more than one pixel beyond it.
_BEYOND = 2
# Far from any border: enough source samples for the bicubic of a filter's reach.
_FAR = 32


@dataclass(frozen=True, slots=True)
class Cells:
    """Which cells of high-res pixels a part of the result is made of, along one axis.

    A cell is as many pixels as the scale; its low-res pixels begin `before` the one that it is
    numbered by.

    Attributes
    ----------
    first, count : int
        Cells.
    skip, size : int
        Where the part lies in what they give, in pixels.
    """

    first: int
    count: int
    skip: int
    size: int


class FoldedCorrection:
    """A network's convolutions, computed from low-res pixels; for all but a frame at the border.

    Parameters
    ----------
    model : SRCNN
        Of one channel, 1 x 1 in the middle and 5 x 5 at the end; see :meth:`fits`.

    Attributes
    ----------
    taps, before : int
        Low-res pixels that a cell sees, and how many of them lie before the one it is numbered by.
    frame : int
        High-res pixels at the image's border that are none of its business: there the network sees
        the enlarged image's border pixels repeated. What it needs of the source for the others is
        the image and at most one pixel more on each side.
    """

    def __init__(self, model: SRCNN) -> None:
        config = model.config
        self.config, self.scale = config, config.scale
        self._shift = 0 if config.scale % 2 else config.scale // 2
        self._margin = (config.kernels[2] - 1) // 2
        self._weight = self._first(model)
        self._bias1 = _bias(model.conv1).detach().float().repeat(self.scale**2)
        self._weight2 = model.conv2.weight.detach().float().flatten(1).contiguous()
        self._bias2 = _bias(model.conv2).detach().float()
        self._weight3, self._bias3 = (part.detach().float() for part in arranged_last(model))
        if BLOCK % self.scale == 0:
            # On cells as they are: their pixels are channels.
            self._weight3 = _on_cells(self._weight3, self.scale)
        self.frame = -(-(config.halo + _BEYOND) // BLOCK) * BLOCK

    @staticmethod
    def fits(config: SRCNNConfig) -> bool:
        """Tell whether a network can be computed so."""
        return (
            config.channels == 1
            and config.padding == "valid"
            and config.kernels[1] == 1
            and config.kernels[2] == 5
        )

    def _first(self, model: SRCNN) -> Tensor:
        """Return layer 1 with bicubic in it, and set `taps` and `before`: (s * s * C, K)."""
        config, scale = self.config, self.scale
        half = config.kernels[0] // 2
        start = _FAR * scale + self._shift
        weights = axis_weights(2 * _FAR, scale, start - half, start + scale + half, a=config.a)
        matrix = weights.dense(0, 2 * _FAR)
        used = np.flatnonzero(matrix.any(axis=0))
        self.before, self.taps = _FAR - int(used[0]), int(used[-1] - used[0]) + 1
        rows = torch.from_numpy(matrix[:, used[0] : used[-1] + 1])
        # (pixel of the cell, tap of layer 1, low-res pixel)
        places = rows.unfold(0, config.kernels[0], 1).transpose(1, 2)
        filters = model.conv1.weight.detach().double()[:, 0]
        folded = torch.einsum("pai,qbj,cab->pqcij", places, places, filters)
        weight = folded.flatten(3).flatten(0, 2)
        if config.noise:
            # The noise at each pixel of the cell weighs in that pixel's features alone.
            told = model.noise.weight.detach().double()[:, 0, 0, 0]
            own = torch.eye(scale**2, dtype=torch.float64)[:, None, :] * told[:, None]
            weight = torch.cat([weight, own.flatten(0, 1)], 1)
        return weight.float().contiguous()

    def cells(self, start: int, stop: int) -> Cells:
        """Return the cells that the pixels [start, stop) of the result are made of."""
        scale, around = self.scale, self._margin
        first = (start - around - self._shift) // scale
        begin = first * scale + self._shift + around
        size = -(-(stop - begin) // BLOCK) * BLOCK
        return Cells(first, -(-(size + 2 * around) // scale), start - begin, stop - start)

    def pixels(self, cells: Cells) -> tuple[int, int]:
        """Return the high-res pixels [start, stop) of some cells."""
        start = cells.first * self.scale + self._shift
        return start, start + cells.count * self.scale

    def low(self, cells: Cells) -> tuple[int, int]:
        """Return the low-res pixels [start, stop) that some cells see."""
        start = cells.first - self.before
        return start, start + cells.count + self.taps - 1

    def __call__(self, low: Tensor, sigma: Tensor | None, rows: Cells, columns: Cells) -> Tensor:
        """Return what the convolutions give of a part.

        That is what a network with a skip adds to bicubic, and the image itself for one without.

        Parameters
        ----------
        low : Tensor of float32, shape (h, w)
            The image in the network's units, where :meth:`low` says.
        sigma : Tensor of float32 or None, shape (H, W)
            The noise in those units, where :meth:`pixels` says; for a network that is told.
        rows, columns : Cells
            Of the part.

        Returns
        -------
        Tensor of float32, shape (1, 1, ``rows.size``, ``columns.size``)
        """
        scale, taps = self.scale, self.taps
        height, width = rows.count, columns.count
        features = self._weight2.shape[0]
        windows = low.unfold(0, taps, 1).unfold(1, taps, 1)
        out = low.new_empty(height, width * scale**2, features)
        wide = self._weight.shape[0]
        step = max(STRIP_BYTES // (width * wide * low.element_size()), -(-STRIP_CELLS // width))
        seen = low.new_empty(min(step, height), width, self._weight.shape[1])
        for top in range(0, height, step):
            end = min(top + step, height)
            part = seen[: end - top]
            part[..., : taps**2].view(end - top, width, taps, taps).copy_(windows[top:end])
            if sigma is not None:
                told = sigma[top * scale : end * scale].view(end - top, scale, width, scale)
                part[..., taps**2 :].view(end - top, width, scale, scale).copy_(
                    told.transpose(1, 2)
                )
            maps = linear_relu(part.flatten(0, 1), self._weight, self._bias1)
            maps = linear_relu(maps.view(-1, self._weight2.shape[1]), self._weight2, self._bias2)
            out[top:end] = maps.view(end - top, -1, features)
        if BLOCK % scale == 0:
            stride = BLOCK // scale
            image = out.view(1, height, width, scale**2 * features).permute(0, 3, 1, 2)
        else:
            stride = BLOCK
            image = out.view(height, width, scale, scale, features).transpose(1, 2)
            image = image.reshape(1, height * scale, width * scale, features).permute(0, 3, 1, 2)
        blocks = F.conv2d(image, self._weight3, self._bias3, stride=stride)
        made = F.pixel_shuffle(blocks, BLOCK)
        y, x = (slice(part.skip, part.skip + part.size) for part in (rows, columns))
        return made[..., y, x]


def _on_cells(weight: Tensor, scale: int) -> Tensor:
    """Return filters of high-res pixels as those of cells, whose pixels are channels."""
    out, features, side, _ = weight.shape
    count = side // scale
    parted = weight.view(out, features, count, scale, count, scale)
    parted = parted.permute(0, 3, 5, 1, 2, 4).reshape(out, scale**2 * features, count, count)
    return parted.contiguous(memory_format=torch.channels_last)
