"""Which commands there are, without loading one: what ``napari-srcnn --help`` lists.

A command's module is imported when the command is run or its own help is asked for; importing all
of them would be most of the time that a list of their names takes.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info

#: Of each command the module of this room that holds it, and the first sentence of its help.
COMMANDS = {
    "upscale": (
        "upscale",
        "Enlarge images: TIFF, OME-Zarr, … in, OME-TIFF or OME-Zarr out, with pixel size "
        "and units.",
    ),
    "assess": (
        "assess",
        "Hold an enlarged image against its source, and a reference if there is one; "
        "bicubic beside.",
    ),
    "benchmark": (
        "benchmark",
        "Measure models on photographs beside bicubic and the published figures.",
    ),
    "demo": (
        "demo",
        "Enlarge a bundled 16-bit stack, draw it beside bicubic, and look at it in napari.",
    ),
    "train": (
        "train",
        "Train a network on photographs: low-res ones are made of them by MATLAB's bicubic.",
    ),
    "finetune": (
        "finetune",
        "Fine-tune a network on your own images; afterwards `upscale --model NAME` finds it.",
    ),
    "models": (
        "models",
        "List the models: the bundled ones, then your own; or tell about one, or put "
        "yours in order.",
    ),
    "filters": (
        "models",
        "Draw the first layer's filters, sorted by their strength, as the paper's figure 5 does.",
    ),
    "convert": (
        "models",
        "Make a model of a published SRCNN checkpoint; no code in it is run.",
    ),
    "replay": (
        "replay",
        "Make a result again with the options of its record, and compare the pixels' hashes.",
    ),
    "verify": (
        "verify",
        "Read a result again, shard by shard, and find what is missing, truncated or altered.",
    ),
    "doctor": (
        "doctor",
        "Tell versions, device, folders and the last error, as text for a report; no names.",
    ),
}


class Commands(TyperGroup):
    """The commands of :data:`COMMANDS`, in that order, each loaded when it is needed."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        listed = {name: TyperCommand(name=name, help=text) for name, (_, text) in COMMANDS.items()}
        # Of modules that were imported already, Typer hands their commands.
        self._loaded = dict(self.commands)
        self.commands = listed | self._loaded
        self._is_listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None where there is none of that name."""
        if not self._is_listing and cmd_name in COMMANDS and cmd_name not in self._loaded:
            self._loaded[cmd_name] = self.commands[cmd_name] = _load(cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands by what is known without loading them."""
        self._is_listing = True
        try:
            super().format_commands(ctx, formatter)
        finally:
            self._is_listing = False


def _load(name: str) -> Any:
    from napari_srcnn.cli.app import app

    import_module(f"{__package__}.{COMMANDS[name][0]}")
    functions = {one.callback.__name__: one for one in app.registered_commands if one.callback}
    return get_command_from_info(
        functions[name],
        pretty_exceptions_short=app.pretty_exceptions_short,
        rich_markup_mode=app.rich_markup_mode,
    )
