"""Bicubic in double precision, of a window of an image or of parts of it.

It is a matrix product along each axis, of a matrix with four values a row. A processor takes it in
blocks along the diagonal: their products grow with the pixels, and those of the whole matrix with
the pixels times the side of the window. A GPU is faster with the whole at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from napari_srcnn.image.resize import window_matrix

# Rows of the matrix in a block: with fewer there are too many products, with more too many zeros.
_ROWS = 52


@dataclass(frozen=True, slots=True)
class BicubicMatrix:
    """Bicubic along one axis.

    Attributes
    ----------
    dense : Tensor of float64, shape (N, n)
        As :func:`~napari_srcnn.image.resize.window_matrix` makes it.
    firsts, lasts : tuple of int
        For each row: no row from it on has values before the first, no row up to it after the last.
    """

    dense: Tensor
    firsts: tuple[int, ...]
    lasts: tuple[int, ...]

    def blocks(self, part: slice) -> Iterator[tuple[slice, slice, Tensor]]:
        """Yield a part of the rows in blocks: where in the part, of which columns, the values."""
        start, stop, _ = part.indices(len(self.firsts))
        for top in range(start, stop, _ROWS):
            end = min(top + _ROWS, stop)
            columns = slice(self.firsts[top], self.lasts[end - 1] + 1)
            yield slice(top - start, end - start), columns, self.dense[top:end, columns]


@lru_cache(maxsize=32)
def bicubic_matrix(
    device: torch.device, length: int, scale: int, start: int, stop: int, a: float
) -> BicubicMatrix:
    """Return a window's bicubic on a device, where a row of tiles uses it again.

    Parameters
    ----------
    device : torch.device
    length, scale, start, stop, a
        As of :func:`~napari_srcnn.image.resize.window_matrix`.

    Returns
    -------
    BicubicMatrix
    """
    matrix = window_matrix(length, scale, start, stop, a)[2]
    used = matrix != 0
    firsts = np.minimum.accumulate(used.argmax(1)[::-1])[::-1]
    lasts = np.maximum.accumulate(matrix.shape[1] - 1 - used[:, ::-1].argmax(1))
    return BicubicMatrix(
        torch.tensor(matrix, device=device), tuple(firsts.tolist()), tuple(lasts.tolist())
    )


@dataclass(frozen=True, slots=True)
class Enlarging:
    """A window of an image, to be enlarged by bicubic, or parts of it.

    Attributes
    ----------
    x : Tensor of float64, shape (B, S, h, w)
    rows, columns : BicubicMatrix
    """

    x: Tensor
    rows: BicubicMatrix
    columns: BicubicMatrix

    def part(self, rows: slice, columns: slice) -> Tensor:
        """Return a part of the enlarged image, which has shape (B, S, H, W)."""
        if self.x.device.type != "cpu":
            return self.rows.dense[rows] @ self.x @ self.columns.dense[columns].T
        height, width = (
            len(range(*part.indices(len(matrix.dense))))
            for part, matrix in ((rows, self.rows), (columns, self.columns))
        )
        batch, samples, low, _ = self.x.shape
        lines = self.x.reshape(-1, self.x.shape[3])
        wide = lines.new_empty(len(lines), width)
        for where, read, values in self.columns.blocks(columns):
            torch.mm(lines[:, read], values.T, out=wide[:, where])
        out = wide.new_empty(batch * samples, height, width)
        planes = wide.view(-1, low, width)
        for where, read, values in self.rows.blocks(rows):
            for plane, made in zip(planes, out, strict=True):
                torch.mm(values, plane[read], out=made[where])
        return out.view(batch, samples, height, width)

    def touched(self, pixels: Tensor) -> Tensor:
        """Return what is above zero where the enlarged image is made of some of its pixels.

        Parameters
        ----------
        pixels : Tensor of bool, shape (B, S, h, w)

        Returns
        -------
        Tensor of float64, shape (B, S, H, W)
        """
        rows, columns = ((matrix.dense != 0).double() for matrix in (self.rows, self.columns))
        return rows @ pixels.double() @ columns.T
