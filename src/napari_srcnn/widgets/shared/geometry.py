"""Where a layer lies in the world; the rules stand in `image.transform`, for layers and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.transform import Transform

if TYPE_CHECKING:
    from napari.layers import Image


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


def geometry_of(layer: Image) -> Transform:
    """Return where a layer lies; of a multiscale layer, its full resolution."""
    return Transform(
        scale=np.array(layer.scale, np.float64),
        translate=np.array(layer.translate, np.float64),
        rotate=np.array(layer.rotate, np.float64),
        shear=np.array(layer.shear, np.float64),
        affine=np.array(layer.affine.affine_matrix, np.float64),
        units=tuple(layer.units),
        axis_labels=tuple(layer.axis_labels),
    )
