"""Faults that nobody catches: napari shows them, and they are kept for a report."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from napari_srcnn import faults


@lru_cache(maxsize=1)
def watch_faults() -> None:
    """Keep, from now on, what napari shows as an error that went through this package's code."""
    from napari.utils.notifications import notification_manager

    notification_manager.notification_ready.connect(_on_notification)


def _on_notification(notification: Any) -> None:
    error = getattr(notification, "exception", None)
    if isinstance(error, Exception):
        faults.keep(error, "napari")
