"""What runs beside the window: generators of small messages.

The messages carry all that the window needs, so no thread but the main one touches a layer.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.upscaling.messages import Index, Progress, Report
from napari_srcnn.widgets.shared import messages
from napari_srcnn.widgets.shared.messages import (
    AnyOf,
    Cancelled,
    Failed,
    Filters,
    Finished,
    Guarded,
    Loaded,
    Opened,
    Proposed,
    Step,
    Stopped,
    Task,
)
from napari_srcnn.widgets.shared.storage import allocate, memory_limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_srcnn.upscaling.plan import UpscalePlan

_logger = logging.getLogger(__name__)
# Progress is shown at most so often, however small the tiles are.
INTERVAL = 0.05
# A plane up to this size is shown enlarged until the network's pixels come.
FILLED_BYTES = 64 << 20
# What can happen to a job, and is said in a sentence: torch, and the libraries behind lazy arrays,
# raise errors of their own classes.
ERRORS = (Exception,)


def load_torch(cancel: threading.Event) -> Iterator[Loaded]:
    """Import torch and look for devices: what takes seconds when the widget opens."""
    with warnings.catch_warnings():
        # What torch has to say of its own dependencies is nobody's concern here.
        warnings.simplefilter("ignore")
        import napari_srcnn.upscaling.api  # noqa: F401
        from napari_srcnn.network.device import list_devices, no_gpu_reason

        message = Loaded(list_devices(), no_gpu_reason())
    yield message


def propose(
    source: Any, scales: Sequence[int], axes: str, cancel: threading.Event
) -> Iterator[Proposed]:
    """Look at an image, which may be slow to read, and say which model fits it."""
    from napari_srcnn.models.choose import propose_models

    # Whatever is wrong with an image is said when it is enlarged.
    with contextlib.suppress(*ERRORS):
        for scale, proposal in propose_models(Guarded(source, cancel), scales, axes).items():
            yield Proposed(source, scale, proposal)


def show_filters(model: str, cancel: threading.Event) -> Iterator[Filters | Failed]:
    """Draw a network's first-layer filters."""
    from napari_srcnn.models.library import load_model
    from napari_srcnn.network.filters import filter_mosaic

    try:
        yield Filters(model, filter_mosaic(load_model(model)))
    except ERRORS as error:
        yield failed(error)


def upscale_layers(
    tasks: Sequence[Task], limit: int | None, cancel: threading.Event
) -> Iterator[Opened | Step | Finished | Stopped | Failed]:
    """Enlarge layers, one after another, but for those that are to be skipped.

    Parameters
    ----------
    tasks : sequence of Task
    limit : int or None
        Bytes that the results may take in memory; half of what is free for None.
    cancel : threading.Event
        Set from the main thread to stop after the tile at hand.
    """
    limit = memory_limit() if limit is None else limit
    try:
        plans = [_plan(task, cancel) for task in tasks]
    except Cancelled:
        return
    except ERRORS as error:
        yield failed(error)
        return
    total = sum(0 if plan is None else plan.network_pixels for plan in plans)
    before, held = 0, 0
    for number, (task, plan) in enumerate(zip(tasks, plans, strict=True)):
        if plan is None or task.skip.is_set():
            before += 0 if plan is None else plan.network_pixels
            continue
        either = AnyOf((cancel, task.skip))
        dtypes = [plan.dtype, np.dtype(np.float32)][: 1 + plan.request.ensemble]
        nbytes = sum(math.prod(plan.shape) * dtype.itemsize for dtype in dtypes)
        in_memory = held + nbytes <= limit
        held += nbytes * in_memory
        track = _Track(number, plan, tasks, before, total, cancel)
        if task.resumed is not None:
            storage, spread = task.resumed.storage, task.resumed.spread
        else:
            try:
                storage, *more = (allocate(plan.shape, d, in_memory=in_memory) for d in dtypes)
            except ValueError as error:
                yield failed(error)
                return
            spread = more[0] if more else None
        yield Opened(number, storage, spread)
        try:
            _fill(storage.array, plan, task)
            yield from _run(
                track, storage.array, None if spread is None else spread.array, task, either
            )
        except Cancelled:
            yield track.stopped(storage.array)
        except ERRORS as error:
            yield track.stopped(storage.array)
            yield failed(error)
            return
        if cancel.is_set():
            return
        before += plan.network_pixels


def failed(error: Exception) -> Failed:
    """Return what the user is told; all of it stands in the log."""
    _logger.warning("A job of the widget failed.", exc_info=error)
    return messages.failed(error)


def _fill(out: NDArray[Any], plan: UpscalePlan, task: Task) -> None:
    """Put the slice on screen there as it is, each pixel several times, to be replaced in tiles.

    Black would look as if the image were lost.
    """
    nbytes = math.prod(plan.request.plane) * max(plan.request.samples, 1) * out.dtype.itemsize
    if task.resumed is not None or nbytes > FILLED_BYTES:
        return
    plane, scale = plan.source[task.first], plan.scale
    for row, column in itertools.product(range(scale), repeat=2):
        out[task.first][row::scale, column::scale] = plane


def _plan(task: Task, cancel: threading.Event) -> UpscalePlan | None:
    """Return what a layer's part comes to; None where it was left out while that was measured."""
    from napari_srcnn.upscaling.plan import load_plan

    source = Guarded(task.source, AnyOf((cancel, task.skip)))
    try:
        with in_the_name_of(task):
            return load_plan(task.plan, source, task.measured)
    except Cancelled:
        if cancel.is_set():
            raise
        return None


@contextlib.contextmanager
def in_the_name_of(task: Task) -> Iterator[None]:
    """Say of what cannot be enlarged which layer it is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{task.name}: {error}") from error


class _Track:
    """How far a run has come."""

    def __init__(
        self,
        number: int,
        plan: UpscalePlan,
        tasks: Sequence[Task],
        before: int,
        total: int,
        cancel: threading.Event,
    ) -> None:
        self.number, self.plan, self.tasks = number, plan, tasks
        self.before, self.total, self._cancel = before, total, cancel
        self.last: Progress | None = None
        self.touched: set[Index] = set()
        self.finished: set[Index] = set()

    def note(self, progress: Progress) -> None:
        """Take account of a tile."""
        self.last = progress
        self.touched.add(progress.index)
        if progress.finished_slice:
            self.finished.add(progress.index)

    def step(self, progress: Progress) -> Step:
        done = progress.tiles_done / progress.tiles_total
        fraction = (self.before + done * self.plan.network_pixels) / self.total
        # Measuring the best tile is not counted: it happens once.
        here = done * self.plan.network_pixels
        later = self.total - self.before - self.plan.network_pixels
        left = progress.seconds_left + later * progress.seconds / max(here, 1)
        slices = f"Slice {min(progress.slices_done + 1, progress.slices_total)} of "
        text = slices + f"{progress.slices_total}" if progress.slices_total > 1 else ""
        if (count := len(self.tasks)) > 1:
            name = f"{self.number + 1} of {count}: {self.tasks[self.number].name}"
            text = f"{name} · {text}" if text else name
        touched, self.touched = frozenset(self.touched), set()
        finished, self.finished = frozenset(self.finished), set()
        return Step(
            task=self.number,
            fraction=fraction,
            seconds_left=left,
            text=text,
            touched=touched,
            finished=finished,
            message=progress.message,
        )

    def stopped(self, out: NDArray[Any]) -> Stopped:
        """Say what is there of a run that did not reach its end.

        The slices that were begun are emptied: half of a slice is no result.
        """
        plan, last = self.plan, self.last
        total = math.prod(plan.request.leading)
        task = self.tasks[self.number]
        before = 0 if task.resumed is None else task.resumed.done
        done = last.slices_done if last is not None else before
        first = task.first
        rest = (index for index in np.ndindex(plan.request.leading) if index != first)
        for index in itertools.islice(itertools.chain([first], rest), done, done + plan.batch):
            out[index] = 0
        metadata = {
            "model": plan.model_name,
            "model_sha256": plan.model_sha256,
            "scale": plan.scale,
            "window": list(plan.request.window),
            "device": plan.device_label,
            "partial": True,
            "slices_done": done,
            "slices_total": total,
            "first_slice": list(first),
        }
        if last is not None:
            import napari_srcnn

            # Measured by then: asking for them now would read the source.
            metadata["intensity_ranges"] = [[r.low, r.high] for r in plan.ranges]
            if plan.told is not None:
                metadata["noise"] = [asdict(one) for one in plan.told.noises]
                metadata["smoothing"] = plan.request.smoothing
            metadata["version"] = napari_srcnn.__version__
        is_alone = task.skip.is_set() and not self._cancel.is_set()
        return Stopped(self.number, metadata, done, total, is_alone)


def _run(
    track: _Track,
    out: NDArray[Any],
    spread: NDArray[Any] | None,
    task: Task,
    cancel: AnyOf,
) -> Iterator[Step | Finished | Stopped]:
    skip = 0 if task.resumed is None else task.resumed.done
    messages = track.plan.run(out, spread=spread, first=task.first, skip=skip)
    shown = 0.0
    for message in messages:
        if isinstance(message, Report):
            metadata = message.to_metadata() | _of_spread(track.plan, spread)
            yield Finished(track.number, metadata, message.messages)
            return
        track.note(message)
        if cancel.is_set():
            messages.close()  # type: ignore[attr-defined]  # it is a generator
            break
        now = time.perf_counter()
        if message.message or now - shown >= INTERVAL:
            shown = now
            yield track.step(message)
    yield track.stopped(out)


def _of_spread(plan: UpscalePlan, spread: NDArray[Any] | None) -> dict[str, Any]:
    """Return what a layer says of its spread: how often the truth lies within it."""
    if spread is None:
        return {}
    known = plan.calibration
    within = None if known is None else {what: list(pair) for what, pair in known.within.items()}
    return {"spread": {"calibrated": known is not None, "within_1_and_2_sigma": within}}
