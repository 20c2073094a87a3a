"""What is said of scores: tables and plots beside the published figures."""

from __future__ import annotations

from pathlib import Path

import matplotlib

from napari_srcnn.assess.published import published_figures
from napari_srcnn.assess.reference import Score
from napari_srcnn.assess.report import plot, table


def score(method: str, psnr: float) -> Score:
    return Score(image="1", method=method, scale=3, psnr=psnr, ssim=0.9, seconds=0.1)


def test_published_figures_are_found_by_the_name_of_a_folder_and_those_of_its_scale_alone() -> None:
    figures = published_figures("/data/natural/Set5", "y", 3)
    assert figures == published_figures("Set5", "y", 3)
    assert figures["SRCNN 9-5-5, the paper's best"] == (32.75, 0.9090)
    assert published_figures("Set5", "rgb", 3) == {}
    assert published_figures("my own", "y", 3) == {}


def test_a_table_says_what_is_gained_and_what_is_published_at_its_scale() -> None:
    lines = table([score("bicubic", 30.0), score("ours", 32.0)], "Set5", "y").splitlines()
    assert "+2.00 dB" in lines[2]
    assert sum("published" in line for line in lines) == 2
    assert any("32.75" in line for line in lines)


def test_a_plot_leaves_the_programs_own_backend_alone(tmp_path: Path) -> None:
    before = matplotlib.rcParams._get_backend_or_none()
    plot({"Set5": [score("bicubic", 30.0)]}, tmp_path / "plot.png", "y")
    assert (tmp_path / "plot.png").stat().st_size > 5_000
    assert matplotlib.rcParams._get_backend_or_none() == before
