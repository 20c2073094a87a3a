"""What a preview is made of: its middle first, then all; and what is kept for the next one."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import smoothing_network

from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.upscaling.noise import measure
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.resolve import resolve
from napari_srcnn.widgets.shared.messages import Failed, Previewed, Task
from napari_srcnn.widgets.upscale.preview_job import Plans, get_ready, preview_layers

BOX = (8, 120, 16, 112)


@pytest.fixture
def task(own_home: Any) -> Task:
    """What is asked of a network that is told the noise."""
    save_model(user_model_dir() / "told.safetensors", smoothing_network(), {})
    y, x = np.mgrid[:128, :128]
    light = 100 + 900 * (0.5 + 0.5 * np.sin(y / 7) * np.cos(x / 9)) ** 2
    source = np.random.default_rng(0).poisson(light).astype(np.uint16)
    options = Options(scale=2, model="told")
    plan = resolve(options, source)
    return Task(
        name="cells",
        source=source,
        options=options,
        plan=plan,
        first=(),
        box=BOX,
        measured=measure(plan, source),
    )


def previews(plans: Plans, task: Task) -> list[Previewed]:
    said = list(preview_layers(plans, [task], threading.Event()))
    assert not [one for one in said if isinstance(one, Failed)]
    return [one for one in said if isinstance(one, Previewed)]


def smoothed(task: Task, smoothing: float) -> Task:
    return replace(task, options=replace(task.options, smoothing=smoothing))


def test_where_the_network_takes_long_the_middle_comes_first(task: Task) -> None:
    plans = Plans()
    (whole,) = previews(plans, task)
    assert whole.is_whole
    assert whole.srcnn.shape == (224, 192)
    (checksum,) = plans.rates
    plans.rates[checksum] = 1e5  # pixels a second
    first, again = previews(plans, task)
    assert (first.is_whole, again.is_whole) == (False, True)
    np.testing.assert_array_equal(again.srcnn, whole.srcnn)
    height, width = first.srcnn.shape
    assert 0.2 < height * width / 4000 <= 1, "as many as 40 ms make"
    assert first.cut is False
    y, x = (n - m for n, m in zip(first.origin, whole.origin, strict=True))
    assert (y + height / 2, x + width / 2) == pytest.approx((112, 96), abs=2)
    part = whole.srcnn[y : y + height, x : x + width].astype(int)
    assert np.abs(part - first.srcnn).max() <= 1, "rounding of another tiling"
    np.testing.assert_array_equal(first.bicubic, whole.bicubic[y : y + height, x : x + width])


def test_a_preview_with_what_was_kept_is_the_same_as_without(task: Task) -> None:
    plans = Plans()
    previews(plans, task)
    kept = plans.of(task, threading.Event())
    for smoothing in (0.0, 1.7):
        other = smoothed(task, smoothing)
        assert plans.of(other, threading.Event()).model is kept.model
        assert plans.of(other, threading.Event()).ranges is kept.ranges
        warm, cold = previews(plans, other)[-1], previews(Plans(), other)[-1]
        np.testing.assert_array_equal(warm.srcnn, cold.srcnn)
        assert warm.doubt == cold.doubt


def test_of_pixels_that_were_changed_all_is_measured_anew(task: Task) -> None:
    plans = Plans()
    before = previews(plans, task)[-1]
    task.source[...] //= 4
    plans.forget(task.source)
    after = previews(plans, task)[-1]
    fresh = previews(Plans(), task)[-1]
    np.testing.assert_array_equal(after.srcnn, fresh.srcnn)
    assert after.srcnn.mean() == pytest.approx(before.srcnn.mean() / 4, rel=0.05)


def test_a_job_that_was_stopped_leaves_the_next_one_alone(task: Task) -> None:
    plans, stopped = Plans(), threading.Event()
    previews(plans, task)
    job = preview_layers(plans, [task], stopped)
    next(job)
    stopped.set()
    whole = previews(plans, task)[-1]
    assert whole.is_whole
    assert not [one for one in job if isinstance(one, Previewed)]


def test_what_is_got_ready_is_what_the_preview_takes_and_reads_nothing_slow(task: Task) -> None:
    class Slow:
        shape, dtype, ndim = task.source.shape, task.source.dtype, 2

        def __getitem__(self, key: Any) -> Any:
            raise AssertionError("it is read only when a preview is asked for")

    plans = Plans()
    assert list(get_ready(plans, [task], threading.Event())) == []
    kept = plans.of(task, threading.Event())
    whole = previews(plans, task)[-1]
    assert plans.of(task, threading.Event()).model is kept.model
    assert whole.is_whole
    slow = replace(task, source=Slow())
    assert list(get_ready(plans, [slow], threading.Event())) == []
    assert plans.of(slow, threading.Event()).model is not kept.model
