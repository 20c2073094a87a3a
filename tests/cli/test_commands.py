"""The list of commands, which is made without loading one."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module

from commands import command_here

import napari_srcnn.cli
from napari_srcnn.cli.app import app
from napari_srcnn.cli.commands import COMMANDS


def test_the_list_of_commands_is_what_the_commands_say_of_themselves() -> None:
    for module in pkgutil.iter_modules(napari_srcnn.cli.__path__):
        import_module(f"napari_srcnn.cli.{module.name}")
    found = {
        one.callback.__name__: (
            one.callback.__module__.rpartition(".")[2],
            (inspect.getdoc(one.callback) or "").partition("\n\n")[0].replace("\n", " "),
        )
        for one in app.registered_commands
        if one.callback is not None
    }
    assert found == COMMANDS


def test_help_lists_all_commands_and_loads_none() -> None:
    code = """
import sys
from napari_srcnn.cli import main
try:
    main()
finally:
    print("LOADED", *(name for name in sys.modules if name.startswith("napari_srcnn")))
"""
    run = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    listed, _, loaded = run.stdout.partition("LOADED ")
    rows = listed.partition("Commands:\n")[2].splitlines()[: len(COMMANDS)]
    assert [row.split()[0] for row in rows] == list(COMMANDS)
    modules = {f"napari_srcnn.cli.{module}" for module, _ in COMMANDS.values()}
    assert not modules & set(loaded.split())


def test_a_command_that_there_is_not_is_told_with_what_is_like_it() -> None:
    ended = command_here("modls")
    assert ended.code == 2
    assert "models" in ended.err
