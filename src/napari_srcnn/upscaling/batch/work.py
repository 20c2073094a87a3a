"""One image of a batch: what is done with it, and what came of it, whatever happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

from napari_srcnn import faults
from napari_srcnn.io import Stack
from napari_srcnn.models.domain import judge, look_at
from napari_srcnn.upscaling.batch.messages import (
    Device,
    Ended,
    Prepare,
    Remark,
    Step,
    Task,
    Writing,
)
from napari_srcnn.upscaling.batch.outcomes import Outcome
from napari_srcnn.upscaling.files import FileRun, why_not_done
from napari_srcnn.upscaling.messages import Report
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.resolve import Plan
from napari_srcnn.upscaling.sidecar import embedded, sidecar_of, write_sidecar
from napari_srcnn.words import count_of, format_bytes, sentence

_logger = logging.getLogger(__name__)


def work_on(
    task: Task,
    options: Options,
    writing: Writing,
    *,
    prepare: Prepare | None = None,
    collect: bool = True,
) -> Generator[Device | Step | Remark | Ended, None, None]:
    """Upscale one image of a batch, its outcome being the last message."""
    begun = time.perf_counter()
    work = _tiff if writing.format == "tiff" else _zarr
    try:
        yield from work(task, options, writing, prepare or _nothing)
    # Whatever it is, and whoever's mistake: the other images are still to be done.
    except Exception as error:
        if not collect:
            raise
        _logger.debug("%s failed", task.job.source, exc_info=True)
        yield failed(task, error, time.perf_counter() - begun)


def failed(task: Task, error: BaseException, seconds: float = 0.0) -> Ended:
    """Return the outcome of an image that something went wrong with."""
    if isinstance(error, ValueError | OSError | MemoryError):
        text = sentence(error)
    elif type(error).__name__ == "OutOfMemoryError":  # PyTorch's, which is not imported here
        text = "the device has not enough memory; choose the CPU, or close what else uses it."
    else:
        text = sentence(RuntimeError(f"an unexpected {type(error).__name__}: {error}"))
        faults.keep(error, "a batch")
    return _ended(task, outcome="failed", sentence=text, seconds=seconds)


def _ended(task: Task, **said: object) -> Ended:
    job = task.job
    given: dict[str, object] = {"source": job.source, "target": job.target, "image": job.image + 1}
    return Ended(task=task, outcome=Outcome(**given, **said))  # type: ignore[arg-type]


def skipped(task: Task, text: str) -> Ended:
    """Return the outcome of an image that needs no work."""
    return _ended(task, outcome="skipped", sentence=text)


def _nothing() -> str:
    return ""


def _prepared(prepare: Prepare) -> Iterator[Device]:
    text = prepare()
    if text:
        yield Device(text=text)


def unlike(plan: Plan, stack: Stack) -> tuple[str, ...]:
    """Return the sentence about an image that is unlike what its model was trained on, if it is."""
    if plan.info is None:
        return ()
    sentence = judge(plan.looks or look_at(stack, plan.axes), plan.info).sentence
    return (sentence,) if sentence else ()


def _tiff(
    task: Task, options: Options, writing: Writing, prepare: Prepare
) -> Iterator[Device | Step | Remark | Ended]:
    job = task.job
    if job.target.exists() and not writing.force:
        if reason := why_not_done(job, options):
            raise ValueError(
                f"{job.target} is there already and {reason}; {writing.again} writes it again"
            )
        if writing.sidecar and not sidecar_of(job.target).exists():
            write_sidecar(job.target, embedded(job.target))
        yield skipped(task, f"done already, skipped ({job.target}); {writing.again} does it again.")
        return
    begun = time.perf_counter()
    # What can be wrong with the file is said before torch is loaded, which takes seconds.
    with (
        FileRun(job, options, compression=writing.compression) as run,
        ThreadPoolExecutor(1, thread_name_prefix="napari-srcnn look") as aside,
    ):
        yield from _prepared(prepare)
        report: Report | None = None
        # While the rest is measured and the first tile computed, none of which depends on it.
        looked = aside.submit(unlike, run.request, run.stack)
        messages = run.messages()
        yield from (Remark(task=task, text=note) for note in run.notes)
        for number, message in enumerate(messages):
            if not number:
                yield from (Remark(task=task, text=note) for note in looked.result())
            if isinstance(message, Report):
                report = message
                break
            left = max(message.tiles_total - message.tiles_done, 0)
            yield Step(
                task=task,
                fraction=1 - left / message.tiles_total,
                seconds_left=message.seconds_left,
                text=f"slice {min(message.slices_done + 1, message.slices_total)} of "
                f"{message.slices_total}",
            )
            if message.message:
                yield Remark(task=task, text=message.message)
    if report is None:
        raise RuntimeError("The run ended without a report.")
    if writing.sidecar:
        write_sidecar(job.target, run.made)
    yield _ended(
        task,
        outcome="done",
        sentence=_summary(run, report),
        seconds=time.perf_counter() - begun,
        model=report.model,
        noise=report.noise_text,
        clipped=report.clipped,
        bytes=job.target.stat().st_size,
    )


def _summary(run: FileRun, report: Report) -> str:
    """Return one line about how a file was made."""
    plan = run.plan
    ranges = "; ".join(f"{r.low:.6g}..{r.high:.6g}" for r in report.ranges[:4])
    if len(report.ranges) > 4:
        ranges += f"; … ({len(report.ranges)} channels)"
    low, high = report.window
    parts = [
        f"{run.stack.shape} {run.stack.dtype} → {plan.shape} {plan.dtype}, "
        f"{format_bytes(plan.nbytes)}",
        f"{report.model} on {report.device}, tile {report.tile}, {report.seconds:.1f} s",
        f"range {ranges} seen as {low:g}..{high:g}",
        f"{report.clipped} values clipped",
    ]
    if report.nonfinite:
        parts.append(f"{report.nonfinite} pixels not finite")
    return "; ".join(parts) + "."


def _zarr(
    task: Task, options: Options, writing: Writing, prepare: Prepare
) -> Iterator[Device | Step | Remark | Ended]:
    from napari_srcnn.upscaling.shards.messages import ShardReport
    from napari_srcnn.upscaling.shards.run import ShardRun

    begun = time.perf_counter()
    job = task.job
    if not job.target.exists():
        yield from _prepared(prepare)
    with ShardRun(
        job,
        options,
        version=writing.version,
        compression=writing.compression,
        force=writing.force,
    ) as run:
        if run.is_whole:
            if writing.sidecar and not sidecar_of(job.target).exists():
                write_sidecar(job.target, embedded(job.target))
            yield skipped(task, f"done already, skipped ({job.target}).")
            return
        yield from _prepared(prepare)
        for note in (*run.notes, *unlike(run.plan.request, run.stack)):
            yield Remark(task=task, text=note)
        report: ShardReport | None = None
        for message in run.messages():
            if isinstance(message, ShardReport):
                report = message
                break
            yield Step(
                task=task,
                fraction=message.shards_done / max(message.shards_total, 1),
                seconds_left=message.seconds_left,
                text=f"shard {message.shards_done} of {message.shards_total}",
            )
    if report is None:
        raise RuntimeError("The run ended without a report.")
    if writing.sidecar and report.is_whole:
        write_sidecar(job.target, embedded(job.target))
    for text in report.messages:
        yield Remark(task=task, text=text)
    plan = run.plan
    shards = f"{count_of(report.written, 'shard')} written in {report.seconds:.1f} s"
    if report.there:
        shards += f", {report.there} were there"
    yield _ended(
        task,
        outcome="done",
        sentence=f"{run.stack.shape} {run.stack.dtype} → {plan.shape} {plan.dtype}, "
        f"{format_bytes(plan.nbytes)}, {count_of(len(run.target.levels), 'level')}; "
        f"{plan.model_name} on {plan.device_label}; {shards}; {report.clipped} values clipped.",
        seconds=time.perf_counter() - begun,
        model=plan.model_name,
        noise=str(run.made.provenance.get("noise_text", "")),
        clipped=report.clipped,
        bytes=sum(path.stat().st_size for path in job.target.rglob("*") if path.is_file()),
    )
