"""The layers that are chosen: which, what will become of them, and which model fits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_srcnn.network.config import SCALES
from napari_srcnn.widgets.shared.display import image_layers, selected_images
from napari_srcnn.widgets.shared.layers import pixel_size, pixels
from napari_srcnn.widgets.shared.messages import Proposed, Task
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale import request, tasks
from napari_srcnn.widgets.upscale.domain import LayerLooks, LooksWatch
from napari_srcnn.widgets.upscale.edits import Edits
from napari_srcnn.widgets.upscale.noise import LayerNoise, NoiseWatch
from napari_srcnn.widgets.upscale.wording import (
    Forecast,
    what_is_known_of_noise,
    what_is_unlike,
    what_the_network_sees,
    what_will_happen,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.widgets.shared.layer_list import LayerListWatch
    from napari_srcnn.widgets.upscale.panel import Panel

_WATCHED = ("data", "axis_labels", "contrast_limits", "scale", "units")
# Seconds above which a run is to be thought about.
LONG = 3600


class ChosenLayers(QObject):
    """Fills the form from the layer list, and says what will happen to what is chosen in it.

    Signals
    -------
    edited : str
        The name of the field in which something was chosen.
    pixels_changed : array-like
        The pixels of an image are others now.
    """

    edited = Signal(str)
    pixels_changed = Signal(object)

    def __init__(self, panel: Panel, viewer: ViewerModel, layers: LayerListWatch) -> None:
        super().__init__(panel)
        self._panel, self._form, self._viewer, self._list = panel, panel.form, viewer, layers
        self._watched: tuple[Image, ...] = ()
        # Looking at an image may take long; nothing that the user asks for waits for it.
        self._aside = Runner(self)
        self._aside.received.connect(self._on_proposed)
        self._looked_at: Any = None
        self._is_prepared = self._is_resting = False
        # Results that were selected when they were made, and not to be enlarged again.
        self._made: frozenset[Image] = frozenset()
        self._noise = NoiseWatch(self)
        self._noise.changed.connect(panel.describe_chosen)
        self._looks = LooksWatch(self)
        self._looks.changed.connect(panel.describe_chosen)
        self.edits = Edits(self._form)
        self._form.edited.connect(self._on_edited)

    def use_model(self, name: str, scale: int) -> None:
        """Choose a model and its scale."""
        self.edits.insist(scale=scale, model=name)
        self._form.scale.value = scale
        self._form.show_models(name)
        self._on_edited("model")

    def _on_edited(self, name: str) -> None:
        if name == "layer" and self._form.layers:
            self._viewer.layers.selection.clear()
            self._viewer.layers.selection.update(self._form.layers)
        if name == "noise" and not self._form.sigma.value():
            # What was measured is where to begin from.
            self._form.sigma.setValue(max((x.sigma for x in self._look_at_noise()), default=0))
        self.edits.note(name)
        self.edited.emit(name)

    def refresh(self) -> bool:
        """Fill in the images there are, and tell whether there is one."""
        images, selected = image_layers(self._viewer), selected_images(self._viewer)
        if self._made != set(self._viewer.layers.selection):
            self._made = frozenset()
        if not selected or self._made:
            # Other layers may be active; the image stays the one that it was.
            selected = [layer for layer in self._form.layers if layer in images] or images[:1]
        self._form.show_layers(images, selected)
        self._watch(self._form.layers)
        for watch in (self._noise, self._looks):
            watch.keep([pixels(image) for image in images])
        if self._is_prepared:
            self.propose()
        return bool(images)

    def select(self, results: Sequence[Image]) -> None:
        """Select what was just made; the image that is chosen stays the one that it was made of."""
        self._made = frozenset(results)
        self._viewer.layers.selection = set(results)

    def propose(self) -> None:
        """Look for the model that fits the image, once for each."""
        self._is_prepared = True
        layer = self._form.layers[0] if self._form.layers else None
        source = None if layer is None else pixels(layer)
        if layer is not None and source is not self._looked_at:
            self._aside.supersede(tasks.propose, source, SCALES, self._form.axes(layer))
        self._looked_at = source

    def _on_proposed(self, message: Proposed) -> None:
        self._form.show_proposal(message)
        self._panel.describe_chosen()

    def describe(self, *, with_times: bool, memory: int | None) -> Forecast:
        """Return what will happen, what the network will see, and what cannot be.

        Parameters
        ----------
        with_times : bool
        memory : int, optional
            Bytes that results may take in memory; half of what is free for None.
        """
        self._show_noise()
        self._show_domain()
        layers = self._form.layers
        if not layers:
            return Forecast()
        try:
            plans = [request.plan_of(layer, self._form.options(layer)) for layer in layers]
            times = [
                request.estimate(layer, plan) if with_times else None
                for layer, plan in zip(layers, plans, strict=True)
            ]
        except ValueError as error:
            return Forecast(str(error), is_caution=True, can_preview=False, can_upscale=False)
        seen, details = what_the_network_sees(plans[0], self._form.intensity.value)
        seen = f"{seen} {plans[0].note}".strip()
        above = self._form.lazy_above
        whole = [
            plan
            for layer, plan in zip(layers, plans, strict=True)
            if not request.is_lazy(layer, plan, above)
        ]
        try:
            request.check_space(whole, memory)
        except ValueError as error:
            return Forecast(str(error), seen, details, is_caution=True, can_upscale=False)
        known = [seconds for seconds in times if seconds is not None]
        seconds = sum(known) if len(known) == len(times) else None
        is_lazy = len(whole) < len(plans)
        sizes = [pixel_size(layer) for layer in layers]
        return Forecast(
            what_will_happen(plans, seconds, sizes, is_lazy=is_lazy),
            seen,
            details,
            is_caution=not is_lazy and seconds is not None and seconds > LONG,
        )

    def tasks(self, *, is_preview: bool = False) -> list[Task]:
        """Return a job's parts.

        Raises
        ------
        ValueError
            If a layer cannot be enlarged.
        """
        dims = self._viewer.dims
        tasks = [
            request.task_of(layer, self._form.options(layer), dims, is_preview=is_preview)
            for layer in self._form.layers
        ]
        # What stands in the form is what is used, and a slider that is moved measures nothing.
        known = self._look_at_noise()
        return [
            replace(task, measured=one.measured) for task, one in zip(tasks, known, strict=True)
        ]

    def _sources(self) -> list[tuple[Any, str]]:
        return [(pixels(layer), self._form.axes(layer)) for layer in self._form.layers]

    def _look_at_noise(self) -> list[LayerNoise]:
        # The window is drawn before anything is looked at.
        is_needed = self._is_prepared and not self._is_resting and self._form.is_noise_measured
        return self._noise.look(self._sources(), is_needed=is_needed)

    def _look_at_looks(self) -> list[LayerLooks]:
        is_needed = self._is_prepared and not self._is_resting
        return self._looks.look(self._sources(), is_needed=is_needed)

    def _show_domain(self) -> None:
        """Say whether the layers are like what the model was trained on, and find out."""
        known, model = self._look_at_looks(), self._form.chosen_model
        names = [layer.name for layer in self._form.layers]
        texts = ["" if model is None else one.sentence(model) for one in known]
        self._form.domain_note.say(what_is_unlike(names, texts), is_caution=True)

    def rest(self, is_resting: bool) -> None:
        """Read no layer while a job does, which measures what it needs; or look again."""
        self._is_resting = is_resting
        self._look_at_noise()
        self._look_at_looks()

    def _show_noise(self) -> None:
        """Say what is known of the noise, and find out."""
        known = self._look_at_noise()
        names = [layer.name for layer in self._form.layers]
        self._form.show_noise(
            what_is_known_of_noise(names, known), is_there=any(one.is_there for one in known)
        )

    def shut(self) -> None:
        """Stop looking."""
        self._aside.shut()
        self._noise.shut()
        self._looks.shut()
        self._watch(())

    def _on_data(self, event: Any) -> None:
        """Pixels that were changed in their place are other pixels."""
        self._noise.forget(pixels(event.source))
        self._looks.forget(pixels(event.source))
        self.pixels_changed.emit(pixels(event.source))

    def _watch(self, layers: tuple[Image, ...]) -> None:
        """Follow what the line before the run depends on."""
        for layer in self._watched:
            for name in _WATCHED:
                getattr(layer.events, name).disconnect(self._list.note)
            layer.events.data.disconnect(self._on_data)
        for layer in layers:
            for name in _WATCHED:
                getattr(layer.events, name).connect(self._list.note)
            layer.events.data.connect(self._on_data)
        self._watched = layers
