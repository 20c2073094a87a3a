"""The small jobs around a training: measure noise, fit an example, show the low-res image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_srcnn.training.field import as_planes
from napari_srcnn.widgets.finetune import tasks
from napari_srcnn.widgets.finetune.data import Files
from napari_srcnn.widgets.finetune.lowres import LowResPreview
from napari_srcnn.widgets.shared.layers import current_index, pixels, visible_box

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_srcnn.widgets.finetune.parts import FinetuneParts


class Looks:
    """Begins them, and shows the low-res image that comes of one."""

    def __init__(self, widget: FinetuneParts) -> None:
        self._widget, self._form = widget, widget.form
        self.preview = LowResPreview(widget.viewer)
        self._high: Image | None = None
        self._scale = 2

    def estimate_noise(self) -> None:
        """Measure gain, read noise and offset in the high-res image."""
        self._estimate(None)

    def fit_example(self) -> None:
        """Estimate blur and noise that make images like the example."""
        example = self._form.example.value
        if not example:
            self._widget.fail("There is no example; open a low-res image of the same kind.")
        elif example[0] is self._form.high.value:
            self._widget.fail(
                "The example is the high-res image; choose a low-res one below “Example”."
            )
        else:
            axes = "YXS" if example[0].rgb else "YX"
            self._estimate(as_planes(pixels(example[0]), axes))

    def _estimate(self, low: Any) -> None:
        try:
            source = self._form.sources()[0]
        except ValueError as error:
            self._widget.fail(str(error))
            return
        if not self._widget.is_refused():
            self._run(
                "The estimate",
                tasks.estimate,
                as_planes(source.high, source.axes),
                low,
                self._form.scale.value,
                self._form.degradation_value(),
            )

    def show_low_res(self) -> None:
        """Make the low-res image of what is on screen."""
        high, widget = self._form.high.value, self._widget
        if high is None or isinstance(high, Files):
            widget.fail("A preview needs an image layer as the high-res image.")
            return
        if widget.is_refused():
            return
        box = visible_box(high)
        if box is None:
            widget.fail(f"No part of {high.name} is on screen; move it into view.")
            return
        self._high, self._scale = high, self._form.scale.value
        self._run(
            "The preview",
            tasks.degrade_plane,
            pixels(high),
            current_index(high, widget.viewer.dims),
            box,
            self._scale,
            self._form.degradation_value(),
        )

    def _run(self, job: str, generator: Any, *arguments: Any) -> None:
        self._widget.status("")
        self._widget.runner.begin(job, generator, *arguments)
        self._widget.show_busy(True)
        self._widget.progress(f"{job} is made …", None)

    def receive(self, message: tasks.Degraded) -> None:
        """Show a low-res image that was made, if its image is there still."""
        high = self._high
        if high is None or high not in self._widget.viewer.layers:
            self.preview.remove()
            return
        self.preview.show(message, high, self._scale)
        # Before something is said of the new layer, which any change takes back.
        self._widget.layer_list.flush()
        self._widget.say_for_now(
            f"Right of the image: what is on screen with {self._form.degradation_value()}, as the "
            "network will see it."
        )
