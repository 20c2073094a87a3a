"""What all commands of the command line share: the program, its errors, its words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

import napari_srcnn
from napari_srcnn.cli.commands import Commands
from napari_srcnn.words import sentence

BAD_INPUT, STOPPED = 2, 130

app = typer.Typer(
    name="napari-srcnn",
    cls=Commands,
    help="Enlarge microscopy and medical images with SRCNN, without a screen.",
    epilog="napari-srcnn COMMAND --help explains a command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@contextlib.contextmanager
def boundary() -> Iterator[None]:
    """Turn errors that a user can mend into a sentence and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        say("Stopped.")
        raise typer.Exit(STOPPED) from None
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        raise  # typer knows what to do when the reader of a pipe went away
    except (ValueError, OSError, MemoryError) as error:
        say(f"Error: {sentence(error)}")
        raise typer.Exit(BAD_INPUT) from None
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # PyTorch's, which is not imported here
            _keep(error)
            raise
        say(
            "Error: the device has not enough memory; use --device cpu, or close what else uses it."
        )
        raise typer.Exit(BAD_INPUT) from None
    except Exception as error:  # nobody foresaw it: it is kept, and shown as it is
        _keep(error)
        raise


def _keep(error: Exception) -> None:
    """Keep a mistake of ours for `napari-srcnn doctor`, and say what to do with it."""
    try:
        from napari_srcnn.faults import is_fault, keep
    except ImportError:  # the installation is what is broken
        return
    if is_fault(error):
        keep(error, "command line")
        say(
            "This is a mistake of napari-srcnn. Please report it, with what `napari-srcnn doctor` "
            "says."
        )


def say(text: str) -> None:
    """Write to stderr: stdout holds results only."""
    typer.echo(text, err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-srcnn {napari_srcnn.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
