"""``napari-srcnn models``, ``filters`` and ``convert``."""

from __future__ import annotations

import contextlib
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_srcnn.cli.app import app, boundary, say
from napari_srcnn.cli.train import target_file
from napari_srcnn.network.checkpoint import CheckpointError, save_model, write_atomically

if TYPE_CHECKING:
    from napari_srcnn.models.card import ModelInfo

# ---------------------------------------------------------------- models


@app.command()
def models(
    model: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Tell all about this one: a name or a file."),
    ] = None,
    rename: Annotated[
        tuple[str, str] | None,
        typer.Option("--rename", metavar="OLD NEW", help="Give one of your own another name."),
    ] = None,
    delete: Annotated[
        str | None, typer.Option("--delete", metavar="NAME", help="Delete one of your own.")
    ] = None,
    export: Annotated[
        tuple[str, Path] | None,
        typer.Option(
            "--export",
            metavar="NAME FILE",
            help="Write a model to a file: .safetensors, .onnx or .bioimage.io.zip.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--import",
            metavar="FILE",
            help="Take such a file, or a bioimage.io package of an SRCNN, to your own.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="For --import. Default: the file's name."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", "-f", help="For --import and --export: replace what is there."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON.")] = False,
) -> None:
    """List the models: the bundled ones, then your own; or tell about one, or put yours in order.

    One thing at a time: NAME, --rename, --delete, --export or --import.
    """
    with boundary():
        asked = (model, rename, delete, export, source)
        if sum(one is not None for one in asked) > 1:
            raise ValueError("One of NAME, --rename, --delete, --export and --import is possible.")
        if name is not None and source is None:
            raise ValueError("--name goes with --import; --rename OLD NEW renames a model.")
        if force and source is None and export is None:
            raise ValueError("--force goes with --import or --export only.")
        if as_json and (rename or export or delete is not None or source is not None):
            raise ValueError("--json goes with the list or with a NAME only.")
        if model is not None:
            _show_model(model, as_json=as_json)
        elif not any(one is not None for one in asked):
            _list_models(as_json=as_json)
        else:
            typer.echo(_put_in_order(rename, delete, export, source, name, force=force))


def _put_in_order(
    rename: tuple[str, str] | None,
    delete: str | None,
    export: tuple[str, Path] | None,
    source: Path | None,
    name: str | None,
    *,
    force: bool,
) -> str:
    """Do the one thing that was asked for, and say what was done."""
    from napari_srcnn.models.manage import delete_model, export_model, import_model, rename_model

    if rename is not None:
        return f"{rename[0]} → {rename[1]}: {rename_model(*rename).path}"
    if delete is not None:
        delete_model(delete)
        return f"{delete} was deleted."
    if export is not None:
        return f"{export[0]} → {export_model(*export, force=force)}"
    if source is None:
        raise ValueError("One of NAME, --rename, --delete, --export and --import is needed.")
    from napari_srcnn.models.card import origin_lines
    from napari_srcnn.models.library import model_info

    # Before it is taken, and beside the result: whose it is, and what is known of it.
    with contextlib.suppress(CheckpointError):  # import_model says why
        for line in origin_lines(model_info(source)):
            say(line)
    info = import_model(source, name, force=force)
    return f"{source} → {info.name}: {info.path}"


def _show_model(name: str, *, as_json: bool) -> None:
    from napari_srcnn.models.card import card_lines, origin_lines
    from napari_srcnn.models.library import model_info

    info = model_info(name)
    if as_json:
        typer.echo(_json(_row(info) | {"card": info.card.to_dict()}))
        return
    lines = card_lines(info)
    known = {line.partition(":")[0] for line in lines}
    known |= {"Training data"} if "Data" in known else set()
    # The same words as before an import, but for what stands in the card's own.
    rest = [line for line in origin_lines(info) if line.partition(":")[0] not in known]
    for line in (*lines, *rest, f"File: {info.path}"):
        typer.echo(line)


def _list_models(*, as_json: bool) -> None:
    from napari_srcnn.models.paths import user_model_dir

    rows = model_rows()
    if as_json:
        typer.echo(_json(rows))
        return
    typer.echo(_table(rows))
    typer.echo(f"\nPSNR in dB on Y. Your own models (.safetensors) go to {user_model_dir()}")


def _json(value: Any) -> str:
    """Return JSON that can be written whatever a card holds: half a character too."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def model_rows() -> list[dict[str, Any]]:
    """Return what is known of every model; of an unusable file, why."""
    from napari_srcnn.models.library import list_models, model_info
    from napari_srcnn.network.checkpoint import CheckpointError

    rows: list[dict[str, Any]] = []
    for name in list_models():
        try:
            rows.append(_row(model_info(name)))
        except CheckpointError as error:
            rows.append({"name": name, "error": str(error)})
    return rows


def _row(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "scale": info.config.scale,
        "channels": info.config.channels,
        "kernels": info.config.kernel_name,
        "widths": list(info.config.widths),
        "parameters": info.config.parameters,
        "psnr": dict(info.card.psnr),
        "license": info.card.license or None,
        "origin": "bundled" if info.bundled else "own",
        "description": info.description,
        "sha256": info.sha256,
        "path": str(info.path),
    }


def _table(rows: list[dict[str, Any]]) -> str:
    from napari_srcnn.models.card import plain

    head = ("name", "scale", "channels", "parameters", "Set5", "Set14", "licence", "origin")
    lines = [head]
    broken = []
    for row in rows:
        if "error" in row:
            broken.append(f"{row['name']} cannot be used: {row['error']}")
            continue
        psnr = row["psnr"] if isinstance(row["psnr"], dict) else {}
        figures = (psnr.get(name) for name in ("Set5", "Set14"))
        lines.append(
            (
                row["name"],
                f"×{row['scale']}",
                str(row["channels"]),
                f"{row['parameters']:,}",
                *(f"{x:.2f}" if isinstance(x, int | float) else "–" for x in figures),
                plain(row["license"], longest=28) or "–",
                row["origin"],
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    right = {"scale", "channels", "parameters", "Set5", "Set14"}
    text = [
        "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(head, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*text, *(["", *broken] if broken else [])])


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
