"""``napari-srcnn benchmark``: PSNR and SSIM by the literature's protocol."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_srcnn.cli.app import app, boundary, say
from napari_srcnn.network.checkpoint import write_atomically

if TYPE_CHECKING:
    from napari_srcnn.assess.reference import Score


# ---------------------------------------------------------------- benchmark


class Protocol(StrEnum):
    """What is compared."""

    y = "y"
    rgb = "rgb"


@app.command()
def benchmark(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER", help="Folders of 8-bit photographs.")
    ],
    chosen: Annotated[
        list[str] | None,
        typer.Option("--model", "--models", "-m", help="A name or a file; may be repeated."),
    ] = None,
    scale: Annotated[int | None, typer.Option("--scale", "-s", help="2, 3 or 4 only.")] = None,
    protocol: Annotated[
        Protocol, typer.Option(help="PSNR on Y, as the papers, or on R, G and B.")
    ] = Protocol.y,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average eight views, as `upscale --ensemble`.")
    ] = False,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write every image's figures.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--plot", metavar="OUT", help="Draw PSNR against time.")
    ] = None,
) -> None:
    """Measure models on photographs beside bicubic and the published figures.

    Each image is made smaller by MATLAB's bicubic and enlarged again; PSNR and SSIM (MATLAB's
    window) of 8-bit values, `scale` pixels of the border left out.
    """
    with boundary():
        from napari_srcnn.assess.report import plot, table
        from napari_srcnn.network.device import choose_device, device_label, raise_malloc_thresholds

        raise_malloc_thresholds()
        say(f"Device: {device_label(choose_device(device))}.")
        everything = {}
        for name, folder in _named(folders).items():
            scores = _benchmark_folder(folder, chosen, scale, protocol.value, device, ensemble)
            everything[name] = scores
            typer.echo(f"\n{name}, {protocol.upper()}")
            typer.echo(table(scores, name, protocol.value))
        if as_json is not None:
            rows = {k: [dataclasses.asdict(s) for s in v] for k, v in everything.items()}
            write_atomically(as_json, json.dumps(rows, indent=1).encode())
        if picture is not None:
            plot(everything, picture, protocol.value)


def _named(folders: list[Path]) -> dict[str, Path]:
    """Return the folders by their names, or by their paths where two have one name."""
    different = dict.fromkeys(folders)
    names = [folder.name for folder in different]
    return {
        folder.name if names.count(folder.name) == 1 else str(folder): folder
        for folder in different
    }


def _benchmark_folder(
    folder: Path,
    chosen: list[str] | None,
    scale: int | None,
    protocol: Literal["y", "rgb"],
    device: str,
    ensemble: bool,
) -> list[Score]:
    """Measure the chosen models, or all bundled ones of the protocol's channels."""
    from tqdm import tqdm

    from napari_srcnn.assess.reference import evaluate
    from napari_srcnn.models.library import usable_models
    from napari_srcnn.training.photographs import find_images

    names = chosen
    if not names:
        channels = 1 if protocol == "y" else 3
        names = [i.name for i in usable_models() if i.bundled and i.config.channels == channels]
    scores = evaluate(
        find_images(folder),
        names,
        scale=scale,
        protocol=protocol,
        device=device,
        ensemble=ensemble,
    )
    return list(tqdm(scores, desc=folder.name, unit=" measured", leave=False, disable=None))
