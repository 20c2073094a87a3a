"""Napari asks before it is closed while something of ours runs, and stops it then."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.utils.task_status import Status

from napari_srcnn.widgets.shared.settings import PLUGIN

if TYPE_CHECKING:
    from napari.components import ViewerModel


class ClosingQuestion:
    """What napari is told of a job, so that its window asks before it is closed.

    Parameters
    ----------
    viewer : ViewerModel
        With a window, or there is nobody to ask.
    stop : callable
        A bound method that stops the job; its object is not kept alive.
    """

    def __init__(self, viewer: ViewerModel, stop: Callable[[], Any]) -> None:
        window = getattr(viewer, "window", None)
        # napari's own workers are known to it by this; plugins' have no public way yet.
        self._tasks = getattr(window, "_task_status_manager", None)
        self._stop = weakref.WeakMethod(stop)
        self._job: _Job | None = None
        self._number: Any = None

    def begin(self, text: str) -> None:
        """Have napari say a text and ask, until the job ends."""
        self.end()
        if self._tasks is not None:
            self._job = _Job(self._stop)
            self._number = self._tasks.register_task_status(
                PLUGIN, Status.BUSY, text, self._job.stop
            )

    def end(self) -> None:
        """Let napari close without a question."""
        if self._tasks is not None and self._job is not None:
            self._job.is_over = True
            self._tasks.update_task_status(self._number, Status.COMPLETED)
            self._job = None


class _Job:
    """A job that can be stopped, if it is not over and its widget is there still."""

    def __init__(self, stop: weakref.WeakMethod[Callable[[], Any]]) -> None:
        self._stop = stop
        self.is_over = False

    def stop(self) -> bool:
        """Stop it, and tell whether there was something to stop."""
        # napari stops all jobs that it was ever told of.
        stop = None if self.is_over else self._stop()
        if stop is not None:
            stop()
        return stop is not None
