"""What stands before the network, as fixed convolutions: a kernel for each phase of the new grid.

Enlarging by an integer has that many phases along an axis: of each, the output pixels see the
source through one kernel. A convolution with all of them and a rearrangement of its channels is the
enlargement, which any program that runs networks can compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import from_numpy

from napari_srcnn.image.resize import (
    BICUBIC_REACH,
    MEAN_REACH,
    AxisWeights,
    axis_weights,
    mean_weights,
)
from napari_srcnn.network.standalone import UpscalingSRCNN

if TYPE_CHECKING:
    from napari_srcnn.network.config import SRCNNConfig
    from napari_srcnn.network.model import SRCNN


def phase_kernels(config: SRCNNConfig) -> dict[str, NDArray[np.float32]]:
    """Return the kernels of bicubic and, for a network that is told the noise, of the local mean.

    Parameters
    ----------
    config : SRCNNConfig

    Returns
    -------
    dict of str to ndarray of float32
        ``"bicubic"``, shape (channels · scale², 1, 5, 5), and ``"mean"``, shape (scale², 1, 9, 9):
        the phases in rows of the larger grid, as ``pixel_shuffle`` takes them.
    """
    scale = config.scale
    # Around the middle pixel of an axis that is long enough to have no border in reach.
    start, length = 8 * scale, 17
    cubic = axis_weights(length, scale, start, start + scale, a=config.a)
    kernels = {"bicubic": np.tile(_in_plane(cubic, BICUBIC_REACH), (config.channels, 1, 1, 1))}
    if config.noise:
        mean = mean_weights(length, scale, start, start + scale)
        kernels["mean"] = _in_plane(mean, MEAN_REACH)
    return kernels


def _in_plane(weights: AxisWeights, reach: int) -> NDArray[np.float32]:
    """Return an axis' weights as kernels of a plane, shape (phases², 1, taps, taps)."""
    rows = weights.dense(8 - reach, 8 + reach + 1)
    planes: NDArray[np.float64] = np.einsum("iy,jx->ijyx", rows, rows)
    return planes.reshape(-1, 1, *planes.shape[2:]).astype(np.float32)


def settings(config: SRCNNConfig) -> dict[str, Any]:
    """Return what :class:`UpscalingSRCNN` is made with, as JSON takes it."""
    return {
        "kernels": list(config.kernels),
        "widths": list(config.widths),
        "channels": config.channels,
        "scale": config.scale,
        "skip": config.skip,
        "padding": config.padding,
        "noise": config.noise,
        "taps": [2 * BICUBIC_REACH + 1, 2 * MEAN_REACH + 1],
    }


def standalone(model: SRCNN) -> UpscalingSRCNN:
    """Return a network that takes the low-res image, and the noise's plane where it is told it.

    Parameters
    ----------
    model : SRCNN

    Returns
    -------
    UpscalingSRCNN
        On the CPU, in float32, in evaluation mode.
    """
    alone = UpscalingSRCNN(**settings(model.config))
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    kernels = phase_kernels(model.config)
    alone.load_state_dict(
        state | {f"{name}.weight": from_numpy(kernel) for name, kernel in kernels.items()}
    )
    return alone.eval().requires_grad_(False)
