"""Results made again as their records tell, by the result itself and by the sidecar beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from commands import Ended, command_here
from networks import random_network

from napari_srcnn.io import read_stack
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model

MODEL = ("--model", "small", "--device", "cpu")


@pytest.fixture
def image(tmp_path: Path, own_home: Path) -> Path:
    """An image, and a small network of the user's own."""
    save_model(user_model_dir() / "small.safetensors", random_network(), {})
    values = np.random.default_rng(0).integers(100, 4000, (3, 40, 50)).astype("u2")
    tifffile.imwrite(tmp_path / "cells.tif", values, photometric="minisblack")
    return tmp_path / "cells.tif"


def ran(*arguments: object, code: int = 0) -> Ended:
    ended = command_here(*arguments)
    assert ended.code == code, ended.err
    return ended


def refused(*arguments: object) -> str:
    err = ran("replay", *arguments, code=2).err
    assert err.count("\n") == 1
    assert err.startswith("Error: ")
    return err


def upscaled(image: Path, *more: object) -> Path:
    target = image.with_name("big.ome.tif")
    ran("upscale", image, target, *MODEL, "--sidecar", *more)
    return target


def edited(path: Path, **values: Any) -> Path:
    """A sidecar with other values in it."""
    other = path.with_name("other.json")
    other.write_text(json.dumps(json.loads(path.read_text()) | values))
    return other


def test_the_same_bytes_come_out_of_the_result_and_of_the_sidecar(image: Path) -> None:
    target = upscaled(image, "--consistent", "--noise", "none", "--intensity", "0,4095")
    sidecar = target.with_name("big.ome.tif.json")
    made = json.loads(sidecar.read_text())
    with read_stack(target) as stack:
        # One record, and a hash that anybody can compute.
        assert stack.metadata["napari_srcnn"] == made
        known = hashlib.sha256(np.asarray(stack.data).astype("<u2").tobytes()).hexdigest()
    assert made["pixels"] == {"sha256": known, "dtype": "uint16", "shape": [3, 80, 100]}
    assert made["consistent"] is True
    assert made["deterministic"] is True
    assert made["clipped_values"] > 0
    assert made["job"]["consistent"] is True
    assert made["source"]["content"] == hashlib.sha256(image.read_bytes()).hexdigest()
    for record in (target, sidecar):
        assert f"the same bytes (sha256 {known})" in ran("replay", record).out
    again = image.with_name("again.ome.tif")
    ran("replay", sidecar, again)
    assert tifffile.imread(again).tobytes() == tifffile.imread(target).tobytes()
    assert "is there already" in refused(sidecar, again)


def test_another_tile_or_format_is_replayed_too(image: Path) -> None:
    ran("upscale", image, image.with_name("out"), *MODEL, "--format", "ome-zarr", "--sidecar")
    store = image.with_name("out") / "cells_x2.ome.zarr"
    assert "the same bytes" in ran("replay", store, "--source", image).out
    assert "the same bytes" in ran("replay", f"{store}.json", "--source", image.parent).out
    target = upscaled(image, "--tile", 32, "--dtype", "float16")
    assert "the same bytes" in ran("replay", target).out


def test_what_is_otherwise_is_said(image: Path) -> None:
    target = upscaled(image)
    sidecar = target.with_name("big.ome.tif.json")
    values = tifffile.imread(image)
    values[0, :9] += 500
    tifffile.imwrite(image, values, photometric="minisblack")
    ended = ran("replay", target, code=1)
    assert "not the same bytes" in ended.err
    assert "cells.tif is not what it was when it was enlarged" in ended.err
    older = edited(sidecar, version="0.0.1", libraries={"torch": "1.0"}, processor="Z80")
    said = ran("replay", older, code=1).err
    assert "made by napari-srcnn 0.0.1, and this is" in said
    assert "made with torch 1.0, and here is" in said
    assert "computed on Z80, and now on" in said


def test_a_result_that_was_changed_after_it_was_made_is_not_the_same(image: Path) -> None:
    target = upscaled(image)
    with tifffile.TiffFile(target) as tif:
        offset = tif.pages.first.dataoffsets[0]
    with target.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff\xff")
    said = ran("replay", target, code=1).err
    assert "The pixels of big.ome.tif were changed after it was made." in said
    assert "the same bytes" in ran("replay", target.with_name("big.ome.tif.json")).out


def test_another_model_is_said_and_a_renamed_one_is_found(image: Path) -> None:
    target = upscaled(image)
    models = user_model_dir()
    (models / "small.safetensors").rename(models / "renamed.safetensors")
    assert "the same bytes" in ran("replay", target).out
    elsewhere = (models / "renamed.safetensors").rename(image.with_name("kept.safetensors"))
    assert "The model small (sha256 " in refused(target)
    assert "the same bytes" in ran("replay", target, "--model", elsewhere).out
    save_model(models / "small.safetensors", random_network(7), {})
    said = ran("replay", target, code=1).err
    assert "was not made again" in said
    assert "small here is another model than the small (sha256 " in said


def test_what_is_no_record_is_refused_in_a_sentence(image: Path) -> None:
    target = upscaled(image)
    sidecar = target.with_name("big.ome.tif.json")
    assert "There is no file" in refused(image.with_name("none.json"))
    assert "holds no record" in refused(image)
    newer = edited(sidecar, schema=99, version="7.0")
    assert "written by napari-srcnn 7.0, whose records" in refused(newer)
    for text, sentence in (
        (sidecar.read_text()[:200], "is no whole JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"scale": NaN}', "is no whole JSON"),
        ("[]", "holds no record"),
        ('{"schema": 3}', "no whole record"),
        (b"\xff\xfe", "but other data"),
        (" " * (5 << 20), "too many for a record"),
    ):
        bad = image.with_name("bad.json")
        bad.write_bytes(text if isinstance(text, bytes) else text.encode())
        assert sentence in refused(bad)
    odd = edited(sidecar, job={"intensity": "loud"})
    assert "make no sense" in refused(odd)
    # A record names no other folder's files.
    outside = edited(sidecar, source={"name": "../../etc/passwd", "bytes": 1})
    assert "passwd is neither beside other.json" in refused(outside)
    outside = edited(sidecar, model="../kept.safetensors", model_sha256="0" * 64)
    assert "is not here; say by --model" in refused(outside)
    image.unlink()
    assert "cells.tif is neither beside big.ome.tif nor in this folder" in refused(target)
    assert "say by --source where cells.tif is" in refused(target, "--source", image)


def test_a_skipped_result_gets_its_sidecar_still(image: Path) -> None:
    target = upscaled(image)
    sidecar = target.with_name("big.ome.tif.json")
    text = sidecar.read_text()
    sidecar.unlink()
    assert "done already" in ran("upscale", image, target, *MODEL, "--sidecar").out
    assert sidecar.read_text() == text
