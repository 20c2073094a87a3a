"""Planes that are written in another thread, while the next ones are computed."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from numpy.typing import NDArray

# Planes, and bytes of them, that wait or are being written at a time: more would only hide for how
# long a slow disk or compression holds up a job. One may always be written while the next is made,
# but for one so large that memory may not hold another.
_PLANES, _BYTES, _LARGEST = 3, 16 << 20, 256 << 20


class Planes(Protocol):
    """What planes are written to, one after the other."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __setitem__(self, index: Any, plane: NDArray[Any]) -> None:
        """Write a plane."""
        ...


class WriteBehind:
    """Writes planes in another thread and in their order: ``with behind: behind[index] = plane``.

    Compressing, hashing and writing leave Python's lock to those who compute meanwhile. Few planes
    wait at a time; whoever brings one more waits until there is room. What goes wrong is raised
    where the next plane is brought, or by `flush`, and nothing is written after it. When the
    ``with`` block ends all has been written or, after an exception, what waited is forgotten.

    Parameters
    ----------
    out : array-like
        Has shape and dtype and takes ``out[index] = plane``. One thread alone uses it meanwhile.
    limit : int
        Bytes of planes that wait, or are being written, at most; or one plane.
    largest : int
        Bytes of a plane above which whoever brings it waits until it is written.
    settle : callable, optional
        Called in that thread whenever `limit` bytes more have been written: a disk that is kept
        busy has little left to do at the end.

    Notes
    -----
    A plane is kept, not copied: whoever has brought it does not change it any more.
    """

    def __init__(
        self,
        out: Planes,
        *,
        limit: int = _BYTES,
        largest: int = _LARGEST,
        settle: Callable[[], None] | None = None,
    ) -> None:
        self.shape, self.dtype = tuple(out.shape), np.dtype(out.dtype)
        self._out, self._limit, self._largest = out, limit, largest
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="napari-srcnn write")
        self._waiting: deque[tuple[Future[None], int]] = deque()
        self._settle, self._unsettled = settle, 0
        self._has_failed = False

    @property
    def nbytes(self) -> int:
        """Bytes of the image."""
        return prod(self.shape) * self.dtype.itemsize

    def __setitem__(self, index: Any, plane: NDArray[Any]) -> None:
        while self._waiting and not self._has_room(plane.nbytes):
            self._wait()
        self._waiting.append((self._pool.submit(self._write, index, plane), plane.nbytes))
        if plane.nbytes > self._largest:
            self.flush()

    def flush(self) -> None:
        """Wait until all that was brought has been written.

        Raises
        ------
        Exception
            Whatever writing raised.
        """
        while self._waiting:
            self._wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _has_room(self, nbytes: int) -> bool:
        is_written = self._waiting[0][0].done()
        waiting = sum(size for _, size in self._waiting)
        return not is_written and len(self._waiting) < _PLANES and waiting + nbytes <= self._limit

    def _wait(self) -> None:
        """Wait for the plane that came first; one that failed stays, to be raised again."""
        self._waiting[0][0].result()
        self._waiting.popleft()

    def _write(self, index: Any, plane: NDArray[Any]) -> None:
        """Write a plane, in the thread."""
        if self._has_failed:
            return
        try:
            self._out[index] = plane
            self._unsettled += plane.nbytes
            if self._settle is not None and self._unsettled >= self._limit:
                self._unsettled = 0
                self._settle()
        except BaseException:
            self._has_failed = True
            raise
