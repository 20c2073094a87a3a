"""What mkdocs calls while it builds the site: the reference is made of the code as it is.

- reference/command-line.md: what every command's --help says,
- reference/python.md: the docstrings of the public names,
- reference/models.md: a table of the bundled models' cards,
- links out of docs/ become links into the repository, whose address stands in pyproject.toml.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# A link that leaves docs/, from a page in it or in one of its folders.
OUTSIDE = re.compile(r"\]\((?:\.\./)+((?:README|CONTRIBUTING|CHANGELOG|SECURITY|weights/)[^)]*)\)")


def repository() -> str:
    """The repository's address."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return str(settings["project"]["urls"]["Source"])


def command_line_page() -> str:
    """What --help says, of the program and of each of its commands."""
    import typer.main
    from typer.testing import CliRunner

    from napari_srcnn.cli.app import app

    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    parts = ["# The command line", "", "What `--help` says, of every command."]
    for name in ("", *typer.main.get_command(app).commands):
        said = runner.invoke(app, [*name.split(), "--help"], prog_name="napari-srcnn")
        text = "\n".join(line.rstrip() for line in said.stdout.strip().splitlines())
        parts += ["", f"## napari-srcnn {name}".rstrip(), "", "```text", text, "```"]
    return "\n".join(parts) + "\n"


def python_page() -> str:
    """A place for the docstring of each public name, found where the name is defined."""
    import napari_srcnn

    parts = ["# Python", "", "The names of `napari_srcnn` itself; they stay what they are."]
    for name in sorted(napari_srcnn.__all__, key=str.lower):
        module = getattr(getattr(napari_srcnn, name), "__module__", None)
        if module is not None:
            parts += ["", f"::: {module}.{name}"]
    return "\n".join(parts) + "\n"


def models_page() -> str:
    """The bundled models, from their cards."""
    import napari_srcnn

    parts = [
        "# The bundled models",
        "",
        "Made of the models' own cards; `napari-srcnn models NAME` shows one of them whole.",
        "",
        "| model | scale | filters | channels | told the noise | size, kB |",
        "|---|---|---|---|---|---|",
    ]
    for path in sorted((ROOT / "weights").glob("*.safetensors")):
        config = napari_srcnn.model_info(path).config
        layers = "-".join(map(str, config.kernels))
        channels = "RGB" if config.channels == 3 else "1"
        parts.append(
            f"| {path.stem} | ×{config.scale} | {layers} | {channels} "
            f"| {'yes' if config.noise else 'no'} | {path.stat().st_size // 1000} |"
        )
    return "\n".join(parts) + "\n"


GENERATED = {
    "reference/command-line.md": command_line_page,
    "reference/python.md": python_page,
    "reference/models.md": models_page,
}


def on_config(config: Any) -> Any:
    config.repo_url = repository()
    return config


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for name, page in GENERATED.items():
        files.append(File.generated(config, name, content=page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    return OUTSIDE.sub(rf"]({repository()}/blob/main/\1)", markdown)
