"""Images and networks that may be measured on but not passed on, and what stands in for them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import skimage.data
from numpy.typing import NDArray

FOLDER = Path(
    os.environ.get("NAPARI_SRCNN_DATA")
    or Path(__file__).resolve().parent.parent.parent / "shared" / "data"
)
THERE = FOLDER.is_dir()
MISSING = f"compares with files that may not be passed on; NAPARI_SRCNN_DATA={FOLDER} has none"


def with_data(cases: Iterable[Any]) -> list[Any]:
    """Every case where the data are; where not, one, which its fixture `shared_data` skips."""
    return list(cases)[: None if THERE else 1]


def bundled_photographs() -> dict[str, NDArray[Any]]:
    """Parts of photographs, 8-bit RGB or gray, that scikit-image itself brings along."""
    return {
        "astronaut": skimage.data.astronaut()[:240, 120:360],
        "coffee": skimage.data.coffee()[100:300, 150:400],
        "camera": skimage.data.camera()[100:300, 120:360],
    }
