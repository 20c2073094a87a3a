"""Results that are computed where they are looked at: which layers get one."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_srcnn.widgets.shared import settings
from napari_srcnn.widgets.shared.closing import main_window
from napari_srcnn.widgets.upscale import request
from napari_srcnn.widgets.upscale.lazy_layer import LazyLayer
from napari_srcnn.widgets.upscale.subjects import remember

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.upscaling.lazy import LazyResult
    from napari_srcnn.widgets.shared.messages import Task
    from napari_srcnn.widgets.upscale.panel import Panel

WHAT_IT_IS = (
    "Computed as you look; “Save result …” computes all of it. "
    "The image itself is hidden meanwhile."
)


class LazyControl(QObject):
    """Shows lazy results of those layers that are too large to be computed at once.

    Attributes
    ----------
    budget : int or None
        Bytes of pixels that each keeps; as of :class:`~napari_srcnn.upscaling.lazy.LazyResult`.
    """

    def __init__(self, panel: Panel, viewer: ViewerModel) -> None:
        super().__init__(panel)
        self._panel, self._viewer = panel, viewer
        self.budget: int | None = None

    def split(
        self, layers: Sequence[Image], tasks: Sequence[Task]
    ) -> tuple[list[tuple[Image, Task]], list[tuple[Image, Task]]]:
        """Return the layers, with their tasks, whose results are lazy; and the others."""
        above = settings.load().lazy_above
        lazy: list[tuple[Image, Task]] = []
        whole: list[tuple[Image, Task]] = []
        for layer, task in zip(layers, tasks, strict=True):
            is_lazy = request.is_lazy(layer, task.plan, above)
            (lazy if is_lazy else whole).append((layer, task))
        return lazy, whole

    def show(self, chosen: Sequence[tuple[Image, Task]]) -> list[Image]:
        """Show lazy results, and return their layers."""
        shown = []
        for layer, task in chosen:
            made = LazyLayer(self._viewer, layer, task, self.budget)
            if (window := main_window(self._panel)) is not None:
                # napari's own closing takes the layers away before; a window's does not.
                window.destroyed.connect(partial(_close, weakref.ref(made.lazy)))
            remember(made.layer, layer, task)
            shown.append(made.layer)
        if shown:
            self._panel.status(WHAT_IT_IS)
        return shown


def _close(lazy: weakref.ref[LazyResult]) -> None:
    """End the work for a result, if there is still one."""
    if (result := lazy()) is not None:
        result.close()
