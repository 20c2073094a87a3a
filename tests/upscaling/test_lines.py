"""A job as a line: taken apart by the command line's own parser, and run by Python."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from commands import command_here
from networks import random_network

import napari_srcnn
from napari_srcnn.cli import upscale as upscale_command
from napari_srcnn.upscaling.batch.messages import Writing
from napari_srcnn.upscaling.lines import (
    PLACEHOLDER,
    Origin,
    command_of,
    folder_command,
    folder_python,
    origin_of,
    python_of,
)
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.spelling import keywords_of, words_of
from napari_srcnn.words import shell_line

MODEL = "srcnn-9-1-5-x3"
# Of every option, what is not usual; an option that is missing here has no spelling that is tested.
UNUSUAL: dict[str, list[Any]] = {
    "scale": [3],
    "model": ["srcnn-9-5-5-x3", Path("my model.safetensors")],
    "axes": ["TYX"],
    "device": ["cpu"],
    "intensity": ["dtype", "none", (-5, 4095.5), ((0, 1), (-2, 3e-7))],
    "window": [(0.2, 0.6)],
    "color": ["channels"],
    "dtype": ["float32", ">u2"],
    "tile": [64],
    "tf32": [True],
    "half": [True],
    "ensemble": [True],
    "noise": [None, 3.25, napari_srcnn.Noise(gain=0.1, read=2, offset=-100), (1.5, 2)],
    "smoothing": [0.25],
    "consistent": [True],
    "deterministic": [True, False],
}


# Of how a folder's results are written, the same; `again` is said to the user only.
WRITTEN: dict[str, Any] = {
    "format": "ome-zarr",
    "version": "0.4",
    "compression": "zstd",
    "force": True,
    "sidecar": True,
}


def test_every_option_has_a_spelling() -> None:
    assert [field.name for field in fields(Options)] == list(UNUSUAL)
    assert {field.name for field in fields(Writing)} == {*WRITTEN, "again"}
    assert words_of(Options()) == []
    assert keywords_of(Options()) == []


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in UNUSUAL.items() for value in values]
)
def test_a_line_is_taken_apart_into_the_same_options(
    name: str, value: Any, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(value, Path):
        value = tmp_path / value
        shutil.copy(repository / "weights" / f"{MODEL}.safetensors", value)
    options = Options(**{"scale": 3, "model": MODEL, name: value})
    # As they come out of a line: a path as its text, bytes in the machine's own order.
    dtype = options.dtype and options.dtype.newbyteorder("=")
    expected = replace(options, model=str(options.model), dtype=dtype)
    source = tmp_path / "it's an image.tif"
    tifffile.imwrite(source, np.zeros((4, 8, 8), np.uint16), photometric="minisblack")
    heard: list[Options] = []

    def hear(_jobs: Any, options: Options, *_: Any, **__: Any) -> int:
        heard.append(options)
        return 0

    # The one thing that is not done is the upscaling.
    monkeypatch.setattr(upscale_command, "upscale_files", hear)
    line = command_of(Origin(name="s", path=str(source), axes=options.axes), options)
    ended = command_here(*shlex.split(line)[1:])
    assert ended.code == 0, ended.err
    assert heard == [expected]
    names = {"napari_srcnn": napari_srcnn}
    said = eval(f"dict({', '.join(keywords_of(options))})", names)
    assert Options.of(3, **said) == expected


@pytest.mark.parametrize("name", WRITTEN)
def test_how_a_folder_is_written_is_taken_apart_as_well(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", np.zeros((8, 8), np.uint16))
    writing = Writing(**{name: WRITTEN[name]}, again="“Write again”")
    heard: list[Writing] = []

    def hear(_jobs: Any, _options: Any, writing: Writing, **_: Any) -> int:
        heard.append(writing)
        return 0

    monkeypatch.setattr(upscale_command, "upscale_files", hear)
    asked = (tmp_path / "in", tmp_path / "out", Options(scale=3), writing)
    assert command_here(*shlex.split(folder_command(*asked, recursive=False))[1:]).code == 0
    assert heard == [replace(writing, again="--force")]
    line = next(
        line
        for line in folder_python(*asked, recursive=False).splitlines()
        if line.startswith("writing = ")
    )
    names: dict[str, Any] = {"Writing": Writing}
    exec(line, names)
    assert names["writing"] == replace(writing, again="--force")


def test_a_network_without_a_name_is_in_no_line() -> None:
    with pytest.raises(ValueError, match="no name"):
        command_of(Origin(name="s"), Options(model=random_network()))


def test_a_file_is_found_again_and_what_is_no_whole_file_is_said(tmp_path: Path) -> None:
    cells = np.arange(2 * 3 * 8 * 10, dtype=np.uint16).reshape(3, 2, 8, 10)
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, cells, metadata={"axes": "ZCYX"})
    whole = origin_of("cells", str(path), cells, "QCYX")
    assert (whole.path, whole.axes, whole.caution, whole.is_part) == (str(path), None, "", False)
    assert origin_of("cells", str(path), cells, "QQYX").axes == "QQYX", "one range for all"

    part = command_of(origin_of("cells red", str(path), cells[:, 0], "ZYX"), Options(scale=2))
    comment, line = part.splitlines()
    assert comment.startswith("# cells red is one channel of cells.ome.tif: this enlarges all")
    target = tmp_path / "cells_x2.ome.tif"
    assert shlex.split(line) == ["napari-srcnn", "upscale", str(path), str(target), "--scale", "2"]

    for changed in (cells[:, :, 1:], cells.astype(np.float32)):
        comment, line = command_of(
            origin_of("cut", str(path), changed, "ZCYX"), Options(scale=2)
        ).splitlines()
        assert "cut is not what cells.ome.tif holds" in comment
        assert f"in place of {PLACEHOLDER}" in comment
        assert shlex.split(line)[2] == PLACEHOLDER
        assert command_here(*shlex.split(line)[1:]).code == 2, "no file of that name"

    two = tmp_path / "two.tif"
    with tifffile.TiffWriter(two) as file:
        file.write(cells[0, 0], metadata=None)
        file.write(cells[:, 0, :6], photometric="minisblack", metadata=None)
    second = origin_of("two", str(two), cells[:, 0, :6], "QYX")
    assert second.image == 2
    assert "--image 2" in command_of(second, Options(scale=2))
    assert "image=1" in python_of(second, Options(scale=2))

    nowhere = command_of(origin_of("a\nrm -rf", None, cells, "QQYX"), Options(scale=2))
    assert len(nowhere.splitlines()) == 2, "a name is no second line"
    assert nowhere.startswith("# a rm -rf comes from no file. Save its layer")


def test_python_does_what_the_command_does(tmp_path: Path) -> None:
    path = tmp_path / "cells.ome.tif"
    pixels = np.random.default_rng(0).integers(0, 4000, (2, 24, 20), dtype=np.uint16)
    tifffile.imwrite(path, pixels, metadata={"axes": "ZYX"})
    options = Options(scale=3, model=MODEL, intensity=(0, 5000), tile=64, dtype=np.dtype("float32"))
    origin = origin_of("cells", str(path), pixels, "ZYX")
    target = tmp_path / "cells_x3.ome.tif"
    made = []
    for do in (
        lambda: command_here(*shlex.split(command_of(origin, options))[1:]),
        lambda: exec(python_of(origin, options), {}),
    ):
        do()
        made.append(tifffile.imread(target))
        target.unlink()
    expected = napari_srcnn.upscale(
        pixels, 3, model=MODEL, intensity=(0, 5000), tile=64, dtype="float32"
    )
    for one in made:
        np.testing.assert_array_equal(one, expected)

    layer = SimpleNamespace(data=[pixels, pixels[:, ::2, ::2]])
    here = python_of(
        origin_of("it's", None, pixels, "QYX", is_multiscale=True),
        replace(options, intensity="auto"),
    )
    names: dict[str, Any] = {"viewer": SimpleNamespace(layers={"it's": layer})}
    exec(here, names)
    assert names["result"].shape == (2, 72, 60)


def test_a_folder_is_done_by_both_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = tmp_path / "my images"
    (images / "deep").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 4000, (24, 20), dtype=np.uint16)
    for name in ("a.tif", "deep/b.tif"):
        tifffile.imwrite(images / name, pixels)
    out = tmp_path / "out"
    options, writing = Options(scale=3, model=MODEL), Writing(format="ome-zarr", force=True)
    line = folder_command(images, out, options, writing, recursive=True)
    assert "--force" in line
    assert command_here(*shlex.split(line)[1:]).code == 0
    first = napari_srcnn.read_stack(out / "deep" / "b_x3.ome.zarr")[...]
    exec(folder_python(images, out, options, writing, recursive=True), {})
    # Those that are there are known to be of the same job.
    assert capsys.readouterr().out.count("skipped done already") == 2
    np.testing.assert_array_equal(napari_srcnn.read_stack(out / "a_x3.ome.zarr")[...], first)
    assert (tmp_path / "out-report.jsonl").is_file()


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "C:\\images",
        "C:\\my images\\",
        "a b",
        "100%",
        "it's",
        "",
        'a "quoted" b\\"',
        "$HOME",
    ],
)
def test_arguments_are_quoted_for_windows_as_its_programs_read_them(text: str) -> None:
    word = shell_line([text], windows=True)
    assert word == text or word[0] == word[-1] == '"'
    if word != text:
        # Python's own rule for Windows, which quotes where there is a space.
        spaced = subprocess.list2cmdline([f" {text}"])
        assert word == f'"{spaced[2:]}'
    assert shlex.split(shell_line([text, "b"], windows=False)) == [text, "b"]
