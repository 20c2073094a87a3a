"""The documentation and the files for continuous integration: what they say is so."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from tools_by_path import load_tool

from napari_srcnn.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
GENERATED = {"reference/command-line.md", "reference/python.md", "reference/models.md"}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def navigation(entry: Any) -> list[str]:
    """The pages of a part of mkdocs' navigation."""
    if isinstance(entry, str):
        return [entry]
    return [
        page
        for part in (entry.values() if isinstance(entry, dict) else entry)
        for page in navigation(part)
    ]


def commands(text: str) -> list[str]:
    """Every line of a code block that begins with the program's name, continuations joined."""
    found = []
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        found += [line.strip() for line in lines if line.strip().startswith("napari-srcnn ")]
    return found


COMMANDS = sorted({line for path in TEXTS for line in commands(path.read_text("utf-8"))})


def slug(heading: str) -> str:
    """The anchor of a heading, as on GitHub and on the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


# -- pages ----------------------------------------------------------------------------------------


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    listed = navigation(settings["nav"])
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert sorted(listed) == sorted(pages | GENERATED)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_and_picture_leads_somewhere(path: Path) -> None:
    repository = project()["urls"]["Source"]
    raw = repository.replace("github.com", "raw.githubusercontent.com") + "/main/"
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in LINK.findall(text):
        for prefix in (f"{repository}/blob/main/", raw):
            if target.startswith(prefix):
                assert (ROOT / target.removeprefix(prefix)).is_file(), target
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        if found.is_relative_to(DOCS) and found.relative_to(DOCS).as_posix() in GENERATED:
            continue
        assert found.exists(), f"{path.name}: {target}"
        if anchor and found.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{path.name}: {target}"


def test_the_readme_links_absolutely_as_a_package_page_needs() -> None:
    for target in LINK.findall((ROOT / "README.md").read_text("utf-8")):
        assert target.startswith(("https://", "#")), target


def test_every_heading_of_the_questions_is_a_sentence_of_the_program() -> None:
    source = "".join(p.read_text("utf-8") for p in (ROOT / "src" / "napari_srcnn").rglob("*.py"))
    headings = re.findall(r"^## (.*)$", (DOCS / "faq.md").read_text("utf-8"), re.MULTILINE)
    assert headings
    for heading in headings:
        assert heading in source, heading


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_in_the_texts_is_one_that_the_program_takes(line: str) -> None:
    arguments = shlex.split(line.replace("…", "IN OUT"), comments=True)[1:]
    if "--help" in arguments:
        arguments.remove("--help")
        assert arguments[0] in typer.main.get_command(app).commands
        return
    # The real parser refuses commands and options that are not there; no file is looked for.
    command = typer.main.get_command(app).get_command(None, arguments[0])
    assert command is not None, line
    context = command.context_class(command, info_name=arguments[0])
    given, left, _ = command.make_parser(context).parse_args(arguments[1:])
    assert not left, line
    for parameter in command.params:
        assert not parameter.required or given.get(parameter.name), f"{line}: {parameter.name}"


def test_the_reference_names_every_command_and_every_public_function() -> None:
    import napari_srcnn

    hooks = load_tool(DOCS / "hooks.py")
    page = hooks.command_line_page()
    for name in typer.main.get_command(app).commands:
        assert f"## napari-srcnn {name}\n" in page
    assert "--smoothing" in page
    for name in ("upscale", "read_stack", "Noise"):
        defined = getattr(napari_srcnn, name).__module__
        assert f"::: {defined}.{name}\n" in hooks.python_page()
    bundled = {path.stem for path in (ROOT / "weights").glob("*.safetensors")}
    assert bundled == set(re.findall(r"^\| (srcnn\S+) \|", hooks.models_page(), re.MULTILINE))


# -- continuous integration -----------------------------------------------------------------------


def workflows() -> dict[str, Any]:
    found = (ROOT / ".github" / "workflows").glob("*.yml")
    return {path.name: yaml.safe_load(path.read_text("utf-8")) for path in found}


def test_the_matrix_is_what_the_classifiers_say() -> None:
    matrix = workflows()["tests.yml"]["jobs"]["matrix"]["strategy"]["matrix"]
    said = project()["classifiers"]
    language = "Programming Language :: Python :: 3."
    versions = [line.removeprefix(language[:-2]) for line in said if line.startswith(language)]
    assert matrix["python"] == versions
    systems = {"ubuntu": "POSIX :: Linux", "windows": "Microsoft :: Windows", "macos": "MacOS"}
    wanted = {f"Operating System :: {systems[name.split('-')[0]]}" for name in matrix["os"]}
    assert wanted == {line for line in said if line.startswith("Operating System")}


def test_every_step_of_the_workflows_is_of_a_fixed_version_and_calls_what_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name, workflow in workflows().items():
        # Read-only unless a job says what it needs; YAML takes "on" for a boolean.
        assert workflow["permissions"] == {"contents": "read"}, name
        assert True in workflow, name
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+(\.\d+)*|[0-9a-f]{40})", step["uses"])
                for target in re.findall(r"\bmake (\w+)", step.get("run", "")):
                    assert f"\n{target}:" in makefile
                for tool in re.findall(r"tools/[\w-]+\.\w+", step.get("run", "")):
                    assert (ROOT / tool).is_file()


def test_the_workflows_pass_actionlint() -> None:
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("needs actionlint")
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    # What the shell's lines say is not asked: shellcheck and pyflakes may or may not be there.
    run = subprocess.run(
        [program, "-no-color", "-shellcheck=", "-pyflakes=", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def test_only_publishing_may_ask_for_an_identity() -> None:
    for name, workflow in workflows().items():
        for job, content in workflow["jobs"].items():
            asks = content.get("permissions", {}).get("id-token") == "write"
            assert asks == ((name, job) == ("release.yml", "publish"))


def test_reports_of_errors_ask_for_what_doctor_says() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text("utf-8"))
    (doctor,) = (part for part in form["body"] if part.get("id") == "doctor")
    assert "napari-srcnn doctor" in doctor["attributes"]["label"]
    assert doctor["validations"]["required"]


def test_the_recipe_is_what_the_metadata_makes_of_it() -> None:
    text = load_tool(ROOT / "tools" / "make_recipe.py").recipe()
    assert (ROOT / "conda-recipe" / "recipe.yaml").read_text("utf-8") == text
    recipe = yaml.safe_load(text)
    assert len(recipe["requirements"]["run"]) == 1 + len(project()["dependencies"])
    assert "pytorch >=2.4" in recipe["requirements"]["run"]


def test_the_recipe_renders() -> None:
    build = pytest.importorskip("rattler_build", reason="needs py-rattler-build")
    (rendered,) = build.Stage0Recipe.from_file(ROOT / "conda-recipe" / "recipe.yaml").render()
    assert "napari-srcnn" in str(rendered)


def test_the_archive_and_the_citation_say_the_same() -> None:
    archive = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert archive["version"] == citation["version"]
    assert archive["license"] == citation["license"] == project()["license"]
    assert archive["keywords"] == citation["keywords"] == project()["keywords"]
    cited = {part["identifier"] for part in archive["related_identifiers"]}
    assert cited == {part["doi"] for part in citation["references"]}
    assert citation["repository-code"] == project()["urls"]["Source"]
