"""Several files at a time, each in a process: one that dies takes its own file with it only."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import NoReturn

from napari_srcnn.io.atomic import parts_of
from napari_srcnn.upscaling.batch.messages import (
    Begun,
    Ended,
    Message,
    Remark,
    Step,
    Task,
    Writing,
)
from napari_srcnn.upscaling.batch.work import failed, work_on
from napari_srcnn.upscaling.options import Options

# How often a process says how far it is, and how long it gets to put things away when stopped.
_PAUSE, _PATIENCE = 0.2, 10.0


def prepare_process(options: Options, share: int = 1) -> str:
    """Load torch, set what holds for a whole process of ours, and return what is computed on.

    Parameters
    ----------
    options : Options
    share : int
        Of the threads that torch would take, take one in so many.
    """
    import torch

    from napari_srcnn.network.device import (
        choose_device,
        device_label,
        no_gpu_reason,
        raise_malloc_thresholds,
        set_tf32,
    )
    from napari_srcnn.network.half import check_half

    raise_malloc_thresholds()
    set_tf32(options.tf32)
    if share > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // share))
    chosen = choose_device(options.device)
    reason = no_gpu_reason() if options.device == "auto" else None
    gain = check_half(chosen) if options.half else None
    return (
        f"Device: {device_label(chosen)}."
        + (f" {reason}" if reason else "")
        + (f" Half precision, measured: {gain:.1f} times as fast." if gain else "")
    )


class Prepared:
    """`prepare_process`, the first time it is called only."""

    def __init__(self, options: Options, share: int = 1) -> None:
        self.options, self.share, self.is_ready = options, share, False

    def __call__(self) -> str:
        """Return what `prepare_process` does; empty where it was said."""
        if self.is_ready:
            return ""
        text = prepare_process(self.options, self.share)
        self.is_ready = True
        return text


def in_processes(
    items: Iterator[Task | Remark | Ended], count: int, options: Options, writing: Writing
) -> Generator[Message, None, None]:
    """Upscale images, `count` at a time; closing the iterator stops all of them.

    Parameters
    ----------
    items : iterator
        Of `planned`.
    count : int
    options : Options
    writing : Writing

    Yields
    ------
    Message
        Those of different images mixed. An image whose process ended is a failed one.
    """
    idle: list[_Worker] = []
    busy: dict[Connection, _Worker] = {}
    try:
        is_more = True
        while is_more or busy:
            while is_more and len(busy) < count:
                item = next(items, None)
                if item is None:
                    is_more = False
                elif isinstance(item, Task):
                    yield Begun(task=item)
                    worker = _give(item, idle, count, options, writing)
                    busy[worker.line] = worker
                else:
                    yield item
            # Waiting for nobody would have no end.
            for line in wait(list(busy)) if busy else ():
                worker = busy[line]  # type: ignore[index]  # what was put in comes out
                message = worker.hear()
                if message is None or isinstance(message, Ended):
                    del busy[worker.line]
                if message is None:
                    yield failed(worker.task, ValueError(worker.last_words()), worker.seconds)
                    continue
                if isinstance(message, Ended):
                    idle.append(worker)
                yield message
    finally:
        _stop([*idle, *busy.values()])


def _give(
    task: Task, idle: list[_Worker], count: int, options: Options, writing: Writing
) -> _Worker:
    """Return a process that works on a task from now on."""
    while idle:
        worker = idle.pop()
        # It may have died while it waited.
        with contextlib.suppress(OSError):
            worker.begin(task)
            return worker
        worker.close()
    worker = _Worker(options, writing, count)
    # Where it is dead already, the task ends like that of any process that dies.
    with contextlib.suppress(OSError):
        worker.begin(task)
    return worker


class _Worker:
    """A process, as the one that gave it its work sees it."""

    task: Task

    def __init__(self, options: Options, writing: Writing, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, options, writing, count), daemon=True
        )
        with _no_interrupts():
            self.process.start()
        theirs.close()
        self._begun, self._since = time.perf_counter(), time.time()

    @property
    def seconds(self) -> float:
        """Since its task began."""
        return time.perf_counter() - self._begun

    def begin(self, task: Task) -> None:
        self.task, self._begun, self._since = task, time.perf_counter(), time.time()
        self.line.send(task)

    def hear(self) -> Message | None:
        """Return what it says next; None where it never will again."""
        try:
            message: Message = self.line.recv()
        except (EOFError, OSError):
            return None
        return message

    def last_words(self) -> str:
        """Return how the process ended, in a sentence; what it left half-written goes."""
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        self.close()
        for path in parts_of(self.process.pid or 0, self.task.job.target.parent, self._since):
            path.unlink(missing_ok=True)
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return (
                f"the process that worked on it was ended by {name}; memory may have run out: "
                "try fewer --jobs"
            )
        return f"the process that worked on it ended before the file was done (exit code {code})"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.line.close()


def _stop(workers: list[_Worker]) -> None:
    """End processes, with time to put their half-written files away."""
    for worker in workers:
        worker.close()
    end = time.monotonic() + _PATIENCE
    for worker in workers:
        worker.process.join(max(end - time.monotonic(), 0))
    for worker in workers:
        if worker.process.is_alive():
            worker.process.terminate()
            worker.process.join(1)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(1)


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    """Have a process that is started here hear no Ctrl-C: a terminal sends it to all at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(line: Connection, options: Options, writing: Writing, count: int) -> None:
    """Work on what comes, in a process of its own, until nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    prepare = Prepared(options, count)
    with contextlib.suppress(EOFError, OSError):
        while True:
            task: Task = line.recv()
            messages = work_on(task, options, writing, prepare=prepare)
            with contextlib.closing(messages):
                for message in _thinned(messages):
                    # Nothing is sent to a process at work, so this is that nobody listens.
                    if line.poll():
                        return
                    line.send(message)


def _thinned(messages: Iterator[Message]) -> Iterator[Message]:
    """Leave steps out that come faster than anybody can read them."""
    last = 0.0
    for message in messages:
        now = time.monotonic()
        if isinstance(message, Step):
            if now - last < _PAUSE:
                continue
            last = now
        yield message


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
