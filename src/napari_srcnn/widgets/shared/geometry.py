"""Where a layer lies in the world, and where an enlargement of it lies: exactly over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Image
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry:
    """A layer's transform, as napari composes it: affine · (rotate · shear · scale + translate).

    Attributes
    ----------
    scale, translate : ndarray, shape (N,)
        In the layer's units; N axes, colour samples not among them.
    rotate, affine : ndarray, shapes (N, N), (N + 1, N + 1)
    shear : ndarray, shape (N, N) or (N * (N - 1) / 2,)
        A triangular matrix, or what stands above its diagonal.
    units : tuple of pint.Unit
    axis_labels : tuple of str
    """

    scale: NDArray[np.float64]
    translate: NDArray[np.float64]
    rotate: NDArray[np.float64]
    shear: NDArray[np.float64]
    affine: NDArray[np.float64]
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    @property
    def linear(self) -> NDArray[np.float64]:
        """The matrix (N, N) from data to the layer's physical axes, without its `affine`."""
        return self.rotate @ shear_matrix(self.shear, len(self.scale)) @ np.diag(self.scale)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The matrix (N + 1, N + 1) from data to world coordinates."""
        inner = np.eye(len(self.scale) + 1)
        inner[:-1, :-1] = self.linear
        inner[:-1, -1] = self.translate
        return self.affine @ inner

    def enlarged(self, factor: int, origin: Sequence[int] | None = None) -> Geometry:
        """Return where an image lies that has `factor` times as many pixels along Y and X.

        Parameters
        ----------
        factor : int
        origin : sequence of int, optional
            Index, in pixels of the enlargement, of the first one that is shown; 0 by default.

        Returns
        -------
        Geometry
            Pixels cover the same ground: the centre of the first one moves by (new - old) / 2 of a
            pixel along the image's own axes, wherever those point.
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


def shear_matrix(shear: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    """Return a shear as a matrix (ndim, ndim)."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = shear
    return matrix


def enlarged_plane(
    plane: Mapping[str, Any], factor: int, origin: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return where a plane through a volume lies in the pixels of its enlargement.

    Parameters
    ----------
    plane : mapping
        napari's ``position`` and ``normal``, each of the last three axes, and a ``thickness`` where
        it is a slab.
    factor : int
    origin : sequence of int, optional
        Index, in pixels of the enlargement, of the first one that is shown.
    """
    growth = np.array([1.0, factor, factor])
    start = np.zeros(3)
    if origin is not None:
        shown = np.asarray(origin, np.float64)[-3:]
        start[3 - len(shown) :] = shown
    position = np.asarray(plane["position"], np.float64)
    normal = np.asarray(plane["normal"], np.float64) / growth
    length = float(np.linalg.norm(normal))
    moved = {
        **plane,
        "position": tuple(((position + 0.5) * growth - 0.5 - start).tolist()),
        "normal": tuple((normal / length).tolist()),
    }
    if "thickness" in plane:
        moved["thickness"] = plane["thickness"] / length
    return moved


def geometry_of(layer: Image) -> Geometry:
    """Return where a layer lies; of a multiscale layer, its full resolution."""
    return Geometry(
        scale=np.array(layer.scale, np.float64),
        translate=np.array(layer.translate, np.float64),
        rotate=np.array(layer.rotate, np.float64),
        shear=np.array(layer.shear, np.float64),
        affine=np.array(layer.affine.affine_matrix, np.float64),
        units=tuple(layer.units),
        axis_labels=tuple(layer.axis_labels),
    )
