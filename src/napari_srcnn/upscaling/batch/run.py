"""Many files, one after the other: a message for all that happens."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from napari_srcnn.upscaling.batch.messages import (
    Begun,
    Ended,
    Message,
    Prepare,
    Remark,
    Task,
    Writing,
)
from napari_srcnn.upscaling.batch.outcomes import ReportFile
from napari_srcnn.upscaling.batch.work import failed, skipped, work_on
from napari_srcnn.upscaling.files import Job, split_job
from napari_srcnn.upscaling.options import Options


def upscale_files(
    jobs: Iterable[Job],
    options: Options,
    writing: Writing,
    *,
    image: int | str | None = None,
    prepare: Prepare | None = None,
    collect: bool = True,
) -> Generator[Message, None, None]:
    """Upscale files, with a message for all that happens; closing the iterator stops it.

    Parameters
    ----------
    jobs : iterable of Job
    options : Options
    writing : Writing
    image : int or str, optional
        The only one of each file that is wanted: its name, or its number from 1.
    prepare : callable, optional
    collect : bool
        Make a failed outcome of what goes wrong with an image. False raises it, where there is
        one image only.
    """
    for item in planned(jobs, image=image, collect=collect):
        if isinstance(item, Task):
            yield Begun(task=item)
            several = collect or item.images > 1
            yield from work_on(item, options, writing, prepare=prepare, collect=several)
        else:
            yield item


def reported(
    messages: Generator[Message, None, None], report: Path
) -> Generator[Message, None, None]:
    """Hand messages on, and write each outcome to a report as it comes; closing stops both.

    Raises
    ------
    ValueError
        Before the first message, if the report cannot be written.
    """
    with ReportFile(report) as file, contextlib.closing(messages):
        for message in messages:
            if isinstance(message, Ended):
                file.add(message.outcome)
            yield message


def planned(
    jobs: Iterable[Job], *, image: int | str | None = None, collect: bool = True
) -> Iterator[Task | Remark | Ended]:
    """Yield the images of files, each once, and the outcomes of those that need no work."""
    jobs = list(jobs)
    # By the file: whose image it is a part of. By the target: whose it is.
    parts: dict[Path, Job] = {}
    targets: dict[Path, Job] = {}
    for number, job in enumerate(jobs, 1):
        task = Task(job=job, number=number, total=len(jobs))
        try:
            if whole := parts.get(job.source.resolve()):
                text = f"a part of the same image as {whole.source.name}, which is enlarged once."
                yield skipped(task, text)
                continue
            images = split_job(job, image)
        except Exception as error:
            if not collect:
                raise
            yield failed(task, error)
            continue
        if len(images) > 1:
            text = f"holds {len(images)} images; each becomes a file of its own."
            yield Remark(task=task, text=text, is_note=False)
        for one in images:
            task = Task(job=one, number=number, total=len(jobs), images=len(images))
            target = one.target.resolve()
            if other := targets.get(target):
                clash = ValueError(
                    f"{other.source} and {one.source} would both be written to {one.target}; "
                    "rename one of them"
                )
                if not collect:
                    raise clash
                yield failed(task, clash)
                continue
            targets[target] = one
            parts |= {file.resolve(): one for file in one.files}
            yield task
