"""The package as a whole: its floors, its manifest, and what an installation holds."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import distribution, version
from pathlib import Path

import npe2
import pytest
from npe2.manifest.utils import import_python_name
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import napari_srcnn

SOURCE = Path(__file__).resolve().parent.parent / "src"
PACKAGE = SOURCE / "napari_srcnn"

# Rooms that are loaded without torch, and those that are loaded with it.
LIGHT, HEAVY = (
    ("cli", "doctor", "faults", "image", "io", "microscope", "models", "samples"),
    (
        "assess",
        "network",
        "training",
        "upscaling",
    ),
)
GUI = {"magicgui", "napari", "PyQt5", "PyQt6", "PySide2", "PySide6", "qtpy", "vispy"}


def run_python(code: str, *, cwd: Path, **variables: str) -> str:
    """Run `code` in a fresh interpreter and return what it printed."""
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def modules() -> dict[str, Path]:
    """Every module of the package but its root, by dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if len(parts) > 1:
            found[".".join(parts)] = path
    return found


def imported_names(path: Path) -> Iterator[str]:
    """Every absolute module or module.name that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} line {node.lineno}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# -- floors ---------------------------------------------------------------------------------------


def test_imports_point_down_and_stay_in_their_rooms(repository: Path) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("rooms", [LIGHT, HEAVY])
def test_no_room_loads_napari_or_qt_and_the_light_ones_no_torch(
    rooms: tuple[str, ...], tmp_path: Path
) -> None:
    names = [name for name in modules() if name.split(".")[1] in rooms]
    unwanted = GUI | ({"torch"} if rooms is LIGHT else set())
    loaded = run_python(
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        f"print(*sorted({unwanted!r} & set(sys.modules)))",
        cwd=tmp_path,
    )
    assert loaded == ""


def test_the_widgets_open_without_waiting_for_torch(tmp_path: Path) -> None:
    names = [name for name in modules() if name.startswith("napari_srcnn.widgets")]
    code = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    assert run_python(code + "print('torch' in sys.modules)", cwd=tmp_path) == "False"


def test_importing_the_package_loads_nothing_but_the_standard_library(tmp_path: Path) -> None:
    # What it loads is what it costs; benchmarks/startup.py says how many milliseconds that is.
    code = (
        "import sys\nbefore = set(sys.modules)\nimport napari_srcnn\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(loaded - sys.stdlib_module_names))"
    )
    assert run_python(code, cwd=tmp_path) == "napari_srcnn"


def test_every_public_name_is_there() -> None:
    for name in napari_srcnn.__all__:
        assert getattr(napari_srcnn, name) is not None
    assert set(napari_srcnn.__all__) <= set(dir(napari_srcnn))
    with pytest.raises(AttributeError, match="no attribute 'upscael'"):
        napari_srcnn.upscael  # noqa: B018


# -- metadata -------------------------------------------------------------------------------------


def test_the_version_is_the_same_everywhere(repository: Path) -> None:
    assert version("napari-srcnn") == napari_srcnn.__version__
    citation = (repository / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {napari_srcnn.__version__}\n" in citation
    assert f"## {napari_srcnn.__version__}" in (repository / "CHANGELOG.md").read_text("utf-8")


def test_everything_imported_is_a_declared_dependency(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    core = {Requirement(line).name for line in project["dependencies"]}
    extras = {
        name: {Requirement(line).name for line in lines}
        for name, lines in project["optional-dependencies"].items()
    }
    distribution_of = {"skimage": "scikit-image", "PIL": "pillow", "yaml": "pyyaml"}
    for name, path in modules().items():
        allowed = core
        if name.startswith("napari_srcnn.widgets.assess."):
            # Its plots say how to install what they need.
            allowed = core | extras["napari"] | extras["plot"]
        elif name.startswith("napari_srcnn.widgets"):
            allowed = core | extras["napari"]
        elif name == "napari_srcnn.doctor.readers":
            # It says so where there is no napari.
            allowed = core | extras["napari"]
        elif name == "napari_srcnn.assess.report":
            # Its plot says how to install what it needs.
            allowed = core | extras["plot"]
        elif name in (
            "napari_srcnn.upscaling.shards.cluster",
            "napari_srcnn.upscaling.shards.local",
        ):
            # They say how to install what they need, too.
            allowed = core | extras["cluster"]
        top = {imported.split(".")[0] for imported in imported_names(path)}
        third_party = top - sys.stdlib_module_names - {"napari_srcnn", "__future__"}
        undeclared = {distribution_of.get(module, module) for module in third_party} - allowed
        assert not undeclared, f"{name} imports {undeclared}"


def test_the_constraints_pin_every_dependency_within_its_bounds(repository: Path) -> None:
    pinned = {}
    for line in (repository / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, number = line.partition("==")
            pinned[canonicalize_name(name)] = number
    settings = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))
    project = settings["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    groups += settings["dependency-groups"].values()
    for line in (line for group in groups for line in group if isinstance(line, str)):
        wanted = Requirement(line)
        if wanted.name != "napari-srcnn":
            assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, line
    assert pinned["torch"] == "2.13.0"


def test_the_tree_names_no_folder_of_one_machine(repository: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    home = re.compile(r"/(?:home|Users)/[a-z]|/root/")
    for name in filter(None, listed.stdout.split("\0")):
        path = repository / name
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".sh"} and path.is_file():
            text = path.read_text("utf-8")
            assert path == Path(__file__) or not home.search(text), name


# -- manifest -------------------------------------------------------------------------------------


def manifest() -> npe2.PluginManifest:
    return npe2.PluginManifest.from_file(PACKAGE / "napari.yaml")


def test_the_manifest_is_valid_and_found_in_the_installed_package(repository: Path) -> None:
    installed = npe2.PluginManifest.from_distribution("napari-srcnn")
    assert installed.display_name == "SRCNN"
    assert (repository / "napari.yaml").resolve() == (PACKAGE / "napari.yaml").resolve()


@pytest.mark.parametrize(
    "python_name", [command.python_name for command in manifest().contributions.commands or ()]
)
def test_every_command_of_the_manifest_imports(python_name: str) -> None:
    assert callable(import_python_name(python_name))


def test_the_manifest_offers_every_file_that_can_be_read_and_written() -> None:
    from napari_srcnn.io import SUFFIX, SUFFIXES, zarr

    (reader,) = manifest().contributions.readers or ()
    tiff, zarrs, tiffs, channels, folder = manifest().contributions.writers or ()
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in SUFFIXES}
    for writer, suffix in ((tiff, SUFFIX), (tiffs, SUFFIX), (zarrs, zarr.SUFFIX)):
        assert suffix in writer.filename_extensions
    assert zarr.SUFFIX in channels.filename_extensions
    assert not folder.filename_extensions  # what npe2 takes for a folder


def test_every_bundled_model_setting_is_a_plain_string() -> None:
    # An enum would refuse the names of a user's own models.
    for configuration in manifest().contributions.configurations.values():
        if (model := configuration.properties.get("model")) is not None:
            assert model.type == "string"
            assert model.enum is None


def test_the_widgets_defaults_are_the_manifests() -> None:
    from napari_srcnn.widgets.shared.settings import Settings

    properties = manifest().contributions.configurations["upscale"].properties
    assert {key: item.default for key, item in properties.items()} == asdict(Settings())


# -- installations --------------------------------------------------------------------------------


def hatchling(repository: Path, call: str) -> str:
    """Build with the backend itself: nothing is fetched, and the work tree stays as it is."""
    return run_python(
        f"import hatchling.build\nprint(hatchling.build.{call})",
        cwd=repository,
    ).splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return folder / hatchling(repository, f"build_wheel({str(folder)!r})")


def test_the_wheel_holds_the_manifest_the_weights_and_the_samples(
    wheel: Path, repository: Path
) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {"napari_srcnn/napari.yaml", "napari_srcnn/py.typed"}
    wanted |= {f"napari_srcnn/weights/{path.name}" for path in (repository / "weights").iterdir()}
    wanted |= {
        path.relative_to(SOURCE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= held
    assert any(name.endswith(".safetensors") for name in held)
    assert any(name.startswith("napari_srcnn/sample_data/") for name in held)
    assert not [name for name in held if not name.startswith("napari_srcnn")]


INSPECT = """
import importlib.metadata, npe2, napari_srcnn
print(napari_srcnn.__file__)
print(npe2.PluginManifest.from_distribution("napari-srcnn").display_name)
print(*napari_srcnn.list_models())
assert napari_srcnn.load_model(napari_srcnn.list_models()[0]).config.scale in (2, 3, 4)
"""


def bundled_names(repository: Path) -> str:
    return " ".join(sorted(path.stem for path in (repository / "weights").glob("*.safetensors")))


def test_an_installed_wheel_finds_its_manifest_and_weights(
    wheel: Path, repository: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)  # a pure wheel installs as it is packed
    file, display_name, models = run_python(
        INSPECT, cwd=tmp_path, PYTHONPATH=str(site)
    ).splitlines()
    assert Path(file).is_relative_to(site)
    assert display_name == "SRCNN"
    assert " ".join(sorted(models.split())) == bundled_names(repository)


def test_an_editable_install_finds_its_manifest_and_weights(
    repository: Path, tmp_path: Path
) -> None:
    name = hatchling(repository, f"build_editable({str(tmp_path)!r})")
    site = tmp_path / "site"
    zipfile.ZipFile(tmp_path / name).extractall(site)
    assert {path.suffix for path in site.iterdir()} == {".pth", ".dist-info"}, "no stale copies"
    prepare = (
        "import site, sys\n"
        "from pathlib import Path\n"
        "sys.path[:] = [p for p in sys.path if not Path(p, 'napari_srcnn').is_dir()]\n"
        f"sys.path.insert(0, {str(site)!r})\nsite.addsitedir({str(site)!r})\n"
    )
    file, display_name, models = run_python(prepare + INSPECT, cwd=tmp_path).splitlines()
    assert Path(file) == PACKAGE / "__init__.py"
    assert display_name == "SRCNN"
    assert " ".join(sorted(models.split())) == bundled_names(repository)


def test_the_command_and_the_manifest_are_entry_points() -> None:
    entries = {(entry.group, entry.value) for entry in distribution("napari-srcnn").entry_points}
    assert ("console_scripts", "napari_srcnn.cli:main") in entries
    assert ("napari.manifest", "napari_srcnn:napari.yaml") in entries
