"""The preview from the button to the layer, and how it follows what is on screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_srcnn.widgets.compare.bar import DIVIDED, IMAGE, PIXELS, REMOVE, SRCNN
from napari_srcnn.widgets.shared import messages
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale import tasks
from napari_srcnn.widgets.upscale.following import Following
from napari_srcnn.widgets.upscale.look import Look
from napari_srcnn.widgets.upscale.preview_layer import Part
from napari_srcnn.widgets.upscale.previews import Previews
from napari_srcnn.widgets.upscale.subjects import (
    Subject,
    of_result,
    others_of,
    result_of,
    with_others,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.widgets.upscale.panel import Panel

# Screen pixels for one of the image: with fewer, the screen shows no more than the image has.
ENOUGH_ZOOM = 1.5


class PreviewControl(QObject):
    """Makes previews, and makes them anew when the view has rested somewhere else.

    After a run it compares the results that are there in the same way.
    """

    def __init__(self, panel: Panel, viewer: ViewerModel, runner: Runner) -> None:
        super().__init__(panel)
        self._panel, self._viewer, self._runner = panel, viewer, runner
        self.previews = Previews(panel, viewer)
        self._aside = Runner(self)
        self._aside.received.connect(self._on_aside)
        self._following = Following(self, viewer)
        self._following.moved.connect(self._on_moved)
        self._following.rested.connect(self._on_rested)
        # What is under way, and what is shown.
        self._asked: Look | None = None
        self._shown: Look | None = None
        self._following_to: Look | None = None
        # What was asked for last: a look ahead, or what was made.
        self._is_of_results = True
        self._is_shut = False
        panel.shown.changed.connect(self._on_switched)
        panel.shown.sides_changed.connect(self._on_sides)
        viewer.canvas.grid.events.enabled.connect(self._on_grid)

    @property
    def is_asked(self) -> bool:
        """Whether a preview is under way as a job."""
        return self._asked is not None

    def involves(self, layer: Any) -> bool:
        """Tell whether a layer is one that the preview under way is made of."""
        return self._asked is not None and any(
            layer in (one.source, one.base) for one in self._asked.subjects
        )

    def begin(self, sources: Sequence[Image], chosen: Sequence[messages.Task]) -> None:
        """Make a preview as a job of the user's."""
        self._aside.drop()
        self._is_of_results = False
        self._asked = Look(self._ahead(sources, chosen))
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

    def turn_to_results(self) -> None:
        """Compare, from now on, what was made; it is seen as it is until that is asked for."""
        self._is_of_results = True
        self._panel.shown.choose(SRCNN)

    def hide(self) -> None:
        """Show the images alone: something else is about to be shown over them."""
        self._aside.drop()
        self.previews.show(IMAGE)
        self._panel.shown.choose(IMAGE)

    def poke(self) -> None:
        """Note that what a preview is made of may have changed."""
        if self.previews.is_shown or self.previews.kind != IMAGE:
            self._following.poke()

    def refresh(self) -> None:
        """Let go of layers that are gone, and offer what can be compared of those there are."""
        was_shown = self.previews.is_shown
        self.previews.forget_removed()
        is_made = bool(self._results())
        if was_shown and (not self.previews.is_shown or (self._is_of_results and not is_made)):
            self._remove()
        self._panel.shown.setVisible(self.previews.is_shown or is_made)
        self._panel.shown.buttons[REMOVE].setVisible(self.previews.is_shown)
        if self._panel.shown.isVisibleTo(self._panel):
            self._offer()

    def shut(self) -> None:
        """Stop, and leave the images as they were."""
        self._following.stop()
        self._aside.shut()
        if not self._is_shut:
            self._is_shut = True
            self._viewer.canvas.grid.events.enabled.disconnect(self._on_grid)
        self.previews.shut()

    # ------------------------------------------------------------ following

    def _on_moved(self) -> None:
        now = self._what_is_wanted()
        if self._shown is not None and (now is None or self._shown.is_elsewhere(now)):
            # Seen over another slice, or as another network's, it would mislead.
            self.previews.suspend()

    def _on_rested(self) -> None:
        if self.previews.kind == IMAGE or self._runner.job:
            return
        now = self._what_is_wanted()
        self._panel.shown.setEnabled(now is not None)
        if now is None and self._is_of_results:
            self._panel.status(
                "What is compared is one slice on screen; go back to it, and to 2-D, or press ✕."
            )
        elif now is None:
            self._panel.status("The preview does not fit what is on screen; press Preview again.")
        elif self._shown is not None and self._shown.shows(now):
            self.previews.show(self.previews.kind)
            self._say(now)
        else:
            self._following_to = now
            self._aside.supersede(tasks.preview_layers, now.tasks)

    def _what_is_wanted(self) -> Look | None:
        """Return what a preview would show now; None where there can be none."""
        if self._is_of_results:
            names = self._panel.shown.layers
            try:
                made = [of_result(one, self._viewer, names) for one in self._results()]
            except ValueError:
                return None
            there = [one for one in made if one is not None]
            return Look(there) if there else None
        chosen = self._panel.preview_tasks()
        return Look(self._ahead(self._panel.form.layers, chosen)) if chosen else None

    def _results(self) -> list[Image]:
        """Return the results that can be compared: of what is chosen, or what is chosen itself."""
        found = [result_of(layer, self._viewer) for layer in self._panel.form.layers]
        return list(dict.fromkeys(one for one in found if one is not None))

    def _ahead(self, sources: Sequence[Image], chosen: Sequence[messages.Task]) -> list[Subject]:
        """Return what a preview looks at."""
        subjects = [
            Subject(source=source, base=source, task=task)
            for source, task in zip(sources, chosen, strict=True)
        ]
        names = self._panel.shown.layers
        return [with_others(one, self._viewer, names) for one in subjects] if names else subjects

    def _offer(self) -> None:
        """Offer layers of the same place and size as a side; of one image only."""
        now = self._what_is_wanted()
        if now is not None:
            alone = now.subjects[0] if len(now.subjects) == 1 else None
            others = [] if alone is None else others_of(alone, self._viewer)
            self._panel.shown.offer([layer.name for layer in others])

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

    def _show(self, asked: Look) -> bool:
        """Show a preview that is whole; tell whether there was one."""
        if len(asked.results) != len(asked.tasks):
            return False
        parts = [
            Part(base=one.base, appearance=look, factor=one.factor, result=result)
            for one, look, result in zip(asked.subjects, asked.looks, asked.results, strict=True)
            if one.is_there(self._viewer)
        ]
        if len(parts) < len(asked.tasks):
            self._panel.status("The image was changed meanwhile; press Preview again.")
            return False
        self.previews.update(parts, asked.scale)
        self._shown = asked
        self._panel.shown.setEnabled(True)
        self._panel.shown.setVisible(True)
        self._panel.shown.buttons[REMOVE].setVisible(True)
        self._say(asked)
        return True

    def _say(self, asked: Look) -> None:
        model = asked.tasks[0].options.model
        place = (
            "the middle of what is on screen; all of it would take long"
            if any(result.cut for result in asked.results)
            else "what is on screen, in this slice only"
        )
        what = "Compared:" if asked.is_of_results else f"Preview ×{asked.scale} of"
        text = f"{what} {place}. By {model}."
        self._say_how()
        if self._zoom(asked.subjects[0].source) < ENOUGH_ZOOM:
            text += " Zoom in to see the gain: the image has as many pixels as the screen or more."
        doubts = dict.fromkeys(result.doubt for result in asked.results if result.doubt)
        self._panel.status(" ".join((text, *doubts)))

    def _zoom(self, source: Image) -> float:
        """Return how many pixels of the screen one of the image takes."""
        own, shown = source.units[-1], self._viewer.dims.units[-1]
        unit = float((1 * own).m_as(shown)) if own.is_compatible_with(shown) else 1.0
        return float(abs(source.scale[-1]) * unit * self._viewer.scene.camera.zoom)

    def _say_how(self) -> None:
        """Say how two pictures are compared, or why there are none."""
        if self.previews.kind == DIVIDED and self._viewer.canvas.grid.enabled:
            self._panel.shown.hint.say("In a grid no line can be drawn; leave the grid view.")
        else:
            self._panel.shown.say_how(self.previews.split.key)

    def _on_switched(self, kind: str) -> None:
        if kind == REMOVE:
            self._remove()
            self.refresh()
            return
        if kind == DIVIDED and self.previews.split.divider is not None:
            self.previews.split.divider.move(0.5)
        # Where a result covers the image, a picture of it has to be shown over both.
        wanted = PIXELS if kind == IMAGE and self._is_of_results else kind
        before = self.previews.kind
        self.previews.show(wanted)
        self._say_how()
        if wanted != IMAGE:
            self._following.start()
            if before == IMAGE or not self.previews.is_shown:
                self._on_moved()
                self._following.poke()

    def _on_sides(self) -> None:
        self.previews.sides = self._panel.shown.sides
        if self.previews.kind == DIVIDED:
            self.previews.show(DIVIDED)
            self._following.poke()

    def _on_grid(self, event: Any = None) -> None:
        if self.previews.kind == DIVIDED:
            self.previews.show(DIVIDED)
            self._say_how()

    def _remove(self) -> None:
        """Take the comparison away; what is there is seen as it is."""
        self._aside.drop()
        self._following.stop()
        self._shown = None
        self.previews.remove()
        self._panel.shown.choose(SRCNN if self._results() else IMAGE)
        self._panel.status("")
