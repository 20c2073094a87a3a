"""The fine-tuning widget: data, a start, minutes; live curves; a named model or a plain no."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer, Signal

from napari_srcnn.models.library import list_models
from napari_srcnn.training.field import as_planes
from napari_srcnn.training.runs import (
    check_not_running,
    forget,
    read_options,
    state_path,
    stopped_runs,
)
from napari_srcnn.training.sources import reopened
from napari_srcnn.widgets.finetune import tasks as training
from napari_srcnn.widgets.finetune.form import Files
from napari_srcnn.widgets.finetune.panel import FinetunePanel
from napari_srcnn.widgets.shared import messages, settings
from napari_srcnn.widgets.shared.display import image_layers, kept_selection, selected_images
from napari_srcnn.widgets.shared.events import window_events
from napari_srcnn.widgets.shared.layers import (
    LOW_RES,
    METADATA_KEY,
    current_index,
    pixels,
    preview_kind,
    visible_box,
)
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale import tasks
from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_srcnn.microscope.degradation import Degradation
    from napari_srcnn.training.field import Source

SAMPLE = "pollen"


class FinetuneWidget(FinetunePanel):
    """Trains a network on the layers that are open, or on a folder.

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
        super().__init__()
        self.viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.is_ready = False
        self.runner = Runner(self)
        self._control: training.Control | None = None
        self._ended: training.Ended | None = None
        self._high: Image | None = None
        self._preview: Image | None = None
        #: Of which dtype the image was that was measured, and the fields before and since.
        self._estimate: tuple[Any, Degradation, Degradation] | None = None
        self._is_connected = False
        self._update = QTimer(self)
        self._update.setSingleShot(True)
        self._update.timeout.connect(self._show_layers)
        self.form.edited.connect(self._on_edited)
        self.form.estimate_noise.connect(self.estimate_noise)
        self.form.fit_example.connect(self.fit_example)
        self.form.preview.connect(self.preview)
        self.form.failed.connect(self.fail)
        self.train_button.clicked.connect(self.train)
        self.resume_button.clicked.connect(self.resume)
        self.discard_button.clicked.connect(self.discard_stopped)
        self.pause_button.clicked.connect(self.pause)
        self.stop_button.clicked.connect(self.stop)
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button.clicked.connect(self.keep)
        self.drop_button.clicked.connect(self.drop)
        self.sample_button.clicked.connect(self.open_sample)
        self.folder_button.clicked.connect(self.form.high.ask)
        self.manager.changed.connect(window_events().models_changed)
        self.manager.said.connect(self.status)
        self.manager.failed.connect(self.fail)
        window_events().models_changed.connect(self._on_models)
        self.runner.received.connect(self._on_message)
        self.runner.ended.connect(self._on_end)
        events = self.viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._on_layers)
        self._is_connected = True
        self._show_layers()
        # Drawn first: an import holds the lock that drawing needs.
        QTimer.singleShot(200, self._prepare)

    def _prepare(self) -> None:
        self.runner.prepare(tasks.load_torch)
        self.runner.prepare(_load_training)

    # ------------------------------------------------------------ what there is

    def _on_layers(self, event: Any = None) -> None:
        self._update.start(0)

    def _on_models(self) -> None:
        self.form.show_models()
        self.manager.refresh()

    def _show_layers(self) -> None:
        # What was made of an image is no image to learn from.
        images = [one for one in image_layers(self.viewer) if not preview_kind(one)]
        shapes = [one for one in self.viewer.layers if type(one).__name__ == "Shapes"]
        selected = [one for one in selected_images(self.viewer) if one in images]
        active = selected[0] if selected else (images[0] if images else None)
        self.form.show_layers(images, shapes, active)
        self._show_stopped()
        self._on_edited()

    def _on_edited(self) -> None:
        self._drop_estimate()
        # A training that runs has the window, whatever becomes of its layer.
        self.show_empty(self.form.high.value is None and self._control is None)
        self._describe()

    def _drop_estimate(self) -> None:
        """Take back what was measured in counts that the image now chosen does not have."""
        if self._estimate is None:
            return
        dtype, before, since = self._estimate
        here = getattr(self.form.high.value, "dtype", None)
        if here is None or here == dtype:
            return
        self._estimate = None
        if self.form.degradation_value() == since:
            self.form.show_degradation(before)
            self.status(
                f"The noise that was measured is that of a {dtype} image, and this one is {here}: "
                "it is taken back."
            )

    def _show_stopped(self) -> None:
        asked = self._ended.job.options.name if self._ended is not None else ""
        names = [name for name in stopped_runs() if name != asked] if not self.runner.job else []
        self._stopped_name = names[0] if names else ""
        self.show_stopped(self._stopped_name)

    def _describe(self) -> None:
        """Say what will happen, or why it cannot."""
        if self.form.high.value is None:
            self.summary.say("")
            return
        low = self.form.low.value
        how = (
            "low-res images as you took them"
            if low is not None
            else f"low-res images with {self.form.degradation_value()}"
        )
        text = f"×{self.form.scale.value}, {how}; {self.form.minutes.value():g} min."
        try:
            if self.form.pair_problem:
                raise ValueError(self.form.pair_problem)
            self.form.sources()
        except ValueError as error:
            self.summary.setStyleSheet("QLabel { color: #e0a030; font-size: 10pt; }")
            self.summary.say(str(error))
            return
        self.summary.setStyleSheet("QLabel { font-size: 10pt; }")
        self.summary.say(text)

    # ------------------------------------------------------------ what is asked for

    def train(self) -> None:
        """Begin to train."""
        if self._is_refused():
            return
        if not self.is_ready:
            self.notify("PyTorch is being loaded; try again in a moment.")
            return
        from napari_srcnn.training.finetune import RECIPE, FinetuneOptions

        try:
            options = self.form.options(RECIPE, FinetuneOptions)
            self._check_answered()
            if options.name in list_models():
                raise ValueError(f"There is a model named {options.name!r} already; type another.")
            if state_path(options.name).exists():
                raise ValueError(
                    f"The training of {options.name!r} was stopped before it was over; resume or "
                    "discard it, or type another name."
                )
        except ValueError as error:
            self.fail(str(error))
            return
        self._begin(options, resume=False, folders=self.form.folders)

    def resume(self) -> None:
        """Go on with the training that was stopped."""
        if self._is_refused() or not self._stopped_name:
            return
        if not self.is_ready:
            self.notify("PyTorch is being loaded; try again in a moment.")
            return
        from napari_srcnn.training.finetune import FinetuneOptions

        try:
            self._check_answered()
            value = read_options(self._stopped_name)
            paired = value.get("paired", False)
            known = all(high and (low or not paired) for high, low in value["paths"])
            sources = reopened(value) if known else self._sources_as(value)
            options = FinetuneOptions.from_dict(self._stopped_name, value, sources)
        except (ValueError, OSError) as error:
            self.fail(str(error))
            return
        self._begin(options, resume=True)

    def _sources_as(self, value: dict[str, Any]) -> tuple[Source, ...]:
        """Return the layers that are chosen, limited as those of a stopped run were."""
        boxes = [tuple(tuple(box) for box in part) for part in value["boxes"]]
        return tuple(
            replace(source, boxes=own)
            for source, own in zip(self.form.sources(), boxes, strict=True)
        )

    def _check_answered(self) -> None:
        if self._ended is not None:
            raise ValueError(
                "The last network waits for an answer; press Save it anyway or Discard it."
            )

    def _begin(
        self, options: Any, *, resume: bool, folders: tuple[Path, Path | None] | None = None
    ) -> None:
        if self._remove_preview():
            self.viewer.reset_view()
        self._control, self._ended = training.Control(), None
        self.ask_to_keep(False)
        self.verdict.say("")
        self.status("")
        self.live.setVisible(False)
        self.runner.begin(
            "The training", training.finetune_network, options, resume, folders, self._control
        )
        self.show_busy(True, is_training=True)
        self.show_stopped("")
        self.progress("Reading the images …", None)

    def discard_stopped(self) -> None:
        """Forget the training that was stopped."""
        try:
            check_not_running(self._stopped_name)
        except ValueError as error:
            self.fail(str(error))
            self._show_stopped()
            return
        forget(self._stopped_name)
        self.status(f"The training of {self._stopped_name} is forgotten.")
        self._show_stopped()

    def pause(self) -> None:
        """Let the training wait, or go on."""
        if self._control is None:
            return
        if self._control.pause.is_set():
            self._control.pause.clear()
            self.pause_button.setText("Pause")
        else:
            self._control.pause.set()
            self.pause_button.setText("Go on")
            self.left.say("Paused; nothing is lost.")

    def stop(self) -> None:
        """End the training and keep the best."""
        if self._control is not None:
            self._control.stop.set()
            self.left.say("Stopping; the best is kept …")

    def cancel(self) -> None:
        """Stop the training and forget it."""
        if self._control is not None and self.runner.job:
            self._control.discard.set()
            self.cancel_button.setEnabled(False)
            self.left.say("Stopping …")
            self.runner.cancel()

    def keep(self) -> None:
        """Save a network that is no better."""
        self.ask_to_keep(False)
        if self._ended is None:
            return
        # Where another model has its name by now, the one in the field, which is free.
        if self._ended.job.options.name in list_models():
            try:
                self._ended.job.rename(self.form.name.text().strip())
            except ValueError as error:
                self.fail(str(error))
                self.ask_to_keep(True)
                return
        self._save(self._ended)

    def drop(self) -> None:
        """Forget a network that is no better."""
        self.ask_to_keep(False)
        if self._ended is not None:
            forget(self._ended.job.options.name)
            self._ended = None
        self.status("It was not kept.")
        self._show_stopped()

    def estimate_noise(self) -> None:
        """Measure gain, read noise and offset in the high-res image."""
        high = self._high_array()
        if high is not None and not self._is_refused():
            self._run(
                "The estimate",
                training.estimate,
                high,
                None,
                self.form.scale.value,
                self.form.degradation_value(),
            )

    def fit_example(self) -> None:
        """Estimate blur and noise that make images like the example."""
        example = self.form.example.value
        if not example:
            self.fail("There is no example; open a low-res image of the same kind.")
            return
        if example[0] is self.form.high.value:
            self.fail("The example is the high-res image; choose a low-res one below “Example”.")
            return
        high, low = self._high_array(), pixels(example[0])
        if high is not None and not self._is_refused():
            self._run(
                "The estimate",
                training.estimate,
                high,
                as_planes(low, "YXS" if example[0].rgb else "YX"),
                self.form.scale.value,
                self.form.degradation_value(),
            )

    def preview(self) -> None:
        """Make the low-res image of what is on screen, and put it right of the image."""
        high = self.form.high.value
        if high is None or isinstance(high, Files):
            self.fail("A preview needs an image layer as the high-res image.")
            return
        if self._is_refused():
            return
        box = visible_box(high)
        if box is None:
            self.fail(f"No part of {high.name} is on screen; move it into view.")
            return
        self._high = high
        self._run(
            "The preview",
            training.degrade_plane,
            pixels(high),
            current_index(high, self.viewer.dims),
            box,
            self.form.scale.value,
            self.form.degradation_value(),
        )

    def _run(self, job: str, generator: Any, *arguments: Any) -> None:
        self.status("")
        self.runner.begin(job, generator, *arguments)
        self.show_busy(True)
        self.progress(f"{job} is made …", None)

    def _high_array(self) -> Any:
        """Return the pixels of the high-res image, or None and say why not."""
        try:
            source = self.form.sources()[0]
        except ValueError as error:
            self.fail(str(error))
            return None
        return as_planes(source.high, source.axes)

    def _is_refused(self) -> bool:
        if self._update.isActive():
            self._update.stop()
            self._show_layers()
        if self.runner.job:
            self.notify(f"{self.runner.job} is already running; wait for it or stop it.")
        elif other := self.runner.elsewhere:
            self.notify(f"{other} is running in its own window; wait for it or stop it there.")
        else:
            return False
        return True

    # ------------------------------------------------------------ what is said

    def _on_message(self, message: Any) -> None:
        if isinstance(message, messages.Loaded):
            self.form.show_devices(message)
        elif isinstance(message, _Ready):
            self.is_ready = True
            self.ready.emit()
        elif isinstance(message, messages.Failed):
            if self._control is not None:
                self.verdict.say("")
                self.live.setVisible(self.live.isVisibleTo(self) and len(self.curves.psnr) > 1)
            self.fail(message.sentence)
        elif isinstance(message, training.Estimated):
            before = self.form.degradation_value()
            self.form.show_degradation(message.degradation)
            dtype = getattr(self.form.high.value, "dtype", None)
            self._estimate = (dtype, before, self.form.degradation_value())
            self.status(f"{message.what}: {message.degradation}. The fields are filled in.")
        elif isinstance(message, training.Degraded):
            self._show_degraded(message)
        elif isinstance(message, training.Ended):
            self._on_outcome(message)
        elif isinstance(message, training.Discarded):
            self.live.setVisible(False)
            self.status("Cancelled; nothing was kept.")
        else:
            self._on_training(message)

    def _on_training(self, message: Any) -> None:
        from napari_srcnn.training.finetune import Prepared

        if isinstance(message, Prepared):
            lines = {"bicubic": message.bicubic}
            if message.start_name != "random weights":
                lines["start"] = message.start
            self._lines, self._patch = lines, message.patch
            self.curves.begin(lines)
            patch = message.patch
            self.patches.show_image("Low-res", patch.low, patch.limits)
            self.patches.show_image("Bicubic", patch.bicubic, patch.limits)
            self.patches.show_image("Network now", patch.bicubic, patch.limits)
            self.patches.show_image("Truth", patch.truth, patch.limits)
            self.live.setVisible(True)
            self.verdict.say("Learning …")
            self.progress("The first steps …", None)
            self.status(" ".join((message.summary, *message.notes)))
            return
        told = message.message
        if not (self._control and (self._control.pause.is_set() or self._control.stop.is_set())):
            fraction = told.seconds / (told.seconds + told.seconds_left)
            self.progress(
                f"{duration(told.seconds_left).capitalize()} left · step {told.step:,} · "
                f"{told.megapixels_per_second:.2g} Mpx/s",
                fraction,
            )
        self.curves.add_loss(told.seconds, told.loss)
        if told.note:
            self.notify(told.note)
        if told.measured:
            self.curves.add_psnr(told.seconds, told.psnr)
            over = told.psnr - told.bicubic_psnr
            words = f"{over:+.2f} dB over bicubic on what is held out"
            if "start" in self._lines:
                words += f", {told.psnr - self._lines['start']:+.2f} dB over the start"
            self.verdict.say(words + ".")
            if message.now is not None:
                self.patches.show_image(
                    "Network now", message.now, self._patch.limits, f"Network ({over:+.2f} dB)"
                )

    def _on_outcome(self, message: training.Ended) -> None:
        self._ended = message
        self.verdict.say(message.outcome.sentence)
        if message.outcome.is_better:
            self._save(message)
        else:
            self.ask_to_keep(True)
            self.notify(
                "The network is no better than what there was; see the words below.",
                is_status=False,
            )

    def _save(self, ended: training.Ended) -> None:
        name = ended.job.options.name
        try:
            path = ended.job.save(ended.outcome)
        except (ValueError, OSError) as error:
            # It can be tried again, elsewhere or under another name.
            self.fail(str(error))
            self.ask_to_keep(True)
            return
        self._ended = None
        self.manager.refresh(name)
        window_events().models_changed.emit()
        self.status(f"Saved as {name}; it is in the Upscale widget's menu now.")
        self.message.setToolTip(str(path))

    def _show_degraded(self, message: training.Degraded) -> None:
        """Add the low-res image right of the image, as large as what it shows."""
        high = self._high
        self._remove_preview()
        if high is None or high not in self.viewer.layers:
            return
        scale = self.form.scale.value
        width = message.image.shape[1] * scale
        sizes = [float(n) for n in high.scale[-2:]]
        # The centre of the first low-res pixel, moved right by the width and a little.
        start = [float(n) for n in high.translate[-2:]]
        origin = [
            start[0] + (message.origin[0] + (scale - 1) / 2) * sizes[0],
            start[1] + (message.origin[1] + (scale - 1) / 2 + width * 1.03) * sizes[1],
        ]
        arguments: dict[str, Any] = (
            {}
            if high.rgb
            else {
                "colormap": high.colormap.name,
                "contrast_limits": high.contrast_limits,
            }
        )
        with kept_selection(self.viewer):
            self._preview = self.viewer.add_image(
                message.image,
                name=f"Low-res of {high.name}",
                rgb=high.rgb,
                scale=[n * scale for n in sizes],
                translate=origin,
                units=high.units[-2:],
                metadata={METADATA_KEY: {"preview": LOW_RES, "scale": scale}},
                **arguments,
            )
        self.viewer.reset_view()
        self.status(
            f"Right of the image: what is on screen with {self.form.degradation_value()}, as the "
            "network will see it."
        )

    def _remove_preview(self) -> bool:
        """Remove it, and tell whether it was there."""
        is_there = self._preview is not None and self._preview in self.viewer.layers
        if is_there:
            self.viewer.layers.remove(self._preview)
        self._preview = None
        return is_there

    def _on_end(self) -> None:
        self._control = None
        self.show_busy(False)
        self._show_layers()
        self.ended.emit()

    def open_sample(self) -> None:
        """Open the sample stack."""
        self.viewer.open_sample(settings.PLUGIN, SAMPLE)

    # ------------------------------------------------------------ the end

    def event(self, event: QEvent) -> bool:
        """Stop when the dock is closed: napari takes the widget out and lets it go."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.shut()
        return bool(super().event(event))

    def shut(self) -> None:
        """Stop all work, so that it can be resumed, and let go of the viewer."""
        self.runner.shut()
        self._update.stop()
        if self._is_connected:
            self._is_connected = False
            events = self.viewer.layers.events
            for event in (events.inserted, events.removed, events.reordered, events.renamed):
                event.disconnect(self._on_layers)


class _Ready:
    """What training needs is loaded."""


def _load_training(cancel: threading.Event) -> Any:
    import napari_srcnn.training.finetune  # noqa: F401

    yield _Ready()
