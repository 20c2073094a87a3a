"""Which plugins of napari read a .tif, and which one its user chose."""

from __future__ import annotations

import hashlib
import os
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import platformdirs

NAME = "image.tif"


def readers() -> str:
    """Return the plugins that offer to read a TIFF, and whether napari asks which one to take."""
    try:
        from npe2 import PluginManager
    except ImportError:
        return "npe2 is not installed, so no plugin reads for napari"
    # One of our own: what napari's finds anew it tells its window, from whatever thread.
    manager = PluginManager()
    manager.discover()
    off = set(_settings().get("disabled_plugins") or ())
    found = {one.plugin_name for one in manager.iter_compatible_readers(NAME)} - off
    # Its own reader takes what no plugin asks for.
    others = sorted(found - {"napari", "napari-srcnn"})
    own = "napari-srcnn" if "napari-srcnn" in found else "NOT napari-srcnn"
    said = ", ".join((own, *others))
    if "napari-srcnn" in off:
        said += " (it is switched off in napari)"
    return (
        f"{said}; napari asks which one to take, until one is chosen"
        if others
        else f"{said} and napari itself"
    )


def preference() -> str:
    """Return the reader that napari takes for TIFFs without asking."""
    path = _settings_file()
    if not path.is_file():
        return "nothing: napari has no settings here"
    chosen = _settings().get("extension2reader") or {}
    # Those of single files and folders hold their paths.
    kinds = [(pattern, name) for pattern, name in chosen.items() if _is_of_a_kind(pattern)]
    said = [f"{pattern}: {name}" for pattern, name in kinds if fnmatch(NAME, pattern)]
    other = len(chosen) - len(kinds)
    if other:
        said.append(f"and {other} of single files or folders")
    return ", ".join(said) or "nothing; napari asks, or takes the only one"


def _is_of_a_kind(pattern: str) -> bool:
    """Tell whether a pattern is of all files with an ending."""
    return pattern.startswith("*") and not set(pattern) & set("/\\ ") and len(pattern) < 16


def _settings() -> dict[str, Any]:
    """Return what napari keeps of plugins; nothing where it has no settings yet."""
    path = _settings_file()
    if not path.is_file():
        return {}
    import yaml  # comes with npe2 and napari

    values = yaml.safe_load(path.read_text("utf-8"))
    plugins = values.get("plugins") if isinstance(values, dict) else None
    return plugins if isinstance(plugins, dict) else {}


def _settings_file() -> Path:
    """Return where napari keeps its settings, one file an environment."""
    if path := os.environ.get("NAPARI_CONFIG"):
        return Path(path)
    # As napari/utils/_platformdirs.py names the folder.
    prefix = os.path.realpath(sys.prefix)
    marker = f"{Path(prefix).name}_{hashlib.sha1(prefix.encode()).hexdigest()}"
    return Path(platformdirs.user_config_dir("napari", False, marker)) / "settings.yaml"
