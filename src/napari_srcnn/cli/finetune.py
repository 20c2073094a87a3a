"""The command line's fine-tuning: the widget's job without a screen."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_srcnn.cli.app import STOPPED, app, boundary, say
from napari_srcnn.cli.train import Loss, parse_numbers

if TYPE_CHECKING:
    from napari_srcnn.microscope.degradation import Degradation
    from napari_srcnn.microscope.noise import Noise
    from napari_srcnn.training.finetune import FinetuneRun, Prepared
    from napari_srcnn.training.loop import TrainMessage
    from napari_srcnn.training.options import FinetuneOptions

NOTHING_GAINED = 3


class Sampling(StrEnum):
    """How low-res pixels come about."""

    area = "area"
    bicubic = "bicubic"
    point = "point"


@app.command()
def finetune(
    name: Annotated[str, typer.Option("--name", "-n", help="A name for `upscale --model`.")],
    high: Annotated[
        Path | None, typer.Option(help="High-res images: a TIFF, or a folder of them.")
    ] = None,
    low: Annotated[
        Path | None,
        typer.Option(help="Low-res images of the same fields. Default: made of the high-res ones."),
    ] = None,
    scale: Annotated[int, typer.Option("--scale", "-s", help="2, 3 or 4.")] = 2,
    start: Annotated[str, typer.Option("--from", help="A model to begin from, or `scratch`.")] = "",
    minutes: Annotated[float | None, typer.Option(help="Default: 5.")] = None,
    steps: Annotated[int | None, typer.Option(help="Batches, instead of minutes.")] = None,
    preset: Annotated[str, typer.Option(help="Kernel sizes of a network from scratch.")] = "9-1-5",
    blur: Annotated[
        float, typer.Option(help="Gaussian blur of low-res images, in high-res pixels.")
    ] = 0.0,
    sampling: Annotated[
        Sampling,
        typer.Option(help="area: a camera's larger pixels. point: a scanner. bicubic: as papers."),
    ] = Sampling.area,
    gain: Annotated[float, typer.Option(help="Intensity of a photon; 0: no shot noise.")] = 0.0,
    read_noise: Annotated[float, typer.Option(help="Standard deviation, in intensities.")] = 0.0,
    offset: Annotated[
        float | None,
        typer.Option(help="The camera's intensity without light. Default: 0, or estimated."),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="A low-res TIFF: blur and noise are estimated so that they fit it."),
    ] = None,
    estimate_noise: Annotated[
        bool, typer.Option("--estimate-noise", help="Estimate gain, read noise and offset.")
    ] = False,
    shift: Annotated[
        bool, typer.Option("--shift/--no-shift", help="Correct the shift within pairs.")
    ] = True,
    recorrupt: Annotated[
        bool | None,
        typer.Option(
            "--recorrupt/--no-recorrupt",
            help="Learn from noisy images without partners by recorruption. Default: above 1 % of "
            "noise.",
        ),
    ] = None,
    loss: Annotated[Loss, typer.Option()] = Loss.mse,
    rate: Annotated[float | None, typer.Option(help="The highest learning rate.")] = None,
    batch: Annotated[int, typer.Option(help="Crops a step.")] = 16,
    crop: Annotated[int, typer.Option(help="Pixels a side of a crop's result.")] = 48,
    turn: Annotated[
        bool, typer.Option("--turn/--no-turn", help="Also learn from turned and mirrored crops.")
    ] = True,
    vary: Annotated[
        bool, typer.Option("--vary", help="Also learn from brighter and darker crops.")
    ] = False,
    patience: Annotated[
        int | None, typer.Option(help="End after so many measurements without a better one.")
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace what is there; keep what is no better.")
    ] = False,
) -> None:
    """Fine-tune a network on your own images; afterwards `upscale --model NAME` finds it.

    A part of the images is held out and measured on: by bicubic, by the model it began from, by
    the new one. Ctrl-C ends it; --resume goes on. A network that is no better than those is not
    kept unless --force is given (exit code 3).
    """
    with boundary():
        from napari_srcnn.microscope.noise import Noise
        from napari_srcnn.training.field import as_planes
        from napari_srcnn.training.finetune import FinetuneRun
        from napari_srcnn.training.options import FinetuneOptions
        from napari_srcnn.training.runs import read_options
        from napari_srcnn.training.sources import reopened, sources_from_paths

        _check_target(name, force=force)
        is_noise_given = bool(gain or read_noise) or offset is not None
        if resume:
            value = read_options(name)
            if minutes is not None or steps is not None or recorrupt is not None:
                raise ValueError(
                    "A resumed run keeps its settings; leave --minutes, --steps and --recorrupt "
                    "out, or begin anew."
                )
            sources = (
                reopened(value)
                if high is None
                else sources_from_paths(high, low, axes=value["axes"], boxes=value["boxes"])
            )
            options = FinetuneOptions.from_dict(name, value, sources)
        else:
            if high is None:
                raise ValueError("--high is missing; give a TIFF or a folder of them.")
            if low is not None and (is_noise_given or blur or like or estimate_noise):
                raise ValueError(
                    "With --low nothing is degraded; leave blur, noise and --like out."
                )
            if like is not None and (is_noise_given or blur or estimate_noise):
                raise ValueError("--like estimates blur and noise; leave those out.")
            if estimate_noise and (gain or read_noise):
                raise ValueError("--estimate-noise finds gain and read noise; leave those out.")
            config = _config(
                minutes=minutes,
                steps=steps,
                loss=loss.value,
                rate=rate,
                batch=batch,
                crop=crop,
                patience=patience,
                seed=seed,
                gain=(0.5, 1.1) if vary else None,
            )
            sources = sources_from_paths(high, low)
            options = FinetuneOptions(
                sources=sources,
                scale=scale,
                name=name,
                start=start,
                kernels=parse_numbers(preset, 3, "preset"),
                degradation=_degradation(
                    as_planes(sources[0].high, sources[0].axes),
                    scale,
                    like,
                    estimate=estimate_noise,
                    sigma=blur,
                    sampling=sampling.value,
                    noise=Noise(gain=gain, read=read_noise, offset=offset or 0.0),
                    offset=offset,
                ),
                correct_shift=shift,
                turn=turn,
                recorrupt=recorrupt,
                config=config,
                device=device,
            )
        job = FinetuneRun(options, resume=resume, anew=force and not resume)
        code = _follow(job, force=force)
    raise typer.Exit(code)


def _check_target(name: str, *, force: bool) -> None:
    from napari_srcnn.cli.train import target_file
    from napari_srcnn.models.library import is_path

    if is_path(name):
        raise ValueError(f"{name!r} is a path; a plain name is needed.")
    target_file(name, force=force)


def _config(*, minutes: float | None, steps: int | None, rate: float | None, **rest: Any) -> Any:
    from napari_srcnn.training.options import RECIPE

    if steps is not None and minutes is not None:
        raise ValueError("Give --steps or --minutes, not both.")
    if steps is not None:
        rest |= {"steps": steps, "minutes": None}
    elif minutes is not None:
        rest["minutes"] = minutes
    if rate is not None:
        rest["learning_rate"] = rate
    return dataclasses.replace(RECIPE, **rest)


def _degradation(
    high: Any,
    scale: int,
    like: Path | None,
    *,
    estimate: bool,
    sigma: float,
    sampling: Any,
    noise: Noise,
    offset: float | None,
) -> Degradation:
    """Return what was given, or what was estimated."""
    from napari_srcnn.io import read_stack
    from napari_srcnn.microscope.blur import estimate_degradation
    from napari_srcnn.microscope.degradation import Degradation
    from napari_srcnn.microscope.noise_estimate import estimate_noise
    from napari_srcnn.training.field import as_planes

    if like is not None:
        with read_stack(like) as stack:
            example = as_planes(stack.data, stack.axes)
            found = estimate_degradation(high, example, scale, sampling=sampling)
        say(f"Estimated: {found}.")
        return found
    if estimate:
        known = estimate_noise(high, offset=offset)
        found = Degradation(sigma=sigma, sampling=sampling, noise=known)
        say(f"Estimated: {found}.")
        return found
    return Degradation(sigma=sigma, sampling=sampling, noise=noise)


def _follow(job: FinetuneRun, *, force: bool) -> int:
    """Train until it is over or stopped, and return the exit code."""
    from tqdm import tqdm

    from napari_srcnn.training.finetune import Prepared, Trained
    from napari_srcnn.training.runs import forget, state_path

    options: FinetuneOptions = job.options
    shown = ""
    try:
        with contextlib.closing(job.run()) as run:
            prepared = next(run)
            assert isinstance(prepared, Prepared)
            for text in (prepared.summary, *prepared.notes, _standing(job, prepared)):
                say(text)
            bar = tqdm(total=1.0, leave=False, bar_format="{percentage:3.0f}%|{bar}| {postfix}")
            with bar:
                for message in run:
                    assert isinstance(message, Trained)
                    told = message.message
                    if told.note:
                        bar.write(f"Note: {told.note}", file=sys.stderr)
                    if told.measured:
                        shown = _line(told)
                    bar.n = told.seconds / (told.seconds + told.seconds_left)
                    bar.set_postfix_str(
                        f"{shown}{tqdm.format_interval(told.seconds_left)} left", refresh=False
                    )
                    bar.update(0)
    except KeyboardInterrupt:
        can = state_path(options.name).is_file()
        goes_on = f"`finetune --name {options.name} --resume` goes on."
        say(f"Stopped. {goes_on if can else 'Nothing was measured yet, so nothing is kept.'}")
        return STOPPED
    outcome = job.outcome()
    typer.echo(outcome.sentence)
    if not outcome.is_better and not force:
        say("It was not kept; --force keeps it.")
        forget(options.name)
        return NOTHING_GAINED
    typer.echo(f"{job.save(outcome, force=force)}: `upscale --model {options.name}` uses it.")
    return 0


def _standing(job: FinetuneRun, prepared: Prepared) -> str:
    start = "" if job.start is None else f", {prepared.start_name} {prepared.start:.2f} dB"
    return f"On {prepared.device}. Held out: bicubic {prepared.bicubic:.2f} dB{start}."


def _line(message: TrainMessage) -> str:
    over = message.psnr - message.bicubic_psnr
    return f"step {message.step}, loss {message.loss:.3g}, {over:+.2f} dB over bicubic, "
