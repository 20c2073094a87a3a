"""The noise of the layers that are chosen: measured beside the window, once each, and said."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_srcnn.models.library import default_model
from napari_srcnn.upscaling.options import DEFAULT_SCALE, Options
from napari_srcnn.upscaling.resolve import resolve
from napari_srcnn.widgets.shared.messages import Cancelled, Guarded, sentence
from napari_srcnn.widgets.shared.runner import Runner

if TYPE_CHECKING:
    from napari_srcnn.microscope.noise_report import MeasuredNoise

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerNoise:
    """What there is to know of a layer's noise.

    Attributes
    ----------
    source : array-like
    axes : str
        A letter an axis: each channel has its own noise.
    measured : tuple of MeasuredNoise
        One a channel or colour sample; empty as long as nothing was measured.
    failure : str
        Why nothing could be.
    """

    source: Any
    axes: str
    measured: tuple[MeasuredNoise, ...] = ()
    failure: str = ""

    def is_of(self, other: LayerNoise) -> bool:
        """Tell whether another is of the same pixels and channels."""
        return self.source is other.source and self.axes == other.axes

    @property
    def is_known(self) -> bool:
        """Whether it was measured, or cannot be."""
        return bool(self.measured or self.failure)

    @property
    def is_there(self) -> bool:
        """Whether there is any to smooth, as far as is known."""
        return not self.is_known or any(one.is_measured for one in self.measured)

    @property
    def sigma(self) -> float:
        """The standard deviation at mid brightness of the noisiest channel, rounded."""
        found = [one.level * (one.high - one.low) for one in self.measured]
        return float(f"{max(found, default=0.0):.3g}")

    @property
    def text(self) -> str:
        """What was measured, and what the user should know of it."""
        if self.failure:
            return f"Not measured. {self.failure}"
        if not self.measured:
            return "Measuring …"
        from napari_srcnn.upscaling.noise import ToldNoise

        told = ToldNoise(noises=(), measured=self.measured)
        words = f"{told.text}."
        return " ".join([words[:1].upper() + words[1:], *told.notes])


class NoiseWatch(QObject):
    """Measures the noise of layers when it is first asked for.

    Signals
    -------
    changed
        Something was measured.
    """

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._found: list[LayerNoise] = []
        self._asked: list[LayerNoise] = []
        self._aside = Runner(self)
        self._aside.received.connect(self._on_measured)

    def look(self, layers: Sequence[tuple[Any, str]], *, is_needed: bool) -> list[LayerNoise]:
        """Return what is known of the noise of layers, and measure the rest where it is needed.

        Parameters
        ----------
        layers : sequence of (array-like, str)
            Pixels, and a letter for each of their axes.
        is_needed : bool
        """
        wanted = [self._known(LayerNoise(source=source, axes=axes)) for source, axes in layers]
        asked = [one for one in wanted if is_needed and not one.is_known]
        is_same = len(asked) == len(self._asked) and all(map(LayerNoise.is_of, asked, self._asked))
        if not is_same:
            self._asked = asked
            self._aside.drop()
            if asked:
                self._aside.prepare(_measure, tuple(asked))
        return wanted

    def keep(self, sources: Sequence[Any]) -> None:
        """Forget what was measured on other pixels than these."""
        self._found = [one for one in self._found if any(one.source is s for s in sources)]

    def forget(self, source: Any) -> None:
        """Measure these pixels anew: they were changed."""
        self._found = [one for one in self._found if one.source is not source]

    def shut(self) -> None:
        """Stop, and let go of the layers' pixels."""
        self._aside.shut()
        self._found, self._asked = [], []

    def _known(self, one: LayerNoise) -> LayerNoise:
        return next((found for found in self._found if found.is_of(one)), one)

    def _on_measured(self, message: LayerNoise) -> None:
        self._found.append(message)
        self._asked = [one for one in self._asked if not one.is_of(message)]
        self.changed.emit()


def _measure(layers: Sequence[LayerNoise], cancel: threading.Event) -> Iterator[LayerNoise]:
    # What it takes of scipy would double the time that the window takes to open.
    from napari_srcnn.upscaling.noise import measure

    for one in layers:
        try:
            source = Guarded(one.source, cancel)
            # Of the image alone: any model will do, and where none is named pixels are read.
            options = Options(model=default_model(DEFAULT_SCALE), axes=one.axes)
            found = measure(resolve(options, source), source)
        except Cancelled:
            return
        except Exception as error:  # of a layer's lazy pixels, too
            _logger.warning("The noise of a layer was not measured.", exc_info=error)
            yield LayerNoise(source=one.source, axes=one.axes, failure=sentence(error))
        else:
            yield LayerNoise(source=one.source, axes=one.axes, measured=found)
