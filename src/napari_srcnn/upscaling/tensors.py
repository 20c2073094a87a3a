"""Images as torch's tensors: from an array, of each slice's numbers, and to a dtype again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.image.intensity import IntensityRange, integer_limits
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.upscaling.checks import DTYPES

# The largest values that the network is shown, in its own units (of about 0..1).
LIMIT, HALF_LIMIT = 1e30, 64.0

_Known = TypeVar("_Known", IntensityRange, Noise)


def window(x: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Return a window of an image (B, S, H, W); where it reaches beyond, the border is repeated."""
    (y0, y1), (x0, x1), (height, width) = rows, columns, x.shape[-2:]
    beyond = max(-x0, 0), max(x1 - width, 0), max(-y0, 0), max(y1 - height, 0)
    part = x[..., max(y0, 0) : y1, max(x0, 0) : x1]
    return F.pad(part, beyond, mode="replicate") if any(beyond) else part


def variance(mean: Tensor, noises: Sequence[Sequence[Noise]]) -> Tensor:
    """Return the noise's variance where the image has a mean, shape (B, S, h, w)."""
    gain = of_each(noises, lambda one: one.gain, mean.device)
    read = of_each(noises, lambda one: one.read, mean.device)
    offset = of_each(noises, lambda one: one.offset, mean.device)
    return gain * (mean - offset).clamp_min(0) + read.square()


def of_each(
    rows: Sequence[Sequence[_Known]], number: Callable[[_Known], float], device: torch.device
) -> Tensor:
    """Return a number of each slice's ranges or noises, to be taken with (B, S, h, w)."""
    values = [[number(one) for one in row] for row in rows]
    return torch.tensor(values, dtype=torch.float64, device=device)[..., None, None]


def to_tensor(raw: NDArray[Any]) -> Tensor:
    """Wrap an array; torch takes neither other byte orders nor read-only memory."""
    native = raw.dtype.newbyteorder("=")
    return torch.from_numpy(np.require(raw, dtype=native, requirements=["C", "W", "O"]))


_TORCH_DTYPES = {np.dtype(name): getattr(torch, name) for name in DTYPES}


def cast(values: Tensor, dtype: np.dtype[Any]) -> tuple[Tensor, Tensor]:
    """Round, clip and cast on the device; return the values and how many were clipped."""
    target = _TORCH_DTYPES[dtype]
    if dtype.kind in "iu":
        low, high = integer_limits(dtype)
        values = values.round()
        least, most = values.aminmax()
        if bool((least >= low) & (most <= high)):
            return values.to(target), torch.zeros((), dtype=torch.int64)
        # NaN becomes the lower limit, and is counted by itself.
        inside = ((values >= low) & (values <= high)) | values.isnan()
        values = values.nan_to_num(nan=low).clamp(low, high)
    elif dtype.itemsize < 8:
        high = float(np.finfo(dtype).max)
        inside = (values.abs() <= high) | values.isnan()
        values = values.clamp(-high, high)
    else:
        return values, torch.zeros((), dtype=torch.int64)
    return values.to(target), inside.numel() - inside.count_nonzero()
