"""Whether all that was written of a job of shards is still what was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_srcnn.upscaling.shards.ledger import Mark, Place, digest
from napari_srcnn.upscaling.shards.run import ShardRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A shard that is not what was written.

    Attributes
    ----------
    level : int
    index : tuple of int
    what : {"missing", "truncated", "altered"}
    """

    level: int
    index: tuple[int, ...]
    what: str

    @property
    def place(self) -> Place:
        """Level and index."""
        return self.level, self.index

    def __str__(self) -> str:
        return f"shard {'/'.join(map(str, self.index))} of level {self.level} is {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How far a check has come.

    Attributes
    ----------
    shards_done, shards_total : int
    fault : Fault or None
        Of the shard that was looked at last.
    """

    shards_done: int
    shards_total: int
    fault: Fault | None = None


def verify(run: ShardRun) -> Iterator[Checked]:
    """Read every shard again, and yield a message for each.

    Parameters
    ----------
    run : ShardRun
        Reopened and entered.
    """
    marks = run.ledger.marks()
    levels = run.target.levels
    places = [
        (number, index) for number, level in enumerate(levels) for index in np.ndindex(*level.grid)
    ]
    for done, place in enumerate(places, start=1):
        what = _fault(run, marks.get(place))
        yield Checked(
            shards_done=done,
            shards_total=len(places),
            fault=Fault(level=place[0], index=place[1], what=what) if what else None,
        )


def drop(run: ShardRun, faults: list[Fault]) -> None:
    """Note that shards are to be made again: those with a fault, and what is made of them."""
    places = {fault.place for fault in faults}
    for number, level in enumerate(run.target.levels[1:], start=1):
        for index in np.ndindex(*level.grid):
            if any((number - 1, below) in places for below in _below(run, number, index)):
                places.add((number, index))
    run.ledger.drop(sorted(places))


def _fault(run: ShardRun, mark: Mark | None) -> str:
    """Return what is wrong with a shard; empty where nothing is."""
    if mark is None:
        return "missing"
    for key, size, known in mark.files:
        try:
            content = run.target.key_path(key).read_bytes()
        except FileNotFoundError:
            return "missing"
        if len(content) < size:
            return "truncated"
        if len(content) != size or digest(content) != known:
            return "altered"
    # What is zero throughout has no file; one that is there all the same is somebody else's.
    written = {key for key, _, _ in mark.files}
    for key in run.target.keys(mark.level, mark.index):
        if key not in written and run.target.key_path(key).exists():
            return "altered"
    return ""


def _below(run: ShardRun, number: int, index: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the shards of the level before that a shard of the pyramid is made of."""
    level, before = run.target.levels[number], run.target.levels[number - 1]
    y = run.target.axes.index("Y")
    ranges = []
    for axis, part in enumerate(level.region(index)):
        factor = 2 if axis in (y, y + 1) else 1
        start, stop = part.start * factor, min(part.stop * factor, before.shape[axis])
        step = before.shard[axis]
        ranges.append(range(start // step, -(-stop // step)))
    for place in np.ndindex(*map(len, ranges)):
        yield tuple(one[at] for one, at in zip(ranges, place, strict=True))
