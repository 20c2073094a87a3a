"""Where napari-srcnn keeps what is its user's: models and remembered measurements."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "NAPARI_SRCNN_HOME"


def user_model_dir() -> Path:
    """Return the folder of the user's own models (it may not exist yet)."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home) / "models"
    return Path(platformdirs.user_data_dir("napari-srcnn", appauthor=False)) / "models"


def cache_dir() -> Path:
    """Return the folder of what can be measured again."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home) / "cache"
    return Path(platformdirs.user_cache_dir("napari-srcnn", appauthor=False))
