"""Files and folders as training data: which images they are, and which belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_srcnn.io import Stack, write_stack
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.dataset import make_dataset
from napari_srcnn.training.sources import sources_from_paths

NETWORK = SRCNNConfig(kernels=(3, 1, 3), widths=(6, 4))


def scene(seed: int = 0, side: int = 96) -> NDArray[np.uint16]:
    pixels = gaussian_filter(np.random.default_rng(seed).random((side, side)), 1.5) * 4000
    return pixels.astype(np.uint16)


def write_numbered(folder: Path, names: Sequence[str], side: int) -> Path:
    """Write images whose pixels are their number, counted from 1."""
    folder.mkdir()
    for number, name in enumerate(names, 1):
        tifffile.imwrite(folder / f"{name}.tif", np.full((side, side), number, np.uint16))
    return folder


def write_result(path: Path, pixels: NDArray[Any]) -> None:
    """Write what is marked as made by this program."""
    made = {"napari_srcnn": {"model": "srcnn-9-5-5-x2"}}
    write_stack(path, Stack(data=pixels, axes="YX", metadata=made))


def write_set(
    folder: Path, names: Sequence[str], *, of_one_image: bool = True, told_by: int | None = None
) -> None:
    """Write an OME-TIFF in several files, a plane or an image a file.

    All of them tell of the whole, or the one of the number `told_by` alone.
    """
    number = len(names)
    ids = [f"urn:uuid:40000000-0000-0000-0000-0000000000{n:02d}" for n in range(number)]
    parts = [
        f'<TiffData FirstZ="{n * of_one_image}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{names[n]}">{ids[n]}</UUID></TiffData>'
        for n in range(number)
    ]
    groups = ["".join(parts)] if of_one_image else parts
    images = "".join(
        f'<Image ID="Image:{n}"><Pixels ID="Pixels:{n}" DimensionOrder="XYZCT" Type="uint16" '
        f'SizeX="96" SizeY="96" SizeZ="{number if of_one_image else 1}" SizeC="1" SizeT="1">'
        f'<Channel ID="Channel:{n}:0"/>{data}</Pixels></Image>'
        for n, data in enumerate(groups)
    )
    head = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    for n, name in enumerate(names):
        xml = f'<?xml version="1.0" encoding="UTF-8"?><OME {head} UUID="{ids[n]}">{images}</OME>'
        plain = told_by is not None and n != told_by
        tifffile.imwrite(
            folder / name,
            scene(n),
            description=None if plain else xml.encode(),
            metadata=None,
            photometric="minisblack",
        )


# -- what is no image of its own -------------------------------------------------------------------


def test_of_an_image_in_several_files_nothing_is_both_trained_on_and_measured_on(
    tmp_path: Path,
) -> None:
    write_set(tmp_path, [f"cell_Z{n}.ome.tif" for n in range(6)])
    (source,) = sources_from_paths(tmp_path)
    assert (source.axes, source.high.shape) == ("ZYX", (6, 96, 96))
    data = make_dataset([source], NETWORK)
    trained = {block.high.tobytes() for block in data.training}
    assert data.held
    assert not any(block.high.tobytes() in trained for block in data.held)
    assert any("6 files of" in note and "are 1 image in several" in note for note in data.notes)


def test_the_file_that_tells_of_the_whole_set_stands_for_it(tmp_path: Path) -> None:
    write_set(tmp_path, [f"cell_Z{n}.ome.tif" for n in range(4)], told_by=2)
    (source,) = sources_from_paths(tmp_path)
    assert source.path == tmp_path / "cell_Z2.ome.tif"
    assert source.high.shape == (4, 96, 96)


def test_two_sets_in_a_folder_are_two_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_set(tmp_path, [f"{name}_Z{n}.ome.tif" for n in range(3)])
    assert [source.name for source in sources_from_paths(tmp_path)] == ["a_Z0", "b_Z0"]


def test_stage_positions_that_tell_of_each_other_are_images_of_their_own(tmp_path: Path) -> None:
    write_set(tmp_path, [f"pos{n}.ome.tif" for n in range(3)], of_one_image=False)
    assert [source.name for source in sources_from_paths(tmp_path)] == ["pos0", "pos1", "pos2"]


def test_what_this_program_made_is_no_truth(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cells.tif", scene())
    write_result(tmp_path / "cells_x2.ome.tif", scene(side=192))
    (source,) = sources_from_paths(tmp_path)
    assert source.name == "cells"
    data = make_dataset([source], NETWORK)
    assert "Left out, since this program made it: cells_x2.ome.tif." in data.notes


def test_neither_is_it_taken_for_a_low_res_image(tmp_path: Path) -> None:
    high, low = tmp_path / "high", tmp_path / "low"
    high.mkdir()
    low.mkdir()
    tifffile.imwrite(high / "cells.tif", scene())
    tifffile.imwrite(low / "quick.tif", scene(side=48))
    write_result(low / "quick_x2.ome.tif", scene())
    (source,) = sources_from_paths(high, low)
    assert source.low_path == low / "quick.tif"


def test_a_result_that_is_chosen_by_its_name_is_used_and_that_is_said(tmp_path: Path) -> None:
    write_result(tmp_path / "cells_x2.ome.tif", scene())
    data = make_dataset(sources_from_paths(tmp_path / "cells_x2.ome.tif"), NETWORK)
    assert any("was made by this program" in note for note in data.notes)


def test_a_folder_of_nothing_but_results_is_refused(tmp_path: Path) -> None:
    write_result(tmp_path / "cells_x2.ome.tif", scene())
    with pytest.raises(ValueError, match="were made by this program; originals are needed"):
        sources_from_paths(tmp_path)


def test_an_image_that_was_only_saved_by_this_program_is_an_original(tmp_path: Path) -> None:
    write_stack(tmp_path / "cells.ome.tif", Stack(data=scene(), axes="YX"))
    assert [source.name for source in sources_from_paths(tmp_path)] == ["cells"]


# -- pairs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("high", "low"),
    [
        ("sharp_{:02d}", "quick_{}"),
        ("sharp {}", "quick {:03d}"),
        ("63x {:02d} of 12", "10x {} of 12"),
        ("{} c2", "{:02d} c1"),
    ],
)
def test_images_pair_up_by_their_numbers(high: str, low: str, tmp_path: Path) -> None:
    highs = write_numbered(tmp_path / "high", [high.format(n) for n in range(1, 13)], 64)
    lows = write_numbered(tmp_path / "low", [low.format(n) for n in range(1, 13)], 32)
    for source in sources_from_paths(highs, lows):
        assert source.high[0, 0] == source.low[0, 0]


def test_images_pair_up_by_what_differs_in_their_names(tmp_path: Path) -> None:
    highs = write_numbered(tmp_path / "high", ["sharp wt", "sharp ko", "sharp 12"], 64)
    lows = write_numbered(tmp_path / "low", ["wt, quick", "ko, quick", "12, quick"], 32)
    for source in sources_from_paths(highs, lows):
        assert source.high[0, 0] == source.low[0, 0]


def test_a_number_without_a_partner_is_named(tmp_path: Path) -> None:
    highs = write_numbered(tmp_path / "high", ["sharp_1", "sharp_2", "sharp_3"], 64)
    lows = write_numbered(tmp_path / "low", ["quick_2", "quick_3", "quick_4"], 32)
    with pytest.raises(ValueError, match=r"sharp_1\.tif has no partner"):
        sources_from_paths(highs, lows)


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    folder = write_numbered(tmp_path / "high", [f"t{n}" for n in range(12)], 64)
    assert [source.name for source in sources_from_paths(folder)] == [f"t{n}" for n in range(12)]
