"""The noise of the layers that are chosen: measured beside the window, once each, and said."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_srcnn.models.library import default_model
from napari_srcnn.upscaling.options import DEFAULT_SCALE, Options
from napari_srcnn.upscaling.resolve import resolve
from napari_srcnn.widgets.shared.messages import Cancelled, Guarded, sentence
from napari_srcnn.widgets.upscale.watch import Job, LayerFact, LayerWatch

if TYPE_CHECKING:
    from napari_srcnn.microscope.noise_report import MeasuredNoise

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerNoise(LayerFact):
    """What there is to know of a layer's noise: each channel has its own.

    Attributes
    ----------
    measured : tuple of MeasuredNoise
        One a channel or colour sample; empty as long as nothing was measured.
    failure : str
        Why nothing could be.
    """

    measured: tuple[MeasuredNoise, ...] = ()
    failure: str = ""

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


class NoiseWatch(LayerWatch[LayerNoise]):
    """Measures the noise of layers when it is first asked for."""

    def _fact(self, source: Any, axes: str) -> LayerNoise:
        return LayerNoise(source=source, axes=axes)

    def _job(self) -> Job[LayerNoise]:
        return _measure


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
