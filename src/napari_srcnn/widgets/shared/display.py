"""What a job shows in the viewer: result layers that fill, and preview layers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_srcnn.upscaling.messages import Index
from napari_srcnn.widgets.shared.layers import (
    METADATA_KEY,
    current_index,
    is_image,
    result_arguments,
    shows_planes,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.widgets.shared.messages import Filters
    from napari_srcnn.widgets.shared.storage import Storage

# A layer that fills is drawn anew at most so often (milliseconds), and rarer where that takes long.
REFRESH = 250


@contextmanager
def kept_selection(viewer: ViewerModel) -> Iterator[None]:
    """Leave the user's selection as it was: napari selects every layer that is added."""
    before = set(viewer.layers.selection)
    yield
    viewer.layers.selection.clear()
    viewer.layers.selection.update(layer for layer in before if layer in viewer.layers)


class ResultLayer(QObject):
    """A layer that shows a result while it is made."""

    def __init__(
        self,
        parent: QObject,
        viewer: ViewerModel,
        source: Image,
        storage: Storage,
        scale: int,
        spread: Storage | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._source = viewer, source
        self._scale = scale
        self._wait = REFRESH
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._refresh)
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.timeout.connect(self._on_refreshed)
        self._title = f"{source.name} ×{scale}"
        arguments = result_arguments(source, scale)
        with kept_selection(viewer):
            # Contrast limits are given, so that napari does not search the whole array for them.
            self.layer: Image = viewer.add_image(
                storage.array,
                name=f"{self._title} (running)",
                multiscale=False,
                metadata={METADATA_KEY: {"partial": True}},
                **arguments,
            )
        self._name = self.layer.name
        if not source.rgb:
            self.layer.contrast_limits_range = source.contrast_limits_range
        storage.keep_with(self.layer, viewer.layers)
        self._spread = spread
        # Light is added up in this blending: with the source under it all would be twice as bright.
        self._hidden = source.visible and str(source.blending) == "additive"
        if self._hidden:
            source.visible = False

    def touch(self, touched: frozenset[Index]) -> None:
        """Draw the layer anew, soon, if what changed is on screen."""
        if not self.layer.visible or self._timer.isActive():
            return
        dims = self._viewer.dims
        if not shows_planes(self.layer, dims) or current_index(self.layer, dims) in touched:
            self._timer.start(self._wait)

    def finish(self, metadata: dict[str, Any]) -> None:
        """Show that the result is whole."""
        self._end(metadata, self._title)

    def add_spread(self) -> Image | None:
        """Show how far the eight views of a self-ensemble lay apart, as a hidden layer.

        It is hidden because it would cover the result.
        """
        if self._spread is None or self.layer not in self._viewer.layers or self.layer.rgb:
            return None  # of colours: a deviation of each is no colour
        arguments = result_arguments(self._source, self._scale)
        # A sample tells how bright it is; all of a long stack would take long.
        seen = self._spread.array[(0,) * (self._spread.array.ndim - 2)]
        limit = float(np.nanmax(seen, initial=0)) or 1.0
        arguments |= {
            "colormap": "magma",
            "contrast_limits": (0, limit),
            "blending": "translucent",
            "gamma": 1.0,
            "visible": False,
        }
        made = {**self.layer.metadata[METADATA_KEY], "spread_of": self.layer.name}
        with kept_selection(self._viewer):
            layer: Image = self._viewer.add_image(
                self._spread.array,
                name=f"{self.layer.name} spread",
                multiscale=False,
                metadata={METADATA_KEY: made},
                **arguments,
            )
        self._spread.keep_with(layer, self._viewer.layers)
        return layer

    def stop(self, metadata: dict[str, Any]) -> None:
        """Show that only some slices are done."""
        done, total = metadata["slices_done"], metadata["slices_total"]
        self._end(metadata, f"{self._title} (partial, {done} of {total})")
        self._show_source()

    def drop(self) -> None:
        """Take the layer away: nothing of it was done."""
        self._timer.stop()
        self._show_source()
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

    def _show_source(self) -> None:
        if self._hidden:
            self._source.visible = True

    def _end(self, metadata: dict[str, Any], name: str) -> None:
        self._timer.stop()
        self.layer.metadata = {**self.layer.metadata, METADATA_KEY: metadata}
        if self.layer.name == self._name:  # else the user gave it another one
            self.layer.name = name
        self._refresh()

    def _refresh(self) -> None:
        if self.layer not in self._viewer.layers:
            return
        self._began = time.perf_counter()
        self.layer.refresh(extent=False, highlight=False)
        # Drawing comes after this call; how long all of it took shows when the loop is free again.
        self._idle.start(0)

    def _on_refreshed(self) -> None:
        took = (time.perf_counter() - self._began) * 1000
        self._wait = max(REFRESH, int(10 * took))


def add_filters(viewer: ViewerModel, message: Filters, *, beside: Sequence[Image]) -> None:
    """Add a picture of filters right of an image, as high as that, and leave the selection."""
    arguments: dict[str, Any] = {}
    if beside:
        low, high = np.asarray(beside[0].extent.world)[:, -2:]
        height, width = high - low
        # In other units than the image's, napari would draw neither in its place.
        arguments = {
            "scale": [height / message.picture.shape[0] or 1.0] * 2,
            "translate": (low[0], high[1] + width / 20),
            "units": beside[0].units[-2:],
        }
    with kept_selection(viewer):
        viewer.add_image(
            message.picture,
            name=f"{message.model} filters",
            rgb=message.picture.ndim == 3,
            **arguments,
        )
    viewer.reset_view()


def image_layers(viewer: ViewerModel) -> list[Image]:
    """Return the images that can be enlarged, topmost first, as the layer list shows them."""
    return [layer for layer in reversed(viewer.layers) if is_image(layer)]


def selected_images(viewer: ViewerModel) -> list[Image]:
    """Return the selected ones of them, the lowest first: results lie in their order."""
    chosen = viewer.layers.selection
    return [layer for layer in viewer.layers if is_image(layer) and layer in chosen]
