"""Where an image lies in the world, and where an enlargement of it lies: exactly over it.

One rule for layers and for files: new pixels cover the same ground as the old ones, so the centre
of the first one moves by half the difference of their sizes, along the image's own axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transform:
    """From pixels to the world, as in napari: affine · (rotate · shear · scale + translate).

    Attributes
    ----------
    scale, translate : ndarray, shape (N,)
        In the image's units; N axes, colour samples not among them. A negative scale mirrors.
    rotate, affine : ndarray, shapes (N, N), (N + 1, N + 1)
    shear : ndarray, shape (N, N) or (N * (N - 1) / 2,)
        A triangular matrix, or what stands above its diagonal.
    units : tuple
        Names or ``pint.Unit``s, one an axis.
    axis_labels : tuple of str
    """

    scale: NDArray[np.float64]
    translate: NDArray[np.float64]
    rotate: NDArray[np.float64]
    shear: NDArray[np.float64]
    affine: NDArray[np.float64]
    units: tuple[Any, ...] = ()
    axis_labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, scale: Sequence[float], saved: Mapping[str, Any] | None = None) -> Self:
        """Return the transform of an image of which some parts may not be known.

        Parameters
        ----------
        scale : sequence of float
            Pixel sizes.
        saved : mapping, optional
            ``translate``, ``rotate``, ``shear``, ``affine`` and the signs of ``scale``, as a layer
            has them; what is left out, or is of another number of axes, moves nothing.
        """
        ndim, saved = len(scale), saved or {}
        sizes = np.asarray(scale, np.float64)
        signs = _saved(saved.get("scale"), sizes)
        return cls(
            scale=np.copysign(sizes, signs),
            translate=_saved(saved.get("translate"), np.zeros(ndim)),
            rotate=_saved(saved.get("rotate"), np.eye(ndim)),
            shear=_saved(saved.get("shear"), np.zeros(ndim * (ndim - 1) // 2), np.eye(ndim)),
            affine=_saved(saved.get("affine"), np.eye(ndim + 1)),
        )

    @property
    def linear(self) -> NDArray[np.float64]:
        """The matrix (N, N) from pixels to the image's physical axes, without its `affine`."""
        return self.rotate @ shear_matrix(self.shear, len(self.scale)) @ np.diag(self.scale)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The matrix (N + 1, N + 1) from pixels to world coordinates."""
        inner = np.eye(len(self.scale) + 1)
        inner[:-1, :-1] = self.linear
        inner[:-1, -1] = self.translate
        return self.affine @ inner

    def enlarged(self, factor: float, origin: Sequence[int] | None = None) -> Self:
        """Return where an image lies that has `factor` times as many pixels along Y and X.

        Parameters
        ----------
        factor : float
        origin : sequence of int, optional
            Index, in pixels of the enlargement, of the first one that is shown; 0 by default.
        """
        growth = np.ones(len(self.scale))
        growth[-2:] = factor
        start = np.zeros(len(growth)) if origin is None else np.asarray(origin, np.float64)
        # Of the first shown pixel's centre, in pixels of the source.
        centre = (start + 0.5) / growth - 0.5
        return replace(
            self, scale=self.scale / growth, translate=self.translate + self.linear @ centre
        )

    def as_arguments(self) -> dict[str, Any]:
        """Return keyword arguments for ``viewer.add_image``."""
        names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        return {name: getattr(self, name) for name in names}


def enlarged_plane(plane: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Return where a plane that cuts a volume lies after its Y and X grew by `factor`.

    Parameters
    ----------
    plane : mapping
        Its ``position`` and ``normal`` (Z, Y, X) in pixels, as napari has them, and what else.
    factor : float
    """
    growth = np.array([1.0, factor, factor])
    normal = np.asarray(plane["normal"], np.float64) / growth
    return {
        **plane,
        "position": ((np.asarray(plane["position"], np.float64) + 0.5) * growth - 0.5).tolist(),
        "normal": (normal / np.linalg.norm(normal)).tolist(),
    }


def shear_matrix(shear: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    """Return a shear as a matrix (ndim, ndim)."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = shear
    return matrix


def _saved(value: ArrayLike | None, *defaults: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `value` where its shape is that of one of `defaults`, else the first of them."""
    if value is None:
        return defaults[0]
    given = np.asarray(value, np.float64)
    return given if given.shape in {default.shape for default in defaults} else defaults[0]
