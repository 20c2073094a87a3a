"""What one window tells the others."""

from __future__ import annotations

from functools import lru_cache

from qtpy.QtCore import QObject, Signal


class WindowEvents(QObject):
    """Signals for all windows.

    Signals
    -------
    models_changed
        A model was saved, renamed, deleted or imported.
    model_wanted : str, int
        The name of a model that is to be used, and its scale.
    """

    models_changed = Signal()
    model_wanted = Signal(str, int)


@lru_cache(maxsize=1)
def window_events() -> WindowEvents:
    """Return the one there is."""
    return WindowEvents()
