"""One job at a time beside the window, in napari's own worker threads."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from qtpy.QtCore import QObject, QThreadPool, Signal

Generator = Callable[..., Iterator[Any]]
_is_registered = False


class Runner(QObject):
    """Runs generators one after another; what they yield arrives on the main thread.

    A generator gets its arguments and, as the last one, an event that is set to stop it.

    Signals
    -------
    received : object
        What the generator at work yielded.
    ended
        A named job ended: done, stopped or failed.
    """

    received = Signal(object)
    ended = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._queue: deque[tuple[str, Generator, tuple[Any, ...]]] = deque()
        self._worker: Any = None
        self._cancel = threading.Event()
        self._is_shut = False
        #: The job that is under way or waits for its turn; empty where there is none.
        self.job = ""

    @property
    def is_cancelled(self) -> bool:
        """Whether the job that is under way, or was the last one, was asked to stop."""
        return self._cancel.is_set()

    @property
    def is_waiting(self) -> bool:
        """Whether the job waits for something that runs without a name."""
        return any(name for name, _, _ in self._queue)

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

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._cancel.set()
        if self.is_waiting:
            self._queue = deque(entry for entry in self._queue if not entry[0])
            self._end()

    def shut(self) -> None:
        """Stop for good: nothing is run or received any more."""
        self._is_shut = True
        self._queue.clear()
        self._cancel.set()
        if self._worker is not None:
            self._worker.quit()

    def _next(self) -> None:
        if self._worker is not None or not self._queue or self._is_shut:
            return
        from napari.qt.threading import create_worker

        _wait_at_exit()
        name, generator, arguments = self._queue.popleft()
        self._is_named = bool(name)
        cancel = self._cancel if name else threading.Event()
        self._worker = create_worker(generator, *arguments, cancel, _start_thread=False)
        self._worker.yielded.connect(self._on_yielded)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_yielded(self, message: Any) -> None:
        if not self._is_shut:
            self.received.emit(message)

    def _on_finished(self) -> None:
        self._worker = None
        if self._is_shut:
            return
        if self._is_named:
            self._end()
        self._next()

    def _end(self) -> None:
        self.job = ""
        self.ended.emit()


def _wait_at_exit() -> None:
    """Let threads end before Qt and Python are taken apart under them."""
    global _is_registered
    if not _is_registered:
        _is_registered = True
        atexit.register(QThreadPool.globalInstance().waitForDone)
