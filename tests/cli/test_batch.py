"""Folders on the command line: the report, the table, several files at a time."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from commands import Ended, command, command_here, finish, hear_interrupts, posix, start

from napari_srcnn.io import is_zarr
from napari_srcnn.upscaling.batch.outcomes import report_of

MODEL = "srcnn-9-1-5-x2"
USUAL = ("--device", "cpu", "--tile", 64, "--model", MODEL)


def here(*arguments: object) -> Ended:
    return command_here("upscale", *USUAL, *arguments)


def write(path: Path, *shape: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(100, 4000, shape).astype("u2")
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "in" / "a.tif", 20, 24)
    (tmp_path / "in" / "b.tif").write_text("Dear diary, this is no image.")
    write(tmp_path / "in" / "deep" / "c.tif", 22, 30)
    return tmp_path / "in"


def test_a_folder_gets_a_report_and_a_table(folder: Path, tmp_path: Path) -> None:
    report = report_of(tmp_path / "out")
    ended = here(folder, tmp_path / "out", "--recursive")
    assert ended.code == 1
    found = lines(report)
    assert [(Path(one["source"]).name, one["outcome"]) for one in found] == [
        ("a.tif", "done"),
        ("b.tif", "failed"),
        ("c.tif", "done"),
    ]
    assert found[0]["model"] == MODEL
    *_, head, row = ended.out.splitlines()
    assert head == f"3 images: 2 done, 1 failed; report: {report}"
    assert row.split()[:2] == ["failed", str(folder / "b.tif")]
    assert row.endswith(found[1]["sentence"])

    (folder / "b.tif").unlink()
    again = here(folder, tmp_path / "out", "--recursive")
    assert again.code == 0
    assert [one["outcome"] for one in lines(report)] == ["skipped", "skipped"]
    assert again.out.splitlines()[-1] == f"2 images: 2 skipped; report: {report}"


def test_a_report_is_written_where_it_is_wanted(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "said" / "how.jsonl"
    assert here(folder / "a.tif", tmp_path / "a.ome.tif", "--report", report).code == 0
    (line,) = lines(report)
    assert line["target"] == str(tmp_path / "a.ome.tif")
    refused = here(folder / "a.tif", tmp_path / "b.ome.tif", "--report", tmp_path / "a.ome.tif")
    assert refused.code == 2
    assert "is there already and is no report" in refused.err
    assert not (tmp_path / "b.ome.tif").exists()


def test_quiet_says_what_failed_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    ended = here(folder, tmp_path / "out", "--quiet")
    assert ended.out == ""
    assert "b.tif: " in ended.err
    assert "2 images: 1 done, 1 failed" in ended.err


def test_a_folder_is_written_as_ome_zarr(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    options = ("--recursive", "--format", "ome-zarr", "--ome-zarr", "0.4")
    assert here(folder, output, *options).code == 1
    assert is_zarr(output / "a_x2.ome.zarr")
    assert (output / "deep" / "c_x2.ome.zarr" / ".zattrs").is_file()
    refused = here(folder / "a.tif", tmp_path / "a.ome.tif", *options)
    assert refused.code == 2
    assert "is no name for an OME-Zarr; end it in .ome.zarr" in refused.err


def test_no_files_at_a_time_are_too_few(folder: Path, tmp_path: Path) -> None:
    ended = here(folder, tmp_path / "out", "--jobs", 0)
    assert (ended.code, ended.err) == (2, "Error: --jobs is 0; at least 1 is needed.\n")


def test_lines_of_several_processes_are_whole_and_say_their_file(
    folder: Path, tmp_path: Path
) -> None:
    ended = command("upscale", *USUAL, folder, tmp_path / "out", "--recursive", "--jobs", 2)
    assert ended.code == 1
    assert not ended.torch  # only the processes that compute load it
    said = ended.out.splitlines()
    for source in (folder / "a.tif", folder / "deep" / "c.tif"):
        assert [line.endswith("values clipped.") for line in said if f"{source} →" in line] == [
            True
        ]
    assert [line for line in ended.err.splitlines() if not line.startswith("Device: ")] == [
        f"[2/3] b.tif: {lines(report_of(tmp_path / 'out'))[0]['sentence']}"
    ]


@posix
def test_ctrl_c_stops_all_processes_and_leaves_nothing_half(tmp_path: Path) -> None:
    for name in ("a.tif", "bb.tif"):
        write(tmp_path / "in" / name, 300, 256, 256)
    output = tmp_path / "out"
    process = start(
        *("upscale", *USUAL, tmp_path / "in", output, "--jobs", 2), before=hear_interrupts
    )
    end = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < end:
        if len(list(output.glob(".*.part"))) == 2:
            break
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130
    assert ended.err.endswith("Stopped.\n")
    assert not list(output.iterdir())
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)
