"""``napari-srcnn doctor``: what a report of an error should begin with."""

from __future__ import annotations

import sys

import typer

from napari_srcnn.cli.app import app


@app.command()
def doctor() -> None:
    """Tell versions, device, folders and the last error, as text for a report; no names.

    What cannot be found out is said to be so. It holds no names of people, machines or files.
    """
    from napari_srcnn.doctor.diagnosis import lines

    for line in lines():
        try:
            typer.echo(line)
        except UnicodeEncodeError:  # a console of another alphabet
            typer.echo(line.encode("ascii", "replace").decode("ascii"))
        # Should loading torch end the program, what was found out by then is there.
        sys.stdout.flush()
