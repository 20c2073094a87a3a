"""Where a layer lies in the world; the rules stand in `image.transform`, for layers and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_srcnn.image.transform import Transform

if TYPE_CHECKING:
    from napari.layers import Image


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
