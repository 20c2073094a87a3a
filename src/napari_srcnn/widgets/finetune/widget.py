"""The fine-tuning widget: data, a start, minutes; live curves; a named model or a plain no."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal

from napari_srcnn.widgets.finetune import tasks as training
from napari_srcnn.widgets.finetune.copying import line_of
from napari_srcnn.widgets.finetune.looks import Looks
from napari_srcnn.widgets.finetune.parts import FinetuneParts
from napari_srcnn.widgets.finetune.start import Start
from napari_srcnn.widgets.finetune.summary import summary_of
from napari_srcnn.widgets.finetune.survey import Surveyed
from napari_srcnn.widgets.shared import messages, settings
from napari_srcnn.widgets.shared.display import image_layers, selected_images
from napari_srcnn.widgets.shared.events import window_events
from napari_srcnn.widgets.shared.layers import is_made_by_us
from napari_srcnn.widgets.upscale import tasks

if TYPE_CHECKING:
    from napari.viewer import Viewer

SAMPLE = "pollen"


class FinetuneWidget(FinetuneParts):
    """Trains a network on the layers that are open, or on a folder.

    It hands on what is pressed and what a job says; its parts answer for the rest: the fields
    (`form`), the noise of the image (`noise`), what a folder holds (`survey`), the looks at the
    image (`looks`), how a training begins (`start`), what is seen of it (`live_view`), its
    controls (`steering`), what becomes of its network (`outcome`) and a training that was stopped
    (`stopped`).

    Parameters
    ----------
    napari_viewer : napari.Viewer

    Signals
    -------
    ready
        torch is loaded.
    ended
        A training, an estimate or a preview ended.
    """

    ready = Signal()
    ended = Signal()

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.looks = Looks(self)
        self.start = Start(self, self.looks)
        self._is_prepared = False
        self._names: list[str] = []
        self._connect_parts()
        self.layer_list.start()
        self._show_layers()
        # Drawn first: an import holds the lock that drawing needs.
        QTimer.singleShot(200, self._prepare)

    def _connect_parts(self) -> None:
        self.layer_list.changed.connect(self._on_layers)
        self.form.edited.connect(self._on_edited)
        self.form.failed.connect(self.fail)
        self.form.low_res.estimate_noise.connect(self.estimate_noise)
        self.form.low_res.fit_example.connect(self.fit_example)
        self.form.low_res.preview.connect(self.preview)
        self.train_button.clicked.connect(self.train)
        self.resume_button.clicked.connect(self.resume)
        self.use_button.clicked.connect(self.use)
        self.copy_as.wanted.connect(self.copy_line)
        self.sample_button.clicked.connect(self.open_sample)
        self.folder_button.clicked.connect(self.form.high.ask)
        self.stopped.changed.connect(self._show_stopped)
        self.outcome.answered.connect(self._show_stopped)
        self.manager.changed.connect(window_events().models_changed)
        self.manager.said.connect(self.status)
        self.manager.failed.connect(self.fail)
        window_events().models_changed.connect(self._on_models)
        self.runner.received.connect(self._on_message)
        self.runner.ended.connect(self._on_end)

    def _prepare(self) -> None:
        self.runner.prepare(tasks.load_torch)
        self.runner.prepare(_load_training)
        self._is_prepared = True
        self._on_edited()

    # ------------------------------------------------------------ what there is

    def _on_layers(self) -> None:
        names = [layer.name for layer in self.viewer.layers]
        if names != self._names:  # a click in the layer list mends nothing
            self._names = names
            self.forget_failure()
        self._show_layers()

    def _on_models(self) -> None:
        self.form.show_models()
        self.manager.refresh()
        self.outcome.check_saved()

    def _show_layers(self) -> None:
        # What was made of an image is no image to learn from.
        layers = image_layers(self.viewer)
        images = [one for one in layers if not is_made_by_us(one)]
        self.show_only_results([one.name for one in layers] if not images else [])
        shapes = [one for one in self.viewer.layers if type(one).__name__ == "Shapes"]
        selected = [one for one in selected_images(self.viewer) if one in images]
        active = selected[0] if selected else (images[0] if images else None)
        self.form.show_layers(images, shapes, active)
        self._show_stopped()
        self._look_again()

    def _on_edited(self) -> None:
        self.forget_failure()
        self._look_again()

    def _look_again(self) -> None:
        if words := self.noise.take_back():
            self.status(words)
        if self._is_prepared:
            self.noise.look()
            self.survey.look()
        # A training that runs has the window, whatever becomes of its layer.
        self.show_empty(self.form.high.value is None and self.steering.control is None)
        self._describe()

    def _show_stopped(self) -> None:
        self.stopped.look(but=self.outcome.asked, is_busy=bool(self.runner.job))

    def _describe(self) -> None:
        """Say what will happen, or why it cannot."""
        try:
            self.describe(summary_of(self.form, self.noise))
        except ValueError as error:
            self.describe(str(error), is_wrong=True)

    # ------------------------------------------------------------ what is asked for

    def train(self) -> None:
        """Begin to train."""
        self.start.train()

    def copy_line(self, kind: str) -> None:
        """Copy what is chosen as a line that runs, "command" or "Python"."""
        try:
            self.status(self.copy_as.put(line_of(self, kind)))
        except (ValueError, OSError) as error:
            self.fail(str(error))

    def resume(self) -> None:
        """Go on with the training that was stopped."""
        self.start.resume()

    def discard_stopped(self) -> None:
        """Forget the training that was stopped."""
        self.stopped.discard()

    def pause(self) -> None:
        """Let the training wait, or go on."""
        self.steering.pause()

    def stop(self) -> None:
        """End the training and keep the best."""
        self.steering.stop()

    def cancel(self) -> None:
        """Stop the training and forget it."""
        self.steering.cancel()

    def keep(self) -> None:
        """Save a network that is no better."""
        self.outcome.keep()

    def drop(self) -> None:
        """Forget a network that is no better."""
        self.outcome.drop()

    def use(self) -> None:
        """Choose the network that was saved last in the Upscale widget, and open that."""
        self.outcome.use(self.viewer)

    def estimate_noise(self) -> None:
        """Measure gain, read noise and offset in the high-res image."""
        self.looks.estimate_noise()

    def fit_example(self) -> None:
        """Estimate blur and noise that make images like the example."""
        self.looks.fit_example()

    def preview(self) -> None:
        """Make the low-res image of what is on screen, and put it right of the image."""
        self.looks.show_low_res()

    def open_sample(self) -> None:
        """Open the sample stack."""
        self.viewer.open_sample(settings.PLUGIN, SAMPLE)

    # ------------------------------------------------------------ what is said

    def _on_message(self, message: Any) -> None:
        if isinstance(message, messages.Loaded):
            self.form.show_devices(message)
        elif isinstance(message, _Ready):
            self.is_ready = True
            self.forget_failure()
            self.ready.emit()
        elif isinstance(message, training.Measured):
            self.noise.receive(message)
            self._describe()
        elif isinstance(message, Surveyed):
            self.survey.receive(message)
        elif isinstance(message, messages.Failed):
            if self.steering.control is not None:
                self.live_view.failed()
            self.fail(message.sentence)
        elif isinstance(message, training.Estimated):
            self.noise.show_estimate(message.degradation)
            self.say_for_now(f"{message.what}: {message.degradation}. The fields are filled in.")
        elif isinstance(message, training.Degraded):
            self.looks.receive(message)
        elif isinstance(message, training.Ended):
            self.outcome.receive(message)
        elif isinstance(message, training.Discarded):
            self.live.setVisible(False)
            self.status("Cancelled; nothing was kept.")
        elif hasattr(message, "start_name"):
            self.live_view.prepared(message)
        else:
            self.live_view.trained(message, is_held_up=self.steering.is_held_up)

    def _on_end(self) -> None:
        self.steering.end()
        self.closing.say("")
        self.show_busy(False)
        self._show_layers()
        self.ended.emit()

    # ------------------------------------------------------------ the end

    def shut(self) -> None:
        """Stop all work, so that it can be resumed, and let go of the viewer."""
        self.noise.stop()
        self.survey.stop()
        self.runner.shut()
        self.closing.say("")
        self.layer_list.stop()


class _Ready:
    """What training needs is loaded."""


def _load_training(cancel: threading.Event) -> Any:
    import napari_srcnn.training.finetune  # noqa: F401

    yield _Ready()
