"""What a report of an error begins with: told on any machine, and of nobody."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from commands import command, posix
from packaging.requirements import Requirement

from napari_srcnn import diagnose, faults
from napari_srcnn.doctor import folders, versions
from napari_srcnn.doctor.diagnosis import ROWS

READERS = ("readers of .tif", "chosen for .tif")
CLI = "from napari_srcnn.cli import main\nmain()\n"
# A package whose import fails, of torch as where a library of CUDA's is missing.
BREAK = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise OSError("libcudart.so.13: cannot open shared object file")
sys.meta_path.insert(0, Finder())
"""
# What it takes seconds to load, and these tests are not about.
NO_TORCH = BREAK.format(names=["torch"])


def rows(text: str) -> dict[str, str]:
    """What is told, by its label."""
    found: dict[str, str] = {}
    label = ""
    width = max(len(name) for name, _, _ in ROWS) + 2
    for line in text.splitlines()[1:]:
        label = line[:width].strip() or label
        found[label] = f"{found[label]}\n{line[width:]}" if label in found else line[width:]
    return found


def told(before: str = NO_TORCH, **variables: str) -> dict[str, str]:
    """What the command says in a process of its own, which does something before."""
    run = subprocess.run(
        [sys.executable, "-c", before + CLI, "doctor"],
        env=os.environ | {"PYTHONUTF8": "1"} | variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr
    return rows(run.stdout)


def fail(error: Exception) -> None:
    """Raise an error in this package's code, and keep it as its command line does."""
    from napari_srcnn.cli.app import boundary

    class Broken:
        metadata = property(lambda _: (_ for _ in ()).throw(error))

    from napari_srcnn.io.napari_hooks import stack_layers

    with pytest.raises(type(error)), boundary():
        stack_layers(Broken())  # type: ignore[arg-type]


def test_every_row_is_told_and_what_is_told_is_so(own_home: Path) -> None:
    import torch

    found = rows(diagnose())
    assert list(found) == [label for label, _, _ in ROWS]
    assert not [text for text in found.values() if "cannot be found out" in text]
    assert found["Python"].startswith(platform.python_version())
    assert f"torch {torch.__version__}" in found["packages"]
    assert f"{torch.get_num_threads()} of torch" == found["threads"]
    assert found["device"].splitlines()[-1].startswith("cpu: CPU")
    assert (found["GPU"] == "there is one") == torch.cuda.is_available()
    assert "napari-srcnn" in found["readers of .tif"]
    assert found["last error"] == "none was kept"
    assert found["measured"] == "nothing yet; a first run measures"
    assert "NAPARI_SRCNN_HOME is set" in found["variables"]


def test_what_was_measured_is_told(own_home: Path) -> None:
    import torch

    from napari_srcnn.network.config import SRCNNConfig
    from napari_srcnn.upscaling.speed import remember

    config = SRCNNConfig(kernels=(9, 1, 5), scale=2)
    remember(torch.device("cpu"), config, False, tile=160, mpx_per_s=5.678)
    assert rows(diagnose())["measured"].endswith(
        "9-1-5/64-32/1/valid/float32: tile 160, 5.68 Mpx/s"
    )


def test_all_that_is_needed_is_listed_with_its_version(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {Requirement(line).name for line in project["dependencies"]}
    assert set(versions.NEEDED) == needed
    extras = project["optional-dependencies"]
    brought = {Requirement(line).name for name in extras for line in extras[name]}
    napari = {Requirement(line).name for line in extras["napari"]}
    assert set(versions.OPTIONAL) == brought - napari - {"napari-srcnn", "PySide6-Essentials"}


# -- nobody is named ------------------------------------------------------------------------------


def test_no_name_and_no_path_is_told(tmp_path: Path) -> None:
    home = tmp_path / "Anna Example"
    work = home / "Patients" / "Berta"
    work.mkdir(parents=True)
    settings = home / "settings.yaml"
    chosen = {"*.tif": "napari-srcnn", str(work / "*.tif"): "napari", f"{work}/": "napari"}
    settings.write_text(yaml.safe_dump({"plugins": {"extension2reader": chosen}}))
    script = (
        f"{NO_TORCH}\nimport os\nos.chdir({str(work)!r})\n"
        "from napari_srcnn import faults\n"
        "from napari_srcnn.io.read import read_stack\n"
        "try:\n    read_stack(5)\n"
        "except TypeError as error:\n    faults.keep(error, 'command line')\n"
    )
    for variables in (
        {"NAPARI_SRCNN_HOME": "", "XDG_CACHE_HOME": "", "XDG_DATA_HOME": ""},
        {"NAPARI_SRCNN_HOME": str(work)},
        {"NAPARI_SRCNN_HOME": str(tmp_path / "Example lab"), "TMPDIR": str(work)},
    ):
        own = {"HOME": str(home), "USERPROFILE": str(home), "USER": "berta", "LOGNAME": "berta"}
        found = told(script, **own, NAPARI_CONFIG=str(settings), **variables)
        text = "\n".join(found.values())
        assert not re.search("anna|example|patients|berta", text, re.IGNORECASE)
        assert str(tmp_path) not in text
        assert str(Path.home()) not in text or str(Path.home()) == "/"
        assert found["chosen for .tif"] == "*.tif: napari-srcnn, and 2 of single files or folders"
        assert "TypeError" in found["last error"]
        assert found["current folder"].startswith("~/…: can be written")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Expected cuda:0 and cpu, got 'NoneType'", "Expected cuda:0 and cpu, got 'NoneType'"),
        ("'Stack' has no attribute 'shpae'", "… has no attribute 'shpae'"),
        ("cannot open '/data/Anna/x.tif' twice", "cannot open … twice"),
        ("no file C:\\Users\\anna\\scan.czi here", "no file … here"),
        ("cells.ome.tif, line 3", "…, line 3"),
        ('the layer "Anna, day 3" is gone\nand more', "the layer … is gone"),
        ("12.5 GB of torch.float32", "12.5 GB of torch.float32"),
        ("Berta's layer, made by berta", "…'s layer, made by …"),
    ],
)
def test_names_are_taken_out_of_what_an_error_says(
    said: str, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_srcnn.words import without_names

    monkeypatch.setenv("LOGNAME", "berta")
    assert without_names(said) == left


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (".cache/napari-srcnn", "~/.cache/napari-srcnn"),
        ("AppData/Local/napari-srcnn/Cache", "~/AppData/Local/napari-srcnn/Cache"),
        ("Anna/napari-srcnn", "~/…"),
        (".", "~"),
        ("..", "outside the home folder"),
    ],
)
def test_a_folder_is_told_as_far_as_every_installation_has_it(inner: str, shown: str) -> None:
    assert folders.shown(Path(os.path.normpath(Path.home() / inner))) == shown


# -- the last error -------------------------------------------------------------------------------


def test_an_error_that_nobody_foresaw_is_kept_and_told(own_home: Path) -> None:
    fail(KeyError("Anna's layer"))
    kept = rows(diagnose())["last error"].splitlines()
    assert kept[0].endswith("Z, version 0.1.0, command line") or "+00:00, version" in kept[0]
    # What somebody called something is left out.
    assert kept[1] == "KeyError"
    assert re.fullmatch(r"cli\.app:\d+ boundary", kept[2])
    assert re.fullmatch(r"io\.napari_hooks:\d+ stack_layers", kept[3])
    assert kept[4:] == ["raised in code of another package"]

    # Of another process, too.
    faults._last = None
    assert rows(diagnose())["last error"].splitlines() == kept


def test_an_error_that_its_user_can_mend_is_none_to_report(own_home: Path) -> None:
    ended = command("upscale", "no-such-file.tif", "out.tif")
    assert ended.code == 2
    assert "mistake" not in ended.err
    assert faults.last() is None or "no-such-file" not in str(faults.last())
    assert not (own_home / "cache" / "last-fault.json").exists()


def test_a_fault_on_the_command_line_says_what_to_do(own_home: Path) -> None:
    script = (
        "import napari_srcnn.models.library as library\n"
        "def model_info(name): raise TypeError(f'no dtype for {name}')\n"
        "library.model_info = model_info\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script + CLI, "models", "mine"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "Please report it, with what `napari-srcnn doctor` says." in run.stderr
    assert "Traceback" in run.stderr
    assert "cli.models:" in told()["last error"]


@pytest.mark.parametrize("content", ["", "[]", '{"kind": 3}', "\x00"])
def test_a_damaged_record_of_an_error_is_told(own_home: Path, content: str) -> None:
    faults._last = None
    file = own_home / "cache" / "last-fault.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert rows(diagnose())["last error"].startswith("cannot be found out (")


# -- broken machines ------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["torch", "numpy", "psutil", "platformdirs", "npe2"])
def test_a_package_that_cannot_be_loaded_costs_its_own_rows(broken: str, own_home: Path) -> None:
    found = told(BREAK.format(names=["torch", broken]))
    assert list(found) == [label for label, _, _ in ROWS]
    assert found["Python"].startswith(platform.python_version())
    lost = {label for label, text in found.items() if text.startswith("cannot be found out")}
    of_torch = {"torch", "processor", "device", "GPU", "threads", "measured"}
    more = {
        "torch": set(),
        "numpy": {"last error"},
        "psutil": {"memory", "cores"},
        "platformdirs": {"models", "measurements", "last error", *READERS},
        "npe2": {"readers of .tif"},
    }
    assert lost == of_torch | more[broken]
    why = "OSError: libcudart.so.13: cannot open shared object file"
    assert found["torch"] == f"cannot be found out ({why})"


def test_without_napari_and_npe2_that_is_what_is_told(own_home: Path) -> None:
    found = told(
        NO_TORCH + "import sys\nsys.modules |= {'napari': None, 'npe2': None}\n",
        NAPARI_CONFIG=str(own_home / "none.yaml"),
    )
    assert found["readers of .tif"] == "npe2 is not installed, so no plugin reads for napari"
    assert found["chosen for .tif"] == "nothing: napari has no settings here"


def test_a_home_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("")
    home = str(in_the_way)
    script = NO_TORCH + (
        "from napari_srcnn import faults\nfrom napari_srcnn.io.read import read_stack\n"
        "try:\n    read_stack(5)\n"
        "except TypeError as error:\n    faults.keep(error, 'command line')\n"
    )
    found = told(script, HOME=home, USERPROFILE=home, NAPARI_SRCNN_HOME=home)
    assert "CANNOT be written" in found["models"]
    assert "CANNOT be written" in found["measurements"]
    # It is kept for as long as the program runs.
    assert "TypeError" in found["last error"]


@posix
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'NVIDIA H100, 570.86, 81559 MiB, 4 MiB'", "NVIDIA H100, 570.86, 81559 MiB, 4 MiB"),
        (
            "echo 'It cannot communicate with the driver in /opt/anna.'; exit 9",
            "nvidia-smi fails: It cannot communicate with the driver in …",
        ),
        (":", "nvidia-smi lists no card"),
    ],
    ids=["card", "broken", "no card"],
)
def test_what_the_driver_says_is_told(
    script: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert rows(diagnose())["NVIDIA driver"] == expected


def test_what_was_found_out_stands_even_if_torch_ends_the_program(own_home: Path) -> None:
    script = NO_TORCH.replace("raise", "import os; os._exit(134) #")
    run = subprocess.run(
        [sys.executable, "-c", script + CLI, "doctor"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 134
    assert "\nNVIDIA driver " in run.stdout


# -- readers --------------------------------------------------------------------------------------


def test_readers_that_compete_for_a_tiff_are_told(own_home: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name in ("napari-rival", "napari-off", "napari-other"):
        module = site / name.replace("-", "_")
        module.mkdir(parents=True)
        (module / "__init__.py").write_text("")
        pattern = "*.xyz" if name == "napari-other" else "*.tif"
        (module / "napari.yaml").write_text(
            f"name: {name}\ndisplay_name: {name}\ncontributions:\n"
            f"  commands: [{{id: {name}.read, title: Read, python_name: '{module.name}:read'}}]\n"
            f"  readers: [{{command: {name}.read, filename_patterns: ['{pattern}']}}]\n"
        )
        info = site / f"{module.name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[napari.manifest]\n{name} = {module.name}:napari.yaml\n"
        )
    settings = tmp_path / "settings.yaml"
    settings.write_text("plugins: {disabled_plugins: [napari-off]}\n")
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(site))))
    found = told(PYTHONPATH=path, NAPARI_CONFIG=str(settings))
    said = "napari-srcnn, napari-rival; napari asks which one to take, until one is chosen"
    assert found["readers of .tif"] == said
