"""What a job shows in the viewer: result layers that fill, and preview layers."""

from __future__ import annotations

import itertools
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_srcnn.upscaling.messages import Index
from napari_srcnn.widgets.shared.layers import (
    METADATA_KEY,
    Appearance,
    current_index,
    is_image,
    shows_planes,
)

if TYPE_CHECKING:
    from napari.components import LayerList, ViewerModel
    from napari.layers import Image

    from napari_srcnn.widgets.shared.messages import Filters
    from napari_srcnn.widgets.shared.storage import Storage

# A layer that fills is drawn anew at most so often (milliseconds), and rarer where that takes long.
REFRESH = 250
#: Colours of a difference. Black where nothing differs, so that several channels add up and a
# dark window stays dark.
DIVERGING: dict[str, Any] = {
    "name": "SRCNN difference",
    "colors": [
        [0.35, 0.75, 1.0, 1],
        [0, 0.3, 0.6, 1],
        [0, 0, 0, 1],
        [0.7, 0.3, 0, 1],
        [1, 0.75, 0.35, 1],
    ],
}


@contextmanager
def kept_selection(viewer: ViewerModel) -> Iterator[None]:
    """Leave the user's selection as it was: napari selects every layer that is added."""
    before = set(viewer.layers.selection)
    yield
    viewer.layers.selection.clear()
    viewer.layers.selection.update(layer for layer in before if layer in viewer.layers)


class Cover:
    """A source that is hidden because the light of its results would be added to its own.

    It is shown again when the last of them is taken away.
    """

    def __init__(self, source: Image, layers: LayerList) -> None:
        self._source, self._layers = weakref.ref(source), layers
        self.results: weakref.WeakSet[Image] = weakref.WeakSet()
        source.visible = False
        layers.events.removed.connect(self._on_removed)

    def lift(self) -> None:
        """Show the source."""
        self._layers.events.removed.disconnect(self._on_removed)
        source = self._source()
        if source is not None:
            _covers.pop(source, None)
            source.visible = True

    def _on_removed(self, event: Any) -> None:
        self.results.discard(event.value)
        if not self.results:
            self.lift()


_covers: weakref.WeakKeyDictionary[Image, Cover] = weakref.WeakKeyDictionary()


def cover(source: Image, result: Image, layers: LayerList) -> None:
    """Hide a source while a result stands in its place."""
    if source in _covers:
        source.visible = False
    elif source.visible:
        _covers[source] = Cover(source, layers)
    if source in _covers:
        _covers[source].results.add(result)


def covering(source: Image) -> list[Image]:
    """Return the results that stand in a hidden source's place."""
    cover = _covers.get(source)
    return [] if cover is None else list(cover.results)


class ResultLayer(QObject):
    """A layer that shows a result while it is made.

    Where a slice is not there yet it is hidden, and the source is seen.

    Parameters
    ----------
    parent : QObject
    viewer : ViewerModel
    source : Image
    appearance : Appearance
        The source's when the run began; it may have been changed since.
    storage : Storage
    scale : int
    first : tuple of int
        The slice that is worked on first; it is filled from the beginning.
    spread : Storage, optional
    covers : bool
        Whether to hide the source, where light is added up.
    """

    def __init__(
        self,
        parent: QObject,
        viewer: ViewerModel,
        source: Image,
        appearance: Appearance,
        storage: Storage,
        scale: int,
        first: Index,
        spread: Storage | None = None,
        *,
        covers: bool = False,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._source, self._appearance = viewer, source, appearance
        self._scale = scale
        self._wait = REFRESH
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._refresh)
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.timeout.connect(self._on_refreshed)
        self._title = f"{source.name} ×{scale}"
        arguments = appearance.enlarged(scale)
        if covers or covering(source):
            # It was we who hid the source; what was just made is to be seen.
            arguments["visible"] = True
        self._is_meant_to_show = bool(arguments["visible"])
        self._leading = storage.array.ndim - 2 - bool(arguments["rgb"])
        with kept_selection(viewer):
            # Contrast limits are given, so that napari does not search the whole array for them.
            self.layer: Image = viewer.add_image(
                storage.array,
                name=f"{self._title} (running)",
                multiscale=False,
                metadata={**appearance.metadata, METADATA_KEY: {"partial": True}},
                **arguments,
            )
        self._name = self.layer.name
        if not source.rgb:
            self.layer.contrast_limits_range = source.contrast_limits_range
        storage.keep_with(self.layer, viewer.layers)
        self._spread = spread
        if covers and source.visible:
            _covers[source] = Cover(source, viewer.layers)
        if source in _covers:
            _covers[source].results.add(self.layer)
        #: The slices that there is something to see of.
        self.filled = {first}
        self.is_running = self._is_watching = True
        viewer.dims.events.current_step.connect(self._show_slice)
        viewer.dims.events.ndisplay.connect(self._show_slice)

    def touch(self, touched: frozenset[Index], finished: frozenset[Index]) -> None:
        """Draw the layer anew, soon, if what changed is on screen."""
        self.filled |= finished
        if finished:
            self._show_slice()
        if not self.layer.visible or self._timer.isActive():
            return
        dims = self._viewer.dims
        if not shows_planes(self.layer, dims) or current_index(self.layer, dims) in touched:
            self._timer.start(self._wait)

    def finish(self, metadata: dict[str, Any]) -> None:
        """Show that the result is whole."""
        self._unwatch()
        self._show_result(True)
        self._end(metadata, self._title)

    def add_spread(self) -> Image | None:
        """Show a self-ensemble's spread as a hidden layer, named sigma where it is calibrated.

        It is hidden because it would cover the result.
        """
        if self._spread is None or self.layer not in self._viewer.layers or self.layer.rgb:
            return None  # of colours: a deviation of each is no colour
        arguments = self._appearance.enlarged(self._scale)
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
        name = "sigma" if made.get("spread", {}).get("calibrated") else "spread"
        with kept_selection(self._viewer):
            layer: Image = self._viewer.add_image(
                self._spread.array,
                name=f"{self.layer.name} {name}",
                multiscale=False,
                metadata={**self._appearance.metadata, METADATA_KEY: made},
                **arguments,
            )
        self._spread.keep_with(layer, self._viewer.layers)
        return layer

    def stop(self, metadata: dict[str, Any]) -> None:
        """Show that only some slices are done."""
        done, total = metadata.get("slices_done"), metadata.get("slices_total")
        counts = "" if done is None else f", {done} of {total}"
        if done is not None:
            order = slice_order(self.layer.data.shape[: self._leading], metadata["first_slice"])
            self.filled = set(itertools.islice(order, done))
        self._end(metadata, f"{self._title} (partial{counts})")
        self._show_source()
        self._show_slice()

    def go_on(self) -> None:
        """Show that it is worked on again."""
        self.is_running = True
        self.layer.metadata = {**self.layer.metadata, METADATA_KEY: {"partial": True}}
        if "(partial" in self.layer.name:
            self.layer.name = f"{self._title} (running)"
        self._name = self.layer.name

    def drop(self) -> None:
        """Take the layer away: nothing of it was done."""
        self.is_running = False
        self._unwatch()
        self._timer.stop()
        self._show_source()
        if self.layer in self._viewer.layers:
            # napari is known to crash where a layer is removed that is hidden (napari#7351).
            self._show_result(True)
            self._viewer.layers.remove(self.layer)

    def let_go(self) -> None:
        """Follow the slider no more."""
        self._unwatch()
        self.deleteLater()

    def _unwatch(self) -> None:
        if self._is_watching:
            self._is_watching = False
            self._viewer.dims.events.current_step.disconnect(self._show_slice)
            self._viewer.dims.events.ndisplay.disconnect(self._show_slice)

    def _show_slice(self, event: Any = None) -> None:
        """Hide the layer where the slice on screen is not there yet: it would look like black."""
        if self.layer not in self._viewer.layers:
            return
        dims = self._viewer.dims
        is_there = not shows_planes(self.layer, dims) or (
            current_index(self.layer, dims) in self.filled
        )
        self._show_result(is_there)

    def _show_result(self, is_there: bool) -> None:
        if not self._is_meant_to_show:
            return
        self.layer.visible = is_there
        cover = _covers.get(self._source)
        if cover is not None and self.is_running:
            self._source.visible = not is_there

    def _show_source(self) -> None:
        if self._source in _covers:
            _covers[self._source].lift()

    def _end(self, metadata: dict[str, Any], name: str) -> None:
        self.is_running = False
        self._timer.stop()
        # So that it can be held against its source later.
        made = {**metadata, "source_layer": self._source.name}
        self.layer.metadata = {**self.layer.metadata, METADATA_KEY: made}
        if self.layer.name == self._name:  # else the user gave it another one
            self.layer.name = name
            self._name = name
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


def slice_order(leading: Sequence[int], first: Sequence[int]) -> Iterator[Index]:
    """Return the indices of slices in the order in which a run does them."""
    start = tuple(int(i) for i in first)
    yield start
    yield from (index for index in np.ndindex(*leading) if index != start)


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
