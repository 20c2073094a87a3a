"""The upscale widget in a real viewer, as the Plugins menu docks it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.settings import get_plugin_settings
from tuning import Tuning

from napari_srcnn.samples import load_sample
from napari_srcnn.widgets.finetune import steering
from napari_srcnn.widgets.shared import runner
from napari_srcnn.widgets.shared.settings import Settings

PLUGIN, NAME = "napari-srcnn", "Upscale"


@pytest.fixture(scope="session")
def brain() -> np.ndarray:
    """A real stack (5, 40, 56) of 16 bits: a part of the MR sample."""
    return np.asarray(load_sample("brain").data[8:13, 20:60, 30:86]).astype(np.uint16)


@pytest.fixture(scope="session")
def pollen() -> np.ndarray:
    """A real stack (6, 96, 96) of 16 bits: a part of the confocal sample."""
    return np.asarray(load_sample("pollen").data[12:18, 80:176, 100:196])


@pytest.fixture(autouse=True)
def default_settings() -> None:
    """Forget what an earlier test left in the plugin's settings."""
    section = get_plugin_settings(PLUGIN).upscale
    for item in fields(Settings):
        setattr(section, item.name, item.default)


@pytest.fixture(autouse=True)
def nothing_is_worth_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no question wait for an answer because a machine was slow; tests of questions ask."""
    monkeypatch.setattr(steering, "WORTH_ASKING", math.inf)


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    yield make_napari_viewer()
    assert runner.wait(20), "a thread was left behind"


@pytest.fixture
def dock(viewer: Any, qtbot: Any) -> Callable[[], Any]:
    """Docks the widget, and waits until torch is loaded."""

    def open_widget() -> Any:
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
        qtbot.waitUntil(lambda: widget.loaded is not None, timeout=60_000)
        return widget

    return open_widget


@pytest.fixture
def finish(qtbot: Any) -> Callable[[Any], None]:
    """Waits until a widget's job has ended."""

    def wait(widget: Any) -> None:
        qtbot.waitUntil(lambda: not widget.runner.job, timeout=120_000)

    return wait


@pytest.fixture
def notes() -> Iterator[list[str]]:
    """The messages of napari's notifications."""
    from napari.utils.notifications import notification_manager

    said: list[str] = []

    def hear(event: Any) -> None:
        said.append(event.message)

    notification_manager.notification_ready.connect(hear)
    yield said
    notification_manager.notification_ready.disconnect(hear)


@pytest.fixture
def tuning_of(qtbot: Any, notes: list[str], own_home: Path) -> Callable[[Any], Tuning]:
    """Makes what drives the fine-tuning widget of a viewer, in a home of its own."""
    return lambda viewer: Tuning(viewer, qtbot, notes, own_home)


@pytest.fixture
def tuning(viewer: Any, tuning_of: Callable[[Any], Tuning]) -> Tuning:
    """Drives the fine-tuning widget."""
    return tuning_of(viewer)
