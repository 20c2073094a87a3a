"""What becomes of a network that was trained: saved, asked about, forgotten, used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_srcnn.models.library import list_models
from napari_srcnn.training.runs import forget
from napari_srcnn.widgets.finetune.steering import is_lost_gladly
from napari_srcnn.widgets.shared.events import window_events
from napari_srcnn.widgets.shared.settings import PLUGIN

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_srcnn.widgets.finetune.live import LiveView
    from napari_srcnn.widgets.finetune.panel import FinetunePanel
    from napari_srcnn.widgets.finetune.tasks import Ended


class OutcomeKeeper(QObject):
    """Keeps what was trained, or asks whether to.

    Signals
    -------
    answered
        A network was saved or forgotten.

    Attributes
    ----------
    saved : tuple of str and int, or None
        The model that was saved last, and its scale.
    """

    answered = Signal()

    def __init__(self, panel: FinetunePanel, live: LiveView) -> None:
        super().__init__(panel)
        self._panel, self._live = panel, live
        self._ended: Ended | None = None
        self.saved: tuple[str, int] | None = None
        panel.save_button.clicked.connect(self.keep)
        panel.drop_button.clicked.connect(self.ask_and_drop)

    @property
    def asked(self) -> str:
        """The name of the network that waits for an answer; empty where none does."""
        return "" if self._ended is None else str(self._ended.job.options.name)

    def check_answered(self) -> None:
        """Raise ValueError where a network waits for an answer."""
        if self._ended is not None:
            raise ValueError(
                "The last network waits for an answer; press Save it anyway or Discard it."
            )

    def begin(self) -> None:
        """Get ready for a training."""
        self._ended = None
        self._panel.ask_to_keep(False)
        self._offer(None)

    def receive(self, message: Ended) -> None:
        """Save what is better, and ask about what is not."""
        self._ended = message
        self._live.ended(message)
        if message.outcome.is_better:
            self._save(message)
        else:
            self._panel.ask_to_keep(True)
            self._panel.notify(
                "The network is no better than what there was; see the words below.",
                is_status=False,
            )

    def keep(self) -> None:
        """Save a network that is no better."""
        self._panel.ask_to_keep(False)
        if self._ended is None:
            return
        # Where another model has its name by now, the one in the field, which is free.
        if self.asked in list_models():
            try:
                self._ended.job.rename(self._panel.form.name.text().strip())
            except ValueError as error:
                self._panel.fail(str(error))
                self._panel.ask_to_keep(True)
                return
        self._save(self._ended)

    def ask_and_drop(self) -> None:
        """Ask before much is lost, and forget the network."""
        if is_lost_gladly(
            self._panel,
            "Discard the network",
            self._live.seconds,
            "“Save it anyway” keeps it under My models.",
        ):
            self.drop()

    def drop(self) -> None:
        """Forget a network that is no better."""
        self._panel.ask_to_keep(False)
        if self._ended is not None:
            forget(self.asked)
            self._ended = None
        self._panel.status("It was not kept.")
        self.answered.emit()

    def _save(self, ended: Ended) -> None:
        name, scale = ended.job.options.name, ended.job.options.scale
        try:
            path = ended.job.save(ended.outcome)
        except (ValueError, OSError) as error:
            # It can be tried again, elsewhere or under another name.
            self._panel.fail(str(error))
            self._panel.ask_to_keep(True)
            return
        self._ended = None
        self._panel.manager.refresh(name)
        window_events().models_changed.emit()
        self._panel.status(f"Saved as {name}; the Upscale widget has it at ×{scale}.")
        self._panel.message.setToolTip(str(path))
        self._offer((name, scale))
        self.answered.emit()

    def use(self, viewer: ViewerModel) -> None:
        """Choose the model that was saved last in the Upscale widget, and open that."""
        if self.saved is None:
            return
        window = getattr(viewer, "window", None)
        if window is not None:
            # Beside each other, both would have half of the height.
            window.add_plugin_dock_widget(PLUGIN, "Upscale", tabify=True)
        window_events().model_wanted.emit(*self.saved)

    def _offer(self, saved: tuple[str, int] | None) -> None:
        self.saved = saved
        self._panel.use_button.setVisible(saved is not None)

    def check_saved(self) -> None:
        """Offer no model that is not there any more."""
        if self.saved is not None and self.saved[0] not in list_models():
            self._offer(None)
