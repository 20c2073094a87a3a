"""Threads that each compute whole tiles, with one processor core each.

torch by itself shares every layer of a tile among all cores and waits for the slowest of them after
each. A tile's layers take a few milliseconds, so that a core which another program holds for a
moment holds up all of them. A core that has a tile to itself waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from types import TracebackType
from typing import TypeVar

import torch

T = TypeVar("T")


class Workers:
    """Threads that each compute with one of torch's; none where it has only one anyway.

    The threads inherit the niceness of the one that makes them (on Linux), so whoever has work to
    do makes them for it and closes them after it.

    Parameters
    ----------
    count : int, optional
        Threads; torch's number by default. With 0 work is done where it comes up.
    """

    def __init__(self, count: int | None = None) -> None:
        threads = torch.get_num_threads()
        #: Threads at work; 0 where the work is better done where it comes up.
        self.count = threads if count is None else count
        if threads < 2 or not self.count:
            self.count = 0
            return
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="napari-srcnn tile")
        ready = Barrier(self.count)

        def prepare() -> None:
            # A thread takes torch's number over when it first asks for it, and would do so later.
            torch.get_num_threads()
            torch.set_num_threads(1)
            ready.wait()

        for done in [self._pool.submit(prepare) for _ in range(self.count)]:
            done.result()
        # torch hands the number that was set last to all threads that come later.
        torch.set_num_threads(threads)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have a thread do some work; where there are no threads it is done at once."""
        if self.count:
            return self._pool.submit(work)
        done: Future[T] = Future()
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)
        return done

    def close(self) -> None:
        """Wait for the work at hand and forget what was not begun."""
        if self.count:
            self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
