"""Minimal filtering: a layer's filters in fewer products, four rows of its result at a time.

Four results of a filter of five taps take 20 products as they stand, and 8 by an algorithm of
Toom and Cook, which Winograd proved minimal: both sides are polynomials, which are evaluated at
eight points, multiplied there, and interpolated. It is used along y alone. In both directions it
would take fewer products still, and lose more by moving memory than it gains (measured).

References
----------
.. [1] S. Winograd, "Arithmetic Complexity of Computations", SIAM, 1980.
.. [2] A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional as F

# Rows of the result that are computed together.
ROWS = 4
# Where the polynomials are evaluated, besides infinity, by a filter's taps; the smaller the points,
# the less is lost by rounding. The second has to be 1: see the bias below. For filters of three
# taps, which halve their products, moving memory takes what is gained (measured).
POINTS: dict[int, tuple[Fraction, ...]] = {
    5: tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2"))),
}
# Bytes of the transformed rows that are in work at a time: what is written is soon read again,
# from a cache if it is not too much; and a convolution of a few rows is slow.
STRIP_BYTES = 24 << 20

_Matrix = list[list[Fraction]]


def minimal_matrices(taps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the matrices of the minimal algorithm for `ROWS` results of a filter.

    Parameters
    ----------
    taps : int
        Of the filter: a key of `POINTS`.

    Returns
    -------
    before, weights, after : Tensor of float64, shapes (n, n), (n, taps) and (ROWS, n)
        With n = ROWS + taps - 1, a filter g and n values d: ``after @ ((weights @ g) * (before @
        d))`` are the `ROWS` sums of products of g with each window of d.
    """
    points = POINTS[taps]
    after, weights = _evaluated(points, ROWS), _evaluated(points, taps)
    before = [list(row) for row in zip(*_inverse(_evaluated(points, len(points) + 1)), strict=True)]
    for number, row in enumerate(before):
        # The values stay as large as they are, whatever the point.
        largest = max(abs(value) for value in row)
        before[number] = [value / largest for value in row]
        weights[number] = [value * largest for value in weights[number]]
    transposed = [list(column) for column in zip(*after, strict=True)]
    return _tensor(before), _tensor(weights), _tensor(transposed)


def _evaluated(points: Sequence[Fraction], count: int) -> _Matrix:
    """Return what evaluates a polynomial of so many coefficients at points and at infinity."""
    rows = [[point**power for power in range(count)] for point in points]
    return [*rows, [Fraction(power == count - 1) for power in range(count)]]


def _inverse(matrix: _Matrix) -> _Matrix:
    """Return a matrix's inverse, exactly, by Gauss and Jordan."""
    size = len(matrix)
    rows = [[*row, *(Fraction(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = next(k for k in range(i, size) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(size):
            if k != i and rows[k][i]:
                factor = rows[k][i]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [row[size:] for row in rows]


def _tensor(matrix: _Matrix) -> Tensor:
    return torch.tensor([[float(value) for value in row] for row in matrix], dtype=torch.float64)


class MinimalLayer:
    """A layer of square filters and its ReLU, by minimal filtering along y.

    Parameters
    ----------
    weight : Tensor, shape (O, C, k, k)
        With k a key of `POINTS`.
    bias : Tensor, shape (O,)

    Notes
    -----
    For 5 x 5 filters the results lie within 3e-6 of the largest one of a convolution in float64,
    where float32 itself lies within 1e-6.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.out, self.taps = weight.shape[0], weight.shape[-1]
        before, filters, after = minimal_matrices(self.taps)
        self._before, self._after = before.to(weight), after.to(weight)
        transformed = torch.einsum("ky,ocyx->kocx", filters, weight.double()).to(weight)
        self._weights = [
            one[:, :, None].contiguous(memory_format=torch.channels_last) for one in transformed
        ]
        # At the point 1 every result has the factor 1: what is added there is added to all.
        self._biases: list[Tensor | None] = [None] * len(self._weights)
        self._biases[1] = bias

    def __call__(self, x: Tensor) -> Tensor:
        """Return the layer's result.

        Parameters
        ----------
        x : Tensor, shape (B, C, H, W)

        Returns
        -------
        Tensor, shape (B, O, H - k + 1, W - k + 1)
            In channels_last order.
        """
        if len(x) > 1:
            return torch.cat([self(one) for one in torch.split(x, 1)])
        height, width, channels = x.shape[2], x.shape[3], x.shape[1]
        rows = height - self.taps + 1
        if beyond := -rows % ROWS:
            x = F.pad(x, (0, 0, 0, beyond))
        lines = x.permute(0, 2, 3, 1).contiguous().view(height + beyond, width * channels)
        across = width - self.taps + 1
        groups = (rows + beyond) // ROWS
        out = lines.new_empty(groups, ROWS, across * self.out)
        points = len(self._weights)
        step = max(STRIP_BYTES // (points * width * channels * x.element_size()), 1)
        step = -(-groups // -(-groups // step))
        seen = lines.new_empty(points * step * width * channels)
        made = lines.new_empty(points * step * across * self.out)
        for first in range(0, groups, step):
            count = min(step, groups - first)
            before = seen[: points * count * width * channels].view(points, count, -1)
            after = made[: points * count * across * self.out].view(points, count, -1)
            for n in range(count):
                top = (first + n) * ROWS
                torch.mm(self._before, lines[top : top + points], out=before[:, n])
            for k, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
                image = before[k].view(1, count, width, channels).permute(0, 3, 1, 2)
                part = F.conv2d(image, weight, bias)
                after[k].view(1, count, across, self.out).copy_(part.permute(0, 2, 3, 1))
            for n in range(count):
                torch.mm(self._after, after[:, n], out=out[first + n])
        result = out.relu_().view(1, -1, across, self.out)[:, :rows]
        return result.permute(0, 3, 1, 2)
