"""The noise of the image that is chosen: measured beside the window, filled in, and said."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_srcnn.microscope.noise import NO_NOISE
from napari_srcnn.training.field import as_planes
from napari_srcnn.widgets.finetune import tasks
from napari_srcnn.widgets.finetune.data import Files

if TYPE_CHECKING:
    from napari_srcnn.microscope.degradation import Degradation
    from napari_srcnn.widgets.finetune.form import FinetuneForm
    from napari_srcnn.widgets.shared.runner import Runner


class ImageNoise(QObject):
    """Keeps the noise fields true to the image that is chosen.

    Where the fields follow the image, its noise is measured as soon as it is chosen. What was
    estimated by a button stays, until an image of another number type is chosen: its counts mean
    something else.

    Parameters
    ----------
    form : FinetuneForm
    runner : Runner
    """

    def __init__(self, form: FinetuneForm, runner: Runner) -> None:
        super().__init__(form)
        self._form, self._runner = form, runner
        self._looked_at: Any = None
        self._superseded = threading.Event()
        #: Of which dtype the image was that was measured by a button, the fields before and since.
        self._by_button: tuple[Any, Degradation, Degradation] | None = None
        self._found: tasks.Measured | None = None
        self.is_pending = False

    def look(self) -> None:
        """Measure the noise of the image that is chosen, once for each."""
        form = self._form
        high = form.high.value
        if high is None or form.data.is_paired or not form.low_res.follows_image:
            return
        subject = high.path if isinstance(high, Files) else high.data
        if subject is self._looked_at:
            return
        try:
            source = form.sources()[0]
        except (ValueError, OSError):  # the line above Train says it
            return
        self.stop()
        self._looked_at, self.is_pending = subject, True
        self._superseded = threading.Event()
        self._runner.prepare(
            tasks.measure_noise, as_planes(source.high, source.axes), self._superseded
        )

    def stop(self) -> None:
        """Let go of a measurement that is under way; it would hold up what comes next."""
        self._superseded.set()
        self._looked_at, self.is_pending, self._found = None, False, None

    def hand_over(self) -> threading.Event | None:
        """Leave a measurement that is under way to a job, which can wait for it.

        Returns
        -------
        threading.Event or None
            What the job's own measurement is known by; None where there is none to make.
        """
        if not self.is_pending or not self._form.low_res.follows_image:
            return None
        self._superseded.set()
        self._superseded = threading.Event()
        return self._superseded

    def receive(self, message: tasks.Measured) -> None:
        """Fill in what was measured, if it is of the image that is chosen still."""
        if message.superseded is self._superseded and not self._superseded.is_set():
            self.is_pending, self._found = False, message
            self._form.low_res.show_measured(message.noise)

    def describe(self, degradation: Degradation) -> str:
        """Return a line on how low-res images are made, also before the noise is known."""
        if not (self.is_pending and self._form.low_res.follows_image):
            return str(degradation)
        known = str(replace(degradation, noise=NO_NOISE)).removesuffix("no noise")
        return f"{known}the image's own noise, which is being measured …"

    @property
    def words(self) -> str:
        """What to say of where the noise comes from; empty where the user has typed it."""
        if not self._form.low_res.follows_image or self._form.data.is_paired:
            return ""
        if self._found is None:
            return ""
        if self._found.why_not:
            return f"No noise is assumed, for it cannot be measured: {self._found.why_not}"
        return "The noise is the high-res image's own, as measured."

    # ------------------------------------------------------------ by a button

    def show_estimate(self, found: Degradation) -> None:
        """Fill in what was estimated by a button."""
        before = self._form.degradation_value()
        self._form.show_degradation(found)
        dtype = getattr(self._form.high.value, "dtype", None)
        self._by_button = (dtype, before, self._form.degradation_value())

    def take_back(self) -> str:
        """Take back what was measured in counts that the image now chosen does not have.

        Returns
        -------
        str
            What to tell the user; empty where nothing was taken back.
        """
        if self._by_button is None:
            return ""
        dtype, before, since = self._by_button
        here = getattr(self._form.high.value, "dtype", None)
        if here is None or here == dtype:
            return ""
        self._by_button = None
        if self._form.degradation_value() != since:
            return ""
        self._form.show_degradation(before)
        return (
            f"The noise that was measured is that of a {dtype} image, and this one is {here}: it "
            "is taken back."
        )
