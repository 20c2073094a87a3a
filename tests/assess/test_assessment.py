"""Whole assessments: of stacks, channels and colours, from Python and from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from commands import command_here
from scipy.ndimage import gaussian_filter

from napari_srcnn.assess.assessment import Assessment, assess
from napari_srcnn.assess.place import register
from napari_srcnn.assess.resolution import frc
from napari_srcnn.assess.spectra import spectra_of
from napari_srcnn.image.resize import imresize
from napari_srcnn.image.stack import Stack
from napari_srcnn.microscope.noise import Noise


def truth(*leading: int, side: int = 96) -> Any:
    rng = np.random.default_rng(0)
    planes = gaussian_filter(rng.random((*leading, side, side)), [0] * len(leading) + [2, 2])
    return 1000 + 20_000 * (planes - planes.min())


def stacks(axes: str, *leading: int) -> tuple[Stack, Stack, Stack]:
    """A result, its source with noise, and the reference."""
    high = truth(*leading)
    low = high.reshape(*leading, 48, 2, 48, 2).mean((-3, -1))
    low = low + np.random.default_rng(1).normal(0, 50, low.shape)
    made = np.stack([imresize(one, scale=2) for one in low.reshape(-1, 48, 48)])
    size = (1.0,) * len(leading)
    return (
        Stack(
            data=made.reshape(high.shape) + 3.0,
            axes=axes,
            pixel_size=(*size, 0.1, 0.1),
            units=("pixel",) * len(leading) + ("micrometer",) * 2,
        ),
        Stack(
            data=low,
            axes=axes,
            pixel_size=(*size, 0.2, 0.2),
            units=("pixel",) * len(leading) + ("micrometer",) * 2,
        ),
        Stack(data=high, axes=axes),
    )


def assessed(*given: Stack, **more: Any) -> Assessment:
    *planes, found = assess(*given, **more)
    assert isinstance(found, Assessment)
    assert len(planes) == found.rows[0].planes
    return found


def test_bicubic_stands_beside_the_result_plane_by_plane() -> None:
    result, source, reference = stacks("ZYX", 3)
    found = assessed(result, source, reference, noise=Noise(read=50.0))
    ours, plain = found.rows
    assert (ours.what, plain.what) == ("result", "bicubic")
    assert ours.planes == 3
    # The result is bicubic's and 3 more everywhere, which no gain and offset leaves.
    assert ours.rse == pytest.approx(plain.rse, rel=1e-6)
    assert ours.rsp == pytest.approx(plain.rsp)
    assert ours.si_psnr == pytest.approx(plain.si_psnr, abs=1e-6)
    assert ours.total is not None
    assert plain.total is not None
    mean = float(np.mean(source.data))
    assert ours.total - plain.total == pytest.approx(3 / mean, rel=1e-3)
    assert ours.data_range == pytest.approx(np.ptp(reference.data))
    assert found.curves["result"][1]["psnr"] != found.curves["result"][2]["psnr"]
    assert ours.psnr == pytest.approx(np.mean([one["psnr"] for one in found.curves["result"]]))
    assert ours.beyond_3_sigma is not None
    assert ours.beyond_3_sigma < 0.01
    assert found.unit == "micrometer"
    assert ours.decorrelation_length == pytest.approx(0.1 * ours.decorrelation_pixels)
    shared = frc(reference.data[1], result.data[1]).pixels
    assert ours.frc_pixels == pytest.approx(shared)
    assert ours.frc_length == pytest.approx(0.1 * shared)
    assert any("not optical resolution" in note for note in found.notes)


def test_what_was_painted_in_is_found_and_said() -> None:
    result, source, _ = stacks("YX")
    painted = np.array(result.data)
    painted[20:60, 20:60] += 600.0
    found = assessed(Stack(data=painted, axes="YX"), source, noise=Noise(read=50.0))
    # 20 of 48 rows and columns of the source.
    assert found.rows[0].beyond_3_sigma == pytest.approx((20 / 48) ** 2, rel=0.05)
    assert any("beyond three standard deviations" in note for note in found.notes)
    assert found.rows[0].psnr is None
    assert any("compared pixel by pixel" in note for note in found.notes), "it has no pixel size"
    (plane, _) = assess(Stack(data=result.data, axes="YX"), Stack(data=source.data, axes="YX"))
    curves = spectra_of(plane)
    assert curves["source"].frequency[-1] < 0.5 < curves["result"].frequency[-1]
    # Of coarse structure all have the same power, whatever their pixels.
    low, high = (curves[what].value[:4] for what in ("source", "bicubic"))
    np.testing.assert_allclose(low, high, atol=0.1)


def test_channels_have_noises_of_their_own_and_colours_are_planes() -> None:
    result, source, _ = stacks("CYX", 2)
    found = assessed(result, source)
    assert found.rows[0].planes == 2
    assert found.noise_text
    colour = Stack(data=np.moveaxis(result.data, 0, -1).repeat(2, -1)[..., :3], axes="YXS")
    small = Stack(data=np.moveaxis(source.data, 0, -1).repeat(2, -1)[..., :3], axes="YXS")
    assert assessed(colour, small, noise=Noise(read=50.0)).rows[0].planes == 3


def test_what_does_not_belong_together_is_said() -> None:
    result, source, reference = stacks("ZYX", 3)
    with pytest.raises(ValueError, match="has axes ZYX and the source TYX"):
        register(result, Stack(data=source.data, axes="TYX"))
    with pytest.raises(ValueError, match="but for Y and X they need to be equal"):
        register(result, Stack(data=source.data[:2], axes="ZYX"))
    with pytest.raises(ValueError, match=r"96 × 96 pixels are no whole multiple .* 47 × 48"):
        register(result, Stack(data=source.data[:, :47], axes="ZYX"))
    with pytest.raises(ValueError, match="The reference has shape"):
        list(assess(result, source, Stack(data=reference.data[:2], axes="ZYX")))


# ---------------------------------------------------------------- the command line


@pytest.fixture
def images(tmp_path: Path) -> Path:
    result, source, reference = stacks("ZYX", 2)
    for name, stack in (("result", result), ("source", source), ("reference", reference)):
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            np.rint(stack.data).astype("u2"),
            photometric="minisblack",
            metadata={"axes": "ZYX"},
            imagej=True,
        )
    return tmp_path


def test_the_command_writes_what_it_says(images: Path) -> None:
    ended = command_here(
        "assess",
        images / "result.tif",
        "--source",
        images / "source.tif",
        "--reference",
        images / "reference.tif",
        "--json",
        images / "a.json",
        "--csv",
        images / "a.csv",
        "--report",
        images / "a.html",
    )
    assert ended.code == 0, ended.err
    assert "result       bicubic" in ended.out
    assert "PSNR (dB)" in ended.out
    values = json.loads((images / "a.json").read_text())
    assert [row["what"] for row in values["rows"]] == ["result", "bicubic"]
    for row in values["rows"]:
        assert {"psnr", "data_range", "ssim", "beyond_3_sigma", "rse", "rsp"} <= set(row)
        assert 0 <= row["beyond_3_sigma"] <= 1
    with (images / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["plane"] for row in rows] == ["1", "2", "1", "2"]
    page = (images / "a.html").read_text("utf-8")
    assert page.count("<img ") == 5, "recorded, result, bicubic, reference, difference"
    assert "not optical resolution" in page
    assert "NanoJ-SQUIRREL" in page
    assert "<script" not in page


def test_without_a_reference_the_source_alone_is_compared_with(images: Path) -> None:
    ended = command_here("assess", images / "result.tif", "--source", images / "source.tif")
    assert ended.code == 0
    assert "RSE" in ended.out
    assert "PSNR" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--source", "reference.tif"), "no whole multiple"),
        (("--source", "none.tif"), "none.tif"),
        (("--source", "source.tif", "--json", "none/a.json"), "There is no folder"),
        (("--source", "source.tif", "--blur", "-1"), "The blur's sigma is -1.0"),
        (("--source", "source.tif", "--reference", "source.tif"), "The reference has shape"),
    ],
)
def test_bad_input_is_a_sentence(
    images: Path, arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images)
    ended = command_here("assess", "result.tif", *arguments, "--quiet")
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
