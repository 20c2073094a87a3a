"""The upscale widget: fields, a line that says what will happen, a preview, the run, the result."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QFileDialog

from napari_srcnn.request import resolve
from napari_srcnn.widgets import saving, settings, worker
from napari_srcnn.widgets.display import Previews, ResultLayer, image_layers, selected_images
from napari_srcnn.widgets.layers import (
    current_index,
    pixels,
    shows_planes,
    visible_box,
)
from napari_srcnn.widgets.panel import Panel
from napari_srcnn.widgets.wording import duration, what_the_network_sees, what_will_happen

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
    """

    ready = Signal()
    ended = Signal()

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        # napari hands plugins a proxy, which is another object at every look.
        self.viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.memory_limit: int | None = None
        self.loaded: worker.Loaded | None = None
        self.results: list[Image] = []
        self._settings_known = False
        self._edits: dict[str, Any] = {}
        self._cancel = threading.Event()
        self._job, self._stopped, self._failed, self._is_shut = "", "", False, False
        self._worker: Any = None
        self._waiting: Callable[[], None] | None = None
        self._views: dict[int, ResultLayer] = {}
        self._sources: tuple[Image, ...] = ()
        self._parts: list[worker.Previewed] = []
        self._previews = Previews(self, self.viewer)
        # What the layer list says several times in a row is answered once.
        self._update = QTimer(self)
        self._update.setSingleShot(True)
        self._update.setInterval(0)
        self._update.timeout.connect(self._show_layers)
        self._poll = QTimer(self)
        self._poll.setInterval(100)
        self._poll.timeout.connect(self._show_saving)
        self._saving: saving.Saving | None = None
        self._is_connected = False

        self.form.edited.connect(self._on_edited)
        self.preview_button.clicked.connect(self.preview)
        self.upscale_button.clicked.connect(self.upscale)
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button.clicked.connect(self.ask_and_save)
        self.sample_button.clicked.connect(self.open_sample)
        self.shown.changed.connect(self._on_shown)
        self._connect()
        self._show_layers()
        # The click is answered first; what takes seconds goes on beside the window.
        QTimer.singleShot(0, self._load_settings)

    # ------------------------------------------------------------ what there is

    def _connect(self) -> None:
        if not self._is_connected:
            self._is_connected = True
            events = self.viewer.layers.events
            for event in (events.inserted, events.removed, events.reordered, events.renamed):
                event.connect(self._on_layers)
            events.removed.connect(self._on_removed)
            self.viewer.layers.selection.events.changed.connect(self._on_layers)

    def _disconnect(self) -> None:
        if self._is_connected:
            self._is_connected = False
            events = self.viewer.layers.events
            for event in (events.inserted, events.removed, events.reordered, events.renamed):
                event.disconnect(self._on_layers)
            events.removed.disconnect(self._on_removed)
            self.viewer.layers.selection.events.changed.disconnect(self._on_layers)

    def _on_layers(self, event: Any = None) -> None:
        self._update.start()

    def _show_layers(self) -> None:
        images, selected = image_layers(self.viewer), selected_images(self.viewer)
        if not selected:
            # Other layers may be active; the image stays the one that it was.
            selected = [layer for layer in self.form.layers if layer in images] or images[:1]
        self.form.show_layers(images, selected)
        self.results = [layer for layer in self.results if layer in self.viewer.layers]
        self.shown.setVisible(self._previews.is_shown)
        self.show_empty(not images)
        self._watch_layers()
        self._describe()
        self._show_state()

    def _watch_layers(self) -> None:
        """Follow what the line before the run depends on."""
        for layer in self.form.layers:
            for name in ("data", "axis_labels", "contrast_limits"):
                getattr(layer.events, name).connect(self._on_changed)

    def _on_changed(self, event: Any = None) -> None:
        self._update.start()

    def _on_edited(self, name: str) -> None:
        if name == "layer" and self.form.layers:
            self.viewer.layers.selection.clear()
            self.viewer.layers.selection.update(self.form.layers)
        setting = self.form.setting(name)
        if setting is not None:
            if self._settings_known:
                settings.save(*setting)
            else:
                self._edits[setting[0]] = setting[1]
        self._describe()

    # ------------------------------------------------------------ settings and torch

    def _load_settings(self) -> None:
        self._start(
            settings.load_in_background, on_message=self._on_settings, then=self._load_torch
        )

    def _on_settings(self, message: settings.Settings) -> None:
        self._settings_known = True
        if not self._edits:
            self.form.apply(message)
        for name, value in self._edits.items():
            settings.save(name, value)
        self._describe()

    def _load_torch(self) -> None:
        self._start(worker.load_torch, on_message=self._on_loaded, then=self._after_loading)

    def _on_loaded(self, message: worker.Loaded) -> None:
        self.loaded = message
        self.form.show_devices(message)
        self._describe()
        self.ready.emit()

    def _after_loading(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    def _start(
        self, generator: Any, *arguments: Any, on_message: Callable[[Any], None],
        then: Callable[[], None],
    ) -> None:  # fmt: skip
        self._then = then
        self._worker = worker.start(
            generator, *arguments, on_message=on_message, on_end=self._on_worker_end
        )

    def _on_worker_end(self) -> None:
        self._worker = None
        if not self._is_shut:
            self._then()

    # ------------------------------------------------------------ the line before the run

    def _describe(self) -> None:
        if not self.form.layers:
            self.describe("", "")
            return
        requests, seconds = [], 0.0
        options: dict[str, Any] = {}
        try:
            for layer in self.form.layers:
                options = self.form.options(layer)
                device = options.pop("device")
                request, _ = resolve(pixels(layer), window=None, tf32=False, half=False, **options)
                requests.append(request)
                seconds += self._estimate(layer, options | {"device": device}) or float("nan")
        except ValueError as error:
            self.describe(str(error), "", is_wrong=True)
            return
        known = None if math.isnan(seconds) else seconds
        self.describe(
            what_will_happen(requests, known),
            " ".join(
                filter(
                    None,
                    (what_the_network_sees(requests[0], self.form.intensity.value),
                     requests[0].note),
                )
            ),
        )  # fmt: skip

    def _estimate(self, layer: Image, options: dict[str, Any]) -> float | None:
        """Return about how many seconds a layer takes, where that was measured before."""
        if self.loaded is None or "torch" not in sys.modules:
            return None
        from napari_srcnn.inference import plan_upscale

        return plan_upscale(pixels(layer), **options).estimate_seconds()

    # ------------------------------------------------------------ jobs

    def _show_state(self) -> None:
        self.show_busy(self.is_busy, has_result=bool(self.results))

    @property
    def is_busy(self) -> bool:
        """Whether a preview, a run or a save is under way, or waits for torch."""
        return self._job != ""

    def _begin(self, job: str, run: Callable[[], None]) -> None:
        """Start a job, as soon as torch is loaded."""
        self._job = job
        self._cancel = threading.Event()
        self._failed = False
        self._show_state()
        if self._worker is None:
            run()
        else:
            self._waiting = run
            self.progress("Loading PyTorch …", None)

    def _is_refused(self) -> bool:
        if self.is_busy:
            self.notify(f"{self._job} is already running; wait for it or press Cancel.")
        elif not self.form.layers:
            self.notify("There is no image to enlarge; open one or choose it in the layer list.")
        else:
            return False
        return True

    def _tasks(self, *, visible_part: bool = False) -> list[worker.Task]:
        tasks = []
        for layer in self.form.layers:
            options = self.form.options(layer)
            checked = {key: value for key, value in options.items() if key != "device"}
            resolve(pixels(layer), window=None, tf32=False, half=False, **checked)
            box = None
            if visible_part:
                if not shows_planes(layer, self.viewer.dims):
                    raise ValueError(
                        "A preview shows one slice; switch the viewer to 2-D with its Y and X "
                        "axes on screen."
                    )
                box = visible_box(layer)
                if box is None:
                    raise ValueError(
                        f"No part of {layer.name} is on screen; move it into view "
                        "or press the house below the layer list."
                    )
            first = current_index(layer, self.viewer.dims)
            tasks.append(
                worker.Task(
                    name=layer.name, source=pixels(layer), options=options, first=first, box=box
                )
            )
        return tasks

    def upscale(self) -> None:
        """Enlarge the chosen layers into new ones."""
        if self._is_refused():
            return
        try:
            tasks = self._tasks()
        except ValueError as error:
            self.fail(str(error))
            return
        self._sources, self._views = self.form.layers, {}
        self._scale = self.form.scale.value
        self.results = []
        self._begin(
            "The upscaling",
            lambda: self._start(
                worker.upscale_layers, tasks, self._cancel, self.memory_limit,
                on_message=self._on_message, then=self._end,
            ),
        )  # fmt: skip

    def preview(self) -> None:
        """Show the visible part of the current slice by the network and by bicubic."""
        if self._is_refused():
            return
        try:
            tasks = self._tasks(visible_part=True)
        except ValueError as error:
            self.fail(str(error))
            return
        self._sources, self._parts = self.form.layers, []
        self._scale = self.form.scale.value
        self._begin(
            "The preview",
            lambda: self._start(
                worker.preview_layers, tasks, self._cancel,
                on_message=self._on_message, then=self._end,
            ),
        )  # fmt: skip

    def cancel(self) -> None:
        """Stop what is under way; finished slices are kept."""
        if not self.is_busy:
            return
        self._cancel.set()
        self.cancel_button.setEnabled(False)
        self.status("Stopping …")
        if self._waiting is not None:
            self._waiting = None
            self._end()

    def _end(self) -> None:
        job, self._job = self._job, ""
        self._poll.stop()
        if self._parts and not self._cancel.is_set():
            self._show_preview()
        self._sources, self._views, self._parts = (), {}, []
        if self._cancel.is_set() and job and not self._failed:
            self.status(self._stopped or "Cancelled; nothing was changed.")
        self._stopped = ""
        self._show_state()
        self._describe()
        self.ended.emit()

    def _show_preview(self) -> None:
        there = [
            (source, part) for source, part in zip(self._sources, self._parts, strict=False)
            if source in self.viewer.layers
        ]  # fmt: skip
        if there:
            sources, parts = zip(*there, strict=True)
            self._previews.add(sources, parts, self._scale)
            self.shown.show("SRCNN")
            cut = any(part.cut for part in parts)
            self.status(
                "Preview of the middle of what is on screen: all of it would take long."
                if cut else "Preview of what is on screen, in this slice only."
            )  # fmt: skip

    def _on_shown(self, kind: str) -> None:
        if kind == "remove":
            self._previews.remove()
            self.status("")
        else:
            self._previews.show(kind)
        self.shown.setVisible(self._previews.is_shown)

    def _on_message(self, message: Any) -> None:
        """Show what a worker says; this runs on the main thread."""
        view = self._views.get(getattr(message, "task", -1))
        if isinstance(message, worker.Failed):
            self._failed = True
            self.fail(message.sentence)
        elif isinstance(message, worker.Opened):
            source = self._sources[message.task]
            if source in self.viewer.layers:
                self._views[message.task] = ResultLayer(
                    self, self.viewer, source, message.storage, self._scale
                )
        elif isinstance(message, worker.Step):
            left = duration(message.seconds_left)
            self.progress(f"{message.text} · {left} left".lstrip(" ·"), message.fraction)
            if view is not None:
                view.touch(message.touched)
            if message.message:
                self.notify(message.message)
        elif isinstance(message, worker.Previewed):
            self._parts.append(message)
        elif isinstance(message, worker.Finished) and view is not None:
            view.finish(message.metadata)
            self.results.append(view.layer)
            took = duration(message.metadata["seconds"]).removeprefix("about ")
            self.status(" ".join((f"Done in {took} on {message.metadata['device']}.",
                                  *message.messages)))  # fmt: skip
            for text in message.messages:
                self.notify(text, keep_status=True)
        elif isinstance(message, worker.Stopped) and view is not None:
            if message.done:
                view.stop(message.metadata)
                self.results.append(view.layer)
                self._stopped = f"Stopped; {message.done} of {message.total} slices are kept."
            else:
                view.drop()
                self._stopped = "Stopped before a slice was finished; nothing is kept."

    # ------------------------------------------------------------ saving

    def ask_and_save(self) -> None:
        """Ask where to save the results, and save them."""
        if self._is_refused() or not self.results:
            return
        if len(self.results) == 1:
            suggested = saving.file_name(self.results[0].name)
            chosen, _ = QFileDialog.getSaveFileName(
                self, "Save the result", suggested, "OME-TIFF (*.ome.tif *.ome.tiff)"
            )
        else:
            chosen = QFileDialog.getExistingDirectory(
                self, "Save the results, a file for each layer, in this folder"
            )
        if chosen:
            self.save(chosen)

    def save(self, path: str | Path) -> None:
        """Save the results as OME-TIFF.

        Parameters
        ----------
        path : str or Path
            The file; where there are several results, the folder.
        """
        if self._is_refused():
            return
        if not self.results:
            self.notify("There is no result to save yet; press Upscale first.")
            return
        self._saving = saving.Saving(self.results, Path(path), self._cancel)
        self._begin(
            "The saving",
            lambda: self._start(
                saving.save, self._saving, on_message=self._on_saved, then=self._end
            ),
        )
        self._saving.cancel = self._cancel
        self._poll.start()

    def _show_saving(self) -> None:
        if self._saving is not None:
            self.progress("Saving", self._saving.fraction)

    def _on_saved(self, message: worker.Failed | saving.Saved) -> None:
        if isinstance(message, worker.Failed):
            self._failed = True
            self.fail(message.sentence)
        else:
            self.status(f"Saved {', '.join(path.name for path in message.paths)}.")

    # ------------------------------------------------------------ the end

    def _on_removed(self, event: Any) -> None:
        """Stop a run whose source or result was taken away."""
        layer = event.value
        results = [view.layer for view in self._views.values()]
        if self.is_busy and (layer in self._sources or layer in results):
            self._cancel.set()
            self._stopped = f"Stopped: the layer {layer.name} was removed."

    def open_sample(self) -> None:
        """Open the sample stack."""
        self.viewer.open_sample(settings.PLUGIN, SAMPLE)

    def event(self, event: QEvent) -> bool:
        """Stop when the dock is closed: napari takes the widget out and lets it go."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.shut()
            else:
                self._connect()
        return bool(super().event(event))

    def shut(self) -> None:
        """Stop all work and let go of the viewer."""
        self._is_shut = True
        self._waiting = None
        self._cancel.set()
        if self._worker is not None:
            self._worker.quit()
        self._disconnect()
