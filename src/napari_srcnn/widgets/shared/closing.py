"""What napari asks before it closes while something is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.utils.task_status import Status

if TYPE_CHECKING:
    from napari.viewer import Viewer

PROVIDER = "SRCNN"


class UnderWay:
    """A job that napari's own question names where its window is to be closed.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    cancel : callable
        Called where the user closes all the same.
    """

    def __init__(self, napari_viewer: Viewer, cancel: Callable[[], Any]) -> None:
        self._window = getattr(napari_viewer, "window", None)
        self._cancel = cancel
        self._id: Any = None

    def say(self, what_is_lost: str) -> None:
        """Name what would be lost; nothing for an empty text."""
        # napari has no public name for it yet; without it, it closes as it always did.
        register = getattr(self._window, "_register_task_status", None)
        update = getattr(self._window, "_update_task_status", None)
        if register is None or update is None:
            return
        if not what_is_lost:
            if self._id is not None:
                update(self._id, Status.COMPLETED)
                self._id = None
        elif self._id is None:
            self._id = register(PROVIDER, Status.BUSY, what_is_lost, self._cancel)
        else:
            update(self._id, Status.BUSY, what_is_lost)
