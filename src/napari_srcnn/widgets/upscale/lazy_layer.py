"""A lazy result in the viewer: its layer, what computes it, and how it is drawn as more comes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QCoreApplication, QObject, QTimer

from napari_srcnn.image.rect import Tile
from napari_srcnn.upscaling.lazy import Broken, LazyResult
from napari_srcnn.widgets.shared.display import cover, kept_selection
from napari_srcnn.widgets.shared.layers import METADATA_KEY, Appearance, pixels
from napari_srcnn.widgets.shared.messages import Guarded, Task, failed
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale.lazy_level import LazyLevel, is_too_large

if TYPE_CHECKING:
    from napari.components import ViewerModel


# Drawn anew at most so often (milliseconds), and rarer where that takes long.
REFRESH = 50


class LazyLayer(QObject):
    """A layer whose pixels are computed where it is looked at, until it is taken away.

    It lasts as long as its layer, whatever becomes of the window that made it. The image is hidden
    under it: napari would read each slice of it before anything else is done.

    Parameters
    ----------
    viewer : ViewerModel
    source : Image
    task : Task
        Of the source.
    budget : int, optional
        As of :class:`~napari_srcnn.upscaling.lazy.LazyResult`.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        source: Image,
        task: Task,
        budget: int | None = None,
    ) -> None:
        super().__init__(QCoreApplication.instance())
        self._viewer = viewer
        # Nothing stops a reading: guarded for what is said of one that fails.
        never = threading.Event()
        levels = [
            Guarded(level, never) for level in (source.data if source.multiscale else [source.data])
        ]
        plan = task.plan
        self.lazy = LazyResult(plan, levels, measured=task.measured, budget=budget)
        self._data = [LazyLevel(self.lazy, level) for level in range(len(self.lazy.levels))]
        # Of a plane without slices napari keeps the coarsest level as it has first seen it.
        self._is_kept = source.ndim == 2
        self._wait = REFRESH
        self._timer, self._idle = QTimer(self), QTimer(self)
        for timer, slot in ((self._timer, self._refresh), (self._idle, self._on_refreshed)):
            timer.setSingleShot(True)
            timer.timeout.connect(slot)
        self._runner = Runner(self, lasts=True)
        self._runner.received.connect(self._on_message)
        appearance = Appearance.of(source)
        made = {
            "lazy": True,
            "model": plan.model_name,
            "scale": plan.scale,
            "source_layer": source.name,
        }
        arguments = appearance.enlarged(plan.scale) | {"visible": True}
        # Contrast limits are given, so that napari does not search the pixels for them.
        self.layer: Image = Image(
            self._data,
            name=f"{source.name} ×{plan.scale}",
            multiscale=True,
            metadata={**appearance.metadata, METADATA_KEY: made},
            **arguments,
        )
        if not source.rgb:
            self.layer.contrast_limits_range = source.contrast_limits_range
        # Before the layer is there, or all layers' slices would be read anew with it.
        cover(source, self.layer, viewer.layers)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        viewer.dims.events.current_step.connect(self._on_moved)
        self._runner.prepare(self.lazy.work)
        with kept_selection(viewer):
            viewer.add_layer(self.layer)

    def _on_message(self, message: Any) -> None:
        if isinstance(message, Broken):
            show_error(f"{self.layer.name}: {failed(message.error).sentence}")
        elif not self._timer.isActive():
            self._timer.start(self._wait)

    def _layers(self) -> list[Image]:
        """Return the layers that show the result: its own, and copies of it."""
        return [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Image)
            and isinstance(data := pixels(layer), LazyLevel)
            and data.lazy is self.lazy
        ]

    def _refresh(self) -> None:
        self._began = time.perf_counter()
        # A thumbnail has the whole layer list drawn anew: once, when all is there.
        is_resting = self.lazy.is_resting
        is_kept = self._is_kept
        self._is_kept = is_kept and not self._is_coarsest_there()
        for layer in self._layers():
            if is_kept and not self._is_kept:
                layer.data = self._data
            elif layer.visible:
                layer.refresh(extent=False, highlight=False, thumbnail=is_resting)
        # Drawing comes after this call; how long all of it took shows when the loop is free again.
        self._idle.start(0)

    def _is_coarsest_there(self) -> bool:
        level = len(self._data) - 1
        height, width = self.lazy.levels.plane(level)
        return self.lazy.is_there(level, (), Tile(y0=0, y1=height, x0=0, x1=width))

    def _on_refreshed(self) -> None:
        took = (time.perf_counter() - self._began) * 1000
        self._wait = max(REFRESH, int(4 * took))

    def _on_moved(self, event: Any) -> None:
        """Draw nothing twice: napari has drawn what is there as the slider moved."""
        if self._timer.isActive():
            self._timer.start(self._wait)

    def _on_ndisplay(self, event: Any) -> None:
        """Say why nothing is seen of a volume that is too large."""
        coarsest = self._data[-1]
        dims = self._viewer.dims
        own = [axis - dims.ndim + self.layer.ndim for axis in dims.displayed]
        shape = [coarsest.shape[axis] for axis in own if axis >= 0]
        if dims.ndisplay == 3 and len(shape) == 3 and is_too_large(shape, coarsest.dtype):
            show_info(f"{self.layer.name} is too large to be shown in 3-D; go back to 2-D.")

    def _on_removed(self, event: Any) -> None:
        if not self._layers():
            self._viewer.layers.events.removed.disconnect(self._on_removed)
            self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
            self._viewer.dims.events.current_step.disconnect(self._on_moved)
            self._timer.stop()
            self._idle.stop()
            self.lazy.close()
            self._runner.shut()
            self.deleteLater()
