"""Names of version 0.1: what is written against them still runs, and says where they went."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from napari_srcnn._moved import MOVED, RENAMED

GUI = [name for name in MOVED if name.startswith("widgets.")]


@pytest.mark.parametrize("name", sorted(set(MOVED) - set(GUI) - {"training"}))
def test_a_module_is_found_by_its_old_name(name: str) -> None:
    sys.modules.pop(f"napari_srcnn.{name}", None)
    with pytest.warns(DeprecationWarning, match=r"napari_srcnn\..* is napari_srcnn\..* now"):
        old = importlib.import_module(f"napari_srcnn.{name}")
    for place in MOVED[name]:
        new = importlib.import_module(f"napari_srcnn.{place}")
        public = [key for key in vars(new) if not key.startswith("_")]
        assert all(getattr(old, key) is vars(new)[key] for key in public if key in vars(old))
        assert set(public) - set(vars(old)) == set()


@pytest.mark.filterwarnings("ignore:napari_srcnn.* now:DeprecationWarning")
def test_names_that_changed_are_found_by_both() -> None:
    from napari_srcnn.acquisition import Acquisition, acquire
    from napari_srcnn.request import Request

    from napari_srcnn.training import TrainConfig
    from napari_srcnn.training.dataset import Dataset, make_dataset
    from napari_srcnn.training.state import TrainConfig as Now
    from napari_srcnn.upscaling.resolve import Plan
    from napari_srcnn.widgets import runner
    from napari_srcnn.widgets.shared import runner as moved

    assert Acquisition is Dataset
    assert acquire is make_dataset
    assert Request is Plan
    assert TrainConfig is Now
    assert runner is moved
    assert set(RENAMED) & set(RENAMED.values()) == set()


def test_a_name_that_never_was_is_not_found() -> None:
    import napari_srcnn.training

    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("napari_srcnn.wieghts")
    with pytest.raises(AttributeError, match="no attribute 'Traning'"):
        napari_srcnn.training.Traning  # noqa: B018


@pytest.mark.parametrize("module", ["looks", "tasks", "start", "noise"])
def test_a_module_of_a_package_that_was_a_module_is_found_first(module: str) -> None:
    """Python asks the package for a name before it looks for a module of that name."""
    code = (
        "import warnings; warnings.filterwarnings('error', 'napari_srcnn')\n"
        f"from napari_srcnn.widgets.finetune import {module}\n"
        f"print({module}.__name__)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"napari_srcnn.widgets.finetune.{module}"
