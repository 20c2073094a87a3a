"""``napari-srcnn upscale``: TIFF or OME-Zarr in, OME-TIFF or OME-Zarr out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_srcnn.cli.app import app, boundary, say, sentence
from napari_srcnn.cli.shards import ZARR_SUFFIX, Share, upscale_to_zarr

if TYPE_CHECKING:
    from napari_srcnn.microscope.noise import Noise
    from napari_srcnn.upscaling.files import FileRun, Job
    from napari_srcnn.upscaling.messages import Report
    from napari_srcnn.upscaling.noise_option import Told
    from napari_srcnn.upscaling.options import Options

SOME_FAILED = 1


class Color(StrEnum):
    """What of a colour image passes the network."""

    luma = "luma"
    channels = "channels"


class OmeZarr(StrEnum):
    """The versions of OME-Zarr that are written."""

    newest = "0.5"
    older = "0.4"


class Compression(StrEnum):
    """How the output is compressed; all without loss."""

    zlib = "zlib"
    lzw = "lzw"
    zstd = "zstd"


@app.command()
def upscale(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN", help="TIFF files (ImageJ, OME too) and OME-Zarrs, or folders of them."
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The OME-TIFF or OME-Zarr to write, ending in .ome.tif or .ome.zarr; or a "
            "folder, for NAME_x2.ome.tif.",
        ),
    ],
    scale: Annotated[
        int | None,
        typer.Option("--scale", "-s", help="2, 3 or 4 times as many pixels a side. Default: 2."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A name of `napari-srcnn models`, or a file. Default: what fits the image.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1, mps. auto takes a GPU where there is one.")
    ] = "auto",
    tile: Annotated[
        int | None, typer.Option(help="Output pixels a side worked on at a time. Default: found.")
    ] = None,
    intensity: Annotated[
        str,
        typer.Option(
            metavar="RANGE",
            help="What range of values the network sees: auto (measured), dtype (all that the type "
            "holds), none (floats as they are), LOW,HIGH, or 'LOW,HIGH LOW,HIGH' for channels. "
            "Values outside of it are kept.",
        ),
    ] = "auto",
    window: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="What that range becomes for the network, as 0,1. Default: the model's own.",
        ),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of the result, as float32. Default: the image's own.")
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(help="What the axes are, where the file does not say it right: TCYX, ZYX."),
    ] = None,
    image: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Which image of a file that holds several, from 1. Default: all, a file each.",
        ),
    ] = None,
    color: Annotated[
        Color | None,
        typer.Option(
            help="Of RGB: the luma alone passes the network, or each channel does. "
            "Default: luma for 8 bits, channels for more."
        ),
    ] = None,
    compression: Annotated[
        Compression | None, typer.Option(help="Compress the output without loss. Default: none.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also take the subfolders of folders.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Write again what is there already.")
    ] = False,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Faster and less exact, on NVIDIA GPUs.")
    ] = False,
    half: Annotated[
        bool, typer.Option("--half", help="Half precision: faster, and less exact still.")
    ] = False,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Average eight views: a little better, 8 times the time."),
    ] = False,
    noise: Annotated[
        str,
        typer.Option(
            metavar="NOISE",
            help="Of the image, for networks that are told it: auto (measured), none, SIGMA in the "
            "image's units, or GAIN,READ,OFFSET; or one of these for each channel, with spaces.",
        ),
    ] = "auto",
    smoothing: Annotated[
        float,
        typer.Option(
            help="How much of the noise such a network is told: 0 keeps the grain, 1 is as "
            "measured, up to 2."
        ),
    ] = 1.0,
    ome_zarr: Annotated[
        OmeZarr, typer.Option("--ome-zarr", help="The version that an OUT of .ome.zarr gets.")
    ] = OmeZarr.newest,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Of an OME-Zarr write the I-th of N parts only: a task of a scheduler's array. "
            "The last to end finishes the image.",
        ),
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="Finish the image that such tasks have written.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Write an OME-Zarr by N processes on this machine."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Write it by the workers of a dask scheduler."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Enlarge images: TIFF or OME-Zarr in, OME-TIFF or OME-Zarr out, with pixel size and units.

    The result has the type, the intensities and the place of the original. Of a file that holds
    several images each becomes a file; an image that is spread over several files becomes one.
    Files that are there already and were made by the same job are skipped. Memory stays the same
    however many planes a file has, and a stopped run leaves no half-written file.

    An OUT that ends in .ome.zarr is written shard by shard, for one image: a run that was stopped,
    however that happened, goes on where it was when the same command is given again, and several
    processes or machines can share it.

    Exit codes: 0 all is there; 1 some files failed; 2 wrong input; 130 stopped by Ctrl-C.
    """
    with boundary():
        from napari_srcnn.upscaling.files import find_jobs
        from napari_srcnn.upscaling.options import Options
        from napari_srcnn.upscaling.resolve import choose_scale

        options = Options(
            scale=choose_scale(scale, model),
            model=model,
            axes=axes,
            device=device,
            intensity=parse_intensity(intensity),
            window=None if window is None else parse_pair(window, "window"),
            color=None if color is None else color.value,
            dtype=dtype,  # type: ignore[arg-type]  # a name becomes a dtype
            tile=tile,
            tf32=tf32,
            half=half,
            ensemble=ensemble,
            noise=parse_noise(noise),  # type: ignore[arg-type]  # numbers become noises
            smoothing=smoothing,
        )
        share = Share.of(task, workers, scheduler, finish=finish)
        if output.name.lower().endswith(ZARR_SUFFIX):
            upscale_to_zarr(
                inputs,
                output,
                options,
                share,
                image=image,
                layout={
                    "version": ome_zarr.value,
                    "compression": None if compression is None else compression.value,
                },
                force=force,
                quiet=quiet,
            )
            raise typer.Exit
        if share.is_said:
            raise ValueError(
                f"Tasks, workers and schedulers share an OME-Zarr, and {output} is none; end its "
                "name in .ome.zarr."
            )
        jobs = find_jobs(inputs, output, scale=choose_scale(scale, model), recursive=recursive)
        batch = _Batch(
            options,
            compression=None if compression is None else compression.value,
            image=image,
            force=force,
            quiet=quiet,
        )
        several = len(jobs) > 1 or any(path.is_dir() for path in inputs)
        code = batch.run(jobs, several=several)
    raise typer.Exit(code)


def parse_pair(text: str, what: str) -> tuple[float, float]:
    """Return the two numbers of ``"LOW,HIGH"``.

    Raises
    ------
    ValueError
        If there are not two numbers.
    """
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(
            f"{what} is {text!r}; two numbers with a comma between are needed, as 0,4095."
        ) from None
    return low, high


def parse_intensity(text: str) -> Any:
    """Return ``"auto"``, ``"dtype"``, ``"none"``, a pair, or a tuple of pairs.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if text in ("auto", "dtype", "none"):
        return text
    parts = text.split()
    if not parts or not all("," in part for part in parts):
        raise ValueError(f"intensity is {text!r}; it can be auto, dtype, none, or LOW,HIGH.")
    pairs = tuple(parse_pair(part, "intensity") for part in parts)
    return pairs[0] if len(pairs) == 1 else pairs


def parse_noise(text: str) -> Told:
    """Return ``"auto"``, None, a standard deviation, a noise, or a tuple of one a channel.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    from napari_srcnn.microscope.noise import Noise

    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    found: list[float | Noise] = []
    for part in text.split():
        try:
            numbers = [float(number) for number in part.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 3):
            raise ValueError(
                f"noise is {text!r}; it can be auto, none, SIGMA, or GAIN,READ,OFFSET, and one of "
                "these for each channel, with spaces between."
            )
        gain, read, offset = numbers if len(numbers) == 3 else (0.0, numbers[0], 0.0)
        found.append(Noise(gain=gain, read=read, offset=offset))
    if not found:
        raise ValueError("noise is empty; it can be auto, none, SIGMA, or GAIN,READ,OFFSET.")
    return found[0] if len(found) == 1 else tuple(found)


class _Batch:
    """Upscales files one after the other and says how it goes."""

    def __init__(
        self,
        options: Options,
        *,
        compression: str | None,
        image: int | None,
        force: bool,
        quiet: bool,
    ) -> None:
        self.options, self.compression, self.image = options, compression, image
        self.force, self.quiet = force, quiet
        self.ready = False
        self.failed: list[tuple[Job, str]] = []
        # By the file: whose image it is a part of.
        self.parts: dict[Path, Job] = {}
        self.targets: dict[Path, Job] = {}

    def run(self, jobs: list[Job], *, several: bool) -> int:
        """Return the exit code."""
        for number, job in enumerate(jobs, 1):
            label = f"[{number}/{len(jobs)}] {job.source.name}" if several else job.source.name
            with self._collected(job, label, several=several):
                self._file(job, label, several=several)
        if self.failed:
            say(f"{len(self.failed)} of {len(jobs)} files failed:")
            for job, reason in self.failed:
                say(f"  {job.source}: {reason}")
        return SOME_FAILED if self.failed else 0

    @contextlib.contextmanager
    def _collected(self, job: Job, label: str, *, several: bool) -> Iterator[None]:
        """Keep what went wrong for the end, where there are other files to do."""
        try:
            yield
        except (ValueError, OSError, MemoryError) as error:
            if isinstance(error, BrokenPipeError) or not several:
                raise
            self.failed.append((job, sentence(error)))
            say(f"{label}: {sentence(error)}")

    def _file(self, job: Job, label: str, *, several: bool) -> None:
        """Upscale all images of a file, or the one that is wanted."""
        from napari_srcnn.upscaling.files import split_job

        if whole := self.parts.get(job.source.resolve()):
            self._tell(f"{label}: a part of the same image as {whole.source.name}, done with it.")
            return
        jobs = split_job(job, self.image)
        if len(jobs) > 1:
            self._tell(f"{label}: holds {len(jobs)} images; each becomes a file of its own.")
        for one in jobs:
            title = f"{label}, image {one.image + 1} of {len(jobs)}" if len(jobs) > 1 else label
            with self._collected(one, title, several=several or len(jobs) > 1):
                self._one(one, title)

    def _one(self, job: Job, label: str) -> None:
        from napari_srcnn.upscaling.files import FileRun, why_not_done

        target = job.target.resolve()
        if other := self.targets.get(target):
            raise ValueError(
                f"{other.source} and {job.source} would both be written to {job.target}; "
                "rename one of them"
            )
        self.targets[target] = job
        if job.target.exists() and not self.force:
            if reason := why_not_done(job, self.options):
                raise ValueError(
                    f"{job.target} is there already and {reason}; --force writes it again"
                )
            self._tell(f"{label}: done already, skipped ({job.target}); --force does it again.")
        else:
            # What can be wrong with the file is said before torch is loaded, which takes seconds.
            with FileRun(job, self.options, compression=self.compression) as run:
                self._prepare()
                report = self._follow(run, label)
            self._tell(summary(run, report))
        self.parts |= {file.resolve(): job for file in job.files}

    def _prepare(self) -> None:
        """Load torch and choose the device, once."""
        if self.ready:
            return
        from napari_srcnn.network.device import (
            choose_device,
            device_label,
            no_gpu_reason,
            raise_malloc_thresholds,
            set_tf32,
        )

        # This process is ours, so what holds for all of it may be set.
        raise_malloc_thresholds()
        set_tf32(self.options.tf32)
        chosen = choose_device(self.options.device)
        if not self.quiet:
            reason = no_gpu_reason() if self.options.device == "auto" else None
            say(f"Device: {device_label(chosen)}." + (f" {reason}" if reason else ""))
        self.ready = True

    def _follow(self, run: FileRun, label: str) -> Report:
        """Show the run's progress and return its report."""
        from tqdm import tqdm

        from napari_srcnn.upscaling.messages import Report

        bar = tqdm(
            desc=label,
            total=1.0,
            leave=False,
            # None: no bar where stderr is no terminal.
            disable=True if self.quiet else None,
            bar_format="{desc} {percentage:3.0f}%|{bar}|{postfix}",
        )
        with bar:
            messages = run.messages()
            for note in run.notes:
                self._note(note)
            for message in messages:
                if isinstance(message, Report):
                    return message
                left = max(message.tiles_total - message.tiles_done, 0)
                bar.n = 1 - left / message.tiles_total
                bar.set_postfix_str(
                    f"slice {min(message.slices_done + 1, message.slices_total)} of "
                    f"{message.slices_total}, {tqdm.format_interval(message.seconds_left)} left",
                    refresh=False,
                )
                # Draws only where enough time has passed.
                bar.update(0)
                if message.message:
                    self._note(message.message)
        raise RuntimeError("The run ended without a report.")

    def _tell(self, text: str) -> None:
        if not self.quiet:
            typer.echo(text)

    def _note(self, text: str) -> None:
        if not self.quiet:
            from tqdm import tqdm

            with tqdm.external_write_mode(file=sys.stderr):
                say(f"Note: {text}")


def summary(run: FileRun, report: Report) -> str:
    """Return one line about a finished file."""
    from napari_srcnn.words import format_bytes

    plan = run.plan
    ranges = "; ".join(f"{r.low:.6g}..{r.high:.6g}" for r in report.ranges[:4])
    if len(report.ranges) > 4:
        ranges += f"; … ({len(report.ranges)} channels)"
    low, high = report.window
    sizes = f"{run.stack.shape} {run.stack.dtype} → {plan.shape} {plan.dtype}"
    parts = [
        f"{run.job.source} → {run.job.target}: {sizes}, {format_bytes(plan.nbytes)}",
        f"{report.model} on {report.device}, tile {report.tile}, {report.seconds:.1f} s",
        f"range {ranges} seen as {low:g}..{high:g}",
        f"{report.clipped} values clipped",
    ]
    if report.nonfinite:
        parts.append(f"{report.nonfinite} pixels not finite")
    return "; ".join(parts) + "."
