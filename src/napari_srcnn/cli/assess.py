"""``napari-srcnn assess``: what a result is worth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_srcnn.cli.app import app, boundary, say
from napari_srcnn.cli.upscale import parse_noise

if TYPE_CHECKING:
    from napari_srcnn.assess.assessment import Assessed, Assessment


class Sampling(StrEnum):
    """What a pixel of the source is."""

    area = "area"
    point = "point"
    bicubic = "bicubic"


@app.command()
def assess(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="An enlarged image.")],
    source: Annotated[Path, typer.Option("--source", help="What it was made of.")],
    reference: Annotated[
        Path | None,
        typer.Option("--reference", help="The same place, recorded at high resolution."),
    ] = None,
    align: Annotated[
        bool,
        typer.Option("--align", help="Lay a reference that is shifted over the result first."),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the figures of each plane.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="Write a page with pictures."),
    ] = None,
    blur: Annotated[
        float, typer.Option(help="Sigma of the microscope's blur, in pixels of the result.")
    ] = 0.0,
    sampling: Annotated[
        Sampling, typer.Option(help="What a pixel of the source is: its area, or a point.")
    ] = Sampling.area,
    noise: Annotated[
        str,
        typer.Option(
            metavar="NOISE",
            help="Of the source: auto (measured), none, SIGMA in its units, or GAIN,READ,OFFSET; "
            "or one of these for each channel, with spaces.",
        ),
    ] = "auto",
    data_range: Annotated[
        float | None,
        typer.Option("--range", help="Of PSNR and SSIM. Default: the reference's own."),
    ] = None,
    axes: Annotated[
        str | None, typer.Option(help="What the axes are, where the files do not say it right.")
    ] = None,
    image: Annotated[
        int, typer.Option(metavar="N", help="Which image of the source's file, from 1.")
    ] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Hold an enlarged image against its source, and a reference if there is one; bicubic beside.

    Made small again as the microscope would, a true result is its source to within the noise: RSE
    and RSP say how nearly, "beyond 3 sigma" where it is not. Whoever made the result.

    Exit codes: 0 done; 2 wrong input.
    """
    with boundary():
        from contextlib import ExitStack

        from tqdm import tqdm

        from napari_srcnn.assess.assessment import Assessment
        from napari_srcnn.assess.assessment import assess as run
        from napari_srcnn.assess.html import page, record_of
        from napari_srcnn.assess.tables import as_csv, as_json, listing
        from napari_srcnn.io import read_stack
        from napari_srcnn.io.atomic import write_bytes
        from napari_srcnn.io.room import check_folders
        from napari_srcnn.microscope.degradation import Degradation

        inputs = [path for path in (result, source, reference) if path is not None]
        targets = [path for path in (json_file, csv_file, report) if path is not None]
        check_folders(targets, inputs)
        told = parse_noise(noise)
        with ExitStack() as files:
            stacks = [
                files.enter_context(read_stack(path, series=number))
                for path, number in (
                    (result, 0),
                    (source, image - 1),
                    *([] if reference is None else [(reference, 0)]),
                )
            ]
            if axes is not None:
                stacks = [stack.with_axes(axes) for stack in stacks]
            messages = run(
                stacks[0],
                stacks[1],
                stacks[2] if len(stacks) > 2 else None,
                degradation=Degradation(sigma=blur, sampling=sampling.value),
                noise=told,
                data_range=data_range,
                align=align,
            )
            middle: Assessed | None = None
            found: Assessment | None = None
            with tqdm(
                desc=result.name, unit="plane", leave=False, disable=True if quiet else None
            ) as bar:
                for message in messages:
                    if isinstance(message, Assessment):
                        found = message
                    else:
                        bar.total = message.planes_total
                        bar.update()
                        middle = message if message.is_middle else middle
            assert found is not None
            assert middle is not None
            made = record_of(stacks[0])
            # All of it before the first is written.
            texts = {}
            if json_file is not None:
                texts[json_file] = as_json(found, result=result.name, source=source.name)
            if csv_file is not None:
                texts[csv_file] = as_csv(found)
            if report is not None:
                title = f"{result.name}, made of {source.name}"
                texts[report] = page(title, found, middle, provenance=made)
        for target, text in texts.items():
            write_bytes(target, text.encode())
        if not quiet:
            typer.echo(listing(found))
            for note in found.notes:
                say(f"Note: {note}")
            if found.shift is not None:
                say("Note: --align lays the reference over the result before it is compared.")
