"""The plugin's one key, beside all that napari itself listens to in a real window."""

from __future__ import annotations

from typing import Any

import napari.layers
from napari._app_model import get_app_model
from napari.settings import get_settings
from qtpy.QtGui import QAction, QShortcut

from napari_srcnn.widgets.compare.split import KEYS


def test_none_of_our_keys_is_naparis(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer()
    window = viewer.window._qt_window
    # As a fresh installation has them, not as this one may have been set up.
    fields = type(get_settings().shortcuts).model_fields
    defaults = fields["shortcuts"].get_default(call_default_factory=True)
    taken = {str(key) for keys in defaults.values() for key in keys}
    kinds = [kind for kind in vars(napari.layers).values() if hasattr(kind, "class_keymap")]
    for owner in (type(viewer), *kinds):
        taken |= {str(key) for key in owner.class_keymap}
    taken |= {str(entry.keybinding) for entry in get_app_model().keybindings}
    for action in window.findChildren(QAction):
        taken |= {key.toString() for key in action.shortcuts()}
    taken |= {shortcut.key().toString() for shortcut in window.findChildren(QShortcut)}
    assert {"V", "Ctrl+Y", "Ctrl+N"} <= taken  # it is where napari's own are found
    assert not set(KEYS) & taken


def test_the_manifest_binds_no_key() -> None:
    # napari 0.9 takes none from a manifest; what would stand there worked for nobody.
    import npe2

    manifest = npe2.PluginManifest.from_distribution("napari-srcnn")
    assert not manifest.contributions.keybindings
