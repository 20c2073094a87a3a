"""The training that was stopped before it was over: offered, resumed, discarded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_srcnn.training.runs import (
    check_not_running,
    forget,
    options_path,
    read_options,
    state_path,
    stopped_runs,
)
from napari_srcnn.training.sources import reopened
from napari_srcnn.widgets.finetune.steering import is_lost_gladly

if TYPE_CHECKING:
    from napari_srcnn.training.field import Source
    from napari_srcnn.training.options import FinetuneOptions
    from napari_srcnn.widgets.finetune.panel import FinetunePanel


class StoppedRun(QObject):
    """The first of the trainings that can be gone on with.

    Signals
    -------
    changed
        It was discarded, or could not be.

    Attributes
    ----------
    name : str
        Empty where there is none.
    """

    changed = Signal()

    def __init__(self, panel: FinetunePanel) -> None:
        super().__init__(panel)
        self._panel = panel
        self.name = ""
        panel.discard_button.clicked.connect(self.ask_and_discard)

    def look(self, *, but: str, is_busy: bool) -> None:
        """Offer one, but for the network that waits for an answer and while a job runs."""
        names = [] if is_busy else [name for name in stopped_runs() if name != but]
        self.name = names[0] if names else ""
        self._panel.show_stopped(self.name)

    def options(self, chosen: Callable[[], tuple[Source, ...]]) -> FinetuneOptions:
        """Return what it was asked for.

        Parameters
        ----------
        chosen : callable
            Returns the layers that are chosen, for a run whose images were in no file.

        Raises
        ------
        ValueError, OSError
            If its images are not there, or its file is damaged.
        """
        from napari_srcnn.training.options import FinetuneOptions

        value = read_options(self.name)
        is_paired = value.get("paired", False)
        in_files = all(high and (low or not is_paired) for high, low in value["paths"])
        sources = reopened(value) if in_files else _limited(chosen(), value)
        return FinetuneOptions.from_dict(self.name, value, sources)

    def ask_and_discard(self) -> None:
        """Ask before much is lost, and forget it."""
        if is_lost_gladly(
            self._panel,
            f"Discard the training of {self.name}",
            self._seconds(),
            "“Resume” goes on with it.",
        ):
            self.discard()

    def discard(self) -> None:
        """Forget it, unless another window goes on with it."""
        try:
            check_not_running(self.name)
        except ValueError as error:
            self._panel.fail(str(error))
        else:
            forget(self.name)
            self._panel.status(f"The training of {self.name} is forgotten.")
        self.changed.emit()

    def _seconds(self) -> float:
        """Return about how long it has learned: from its first to its last file."""
        try:
            began, last = (p(self.name).stat().st_mtime for p in (options_path, state_path))
        except OSError:
            return 0.0
        return last - began


def _limited(sources: tuple[Source, ...], value: dict[str, Any]) -> tuple[Source, ...]:
    """Return sources limited as those of a stopped run were."""
    boxes = [tuple(tuple(box) for box in part) for part in value["boxes"]]
    return tuple(replace(source, boxes=own) for source, own in zip(sources, boxes, strict=True))
