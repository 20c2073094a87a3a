"""Bicubic resampling equal to MATLAB's ``imresize``, of a whole image or of a window of it.

Every published super-resolution figure stands on MATLAB's kernel: cubic convolution with
a = -0.5, widened by 1/scale when an image shrinks, with symmetric extension at the border.

References
----------
.. [1] R. Keys, "Cubic convolution interpolation for digital image processing",
   IEEE Trans. ASSP 29(6), 1981.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# Values of a block that is worked on at a time.
_CACHED = 1 << 16
# Source samples that an enlarging cubic reaches on either side of the one it stands in.
BICUBIC_REACH = 2

Boundary = Literal["symmetric", "edge"]


def cubic(x: NDArray[np.float64], a: float = -0.5) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel at `x` (in pixels), 0 beyond two pixels."""
    x = np.abs(x)
    inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
    outer = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, inner, np.where(x <= 2, outer, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisWeights:
    """What each output sample along one axis is made of.

    Attributes
    ----------
    indices : ndarray of int64, shape (n, taps)
        Source samples that an output sample reads.
    weights : ndarray of float64, shape (n, taps)
        Their weights; each row sums to one.
    """

    indices: NDArray[np.int64]
    weights: NDArray[np.float64]

    def dense(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return the weights as a matrix (n, stop - start) on the source samples [start, stop)."""
        matrix = np.zeros((len(self.indices), stop - start))
        rows = np.arange(len(self.indices))[:, None]
        np.add.at(matrix, (rows, self.indices - start), self.weights)
        return matrix


def axis_weights(
    length: int,
    scale: float,
    start: int,
    stop: int,
    *,
    antialias: bool = True,
    a: float = -0.5,
    boundary: Boundary = "symmetric",
) -> AxisWeights:
    """Weights of the output samples [start, stop) along one axis.

    Parameters
    ----------
    length : int
        Samples of the whole source axis.
    scale : float
        Output samples per source sample.
    start, stop : int
        Output samples wanted, counted from the whole image's first.
    antialias : bool
        Widen the kernel by 1/scale when shrinking.
    a : float
        The cubic's free parameter.
    boundary : {"symmetric", "edge"}
        What lies beyond the border: the mirror image, or the border sample repeated.

    Returns
    -------
    AxisWeights
    """
    shrink = min(scale, 1.0) if antialias else 1.0
    width = 4.0 / shrink
    # MATLAB's continuous coordinate: the centres of pixel 0 are at (0 + 0.5) in both images.
    centre = (np.arange(start, stop) + 0.5) / scale - 0.5
    # One rounding rule for the first tap, or a centre on a sample boundary would move with it.
    left = np.floor(centre - width / 2 + 1e-9).astype(np.int64)
    taps = int(np.ceil(width)) + 2
    indices = left[:, None] + np.arange(taps)
    weights = shrink * cubic((centre[:, None] - indices) * shrink, a)
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.any(weights != 0, axis=0)
    indices, weights = indices[:, used], weights[:, used]
    if boundary == "edge":
        indices = indices.clip(0, length - 1)
    else:
        indices = np.mod(indices, 2 * length)
        indices = np.where(indices < length, indices, 2 * length - 1 - indices)
    return AxisWeights(indices=indices, weights=weights)


# The local mean that the noise's variance is taken at: a Gaussian of so many source pixels, cut at
# so many. Wide enough to hold the noise of the mean down, narrow enough to follow bright spots.
MEAN_SIGMA, MEAN_REACH = 1.5, 4


def mean_weights(length: int, scale: int, start: int, stop: int) -> AxisWeights:
    """Weights of the local mean at the output samples [start, stop) along one axis.

    Parameters
    ----------
    length, scale, start, stop : int
        As in :func:`window_matrix`.

    Returns
    -------
    AxisWeights
        A Gaussian of standard deviation `MEAN_SIGMA` source samples around each output sample, cut
        at `MEAN_REACH`; beyond the border lies the mirror image.
    """
    centre = (np.arange(start, stop) + 0.5) / scale - 0.5
    indices = np.floor(centre).astype(np.int64)[:, None] + np.arange(1 - MEAN_REACH, MEAN_REACH + 1)
    weights = np.exp(-0.5 * ((centre[:, None] - indices) / MEAN_SIGMA) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    indices = np.mod(indices, 2 * length)
    indices = np.where(indices < length, indices, 2 * length - 1 - indices)
    return AxisWeights(indices=indices, weights=weights)


def canonical_window(
    length: int, scale: int, start: int, stop: int, reach: int = BICUBIC_REACH + 1
) -> tuple[int, tuple[int, int, int, int]]:
    """Return the window of a shorter axis that has the same weights.

    All windows of one size that begin at the same phase and keep away from the border are one
    window, moved: its matrix is made once and not for each tile of a large image.

    Parameters
    ----------
    length, scale, start, stop : int
        As in :func:`window_matrix`.
    reach : int
        Source samples that the weights reach from where they stand, and one to spare.

    Returns
    -------
    moved : int
        Source samples between the two.
    window : tuple of int
        `length`, `scale`, `start` and `stop` of the canonical one.
    """
    moved = start // scale - reach
    end = -(-stop // scale) + reach
    if moved <= 0 or end > length:
        return 0, (length, scale, start, stop)
    return moved, (end - moved, scale, start - moved * scale, stop - moved * scale)


@lru_cache(maxsize=32)
def window_matrix(
    length: int, scale: int, start: int, stop: int, a: float = -0.5
) -> tuple[int, int, NDArray[np.float64]]:
    """Bicubic enlargement of a window along one axis, with the whole axis' phase and border.

    Parameters
    ----------
    length : int
        Samples of the whole source axis.
    scale : int
        Enlargement.
    start, stop : int
        Output samples wanted, within [0, length * scale).
    a : float
        The cubic's free parameter.

    Returns
    -------
    low, high : int
        The source samples [low, high) that are needed.
    matrix : ndarray of float64, shape (stop - start, high - low)
        ``matrix @ source[low:high]`` is the window. Read-only, since it is shared.
    """
    weights = axis_weights(length, scale, start, stop, a=a)
    low, high = int(weights.indices.min()), int(weights.indices.max()) + 1
    matrix = weights.dense(low, high)
    matrix.flags.writeable = False
    return low, high, matrix


@lru_cache(maxsize=32)
def mean_matrix(
    length: int, scale: int, start: int, stop: int
) -> tuple[int, int, NDArray[np.float64]]:
    """Local means of a window along one axis, on the high-res grid.

    Parameters
    ----------
    length, scale, start, stop : int
        As in :func:`window_matrix`.

    Returns
    -------
    low, high : int
        The source samples [low, high) that are needed.
    matrix : ndarray of float64, shape (stop - start, high - low)
        The weights of :func:`mean_weights`. Read-only, since it is shared.
    """
    weights = mean_weights(length, scale, start, stop)
    low, high = int(weights.indices.min()), int(weights.indices.max()) + 1
    matrix = weights.dense(low, high)
    matrix.flags.writeable = False
    return low, high, matrix


def _apply(image: NDArray[np.float64], weights: AxisWeights, axis: int) -> NDArray[np.float64]:
    """Resample one axis: tap by tap, so that no dense matrix of a large image is ever made.

    In blocks that stay in the cache: each is read and added to as often as there are taps.
    """
    shape = list(image.shape)
    shape[axis] = len(weights.indices)
    out = np.zeros(shape)
    width = int(np.prod(shape[1:]))
    rows = max(_CACHED // max(width, 1), 1)
    taps = range(weights.indices.shape[1])
    for top in range(0, shape[0], rows):
        part = slice(top, top + rows)
        for k in taps:
            if axis == 0:
                factors = weights.weights[part, k].reshape(-1, *[1] * (image.ndim - 1))
                seen = image[weights.indices[part, k]]
            else:
                factors = weights.weights[:, k].reshape(-1, *[1] * (image.ndim - 2))
                seen = image[part].take(weights.indices[:, k], axis=1)
            seen *= factors
            out[part] += seen
    return out


def imresize(
    image: NDArray[Any],
    *,
    scale: float | None = None,
    shape: Sequence[int] | None = None,
    antialias: bool = True,
    a: float = -0.5,
    boundary: Boundary = "symmetric",
) -> NDArray[Any]:
    """Resize like MATLAB's ``imresize(image, scale, 'bicubic')``.

    Parameters
    ----------
    image : ndarray, shape (Y, X) or (Y, X, S)
        An image of uint8 is rounded and clipped to 8 bits after each of the two passes, as MATLAB
        does; everything else is computed and returned in float64.
    scale : float, optional
        Output pixels per input pixel; the output's shape is ``ceil(scale * shape)``.
    shape : sequence of two ints, optional
        Output (Y, X) instead of `scale`.
    antialias : bool
        Widen the kernel when shrinking.
    a : float
        The cubic's free parameter: -0.5 is MATLAB's, -0.75 is torch's and OpenCV's.
    boundary : {"symmetric", "edge"}
        What lies beyond the border.

    Returns
    -------
    ndarray, shape (Y', X') or (Y', X', S)
        uint8 for uint8, else float64.

    Raises
    ------
    ValueError
        If not exactly one of `scale` and `shape` is given, or the image has no pixels.
    """
    image = np.asarray(image)
    if (scale is None) == (shape is None):
        raise ValueError("imresize takes either scale or shape, and one of them has to be given.")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"imresize takes an image of shape (Y, X) or (Y, X, S) with pixels, not {image.shape}."
        )
    if shape is None:
        factor = float(scale)  # type: ignore[arg-type]  # one of the two is given, checked above
        # 1e-9: 0.1 * 30 must be 3 and not ceil(3.0000000000000004).
        shape = [int(np.ceil(n * factor - 1e-9)) for n in image.shape[:2]]
        factors = [factor, factor]
    else:
        factors = [out / n for out, n in zip(shape, image.shape[:2], strict=True)]
    as_uint8 = image.dtype == np.uint8
    result = image.astype(np.float64)
    # MATLAB starts with the axis that shrinks most (ties: the first axis).
    for axis in sorted((0, 1), key=lambda i: factors[i]):
        weights = axis_weights(
            image.shape[axis],
            factors[axis],
            0,
            shape[axis],
            antialias=antialias,
            a=a,
            boundary=boundary,
        )
        result = _apply(result, weights, axis)
        if as_uint8:
            # MATLAB rounds half away from zero; values are not negative after the clip.
            result = np.floor(result.clip(0, 255) + 0.5)
    return result.astype(np.uint8) if as_uint8 else result
