"""The demo's window, whatever its user has set in Preferences."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


@pytest.mark.parametrize("above", [0, 4])
def test_the_demo_takes_its_picture_however_results_are_computed(
    tmp_path: Path, above: float
) -> None:
    (tmp_path / "napari-srcnn.yaml").write_text(f"upscale:\n  lazy_above: {above}\n")
    picture = tmp_path / "window.png"
    subprocess.run(
        [sys.executable, "-m", "napari_srcnn.widgets.demo", "nuclei", str(picture)],
        env=os.environ | {"NAPARI_CONFIG": str(tmp_path / "settings.yaml")},
        check=True,
        timeout=120,
    )
    with Image.open(picture) as shown:
        assert shown.size[0] >= 1200
