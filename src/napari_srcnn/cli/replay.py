"""``napari-srcnn replay``: a result made again as its record tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_srcnn.cli.app import app, boundary, say

DIFFERENT = 1


@app.command()
def replay(
    record: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="A result of `upscale`, or the sidecar beside it."),
    ],
    out: Annotated[
        Path | None,
        typer.Argument(metavar="[OUT]", help="An OME-TIFF to write. Default: nothing is written."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            help="What it was made of, or its folder. Default: looked for beside RESULT and here."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A file. Default: the one of the record's hash."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto (as it was, where it is here), cpu, cuda, cuda:1, mps.")
    ] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Make a result again with the options of its record, and compare the pixels' hashes.

    Says whether the same bytes came out, and if not, what is otherwise than it was: the versions,
    the model, the image, the device.

    Exit codes: 0 the same; 1 not the same; 2 wrong input.
    """
    code = 0
    with boundary():
        if not record.exists():
            raise ValueError(f"There is no file or folder {record}; check its name.")
        from tqdm import tqdm

        from napari_srcnn.upscaling.replay import Replay, Replayed

        made = Replay(record, source=source, model=model, device=device)
        found: Replayed | None = None
        bar = tqdm(desc=record.name, unit="tile", leave=False, disable=True if quiet else None)
        with bar:
            for message in made.messages(out):
                if isinstance(message, Replayed):
                    found = message
                else:
                    bar.total = message.tiles_total
                    bar.update()
        if found is None:
            raise RuntimeError("The replay ended without a verdict.")
        if found.is_same:
            if not quiet:
                typer.echo(f"{record}: the same bytes (sha256 {made.expected.sha256}).")
        else:
            code = DIFFERENT
            what = "not the same bytes" if found.pixels is not None else "was not made again"
            say(f"{record}: {what}.")
            for text in found.differences or ("Nothing that is known differs.",):
                say(text)
    raise typer.Exit(code)
