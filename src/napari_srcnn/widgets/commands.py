"""What the command palette offers beside the widgets: the Upscale widget's buttons, in words."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import napari.viewer
from qtpy.QtWidgets import QDockWidget

from napari_srcnn.widgets.upscale.widget import UpscaleWidget

# As napari makes it of the manifest, so that the entry of its menus shows and hides the same dock.
NAME = "Upscale (SRCNN)"


# napari hands the viewer to what names its type, and looks the name up when it calls.
def upscale_selected(viewer: napari.viewer.Viewer) -> None:
    """Enlarge the selected images as the Upscale widget shows; it is docked for that."""
    _press(viewer, UpscaleWidget.upscale)


def preview_selected(viewer: napari.viewer.Viewer) -> None:
    """Preview the enlargement of what is on screen of the selected image."""
    _press(viewer, UpscaleWidget.preview)


def save_results(viewer: napari.viewer.Viewer) -> None:
    """Ask where to save what was enlarged last, and save it."""
    _press(viewer, UpscaleWidget.ask_and_save)


def _press(viewer: napari.viewer.Viewer, button: Callable[[UpscaleWidget], None]) -> None:
    """Show the Upscale widget, and press one of its buttons when it is ready."""
    widget = _docked(viewer)
    if widget.loaded is None:
        # It does not know the settings of earlier sessions yet.
        widget.ready.connect(partial(button, widget))
    else:
        button(widget)


def _docked(viewer: napari.viewer.Viewer) -> UpscaleWidget:
    """Return the Upscale widget that is docked, or one that is docked as by napari's menus."""
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, UpscaleWidget):
            dock = widget.parentWidget()
            while dock is not None and not isinstance(dock, QDockWidget):
                dock = dock.parentWidget()
            if dock is not None:
                dock.show()
            return widget
    docked = UpscaleWidget(viewer)
    viewer.window.add_dock_widget(docked, name=NAME)
    return docked
