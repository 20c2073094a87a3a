"""The preview from the button to the layer, and how it follows what is on screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_srcnn.models.titles import title_of
from napari_srcnn.widgets.compare.bar import DIVIDED, IMAGE, PIXELS, REMOVE, SRCNN
from napari_srcnn.widgets.shared import messages
from napari_srcnn.widgets.shared.display import image_layers
from napari_srcnn.widgets.shared.layers import pixels
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale.following import REST, Following
from napari_srcnn.widgets.upscale.look import Look
from napari_srcnn.widgets.upscale.preview_job import Plans, get_ready, preview_layers
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
        self._plans = Plans()
        self._aside = Runner(self)
        self._aside.received.connect(self._on_aside)
        self._ahead_of_it = Runner(self)
        self._until_ready = QTimer(self)
        self._until_ready.setSingleShot(True)
        self._until_ready.setInterval(REST)
        self._until_ready.timeout.connect(self._get_ready)
        self._following = Following(self, viewer)
        self._following.moved.connect(self._on_moved)
        self._following.rested.connect(self._on_rested)
        # What is under way, and what is shown.
        self._asked: Look | None = None
        self._shown: Look | None = None
        self._following_to: Look | None = None
        # The middle of that was not seen yet, and something else was asked for meanwhile.
        self._is_first_awaited = self._is_asked_again = False
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

    def prepare(self) -> None:
        """Do soon what a preview that may be asked for would wait for."""
        self._until_ready.start()

    def _get_ready(self) -> None:
        # Who computes has what there is to get ready, and wants the processor.
        if self._runner.job or self._following_to is not None:
            return
        if chosen := self._panel.preview_tasks():
            self._ahead_of_it.supersede(get_ready, self._plans, chosen)

    def forget(self, source: Any) -> None:
        """Forget what was measured of pixels that were changed."""
        self._plans.forget(source)

    def begin(self, sources: Sequence[Image], chosen: Sequence[messages.Task]) -> None:
        """Make a preview as a job of the user's."""
        self._drop()
        self._ahead_of_it.drop()
        self._is_of_results = False
        self._asked = Look(self._ahead(sources, chosen))
        self._runner.begin("The preview", preview_layers, self._plans, chosen)

    def receive(self, message: messages.Previewed) -> None:
        """Take a part of the job's result; show the middle before all of it is there."""
        asked = self._asked
        if asked is not None and asked.take(message) and not self.previews.is_shown:
            self._show(asked, asked.first)
            self._panel.shown.setEnabled(False)

    def end(self) -> None:
        """Show what the job has made."""
        asked, self._asked = self._asked, None
        is_done = asked is not None and not self._runner.is_cancelled
        if asked is not None and is_done and self._show(asked, asked.results):
            self._panel.shown.choose(self.previews.kind)
            self._following.start()
        elif self._shown is None and self.previews.is_shown:
            self._take_away()  # the middle of what was stopped
        elif self.previews.is_shown:
            self.poke()

    def turn_to_results(self) -> None:
        """Compare, from now on, what was made; it is seen as it is until that is asked for."""
        self._is_of_results = True
        self._panel.shown.choose(SRCNN)

    def hide(self) -> None:
        """Show the images alone: something else is about to be shown over them."""
        self._drop()
        self.previews.show(IMAGE)
        self._panel.shown.choose(IMAGE)

    def poke(self) -> None:
        """Note that what a preview is made of may have changed."""
        if self.previews.is_shown or self.previews.kind != IMAGE:
            self._following.poke()

    def follow(self) -> None:
        """Show at once what a slider that is moved makes of the preview.

        Of what it is moved over while the last is computed, only where it then is.
        """
        if self._is_first_awaited:
            self._is_asked_again = True
        elif self.previews.is_shown and self.previews.kind != IMAGE:
            self._on_rested()

    def refresh(self) -> None:
        """Let go of layers that are gone, and offer what can be compared of those there are."""
        was_shown = self.previews.is_shown
        self._plans.keep_of([pixels(image) for image in image_layers(self._viewer)])
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
        self._until_ready.stop()
        self._aside.shut()
        self._ahead_of_it.shut()
        self._plans.keep_of([])
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
            self._drop()
            self.previews.show(self.previews.kind)
            self._say(now, self._shown.results)
        elif self._following_to is None or not self._following_to.shows(now):
            self._drop()
            self._following_to = now
            self._is_first_awaited = True
            self._aside.prepare(preview_layers, self._plans, now.tasks)

    def _drop(self) -> None:
        """Stop what was begun to follow the view."""
        self._aside.drop()
        self._following_to = None
        self._is_first_awaited = self._is_asked_again = False

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
        asked = self._following_to
        if isinstance(message, messages.Failed):
            self._drop()
            self._panel.shown.setEnabled(False)
            self._panel.status(message.sentence)
        if not isinstance(message, messages.Previewed) or asked is None:
            return
        has_first = asked.take(message)
        if self._runner.job:
            return
        if asked.is_whole:
            is_again, self._following_to = self._is_asked_again, None
            self._is_first_awaited = self._is_asked_again = False
            self._show(asked, asked.results)
        elif has_first:
            is_again, self._is_first_awaited = self._is_asked_again, False
            self._is_asked_again = False
            # Elsewhere, or of another network, the middle would be seen among what is no more.
            if self._shown is not None and self._shown.is_smoothed_to(asked):
                self.previews.renew([subject.base for subject in asked.subjects], asked.first)
        else:
            return
        if is_again:
            self.follow()

    # ------------------------------------------------------------ showing

    def _show(self, asked: Look, results: Sequence[messages.Previewed]) -> bool:
        """Show a preview of all that was asked for; tell whether there was one."""
        if len(results) != len(asked.tasks):
            return False
        parts = [
            Part(base=one.base, appearance=look, factor=one.factor, result=result)
            for one, look, result in zip(asked.subjects, asked.looks, results, strict=True)
            if one.is_there(self._viewer)
        ]
        if len(parts) < len(asked.tasks):
            self._panel.status("The image was changed meanwhile; press Preview again.")
            return False
        self.previews.update(parts, asked.scale)
        self._shown = asked if asked.is_whole else None
        self._panel.shown.setEnabled(True)
        self._panel.shown.setVisible(True)
        self._panel.shown.buttons[REMOVE].setVisible(True)
        self._say(asked, results)
        return True

    def _say(self, asked: Look, results: Sequence[messages.Previewed]) -> None:
        plan = asked.tasks[0].plan
        model = plan.model_name if plan.info is None else title_of(plan.info)
        place = (
            "the middle of what is on screen; the rest follows"
            if not all(result.is_whole for result in results)
            else "the middle of what is on screen; all of it would take long"
            if any(result.cut for result in results)
            else "what is on screen, in this slice only"
        )
        what = "Compared:" if asked.is_of_results else f"Preview ×{asked.scale} of"
        text = f"{what} {place}. By {model}."
        self._say_how()
        if self._zoom(asked.subjects[0].source) < ENOUGH_ZOOM:
            text += " Zoom in to see the gain: the image has as many pixels as the screen or more."
        doubts = dict.fromkeys(result.doubt for result in results if result.doubt)
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
        self._take_away()
        self._panel.status("")

    def _take_away(self) -> None:
        self._drop()
        self._following.stop()
        self._shown = None
        self.previews.remove()
        self._panel.shown.choose(SRCNN if self._results() else IMAGE)
