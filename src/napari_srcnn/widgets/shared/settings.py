"""What lasts between sessions: napari's own settings of this plugin, from the manifest.

napari keeps them in a file of its own and shows them under Preferences. Reading them the first time
takes napari half a second (it parses the manifests of all plugins), so that is done in the
background.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

_logger = logging.getLogger(__name__)
PLUGIN = "napari-srcnn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The manifest's ``configurations``, section ``upscale``; defaults as there."""

    scale: int = 2
    model: str = ""
    device: str = "auto"
    intensity: str = "auto"
    dtype: str = "same"
    tile: int = 0
    ensemble: bool = False
    smoothing: float = 1.0
    consistent: bool = False
    lazy_above: float = 4.0


def _section() -> Any:
    from napari.settings import get_plugin_settings

    try:
        return get_plugin_settings(PLUGIN).upscale
    except (KeyError, AttributeError):
        # The package is on the path, but napari does not know it as a plugin.
        _logger.info("napari does not know the plugin %s, so no setting lasts.", PLUGIN)
        return None


def load() -> Settings:
    """Return the settings as they were left."""
    section = _section()
    if section is None:
        return Settings()
    return Settings(**{item.name: getattr(section, item.name) for item in fields(Settings)})


def load_in_background(cancel: threading.Event) -> Iterator[Settings]:
    """Yield the settings, once."""
    yield load()


def save(name: str, value: Any) -> None:
    """Keep one setting; napari writes its file. What the manifest does not list is not kept."""
    section = _section()
    if section is None or getattr(section, name) == value:
        return
    try:
        setattr(section, name, value)
    except ValueError:
        # As a ninth graphics card.
        _logger.info("napari keeps no %s %r, so the choice lasts for this session.", name, value)


def parse_range(text: str) -> tuple[str, tuple[float, float] | None]:
    """Split the setting ``intensity``: a word, or ``"custom"`` and two numbers.

    Parameters
    ----------
    text : str
        As "auto" or "0, 4095".
    """
    if text in ("auto", "layer", "dtype", "none"):
        return text, None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        return "auto", None
    return "custom", (low, high)
