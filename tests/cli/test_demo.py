"""The demo: what a newcomer gets from one command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_srcnn
from napari_srcnn.cli.showcase import side_by_side
from napari_srcnn.samples import load_sample


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo as `make demo` does, without a display."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = "from napari_srcnn.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "demo", "--out", str(folder)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_demo_writes_the_sample_twice_as_large_with_half_the_pixel_size(
    made: tuple[Path, str],
) -> None:
    folder, _ = made
    with (
        load_sample("brain") as source,
        napari_srcnn.read_stack(folder / "brain_x2.ome.tif") as result,
    ):
        assert result.dtype == source.dtype == np.int16
        assert result.shape == (24, 192, 256)
        assert result.pixel_size == (source.pixel_size[0], 1.0, 1.0)
        assert result.units == source.units
        expected = napari_srcnn.upscale(source[12:13], scale=2, intensity=(0, 1000))
        # Another range is seen a little differently; the image is the same one.
        assert np.corrcoef(expected.ravel(), result[12:13].ravel())[0, 1] > 0.99


def test_the_demo_says_where_its_files_are_and_how_long_it_took(made: tuple[Path, str]) -> None:
    folder, said = made
    for name in ("brain_x2.ome.tif", "side-by-side.png"):
        assert str(folder / name) in said
        assert (folder / name).stat().st_size > 10_000
    assert "there is no display" in said
    assert " s with srcnn-" in said


def test_the_demo_finds_srcnn_closer_to_the_truth_than_bicubic(made: tuple[Path, str]) -> None:
    _, said = made
    gain = float(said.split("comes back ")[1].split(" dB")[0])
    assert gain > 1.0


def test_the_picture_shows_no_difference_where_there_is_none() -> None:
    low_res = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    enlarged = np.repeat(np.repeat(low_res, 2, 0), 2, 1)
    picture = np.asarray(side_by_side(low_res, enlarged, enlarged, 2, "a ramp"))
    column = picture.shape[1] // 4
    difference = picture[90:, -column + 20 : -20]
    assert (difference == 255).all()
    # Equal images are drawn equally, the low-res one with larger pixels.
    assert np.array_equal(picture[80:200, 30:200], picture[80:200, 30 + 272 : 200 + 272])


def test_the_result_can_be_read_by_any_tiff_reader(made: tuple[Path, str]) -> None:
    folder, _ = made
    assert tifffile.imread(folder / "brain_x2.ome.tif").shape == (24, 192, 256)
    with Image.open(folder / "side-by-side.png") as picture:
        assert picture.width > 2000
