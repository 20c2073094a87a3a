"""``napari-srcnn assess``: what a result is worth."""

from __future__ import annotations

import csv
import io
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_srcnn.cli.app import app, boundary, say

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
        from napari_srcnn.io import read_stack
        from napari_srcnn.io.atomic import write_bytes
        from napari_srcnn.microscope.degradation import Degradation

        for target in (json_file, csv_file, report):
            if target is not None and not target.absolute().parent.is_dir():
                raise ValueError(f"There is no folder {target.absolute().parent} to write to.")
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
                data_range=data_range,
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
            made = stacks[0].metadata.get("napari_srcnn")
        if json_file is not None:
            text = json.dumps({"result": result.name, "source": source.name, **found.to_dict()})
            write_bytes(json_file, text.encode())
        if csv_file is not None:
            write_bytes(csv_file, table(found).encode())
        if report is not None:
            from napari_srcnn.assess.html import page

            title = f"{result.name}, made of {source.name}"
            write_bytes(report, page(title, found, middle, provenance=made).encode())
        if not quiet:
            typer.echo(listing(found))
            for note in found.notes:
                say(f"Note: {note}")


def table(assessment: Assessment) -> str:
    """Return the figures of each plane as CSV."""
    buffer = io.StringIO()
    rows = [
        {"what": what, "plane": number, **figures}
        for what, planes in assessment.curves.items()
        for number, figures in enumerate(planes, start=1)
    ]
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def listing(assessment: Assessment) -> str:
    """Return the figures as lines, a column each for the result and bicubic."""
    from napari_srcnn.assess.html import COLUMNS
    from napari_srcnn.assess.html import say as said

    shown = [
        name for name in COLUMNS if any(getattr(row, name) is not None for row in assessment.rows)
    ]
    lines = [f"{'':24}" + "".join(f"{row.what:>14}" for row in assessment.rows)]
    for name in shown:
        figures = [said(name, getattr(row, name), assessment.unit) for row in assessment.rows]
        lines.append(f"{COLUMNS[name]:24}" + "".join(f"{figure:>14}" for figure in figures))
    if assessment.rows[0].data_range is not None:
        lines.append(f"PSNR and SSIM are for a range of {assessment.rows[0].data_range:g}.")
    if assessment.noise_text:
        lines.append(f"Noise of the source: {assessment.noise_text}.")
    return "\n".join(lines)
