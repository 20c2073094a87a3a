"""How the command line follows many files: lines, a progress bar, a report, a table at the end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_srcnn.cli.app import say

if TYPE_CHECKING:
    from napari_srcnn.upscaling.batch.messages import Message, Step, Task, Writing
    from napari_srcnn.upscaling.batch.outcomes import Outcome
    from napari_srcnn.upscaling.files import Job
    from napari_srcnn.upscaling.options import Options

SOME_FAILED = 1


def upscale_files(
    jobs: list[Job],
    options: Options,
    writing: Writing,
    *,
    image: int | str | None,
    several: bool,
    processes: int,
    report: Path | None,
    quiet: bool,
) -> int:
    """Upscale files and say how it goes; return the exit code.

    Parameters
    ----------
    jobs : list of Job
    options : Options
    writing : Writing
    image : int, str or None
        The only one of each file that is wanted: its name, or its number from 1.
    several : bool
        What goes wrong with one image is kept for the end, where there are others.
    processes : int
        Files at a time.
    report : Path or None
        Where a report is written.
    quiet : bool

    Raises
    ------
    ValueError
        If the report cannot be written, or the only image cannot be upscaled.
    """
    from napari_srcnn.upscaling.batch import run
    from napari_srcnn.upscaling.batch.outcomes import table
    from napari_srcnn.upscaling.batch.processes import Prepared, in_processes

    messages: Generator[Message, None, None]
    if processes > 1:
        items = run.planned(jobs, image=image)
        messages = in_processes(items, processes, options, writing)
    else:
        messages = run.upscale_files(
            jobs,
            options,
            writing,
            image=image,
            prepare=Prepared(options),
            collect=several,
        )
    if report is not None:
        messages = run.reported(messages, report)
    follower = Follower(files=len(jobs), at_a_time=processes, quiet=quiet)
    with contextlib.ExitStack() as stack:
        # Whatever ends this, half-written files are put away before it goes on.
        stack.enter_context(contextlib.closing(messages))
        stack.callback(follower.close)
        for message in messages:
            follower.hear(message)
    outcomes = follower.outcomes
    some_failed = any(one.outcome == "failed" for one in outcomes)
    if several or some_failed:
        lines = table(outcomes)
        if report is not None:
            lines[0] += f"; report: {report}"
        # What failed is said in any case.
        for line in lines if not quiet else lines * some_failed:
            typer.echo(line, err=quiet)
    return SOME_FAILED if some_failed else 0


@dataclass(kw_only=True)
class Follower:
    """Says what happens: results to stdout, all else to stderr, and each line of it whole."""

    files: int
    at_a_time: int
    quiet: bool
    outcomes: list[Outcome] = field(default_factory=list)
    _bar: Any = None
    _device: str = ""
    # How much there is of each image at work.
    _parts: dict[Task, float] = field(default_factory=dict)

    def hear(self, message: Message) -> None:
        """Take a message."""
        from napari_srcnn.upscaling.batch.messages import Begun, Device, Ended, Remark, Step

        match message:
            case Begun(task=task):
                self._parts[task] = 0.0
            case Device(text=text):
                # Each process says it.
                if text != self._device:
                    self._tell(text, err=True)
                self._device = text
            case Remark(task=task, text=text, is_note=False):
                self._tell(f"{task.label}: {text}")
            case Remark(task=task, text=text):
                which = f"{task.label}: " if self.at_a_time > 1 else ""
                self._tell(f"Note: {which}{text}", err=True)
            case Step():
                self._step(message)
            case Ended(task=task, outcome=outcome):
                self._parts.pop(task, None)
                if self.at_a_time == 1:
                    self.close()
                self.outcomes.append(outcome)
                self._say_outcome(task, outcome)

    def close(self) -> None:
        """Remove the progress bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say_outcome(self, task: Task, outcome: Outcome) -> None:
        if outcome.outcome == "failed":
            self._tell(f"{task.label}: {outcome.sentence}", err=True, always=True)
        elif outcome.outcome == "skipped":
            self._tell(f"{task.label}: {outcome.sentence}")
        else:
            self._tell(f"{outcome.source} → {outcome.target}: {outcome.sentence}")

    def _step(self, step: Step) -> None:
        from tqdm import tqdm

        self._parts[step.task] = step.fraction
        if self._bar is None:
            self._bar = tqdm(
                desc=step.task.label if self.at_a_time == 1 else f"{self.files} files",
                total=1.0,
                leave=False,
                file=sys.stderr,
                # None: no bar where stderr is no terminal.
                disable=True if self.quiet else None,
                bar_format="{desc} {percentage:3.0f}%|{bar}|{postfix}",
            )
        if self.at_a_time == 1:
            self._bar.n = step.fraction
            text = f"{step.text}, {tqdm.format_interval(step.seconds_left)} left"
        else:
            ended = len({one.source for one in self.outcomes})
            self._bar.n = min((ended + sum(self._parts.values())) / self.files, 1.0)
            text = f"{ended} done, {len(self._parts)} at work"
        self._bar.set_postfix_str(text, refresh=False)
        # Draws only where enough time has passed.
        self._bar.update(0)

    def _tell(self, text: str, *, err: bool = False, always: bool = False) -> None:
        if self.quiet and not always:
            return
        from tqdm import tqdm

        with tqdm.external_write_mode(file=sys.stderr):
            if err:
                say(text)
            else:
                typer.echo(text)
