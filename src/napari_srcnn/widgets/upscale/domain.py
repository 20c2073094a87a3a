"""Whether the layers that are chosen are like what the chosen model was trained on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_srcnn.widgets.shared.messages import Cancelled, Guarded
from napari_srcnn.widgets.upscale.watch import Job, LayerFact, LayerWatch

if TYPE_CHECKING:
    from napari_srcnn.models.card import ModelInfo
    from napari_srcnn.models.domain import Looks

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerLooks(LayerFact):
    """What a layer looks like.

    Attributes
    ----------
    looks : Looks or None
        None as long as nobody looked, and where that failed: the run says why.
    is_known : bool
    """

    looks: Looks | None = None
    is_done: bool = False

    @property
    def is_known(self) -> bool:
        """Whether somebody looked."""
        return self.is_done

    def sentence(self, model: ModelInfo) -> str:
        """Return the warning that the layer is unlike what a model was trained on, or nothing."""
        if self.looks is None:
            return ""
        from napari_srcnn.models.domain import judge

        return judge(self.looks, model).sentence


class LooksWatch(LayerWatch[LayerLooks]):
    """Looks at layers when it is first asked for."""

    def _fact(self, source: Any, axes: str) -> LayerLooks:
        return LayerLooks(source=source, axes=axes)

    def _job(self) -> Job[LayerLooks]:
        return _look


def _look(layers: Sequence[LayerLooks], cancel: threading.Event) -> Iterator[LayerLooks]:
    from napari_srcnn.models.domain import look_at

    for one in layers:
        looks = None
        try:
            looks = look_at(Guarded(one.source, cancel), one.axes)
        except Cancelled:
            return
        except Exception as error:  # of a layer's lazy pixels, too
            _logger.warning("A layer was not looked at.", exc_info=error)
        yield LayerLooks(source=one.source, axes=one.axes, looks=looks, is_done=True)
