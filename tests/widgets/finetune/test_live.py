"""What is seen of a training while it runs: how often it is drawn, and what it is measured by."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tuning import EVERY, START, Tuning

from napari_srcnn.training.field import Source
from napari_srcnn.training.finetune import FinetuneRun, Trained
from napari_srcnn.training.options import RECIPE, FinetuneOptions
from napari_srcnn.widgets.finetune.curves import PACE, Curves, thinned


def test_curves_are_drawn_twice_a_second_at_most_and_end_with_what_was_said_last(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves, drawn = Curves(), list[int]()
    draw = curves._draw

    def counted(picture: Any) -> None:
        drawn.append(len(curves.loss))
        draw(picture)

    monkeypatch.setattr(curves, "_draw", counted)
    qtbot.addWidget(curves)
    curves.show()
    qtbot.waitExposed(curves)
    curves.begin({"bicubic": 30.0, "start": 31.0})
    qtbot.waitUntil(lambda: bool(drawn))
    before, began, told = len(drawn), time.perf_counter(), 0
    while time.perf_counter() < began + 2.5 * PACE / 1000:
        told += 1
        curves.add_loss(told / 100, 1 / told)
        curves.add_psnr(told / 100, 31 + told / 1000)
        curves.update()  # as of a label that changes beside it
        qtbot.wait(10)
    rounds = (time.perf_counter() - began) * 1000 / PACE
    assert told > 2 * rounds
    assert 2 <= len(drawn) - before <= rounds + 1
    qtbot.waitUntil(lambda: drawn[-1] == told)


def test_of_a_long_curve_what_can_be_seen_is_kept() -> None:
    values = np.sin(np.arange(20_000) / 900)
    values[7_777], values[12_345] = 3.0, -4.0
    points = [(float(t), float(v)) for t, v in enumerate(values)]
    assert thinned(points[:50], 50.0, 300) == points[:50]
    kept = thinned(points, 20_000.0, 300)
    assert len(kept) == 600
    seconds = [t for t, _ in kept]
    assert seconds == sorted(seconds)
    assert max(kept, key=lambda point: point[1]) == (pytest.approx(7_777, abs=67), 3.0)
    assert min(kept, key=lambda point: point[1]) == (pytest.approx(12_345, abs=67), -4.0)


def test_the_window_measures_as_often_and_the_same_as_the_command_line(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    cells = pollen
    viewer.add_image(cells, name="cells")
    tuning.open()
    tuning.train()
    tuning.measure()
    assert EVERY in tuning.steps
    tuning.widget.cancel()
    tuning.finish()

    options = FinetuneOptions(
        sources=(Source(name="cells", high=cells, axes="ZYX"),),
        scale=2,
        name="without-a-window",
        start=START,
        config=replace(RECIPE, batch=4, crop=24),
    )
    with contextlib.closing(FinetuneRun(options).run()) as run:
        told = (one.message for one in run if isinstance(one, Trained))
        first = next(one for one in told if one.measured)
    assert first.step == EVERY
    assert tuning.measured[0] == pytest.approx(first.psnr, abs=1e-3)
