"""The parts of the upscale widget, before they are tied together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_srcnn.widgets.shared import messages
from napari_srcnn.widgets.shared.activity import Activity
from napari_srcnn.widgets.shared.closing import UnderWay
from napari_srcnn.widgets.shared.layer_list import LayerListWatch
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale.chosen import ChosenLayers
from napari_srcnn.widgets.upscale.copying import line_of
from napari_srcnn.widgets.upscale.lazy_control import LazyControl
from napari_srcnn.widgets.upscale.panel import Panel
from napari_srcnn.widgets.upscale.preview_control import PreviewControl
from napari_srcnn.widgets.upscale.results import Results
from napari_srcnn.widgets.upscale.save_control import SaveControl

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.viewer import Viewer


class UpscaleParts(Panel):
    """What answers for the widget's jobs, whether one can begin now, and what it would do.

    Parameters
    ----------
    napari_viewer : napari.Viewer

    Attributes
    ----------
    memory_limit : int or None
        Bytes that results may take in memory before they go to a temporary file; half of what is
        free for None.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        # napari hands plugins a proxy, which is another object at every look.
        self.viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.memory_limit: int | None = None
        self.loaded: messages.Loaded | None = None
        self.runner = Runner(self)
        self.results = Results(self, self.viewer)
        self.preview_control = PreviewControl(self, self.viewer, self.runner)
        self.previews = self.preview_control.previews
        self.lazy = LazyControl(self, self.viewer)
        self._save_control = SaveControl(self, self.runner)
        self._under_way = UnderWay(self)
        self.activity = Activity(self.runner, self.bar)
        self._layers = LayerListWatch(self, self.viewer)
        self._chosen = ChosenLayers(self, self.viewer, self._layers)

    def _is_refused(self, *, needs_image: bool = True) -> bool:
        self._layers.flush()
        if self.runner.job:
            self.notify(f"{self.runner.job} is already running; wait for it or press Cancel.")
        elif other := self.runner.elsewhere:
            self.notify(f"{other} is running in its own window; wait for it or stop it there.")
        elif needs_image and not self.form.layers:
            self.notify("There is no image to enlarge; open one or choose it in the layer list.")
        else:
            return False
        return True

    def _tasks(self, *, is_preview: bool = False) -> list[messages.Task]:
        """Return what is to be done, or nothing after saying why that cannot be."""
        try:
            return self._chosen.tasks(is_preview=is_preview)
        except ValueError as error:
            # Of a preview, what is on screen may be what is wrong.
            self.fail(str(error), of_view=is_preview)
            return []

    def preview_tasks(self) -> list[messages.Task]:
        """Return what a preview would show now; nothing where there can be none."""
        try:
            return self._chosen.tasks(is_preview=True)
        except ValueError:
            return []

    def copy_line(self, kind: str) -> None:
        """Copy what is chosen as a line that runs.

        Parameters
        ----------
        kind : str
            "command" or "Python".
        """
        try:
            self.status(self.copy_as.put(line_of(self.form, kind)))
        except ValueError as error:
            self.fail(str(error))
