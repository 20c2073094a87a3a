"""Planes that another thread writes: in their order, few at a time, and never after an error."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from napari_srcnn.io.behind import WriteBehind


class Target:
    """Keeps what it gets, and by which thread; fails at a plane, and waits before each."""

    def __init__(self, planes: int, *, fails_at: int = -1, waits: float = 0.0) -> None:
        self.shape, self.dtype = (planes, 4, 5), np.dtype("u2")
        self.got: list[tuple[Any, int]] = []
        self.threads: set[str] = set()
        self.brought, self.largest = 0, 0
        self._fails_at, self._waits = fails_at, waits

    def __setitem__(self, index: Any, plane: Any) -> None:
        time.sleep(self._waits)
        self.largest = max(self.largest, self.brought - len(self.got))
        if index == self._fails_at:
            raise OSError("the disk is full")
        self.threads.add(threading.current_thread().name)
        self.got.append((index, int(plane[0, 0])))


def plane(value: int) -> Any:
    return np.full((4, 5), value, "u2")


def bring(target: Target, behind: WriteBehind) -> None:
    for n in range(target.shape[0]):
        behind[n] = plane(n)
        target.brought += 1


def test_planes_are_written_in_their_order_by_one_other_thread() -> None:
    target = Target(20)
    with WriteBehind(target) as behind:
        assert (behind.shape, behind.dtype, behind.nbytes) == ((20, 4, 5), np.dtype("u2"), 800)
        bring(target, behind)
    assert target.got == [(n, n) for n in range(20)]
    assert len(target.threads) == 1
    assert threading.current_thread().name not in target.threads


def test_flushing_waits_for_all_that_was_brought() -> None:
    target = Target(3, waits=0.02)
    with WriteBehind(target) as behind:
        bring(target, behind)
        behind.flush()
        assert len(target.got) == 3


def test_few_planes_wait_however_slow_the_writing_is() -> None:
    target = Target(10, waits=0.02)
    with WriteBehind(target) as behind:
        bring(target, behind)
    assert 1 < target.largest <= 3


@pytest.mark.parametrize(("limit", "largest", "most"), [(80, 40, 2), (30, 40, 1), (80, 39, 0)])
def test_no_more_bytes_wait_than_may(limit: int, largest: int, most: int) -> None:
    # A plane has 40 bytes; one that is too large is written before anything else goes on.
    target = Target(8, waits=0.01)
    with WriteBehind(target, limit=limit, largest=largest) as behind:
        bring(target, behind)
    assert target.largest == most
    assert len(target.got) == 8


def test_the_disk_is_kept_busy_while_others_compute() -> None:
    target, settled = Target(10), list[tuple[int, str]]()

    def settle() -> None:
        settled.append((len(target.got), threading.current_thread().name))

    with WriteBehind(target, limit=120, settle=settle) as behind:
        bring(target, behind)
    # A plane has 40 bytes: after each three.
    assert [(n, {name}) for n, name in settled] == [(n, target.threads) for n in (3, 6, 9)]


def test_what_goes_wrong_is_raised_where_planes_are_brought_and_nothing_is_written_after() -> None:
    target = Target(20, fails_at=2)
    with pytest.raises(OSError, match="the disk is full"), WriteBehind(target) as behind:
        bring(target, behind)
    assert target.brought < 20
    assert target.got == [(0, 0), (1, 1)]


def test_what_goes_wrong_with_the_last_plane_is_raised_as_well() -> None:
    target = Target(3, fails_at=2)
    with pytest.raises(OSError, match="the disk is full"), WriteBehind(target) as behind:
        bring(target, behind)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_after_an_exception_what_waits_is_forgotten(error: type[BaseException]) -> None:
    target = Target(3, waits=0.05)
    with pytest.raises(error), WriteBehind(target) as behind:  # noqa: PT012
        bring(target, behind)
        raise error
    # The one that was being written is written: half of it would be nothing.
    written = len(target.got)
    assert written < 3
    assert "napari-srcnn write_0" not in {thread.name for thread in threading.enumerate()}
