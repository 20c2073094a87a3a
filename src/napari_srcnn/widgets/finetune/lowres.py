"""The look at a low-res image, as a layer right of the image that it was made of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.transform import Transform, shear_matrix
from napari_srcnn.widgets.shared.display import kept_selection
from napari_srcnn.widgets.shared.geometry import geometry_of
from napari_srcnn.widgets.shared.layers import LOW_RES, METADATA_KEY

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.widgets.finetune.tasks import Degraded

# Where it begins, in widths of what is shown: beside the image, with a little room.
_ASIDE = 1.03


class LowResPreview:
    """The one preview layer there is at a time."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Image | None = None

    def show(self, message: Degraded, high: Image, scale: int) -> None:
        """Show a low-res image right of the image, as large as what it shows."""
        self.remove()
        # The centre of the first low-res pixel, in pixels of the image.
        middle = (scale - 1) / 2
        first = np.array(message.origin) + middle
        first[1] += _ASIDE * message.image.shape[1] * scale
        looks: dict[str, Any] = {}
        if not high.rgb:
            looks = {"colormap": high.colormap.name, "contrast_limits": high.contrast_limits}
        with kept_selection(self._viewer):
            self._layer = self._viewer.add_image(
                message.image,
                name=f"Low-res of {high.name}",
                rgb=high.rgb,
                metadata={METADATA_KEY: {"preview": LOW_RES, "scale": scale}},
                **_placed(in_plane(geometry_of(high)), first, scale).as_arguments(),
                **looks,
            )
        self._viewer.reset_view()

    def remove(self) -> bool:
        """Remove it, and tell whether it was there."""
        is_there = self._layer is not None and self._layer in self._viewer.layers
        if is_there:
            self._viewer.layers.remove(self._layer)
        self._layer = None
        return is_there


def in_plane(transform: Transform) -> Transform:
    """Return where the planes of a stack lie, by their Y and X alone."""
    return Transform(
        scale=transform.scale[-2:],
        translate=transform.translate[-2:],
        rotate=transform.rotate[-2:, -2:],
        shear=shear_matrix(transform.shear, len(transform.scale))[-2:, -2:],
        affine=transform.affine[-3:, -3:],
        units=transform.units[-2:],
        axis_labels=transform.axis_labels[-2:],
    )


def _placed(transform: Transform, first: Any, scale: int) -> Transform:
    """Return where an image of larger pixels lies whose first one's centre is at `first`."""
    return replace(
        transform,
        scale=transform.scale * scale,
        translate=transform.translate + transform.linear @ first,
    )
