"""One job at a time beside the window.

napari's own workers run in Qt's thread pool. A program that ends while one of them works, or
imports torch, is taken apart under it: that was seen to hang and to crash. So the thread here is
Python's, is waited for before anything is taken apart, and may outlive its window.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

from qtpy.QtCore import QObject, Signal

Generator = Callable[..., Iterator[Any]]
# Of 19: the window gets the processor whenever it wants it, and the work all the rest.
NICENESS = 10


class Runner(QObject):
    """Runs generators one after another; what they yield arrives on the main thread.

    A generator gets its arguments and, as the last one, an event that is set to stop it.

    Parameters
    ----------
    parent : QObject
    lasts : bool
        Whether what runs without a name goes on until it is stopped, as a job does that is waited
        for by nobody.

    Signals
    -------
    received : object
        What the generator at work yielded.
    begun, ended
        A named job began, or waits for its turn; and ended: done, stopped or failed.
    """

    received = Signal(object)
    begun = Signal()
    ended = Signal()

    def __init__(self, parent: QObject | None, *, lasts: bool = False) -> None:
        super().__init__(parent)
        self._lasts = lasts
        self._queue: deque[tuple[str, Generator, tuple[Any, ...]]] = deque()
        self._running: _Job | None = None
        self._cancel = threading.Event()
        self._is_shut = False
        #: The job that is under way or waits for its turn; empty where there is none.
        self.job = ""
        # Made on this thread, to which it brings what the others say.
        _post()
        # A job that says nothing, as one that waits, would not find out that nobody listens.
        self._stops: set[threading.Event] = set()
        self._is_gone = threading.Event()
        self.destroyed.connect(self._is_gone.set)
        self.destroyed.connect(partial(_set_all, self._stops))

    @property
    def is_cancelled(self) -> bool:
        """Whether the job that is under way, or was the last one, was asked to stop."""
        return self._cancel.is_set()

    @property
    def is_at_work(self) -> bool:
        """Whether there is a job, and somebody hears what it says."""
        return bool(self.job) and not self._is_shut

    @property
    def is_waiting(self) -> bool:
        """Whether the job waits for something that runs without a name."""
        return any(name for name, _, _ in self._queue)

    @property
    def elsewhere(self) -> str:
        """The job of another window that is under way; empty where there is none."""
        return next((job.job for job in tuple(_jobs) if job.job and job.runner is not self), "")

    def prepare(self, generator: Generator, *arguments: Any) -> None:
        """Run something that is no job of the user's; jobs wait for it."""
        self._queue.append(("", generator, arguments))
        self._next()

    def begin(self, job: str, generator: Generator, *arguments: Any) -> None:
        """Run a job as soon as what runs now has ended; there can be one only."""
        self.job = job
        self._cancel = threading.Event()
        self._queue.append((job, generator, arguments))
        self._next()
        self.begun.emit()

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._cancel.set()
        if self.is_waiting:
            self._queue = deque(entry for entry in self._queue if not entry[0])
            self._end()

    def abandon(self) -> None:
        """Ask the job to stop and begin no other, but receive what it has to say till its end."""
        self._queue = deque(entry for entry in self._queue if entry[0])
        self.cancel()

    def supersede(self, generator: Generator, *arguments: Any) -> None:
        """Run something that is no job in place of what runs or waits here without a name."""
        self.drop()
        self.prepare(generator, *arguments)

    def drop(self) -> None:
        """Stop what runs or waits without a name; what it still says is not received."""
        self._queue = deque(entry for entry in self._queue if entry[0])
        if self._running is not None and not self._running.is_named:
            self._running.cancel.set()

    def shut(self) -> None:
        """Stop for good: nothing is run or received any more."""
        self._is_shut = True
        self._queue.clear()
        self._cancel.set()
        if self._running is not None:
            self._running.cancel.set()

    def _next(self) -> None:
        if self._running is None and self._queue and not self._is_shut:
            name, generator, arguments = self._queue.popleft()
            cancel = self._cancel if name else threading.Event()
            self._stops.add(cancel)
            self._running = _Job(name, generator, arguments, cancel, self, lasts=self._lasts)
            self._running.start()

    def _on_yielded(self, message: Any) -> None:
        job = self._running
        is_dropped = job is not None and not job.is_named and job.cancel.is_set()
        if not self._is_shut and not is_dropped:
            self.received.emit(message)

    def _on_finished(self) -> None:
        job, self._running = self._running, None
        self._stops.clear()
        if self._is_shut or job is None:
            return
        if job.is_named:
            self._end()
        self._next()

    def _end(self) -> None:
        self.job = ""
        self.ended.emit()


class _Post(QObject):
    """Brings what the other threads say to this one; it outlives every window.

    A thread that emits a signal of an object while Qt takes that apart crashes the program.
    """

    _sent = Signal(object, str, object)

    def __init__(self) -> None:
        super().__init__()
        self._sent.connect(self._on_sent)

    def send(self, runner: weakref.ref[Runner], what: str, message: Any = None) -> None:
        """Let a runner know something, on the thread that it lives on, if it lives on."""
        self._sent.emit(runner, what, message)

    def _on_sent(self, reference: weakref.ref[Runner], what: str, message: Any) -> None:
        runner = reference()
        if runner is None or runner._is_gone.is_set():
            return
        if what == "finished":
            runner._on_finished()
        else:
            runner._on_yielded(message)


@lru_cache(maxsize=1)
def _post() -> _Post:
    """Return the one there is."""
    return _Post()


class _Job(threading.Thread):
    """A generator at work; lives until it ends, whatever becomes of the window."""

    def __init__(
        self,
        name: str,
        generator: Generator,
        arguments: tuple[Any, ...],
        cancel: threading.Event,
        runner: Runner,
        *,
        lasts: bool = False,
    ) -> None:
        # Python waits for threads that are no daemons, and only then does what is left to do at
        # exit: too late to stop a long job, but right for an import that must be whole by then.
        self._is_long = bool(name) or lasts
        super().__init__(name=f"napari-srcnn {generator.__name__}", daemon=self._is_long)
        self.job, self.is_named, self.cancel, self.runner = name, bool(name), cancel, runner
        self._generator, self._arguments = generator, arguments

    def start(self) -> None:
        """Begin."""
        _jobs.add(self)
        super().start()

    def run(self) -> None:
        """Send what the generator yields to the main thread, until there is nobody to get it."""
        if self._is_long and sys.platform == "linux":
            # There each thread has a niceness, and hands it to the threads that torch makes for it.
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        # What is not told as a message is a mistake of ours: napari shows what a thread raises.
        runner = weakref.ref(self.runner)
        try:
            for message in self._generator(*self._arguments, self.cancel):
                _post().send(runner, "yielded", message)
        finally:
            _jobs.discard(self)
            _post().send(runner, "finished")


_jobs: set[_Job] = set()


def _set_all(events: set[threading.Event]) -> None:
    for event in events:
        event.set()


def wait(seconds: float | None = None) -> bool:
    """Wait for all jobs, of all windows, and tell whether they have ended."""
    for job in tuple(_jobs):
        job.join(seconds)
    return not _jobs


@atexit.register
def _stop() -> None:
    """Stop all jobs before Qt and Python are taken apart."""
    for job in tuple(_jobs):
        job.cancel.set()
    wait()
