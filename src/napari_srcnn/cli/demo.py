"""``napari-srcnn demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_srcnn.cli.app import app, boundary


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = Path("demo"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    show: Annotated[
        bool | None,
        typer.Option(
            "--show/--no-show", help="Leave napari open at the end. Default: where a screen is."
        ),
    ] = None,
) -> None:
    """Enlarge a bundled 16-bit stack, draw it beside bicubic, and look at it in napari."""
    with boundary():
        from napari_srcnn.cli.showcase import run_demo, show_in_napari
        from napari_srcnn.words import format_bytes

        made = run_demo(out, device=device)
        report = made.report
        shape = " × ".join(str(n) for n in report.result.shape)
        typer.echo(
            f"Enlarged stack:  {made.stack} ({shape} {report.result.dtype}, "
            f"{format_bytes(report.result.nbytes)})"
        )
        typer.echo(f"Side by side:    {made.picture}")
        screenshot = show_in_napari(out / "napari.png", stay=show)
        typer.echo(f"napari:          {screenshot}")
        typer.echo(
            f"Upscaling took {report.seconds:.1f} s with {report.model} on {report.device}; "
            f"with the pictures and loading it was {made.seconds:.1f} s."
        )
        typer.echo(
            "Made smaller by 2 first, so that the truth is known, the same stack comes back "
            f"{made.gain:+.2f} dB closer to it than by bicubic."
        )
