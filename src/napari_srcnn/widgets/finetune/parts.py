"""The parts of the fine-tuning widget, before they are tied together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_srcnn.widgets.finetune.live import LiveView
from napari_srcnn.widgets.finetune.noise import ImageNoise
from napari_srcnn.widgets.finetune.outcome import OutcomeKeeper
from napari_srcnn.widgets.finetune.panel import FinetunePanel
from napari_srcnn.widgets.finetune.steering import Steering
from napari_srcnn.widgets.finetune.stopped import StoppedRun
from napari_srcnn.widgets.finetune.survey import FolderSurvey
from napari_srcnn.widgets.shared.activity import Activity
from napari_srcnn.widgets.shared.closing import UnderWay
from napari_srcnn.widgets.shared.layer_list import LayerListWatch
from napari_srcnn.widgets.shared.runner import Runner

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.viewer import Viewer


class FinetuneParts(FinetunePanel):
    """What answers for the widget's jobs, and whether one can begin now.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.is_ready = False
        self.runner = Runner(self)
        self.noise = ImageNoise(self.form, self.runner)
        self.survey = FolderSurvey(self.form, self.runner)
        self.live_view = LiveView(self)
        self.steering = Steering(self, self.runner, self.live_view)
        self.outcome = OutcomeKeeper(self, self.live_view)
        self.stopped = StoppedRun(self)
        self.closing = UnderWay(self)
        self.activity = Activity(self.runner, self.bar)
        self.activity.cancelled.connect(self._on_cancelled)
        self.layer_list = LayerListWatch(self, self.viewer)

    def _on_cancelled(self) -> None:
        """Cancel what napari's Activity dock shows."""
        if self.steering.control is None:
            self.runner.cancel()
        else:
            self.steering.ask_and_cancel()

    def is_refused(self) -> bool:
        """Tell whether no job can begin now, and say why."""
        self.layer_list.flush()
        if self.runner.job:
            why = f"{self.runner.job} is already running; wait for it or stop it."
        elif other := self.runner.elsewhere:
            why = f"{other} is running in its own window; wait for it or stop it there."
        else:
            return False
        self.refuse(why)
        return True

    def refuse(self, why: str) -> None:
        """Say why nothing can begin now; it may begin in a moment."""
        self.say_for_now(why)
        self.notify(why, is_status=False)
