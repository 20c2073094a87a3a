"""What the manifest puts into napari's own menus, in the real viewer."""

from __future__ import annotations

from typing import Any

import npe2
import numpy as np
import pytest
from napari._app_model import get_app_model
from napari._qt.widgets.qt_command_palette import _enabled
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QComboBox, QMenu

from napari_srcnn.network.config import SCALES
from napari_srcnn.samples import SAMPLES
from napari_srcnn.widgets.shared import settings

TITLE = "Upscale (SRCNN)"
WIDGETS = ("Upscale", "Upscale a folder…", "Fine-tune", "Assess a result")


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


@pytest.mark.parametrize("name", WIDGETS)
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
    page = dialog._stack.widget(pages.index("SRCNN"))
    chosen = {
        tuple(box.itemText(row) for row in range(box.count())): box
        for box in page.findChildren(QComboBox)
    }
    assert ("same", "float32") in chosen
    assert any(choices[:2] == ("auto", "cpu") for choices in chosen)
    # A type of number stays one.
    chosen["2", "3", "4"].setCurrentText("3")
    assert settings.load().scale == 3


@pytest.mark.parametrize(("name", "value"), [("scale", 5), ("device", "cuda:8"), ("dtype", "int8")])
def test_a_setting_takes_what_the_manifest_lists_alone(name: str, value: Any) -> None:
    before = settings.load()
    settings.save(name, value)
    assert settings.load() == before


def test_the_settings_list_what_the_widget_can_choose() -> None:
    properties = (
        npe2.PluginManifest.from_distribution("napari-srcnn")
        .contributions.configurations["upscale"]
        .properties
    )
    assert tuple(properties["scale"].enum) == SCALES


def palette(viewer: Any) -> dict[str, Any]:
    """Return what the command palette offers now of ours, by its text."""
    window = viewer.window._qt_window
    shown = window._command_palette
    shown.update_context(window)
    return {
        command.title: command
        for command in shown._list.all_commands
        if command.id.startswith("napari-srcnn.")
        and _enabled(command, shown._list._app_model_context)
    }


def test_the_command_palette_offers_what_can_be_done_in_sentences(viewer: Any) -> None:
    assert set(palette(viewer)) == {
        "Enlarge the selected images as was set last (SRCNN)",
        "Preview the enlargement of what is on screen (SRCNN)",
        "Save the images that were enlarged last (SRCNN)",
        *(f"{name} (SRCNN)" for name in WIDGETS),
        *(sample.title for sample in SAMPLES.values()),
    }


def test_the_command_palette_enlarges_the_selected_images(
    viewer: Any, qtbot: Any, finish: Any
) -> None:
    viewer.add_image(np.arange(3 * 16 * 18, dtype=np.uint16).reshape(3, 16, 18), name="a")
    settings.save("scale", 3)
    command = palette(viewer)["Enlarge the selected images as was set last (SRCNN)"]
    get_app_model().commands.execute_command(command.id).result()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    finish(viewer.window.dock_widgets[TITLE])
    assert viewer.layers[-1].data.shape == (3, 48, 54)
    # It is the dock of napari's menus, not a second one.
    entry(submenu(viewer.window.plugins_menu, "SRCNN"), TITLE).trigger()
    assert list(viewer.window.dock_widgets) == [TITLE]


def test_the_command_palette_says_that_there_is_nothing_to_save(
    viewer: Any, qtbot: Any, notes: list[str]
) -> None:
    command = palette(viewer)["Save the images that were enlarged last (SRCNN)"]
    get_app_model().commands.execute_command(command.id).result()
    qtbot.waitUntil(lambda: bool(notes), timeout=60_000)
    assert "There is no result to save yet" in notes[0]
