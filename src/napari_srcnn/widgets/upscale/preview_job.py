"""What makes a preview, beside the window: the middle at once, then all of it.

What does not depend on the slider is kept from one preview to the next: the network, prepared for
its device, and the intensities and the noise that were measured on the image.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.widgets.shared.messages import (
    Cancelled,
    Failed,
    Guarded,
    Previewed,
    Step,
    Task,
)
from napari_srcnn.widgets.upscale.tasks import ERRORS, failed, in_the_name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_srcnn.upscaling.plan import UpscalePlan

Box = tuple[int, int, int, int]
# A preview that covers more than this is cut to its middle: it should take seconds.
PREVIEW_PIXELS = 16 << 20
# Seconds of the network that what is shown first may take: it follows a slider that is moved.
FIRST = 0.04
# Pixels of the result a second, before any was computed; on slow machines less is shown first.
_USUAL_RATE = 1e6
# Plans that are kept: an image's at two scales and a model tried beside, each a few megabytes.
_KEPT = 4


class Plans:
    """The plans of the last previews, with their networks; for several threads."""

    def __init__(self) -> None:
        self._kept: list[UpscalePlan] = []
        self._lock = threading.Lock()
        #: Result's pixels a second, by the checksum of the network.
        self.rates: dict[str, float] = {}

    def of(self, task: Task, cancel: threading.Event) -> UpscalePlan:
        """Return a task's plan: one that was kept, with what was measured for it, or a new one.

        Raises
        ------
        ValueError
            If there can be none; the message says what would work.
        """
        from napari_srcnn.upscaling.plan import load_plan
        from napari_srcnn.upscaling.resolve import resolve

        source = Guarded(task.source, cancel)
        with in_the_name_of(task):
            # Anew each time, so that a model whose file was replaced is another one.
            request = resolve(task.options, source)
            with self._lock:
                kept = [plan for plan in self._kept if _is_for(plan, task, request)]
            if not kept:
                return load_plan(request, source, task.measured)
            plan = kept[0].smoothed(request.smoothing)
            # A job that was stopped reads no more, and this one is another.
            plan.source = source
            return plan

    def keep(self, plan: UpscalePlan) -> None:
        """Keep a plan in place of its like."""
        with self._lock:
            rest = [one for one in self._kept if not _is_like(one, plan)]
            self._kept = [plan, *rest][:_KEPT]

    def forget(self, source: Any) -> None:
        """Forget what was measured of pixels that were changed."""
        with self._lock:
            self._kept = [one for one in self._kept if one.source.source is not source]

    def keep_of(self, sources: Sequence[Any]) -> None:
        """Let go of other pixels than these."""
        with self._lock:
            self._kept = [one for one in self._kept if any(one.source.source is x for x in sources)]

    def rate(self, plan: UpscalePlan) -> float:
        """Return about how many pixels of the result are computed a second."""
        return self.rates.get(plan.model_sha256, _USUAL_RATE)


def _is_for(plan: UpscalePlan, task: Task, request: Any) -> bool:
    return (
        plan.source.source is task.source
        and plan.measured is task.measured
        and replace(plan.request, smoothing=request.smoothing) == request
    )


def _is_like(one: UpscalePlan, other: UpscalePlan) -> bool:
    return (
        one.source.source is other.source.source
        and replace(one.request, smoothing=other.request.smoothing) == other.request
    )


def get_ready(plans: Plans, tasks: Sequence[Task], cancel: threading.Event) -> Iterator[Previewed]:
    """Do before a preview is asked for what its first one would wait for.

    The network is read and let run once, which has its kernels chosen; of an image in memory the
    intensities are measured. Nothing else is read: that may take long.
    """
    # Whatever is wrong is said when a preview is asked for.
    with contextlib.suppress(*ERRORS):
        for task in tasks:
            plan = plans.of(task, cancel)
            if isinstance(task.source, np.ndarray):
                plan.ranges  # noqa: B018  # measured when it is first looked at
            if plan.device.type == "cpu" and plan.model_sha256 not in plans.rates:
                plans.rates[plan.model_sha256] = _rate_of(plan)
            plans.keep(plan)
    yield from ()


def _rate_of(plan: UpscalePlan) -> float:
    """Return how many pixels of the result the network computes a second, by one tile."""
    import torch

    from napari_srcnn.image.rect import Padding

    config, nothing = plan.model.config, Padding(top=0, bottom=0, left=0, right=0)
    side = plan.tile
    enlarged = torch.rand(1, config.planes, side + 2 * config.halo, side + 2 * config.halo)
    seconds = math.inf
    for _ in range(2):
        began = time.perf_counter()
        with torch.inference_mode():
            plan.engine.enhancer.correction(enlarged, nothing)
        seconds = min(seconds, time.perf_counter() - began)
    return side * side / seconds


def preview_layers(
    plans: Plans, tasks: Sequence[Task], cancel: threading.Event
) -> Iterator[Step | Previewed | Failed]:
    """Compute the visible part of layers' current slices, by the network and by bicubic.

    Of a result that is there its own pixels are taken. Where the network takes long, the middle of
    each comes first.
    """
    began = time.perf_counter()
    try:
        looks = [_LookAt(number, task, plans, cancel) for number, task in enumerate(tasks)]
        for look in looks:
            if (first := look.first) is not None:
                yield look.message([look.pixels(first)], first, is_whole=False)
        for look in looks:
            bands = look.bands
            parts = []
            for done, band in enumerate(bands):
                if cancel.is_set():
                    return
                parts.append(look.pixels(band))
                fraction = (look.number + (done + 1) / len(bands)) / len(tasks)
                left = (time.perf_counter() - began) * (1 - fraction) / fraction
                yield Step(task=look.number, fraction=fraction, seconds_left=left, text="Preview")
            yield look.message(parts, look.box, is_whole=True)
            plans.keep(look.plan)
    except Cancelled:
        return
    except ERRORS as error:
        yield failed(error)


class _LookAt:
    """What is computed of one task."""

    def __init__(self, number: int, task: Task, plans: Plans, cancel: threading.Event) -> None:
        self.number, self._task, self._plans, self._cancel = number, task, plans, cancel
        self.plan = plans.of(task, cancel)
        height, width = self.plan.request.plane
        whole = task.box or (0, height, 0, width)
        self.box, self._cut = _cut(whole, PREVIEW_PIXELS / self.plan.scale**2)

    @property
    def first(self) -> Box | None:
        """The middle that is shown first; None where all of it is there as soon."""
        if self._task.result is not None:
            return None
        plan = self.plan
        pixels = FIRST * self._plans.rate(plan) / max(plan.request.samples, 1)
        box, _ = _cut(self.box, pixels / plan.scale**2)
        # The first half is not worth its being computed twice.
        return box if 2 * _area(box) < _area(self.box) else None

    @property
    def bands(self) -> list[Box]:
        """The box in rows that take a moment each, so that it can be stopped between them."""
        y0, y1, x0, x1 = self.box
        step = max(self.plan.tile // self.plan.scale, 1)
        return [(y, min(y + step, y1), x0, x1) for y in range(y0, y1, step)]

    def pixels(self, box: Box) -> tuple[NDArray[Any], NDArray[Any], Any]:
        """Return a box by the network and by bicubic, and how far the first is from its source."""
        from napari_srcnn.upscaling.misfit import NO_MISFIT

        place, misfit = (*self._task.first, *self._enlarged(box)), NO_MISFIT
        if self._task.result is None:
            began = time.perf_counter()
            values, misfit = self.plan.preview(place)
            rate = _area(box) * self.plan.scale**2 / (time.perf_counter() - began)
            self._plans.rates[self.plan.model_sha256] = rate * max(self.plan.request.samples, 1)
        else:
            values = Guarded(self._task.result, self._cancel)[place]
        return values, self.plan.region(place, enhance=False), misfit

    def message(
        self, parts: Sequence[tuple[Any, Any, Any]], box: Box, *, is_whole: bool
    ) -> Previewed:
        """Return what a box shows, of the bands that it was computed in."""
        from napari_srcnn.upscaling.misfit import NO_MISFIT

        task, (rows, columns) = self._task, self._enlarged(box)
        srcnn, bicubic, misfits = zip(*parts, strict=True)
        misfit = functools.reduce(operator.add, misfits, NO_MISFIT)
        low = (*task.first, slice(box[0], box[1]), slice(box[2], box[3]))
        others = {
            name: Guarded(one, self._cancel)[(*task.first, rows, columns)]
            for name, one in task.others
        }
        return Previewed(
            task=self.number,
            index=task.first,
            srcnn=np.concatenate(srcnn),
            bicubic=np.concatenate(bicubic),
            origin=(rows.start, columns.start),
            cut=self._cut,
            image=Guarded(task.source, self._cancel)[low],
            others=others,
            doubt=misfit.sentence if misfit.is_beyond_noise else "",
            is_whole=is_whole,
        )

    def _enlarged(self, box: Box) -> tuple[slice, slice]:
        scale = self.plan.scale
        return slice(box[0] * scale, box[1] * scale), slice(box[2] * scale, box[3] * scale)


def _area(box: Box) -> int:
    return (box[1] - box[0]) * (box[3] - box[2])


def _cut(box: Any, pixels: float) -> tuple[Box, bool]:
    """Return the middle of a box, of so many of its pixels, where there are more."""
    y0, y1, x0, x1 = box
    height, width = y1 - y0, x1 - x0
    shrink = math.sqrt(pixels / (height * width))
    if shrink >= 1:
        return (y0, y1, x0, x1), False
    h, w = max(int(height * shrink), 1), max(int(width * shrink), 1)
    y, x = y0 + (height - h) // 2, x0 + (width - w) // 2
    return (y, y + h, x, x + w), True
