"""A fine-tuning as a line: taken apart by the command line's own parser, and by Python."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from commands import command_here

from napari_srcnn.cli import finetune as finetune_command
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.training.lines import HIGH_RES, VARIED, command_of, python_of
from napari_srcnn.training.options import RECIPE, FinetuneOptions
from napari_srcnn.training.sources import sources_from_paths
from napari_srcnn.upscaling.lines import Origin, origin_of

NOISY = Degradation(sigma=0.75, sampling="point", noise=Noise(gain=0.125, read=3.5, offset=-100))
# Of everything that the widget can ask for, what is not usual.
UNUSUAL: list[dict[str, Any]] = [
    {},
    {"scale": 3, "start": "scratch", "kernels": (9, 3, 5)},
    {"start": "srcnn-9-1-5-x2", "degradation": NOISY},
    {"turn": False, "recorrupt": True, "device": "cpu"},
    {"recorrupt": False, "config": replace(RECIPE, gain=VARIED, patience=7, seed=3)},
    {"config": replace(RECIPE, minutes=0.5, loss="l1", learning_rate=2e-5, batch=8, crop=24)},
    {"config": replace(RECIPE, steps=40, minutes=None)},
    {"low": True, "correct_shift": False},
]


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, Path]:
    """A high-res and a low-res image, in folders with spaces."""
    found = []
    for kind, side in (("high res", 48), ("low res", 24)):
        (tmp_path / kind).mkdir()
        path = tmp_path / kind / "it's.tif"
        tifffile.imwrite(path, np.zeros((3, side, side), np.uint16), photometric="minisblack")
        found.append(path.parent)
    return found[0], found[1]


def test_what_there_is_to_ask_for_has_a_spelling() -> None:
    said = {name for one in UNUSUAL for name in one} | {"sources", "name"}
    assert {field.name for field in fields(FinetuneOptions)} == said - {"low"}


@pytest.mark.parametrize("asked", UNUSUAL)
def test_a_line_is_taken_apart_into_the_same_options(
    asked: dict[str, Any],
    images: tuple[Path, Path],
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    high, low = (Origin(name=path.name, path=str(path)) for path in images)
    is_paired = asked.pop("low", False)
    sources = sources_from_paths(images[0], images[1] if is_paired else None)
    options = FinetuneOptions(**{"sources": sources, "name": "my-model", "scale": 2, **asked})
    heard: list[FinetuneOptions] = []

    def hear(job: Any, **_: Any) -> int:
        heard.append(job.options)
        return 0

    # The one thing that is not done is the training.
    monkeypatch.setattr(finetune_command, "_follow", hear)
    partner = low if is_paired else None
    ended = command_here(*shlex.split(command_of(options, high, partner))[1:])
    assert ended.code == 0, ended.err
    assert [one.to_dict() for one in heard] == [options.to_dict()]
    text = python_of(options, high, partner)
    compile(text, "copied", "exec")
    names: dict[str, Any] = {}
    exec(text[: text.index("run = ")], names)
    assert names["options"].to_dict() == options.to_dict()
    if is_paired:
        asked["low"] = True


def test_what_a_line_cannot_say_stands_before_it(images: tuple[Path, Path]) -> None:
    path = images[0] / "it's.tif"
    (source,) = sources_from_paths(path)
    boxed = replace(source, boxes=((0, 24, 8, 48),))
    options = FinetuneOptions(sources=(boxed,), name="m", scale=2)
    origin = origin_of("it's", str(path), source.high, source.axes)
    comment, _ = command_of(options, origin).splitlines()
    assert comment.startswith("# The rectangles are left out")
    names: dict[str, Any] = {}
    text = python_of(options, origin)
    exec(text[: text.index("run = ")], names)
    assert names["options"].to_dict() == options.to_dict()

    nowhere = origin_of("crop", str(path), np.zeros((3, 8, 8), np.uint16), "ZYX")
    for say in (command_of, python_of):
        lines = say(replace(options, sources=(source,)), nowhere).splitlines()
        assert "crop is not what it's.tif holds" in lines[0]
        assert f"in place of {HIGH_RES}" in lines[0]
        assert HIGH_RES in "".join(lines[1:])
    with pytest.raises(ValueError, match=r"no word for optimizer; copy it as Python"):
        command_of(replace(options, config=replace(RECIPE, optimizer="adam")), origin)
