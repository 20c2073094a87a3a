"""All that one process does of a job of shards: computing, writing, and finishing the image."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.io.room import write_failure
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


class ShardRun(JobFolder):
    """One process's part of a job of shards: computing, writing, and making an image of them."""

    # ------------------------------------------------------------ a shard

    def compute(self, index: Index) -> Part:
        """Compute a shard of the full resolution."""
        leading = len(self.plan.request.leading)
        return self.plan.part(self.target.region(0, index)[: leading + 2])

    def write(
        self,
        level: int,
        index: Index,
        values: NDArray[Any],
        *,
        part: Part | None = None,
        seconds: float = 0.0,
    ) -> Mark:
        """Write a shard, each of its files under its name when it is whole, and note it.

        Raises
        ------
        StackError
            If the disk is full or may not be written to; no half a file is left.
        """
        files = []
        try:
            for key, content in self.target.encode(level, index, values):
                write_bytes(self.target.key_path(key), content)
                files.append((key, len(content), digest(content)))
            mark = Mark(
                level=level,
                index=index,
                files=tuple(files),
                clipped=0 if part is None else part.clipped,
                nonfinite=0 if part is None else part.nonfinite,
                misfit=_sums(NO_MISFIT if part is None else part.misfit),
                seconds=seconds,
            )
            self.ledger.add(mark)
        except OSError as error:
            raise write_failure(self.job.target, error, values.nbytes) from error
        return mark

    def make(self, index: Index) -> Mark:
        """Compute and write a shard of the full resolution."""
        begun = time.perf_counter()
        part = self.compute(index)
        return self.write(0, index, part.values, part=part, seconds=time.perf_counter() - begun)

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
            there = self._there()
            mine = [index for index in wanted if (0, index) not in there]
            watch.begin(len(mine), self._later if task is None else 0)
            for _ in self._write_behind(mine):
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
        """Shards of the pyramid."""
        return sum(prod(level.grid) for level in self.target.levels[1:])

    def _write_behind(self, indices: Sequence[Index]) -> Iterator[Mark]:
        """Compute shards; each is compressed and written while the next one is computed."""
        with ThreadPoolExecutor(1, thread_name_prefix="shards") as writer:
            waiting: Future[Mark] | None = None
            for index in indices:
                begun = time.perf_counter()
                part = self.compute(index)
                seconds = time.perf_counter() - begun
                if waiting is not None:
                    yield waiting.result()
                waiting = writer.submit(
                    self.write, 0, index, part.values, part=part, seconds=seconds
                )
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
        marks = self._there()
        for level in range(1, len(self.target.levels)):
            for index in self.grid(level):
                if (level, index) not in marks:
                    values = self.target.downsampled(level, index)
                    marks[level, index] = self.write(level, index, values)
                yield watch.step(level)
        clipped, nonfinite = (
            sum(getattr(mark, name) for mark in marks.values()) for name in ("clipped", "nonfinite")
        )
        misfit = sum((_misfit(mark) for mark in marks.values()), NO_MISFIT)
        messages = tuple(outcome(self.target.dtype, clipped, nonfinite, misfit))
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
