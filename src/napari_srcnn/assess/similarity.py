"""Structural similarity, on one scale and on five, worked out in blocks that fit in the cache.

scikit-image's has one scale and walks over the whole plane some thirty times; the values are
the same.

References
----------
.. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
   visibility to structural similarity", IEEE TIP 13, 600-612 (2004).
.. [2] Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality
   assessment", Asilomar Conference on Signals, Systems and Computers (2003).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Of the five scales, the finest first [2]_.
_WEIGHTS = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333
_C1, _C2 = 0.01, 0.03
# A Gaussian window of 11 pixels [1]_.
_SIGMA, _REACH = 1.5, 5
#: Pixels a side below which there is no SSIM, and no MS-SSIM: the window on the coarsest scale.
LEAST_SSIM = 2 * _REACH + 1
LEAST_MS_SSIM = LEAST_SSIM * 2 ** (len(_WEIGHTS) - 1)
# Pixels that one matrix product filters, and columns that it takes at a time: so few that BLAS
# leaves it to the thread that asks. Blocks along X that fit in the cache together.
_BLOCK, _COLUMNS, _ACROSS = 22, 64, 24


def similarities(
    reference: NDArray[Any], image: NDArray[Any], data_range: float
) -> tuple[float, float]:
    """Return SSIM and MS-SSIM; the first is the latter's finest scale, with its luminance.

    Parameters
    ----------
    reference, image : ndarray, shape (Y, X)
        Of one shape.
    data_range : float

    Returns
    -------
    ssim : float
        Without the border of 5 pixels; NaN for images below 11 pixels a side.
    ms_ssim : float
        NaN for images below 176 pixels a side. As the authors' code [2]_: means of 2 x 2 pixels
        between scales, the luminance of the coarsest alone.
    """
    x, y = (np.asarray(one, dtype=np.float64) for one in (reference, image))
    if min(x.shape) < LEAST_SSIM:
        return math.nan, math.nan
    single, contrast = _means(x, y, data_range)
    if min(x.shape) < LEAST_MS_SSIM:
        return single, math.nan
    several = max(contrast, 0.0) ** _WEIGHTS[0]
    for weight in _WEIGHTS[1:]:
        x, y = _halved(x), _halved(y)
        whole, contrast = _means(x, y, data_range)
        value = whole if weight == _WEIGHTS[-1] else contrast
        # Below zero, structures are the inverse of each other; no power is defined.
        several *= max(value, 0.0) ** weight
    return single, several


def _means(x: Array, y: Array, data_range: float) -> tuple[float, float]:
    """Return the means of SSIM, and of its contrast and structure alone."""
    c1, c2 = (data_range * _C1) ** 2, (data_range * _C2) ** 2
    height, width = (n - 2 * _REACH for n in x.shape)
    # Near zero, squares lose none of the digits that their differences are made of.
    middle = float(x.mean())
    whole = contrast = 0.0
    for top in range(0, height, _BLOCK):
        rows = slice(top, min(top + _BLOCK, height) + 2 * _REACH)
        for left in range(0, width, _BLOCK * _ACROSS):
            columns = slice(left, min(left + _BLOCK * _ACROSS, width) + 2 * _REACH)
            a, b = x[rows, columns] - middle, y[rows, columns] - middle
            ma, mb, aa, bb, ab = _filtered(np.stack([a, b, a * a, b * b, a * b]))
            aa -= ma * ma
            bb -= mb * mb
            ab -= ma * mb
            structure = (2 * ab + c2) / (aa + bb + c2)
            ma += middle
            mb += middle
            contrast += float(structure.sum())
            structure *= (2 * ma * mb + c1) / (ma * ma + mb * mb + c1)
            whole += float(structure.sum())
    return whole / (height * width), contrast / (height * width)


def _filtered(images: Array) -> Array:
    """Filter images, shape (N, Y, X), where the window lies within; Y and X change places."""
    number, height, width = images.shape
    down = np.empty((number, height - 2 * _REACH, width))
    for at in _parts(width, _COLUMNS):
        np.matmul(
            _matrix(down.shape[1]),
            _split(images[..., at.start : at.stop], at.step),
            out=_split(down[..., at.start : at.stop], at.step),
        )
    across = down.swapaxes(1, 2)
    found = np.empty((number, width - 2 * _REACH, across.shape[2]))
    for at in _parts(found.shape[1], _BLOCK):
        seen = across[:, at.start : at.stop + 2 * _REACH]
        blocks = sliding_window_view(seen, at.step + 2 * _REACH, axis=1)[:, :: at.step]
        out = found[:, at.start : at.stop].reshape(number, -1, at.step, found.shape[2])
        np.matmul(_matrix(at.step), blocks.swapaxes(2, 3), out=out)
    return found


def _parts(length: int, size: int) -> list[range]:
    """Return a range in steps of `size`, and one in a single step of what is over."""
    over = length % size
    parts = range(0, length - over, size), range(length - over, length, over or 1)
    return [part for part in parts if part]


def _split(images: Array, columns: int) -> Array:
    """Return a view of images, shape (N, Y, X), as (N, X / columns, Y, columns)."""
    number, height, _ = images.shape
    return images.reshape(number, height, -1, columns).swapaxes(1, 2)


_MATRICES: dict[int, Array] = {}


def _matrix(length: int) -> Array:
    """Return the window as a matrix that makes `length` pixels of those around them."""
    if length not in _MATRICES:
        window = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / _SIGMA) ** 2)
        matrix = np.zeros((length, length + 2 * _REACH))
        for row in range(length):
            matrix[row, row : row + 2 * _REACH + 1] = window / window.sum()
        _MATRICES[length] = matrix
    return _MATRICES[length]


def _halved(image: Array) -> Array:
    """Return means of 2 x 2 pixels; beyond an odd border lies the last pixel again."""
    odd = [(0, n % 2) for n in image.shape]
    image = np.pad(image, odd, mode="edge") if any(n for _, n in odd) else image
    return np.asarray(
        (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
    )
