"""A tile that was given to a device, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_srcnn.upscaling.misfit import NO_MISFIT, Misfit


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A tile that was computed.

    `span` is when the device was at work on it, in seconds by any clock that all tiles share.
    """

    values: Tensor
    clipped: Tensor
    nonfinite: Tensor
    spread: Tensor | None = None
    misfit: Misfit = NO_MISFIT
    span: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A tile's pixels, as they are stored.

    Attributes
    ----------
    values : ndarray, shape (B, S, H, W)
    clipped, nonfinite : int
        How many were set to the dtype's limit, and how many are not finite.
    spread : ndarray of float32 or None
        Of the same shape: a self-ensemble's standard deviation.
    misfit : Misfit
        Of a tile that was checked against its source.
    span : tuple of two floats
        From when to when the device was at work on it.
    """

    values: NDArray[Any]
    clipped: int
    nonfinite: int
    spread: NDArray[np.float32] | None
    misfit: Misfit
    span: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pending:
    """A tile that was given to the device; :meth:`result` waits for it."""

    wait: Callable[[], Done]

    def result(self) -> Result:
        """Return what was computed.

        Raises
        ------
        RuntimeError
            If the device ran out of memory (:func:`~napari_srcnn.network.device.is_out_of_memory`).
        """
        done = self.wait()
        return Result(
            values=done.values.numpy(),
            clipped=int(done.clipped),
            nonfinite=int(done.nonfinite),
            spread=None if done.spread is None else done.spread.cpu().numpy(),
            misfit=done.misfit,
            span=done.span,
        )
