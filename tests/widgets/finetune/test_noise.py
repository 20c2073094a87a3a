"""The noise of the image that is chosen is measured by itself, said, and used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tuning import Tuning

from napari_srcnn.microscope.noise import Noise
from napari_srcnn.training.runs import read_options


def noisy(seed: int, gain: float = 8.0) -> np.ndarray:
    """A stack of smooth cells under the noise of a camera."""
    y, x = np.mgrid[:128, :128]
    clean = 500 + 3000 * np.sin(x / 20) ** 2 * np.sin(y / 25) ** 2
    made = Noise(gain=gain, read=20.0).apply(np.stack([clean] * 6), np.random.default_rng(seed))
    return made.round().astype(np.uint16)


@pytest.fixture
def following(tuning: Tuning) -> Tuning:
    """A widget that keeps to the noise of the image."""
    tuning.choose = lambda: None  # type: ignore[method-assign]
    tuning.open()
    tuning.widget.form.start.value = "srcnn-9-1-5-x2"
    tuning.widget.form.patch.value = 24
    tuning.widget.form.batch.setValue(4)
    return tuning


def test_the_noise_is_measured_as_soon_as_an_image_is_chosen(
    viewer: Any, following: Tuning
) -> None:
    widget = following.widget
    viewer.add_image(noisy(0), name="cells")
    following.wait_for(lambda: widget.form.high.value is not None)
    assert "own noise, which is being measured" in widget.summary.text()
    assert "no noise" not in widget.summary.text()
    following.wait_for(lambda: widget.form.gain.value() > 0)
    assert widget.form.gain.value() == pytest.approx(8.0, rel=0.25)
    said = widget.summary.text()
    assert f"gain {widget.form.gain.value():.3g}" in said
    assert "the high-res image's own, as measured" in said
    assert not widget.form.degradation.content.isVisibleTo(widget), "nothing was opened for it"
    # It follows the image.
    other = viewer.add_image(noisy(1, gain=30.0), name="others")
    following.wait_for(lambda: "others" in [widget.form.high.menu.itemText(i) for i in range(2)])
    widget.form.high.value = other
    following.wait_for(lambda: widget.form.gain.value() > 20)


def test_what_is_typed_stays_whichever_image_is_chosen(viewer: Any, following: Tuning) -> None:
    widget = following.widget
    first = viewer.add_image(noisy(0), name="cells")
    second = viewer.add_image(noisy(1, gain=30.0), name="others")
    following.wait_for(lambda: widget.form.gain.value() > 0)
    widget.form.gain.setValue(2.0)
    assert "as measured" not in widget.summary.text()
    for layer in (second, first):
        widget.form.high.value = layer
        following.wait(200)
        assert widget.form.gain.value() == 2.0
    # And back.
    widget.form.noise_from.value = "measured"
    following.wait_for(lambda: widget.form.gain.value() > 4)


def test_an_image_whose_noise_cannot_be_measured_is_trained_without(
    viewer: Any, following: Tuning
) -> None:
    widget = following.widget
    viewer.add_image(np.full((6, 96, 96), 7, np.uint16), name="flat", contrast_limits=(0, 9))
    following.wait_for(lambda: "cannot be measured" in widget.summary.text())
    assert "constant" in widget.summary.text()
    assert "no noise;" in widget.summary.text()


def test_a_training_begun_at_once_waits_for_the_noise(viewer: Any, following: Tuning) -> None:
    widget = following.widget
    viewer.add_image(noisy(0), name="cells")
    widget.train()
    following.learn()
    assert read_options("cells-x2")["degradation"]["noise"]["gain"] == pytest.approx(8.0, rel=0.25)
    assert widget.form.gain.value() == pytest.approx(8.0, rel=0.25)
    widget.cancel()
    following.finish()


def test_noisy_images_are_recorrupted_which_is_said_and_can_be_left(
    viewer: Any, following: Tuning
) -> None:
    widget = following.widget
    viewer.add_image(noisy(0, gain=30.0), name="cells")
    following.wait_for(lambda: widget.form.gain.value() > 0)
    for choice, is_said in ((None, True), (False, False)):
        widget.form.training.recorrupt.value = choice
        following.train()
        following.learn()
        assert read_options("cells-x2")["recorrupt"] is choice
        assert ("learns by recorruption" in widget.message.text()) == is_said
        assert ("noise included" in following.prepared[0].summary) == is_said
        widget.cancel()
        following.finish()
    # Of a pair there is a cleaner image.
    low = viewer.add_image(noisy(1)[:, ::2, ::2], name="low")
    menu = widget.form.low.menu
    following.wait_for(lambda: "low" in [menu.itemText(i) for i in range(menu.count())])
    widget.form.advanced.open(True)
    assert following.sees(widget.form.training.recorrupt)
    widget.form.low.value = low
    assert not following.sees(widget.form.training.recorrupt)
