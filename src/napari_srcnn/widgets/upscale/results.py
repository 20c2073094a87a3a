"""A run in the viewer: the messages of `tasks.upscale_layers` become layers and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_srcnn.widgets.shared.display import ResultLayer
from napari_srcnn.widgets.shared.messages import Finished, Opened, Step, Stopped
from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image


class Results(QObject):
    """The result layers of the last run, and of the one under way.

    Attributes
    ----------
    layers : list of Image
        What can be saved: whole results, and partial ones.
    """

    def __init__(self, parent: QObject, viewer: ViewerModel) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._sources: tuple[Image, ...] = ()
        self._views: dict[int, ResultLayer] = {}
        self.layers: list[Image] = []

    def begin(self, sources: Sequence[Image], scale: int) -> None:
        """Get ready for a run over some layers."""
        self._sources, self._scale = tuple(sources), scale
        self._views, self.layers = {}, []

    def end(self) -> None:
        """Let go of the run."""
        for view in self._views.values():
            view.deleteLater()
        self._sources, self._views = (), {}

    def involves(self, layer: Any) -> bool:
        """Tell whether a layer is a source or a result of the run."""
        return layer in self._sources or any(v.layer is layer for v in self._views.values())

    def forget_removed(self) -> None:
        """Let go of layers that are not in the viewer any more."""
        self.layers = [layer for layer in self.layers if layer in self._viewer.layers]

    def receive(self, message: Opened | Step | Finished | Stopped) -> str:
        """Show a message in the viewer, and return what to tell the user, if anything."""
        if isinstance(message, Opened):
            source = self._sources[message.task]
            if source in self._viewer.layers:
                self._views[message.task] = ResultLayer(
                    self,
                    self._viewer,
                    source,
                    message.storage,
                    self._scale,
                    message.spread,
                )
            return ""
        view = self._views.get(message.task)
        if view is None:
            return ""
        if isinstance(message, Step):
            view.touch(message.touched)
            return message.message
        if isinstance(message, Finished):
            view.finish(message.metadata)
            self.layers.append(view.layer)
            if (spread := view.add_spread()) is not None:
                self.layers.append(spread)
            took = duration(message.metadata["seconds"]).removeprefix("about ")
            done = f"Done in {took} on {message.metadata['device']}."
            return " ".join((done, *message.messages))
        if view.layer not in self._viewer.layers:
            return f"Stopped: the layer {view.layer.name} was removed."
        if not message.done:
            view.drop()
            return "Stopped before a slice was finished; nothing is kept."
        view.stop(message.metadata)
        self.layers.append(view.layer)
        return f"Stopped; {message.done} of {message.total} slices are kept."
