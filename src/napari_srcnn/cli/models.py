"""``napari-srcnn filters`` and ``convert``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_srcnn.cli.app import app, boundary
from napari_srcnn.cli.train import target_file
from napari_srcnn.network.checkpoint import save_model, write_atomically

# ---------------------------------------------------------------- filters


@app.command()
def filters(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name or a file.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A PNG or TIFF to write.")],
    zoom: Annotated[int, typer.Option(help="Pixels a side of each weight.")] = 8,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what is there.")] = False,
) -> None:
    """Draw the first layer's filters, sorted by their strength, as the paper's figure 5 does."""
    with boundary():
        import io

        from PIL import Image

        from napari_srcnn.models.library import load_model
        from napari_srcnn.network.filters import filter_mosaic

        if output.suffix.lower() not in (".png", ".tif", ".tiff"):
            raise ValueError(f"{output} ends in {output.suffix!r}; .png or .tif is needed.")
        if output.exists() and not force:
            raise ValueError(f"{output} is there already; --force replaces it.")
        if zoom < 1:
            raise ValueError(f"zoom is {zoom}; at least 1 is needed.")
        data = io.BytesIO()
        kind = "PNG" if output.suffix.lower() == ".png" else "TIFF"
        Image.fromarray(filter_mosaic(load_model(model), zoom=zoom)).save(data, format=kind)
        write_atomically(output, data.getvalue())
        typer.echo(f"{output}: the first layer's filters of {model}.")


# ---------------------------------------------------------------- convert


class Padding(StrEnum):
    """What lies beyond the border of an image."""

    valid = "valid"
    zeros = "zeros"


class Order(StrEnum):
    """The order of a colour network's channels."""

    rgb = "rgb"
    bgr = "bgr"


@app.command()
def convert(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="A published SRCNN: .mat, .pt, .pth, .ckpt, .bin."),
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="OUT", help="A name for `--model`, or a file.safetensors."),
    ],
    scale: Annotated[
        int | None, typer.Option("--scale", "-s", help="2, 3 or 4. Default: as its name says, x3.")
    ] = None,
    padding: Annotated[
        Padding | None,
        typer.Option(help="Beyond the border: repeat it (valid), or zeros. Default: the layout's."),
    ] = None,
    a: Annotated[
        float | None,
        typer.Option("--a", help="Of its bicubic: -0.5 (MATLAB, Pillow) or -0.75 (torch, OpenCV)."),
    ] = None,
    skip: Annotated[
        bool, typer.Option("--skip", help="The network's output is added to the enlarged image.")
    ] = False,
    order: Annotated[Order, typer.Option(help="Colours that it was trained on.")] = Order.rgb,
    value_range: Annotated[
        float, typer.Option("--range", help="What white was in its training: 1 or 255.")
    ] = 1.0,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what is there.")] = False,
) -> None:
    """Make a model of a published SRCNN checkpoint; no code in it is run.

    Kernel sizes, widths and channels are read off the weights. What the file cannot say is taken
    from its layout, printed, and can be given by the options.
    """
    with boundary():
        from napari_srcnn.network.published import read_published

        path = target_file(target, force=force)
        published = read_published(
            source,
            scale=scale,
            padding=None if padding is None else padding.value,
            a=a,
            skip=skip,
            order=order.value,
            value_range=value_range,
        )
        save_model(path, published.model(), published.card(source))
        typer.echo(f"{source} → {path}")
        typer.echo(published.sentence)
