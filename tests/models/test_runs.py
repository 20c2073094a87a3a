"""A training's name is its own while it is under way, here and in other processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from networks import random_network

from napari_srcnn.models.library import own_models
from napari_srcnn.models.manage import delete_model, export_model, import_model, rename_model
from napari_srcnn.models.runs import RunFiles
from napari_srcnn.network.checkpoint import save_model

HOLD = """
import sys, time
from napari_srcnn.models.runs import RunFiles
with RunFiles.of("mine").running():
    print("begun", flush=True)
    time.sleep(60)
"""
pytestmark = pytest.mark.usefixtures("own_home")


def own(name: str) -> Path:
    path = RunFiles.of(name).model
    save_model(path, random_network(), {})
    return path


def test_a_name_is_free_again_when_its_run_is_over_or_has_failed() -> None:
    files = RunFiles.of("mine")
    assert not files.is_running()
    with files.running():
        assert files.is_running()
        with pytest.raises(ValueError, match="A run named 'mine' is under way"), files.running():
            pass
        assert files.is_running()
    with pytest.raises(KeyError), files.running():
        raise KeyError
    assert not files.is_running()
    assert list(files.model.parent.iterdir()) == []


def test_a_run_may_end_in_another_thread_than_it_began_in() -> None:
    run = RunFiles.of("mine").running()
    run.__enter__()
    thread = threading.Thread(target=run.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert not RunFiles.of("mine").is_running()


def test_a_process_that_was_killed_holds_no_name() -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    files = RunFiles.of("mine")
    assert files.is_running()
    process.kill()
    process.communicate()
    assert files.lock.exists()
    assert not files.is_running()
    with files.running():
        pass
    assert not files.lock.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda file: rename_model("mine", "yours"),
        lambda file: rename_model("other", "mine-too"),
        lambda file: delete_model("mine"),
        lambda file: import_model(file, "mine", force=True),
    ],
)
def test_a_model_stays_as_it_is_while_it_is_trained(
    change: Callable[[Path], Any], tmp_path: Path
) -> None:
    path, _ = own("mine"), own("other")
    file, before = export_model("other", tmp_path / "other"), path.read_bytes()
    with (
        RunFiles.of("mine").running(),
        RunFiles.of("mine-too").running(),
        pytest.raises(ValueError, match="is under way; wait until it is over"),
    ):
        change(file)
    assert own_models() == ["mine", "other"]
    assert path.read_bytes() == before
    change(file)
