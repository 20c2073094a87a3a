"""How the command line follows jobs of shards: one process's, a task's of an array, a cluster's."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_srcnn.cli.app import say

if TYPE_CHECKING:
    from napari_srcnn.upscaling.options import Options
    from napari_srcnn.upscaling.shards.local import LocalWorkers
    from napari_srcnn.upscaling.shards.messages import ShardReport
    from napari_srcnn.upscaling.shards.run import Messages, ShardRun

#: An output of this ending is written shard by shard.
ZARR_SUFFIX = ".zarr"
# An OME-Zarr has one of these when it is whole.
_SEALS = ("zarr.json", ".zgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Who does a job of shards: this process where nothing is said.

    Attributes
    ----------
    task : (int, int) or None
        Which task of how many, from 1, of a scheduler's array.
    finish : bool
        Only make an image of what the tasks have written.
    workers : int or None
        Processes of a cluster on this machine.
    scheduler : str or None
        Address of a dask scheduler that is there.
    """

    task: tuple[int, int] | None = None
    finish: bool = False
    workers: int | None = None
    scheduler: str | None = None

    @classmethod
    def of(
        cls, task: str | None, workers: int | None, scheduler: str | None, *, finish: bool
    ) -> Share:
        """Return what the options of the command line mean.

        Raises
        ------
        ValueError
            If they contradict each other, or make no sense.
        """
        given = {"--task": task, "--workers": workers, "--scheduler": scheduler}
        named = [name for name, value in given.items() if value is not None]
        named += ["--finish"] * finish
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} cannot be given together; choose one.")
        if workers is not None and workers < 1:
            raise ValueError(f"--workers is {workers}; at least 1 is needed.")
        parsed = None if task is None else parse_task(task)
        return cls(task=parsed, finish=finish, workers=workers, scheduler=scheduler)

    @property
    def is_said(self) -> bool:
        """Whether anything was said."""
        return self != Share()


def parse_task(text: str) -> tuple[int, int]:
    """Return the two numbers of ``"I/N"``.

    Raises
    ------
    ValueError
        If they are no numbers, or there is no such task.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if found is None:
        raise ValueError(f"--task is {text!r}; I/N is needed, as 3/16 for the third of sixteen.")
    number, total = map(int, found.groups())
    if not 1 <= number <= total:
        raise ValueError(
            f"--task is {text}; the number has to be from 1 to the number of tasks, as 1/4 to 4/4."
        )
    return number, total


def upscale_to_zarr(
    inputs: list[Path],
    output: Path,
    options: Options,
    share: Share,
    *,
    image: int | str | None,
    layout: dict[str, Any],
    force: bool,
    sidecar: bool,
    quiet: bool,
) -> None:
    """Upscale one image into an OME-Zarr, or this process's part of it.

    Raises
    ------
    ValueError
        If it cannot be done; the message says what would work.
    """
    from napari_srcnn.io.zarr.store import is_there

    if len(inputs) != 1:
        raise ValueError(
            f"{output} names one OME-Zarr, but there are {len(inputs)} images; name one image."
        )
    if not is_there(inputs[0]):
        raise ValueError(f"There is no file or folder {inputs[0]}; check its name.")
    workers = None
    if share.workers is not None:
        from napari_srcnn.upscaling.shards.local import LocalWorkers

        workers = LocalWorkers(share.workers)
        if not any((output / name).exists() for name in _SEALS):
            # Both load torch: they beside us, before we do.
            workers.begin()
    with workers or nullcontext():
        _upscale_to_zarr(
            inputs[0],
            output,
            options,
            share,
            workers,
            image=image,
            layout=layout,
            force=force,
            sidecar=sidecar,
            quiet=quiet,
        )


def _upscale_to_zarr(
    source: Path,
    output: Path,
    options: Options,
    share: Share,
    workers: LocalWorkers | None,
    *,
    image: int | str | None,
    layout: dict[str, Any],
    force: bool,
    sidecar: bool,
    quiet: bool,
) -> None:
    from napari_srcnn.upscaling.batch.work import unlike
    from napari_srcnn.upscaling.files import Job, split_job
    from napari_srcnn.upscaling.shards.run import ShardRun
    from napari_srcnn.upscaling.sidecar import embedded, write_sidecar

    jobs = split_job(Job(source=source, target=output), image)
    if len(jobs) > 1:
        raise ValueError(
            f"{source.name} holds {len(jobs)} images, and {output} is one; say which by --image."
        )
    with ShardRun(jobs[0], options, force=force, **layout) as run:
        if run.is_whole and not share.finish:
            if sidecar:
                write_sidecar(output, embedded(output))
            if not quiet:
                typer.echo(f"{source.name}: done already, skipped ({output}).")
            return
        prepare(options, quiet=quiet)
        if not quiet:
            for note in (*run.notes, *unlike(run.plan.request, run.stack)):
                say(f"Note: {note}")
        report = follow(messages_of(run, share, workers), source.name, quiet=quiet)
        if sidecar and report.is_whole:
            write_sidecar(output, embedded(output))
        if not quiet:
            typer.echo(summary(run, report))


def messages_of(run: ShardRun, share: Share, workers: LocalWorkers | None) -> Messages:
    """Return the messages of a run, done by whom it is to be done."""
    if share.finish:
        return run.finish()
    from napari_srcnn.upscaling.shards.cluster import shared

    return shared(run, task=share.task, workers=workers, scheduler=share.scheduler)


def prepare(options: Options, *, quiet: bool) -> None:
    """Load torch and choose the device."""
    from napari_srcnn.upscaling.batch.processes import prepare_process

    # This process is ours, so what holds for all of it may be set.
    text = prepare_process(options)
    if not quiet:
        say(text)


def follow(messages: Iterator[Any], label: str, *, quiet: bool) -> ShardReport:
    """Show a run's progress and return its report."""
    from tqdm import tqdm

    from napari_srcnn.upscaling.shards.messages import ShardReport

    bar = tqdm(
        desc=label,
        total=1.0,
        leave=False,
        file=sys.stderr,
        # None: no bar where stderr is no terminal.
        disable=True if quiet else None,
        bar_format="{desc} {percentage:3.0f}%|{bar}|{postfix}",
    )
    with bar:
        for message in messages:
            if isinstance(message, ShardReport):
                return message
            bar.n = message.shards_done / max(message.shards_total, 1)
            what = f"pyramid, level {message.level}" if message.level else "shard"
            bar.set_postfix_str(
                f"{what} {message.shards_done} of {message.shards_total}, "
                f"{tqdm.format_interval(message.seconds_left)} left",
                refresh=False,
            )
            bar.update(0)
    raise RuntimeError("The run ended without a report.")


def summary(run: ShardRun, report: ShardReport) -> str:
    """Return a few lines about what was done."""
    from napari_srcnn.words import count_of, format_bytes

    plan, target = run.plan, run.job.target
    done = f"{count_of(report.written, 'shard')} written in {report.seconds:.1f} s"
    if report.there:
        done += f", {report.there} were there"
    if not report.is_whole:
        return (
            f"{run.job.source} → {target}: {done}; still missing: "
            f"{count_of(report.missing, 'shard')} of other tasks. The last task to end finishes "
            "the image, or --finish does."
        )
    sizes = f"{run.stack.shape} {run.stack.dtype} → {plan.shape} {plan.dtype}"
    lines = [
        f"{run.job.source} → {target}: {sizes}, {format_bytes(plan.nbytes)}, "
        f"{count_of(len(run.target.levels), 'level')}; {plan.model_name}, {done}."
    ]
    return "\n".join([*lines, *report.messages])
