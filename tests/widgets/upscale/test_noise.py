"""A network that is told the noise: what was measured is said, and smoothed as is wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from napari.settings import get_plugin_settings
from networks import smoothing_network

from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.library import model_info
from napari_srcnn.models.manage import delete_model
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.widgets.shared.events import window_events
from napari_srcnn.widgets.shared.layers import METADATA_KEY

PLAIN, TOLD = "srcnn-9-1-5-x2", "told"


def cells(*shape: int, gain: float = 2.0, seed: int = 0) -> np.ndarray:
    """Smooth spots of 100 to 1000 under shot noise of a gain, and nothing else."""
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    light = 100 + 900 * (0.5 + 0.5 * np.sin(y / 7) * np.cos(x / 9)) ** 2
    noisy = Noise(gain=gain, offset=100).apply(
        np.broadcast_to(light, shape), np.random.default_rng(seed)
    )
    return noisy.clip(0, 65535).round().astype(np.uint16)


class Open:
    """The widget with a network that is told the noise, and what a test waits for in it."""

    def __init__(self, viewer: Any, widget: Any, qtbot: Any) -> None:
        self.viewer, self.widget, self.form, self.qtbot = viewer, widget, widget.form, qtbot

    def add(self, data: np.ndarray, **settings: Any) -> Any:
        """Add an image and choose the network for it."""
        made = self.viewer.add_image(data, **settings)
        layers = made if isinstance(made, list) else [made]
        self.viewer.layers.selection = set(layers)
        self.widget._show_layers()
        self.form.model.value = TOLD
        return made

    def measured(self) -> str:
        """What is said of the noise, once it is known."""
        note = self.form.noise_note
        self.qtbot.waitUntil(lambda: "Measuring" not in note.text(), timeout=20_000)
        assert note.isVisibleTo(self.widget)
        return str(note.text())

    def finish(self) -> None:
        self.qtbot.waitUntil(lambda: not self.widget.runner.job, timeout=60_000)


@pytest.fixture
def opened(viewer: Any, dock: Callable[[], Any], qtbot: Any, own_home: Path) -> Open:
    save_model(user_model_dir() / f"{TOLD}.safetensors", smoothing_network(), {})
    return Open(viewer, dock(), qtbot)


def percent(text: str) -> float:
    found = re.match(r"([\d.]+) % of the range at mid brightness", text)
    assert found is not None, text
    return float(found[1])


def test_noise_and_smoothing_are_asked_for_where_the_network_is_told_it(opened: Open) -> None:
    form, widget = opened.form, opened.widget
    layer = opened.add(cells(96, 96))
    form.advanced.open(True)
    parts = (form.noise_note, form.smoothing, form.noise)
    assert all(part.isVisibleTo(widget) for part in parts)
    form.smoothing.value = 1.6
    form.noise.value = "none"
    assert (form.options(layer).noise, form.options(layer).smoothing) == (None, 1.6)
    form.model.value = PLAIN
    assert not any(part.isVisibleTo(widget) for part in parts)
    assert (form.options(layer).noise, form.options(layer).smoothing) == ("auto", 1.0)
    assert " px, uint16" in widget.summary.text(), "a network that is told nothing refuses nothing"


def test_what_was_measured_is_said_in_plain_words(opened: Open) -> None:
    opened.add(cells(4, 160, 160, gain=4.0))
    said = opened.measured()
    # At mid brightness there are 450 counts of light, and the range is 900 and what noise adds.
    assert percent(said) == pytest.approx(100 * np.sqrt(4.0 * 450) / 960, rel=0.15)
    assert said.endswith("mostly shot noise.")
    assert opened.form.smoothing.isEnabled()


def test_the_slider_moves_the_preview_and_is_told_with_the_result(opened: Open) -> None:
    layer = opened.add(cells(2, 96, 96))
    opened.measured()
    opened.widget.preview()
    opened.finish()
    preview = opened.viewer.layers[-1]
    roughness = []
    for value in (0, 1, 2):
        before = preview.data
        opened.form.smoothing.value = value
        assert preview.visible, "what is there stays until the next is"
        opened.qtbot.waitUntil(lambda old=before: preview.data is not old, timeout=20_000)
        roughness.append(np.diff(preview.data[0].astype(float)).var())
    assert roughness[0] > roughness[1] > roughness[2]
    assert list(opened.viewer.layers) == [layer, preview]

    opened.widget.upscale()
    opened.finish()
    result = opened.viewer.layers[-1]
    made = result.metadata[METADATA_KEY]
    assert made["smoothing"] == 2
    assert made["noise"][0]["gain"] == pytest.approx(4 * 2.0, rel=0.3), "twice the noise"
    assert f"{made['noise_text']}." in opened.form.noise_note.text()
    shown = preview.data[0].astype(int)
    rows, columns = (round(v) for v in 2 * preview.translate[1:] + 0.5)
    part = result.data[0][rows:, columns:][: shown.shape[0], : shown.shape[1]]
    assert np.abs(part - shown).max() <= 1, "rounding of another tiling"


def test_the_smoothing_lasts_and_the_noise_that_was_typed_does_not(
    opened: Open, dock: Callable[[], Any], qtbot: Any
) -> None:
    opened.add(cells(96, 96))
    opened.form.smoothing.value = 0.3
    opened.form.noise.value = "none"
    assert get_plugin_settings("napari-srcnn").upscale.smoothing == 0.3
    opened.viewer.window.remove_dock_widget("all")
    again = dock()
    assert again.form.smoothing.value == 0.3
    assert again.form.noise.value == "auto"


def test_what_the_slider_does_can_be_read_off_it(opened: Open) -> None:
    smoothing = opened.form.smoothing
    opened.add(cells(96, 96))
    assert smoothing.text == "as measured"
    smoothing.value = 1.7
    assert smoothing.text == "1.7"
    for value in (-1, 5):
        smoothing.value = value
        assert smoothing.value in (0, 2)
    smoothing.value = 1
    opened.form.noise.value = "given"
    assert smoothing.text == "as given"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((3, 64, 64), 7, np.uint16), "one value"),
        (np.full((3, 64, 64), np.nan, np.float32), "No pixel has a finite value"),
        (cells(64, 64) > 500, "Not measured"),
    ],
    ids=["constant", "NaN", "bool"],
)
def test_an_image_without_noise_to_measure_says_so(
    opened: Open, data: np.ndarray, words: str
) -> None:
    opened.add(data, contrast_limits=(0, 1))
    said = opened.measured()
    assert said.startswith("Not measured. ")
    assert words in said
    assert not opened.form.smoothing.isEnabled(), "there is nothing to smooth"
    opened.form.noise.value = "given"
    opened.form.sigma.setValue(3)
    assert opened.form.smoothing.isEnabled()


def test_an_image_that_cannot_be_read_says_so(opened: Open) -> None:
    class Broken:
        shape, dtype, ndim = (2, 64, 64), np.dtype(np.uint16), 3
        is_whole = True

        def __getitem__(self, key: Any) -> np.ndarray:
            if self.is_whole:
                return np.zeros(self.shape, self.dtype)[key]
            raise OSError("The disk is gone")

    source = Broken()
    layer = opened.viewer.add_image(source, contrast_limits=(0, 9))
    source.is_whole = False
    opened.widget._show_layers()
    opened.form.model.value = TOLD
    assert "The disk is gone" in opened.measured()
    assert layer in opened.viewer.layers


def test_every_channel_has_its_own_noise(opened: Open) -> None:
    both = np.stack([cells(2, 96, 96, gain=1.0), cells(2, 96, 96, gain=16.0, seed=1)])
    layer = opened.add(both, axis_labels=("c", "z", "y", "x"))
    said = opened.measured()
    assert "the noisiest of 2 channels" in said
    loud = percent(said)
    opened.form.channels.value = -1
    assert "channels" not in opened.measured()
    opened.viewer.layers.remove(layer)

    layers = opened.add(both, channel_axis=0, name=["a", "b"])
    quiet, other = opened.measured().splitlines()
    assert percent(other.removeprefix("b: ")) == pytest.approx(loud, rel=0.1)
    assert percent(quiet.removeprefix("a: ")) < loud / 2
    opened.widget.upscale()
    opened.finish()
    gains = {
        layer.name: layer.metadata[METADATA_KEY]["noise"][0]["gain"]
        for layer in opened.viewer.layers
        if layer not in layers
    }
    assert gains["a ×2"] == pytest.approx(1.0, rel=0.4)
    assert gains["b ×2"] == pytest.approx(16.0, rel=0.4)


def test_colours_are_measured_each(opened: Open) -> None:
    colors = np.stack([cells(96, 96, gain=4.0, seed=s) / 8 for s in range(3)], -1)
    opened.add(colors.clip(0, 255).astype(np.uint8), rgb=True)
    assert "the noisiest of 3 channels" in opened.measured()
    opened.widget.preview()
    opened.finish()
    assert opened.viewer.layers[-1].rgb


def test_the_noise_can_be_overruled(opened: Open, notes: list[str]) -> None:
    form = opened.form
    layer = opened.add(cells(96, 96, gain=4.0))
    opened.measured()
    form.advanced.open(True)
    form.noise.value = "none"
    assert "None, as chosen" in form.noise_note.text()
    assert not form.smoothing.isEnabled()
    form.noise.value = "given"
    assert form.sigma.value() == pytest.approx(np.sqrt(4 * 450), rel=0.2), "as was measured"
    form.sigma.setValue(25)
    assert form.options(layer).noise == (Noise(read=25),)
    assert form.noise_note.text().startswith("25 at every brightness")
    opened.widget.preview()
    opened.finish()
    smooth = opened.viewer.layers["Preview: SRCNN"].data
    form.sigma.setValue(0)
    preview = opened.viewer.layers["Preview: SRCNN"]
    opened.qtbot.waitUntil(lambda: preview.visible and preview.data is not smooth, timeout=20_000)
    assert np.diff(preview.data.astype(float)).var() > np.diff(smooth.astype(float)).var()

    form.sigma.setValue(50_000)
    opened.widget.upscale()
    opened.finish()
    assert "larger than the image's range" in notes[-1]
    form.noise.value = "auto"
    assert percent(opened.measured()) > 0


def test_pixels_that_were_changed_are_measured_anew(opened: Open) -> None:
    data = cells(96, 96, gain=1.0)
    layer = opened.add(data)
    before = percent(opened.measured())
    data[:] = cells(96, 96, gain=16.0)
    layer.data = data
    # It may be measured before anybody sees that it is.
    opened.qtbot.waitUntil(lambda: percent(opened.measured()) > 2 * before, timeout=20_000)


def test_a_model_that_takes_the_place_of_a_deleted_one_has_its_own_rows(opened: Open) -> None:
    layer = opened.add(cells(96, 96))
    opened.measured()
    delete_model(TOLD)
    window_events().models_changed.emit()
    chosen = opened.form.model.value
    assert chosen != TOLD
    shown = opened.form.noise_note.isVisibleTo(opened.widget)
    assert shown == model_info(chosen).config.noise
    assert opened.form.options(layer).smoothing == 1


def test_the_rows_fit_the_narrowest_dock_and_no_line_is_cut_off(opened: Open) -> None:
    form = opened.form
    names = ["DAPI", "GFP", "a long name of a channel"]
    opened.add(np.stack([cells(96, 96, seed=s) for s in range(3)]), channel_axis=0, name=names)
    opened.measured()
    form.advanced.open(True)
    form.intensity.value = "custom"
    form.noise.value = "given"
    narrowest = opened.widget.minimumWidth() - 12
    assert form.minimumSizeHint().width() <= narrowest
    form.noise.value = "auto"
    note = form.noise_note
    opened.qtbot.waitUntil(lambda: note.height() >= note.heightForWidth(note.width()))


def test_a_preview_that_leaves_its_image_by_more_than_the_noise_says_so(opened: Open) -> None:
    wild = smoothing_network()
    with torch.no_grad():
        wild.conv3.bias += 0.5
    save_model(user_model_dir() / "wild.safetensors", wild, {})
    window_events().models_changed.emit()
    opened.add(cells(96, 96))
    opened.widget.preview()
    opened.finish()
    assert "made small again" not in opened.widget.message.text()
    opened.form.model.value = "wild"
    opened.widget.preview()
    opened.finish()
    assert "made small again" in opened.widget.message.text()


def test_while_the_slider_is_moved_the_middle_is_renewed_and_all_ends_as_it_stands(
    opened: Open,
) -> None:
    opened.add(cells(128, 128))
    opened.measured()
    opened.widget.preview()
    opened.finish()
    preview, control = opened.viewer.layers[-1], opened.widget.preview_control
    whole, before = preview.data, preview.data.copy()
    renewed: list[np.ndarray] = []

    def note(event: Any) -> None:
        if preview.data is whole and not renewed:
            renewed.append(preview.data != before)

    preview.events.set_data.connect(note)
    control._plans.rates[model_info(TOLD).sha256] = 1e5  # pixels a second: so slow a machine
    for value in (0.5, 0, 2):
        opened.form.smoothing.value = value
    opened.qtbot.waitUntil(lambda: preview.data is not whole, timeout=20_000)
    assert renewed, "the middle came before all of it"
    rows, columns = (np.flatnonzero(renewed[0].any(axis=axis)) for axis in (1, 0))
    middle = [(part[0] + part[-1]) / 2 for part in (rows, columns)]
    assert middle == pytest.approx([n / 2 for n in whole.shape], abs=8)
    assert len(rows) < whole.shape[0] / 2
    opened.qtbot.waitUntil(lambda: control._shown.tasks[0].options.smoothing == 2, timeout=20_000)
    last = preview.data.copy()
    control.forget(opened.viewer.layers[0].data)
    opened.widget.preview()
    opened.finish()
    np.testing.assert_array_equal(preview.data, last)
