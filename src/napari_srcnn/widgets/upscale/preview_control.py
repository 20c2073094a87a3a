"""The preview from the button to the layer, and how it follows what is on screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_srcnn.widgets.shared import messages
from napari_srcnn.widgets.shared.layers import Appearance, pixels
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale import tasks
from napari_srcnn.widgets.upscale.following import Following
from napari_srcnn.widgets.upscale.previews import IMAGE, Part, Previews

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.upscaling.options import Options
    from napari_srcnn.widgets.upscale.panel import Panel

# Screen pixels for one of the image: with fewer, the screen shows no more than the image has.
ENOUGH_ZOOM = 1.5


class _Request:
    """A preview that was asked for: of what, and what has come of it."""

    def __init__(self, sources: Sequence[Image], chosen: Sequence[messages.Task]) -> None:
        self.sources, self.tasks = tuple(sources), tuple(chosen)
        self.looks = [Appearance.of(source) for source in sources]
        self.results: list[messages.Previewed] = []

    @property
    def scale(self) -> int:
        """How many times as many pixels."""
        return self.tasks[0].scale

    def shows(self, other: _Request) -> bool:
        """Tell whether another one asks for the same."""
        return self._key == other._key

    def is_elsewhere(self, other: _Request) -> bool:
        """Tell whether another one asks for other slices, or for what another network makes."""
        return self._of != other._of

    @property
    def _of(self) -> tuple[Any, ...]:
        # Smoothed more or less it is the same picture: it stays until the next one is there.
        return self._content([replace(one.options, smoothing=1) for one in self.tasks])

    @property
    def _key(self) -> tuple[Any, ...]:
        options, boxes = [one.options for one in self.tasks], [one.box for one in self.tasks]
        return (*self._content(options), boxes)

    def _content(self, options: Sequence[Options]) -> tuple[Any, ...]:
        slices = [
            (id(task.source), task.first, one)
            for task, one in zip(self.tasks, options, strict=True)
        ]
        # Their place in the world: a layer that was moved takes its preview along.
        places = [look.geometry.matrix.tolist() for look in self.looks]
        return slices, places


class PreviewControl(QObject):
    """Makes previews, and makes them anew when the view has rested somewhere else."""

    def __init__(self, panel: Panel, viewer: ViewerModel, runner: Runner) -> None:
        super().__init__(panel)
        self._panel, self._viewer, self._runner = panel, viewer, runner
        self.previews = Previews(self, viewer)
        self._aside = Runner(self)
        self._aside.received.connect(self._on_aside)
        self._following = Following(self, viewer)
        self._following.moved.connect(self._on_moved)
        self._following.rested.connect(self._on_rested)
        # What is under way, and what is shown.
        self._asked: _Request | None = None
        self._shown: _Request | None = None
        self._following_to: _Request | None = None
        panel.shown.changed.connect(self._on_switched)

    @property
    def is_asked(self) -> bool:
        """Whether a preview is under way as a job."""
        return self._asked is not None

    def involves(self, layer: Any) -> bool:
        """Tell whether a layer is one that the preview under way is made of."""
        return self._asked is not None and layer in self._asked.sources

    def begin(self, sources: Sequence[Image], chosen: Sequence[messages.Task]) -> None:
        """Make a preview as a job of the user's."""
        self._aside.drop()
        self._asked = _Request(sources, chosen)
        self._runner.begin("The preview", tasks.preview_layers, chosen)

    def receive(self, message: messages.Previewed) -> None:
        """Take a part of the job's result."""
        if self._asked is not None:
            self._asked.results.append(message)

    def end(self) -> None:
        """Show what the job has made."""
        asked, self._asked = self._asked, None
        if asked is not None and not self._runner.is_cancelled and self._show(asked):
            self._panel.shown.choose(self.previews.kind)
            self._following.start()
        elif self.previews.is_shown:
            self.poke()

    def hide(self) -> None:
        """Show the images alone: something else is about to be shown over them."""
        self._aside.drop()
        if self.previews.is_shown:
            self.previews.show(IMAGE)
            self._panel.shown.choose(IMAGE)

    def poke(self) -> None:
        """Note that what a preview is made of may have changed."""
        if self.previews.is_shown:
            self._following.poke()

    def refresh(self) -> None:
        """Let go of layers that are gone."""
        self.previews.forget_removed()
        self._panel.shown.setVisible(self.previews.is_shown)
        if not self.previews.is_shown:
            self._following.stop()
            self._shown = None

    def shut(self) -> None:
        """Stop, and leave the images as they were."""
        self._following.stop()
        self._aside.shut()
        self.previews.suspend()

    # ------------------------------------------------------------ following

    def _on_moved(self) -> None:
        now = self._what_is_wanted()
        if self._shown is not None and (now is None or self._shown.is_elsewhere(now)):
            # Seen over another slice, or as another network's, it would mislead.
            self.previews.suspend()

    def _on_rested(self) -> None:
        if not self.previews.is_shown or self.previews.kind == IMAGE or self._runner.job:
            return
        now = self._what_is_wanted()
        self._panel.shown.setEnabled(now is not None)
        if now is None:
            self._panel.status("The preview does not fit what is on screen; press Preview again.")
        elif self._shown is not None and self._shown.shows(now):
            self.previews.show(self.previews.kind)
            self._say(now)
        else:
            self._following_to = now
            self._aside.supersede(tasks.preview_layers, now.tasks)

    def _what_is_wanted(self) -> _Request | None:
        """Return what a preview would show now; None where there can be none."""
        chosen = self._panel.preview_tasks()
        return _Request(self._panel.form.layers, chosen) if chosen else None

    def _on_aside(self, message: Any) -> None:
        if isinstance(message, messages.Failed):
            self._panel.shown.setEnabled(False)
            self._panel.status(message.sentence)
        if not isinstance(message, messages.Previewed):
            return
        asked = self._following_to
        if asked is None:
            return
        asked.results.append(message)
        if len(asked.results) == len(asked.tasks) and not self._runner.job:
            self._show(asked)

    # ------------------------------------------------------------ showing

    def _show(self, asked: _Request) -> bool:
        """Show a preview that is whole; tell whether there was one."""
        if len(asked.results) != len(asked.tasks):
            return False
        parts = [
            Part(source=source, appearance=look, result=result)
            for source, look, result, task in zip(
                asked.sources, asked.looks, asked.results, asked.tasks, strict=True
            )
            if source in self._viewer.layers and pixels(source) is task.source
        ]
        if len(parts) < len(asked.tasks):
            self._panel.status("The image was changed meanwhile; press Preview again.")
            return False
        self.previews.update(parts, asked.scale)
        self._shown = asked
        self._panel.shown.setEnabled(True)
        self._panel.shown.setVisible(True)
        self._say(asked)
        return True

    def _say(self, asked: _Request) -> None:
        model = asked.tasks[0].options.model
        place = (
            "the middle of what is on screen; all of it would take long"
            if any(result.cut for result in asked.results)
            else "what is on screen, in this slice only"
        )
        text = f"Preview ×{asked.scale} of {place}. By {model}."
        if self._zoom(asked.sources[0]) < ENOUGH_ZOOM:
            text += " Zoom in to see the gain: the image has as many pixels as the screen or more."
        doubts = dict.fromkeys(result.doubt for result in asked.results if result.doubt)
        self._panel.status(" ".join((text, *doubts)))

    def _zoom(self, source: Image) -> float:
        """Return how many pixels of the screen one of the image takes."""
        own, shown = source.units[-1], self._viewer.dims.units[-1]
        unit = float((1 * own).m_as(shown)) if own.is_compatible_with(shown) else 1.0
        return float(abs(source.scale[-1]) * unit * self._viewer.scene.camera.zoom)

    def _on_switched(self, kind: str) -> None:
        if kind == "remove":
            self.previews.remove()
            self.refresh()
            self._panel.status("")
            return
        before = self.previews.kind
        self.previews.show(kind or IMAGE)
        if kind and before == IMAGE:
            self._on_moved()
            self._following.poke()
