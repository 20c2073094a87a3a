"""The command line as its users run it: in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

TORCH = "(torch was loaded)"
# What others' modules warn of while they are imported is theirs; later warnings end the command.
PROGRAM = f"""
import atexit, sys, warnings
atexit.register(lambda: "torch" in sys.modules and print({TORCH!r}, file=sys.stderr))
if {{"upscale", "models"}} & set(sys.argv[1:2]):
    import numpy, tifffile, napari_srcnn.upscaling.files
    warnings.simplefilter("error", append=False)
from napari_srcnn.cli import main
main()
"""


posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    torch: bool


def start(*arguments: object, before: Callable[[], object] | None = None) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100", "PYTHONUTF8": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        preexec_fn=before,
    )


def hear_interrupts() -> None:
    """Undo that a shell has the tests it runs in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def finish(process: subprocess.Popen[str]) -> Ended:
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    ended = Ended(
        code=process.returncode,
        out=out,
        err=err.replace(f"{TORCH}\n", ""),
        torch=TORCH in err,
    )
    assert "Traceback" not in err
    assert "Warning" not in err
    return ended


def command_here(*arguments: object) -> Ended:
    """Run a command in this process, which has loaded torch already: for what is soon over."""
    from napari_srcnn.cli.app import app

    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    # What the command does not turn into a sentence is a mistake.
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(code=result.exit_code, out=result.stdout, err=result.stderr, torch=True)


def command(*arguments: object, before: Callable[[], object] | None = None) -> Ended:
    return finish(start(*arguments, before=before))
