"""A result held to its source: made small again as it was recorded, it is the source once more.

One step of back-projection [1]_ does it. With the degradation D and bicubic enlargement U along one
axis, what the result R lacks of its source S is put back by K = U (D U)^-1: D (R + K (S - D R))
is S. D U is next to one pixel wide, so its inverse falls by a factor of ten every one to two source
pixels: what lies further away than `reach_of` is not felt, and a tile is what it is in the whole.

References
----------
.. [1] M. Irani, S. Peleg, "Improving resolution by image registration", CVGIP 53(3), 1991.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from napari_srcnn.image.resize import axis_weights, window_matrix
from napari_srcnn.microscope.degradation import Degradation

#: Standard deviations of the noise that a result may lie from its source. At 2 noise that was
#: taken off comes back (up to 0.3 dB), at 3 nothing is lost; docs/consistent.md has the figures.
WITHIN = 3.0
# Source pixels beyond which 1e-5 and less of what is put back lies.
_REACH = {"area": 7, "point": 7, "bicubic": 11}
# What a blur took is put back no more than 1 / (2 sqrt(this)) times: beyond that it is noise.
_DAMPING = 0.02
# Halvings of the span of a source pixel's values, until it is as short as rounding.
_HALVINGS = 40


def reach_of(degradation: Degradation, scale: int) -> int:
    """Return how many source pixels around a tile hold it to its source."""
    return _REACH[degradation.sampling] + math.ceil(4 * degradation.sigma / scale)


def is_exact(degradation: Degradation) -> bool:
    """Tell whether each source pixel is made of its own pixels of the result alone."""
    return degradation.sampling != "bicubic" and not degradation.sigma


def hold(
    result: Tensor,
    source: Tensor,
    scale: int,
    degradation: Degradation,
    *,
    tolerance: tuple[Tensor, Tensor] | None = None,
    skip: Tensor | None = None,
    limits: tuple[float, float] | None = None,
) -> Tensor:
    """Return a result that, made small again, is its source to within the noise.

    Parameters
    ----------
    result : Tensor of float64, shape (B, S, h * scale, w * scale)
        Of less than the whole plane: right but for what `reach_of` says at cut edges.
    source : Tensor of float64, shape (B, S, h, w)
    scale : int
    degradation : Degradation
        Its noise is not looked at.
    tolerance : (Tensor, Tensor), optional
        How far below and above each source pixel the result may lie, as `within` says; by default
        the source is met exactly.
    skip : Tensor of bool, shape (B, S, h, w), optional
        Source pixels that nothing is held to.
    limits : (float, float), optional
        Between which values are stored. What lies beyond is shared out among the others of its
        source pixel, so that the intensity is kept all the same.

    Returns
    -------
    Tensor
        Of the result's shape.
    """
    rows, columns = source.shape[-2:]
    small_y, back_y = _matrices(rows, scale, degradation, result.device)
    small_x, back_x = _matrices(columns, scale, degradation, result.device)
    small = small_y @ result @ small_x.T
    result = result + back_y @ _lacking(source, small, tolerance, skip) @ back_x.T
    if not is_exact(degradation):
        return result
    small = small_y @ result @ small_x.T
    # What the matrices were cut off for: next to nothing, shared evenly.
    rest = _lacking(source, small, tolerance, skip)
    result = result + rest.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
    return result if limits is None else _stored(result, scale, *limits)


def within(source: Tensor, gain: Tensor, read: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far below and above each source pixel a result may lie for the noise.

    Parameters
    ----------
    source : Tensor of float64, shape (B, S, h, w)
    gain, read, offset : Tensor
        Of the noise, to be taken with the source.
    """
    light = source - offset
    below = WITHIN * (gain * light.clamp_min(0) + read.square()).sqrt()
    # A pixel that is dark by chance has the noise of its brighter true value, t above it, where
    # t = WITHIN sqrt(gain (light + t) + read^2).
    half = WITHIN**2 * gain / 2
    square = half.square() + WITHIN**2 * (gain * light + read.square())
    above = half + square.clamp_min(0).sqrt()
    return below, torch.where(light + WITHIN * read > 0, above, WITHIN * read)


def _lacking(
    source: Tensor,
    small: Tensor,
    tolerance: tuple[Tensor, Tensor] | None,
    skip: Tensor | None,
) -> Tensor:
    """Return what is to be put back on the source's grid."""
    lacking = source - small
    if tolerance is not None:
        below, above = tolerance
        lacking = lacking - lacking.clamp(-above, below)
    return lacking if skip is None else lacking.masked_fill(skip, 0.0)


def _stored(result: Tensor, scale: int, low: float, high: float) -> Tensor:
    """Bring values between limits and keep the mean of each source pixel's, where it lies there."""
    rows, columns = (n // scale for n in result.shape[-2:])
    shape = (*result.shape[:-2], rows, scale, columns, scale)
    cells = result.reshape(shape).movedim(-3, -2).flatten(-2).clone()
    outside = ((cells < low) | (cells > high)).any(-1)
    if not bool(outside.any()):
        return result
    values = cells[outside]
    mean = values.mean(-1, keepdim=True).clamp(low, high)
    # Moved by so much they are all below the mean, or all above it: it is met in between.
    below = mean - values.amax(-1, keepdim=True)
    above = mean - values.amin(-1, keepdim=True)
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        is_low = (values + middle).clamp(low, high).mean(-1, keepdim=True) < mean
        below, above = torch.where(is_low, middle, below), torch.where(is_low, above, middle)
    cells[outside] = (values + above).clamp(low, high)
    return cells.view(*cells.shape[:-1], scale, scale).movedim(-2, -3).reshape(result.shape)


@lru_cache(maxsize=32)
def _matrices(
    length: int, scale: int, degradation: Degradation, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return what makes an axis of the result small, and what puts back what it lacks.

    Parameters
    ----------
    length : int
        Source pixels. Beyond both ends lies the mirror image, as beyond the image's border.
    """
    pixels = length * scale
    _, _, enlarge = window_matrix(length, scale, 0, pixels)
    if degradation.sampling == "bicubic":
        small = axis_weights(pixels, 1 / scale, 0, length).dense(0, pixels)
    else:
        # As in `Degradation`: a pixel's area, or its middle.
        inside = np.zeros(scale)
        all_of_it = degradation.sampling == "area"
        inside[slice(None) if all_of_it else slice((scale - 1) // 2, scale // 2 + 1)] = 1
        small = np.kron(np.eye(length), inside / inside.sum())
    if degradation.sigma:
        small = gaussian_filter1d(small, degradation.sigma, axis=1, mode="reflect")
    both = small @ enlarge
    if degradation.sigma:
        damped = both @ both.T + _DAMPING * np.eye(length)
        back = enlarge @ both.T @ np.linalg.inv(damped)
    else:
        back = enlarge @ np.linalg.inv(both)
    return torch.tensor(small, device=device), torch.tensor(back, device=device)
