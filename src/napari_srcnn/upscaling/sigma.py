"""The noise that a network is told, as a plane beside the enlarged image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.image.resize import mean_matrix
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.upscaling.geometry import Geometry
from napari_srcnn.upscaling.tensors import LIMIT, of_each


@lru_cache(maxsize=32)
def _mean_matrix(device: torch.device, length: int, scale: int, start: int, stop: int) -> Tensor:
    """Return a window's matrix of local means on a device, as exact as a network's input."""
    matrix = mean_matrix(length, scale, start, stop)[2]
    return torch.tensor(matrix, device=device, dtype=torch.float32)


def told_sigma(
    x: Tensor,
    geometry: Geometry,
    ranges: Sequence[Sequence[IntensityRange]],
    noises: Sequence[Sequence[Noise]],
) -> Tensor:
    """Return the noise's standard deviation on the high-res grid, in network units.

    Its variance is taken at the local mean of the finite source pixels. What shot noise adds to it
    is proportional to the light, so it is that which is averaged, and in float32: the dark level,
    which may be large, is off by then.

    Parameters
    ----------
    x : Tensor of float64, shape (B, C, h, w)
        Source pixels of the geometry's window, without alpha.
    geometry : Geometry
        Made with noise.
    ranges, noises : sequence of B sequences
        One of each for each of the C samples, or for all.

    Returns
    -------
    Tensor of float32, shape (B, C, H, W)
        With the network's halo, as far as the image reaches.

    Raises
    ------
    ValueError
        If the geometry was not made with noise.
    """
    if geometry.mean_y is None or geometry.mean_x is None:
        raise ValueError("A network that is told the noise needs a geometry made with noise.")
    rows = _mean_matrix(x.device, *geometry.mean_y)
    columns = _mean_matrix(x.device, *geometry.mean_x)

    # Of luma there is one range for three colours.
    gain2 = of_each(ranges, lambda one: one.gain, x.device).square()
    shot = of_each(noises, lambda one: one.gain, x.device) * gain2
    read2 = of_each(noises, lambda one: one.read, x.device).square() * gain2
    light = x - of_each(noises, lambda one: one.offset, x.device)
    # A marker as -3e38 for "no data" would overflow; infinity times a weight of zero is NaN.
    variance = light.mul_(shot).clamp_(-LIMIT, LIMIT).float()
    finite = x.isfinite()
    if bool(finite.all()):
        variance = rows @ variance @ columns.T
    else:
        total = rows @ torch.where(finite, variance, 0.0) @ columns.T
        weight = rows @ finite.float() @ columns.T
        variance = total / weight.clamp_min(1e-30)
    return variance.clamp_min_(0).add_(read2.float()).sqrt_()
