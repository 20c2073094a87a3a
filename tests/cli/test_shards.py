"""OME-Zarrs on the command line: written by one, by tasks, by workers; verified and repaired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from commands import Ended, command_here

from napari_srcnn.cli.shards import Share, parse_task
from napari_srcnn.io import read_stack

pytestmark = pytest.mark.usefixtures("own_home")
MODEL = ("--model", "srcnn-9-1-5-x2", "--device", "cpu", "--tile", "64")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(100, 4000, (3, 40, 50)).astype("u2")
    tifffile.imwrite(tmp_path / "cells.tif", values, photometric="minisblack")
    return tmp_path / "cells.tif"


def ran(*arguments: object) -> Ended:
    ended = command_here(*arguments)
    assert ended.code == 0, ended.err
    return ended


def refused(*arguments: object) -> str:
    ended = command_here(*arguments)
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("Error: ")
    return ended.err


def test_a_tiff_becomes_an_ome_zarr_and_that_a_tiff(image: Path) -> None:
    store, back = image.with_name("cells.ome.zarr"), image.with_name("again.ome.tif")
    first = ran("upscale", image, store, *MODEL)
    assert "(3, 40, 50) uint16 → (3, 80, 100) uint16" in first.out
    assert "1 shard written" in first.out
    assert "done already, skipped" in ran("upscale", image, store, *MODEL).out
    ran("upscale", store, back, *MODEL)
    with read_stack(back) as stack:
        assert stack.shape == (3, 160, 200)


def test_a_folder_of_both_kinds_is_enlarged(image: Path) -> None:
    folder = image.parent / "folder"
    folder.mkdir()
    ran("upscale", image, folder / "b.ome.zarr", *MODEL)
    image.rename(folder / "a.tif")
    ended = ran("upscale", folder, image.parent / "out", "-r", *MODEL)
    assert "b.ome.zarr → " in ended.out
    written = sorted(path.name for path in (image.parent / "out").iterdir())
    assert written == ["a_x2.ome.tif", "b_x2.ome.tif"]


def test_tasks_say_what_is_missing_and_the_last_finishes(image: Path) -> None:
    store = image.with_name("cells.ome.zarr")
    values = np.random.default_rng(0).integers(100, 4000, (300, 600)).astype("u2")
    tifffile.imwrite(image, values, photometric="minisblack")
    first = ran("upscale", image, store, *MODEL, "--task", "1/2")
    assert "1 shard written" in first.out
    assert "still missing: 1 shard of other tasks" in first.out
    assert "run the tasks that have not ended" in refused(
        "upscale", image, store, *MODEL, "--finish", "--quiet"
    )
    last = ran("upscale", image, store, *MODEL, "--task", "2/2")
    assert "→ (600, 1200) uint16" in last.out
    # Two of 600 × 1024 pixels, and one each of the two coarser levels.
    assert "4 shards, each as it was written" in ran("verify", store).out


def test_verify_finds_and_repairs(image: Path) -> None:
    store = image.with_name("cells.ome.zarr")
    ran("upscale", image, store, *MODEL)
    assert "1 shard, each as it was written" in ran("verify", store).out
    (store / "0/c/0/0/0").unlink()
    ended = command_here("verify", store)
    assert ended.code == 1
    assert "shard 0/0/0 of level 0 is missing." in ended.err
    assert "1 of 1 shard not as written; --repair makes up for it" in ended.err
    assert "1 shard of 1 made again" in ran("verify", store, "--repair", "--device", "cpu").out
    assert ran("verify", store, "--quiet").out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--task", "0/0"), "the number has to be from 1 to the number of tasks"),
        (("--task", "5/4"), "the number has to be from 1 to the number of tasks"),
        (("--task", "third"), "I/N is needed, as 3/16"),
        (("--workers", "0"), "--workers is 0; at least 1 is needed"),
        (("--workers", "2", "--task", "1/2"), "--task and --workers cannot be given together"),
        (("--finish", "--task", "1/2"), "--task and --finish cannot be given together"),
        (("--compression", "lzw"), "compression 'lzw' is not known; choose one of"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    image: Path, arguments: tuple[str, ...], said: str
) -> None:
    store = image.with_name("cells.ome.zarr")
    assert said in refused("upscale", image, store, *MODEL, "--quiet", *arguments)
    assert not store.exists()


def test_what_needs_an_ome_zarr_says_so(image: Path) -> None:
    out = image.with_name("cells.ome.tif")
    assert "end its name in .ome.zarr" in refused("upscale", image, out, "--task", "1/2")
    assert "holds no record of how it was made" in refused("verify", image.with_name("none.zarr"))
    assert "name one image" in refused("upscale", image, image, image.with_name("a.zarr"))


def test_tasks_are_parsed() -> None:
    assert parse_task("3/16") == (3, 16)
    assert not Share().is_said
    assert Share.of("1/1", None, None, finish=False).task == (1, 1)
