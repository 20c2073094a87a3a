"""Many files: what comes of each, alone and in processes of their own."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from networks import random_network

from napari_srcnn.io import read_stack
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.upscaling import files as files_module
from napari_srcnn.upscaling.batch.messages import Begun, Ended, Message, Remark, Step, Writing
from napari_srcnn.upscaling.batch.outcomes import Outcome, ReportFile, table
from napari_srcnn.upscaling.batch.processes import in_processes
from napari_srcnn.upscaling.batch.run import planned, upscale_files
from napari_srcnn.upscaling.files import find_jobs
from napari_srcnn.upscaling.options import Options

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def options(own_home: Path) -> Options:
    """A small network of the user's own, on the CPU."""
    save_model(user_model_dir() / "small.safetensors", random_network(), {})
    return Options(scale=2, model="small", device="cpu", tile=64)


def write(path: Path, *shape: int, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(100, 4000, shape).astype("u2")
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images, one of them deeper, and a letter between."""
    write(tmp_path / "in" / "a.tif", 20, 24)
    (tmp_path / "in" / "b.tif").write_text("Dear diary, this is no image.")
    write(tmp_path / "in" / "deep" / "c.tif", 30, 22, seed=1)
    return tmp_path / "in"


def outcomes(messages: list[Message]) -> dict[str, Outcome]:
    ended = [message.outcome for message in messages if isinstance(message, Ended)]
    return {outcome.source.name: outcome for outcome in ended}


def test_each_file_has_an_outcome_and_a_bad_one_stops_no_other(
    folder: Path, tmp_path: Path, options: Options
) -> None:
    jobs = find_jobs([folder], tmp_path / "out", scale=2, recursive=True)
    found = outcomes(list(upscale_files(jobs, options, Writing())))
    assert {name: one.outcome for name, one in found.items()} == {
        "a.tif": "done",
        "b.tif": "failed",
        "c.tif": "done",
    }
    done = found["c.tif"]
    assert done.target == tmp_path / "out" / "deep" / "c_x2.ome.tif"
    assert done.bytes == done.target.stat().st_size
    assert (done.image, done.model, done.clipped is not None) == (1, "small", True)
    assert "(30, 22) uint16 → (60, 44) uint16" in done.sentence
    assert found["b.tif"].sentence.startswith("b.tif ")
    assert found["b.tif"].sentence.endswith(".")

    again = outcomes(list(upscale_files(jobs, options, Writing(again="“Again”"))))
    assert [one.outcome for one in again.values()] == ["skipped", "failed", "skipped"]
    assert "“Again” does it again" in again["a.tif"].sentence


def test_whatever_goes_wrong_with_a_file_is_a_sentence(
    folder: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files_module.read_stack

    def fail(path: Path, **given: Any) -> Any:
        if path.name == "a.tif":
            raise KeyError("Plane")
        return real(path, **given)

    monkeypatch.setattr(files_module, "read_stack", fail)
    jobs = find_jobs([folder], tmp_path / "out", scale=2, recursive=True)
    found = outcomes(list(upscale_files(jobs, options, Writing())))
    assert found["a.tif"].sentence == "an unexpected KeyError: 'Plane'."
    assert found["c.tif"].outcome == "done"


def test_a_batch_that_is_closed_leaves_no_half_a_file(tmp_path: Path, options: Options) -> None:
    source = write(tmp_path / "in" / "a.tif", 3, 64, 64)
    jobs = find_jobs([source], tmp_path / "out", scale=2)
    messages = upscale_files(jobs, options, Writing())
    assert isinstance(next(messages), Begun)
    while not isinstance(next(messages), Step):
        pass
    messages.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_becomes_ome_zarrs(folder: Path, tmp_path: Path, options: Options) -> None:
    jobs = find_jobs([folder], tmp_path / "out", scale=2, recursive=True, suffix=".ome.zarr")
    writing = Writing(format="ome-zarr")
    messages = list(upscale_files(jobs, options, writing))
    found = outcomes(messages)
    assert [one.outcome for one in found.values()] == ["done", "failed", "done"]
    target = found["c.tif"].target
    assert target == tmp_path / "out" / "deep" / "c_x2.ome.zarr"
    files = [path for path in target.rglob("*") if path.is_file()]
    assert found["c.tif"].bytes == sum(path.stat().st_size for path in files)
    tiff = find_jobs([folder], tmp_path / "tiff", scale=2, recursive=True)
    of_tiff = outcomes(list(upscale_files(tiff, options, Writing())))["c.tif"].target
    with read_stack(target) as zarr, read_stack(of_tiff) as other:
        assert zarr.axes == other.axes == "YX"
        np.testing.assert_array_equal(zarr[...], other[...])
    again = outcomes(list(upscale_files(jobs, options, writing)))
    assert [one.outcome for one in again.values()] == ["skipped", "failed", "skipped"]


def test_files_of_two_processes_are_those_of_one(
    folder: Path, tmp_path: Path, options: Options
) -> None:
    one = find_jobs([folder], tmp_path / "one", scale=2, recursive=True)
    two = find_jobs([folder], tmp_path / "two", scale=2, recursive=True)
    expected = outcomes(list(upscale_files(one, options, Writing())))
    found = outcomes(list(in_processes(planned(two), 2, options, Writing())))
    assert {name: o.outcome for name, o in found.items()} == {
        name: o.outcome for name, o in expected.items()
    }
    for name in ("a.tif", "c.tif"):
        with read_stack(found[name].target) as ours, read_stack(expected[name].target) as theirs:
            np.testing.assert_array_equal(ours[...], theirs[...])


def test_a_process_that_is_killed_fails_its_file_alone(tmp_path: Path, options: Options) -> None:
    # Large enough to be under way still when the process is killed.
    write(tmp_path / "in" / "a.tif", 60, 256, 256)
    write(tmp_path / "in" / "b.tif", 20, 24)
    jobs = find_jobs([tmp_path / "in"], tmp_path / "out", scale=2)
    before = {child.pid for child in psutil.Process().children()}
    found: dict[str, Outcome] = {}
    killed = False
    with contextlib.closing(in_processes(planned(jobs), 1, options, Writing())) as messages:
        for message in messages:
            if isinstance(message, Step) and not killed:
                killed = True
                for child in psutil.Process().children():
                    if child.pid not in before and "spawn_main" in " ".join(child.cmdline()):
                        child.kill()
            found |= outcomes([message])
    assert found["a.tif"].outcome == "failed"
    assert "the process that worked on it" in found["a.tif"].sentence
    assert found["b.tif"].outcome == "done"
    # Nothing half-written is left, hidden files included.
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b_x2.ome.tif"]


# ---------------------------------------------------------------- the report


OUTCOME = Outcome(
    source=Path("µ.tif"),
    target=Path("out/µ_x2.ome.tif"),
    image=1,
    outcome="failed",
    sentence="it is no image.",
    seconds=0.12345,
)


def test_a_line_of_the_report_is_on_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.jsonl"
    with ReportFile(path) as report:
        report.add(OUTCOME)
        (line,) = path.read_text("utf-8").splitlines()
        assert json.loads(line) == {
            "source": "µ.tif",
            "target": str(Path("out/µ_x2.ome.tif")),
            "image": 1,
            "outcome": "failed",
            "sentence": "it is no image.",
            "seconds": 0.123,
            "model": "",
            "noise": "",
            "clipped": None,
            "bytes": None,
        }
    with ReportFile(path):
        pass
    assert path.read_text() == ""


def test_what_is_no_report_is_not_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.tif", 4, 4)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is there already and is no report"), ReportFile(path):
        pass
    assert path.read_bytes() == before


def test_the_table_names_what_failed() -> None:
    done = Outcome(
        source=Path("a.tif"), target=Path("b.tif"), image=1, outcome="done", sentence="well."
    )
    assert table([done, OUTCOME, done]) == [
        "3 images: 2 done, 1 failed",
        "  failed  µ.tif  it is no image.",
    ]


def test_an_image_over_several_files_is_remarked_upon_once(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.tif") as tif:
        for size in (20, 30):
            tif.write(np.zeros((size, size), "u2"), photometric="minisblack", contiguous=False)
    jobs = find_jobs([tmp_path / "two.tif"], tmp_path / "out", scale=2)
    remark, *tasks = planned(jobs)
    assert isinstance(remark, Remark)
    assert not remark.is_note
    assert [task.label for task in tasks if not isinstance(task, Remark | Ended)] == [
        "two.tif, image 1 of 2",
        "two.tif, image 2 of 2",
    ]
