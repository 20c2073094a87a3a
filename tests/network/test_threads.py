"""Tiles computed by several threads at a time: the same result, and the same ways out."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network
from numpy.typing import NDArray

from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling.api import plan_upscale, upscale
from napari_srcnn.upscaling.messages import Progress
from napari_srcnn.upscaling.pending import Done
from napari_srcnn.upscaling.tiles import Engine

NETWORK = random_network()
OPTIONS: dict[str, Any] = {"model": NETWORK, "device": "cpu", "intensity": "dtype"}
PREFIX = "napari-srcnn tile"


@pytest.fixture
def three_threads() -> Iterator[None]:
    """Three threads for torch, on any machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def stack() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 60_000, (4, 45, 38), dtype=np.uint16)


def tile_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(PREFIX)]


def one_by_one(stack: NDArray[Any], **options: Any) -> NDArray[Any]:
    """The same with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result: NDArray[Any] = upscale(stack, **OPTIONS, **options)
    finally:
        torch.set_num_threads(threads)
    return result


class ThreadedEngine(Engine):
    """An engine that notes who computes, and whose memory holds tiles up to some size only."""

    def __init__(self, *arguments: Any, largest: int = 1 << 20, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.largest, self.computed_by = largest, set[str]()

    def _compute(self, raw: torch.Tensor, *arguments: Any) -> Done:
        self.computed_by.add(threading.current_thread().name)
        if max(raw.shape[-2:]) * 2 > self.largest:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory")
        return super()._compute(raw, *arguments)


def plan_of(stack: NDArray[Any], tile: int, **limits: int) -> tuple[Any, ThreadedEngine]:
    plan = plan_upscale(stack, tile=tile, **OPTIONS)
    engine = ThreadedEngine(
        NETWORK, plan.device, color="gray", alpha=False, dtype=plan.dtype, **limits
    )
    plan.__dict__["engine"] = engine
    return plan, engine


def test_every_thread_computes_with_one_and_torchs_own_number_stays(three_threads: None) -> None:
    with Workers() as workers:
        assert workers.count == 3
        futures = [workers.submit(torch.get_num_threads) for _ in range(9)]
        assert {future.result() for future in futures} == {1}
        assert torch.get_num_threads() == 3
        later: list[int] = []
        other = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert later == [3]
    assert not tile_threads()


def test_work_of_no_thread_is_done_where_it_comes_up() -> None:
    with Workers(0) as workers:
        assert workers.submit(threading.current_thread).result() is threading.current_thread()
        with pytest.raises(ZeroDivisionError):
            workers.submit(lambda: 1 // 0).result()


@pytest.mark.skipif(sys.platform != "linux", reason="Only there a thread has a niceness.")
def test_the_threads_are_as_nice_as_the_one_that_makes_them(three_threads: None) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    found: list[int] = []

    def job() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 7)
        with Workers() as workers:
            found.extend(workers.submit(niceness).result() for _ in range(9))

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert set(found) == {7}


@pytest.mark.parametrize("tile", [16, 33])
def test_the_result_is_that_of_one_thread(
    three_threads: None, stack: NDArray[Any], tile: int
) -> None:
    plan, engine = plan_of(stack, tile)
    *steps, report = plan.run()
    assert np.array_equal(report.result, one_by_one(stack, tile=tile))
    assert len(engine.computed_by) > 1
    assert all(name.startswith(PREFIX) for name in engine.computed_by)
    assert not tile_threads()
    assert [step.index for step in steps if step.finished_slice] == [(0,), (1,), (2,), (3,)]
    assert [step.tiles_done for step in steps] == list(range(1, len(steps) + 1))
    assert {step.tiles_total for step in steps} == {len(steps)}
    seen = [(step.index, step.region) for step in steps]
    assert len(set(seen)) == len(seen)


def test_a_plane_of_one_tile_is_shared_among_all_threads(three_threads: None) -> None:
    plane = np.random.default_rng(1).integers(0, 60_000, (30, 30), dtype=np.uint16)
    plan, engine = plan_of(plane, 64)
    *_, report = plan.run()
    assert engine.computed_by == {threading.current_thread().name}
    assert np.abs(report.result.astype(int) - one_by_one(plane, tile=64)).max() <= 1


def test_closing_ends_the_threads_and_keeps_finished_slices(
    three_threads: None, stack: NDArray[Any]
) -> None:
    plan, _ = plan_of(stack, 16)
    out = np.zeros(plan.shape, plan.dtype)
    run = plan.run(out)
    for step in run:
        assert isinstance(step, Progress)
        if step.finished_slice:
            assert len(tile_threads()) == 3
            run.close()
            break
    assert not tile_threads()
    assert np.array_equal(out[0], one_by_one(stack, tile=16)[0])
    assert not out[3].any()


def test_without_memory_in_a_thread_the_tile_is_halved_and_nothing_is_lost(
    three_threads: None, stack: NDArray[Any]
) -> None:
    expected = one_by_one(stack, tile=64)
    plan, engine = plan_of(stack, 64, largest=60)
    *steps, report = plan.run()
    assert np.abs(report.result.astype(int) - expected).max() <= 1
    assert len(engine.computed_by) > 1
    # Several tiles failed at a time; the size was halved once.
    assert report.tile == 32
    assert sum("ran out of memory" in message for message in report.messages) == 1
    assert report.slices_done == len(stack)
    assert sorted(step.index for step in steps if step.finished_slice) == [(i,) for i in range(4)]


class OrderedSink:
    """Takes planes in their order only, as a file does."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype = shape, np.dtype(np.uint16)
        self.planes: list[NDArray[Any]] = []

    def __setitem__(self, index: tuple[int, ...], plane: NDArray[Any]) -> None:
        assert index == (len(self.planes),)
        self.planes.append(plane)


def test_without_memory_in_a_thread_the_slices_still_end_in_their_order(
    three_threads: None,
) -> None:
    stack = np.random.default_rng(2).integers(0, 60_000, (7, 20, 22), dtype=np.uint16)
    # Each slice is one tile, so several are under way when the first one fails.
    plan, _ = plan_of(stack, 64, largest=43)
    sink = OrderedSink(plan.shape)
    *steps, report = plan.run(sink)
    assert np.abs(np.stack(sink.planes).astype(int) - one_by_one(stack, tile=64)).max() <= 1
    assert [step.index for step in steps if step.finished_slice] == [(i,) for i in range(7)]
    assert "ran out of memory" in report.messages[0]


def test_an_error_in_a_thread_reaches_the_caller(three_threads: None, stack: NDArray[Any]) -> None:
    plan, engine = plan_of(stack, 16)
    engine.config = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        list(plan.run())
    assert not tile_threads()
