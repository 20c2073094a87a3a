"""The upscale widget: fields, a line that says what will happen, a preview, the run, the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal

from napari_srcnn.widgets.shared import messages, settings
from napari_srcnn.widgets.shared.display import add_filters, image_layers
from napari_srcnn.widgets.shared.events import window_events
from napari_srcnn.widgets.shared.layers import is_made_by_us
from napari_srcnn.widgets.upscale import saving, tasks
from napari_srcnn.widgets.upscale.following import Following
from napari_srcnn.widgets.upscale.parts import UpscaleParts
from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari.viewer import Viewer

SAMPLE = "brain"
UPSCALING = "The upscaling"


class UpscaleWidget(UpscaleParts):
    """Enlarges the image layers that are selected.

    Parameters
    ----------
    napari_viewer : napari.Viewer

    Signals
    -------
    ready
        The settings are there and torch is loaded.
    ended
        A preview, a run or a save ended: done, stopped or failed.
    """

    ready = Signal()
    ended = Signal()

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._last_words = ""
        # When the run began.
        self._selected: set[Any] = set()
        self._is_upscaling = False
        self._images = self._opened_images()
        self._layers.changed.connect(self._on_layers)
        self._layers.removed.connect(self._on_removed)
        self._chosen.edited.connect(self._on_edited)
        self._view = Following(self, self.viewer)
        self._view.moved.connect(self.forget_view)
        self._view.start()
        self._chosen.pixels_changed.connect(self.preview_control.forget)
        self.preview_button.clicked.connect(self.preview)
        self.upscale_button.clicked.connect(self.upscale)
        self.go_on_button.clicked.connect(self.go_on)
        self.cancel_button.clicked.connect(self.cancel)
        self.activity.cancelled.connect(self.cancel)
        self.save_button.clicked.connect(self.ask_and_save)
        self.sample_button.clicked.connect(self.open_sample)
        self.copy_as.wanted.connect(self.copy_line)
        self.form.filters.clicked.connect(self.show_filters)
        self.runner.received.connect(self._on_message)
        self.runner.ended.connect(self._on_end)
        window_events().models_changed.connect(self.form.show_models)
        window_events().models_changed.connect(self.describe_chosen)
        window_events().model_wanted.connect(self._chosen.use_model)
        self._layers.start()
        self._show_layers()
        # What takes seconds goes on beside the window, but the widget is drawn first: an import
        # holds the lock that drawing needs.
        QTimer.singleShot(200, self._prepare)

    def _prepare(self) -> None:
        self.runner.prepare(settings.load_in_background)
        self.runner.prepare(tasks.load_torch)
        self._chosen.propose()

    # ------------------------------------------------------------ what there is

    def _on_layers(self) -> None:
        """Let go of what was said of other layers."""
        opened = self._opened_images()
        before, self._images = self._images, opened
        if not self.runner.job and opened != before:
            if opened - before:
                self.status("")
            self.forget_failure()
        self._show_layers()

    def _opened_images(self) -> set[Any]:
        return {one for one in image_layers(self.viewer) if not is_made_by_us(one)}

    def _show_layers(self) -> None:
        has_image = self._chosen.refresh()
        self.results.forget_removed()
        self.preview_control.refresh()
        self.preview_control.poke()
        others = [one.name for one in self.viewer.layers if type(one).__name__ != "Image"]
        self.show_empty(not has_image, others)
        self._show_state()
        self.describe_chosen()

    def _show_state(self) -> None:
        rest = self.results.counts if self.results.is_partial else None
        self.show_busy(
            bool(self.runner.job), has_result=bool(self.results.layers), done_and_total=rest
        )

    def _on_edited(self, name: str) -> None:
        self.forget_failure()
        if name == "layer" and not self.runner.job:
            self.status("")  # it was said of another image
        # A slider that is dragged says so often, and nothing that is told depends on it.
        if name != "smoothing":
            self.describe_chosen()
        else:
            self.preview_control.follow()
        self.preview_control.poke()

    def describe_chosen(self) -> None:
        """Say what will happen to the layers that are chosen."""
        # Without torch there is no device to know the speed of.
        is_loaded = self.loaded is not None
        self.describe(self._chosen.describe(with_times=is_loaded, memory=self.memory_limit))
        if self.loaded is not None:
            self.preview_control.prepare()

    # ------------------------------------------------------------ jobs

    def upscale(self) -> None:
        """Enlarge the chosen layers into new ones."""
        chosen = None if self._is_refused() else self._tasks()
        if chosen:
            self.preview_control.hide()
            lazy, whole = self.lazy.split(self.form.layers, chosen)
            rest = [task for _, task in whole]
            self.results.begin([layer for layer, _ in whole], rest)
            self.results.add(self.lazy.show(lazy))
            self._show_state()
            if rest:
                self._begin_run(rest)
            else:
                self._selected = set(self.viewer.layers.selection)
                self._turn_to_results()
                self._show_layers()

    def go_on(self) -> None:
        """Go on with the run that was stopped."""
        if not self._is_refused(needs_image=False) and self.results.is_partial:
            self.preview_control.hide()
            self._begin_run(self.results.go_on())

    def _begin_run(self, chosen: Any) -> None:
        self._is_upscaling = True
        self._selected = set(self.viewer.layers.selection)
        self.runner.begin(UPSCALING, tasks.upscale_layers, tuple(chosen), self.memory_limit)
        self.queue.begin(chosen)
        names = ", ".join(task.name for task in chosen)
        self._under_way.say(
            f"{names}: is being enlarged. What was made so far is not saved and would be lost."
        )
        self._on_begin()

    def preview(self) -> None:
        """Show the visible part of the current slice by the network and by bicubic."""
        chosen = None if self._is_refused() else self._tasks(is_preview=True)
        if chosen:
            self.preview_control.begin(self.form.layers, chosen)
            self._on_begin()

    def save(self, path: str | Path) -> None:
        """Save the results as OME-TIFF.

        Parameters
        ----------
        path : str or Path
            The file; where there are several results, the folder. The user is asked before a file
            is replaced that has this name only with the suffix added.
        """
        if self._is_refused(needs_image=False):
            return
        if not self.results.layers:
            self.notify("There is no result to save yet; press Upscale first.")
        elif self._save_control.begin(self.results.layers, Path(path)):
            self._under_way.say(self._save_control.what_is_lost)
            self._on_begin()

    def ask_and_save(self) -> None:
        """Ask where to save the results, and save them."""
        if self._is_refused(needs_image=False):
            return
        if not self.results.layers:
            self.notify("There is no result to save yet; press Upscale first.")
        elif chosen := self._save_control.ask(self.results.layers):
            self.save(chosen)

    def show_filters(self) -> None:
        """Open the chosen network's first-layer filters as an image layer."""
        if not self.form.model.value:
            self.notify("There is no network for this scale.")
        elif not self._is_refused(needs_image=False):
            self.runner.begin("The drawing", tasks.show_filters, self.form.model.value)
            self._on_begin()

    def cancel(self) -> None:
        """Stop what is under way; finished slices are kept."""
        if self.runner.job:
            self.cancel_button.setEnabled(False)
            self.left.say("Stopping …")
            self.runner.cancel()

    def _on_begin(self) -> None:
        self._last_words = ""
        self._chosen.rest(True)
        self._show_state()
        if self.runner.is_waiting:
            self.progress("Loading PyTorch …", None)

    # ------------------------------------------------------------ what a worker says

    def _on_message(self, message: Any) -> None:
        if isinstance(message, settings.Settings):
            self._chosen.edits.apply(message)
            self.describe_chosen()
        elif isinstance(message, messages.Loaded):
            self.loaded = message
            self.form.show_devices(message)
            self.describe_chosen()
            self.ready.emit()
        elif isinstance(message, messages.Failed):
            self._last_words = message.sentence
            self.fail(message.sentence)
        elif isinstance(message, messages.Previewed):
            self.preview_control.receive(message)
        elif isinstance(message, messages.Filters):
            add_filters(self.viewer, message, beside=self.form.layers)
            self._say("The filters are a layer right of the image; gray is zero.")
        elif isinstance(message, saving.Halted):
            self._say(self._save_control.halt(message.path))
        elif isinstance(message, saving.Saved):
            names = ", ".join(path.name for path in message.paths)
            saved = f"Saved {names} in {message.paths[0].absolute().parent}."
            self._say(" ".join((saved, *message.messages)))
        else:
            self._on_progress(message)

    def _on_progress(self, message: Any) -> None:
        if isinstance(message, messages.Step) and not self.runner.is_cancelled:
            left = f"{duration(message.seconds_left)} left"
            self.progress(f"{message.text} · {left}" if message.text else left, message.fraction)
        if self.runner.job == UPSCALING:
            self.queue.receive(message)
        words = "" if self.preview_control.is_asked else self.results.receive(message)
        if words:
            self._say(words)
        for text in getattr(message, "messages", ()):
            self.notify(text, is_status=False)

    def _say(self, words: str) -> None:
        self._last_words = words
        self.status(words)

    def _on_end(self) -> None:
        self._under_way.say("")
        self.queue.end()
        if self.runner.is_cancelled and not self._last_words:
            self.status("Stopped; nothing was changed.")
        self._chosen.rest(False)
        self.preview_control.end()
        self.results.end()
        if self._is_upscaling:
            self._is_upscaling = False
            self._turn_to_results()
        self._save_control.end()
        self._show_layers()
        self.ended.emit()

    def _turn_to_results(self) -> None:
        """Select what was made, unless the user has selected something else meanwhile."""
        if not self.results.finished:
            return
        self.preview_control.turn_to_results()
        if set(self.viewer.layers.selection) == self._selected:
            self._chosen.select(self.results.finished)

    def open_sample(self) -> None:
        """Open the sample stack."""
        self.viewer.open_sample(settings.PLUGIN, SAMPLE)

    # ------------------------------------------------------------ the end

    def _on_removed(self, layer: Any) -> None:
        """Stop a run whose source or result was taken away; of several, that one."""
        number = self.results.task_of(layer)
        if self.runner.job == UPSCALING and number is not None and self.queue.is_several:
            self.queue.end_one(number)
        elif self.runner.job and (number is not None or self.preview_control.involves(layer)):
            self.cancel()

    def shut(self) -> None:
        """Stop all work and let go of the viewer."""
        self._layers.stop()
        self._view.stop()
        self._chosen.shut()
        self.preview_control.shut()
        self._save_control.end()
        if self.runner.job == UPSCALING:
            self.runner.received.disconnect(self._on_message)
            self.runner.ended.disconnect(self._on_end)
            self.results.outlive(self.runner)
        else:
            self.runner.shut()
        self._under_way.say("")
