"""What the manifest puts into napari's own menus, in the real viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu

from napari_srcnn.samples import SAMPLES

TITLE = "Upscale (SRCNN)"


def submenu(menu: QMenu, title: str) -> QMenu:
    """Return the submenu of a menu as it is when the menu is opened."""
    menu.aboutToShow.emit()
    found = [action.menu() for action in menu.actions() if action.text() == title]
    assert found, [action.text() for action in menu.actions()]
    found[0].aboutToShow.emit()
    return found[0]


def entry(menu: QMenu, title: str) -> QAction:
    """Return a menu's entry as it is when the menu is opened."""
    menu.aboutToShow.emit()
    (found,) = [action for action in menu.actions() if action.text() == title]
    return found


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    return make_napari_viewer()


@pytest.mark.parametrize("name", ["Upscale", "Upscale a folder…", "Fine-tune", "Assess a result"])
def test_the_plugins_menu_docks_the_widgets(viewer: Any, name: str) -> None:
    entry(submenu(viewer.window.plugins_menu, "SRCNN"), f"{name} (SRCNN)").trigger()
    assert viewer.window.dock_widgets[f"{name} (SRCNN)"] is not None


def test_the_filter_menu_docks_the_widget_for_an_image(viewer: Any) -> None:
    viewer.add_image(np.zeros((3, 16, 16), np.uint16))
    entry(submenu(viewer.window.layers_menu, "Filter"), TITLE).trigger()
    assert viewer.window.dock_widgets[TITLE] is not None


def test_the_filter_menu_offers_nothing_where_no_image_is_active(viewer: Any) -> None:
    assert not entry(submenu(viewer.window.layers_menu, "Filter"), TITLE).isVisible()
    viewer.add_points(np.zeros((1, 2)))
    assert not entry(submenu(viewer.window.layers_menu, "Filter"), TITLE).isVisible()
    viewer.add_image(np.zeros((16, 16), np.uint16))
    assert entry(submenu(viewer.window.layers_menu, "Filter"), TITLE).isVisible()


def test_the_file_menu_docks_the_folder_widget(viewer: Any) -> None:
    title = "Upscale a folder… (SRCNN)"
    entry(submenu(viewer.window.file_menu, "IO Utilities"), title).trigger()
    assert viewer.window.dock_widgets[title] is not None


def test_every_sample_opens_from_the_file_menu(viewer: Any) -> None:
    samples = submenu(submenu(viewer.window.file_menu, "Open Sample"), "SRCNN")
    assert [action.text() for action in samples.actions()] == [
        sample.title for sample in SAMPLES.values()
    ]
    for action in samples.actions():
        viewer.layers.clear()
        action.trigger()
        (layer,) = viewer.layers
        assert layer.data.dtype.itemsize == 2
        assert layer.contrast_limits[0] < layer.contrast_limits[1]


def test_the_brain_sample_brings_its_pixel_size(viewer: Any) -> None:
    (layer,) = viewer.open_sample("napari-srcnn", "brain")
    assert layer.scale.tolist() == pytest.approx([2.2, 2.0, 2.0])
    assert {str(unit) for unit in layer.units} == {"millimeter"}


def test_the_preferences_show_the_settings(viewer: Any, qtbot: Any) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    qtbot.addWidget(dialog)
    pages = [dialog._list.item(row).text() for row in range(dialog._list.count())]
    assert "SRCNN" in pages
