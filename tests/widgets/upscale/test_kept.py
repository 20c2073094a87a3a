"""What an image has goes to its result: what its file says, where it is cut, what is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image

from napari_srcnn.widgets.shared.layers import Appearance


def test_saving_a_result_keeps_what_the_file_said_of_the_image(
    viewer: Any, dock: Callable[[], Any], finish: Callable[[Any], None], tmp_path: Path
) -> None:
    source, target = tmp_path / "cells.ome.tif", tmp_path / "big.ome.tif"
    tifffile.imwrite(
        source,
        np.random.default_rng(0).integers(0, 4000, (3, 2, 40, 48)).astype(np.uint16),
        ome=True,
        photometric="minisblack",
        metadata={
            "axes": "TCYX",
            "PhysicalSizeX": 0.2,
            "PhysicalSizeY": 0.2,
            "TimeIncrement": 3.0,
            "Channel": {"Name": ["GFP", "RFP"], "EmissionWavelength": [509, 610]},
            "Plane": {"DeltaT": [0.0, 0.0, 3.1, 3.1, 6.3, 6.3], "DeltaTUnit": ["s"] * 6},
        },
    )
    viewer.open(str(source), plugin="napari-srcnn")
    widget = dock()
    viewer.layers.selection.select_only(viewer.layers[0])
    widget.upscale()
    finish(widget)
    widget.save(target)
    finish(widget)
    with tifffile.TiffFile(target) as tiff:
        xml = tiff.ome_metadata or ""
    assert 'EmissionWavelength="509"' in xml
    assert 'DeltaT="6.3"' in xml
    assert 'Name="GFP"' in xml


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_planes_through_a_volume_lie_where_they_lay() -> None:
    random = np.random.default_rng(0)
    source = Image(
        np.zeros((7, 48, 56), np.uint16),
        contrast_limits=(0, 1),
        scale=(2, 0.5, 0.4),
        rotate=(20, 30, 40),
        depiction="plane",
        plane={"position": (3, 24, 28), "normal": (1, 2, -1), "thickness": 3},
        experimental_clipping_planes=[
            {"position": (1, 2, 3), "normal": (0, 1, 1)},
            {"position": (5, 40, 50), "normal": (-1, 0, 0), "enabled": False},
        ],
    )
    result = Image(np.zeros((7, 144, 168), np.uint16), **Appearance.of(source).enlarged(3))
    assert str(result.depiction) == "plane"
    pairs = [
        (source.plane, result.plane),
        *zip(source.experimental_clipping_planes, result.experimental_clipping_planes, strict=True),
    ]
    assert len(pairs) == 3
    for before, after in pairs:
        for point in random.uniform(0, 40, (20, 3)):
            moved = np.asarray(result.world_to_data(source.data_to_world(point)))
            side = np.dot(before.normal, point - before.position)
            side_after = np.dot(after.normal, moved - after.position)
            if before is source.plane:
                # Within the slab before and after.
                np.testing.assert_allclose(
                    side / before.thickness, side_after / after.thickness, atol=1e-9
                )
            assert np.sign(side.round(9)) == np.sign(side_after.round(9))
    assert not result.experimental_clipping_planes[1].enabled
