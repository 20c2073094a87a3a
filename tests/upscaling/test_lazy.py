"""A lazy result: equal to the whole one, computed where it is looked at and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import napari_srcnn
from napari_srcnn.image.rect import Tile
from napari_srcnn.upscaling.lazy import Broken, LazyResult
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.resolve import resolve

pytestmark = pytest.mark.usefixtures("one_thread")
PLANES, HEIGHT, WIDTH = 4, 60, 90
TILE = 64


class Source:
    """A stack that counts what is read of it, and can refuse."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.dtype, self.ndim = data, data.shape, data.dtype, data.ndim
        self.read: list[Any] = []
        self.refuses = ""

    def __getitem__(self, key: Any) -> np.ndarray:
        if self.refuses:
            raise OSError(self.refuses)
        self.read.append(key[: self.ndim - 2] if isinstance(key, tuple) else key)
        return self.data[key]


@pytest.fixture
def stack() -> np.ndarray:
    values = np.random.default_rng(3).integers(100, 4000, (PLANES, HEIGHT, WIDTH))
    return np.asarray(values, np.uint16)


@pytest.fixture
def whole(stack: np.ndarray) -> np.ndarray:
    return np.asarray(napari_srcnn.upscale(stack, 2, tile=TILE, device="cpu"))


def lazy_of(source: Any, *coarser: Any, budget: int | None = None, **asked: Any) -> LazyResult:
    options = Options.of(2, **{"tile": TILE, "device": "cpu"} | asked)
    return LazyResult(resolve(options, source), [source, *coarser], budget=budget)


def everything(lazy: LazyResult, level: int = 0) -> Tile:
    height, width = lazy.levels.plane(level)
    return Tile(y0=0, y1=height, x0=0, x1=width)


@pytest.fixture
def start() -> Iterator[Callable[[LazyResult], list[Any]]]:
    """Works at a result in a thread, and gives what it says."""
    begun: list[tuple[LazyResult, threading.Thread]] = []

    def begin(lazy: LazyResult) -> list[Any]:
        said: list[Any] = []
        work = lazy.work(threading.Event())
        thread = threading.Thread(target=lambda: said.extend(work))
        begun.append((lazy, thread))
        thread.start()
        return said

    yield begin
    for lazy, thread in begun:
        lazy.close()
        thread.join(20)
        assert not thread.is_alive()


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    pause = threading.Event()
    for _ in range(2000):
        if is_so():
            return
        pause.wait(0.01)
    raise AssertionError("It never was so.")


def test_read_equals_the_whole_result(stack: np.ndarray, whole: np.ndarray) -> None:
    lazy = lazy_of(stack)
    for index in range(PLANES):
        np.testing.assert_array_equal(lazy.read(0, (index,), everything(lazy)), whole[index])
    part = lazy_of(stack).read(0, (2,), Tile(y0=30, y1=101, x0=64, x1=65))
    np.testing.assert_array_equal(part, whole[2, 30:101, 64:65])


@pytest.mark.parametrize("axes", ["CYX", "YXS"])
def test_channels_and_colours_equal_the_whole_result(axes: str) -> None:
    shape = (2, 50, 70) if axes == "CYX" else (50, 70, 3)
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    whole = napari_srcnn.upscale(image, 2, axes=axes, tile=TILE, device="cpu")
    lazy = lazy_of(image, axes=axes)
    found = [lazy.read(0, index, everything(lazy)) for index in np.ndindex(lazy.request.leading)]
    np.testing.assert_array_equal(found, whole[None] if axes == "YXS" else whole)


def test_what_is_looked_at_is_the_source_first_and_the_whole_result_in_the_end(
    stack: np.ndarray, whole: np.ndarray
) -> None:
    lazy = lazy_of(stack)
    area = everything(lazy)
    assert not lazy.look(0, [(1,)], area).any()
    work = lazy.work(threading.Event())
    next(work)
    enlarged = stack[1].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(lazy.look(0, [(1,)], area)[0], enlarged)
    while not np.array_equal(lazy.look(0, [(1,)], area)[0], whole[1]):
        next(work)
    work.close()


def test_only_what_is_looked_at_is_computed_and_the_latest_look_comes_first(
    stack: np.ndarray, start: Callable[[LazyResult], list[Any]]
) -> None:
    source = Source(stack)
    lazy = lazy_of(source, intensity=(0, 4000), noise=None)
    area = everything(lazy)
    small = everything(lazy, 1)
    source.read.clear()  # of the look that the model was chosen by
    for index in range(PLANES):  # as a slider that is dragged, with a thumbnail each
        lazy.look(0, [(index,)], area)
        lazy.look(1, [(index,)], small)
    start(lazy)
    until(lambda: lazy.look(0, [(PLANES - 1,)], area).any())
    until(lambda: (0, (PLANES - 1,), 64, 128) in lazy.cache)
    assert {key[0] for key in source.read} == {PLANES - 1}


def test_what_is_looked_at_no_more_is_left_after_the_tile_at_hand(stack: np.ndarray) -> None:
    lazy = lazy_of(stack)
    area = everything(lazy)
    lazy.look(0, [(0,)], area)
    work = lazy.work(threading.Event())
    while (0, (0,), 0, 0) not in lazy.cache:
        next(work)
    lazy.look(0, [(3,)], area)
    lazy.look(1, [(3,)], everything(lazy, 1))
    while (0, (3,), 64, 128) not in lazy.cache:
        next(work)
    work.close()
    assert not any((0, (0,), y, x) in lazy.cache for y, x in [(0, 64), (0, 128), (64, 0)])


def test_the_budget_is_kept_to_and_a_small_one_ends(
    stack: np.ndarray, whole: np.ndarray, start: Callable[[LazyResult], list[Any]]
) -> None:
    budget = 3 * TILE * TILE * 2
    lazy = lazy_of(stack, budget=budget)
    area = everything(lazy)
    for index in range(PLANES):
        np.testing.assert_array_equal(lazy.read(0, (index,), area), whole[index])
        assert 0 < lazy.cache.nbytes <= budget
    # What is on screen does not fit: it is computed once, and not for ever.
    said = start(lazy)
    lazy.look(0, [(0,)], area)
    until(lambda: (0, (0,), 64, 128) in lazy.cache)
    lazy.close()
    # Of the source, of what was measured, of each tile, and of all.
    assert len(said) <= 1 + 1 + 6 + 1


def test_the_latest_used_is_kept() -> None:
    from napari_srcnn.upscaling.cache import BlockCache

    cache = BlockCache(200)
    for row in (0, 1):
        cache.put((0, (), row, 0), np.zeros(100, np.uint8))
    assert cache.get((0, (), 0, 0)) is not None
    cache.put((0, (), 2, 0), np.zeros(100, np.uint8))
    assert [(0, (), row, 0) in cache for row in (0, 1, 2)] == [True, False, True]
    assert cache.nbytes == 200


def test_an_error_of_the_source_is_said_once_and_the_slice_is_tried_again(
    stack: np.ndarray, start: Callable[[LazyResult], list[Any]]
) -> None:
    source = Source(stack)
    lazy = lazy_of(source)
    area = everything(lazy)
    source.refuses = "the drive is gone"
    said = start(lazy)
    for index in (0, 0, 1, 0):
        lazy.look(0, [(index,)], area)
        until(lambda at=index: (0, (at,)) in lazy._broken)
    assert [str(message.error) for message in said if isinstance(message, Broken)] == [
        "the drive is gone"
    ]
    source.refuses = ""
    lazy.look(0, [(2,)], area)
    lazy.look(0, [(0,)], area)
    until(lambda: (0, (0,), 64, 128) in lazy.cache)


def test_coarse_levels_are_the_source_and_smaller() -> None:
    image = np.random.default_rng(1).integers(0, 60000, (2, 2100, 1000), dtype=np.uint16)
    lazy = lazy_of(image)
    planes = [(4200, 2000), (2100, 1000), (1050, 500), (525, 250), (262, 125)]
    assert [lazy.levels.plane(level) for level in range(5)] == planes
    found = lazy.read(2, (1,), Tile(y0=10, y1=12, x0=0, x1=500))
    squares = image[1, 20:24].reshape(2, 2, 500, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(found, np.rint(squares))


def test_a_multiscale_source_gives_its_own_levels(stack: np.ndarray) -> None:
    half = stack[:2, ::2, ::2] + 1
    lazy = lazy_of(stack, half)
    assert lazy.levels.shapes == ((4, 120, 180), (4, 60, 90), (2, 30, 45))
    np.testing.assert_array_equal(lazy.read(2, (1,), everything(lazy, 2)), half[1])
    # Where nothing else is there yet, its slice shows both of the finer level's.
    lazy.look(2, [(1,)], everything(lazy, 2))
    np.testing.assert_array_equal(
        lazy.look(0, [(2,)], everything(lazy))[0], half[1].repeat(4, axis=0).repeat(4, axis=1)
    )


def test_work_ends_when_it_is_cancelled_or_closed(stack: np.ndarray) -> None:
    cancel = threading.Event()
    lazy = lazy_of(stack)
    lazy.look(0, [(0,)], everything(lazy))
    work = lazy.work(cancel)
    next(work)
    cancel.set()
    assert list(work) == []
    assert lazy.cache.nbytes == 0
    other = lazy_of(stack)
    other.look(0, [(0,)], everything(other))
    other.close()
    assert list(other.work(threading.Event())) == []
