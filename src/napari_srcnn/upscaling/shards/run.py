"""A job of shards: begun or gone on with, and all that one process does of it."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import napari_srcnn
from napari_srcnn.io import Stack, read_stack
from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.io.room import write_failure
from napari_srcnn.io.zarr.store import address_of
from napari_srcnn.io.zarr.target import ZarrTarget
from napari_srcnn.upscaling.files import Job, record
from napari_srcnn.upscaling.misfit import NO_MISFIT, Misfit
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.plan import Part, UpscalePlan, load_plan
from napari_srcnn.upscaling.provenance import Provenance, SourceFile
from napari_srcnn.upscaling.resolve import Plan, resolve
from napari_srcnn.upscaling.shards.job import ShardJob, fixed
from napari_srcnn.upscaling.shards.ledger import Ledger, Mark, Place, digest
from napari_srcnn.upscaling.shards.messages import ShardProgress, ShardReport, Watch
from napari_srcnn.upscaling.upscaler import outcome

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

Index = tuple[int, ...]
Task = tuple[int, int]
Messages = Iterator[ShardProgress | ShardReport]
# What tasks that end at the same moment wait for each other before one of them finishes the job.
_TRIES, _PAUSE = 20, 0.25


class ShardRun:
    """One process's part of a job of shards; a context manager that holds the source open.

    Entered, the source is open and the job is begun, or found to be the same as was begun before:
    the first measures the image once, and all go by that.

    Parameters
    ----------
    job : Job
        Its target is the folder of an OME-Zarr.
    options : Options
    version : str
        Of OME-Zarr: "0.5" or "0.4".
    compression : str, optional
        "zstd" by default; "blosc", "zlib" or "none".
    shard : sequence of int, optional
        One length an axis; by default up to 64 planes of 1024 x 1024 pixels.
    force : bool
        Begin anew where a job was begun that is another one.

    Attributes
    ----------
    stack : Stack
    made : ShardJob
    target : ZarrTarget
    ledger : Ledger

    Raises
    ------
    ValueError
        On entering: the image cannot be read or enlarged so, or something else is there already.
    """

    stack: Stack
    made: ShardJob
    target: ZarrTarget

    def __init__(
        self,
        job: Job,
        options: Options,
        *,
        version: str = "0.5",
        compression: str | None = None,
        shard: Sequence[int] | None = None,
        force: bool = False,
    ) -> None:
        self.job, self.options, self.force = job, options, force
        self.layout: dict[str, Any] = {"version": version, "compression": compression}
        if shard is not None:
            self.layout["shard"] = list(shard)
        self.ledger = Ledger(job.target)
        self._reopened = False

    @classmethod
    def reopen(cls, store: Path, device: Any = "auto") -> Self:
        """Return a run that goes on with the job that was begun in a folder.

        Raises
        ------
        ValueError
            If none was.
        """
        ledger = Ledger(store)
        if not ledger.is_there:
            raise ValueError(
                f"{store} holds no record of how it was made, so nothing can be compared with it; "
                "only what `napari-srcnn upscale` wrote as OME-Zarr has one."
            )
        made = ShardJob.load(ledger.job_path)
        run = cls(
            Job(source=made.source, target=store, image=made.image),
            made.fixed_options(device),
            version=made.layout["version"],
            compression=made.layout["compression"],
            shard=made.layout.get("shard"),
        )
        run.made, run._reopened = made, True
        return run

    # ------------------------------------------------------------ begin

    def __enter__(self) -> Self:
        with ExitStack() as files:
            self.stack = files.enter_context(self._open())
            self._begin()
            self._files = files.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def _open(self) -> Stack:
        stack = read_stack(self.job.source, series=self.job.image)
        axes = self.options.axes
        try:
            return stack if axes is None else stack.with_axes(axes)
        except ValueError:
            stack.close()
            raise

    def _content(self) -> SourceFile:
        """Return what the image is known by."""
        return SourceFile.of(self.job.source, self.job.image, self.job.files)

    def _begin(self) -> None:
        if self._reopened:
            self._check_version()
            self.target = self._target(self.made)
            return
        content = self._content()
        # Said before a folder is made: what is wrong with the image and the options.
        self._resolved = resolve(replace(self.options, axes=self.stack.axes), self.stack)
        asked = record(self.options)
        self._check_place()
        with self._new_folder(), self.ledger.beginning():
            if self.ledger.is_there:
                made = ShardJob.load(self.ledger.job_path)
                other = made.difference(content, self.job.image, asked, self.layout)
                if not other:
                    self.made, self.target = made, self._target(made)
                    return
                if not self.force:
                    raise ValueError(
                        f"{self.job.target} {other}; --force makes it anew, or name another folder."
                    )
                with self.ledger.locked():
                    self._clear()
            plan = load_plan(self._resolved, self.stack)
            made = ShardJob(
                source=_lasting(self.job.source),
                image=self.job.image,
                content=content,
                options=asked,
                fixed=fixed(plan),
                model_sha256=plan.model_sha256,
                layout=self.layout,
                provenance=replace(plan.provenance(), options=asked, source=content).to_dict(),
            )
            # By the file's own values: what is written there is what everybody else computes by.
            self.target = self._target(made)
            self.target.prepare()
            made.save(self.ledger.job_path)
            self.made = ShardJob.load(self.ledger.job_path)

    def _check_place(self) -> None:
        target = self.job.target
        if target.is_symlink():
            raise ValueError(f"{target} is a link to elsewhere; name the folder itself.")
        if target.exists() and not self.ledger.folder.is_dir():
            raise ValueError(
                f"{target} is there already and was not made by this program's upscale; "
                "name another folder."
            )

    @contextlib.contextmanager
    def _new_folder(self) -> Iterator[None]:
        """Remove the folder that was made for a job that could not be begun."""
        is_new = not self.job.target.exists()
        try:
            yield
        except BaseException:
            if is_new and not self.ledger.is_there:
                shutil.rmtree(self.job.target, ignore_errors=True)
            raise

    def _clear(self) -> None:
        """Remove what another job wrote, its record last."""
        for path in self.job.target.iterdir():
            if path.name != "0" and path.is_dir():
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        for path in (self.job.target / "0").iterdir():
            if path.name != self.ledger.folder.name:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.ledger.folder.glob("*.json*"):
            path.unlink()

    def _check_version(self) -> None:
        if self.made.version != napari_srcnn.__version__:
            raise ValueError(
                f"{self.job.target} was begun by napari-srcnn {self.made.version}, and here is "
                f"{napari_srcnn.__version__}; install the same version everywhere."
            )

    def _target(self, made: ShardJob, provenance: Provenance | None = None) -> ZarrTarget:
        plan = self._plan_of(made)
        return ZarrTarget(
            self.job.target,
            plan.shape,
            plan.dtype,
            **self.stack.upscaled(plan.scale),
            provenance=made.provenance if provenance is None else provenance.to_dict(),
            **made.layout,
        )

    def _plan_of(self, made: ShardJob) -> Plan:
        """Return what each process computes by: all that was measured is given."""
        plan = resolve(made.fixed_options(self.options.device), self.stack)
        if plan.model_sha256 != made.model_sha256:
            raise ValueError(
                f"{self.job.target} was begun with another model than the {plan.model_name} that "
                "is here; install the same model everywhere."
            )
        return plan

    # ------------------------------------------------------------ what is known of it

    @cached_property
    def plan(self) -> UpscalePlan:
        """What is computed by, with its network on its device."""
        return load_plan(self._plan_of(self.made), self.stack)

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should know of how the image was read, and what was measured of it."""
        text = self.made.provenance.get("noise_text", "")
        measured = f"Noise: {text}." if text else ""
        note = "" if self._reopened else self._resolved.note
        return tuple(one for one in (*self.stack.notes, note, measured) if one)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there and the folder is an image."""
        return self.target.is_sealed and not self.missing()

    def missing(self, level: int = 0) -> list[Index]:
        """Return the shards of a level that are not on the disk."""
        there = self._there()
        return [index for index in self.grid(level) if (level, index) not in there]

    def _there(self) -> dict[Place, Mark]:
        """Return the marks of shards whose files are still there, and as long as they were."""
        return {place: mark for place, mark in self.ledger.marks().items() if self._fits(mark)}

    def _fits(self, mark: Mark) -> bool:
        try:
            return all(
                self.target.key_path(key).stat().st_size == size for key, size, _ in mark.files
            )
        except OSError:
            return False

    def grid(self, level: int) -> list[Index]:
        """Return all shards of a level."""
        return list(np.ndindex(*self.target.levels[level].grid))

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


def _lasting(path: Path) -> Path:
    """Return a path that means the same wherever a process stands; an address is one already."""
    return path if address_of(path) is not None else path.absolute()


def _sums(misfit: Misfit) -> tuple[float, float, float, int]:
    return misfit.result, misfit.bicubic, misfit.noise, misfit.pixels


def _misfit(mark: Mark) -> Misfit:
    result, bicubic, noise, pixels = mark.misfit
    return Misfit(result=result, bicubic=bicubic, noise=noise, pixels=pixels)
