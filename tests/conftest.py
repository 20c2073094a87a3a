"""What every test needs: where the real data stands, and a home that is not the user's."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import real_data

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
    if not real_data.THERE:
        pytest.skip(real_data.MISSING)
    return real_data.FOLDER.resolve()


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photographs as files: Set5 where it is, else what scikit-image brings along."""
    if real_data.THERE:
        return sorted((real_data.FOLDER / "natural/eval/Set5").glob("*.bmp"))
    from skimage.io import imsave

    folder = tmp_path_factory.mktemp("photographs")
    for name, image in real_data.bundled_photographs().items():
        imsave(folder / f"{name}.png", image, check_contrast=False)
    return sorted(folder.iterdir())


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
