"""The command line of those who make models: train, convert, measure them, look into them."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_srcnn.cli.app import STOPPED, app, boundary, say
from napari_srcnn.network.checkpoint import SUFFIX, save_model
from napari_srcnn.network.config import PRESETS

if TYPE_CHECKING:
    from napari_srcnn.training.loop import TrainMessage
    from napari_srcnn.training.state import TrainConfig


def target_file(target: str, *, force: bool) -> Path:
    """Return the file of a new model: a path, or a name in the user's folder.

    Raises
    ------
    ValueError
        If the name cannot be a model's, or is taken.
    """
    from napari_srcnn.models.library import is_path
    from napari_srcnn.models.manage import check_name
    from napari_srcnn.models.paths import user_model_dir

    if is_path(target):
        path = Path(target)
        if path.suffix.lower() != SUFFIX:
            raise ValueError(f"{target} has no suffix {SUFFIX}; give it one, or a plain name.")
    else:
        path = user_model_dir() / f"{check_name(target)}{SUFFIX}"
    if path.exists() and not force:
        raise ValueError(f"{path} is there already; --force replaces it.")
    return path


# ---------------------------------------------------------------- train


class Loss(StrEnum):
    """What is made small."""

    mse = "mse"
    l1 = "l1"
    charbonnier = "charbonnier"


class Recipe(StrEnum):
    """How crops are drawn."""

    modern = "modern"
    paper = "paper"


@app.command()
def train(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA", help="Folders of photographs; each is drawn as often."),
    ],
    name: Annotated[
        str, typer.Option("--name", "-n", help="A name for `--model`, or a file.safetensors.")
    ],
    preset: Annotated[
        str, typer.Option(help=f"Kernel sizes: {', '.join(PRESETS)}, or others.")
    ] = "9-5-5",
    scale: Annotated[int, typer.Option("--scale", "-s", help="2, 3 or 4.")] = 2,
    rgb: Annotated[bool, typer.Option("--rgb", help="R, G and B together instead of Y.")] = False,
    widths: Annotated[str, typer.Option(help="Filters of the first two layers.")] = "64-32",
    start: Annotated[
        str | None, typer.Option("--from", help="A model to begin from: a name or a file.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Batches. Default: 20000.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Instead of steps; with both, what ends first.")
    ] = None,
    recipe: Annotated[
        Recipe,
        typer.Option(
            help="modern: random crops, turned, mirrored, at several sizes and gains. paper: "
            "sub-images of 33 pixels at a stride of 14, as they are."
        ),
    ] = Recipe.modern,
    loss: Annotated[Loss, typer.Option()] = Loss.mse,
    rate: Annotated[float, typer.Option(help="The highest learning rate.")] = 1e-3,
    batch: Annotated[int, typer.Option(help="Crops a step.")] = 16,
    crop: Annotated[int, typer.Option(help="Pixels a side of a crop's result.")] = 48,
    every: Annotated[int, typer.Option(help="Steps between measurements and checkpoints.")] = 500,
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what is there.")] = False,
) -> None:
    """Train a network on photographs: low-res ones are made of them by MATLAB's bicubic.

    Every tenth image is held out to measure on, and the weights that were best there are kept.
    Ctrl-C ends it and keeps them; the run can be resumed.
    """
    with boundary():
        from napari_srcnn.network.config import SRCNNConfig
        from napari_srcnn.training.state import TrainConfig

        path = target_file(name, force=force or resume)
        network = SRCNNConfig(
            kernels=parse_numbers(preset, 3, "preset"),
            widths=parse_numbers(widths, 2, "widths"),
            channels=3 if rgb else 1,
            scale=scale,
        )
        if recipe is Recipe.paper:
            crop = 33 - 2 * network.halo
        config = TrainConfig(
            steps=steps if steps is not None else (20_000 if minutes is None else 10**9),
            minutes=minutes,
            batch=batch,
            crop=crop,
            learning_rate=rate,
            loss=loss.value,
            validate_every=every,
            seed=seed,
            gain=None if recipe is Recipe.paper else (0.25, 1.1),
            stride=14 if recipe is Recipe.paper else None,
        )
        code = _train(data, path, network, config, start, device, resume=resume)
    raise typer.Exit(code)


def parse_numbers(text: str, count: int, what: str) -> tuple[Any, ...]:
    """Return the numbers of ``"9-5-5"``.

    Raises
    ------
    ValueError
        If there are not `count` of them.
    """
    try:
        numbers = tuple(int(part) for part in text.split("-"))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        example = "9-5-5" if count == 3 else "64-32"
        raise ValueError(f"{what} is {text!r}; {count} numbers are needed, as {example}.")
    return numbers


def _train(
    folders: list[Path],
    path: Path,
    network: Any,
    config: TrainConfig,
    start: str | None,
    device: str,
    *,
    resume: bool,
) -> int:
    """Train until it is over or stopped, and return the exit code."""
    from tqdm import tqdm

    from napari_srcnn.models.library import load_model
    from napari_srcnn.models.runs import RunFiles
    from napari_srcnn.network.device import choose_device, device_label, raise_malloc_thresholds
    from napari_srcnn.training.loop import train as run_training
    from napari_srcnn.training.photographs import photograph_pairs

    raise_malloc_thresholds()
    chosen = choose_device(device)
    say(f"Device: {device_label(chosen)}.")
    begin = None
    if start is not None:
        begin = load_model(start)
        for what in ("kernels", "widths", "channels", "skip"):
            theirs, ours = getattr(begin.config, what), getattr(network, what)
            if theirs != ours:
                raise ValueError(f"{start} has {what} {theirs}, but {ours} is to be trained.")
    files = RunFiles(path)
    files.check_not_running()
    state = files.state
    if state.exists() and not resume:
        raise ValueError(
            f"{state} is left from a run that was stopped; --resume goes on with it, or delete it."
        )
    if resume and not state.exists():
        raise ValueError(f"There is no {state} to resume.")
    groups, held, summary = photograph_pairs(folders, network, plain=config.stride is not None)
    say(summary)
    card: dict[str, Any] = {
        "description": "Trained by its owner",
        "license": "not stated",
        "data": summary,
        "recipe": {**dataclasses.asdict(config), "started_from": start},
        "windows": {"photograph": [0.0, 1.0], "microscope": [0.2, 0.6]},
    }
    best: TrainMessage | None = None
    bar = tqdm(total=1.0, leave=False, bar_format="{percentage:3.0f}%|{bar}| {postfix}")
    run = run_training(config, network, groups, held, device=chosen, start=begin, state_path=state)
    try:
        with files.running(), bar:
            for message, model in run:
                bar.n = message.seconds / (message.seconds + message.seconds_left)
                bar.set_postfix_str(_line(message), refresh=True)
                if message.note:
                    bar.write(f"Note: {message.note}")
                if message.best:
                    best = message
                    card["steps_done"], card["seconds"] = message.step, round(message.seconds)
                    card["holdout"] = {
                        "psnr": round(message.psnr, 3),
                        "bicubic": round(message.bicubic_psnr, 3),
                    }
                    save_model(path, model, card)
    except KeyboardInterrupt:
        kept = f"the best weights are in {path}" if path.exists() else "nothing was measured yet"
        say(f"Stopped; {kept}. --resume goes on.")
        return STOPPED
    files.forget()
    if best is None:
        say(f"Nothing better was found; {path} is as it was.")
        return 0
    typer.echo(f"{path}: {_line(best)}.")
    if best.psnr <= best.bicubic_psnr:
        say("This is no better than bicubic: train longer, or on more images.")
    return 0


def _line(message: TrainMessage) -> str:
    """Return a measurement in a line."""
    minutes, seconds = divmod(round(message.seconds_left), 60)
    over = message.psnr - message.bicubic_psnr
    return (
        f"step {message.step}, loss {message.loss:.3g}, {message.psnr:.2f} dB, {over:+.2f} dB over "
        f"bicubic on images held out, {message.megapixels_per_second:.2f} Mpx/s, "
        f"{minutes}:{seconds:02d} left"
    )
