"""The preview layers: the network, bicubic and their difference, aligned over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_srcnn.widgets.shared.display import kept_selection
from napari_srcnn.widgets.shared.layers import METADATA_KEY, result_arguments

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.widgets.shared.messages import Previewed

# From the topmost down.
PREVIEWS = ("SRCNN", "bicubic", "difference")
# Black where nothing differs, so that several channels add up and a dark window stays dark.
DIVERGING = {
    "name": "SRCNN difference",
    "colors": [
        [0.35, 0.75, 1.0, 1],
        [0, 0.3, 0.6, 1],
        [0, 0, 0, 1],
        [0.7, 0.3, 0, 1],
        [1, 0.75, 0.35, 1],
    ],
}


class Previews(QObject):
    """The preview layers: three for each image, replaced at each preview."""

    def __init__(self, parent: QObject, viewer: ViewerModel) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: dict[str, list[Image]] = {kind: [] for kind in PREVIEWS}

    @property
    def is_shown(self) -> bool:
        """Whether there is a preview."""
        return any(layer in self._viewer.layers for one in self._layers.values() for layer in one)

    def remove(self) -> None:
        """Take the preview layers away."""
        for layers in self._layers.values():
            while layers:
                layer = layers.pop()
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)

    def add(self, sources: Sequence[Image], parts: Sequence[Previewed], scale: int) -> None:
        """Show previews, aligned over their images."""
        self.remove()
        with kept_selection(self._viewer):
            for number, (source, part) in enumerate(zip(sources, parts, strict=True)):
                # The lowest one covers the images, so that no light is added to theirs.
                blending = str(source.blending) if number else "translucent_no_depth"
                name = f" ({source.name})" if len(parts) > 1 else ""
                self._add_one(source, part, scale, name, blending)
        self.show("SRCNN")

    def _add_one(
        self, source: Image, part: Previewed, scale: int, suffix: str, blending: str
    ) -> None:
        leading = source.ndim - 2
        arguments = result_arguments(source, scale, (*part.index, *part.origin))
        looks = {**arguments, "visible": False, "blending": blending}
        plain = {
            key: value
            for key, value in looks.items()
            if key not in ("colormap", "contrast_limits", "gamma", "rgb", "iso_threshold")
        }
        difference = part.srcnn.astype(np.float32) - part.bicubic.astype(np.float32)
        if source.rgb:
            difference = difference[..., :3].mean(axis=-1)
        # A few sharp points would leave all the rest black.
        finite = np.abs(difference[np.isfinite(difference)])
        limit = float(np.percentile(finite, 99.8)) if finite.size else 0.0
        limit = limit or float(finite.max(initial=0.0)) or 1.0
        plain |= {"colormap": DIVERGING, "contrast_limits": (-limit, limit)}
        shown = {"SRCNN": (part.srcnn, looks), "bicubic": (part.bicubic, looks)}
        shown["difference"] = (difference, {**plain, "rgb": False})
        for kind in reversed(PREVIEWS):
            data, keywords = shown[kind]
            # The slice's own place along the leading axes: no other slice shows it.
            data = data.reshape((1,) * leading + data.shape)
            layer = self._viewer.add_image(
                data,
                name=f"Preview: {kind}{suffix}",
                multiscale=False,
                metadata={METADATA_KEY: {"preview": kind, "scale": scale}},
                **keywords,
            )
            self._layers[kind].append(layer)

    def show(self, kind: str) -> None:
        """Show one kind of preview, or the image alone for ``""``."""
        for name, layers in self._layers.items():
            for layer in layers:
                if layer in self._viewer.layers:
                    layer.visible = name == kind
