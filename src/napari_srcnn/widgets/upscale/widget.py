"""The upscale widget: fields, a line that says what will happen, a preview, the run, the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_srcnn.widgets.shared import messages, settings
from napari_srcnn.widgets.shared.display import add_filters, image_layers, selected_images
from napari_srcnn.widgets.shared.events import window_events
from napari_srcnn.widgets.shared.layers import pixels
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale import request, saving, tasks
from napari_srcnn.widgets.upscale.form import SCALES
from napari_srcnn.widgets.upscale.panel import Panel
from napari_srcnn.widgets.upscale.previews import Previews
from napari_srcnn.widgets.upscale.results import Results
from napari_srcnn.widgets.upscale.wording import what_the_network_sees, what_will_happen
from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from napari.viewer import Viewer

SAMPLE = "brain"


class UpscaleWidget(Panel):
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

    Attributes
    ----------
    memory_limit : int or None
        Bytes that results may take in memory before they go to a temporary file; half of what is
        free for None.
    """

    ready = Signal()
    ended = Signal()

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        # napari hands plugins a proxy, which is another object at every look.
        self.viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.memory_limit: int | None = None
        self.loaded: messages.Loaded | None = None
        self.runner = Runner(self)
        self.results = Results(self, self.viewer)
        self.previews = Previews(self, self.viewer)
        self._edits: dict[str, Any] | None = {}  # until the settings are known
        self._sources: tuple[Image, ...] = ()
        self._parts: list[messages.Previewed] = []
        self._saving: saving.SaveJob | None = None
        self._last_words = ""
        self._watched: tuple[Image, ...] = ()
        self._looked_at: Any = None
        self._is_prepared = False
        self._is_connected = False
        # What the layer list says several times in a row is answered once.
        self._update = QTimer(self)
        self._update.setSingleShot(True)
        self._update.timeout.connect(self._show_layers)
        self._poll = QTimer(self)
        self._poll.setInterval(100)
        self._poll.timeout.connect(self._show_saving)

        self.form.edited.connect(self._on_edited)
        self.preview_button.clicked.connect(self.preview)
        self.upscale_button.clicked.connect(self.upscale)
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button.clicked.connect(self.ask_and_save)
        self.sample_button.clicked.connect(self.open_sample)
        self.shown.changed.connect(self._on_shown)
        self.form.filters.clicked.connect(self.show_filters)
        self.runner.received.connect(self._on_message)
        self.runner.ended.connect(self._on_end)
        window_events().models_changed.connect(self.form.show_models)
        window_events().model_wanted.connect(self.use_model)
        self._connect()
        self._show_layers()
        # What takes seconds goes on beside the window, but the widget is drawn first: an import
        # holds the lock that drawing needs.
        QTimer.singleShot(200, self._prepare)

    def _prepare(self) -> None:
        self.runner.prepare(settings.load_in_background)
        self._is_prepared = True
        self._propose()
        self.runner.prepare(tasks.load_torch)

    # ------------------------------------------------------------ what there is

    def _connect(self) -> None:
        if not self._is_connected:
            self._is_connected = True
            events = self.viewer.layers.events
            for event in (events.inserted, events.reordered, events.renamed):
                event.connect(self._on_layers)
            events.removed.connect(self._on_removed)
            self.viewer.layers.selection.events.changed.connect(self._on_layers)

    def _disconnect(self) -> None:
        if self._is_connected:
            self._is_connected = False
            events = self.viewer.layers.events
            for event in (events.inserted, events.reordered, events.renamed):
                event.disconnect(self._on_layers)
            events.removed.disconnect(self._on_removed)
            self.viewer.layers.selection.events.changed.disconnect(self._on_layers)
            self._watch(())

    def _on_layers(self, event: Any = None) -> None:
        self._update.start(0)

    def _show_layers(self) -> None:
        images, selected = image_layers(self.viewer), selected_images(self.viewer)
        if not selected:
            # Other layers may be active; the image stays the one that it was.
            selected = [layer for layer in self.form.layers if layer in images] or images[:1]
        self.form.show_layers(images, selected)
        self._watch(self.form.layers)
        self._propose()
        self.results.forget_removed()
        self.shown.setVisible(self.previews.is_shown)
        self.show_empty(not images)
        self._show_state()
        self._describe()

    def _propose(self) -> None:
        """Look for the model that fits the image, once for each."""
        layer = self.form.layers[0] if self.form.layers else None
        source = None if layer is None else pixels(layer)
        if not self._is_prepared:
            return
        if layer is not None and source is not self._looked_at:
            self.runner.prepare(tasks.propose, source, SCALES, self.form.axes(layer))
        self._looked_at = source

    def _watch(self, layers: tuple[Image, ...]) -> None:
        """Follow what the line before the run depends on."""
        for layer in self._watched:
            for name in ("data", "axis_labels", "contrast_limits"):
                getattr(layer.events, name).disconnect(self._on_layers)
        for layer in layers:
            for name in ("data", "axis_labels", "contrast_limits"):
                getattr(layer.events, name).connect(self._on_layers)
        self._watched = layers

    def _show_state(self) -> None:
        self.show_busy(bool(self.runner.job), has_result=bool(self.results.layers))

    def _on_edited(self, name: str) -> None:
        if name == "layer" and self.form.layers:
            self.viewer.layers.selection.clear()
            self.viewer.layers.selection.update(self.form.layers)
        setting = self.form.setting(name)
        if setting is not None and self._edits is None:
            settings.save(*setting)
        elif setting is not None and self._edits is not None:
            self._edits[setting[0]] = setting[1]
        self._describe()

    # ------------------------------------------------------------ the line before the run

    def _describe(self) -> None:
        if not self.form.layers:
            self.describe("", "")
            return
        try:
            asked = [(layer, self.form.options(layer)) for layer in self.form.layers]
            requests = [request.request_of(*one) for one in asked]
            # Without torch there is no device to know the speed of.
            times = [request.estimate(*one) if self.loaded else None for one in asked]
        except ValueError as error:
            self.describe(str(error), "", is_wrong=True)
            return
        known = [seconds for seconds in times if seconds is not None]
        seconds = sum(known) if len(known) == len(times) else None
        seen = what_the_network_sees(requests[0], self.form.intensity.value)
        self.describe(what_will_happen(requests, seconds), f"{seen} {requests[0].note}".strip())

    # ------------------------------------------------------------ jobs

    def upscale(self) -> None:
        """Enlarge the chosen layers into new ones."""
        if self._is_refused():
            return
        try:
            chosen = self._tasks()
        except ValueError as error:
            self.fail(str(error))
            return
        self.previews.remove()
        self.results.begin(self.form.layers, self.form.scale.value)
        self.runner.begin("The upscaling", tasks.upscale_layers, chosen, self.memory_limit)
        self._on_begin()

    def preview(self) -> None:
        """Show the visible part of the current slice by the network and by bicubic."""
        if self._is_refused():
            return
        try:
            chosen = self._tasks(is_preview=True)
        except ValueError as error:
            self.fail(str(error))
            return
        self._sources, self._parts = self.form.layers, []
        self._scale = self.form.scale.value
        self.runner.begin("The preview", tasks.preview_layers, chosen)
        self._on_begin()

    def save(self, path: str | Path) -> None:
        """Save the results as OME-TIFF.

        Parameters
        ----------
        path : str or Path
            The file; where there are several results, the folder. The user is asked before a file
            is replaced that has this name only with the suffix added.
        """
        if self._is_refused():
            return
        if not self.results.layers:
            self.notify("There is no result to save yet; press Upscale first.")
            return
        if not self._may_write(Path(path)):
            return
        self._saving = saving.SaveJob(self.results.layers, Path(path))
        self.runner.begin("The saving", saving.save, self._saving)
        self._poll.start()
        self._on_begin()

    def show_filters(self) -> None:
        """Open the chosen network's first-layer filters as an image layer."""
        if self.runner.job:
            self.notify(f"{self.runner.job} is already running; wait for it or press Cancel.")
        elif not self.form.model.value:
            self.notify("There is no network for this scale.")
        else:
            self.runner.begin("The drawing", tasks.show_filters, self.form.model.value)
            self._on_begin()

    def use_model(self, name: str, scale: int) -> None:
        """Choose a model and its scale."""
        if self._edits is not None:  # what was chosen in an earlier session comes still
            self._edits |= {"scale": scale, "model": name}
        self.form.scale.value = scale
        self.form.show_models(name)
        self._on_edited("model")

    def cancel(self) -> None:
        """Stop what is under way; finished slices are kept."""
        if self.runner.job:
            self.cancel_button.setEnabled(False)
            self.left.say("Stopping …")
            self.runner.cancel()

    def _is_refused(self) -> bool:
        if self._update.isActive():
            self._update.stop()
            self._show_layers()
        if self.runner.job:
            self.notify(f"{self.runner.job} is already running; wait for it or press Cancel.")
        elif other := self.runner.elsewhere:
            self.notify(f"{other} is running in its own window; wait for it or stop it there.")
        elif not self.form.layers:
            self.notify("There is no image to enlarge; open one or choose it in the layer list.")
        else:
            return False
        return True

    def _tasks(self, *, is_preview: bool = False) -> list[messages.Task]:
        form, dims = self.form, self.viewer.dims
        return [
            request.task_of(layer, form.options(layer), dims, is_preview=is_preview)
            for layer in form.layers
        ]

    def _on_begin(self) -> None:
        self._last_words = ""
        self._show_state()
        if self.runner.is_waiting:
            self.progress("Loading PyTorch …", None)

    def _on_message(self, message: Any) -> None:
        """Show what a worker says; this runs on the main thread."""
        if isinstance(message, settings.Settings):
            edits, self._edits = self._edits or {}, None
            self.form.apply(message, keep=edits)
            for name, value in edits.items():
                settings.save(name, value)
            self._describe()
        elif isinstance(message, messages.Proposed):
            self.form.show_proposal(message)
            self._describe()
        elif isinstance(message, messages.Loaded):
            self.loaded = message
            self.form.show_devices(message)
            self._describe()
            self.ready.emit()
        elif isinstance(message, messages.Failed):
            self._last_words = message.sentence
            self.fail(message.sentence)
        elif isinstance(message, messages.Previewed):
            self._parts.append(message)
        elif isinstance(message, messages.Filters):
            add_filters(self.viewer, message, beside=self.form.layers)
            self._say("The filters are a layer right of the image; gray is zero.")
        elif isinstance(message, saving.Saved):
            self._say(f"Saved {', '.join(path.name for path in message.paths)}.")
        else:
            self._on_progress(message)

    def _on_progress(self, message: Any) -> None:
        if isinstance(message, messages.Step) and not self.runner.is_cancelled:
            left = f"{duration(message.seconds_left)} left"
            self.progress(f"{message.text} · {left}" if message.text else left, message.fraction)
        words = "" if self._sources else self.results.receive(message)
        if words:
            self._say(words)
        for text in getattr(message, "messages", ()):
            self.notify(text, is_status=False)

    def _say(self, words: str) -> None:
        self._last_words = words
        self.status(words)

    def _on_end(self) -> None:
        self._poll.stop()
        if self._parts and not self.runner.is_cancelled:
            self._show_preview()
        elif self.runner.is_cancelled and not self._last_words:
            self.status("Stopped; nothing was changed.")
        self.results.end()
        self._sources, self._parts, self._saving = (), [], None
        self._show_layers()
        self.ended.emit()

    def _show_preview(self) -> None:
        there = [
            (source, part)
            for source, part in zip(self._sources, self._parts, strict=False)
            if source in self.viewer.layers
        ]
        if not there:
            return
        self.previews.add([source for source, _ in there], [part for _, part in there], self._scale)
        self.shown.choose("SRCNN")
        cut = any(part.cut for _, part in there)
        self.status(
            "Preview of the middle of what is on screen; all of it would take long."
            if cut
            else "Preview of what is on screen, in this slice only."
        )

    def _on_shown(self, kind: str) -> None:
        if kind == "remove":
            self.previews.remove()
            self.status("")
        else:
            self.previews.show(kind)

    def ask_and_save(self) -> None:
        """Ask where to save the results, and save them."""
        if self._is_refused() or not self.results.layers:
            return
        if len(self.results.layers) == 1:
            chosen, _ = QFileDialog.getSaveFileName(
                self,
                "Save the result",
                saving.file_name(self.results.layers[0].name),
                "OME-TIFF (*.ome.tif *.ome.tiff)",
            )
        else:
            chosen = QFileDialog.getExistingDirectory(
                self, "Save the results, a file for each layer, in this folder"
            )
        if chosen:
            self.save(chosen)

    def _may_write(self, path: Path) -> bool:
        """Ask before a file is replaced that the dialog could not ask about."""
        target = saving.with_suffix(path)
        if len(self.results.layers) > 1 or target == path or not target.exists():
            return True
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Save the result",
            f"{target.name} is there already. Replace it?",
            buttons.Yes | buttons.Cancel,
            buttons.Cancel,
        )
        return bool(answer == buttons.Yes)

    def _show_saving(self) -> None:
        if self._saving is not None and not self.runner.is_cancelled:
            self.progress("Saving …", self._saving.fraction)

    def open_sample(self) -> None:
        """Open the sample stack."""
        self.viewer.open_sample(settings.PLUGIN, SAMPLE)

    # ------------------------------------------------------------ the end

    def _on_removed(self, event: Any) -> None:
        """Stop a run whose source or result was taken away."""
        if self.runner.job and (self.results.involves(event.value) or event.value in self._sources):
            self.cancel()
        self._update.start(0)

    def event(self, event: QEvent) -> bool:
        """Stop when the dock is closed: napari takes the widget out and lets it go."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.shut()
        return bool(super().event(event))

    def shut(self) -> None:
        """Stop all work and let go of the viewer."""
        self.runner.shut()
        self._disconnect()
        self._update.stop()
        self._poll.stop()
