"""Where images lie to each other: units, crops, shifts; what has no figures; the maps."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from commands import command_here
from scipy.ndimage import gaussian_filter, shift

from napari_srcnn.assess.assessment import Assessed, Assessment, assess
from napari_srcnn.assess.html import page
from napari_srcnn.assess.maps import Maps
from napari_srcnn.assess.place import register
from napari_srcnn.assess.tables import as_cells, as_csv, as_json
from napari_srcnn.image.resize import imresize
from napari_srcnn.image.stack import Stack
from napari_srcnn.io import write_stack
from napari_srcnn.microscope.noise import Noise

SIZE = 0.2  # micrometer


def world(*leading: int, side: int = 128) -> Any:
    rng = np.random.default_rng(0)
    planes = gaussian_filter(rng.random((*leading, side, side)), [0] * len(leading) + [2, 2])
    return 1000 + 20_000 * (planes - planes.min())


def placed(
    data: Any, axes: str, pixel: float, translate: Sequence[float], unit: str = "micrometer"
) -> Stack:
    """A stack whose first pixel's centre lies at `translate`; its planes are 1 apart."""
    leading = len(axes) - 2
    return Stack(
        data=data,
        axes=axes,
        pixel_size=(1.0,) * leading + (pixel, pixel),
        units=(unit,) * len(axes),
        metadata={"layer": {"translate": list(translate), "axis_labels": list(axes.lower())}},
    )


def images() -> tuple[Stack, Stack, Any]:
    """A result that lies over its source, and the truth: 64 x 64 becomes 128 x 128."""
    high = world()
    low = high.reshape(64, 2, 64, 2).mean((1, 3)) + np.random.default_rng(1).normal(0, 50, (64, 64))
    result = placed(imresize(low, scale=2), "YX", SIZE / 2, (-SIZE / 4, -SIZE / 4))
    return result, placed(low, "YX", SIZE, (0, 0)), high


def assessed(*given: Stack, **more: Any) -> tuple[Assessed, Assessment]:
    *planes, found = assess(*given, noise=more.pop("noise", Noise(read=50.0)), **more)
    return next(plane for plane in planes if plane.is_middle), found


def note_of(found: Assessment, part: str) -> str:
    (note,) = [note for note in found.notes if part in note]
    return note


# ---------------------------------------------------------------- places


def test_a_result_in_another_unit_is_the_same_result() -> None:
    result, source, _ = images()
    _, plain = assessed(result, source)
    assert plain.compared.notes == ()
    layer = {"translate": [-1000 * SIZE / 4] * 2, "axis_labels": ["y", "x"]}
    other = replace(
        result,
        pixel_size=(500 * SIZE,) * 2,
        units=("nanometer",) * 2,
        metadata={"layer": layer},
    )
    _, found = assessed(other, source)
    assert found.rows[0].rse == plain.rows[0].rse
    assert note_of(found, "converted").startswith("The result's pixel size is in nanometer")
    assert found.rows[0].decorrelation_length == pytest.approx(
        1000 * plain.rows[0].decorrelation_length
    )


def test_a_result_of_a_part_is_compared_with_that_part() -> None:
    _, source, high = images()
    part = source.data[10:50, 5:64]
    made = placed(
        imresize(part, scale=2), "YX", SIZE / 2, (10 * SIZE - SIZE / 4, 5 * SIZE - SIZE / 4)
    )
    reference = placed(high, "YX", SIZE / 2, (-SIZE / 4, -SIZE / 4))
    middle, found = assessed(made, source, reference)
    assert found.compared.origin == (10, 5)
    np.testing.assert_array_equal(middle.source, part)
    np.testing.assert_array_equal(middle.images["reference"], high[20:100, 10:])
    assert "rows 11–50 of 64, columns 6–64 of 64 of the source" in note_of(found, "common to all")


def test_planes_belong_together_by_their_places() -> None:
    stack = world(4, side=32)
    source = placed(stack, "ZYX", 1.0, (0, 0, 0))
    result = placed(stack[1:3].repeat(2, 1).repeat(2, 2), "ZYX", 0.5, (1, -0.25, -0.25))
    compared = register(result, source)
    np.testing.assert_array_equal(compared.source[0], stack[1])
    assert compared.origin == (1, 0, 0)
    unknown = replace(source, units=("pixel",) * 3), replace(result, units=("pixel",) * 3)
    assert register(unknown[1], unknown[0]).origin == (1, 0, 0), "it was moved, without a unit"
    # Where nothing is known of the planes' places nobody can tell which belong together.
    bare = Stack(data=result.data, axes="ZYX"), Stack(data=stack, axes="ZYX")
    with pytest.raises(ValueError, match="which planes belong together"):
        register(*bare)


@pytest.mark.parametrize(
    ("translate", "said"),
    [
        ((0.7, -SIZE / 4), r"begins 3.75 down \(pixels of the source\)"),
        ((100.0 - SIZE / 4, -SIZE / 4), r"does not lie over its source.* 500 down"),
    ],
)
def test_what_does_not_lie_over_the_source_is_refused(
    translate: tuple[float, float], said: str
) -> None:
    result, source, _ = images()
    with pytest.raises(ValueError, match=said):
        register(placed(result.data, "YX", SIZE / 2, translate), source)


def test_a_result_that_is_turned_is_refused() -> None:
    result, source, _ = images()
    layer = {"rotate": [[0.0, -1.0], [1.0, 0.0]], "axis_labels": ["y", "x"]}
    with pytest.raises(ValueError, match="turned, sheared or mirrored"):
        register(replace(result, metadata={"layer": layer}), source)


def test_pixel_centres_over_each_other_are_said_and_compared_pixel_by_pixel() -> None:
    """As who sets a pixel size and nothing else: the first pixels' centres share a place."""
    result, source, _ = images()
    compared = register(placed(result.data, "YX", SIZE / 2, (0, 0)), source)
    assert compared.result.shape == result.shape
    (note,) = compared.notes
    assert "0.25 down and 0.25 right (pixels of the source)" in note


# ---------------------------------------------------------------- a reference that is shifted


@pytest.mark.parametrize(("down", "right", "margin"), [(3, -2, 2), (0.5, 1.5, 2)])
def test_a_shifted_reference_is_measured_and_aligned(
    down: float, right: float, margin: int
) -> None:
    result, source, high = images()
    moved = shift(high, (down, right), order=3, mode="nearest")
    _, plain = assessed(result, source, Stack(data=high, axes="YX"), data_range=1000)
    assert plain.shift is None
    _, found = assessed(result, source, Stack(data=moved, axes="YX"), data_range=1000)
    assert found.shift is not None
    assert (found.shift.down, found.shift.right) == pytest.approx((down, right), abs=0.1)
    assert found.rows[0].psnr < plain.rows[0].psnr - 3
    assert "suffers from that" in note_of(found, "The reference is shifted")
    _, good = assessed(result, source, Stack(data=moved, axes="YX"), data_range=1000, align=True)
    assert good.shift is None
    assert good.compared.origin == (margin, margin)
    assert good.rows[0].psnr == pytest.approx(plain.rows[0].psnr, abs=0.3)
    assert ("smooth" in note_of(good, "was laid over")) == (down == 0.5)


def test_a_reference_of_another_place_is_doubted() -> None:
    result, source, _ = images()
    other = Stack(data=np.random.default_rng(3).normal(size=result.shape), axes="YX")
    _, found = assessed(result, source, other)
    assert found.shift is None
    assert "do the two show the same place?" in note_of(found, "hardly resembles")


# ---------------------------------------------------------------- what has no figures


@pytest.mark.parametrize("what", ["constant", "nan", "all nan"])
def test_images_without_figures_go_through(what: str) -> None:
    result, source, high = images()
    low, truth, made = np.array(source.data), np.array(high), np.array(result.data)
    if what == "constant":
        low[:], truth[:], made[:] = 7.0, 7.0, 7.0
    elif what == "nan":
        low[3, 4], made[6:8, 8:10], truth[0, 0] = np.nan, np.nan, np.nan
    else:
        low[:], truth[:], made[:] = np.nan, np.nan, np.nan
    middle, found = assessed(
        Stack(data=made, axes="YX"), Stack(data=low, axes="YX"), Stack(data=truth, axes="YX")
    )
    row = found.rows[0]
    assert (row.psnr, row.ssim, row.decorrelation_pixels) == (None, None, None)
    assert (row.rsp is None) == (what != "nan")
    assert (row.rse is None) == (what == "all nan")
    values = json.loads(as_json(found, result="a", source="b"))
    assert values["rows"][0]["psnr"] is None
    assert "NaN" not in json.dumps(values)
    assert as_csv(found).count("\n") == 3
    assert as_cells(found).startswith("\tresult\tbicubic\n")
    assert "<h1>no figures</h1>" in page("no figures", found, middle)


# ---------------------------------------------------------------- the noise


def test_the_noise_is_measured_told_or_left_out() -> None:
    result, source, _ = images()
    _, none = assessed(result, source, noise=None)
    assert none.rows[0].beyond_3_sigma is None
    assert note_of(none, "No noise was told")
    _, one = assessed(result, source, noise=50.0)
    _, given = assessed(result, source)
    assert one.rows[0].beyond_3_sigma == given.rows[0].beyond_3_sigma
    assert given.noise_text == "as given, read noise 50, offset 0"
    _, measured = assessed(result, source, noise="auto")
    assert measured.noises[0].read > 0
    with pytest.raises(ValueError, match="2 noises were given and the source has 1 channel"):
        assessed(result, source, noise=(50.0, 60.0))


# ---------------------------------------------------------------- maps


def test_maps_are_the_figures_plane_by_plane() -> None:
    stack = world(3, side=32)
    low = stack.reshape(3, 16, 2, 16, 2).mean((-3, -1))
    made = np.stack([imresize(one, scale=2) for one in low])
    made[2, 4:6, 8:10] += 500.0
    _, found = assessed(Stack(data=made, axes="ZYX"), Stack(data=low, axes="ZYX"))
    maps = Maps(found)
    difference = maps.of("difference")
    assert (difference.shape, difference.dtype) == ((3, 16, 16), np.float32)
    assert difference[2].shape == (16, 16)
    assert difference[2, 2:4, 4].shape == (2,)
    assert difference[2][2, 4] == pytest.approx(made[2, 4:6, 8:10].mean() - low[2, 2, 4], rel=1e-5)
    assert np.abs(difference[:]).max() == pytest.approx(found.rows[0].largest, rel=1e-5)
    np.testing.assert_allclose(maps.of("sigmas")[1], difference[1] / 50, rtol=1e-5)
    rse = np.sqrt(np.square(maps.of("error")[:].astype(float)).mean((1, 2)))
    np.testing.assert_allclose(rse, [one["rse"] for one in found.curves["result"]], rtol=1e-5)
    colours = Stack(data=np.moveaxis(made, 0, -1), axes="YXS")
    _, colour = assessed(colours, Stack(data=np.moveaxis(low, 0, -1), axes="YXS"))
    # Of three samples the one that differs most.
    assert Maps(colour).of("difference")[:][2, 4] == difference[2][2, 4]


# ---------------------------------------------------------------- the command line


@pytest.fixture
def files(tmp_path: Path) -> Path:
    result, source, high = images()
    record = {"version": "0.0.7", "model": "gone-for-good", "model_sha256": "ab" * 32}
    made = {"napari_srcnn": record}
    write_stack(tmp_path / "result.ome.tif", replace(result, metadata={**result.metadata, **made}))
    write_stack(tmp_path / "source.ome.tif", source)
    tifffile.imwrite(tmp_path / "reference.tif", np.roll(high, (3, -2), (0, 1)))
    return tmp_path


def test_a_result_whose_model_is_gone_has_a_page_that_names_it(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    ended = command_here(
        *("assess", "result.ome.tif", "--source", "source.ome.tif"),
        *("--reference", "reference.tif", "--noise", "50", "--sampling", "point"),
        *("--report", "page.html", "--json", "a.json"),
    )
    assert ended.code == 0, ended.err
    assert "as given, read noise 50" in ended.out
    assert "--align lays the reference over the result" in ended.err
    text = (files / "page.html").read_text("utf-8")
    assert "napari-srcnn 0.0.7, model gone-for-good, SHA-256 abababababab…" in text
    assert "value at the centre of each pixel" in text
    values = json.loads((files / "a.json").read_text())
    assert values["reference_shift"] == pytest.approx([3, -2], abs=0.1)
    assert values["degradation"] == {"sigma": 0.0, "sampling": "point"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--report", "source.ome.tif/a.html"), "There is no folder"),
        (("--report", "none/a.html"), "There is no folder"),
        (("--csv", "."), "is a folder; give the name of a file"),
        (("--json", "source.ome.tif"), "is one of the images"),
        (("--json", "a.txt", "--csv", "./a.txt"), "cannot be written to one file"),
        (("--noise", "loud"), "noise is 'loud'"),
        (("--range", "-1"), "The range is -1"),
        pytest.param(
            ("--report", "/proc/a.html", "--csv", "a.csv"),
            "a.html cannot be written to /proc",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="no folder that refuses all"),
        ),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is(
    files: Path, arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    before = sorted(files.iterdir())
    ended = command_here("assess", "result.ome.tif", "--source", "source.ome.tif", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert sorted(files.iterdir()) == before
