"""What fine-tuning runs beside the window: generators of messages, and how they are steered."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.io import StackError, read_stack
from napari_srcnn.microscope.noise import NO_NOISE
from napari_srcnn.training.field import as_planes
from napari_srcnn.widgets.shared.messages import Cancelled, Failed, Guarded, failed, sentence
from napari_srcnn.widgets.upscale.tasks import ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_srcnn.microscope.degradation import Degradation
    from napari_srcnn.microscope.noise import Noise
    from napari_srcnn.training.field import Source
    from napari_srcnn.training.finetune import FinetuneRun, Outcome, Prepared, Trained
    from napari_srcnn.training.options import FinetuneOptions

# Seconds between two steps that are told: what is drawn of them costs the training time. A little
# more than between two drawings of the curves, so that these come with the rest and not after it.
PACE = 0.6


@dataclass(frozen=True, slots=True)
class Control:
    """What is asked of a training that runs.

    Attributes
    ----------
    pause : threading.Event
        Set while it shall wait.
    stop : threading.Event
        Set to end it and keep the best.
    discard : threading.Event
        Set, beside the job's own cancelling, to forget it; without, it can be resumed.
    """

    pause: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    discard: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """A training is over, or was stopped; its best network is there."""

    job: FinetuneRun
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Discarded:
    """A training was cancelled; nothing of it is left."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """Noise, or blur and noise, were estimated."""

    degradation: Degradation
    what: str


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The noise of the image that is chosen; none where it cannot be measured, and why not."""

    noise: Noise
    superseded: threading.Event
    why_not: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Degraded:
    """A low-res image made of what is on screen; `origin` in pixels of the image."""

    image: NDArray[Any]
    origin: tuple[int, int]
    index: tuple[int, ...]


def finetune_network(
    options: FinetuneOptions,
    resume: bool,
    folders: tuple[Path, Path | None] | None,
    noise_of: threading.Event | None,
    control: Control,
    cancel: threading.Event,
) -> Iterator[Measured | Prepared | Trained | Ended | Discarded | Failed]:
    """Train until the time is over or something else is asked for.

    With `noise_of`, the noise of the images is measured first and put into the options; it is what
    the measurement is known by.
    """
    from napari_srcnn.training.finetune import FinetuneRun, Prepared
    from napari_srcnn.training.runs import forget, is_running, options_path, state_path
    from napari_srcnn.training.sources import sources_from_paths

    is_learning = False

    def is_over() -> bool:
        # What was asked to stop before it has learned is measured after one step.
        return cancel.is_set() or (is_learning and control.stop.is_set())

    try:
        if folders is not None:
            options = replace(options, sources=sources_from_paths(*folders))
        elif not resume:
            options = replace(options, sources=tuple(_of_files(one) for one in options.sources))
        options = replace(options, sources=_guarded(options.sources, cancel))
        if noise_of is not None:
            source = options.sources[0]
            found = _noise_of(as_planes(source.high, source.axes), noise_of)
            yield found
            low_res = replace(options.degradation, noise=found.noise)
            options = replace(options, degradation=low_res)
        job = FinetuneRun(options, resume=resume)
    except Cancelled:
        yield Discarded()
        return
    except ERRORS as error:
        yield failed(error)
        return
    try:
        shown = 0.0
        with contextlib.closing(job.run()) as run:
            for message in run:
                is_news = isinstance(message, Prepared) or message.message.measured
                is_learning = not isinstance(message, Prepared)
                if is_news or time.perf_counter() - shown >= PACE:
                    shown = time.perf_counter()
                    yield message
                while control.pause.is_set() and not (cancel.is_set() or control.stop.is_set()):
                    time.sleep(0.05)
                if is_over():
                    break
        if control.discard.is_set():
            forget(options.name)
            yield Discarded()
        elif not cancel.is_set():
            job.measure()
            yield Ended(job, job.outcome())
    except Cancelled:
        if control.discard.is_set():
            forget(options.name)
            yield Discarded()
    except ERRORS as error:
        yield failed(error)
    finally:
        # Before the first measurement there is nothing to resume from.
        is_left = options_path(options.name).exists() and not state_path(options.name).exists()
        if is_left and not is_running(options.name):
            with contextlib.suppress(OSError):
                forget(options.name)


def _of_files(source: Source) -> Source:
    """Return a source without the paths of files that hold something else, as all channels."""
    return replace(
        source, path=_same(source.path, source.high), low_path=_same(source.low_path, source.low)
    )


def _same(path: Path | None, data: Any) -> Path | None:
    if path is None:
        return None
    try:
        with read_stack(path) as stack:
            is_same = stack.data.shape == data.shape and stack.data.dtype == data.dtype
    except (StackError, OSError, ValueError):
        return None
    return path if is_same else None


def _guarded(sources: tuple[Source, ...], cancel: threading.Event) -> tuple[Source, ...]:
    """Return sources that refuse to be read on after a cancel."""
    return tuple(
        replace(
            source,
            high=Guarded(source.high, cancel),
            low=None if source.low is None else Guarded(source.low, cancel),
        )
        for source in sources
    )


def measure_noise(
    high: Any, superseded: threading.Event, cancel: threading.Event
) -> Iterator[Measured]:
    """Measure the noise of an image that was chosen, until another one is."""
    with contextlib.suppress(Cancelled):
        yield _noise_of(Guarded(Guarded(high, superseded), cancel), superseded)


def _noise_of(high: Any, superseded: threading.Event) -> Measured:
    from napari_srcnn.microscope.noise_estimate import estimate_noise

    try:
        return Measured(estimate_noise(high), superseded)
    except Cancelled:
        raise
    except ERRORS as error:
        return Measured(NO_NOISE, superseded, sentence(error))


def estimate(
    high: Any, low: Any, scale: int, degradation: Degradation, cancel: threading.Event
) -> Iterator[Estimated | Failed]:
    """Estimate the noise of an image; with a low-res example, the blur and noise that fit it."""
    from napari_srcnn.microscope.blur import estimate_degradation
    from napari_srcnn.microscope.noise_estimate import estimate_noise

    try:
        if low is None:
            noise = estimate_noise(Guarded(high, cancel))
            yield Estimated(replace(degradation, noise=noise), "The image's own noise")
        else:
            found = estimate_degradation(
                Guarded(high, cancel), Guarded(low, cancel), scale, sampling=degradation.sampling
            )
            yield Estimated(found, "The example's blur and noise")
    except Cancelled:
        return
    except ERRORS as error:
        yield failed(error)


def degrade_plane(
    source: Any,
    index: tuple[int, ...],
    box: tuple[int, int, int, int],
    scale: int,
    degradation: Degradation,
    cancel: threading.Event,
) -> Iterator[Degraded | Failed]:
    """Make the low-res image of a part of a plane."""
    try:
        y0, y1, x0, x1 = box
        y1, x1 = y1 - (y1 - y0) % scale, x1 - (x1 - x0) % scale
        if y0 >= y1 or x0 >= x1:
            raise ValueError("Too little of the image is on screen; zoom out.")
        part = Guarded(source, cancel)[(*index, slice(y0, y1), slice(x0, x1))]
        part = part if part.ndim == 2 else np.moveaxis(part[..., :3], -1, 0)
        image = degradation.apply(part, scale, np.random.default_rng(0), dtype=part.dtype)
        image = image if image.ndim == 2 else np.moveaxis(image, 0, -1)
        yield Degraded(image, (y0, x0), index)
    except Cancelled:
        return
    except ERRORS as error:
        yield failed(error)
