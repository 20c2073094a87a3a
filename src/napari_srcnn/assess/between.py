"""How the pixels of two images lie to each other, by what their files or layers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.stack import Stack
from napari_srcnn.image.transform import Transform
from napari_srcnn.image.units import is_time, to_micrometers, to_seconds

#: Of a pixel size: what rounding in files makes of it.
ALIKE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Between:
    """From the pixels of one image to those of another.

    Attributes
    ----------
    matrix : ndarray, shape (N + 1, N + 1)
        Colour samples are no axis of it.
    is_known : tuple of bool
        Of each axis: whether both have a unit of one kind.
    """

    matrix: NDArray[np.float64]
    is_known: tuple[bool, ...]

    @classmethod
    def of(cls, one: Stack, other: Stack) -> Between:
        """Look at two images of the same number of axes."""
        axes = len(one.axes.removesuffix("S"))
        factors = [_factor(a, b) for a, b in zip(one.units[:axes], other.units[:axes], strict=True)]
        matrices = [
            Transform.of(stack.pixel_size[:axes], stack.metadata.get("layer")).matrix
            for stack in (one, other)
        ]
        convert = np.diag([*(factor or 1.0 for factor in factors), 1.0])
        try:
            matrix = np.linalg.inv(matrices[1]) @ convert @ matrices[0]
        except np.linalg.LinAlgError:
            # A pixel size of zero.
            return cls(matrix=np.eye(axes + 1), is_known=(False,) * axes)
        return cls(matrix=matrix, is_known=tuple(factor is not None for factor in factors))

    def ratio(self, axis: int) -> float:
        """Return how large a pixel of the one is, in pixels of the other."""
        return float(self.matrix[axis, axis])

    def offset(self, axis: int) -> float:
        """Return where the one begins, in pixels of the other from where that begins."""
        corner = np.full(len(self.matrix), -0.5)
        corner[-1] = 1.0
        return float((self.matrix @ corner)[axis] + 0.5)

    def is_turned(self, axes: Sequence[int]) -> bool:
        """Tell whether one lies turned, sheared or mirrored to the other in some axes."""
        inner = self.matrix[np.ix_(axes, axes)]
        sizes = np.diag(inner)
        rest = np.abs(inner - np.diag(sizes)).max()
        return bool((sizes <= 0).any() or rest > ALIKE * np.abs(sizes).max())


def _factor(unit: str, other: str) -> float | None:
    """Return what a number in a unit is multiplied by to be in another; None for no such thing."""
    if unit == other:
        return 1.0
    lengths = to_micrometers(1.0, unit), to_micrometers(1.0, other)
    if lengths[0] is not None and lengths[1] is not None:
        return lengths[0] / lengths[1]
    if is_time(unit) and is_time(other):
        return to_seconds(1.0, unit) / to_seconds(1.0, other)
    return None
