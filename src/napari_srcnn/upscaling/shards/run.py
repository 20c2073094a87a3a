"""All that one process does of a job of shards: computing, writing, and finishing the image."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.io.room import write_failure
from napari_srcnn.network.device import return_free_memory
from napari_srcnn.upscaling.misfit import NO_MISFIT, Misfit
from napari_srcnn.upscaling.plan import Part
from napari_srcnn.upscaling.provenance import Provenance
from napari_srcnn.upscaling.shards.folder import Index, JobFolder
from napari_srcnn.upscaling.shards.ledger import Mark, digest
from napari_srcnn.upscaling.shards.messages import ShardProgress, ShardReport, Watch
from napari_srcnn.upscaling.upscaler import outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

Task = tuple[int, int]
Messages = Iterator[ShardProgress | ShardReport]
# What tasks that end at the same moment wait for each other before one of them finishes the job.
_TRIES, _PAUSE = 20, 0.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shard:
    """A shard that is computed and not yet written.

    Attributes
    ----------
    level : int
    index : tuple of int
    values : ndarray
    part : Part or None
        Of the full resolution: what else is known of it.
    seconds : float
        What it took; zero in the pyramid.
    """

    level: int
    index: Index
    values: NDArray[Any]
    part: Part | None
    seconds: float


class ShardRun(JobFolder):
    """One process's part of a job of shards: computing, writing, and making an image of them."""

    # ------------------------------------------------------------ a shard

    def compute(self, level: int, index: Index) -> Shard:
        """Compute a shard of the full resolution, or one of the pyramid of the level before."""
        begun = time.perf_counter()
        if level:
            values, part = self.target.downsampled(level, index), None
        else:
            leading = len(self.plan.request.leading)
            part = self.plan.part(self.target.region(0, index)[: leading + 2])
            values = part.values
        return_free_memory()
        seconds = 0.0 if level else time.perf_counter() - begun
        return Shard(level=level, index=index, values=values, part=part, seconds=seconds)

    def write(self, shard: Shard) -> Mark:
        """Write a shard, each of its files under its name when it is whole, and note it.

        Raises
        ------
        StackError
            If the disk is full or may not be written to; no half a file is left.
        """
        part = shard.part
        files = []
        try:
            for key, content in self.target.encode(shard.level, shard.index, shard.values):
                write_bytes(self.target.key_path(key), content)
                files.append((key, len(content), digest(content)))
            mark = Mark(
                level=shard.level,
                index=shard.index,
                files=tuple(files),
                clipped=0 if part is None else part.clipped,
                nonfinite=0 if part is None else part.nonfinite,
                misfit=_sums(NO_MISFIT if part is None else part.misfit),
                seconds=shard.seconds,
            )
            self.ledger.add(mark)
        except OSError as error:
            raise write_failure(self.job.target, error, shard.values.nbytes) from error
        return_free_memory()
        return mark

    def make(self, level: int, index: Index) -> Mark:
        """Compute and write a shard; those of the level before are on the disk."""
        return self.write(self.compute(level, index))

    # ------------------------------------------------------------ the run

    def messages(self, task: tuple[int, int] | None = None) -> Messages:
        """Write what is missing, with a message after each shard and a report at the end.

        Parameters
        ----------
        task : (int, int), optional
            Which part of how many, from 1; the last of them to end makes the pyramid.

        Raises
        ------
        ValueError
            If another process writes the same; or something cannot be read, computed or written.
        """
        watch = Watch()
        with self.ledger.locked(task):
            wanted = self.grid(0)
            if task is not None:
                number, total = task
                first, end = (len(wanted) * n // total for n in (number - 1, number))
                wanted = wanted[first:end]
            there = self.there()
            mine = [index for index in wanted if (0, index) not in there]
            watch.begin(len(mine), self._later if task is None else 0)
            for _ in self._write_behind(0, mine):
                yield watch.step(0)
            if task is None:
                yield from self._finish(watch, len(wanted) - len(mine))
                return
        yield from self._finish_last(watch, len(wanted) - len(mine))

    def finish(self, watch: Watch | None = None, there: int | None = None) -> Messages:
        """Make the pyramid and the image of the shards that others have written.

        Parameters
        ----------
        watch : Watch, optional
            Of the run so far.
        there : int, optional
            How many shards it found; all, where it has written none.

        Raises
        ------
        ValueError
            If there are not all of them yet.
        """
        with self.ledger.locked():
            total = prod(self.target.levels[0].grid)
            if missing := len(self.missing()):
                raise ValueError(
                    f"{missing} of {total} shards of {self.job.target} are missing; run the tasks "
                    "that have not ended first."
                )
            if watch is None:
                watch = Watch()
                watch.begin(0, self._later)
            yield from self._finish(watch, total if there is None else there)

    @property
    def _later(self) -> int:
        """Shards of the pyramid that are missing."""
        there = self.there()
        return sum(len(self.missing(level, there)) for level in self.upper_levels)

    def _write_behind(self, level: int, indices: Sequence[Index]) -> Iterator[Mark]:
        """Compute shards; each is compressed and written while the next one is computed."""
        with ThreadPoolExecutor(1, thread_name_prefix="shards") as writer:
            waiting: Future[Mark] | None = None
            for index in indices:
                shard = self.compute(level, index)
                if waiting is not None:
                    yield waiting.result()
                waiting = writer.submit(self.write, shard)
                # Its pixels go as soon as they are written.
                del shard
            if waiting is not None:
                yield waiting.result()

    def _finish_last(self, watch: Watch, there: int) -> Messages:
        """Finish the job if all other tasks have ended; say what is missing if not."""
        for _ in range(_TRIES):
            missing = len(self.missing())
            if missing or self.is_whole:
                break
            try:
                with self.ledger.locked():
                    watch.begin(0, self._later)
                    yield from self._finish(watch, there)
                    return
            except ValueError:
                # Another one holds its lock still: it will finish, or is just about to let go.
                time.sleep(_PAUSE)
        yield ShardReport(
            written=watch.done,
            there=there,
            missing=missing,
            clipped=0,
            nonfinite=0,
            seconds=watch.seconds,
        )

    def _finish(self, watch: Watch, there: int) -> Messages:
        """Make the pyramid, then what makes an image of it. The job's lock is held."""
        marks = self.there()
        for level in self.upper_levels:
            for mark in self._write_behind(level, self.missing(level, marks)):
                marks[mark.place] = mark
                yield watch.step(level)
        clipped, nonfinite = (
            sum(getattr(mark, name) for mark in marks.values()) for name in ("clipped", "nonfinite")
        )
        misfit = sum((_misfit(mark) for mark in marks.values()), NO_MISFIT)
        messages = tuple(
            outcome(self.target.dtype, clipped, nonfinite, misfit, prod(self.target.shape))
        )
        whole = replace(
            Provenance.from_dict(self.made.provenance),
            clipped=clipped,
            nonfinite=nonfinite,
            seconds=sum(mark.seconds for mark in marks.values()),
            messages=messages,
        )
        self._target(self.made, whole).seal()
        self.ledger.gather()
        for path in self.job.target.rglob(".napari-srcnn-*.part"):
            path.unlink(missing_ok=True)
        yield ShardReport(
            written=watch.done,
            there=there,
            missing=0,
            clipped=clipped,
            nonfinite=nonfinite,
            seconds=watch.seconds,
            messages=messages,
        )


def _sums(misfit: Misfit) -> tuple[float, float, float, int]:
    return misfit.result, misfit.bicubic, misfit.noise, misfit.pixels


def _misfit(mark: Mark) -> Misfit:
    result, bicubic, noise, pixels = mark.misfit
    return Misfit(result=result, bicubic=bicubic, noise=noise, pixels=pixels)
