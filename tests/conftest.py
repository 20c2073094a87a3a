"""What every test needs: where the real data stands, and a home that is not the user's."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# napari, npe2 and platformdirs look for their folders when they are imported, so the variables are
# set here and not in a fixture; subprocesses inherit them.
_home = Path(tempfile.mkdtemp(prefix="napari-srcnn-tests-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["NAPARI_SRCNN_HOME"] = str(_home / "napari-srcnn")
os.environ["NAPARI_CONFIG"] = str(_home / "napari" / "settings.yaml")
for _variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ[_variable] = str(_home / _variable)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real images and networks, which are not part of the repository."""
    folder = Path(os.environ.get("NAPARI_SRCNN_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"needs the evaluation images; set NAPARI_SRCNN_DATA (looked in {folder})")
    return folder.resolve()


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than small tiles; and one sums in one order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the user's models and measurements that this test alone sees."""
    home = tmp_path / "napari-srcnn-home"
    monkeypatch.setenv("NAPARI_SRCNN_HOME", str(home))
    return home
