"""The command line as its users run it: real processes on real images."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commands import Ended, command, command_here, finish, hear_interrupts, posix, start
from networks import random_network

import napari_srcnn
from napari_srcnn.io import read_stack, write_stack
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.samples import load_sample, sample_path
from napari_srcnn.words import format_bytes

MODEL = "srcnn-9-1-5-x2"


def upscale(*arguments: object, before: Callable[[], object] | None = None) -> Ended:
    # A given tile spares measuring the best one; of an option given twice the last counts.
    return command("upscale", "--device", "cpu", "--tile", 64, *arguments, before=before)


def refused(*arguments: object, torch: bool = False) -> str:
    """Run a command that has to be refused, before torch is loaded; return its one sentence."""
    ended = upscale(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.torch == torch
    return sentence(ended)


def sentence(ended: Ended) -> str:
    lines = ended.err.splitlines()
    lines = [line for line in lines if not line.startswith(("Device: ", "Note: The image looks"))]
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert lines[0].endswith(".")
    assert not lines[0].endswith("..")
    return lines[0]


def write_crop(path: Path, planes: slice = slice(10, 12)) -> Path:
    """Write a few small planes of the bundled brain, int16 with negative air where it has some."""
    with load_sample("brain") as stack:
        return write_stack(path, replace(stack, data=stack[planes, 30:62, 40:89]))


def truncate(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscaled:
    source: Path
    target: Path
    ended: Ended


@pytest.fixture(scope="module")
def upscaled(tmp_path_factory: pytest.TempPathFactory) -> Upscaled:
    """One file that was upscaled; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("upscaled")
    source, target = write_crop(folder / "head.ome.tif"), folder / "big.ome.tif"
    return Upscaled(source=source, target=target, ended=upscale(source, target, "--model", MODEL))


# ---------------------------------------------------------------- one file


def test_a_file_becomes_an_ome_tiff_of_the_same_type_with_half_the_pixel_size(
    upscaled: Upscaled,
) -> None:
    assert upscaled.ended.code == 0
    with read_stack(upscaled.source) as small, read_stack(upscaled.target) as big:
        assert big.shape == (2, 64, 98)
        assert big.dtype == small.dtype == np.int16
        assert big.axes == "ZYX"
        assert big.units == small.units == ("millimeter",) * 3
        halved = [size / (1, 2, 2)[n] for n, size in enumerate(small.pixel_size)]
        np.testing.assert_allclose(big.pixel_size, halved, rtol=1e-12)


def test_a_file_becomes_what_the_library_makes_of_it(upscaled: Upscaled) -> None:
    with read_stack(upscaled.source) as small, read_stack(upscaled.target) as big:
        expected = napari_srcnn.upscale(small, model=MODEL, axes="ZYX", device="cpu", tile=64)
        # Another number of threads may round a value that lies on a half to its other neighbour.
        difference = np.abs(big[...].astype(int) - expected.astype(int))
        assert difference.max() <= 1
        assert np.mean(difference > 0) < 1e-3


def test_the_output_says_how_it_was_made(upscaled: Upscaled) -> None:
    with read_stack(upscaled.target) as big:
        made = big.metadata["napari_srcnn"]
    info = napari_srcnn.model_info(MODEL)
    assert made["model"] == MODEL
    assert made["model_sha256"] == info.sha256
    assert made["scale"] == 2
    assert made["version"] == napari_srcnn.__version__
    assert made["device"].startswith("CPU")
    assert made["tile"] == 64
    ((low, high),) = made["intensity_ranges"]
    assert low < high


def test_the_summary_names_the_file_the_sizes_and_the_range(upscaled: Upscaled) -> None:
    (line,) = upscaled.ended.out.splitlines()
    for part in (str(upscaled.target), "(2, 32, 49) int16 → (2, 64, 98) int16", MODEL, "range "):
        assert part in line
    assert upscaled.ended.err.startswith("Device: CPU")


def test_only_the_result_is_left_in_the_folder(upscaled: Upscaled) -> None:
    assert names(upscaled.target.parent) == ["big.ome.tif", "head.ome.tif"]


def test_what_is_done_already_is_skipped_without_loading_torch(upscaled: Upscaled) -> None:
    before = upscaled.target.stat().st_mtime_ns
    ended = upscale(upscaled.source, upscaled.target, "--model", MODEL)
    assert ended.code == 0
    assert not ended.torch
    assert "done already, skipped" in ended.out
    assert upscaled.target.stat().st_mtime_ns == before


def test_an_output_of_another_job_is_kept(upscaled: Upscaled) -> None:
    before = upscaled.target.read_bytes()
    said = refused(upscaled.source, upscaled.target, "--model", MODEL, "--dtype", "float32")
    assert "made with another model or other options; --force writes it again" in said
    assert upscaled.target.read_bytes() == before


def test_a_file_that_is_not_ours_is_kept(upscaled: Upscaled, tmp_path: Path) -> None:
    target = tmp_path / "mine.ome.tif"
    target.write_bytes(sample_path("nuclei").read_bytes())
    said = refused(upscaled.source, target)
    assert "was not made by this program's upscale; --force writes it again" in said
    assert target.read_bytes() == sample_path("nuclei").read_bytes()


def test_force_writes_again_and_quiet_says_nothing(upscaled: Upscaled, tmp_path: Path) -> None:
    target = tmp_path / "big.ome.tif"
    target.write_text("something else")
    options = ("--model", MODEL, "--force", "--quiet", "--dtype", "float32")
    ended = upscale(upscaled.source, target, *options)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    with read_stack(target) as big:
        assert big.dtype == np.float32
    assert names(tmp_path) == ["big.ome.tif"]


def test_the_image_itself_is_never_the_output(upscaled: Upscaled) -> None:
    before = upscaled.source.read_bytes()
    assert "is the image itself" in refused(upscaled.source, upscaled.source, "--force")
    assert upscaled.source.read_bytes() == before


# ---------------------------------------------------------------- what a file holds


def here(*arguments: object) -> Ended:
    """Run upscale in this process, with a tile that needs no measuring."""
    return command_here("upscale", "--device", "cpu", "--tile", 64, *arguments)


def write_images(path: Path, *shapes: tuple[int, ...]) -> Path:
    with tifffile.TiffWriter(path) as tif:
        for n, shape in enumerate(shapes):
            pixels = np.random.default_rng(n).integers(100, 4000, shape).astype("u2")
            tif.write(pixels, photometric="minisblack", contiguous=False)
    return path


def test_no_image_of_a_file_is_left_out(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in.tif", (20, 24), (18, 30))
    ended = here(source, tmp_path / "out", "--model", MODEL)
    assert ended.code == 0
    assert "in.tif: holds 2 images; each becomes a file of its own." in ended.out
    assert names(tmp_path / "out") == ["in_x2_image1.ome.tif", "in_x2_image2.ome.tif"]
    assert tifffile.imread(tmp_path / "out" / "in_x2_image2.ome.tif").shape == (36, 60)
    again = here(source, tmp_path / "out", "--model", MODEL)
    assert again.out.count("done already, skipped") == 2


def test_an_image_of_several_is_chosen_by_its_number(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in.tif", (20, 24), (18, 30))
    ended = here(source, tmp_path / "out.ome.tif", "--model", MODEL, "--image", 2)
    assert ended.code == 0
    assert tifffile.imread(tmp_path / "out.ome.tif").shape == (36, 60)
    ended = here(source, tmp_path / "other.ome.tif", "--model", MODEL, "--image", 3)
    assert ended.code == 2
    assert "in.tif holds 2 images; there is no number 3 (they count from 1)." in ended.err


def test_a_scene_is_chosen_by_its_name_or_number(tmp_path: Path) -> None:
    source = tmp_path / "in.ome.tif"
    with tifffile.TiffWriter(source, ome=True) as tif:
        for name, shape in (("left", (20, 24)), ("right", (18, 30))):
            pixels = np.zeros(shape, np.uint16)
            tif.write(pixels, photometric="minisblack", metadata={"axes": "YX", "Name": name})
    for n, scene in enumerate(("right", "2")):
        target = tmp_path / f"{n}.ome.tif"
        assert here(source, target, "--model", MODEL, "--scene", scene).code == 0
        assert tifffile.imread(target).shape == (36, 60)
    target = tmp_path / "none.ome.tif"
    ended = here(source, target, "--model", MODEL, "--scene", "middle")
    assert ended.code == 2
    assert "in.ome.tif holds no image called 'middle'; there are left, right." in ended.err
    ended = here(source, target, "--model", MODEL, "--scene", "left", "--image", 1)
    assert "--image and --scene name the same thing" in sentence(ended)


def test_one_damaged_image_does_not_keep_the_others_back(tmp_path: Path) -> None:
    source = tmp_path / "in.tif"
    write_images(source, (20, 24))
    tifffile.imwrite(source, np.zeros((9, 9), np.complex64), append=True)
    ended = here(source, tmp_path / "out", "--model", MODEL)
    assert ended.code == 1
    assert "in.tif, image 2 of 2: The image is complex64; enlarge its magnitude" in ended.err
    assert names(tmp_path / "out") == ["in_x2_image1.ome.tif"]


def test_an_image_that_is_spread_over_files_is_enlarged_once(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_set(folder)
    write_images(folder / "other.tif", (20, 24))
    ended = here(folder, tmp_path / "out", "--model", MODEL)
    assert ended.code == 0
    assert "z1.ome.tif: a part of the same image as z0.ome.tif, which is" in ended.out
    assert names(tmp_path / "out") == ["other_x2.ome.tif", "z0_x2.ome.tif"]
    with read_stack(tmp_path / "out" / "z0_x2.ome.tif") as big:
        assert big.shape == (2, 40, 48)
    again = here(folder, tmp_path / "out", "--model", MODEL)
    assert again.code == 0
    assert again.out.count("done already, skipped") == 2


def write_set(folder: Path) -> None:
    """Write a stack whose two planes lie in a file each, as microscopes do."""
    uuids = [f"urn:uuid:10000000-0000-0000-0000-00000000000{n}" for n in range(2)]
    planes = "".join(
        f'<TiffData FirstZ="{n}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="z{n}.ome.tif">{uuids[n]}</UUID></TiffData>'
        for n in range(2)
    )
    for n, uuid in enumerate(uuids):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
            'SizeX="24" SizeY="20" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0"/>'
            f"{planes}</Pixels></Image></OME>"
        )
        pixels = np.random.default_rng(n).integers(0, 4000, (20, 24)).astype("u2")
        tifffile.imwrite(folder / f"z{n}.ome.tif", pixels, description=xml.encode(), metadata=None)


def test_a_model_of_rgb_enlarges_a_file_of_rgb(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="rgb")
    target = tmp_path / "out.ome.tif"
    ended = here(tmp_path / "in.tif", target, "--model", "srcnn-9-1-5-x2-rgb")
    assert ended.code == 0
    assert tifffile.imread(target).shape == (40, 48, 3)
    gray = write_images(tmp_path / "gray.tif", (20, 24))
    refused = here(gray, tmp_path / "gray.ome.tif", "--model", "srcnn-9-1-5-x2-rgb")
    assert refused.code == 2
    assert "The model takes RGB" in sentence(refused)


# ---------------------------------------------------------------- folders


def test_a_folder_with_bad_files_does_the_good_ones_and_exits_with_1(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    (folder / "deeper").mkdir(parents=True)
    write_crop(folder / "a.ome.tif", slice(3, 4))
    truncate(write_crop(folder / "b_cut.ome.tif"))
    (folder / "c_text.tif").write_text("Dear diary, this is no image.")
    tifffile.imwrite(folder / "d.tif", np.arange(600, dtype=np.uint8).reshape(20, 30))
    write_crop(folder / "deeper" / "e.ome.tif", slice(5, 6))
    (folder / "notes.txt").write_text("not taken")

    ended = upscale(folder, output, "--recursive", "--model", MODEL)

    assert ended.code == 1
    assert names(output) == ["a_x2.ome.tif", "d_x2.ome.tif", "deeper"]
    assert names(output / "deeper") == ["e_x2.ome.tif"]
    assert len([line for line in ended.out.splitlines() if " → " in line]) == 3
    assert "[2/5] b_cut.ome.tif: " in ended.err
    assert "[3/5] c_text.tif: " in ended.err
    assert "5 images: 3 done, 2 failed; report: " in ended.out
    with read_stack(output / "d_x2.ome.tif") as big:
        assert (big.shape, big.dtype) == ((40, 60), np.uint8)

    again = upscale(folder, output, "--recursive", "--model", MODEL)
    assert again.code == 1
    assert again.out.count("done already, skipped") == 3
    assert not again.torch


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    assert "There are no images in" in refused(tmp_path, tmp_path / "out")
    assert names(tmp_path) == []


# ---------------------------------------------------------------- wrong input


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path / "none.tif", tmp_path / "out.ome.tif")
    assert "There is no file or folder" in said


def test_a_truncated_tiff_is_refused(tmp_path: Path) -> None:
    source = truncate(write_crop(tmp_path / "cut.ome.tif"))
    said = refused(source, tmp_path / "out.ome.tif")
    assert "cut.ome.tif" in said
    assert "truncated" in said
    assert names(tmp_path) == ["cut.ome.tif"]


def test_a_text_file_named_tif_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "letter.tif"
    source.write_text("Dear reader, there are no pixels here.")
    assert "letter.tif" in refused(source, tmp_path / "out.ome.tif")
    assert names(tmp_path) == ["letter.tif"]


@pytest.mark.parametrize("axes", ["YX", "TCZYX", "ZXY"])
def test_wrong_axes_are_refused(upscaled: Upscaled, tmp_path: Path, axes: str) -> None:
    said = refused(upscaled.source, tmp_path / "out.ome.tif", "--axes", axes)
    assert "axes" in said
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--scale", "3", "--model", MODEL), "enlarges ×2, not ×3"),
        (("--scale", "7"), "scales of 2, 3 and 4"),
        (("--intensity", "many"), "it can be auto, dtype, none, or LOW,HIGH"),
        (("--intensity", "9,1"), "9"),
        (("--window", "0.2"), "two numbers with a comma"),
        (("--dtype", "complex64"), "complex64"),
        (("--tile", "0"), "tile"),
        (("--model", "no-such-model"), "There is no model named 'no-such-model'"),
        (("--model", "folder/none.safetensors"), "There is no model file"),
    ],
)
def test_wrong_options_are_refused(
    upscaled: Upscaled, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    assert words in refused(upscaled.source, tmp_path / "out.ome.tif", *options)
    assert names(tmp_path) == []


class _Evil:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_named_as_a_model_is_refused_and_never_run(
    upscaled: Upscaled, tmp_path: Path
) -> None:
    mark, models = tmp_path / "mark", tmp_path / "models"
    models.mkdir()
    for name in ("evil.safetensors", "evil.pt"):
        (models / name).write_bytes(pickle.dumps(_Evil(mark)))
        target = tmp_path / "out.ome.tif"
        # Only torch knows what is in a file of torch.
        is_torchs = name.endswith(".pt")
        assert name in refused(upscaled.source, target, "--model", models / name, torch=is_torchs)
    assert names(tmp_path) == ["models"]


def test_a_truncated_model_is_refused(upscaled: Upscaled, tmp_path: Path) -> None:
    whole = napari_srcnn.model_info(MODEL).path.read_bytes()
    model, target = tmp_path / "cut.safetensors", tmp_path / "out.ome.tif"
    model.write_bytes(whole[:400])
    assert "cut.safetensors" in refused(upscaled.source, target, "--model", model)
    model.write_bytes(whole[:-1000])
    said = refused(upscaled.source, target, "--model", model)
    assert "cut.safetensors is damaged or cut short" in said
    assert names(tmp_path) == ["cut.safetensors"]


def test_an_output_of_another_kind_is_refused(upscaled: Upscaled, tmp_path: Path) -> None:
    assert ".ome.tif" in refused(upscaled.source, tmp_path / "out.png")


# ---------------------------------------------------------------- stopped, and out of room


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = start(
        *("upscale", sample_path("pollen"), tmp_path / "out.ome.tif"),
        *("--model", MODEL, "--device", "cpu", "--tile", 128),
        before=hear_interrupts,
    )
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        # A plane has been written: it is in the middle of the work.
        if any(path.stat().st_size > 100_000 for path in tmp_path.glob(".*.part")):
            break
        time.sleep(0.01)
    assert names(tmp_path)
    process.send_signal(number)
    ended = finish(process)
    assert ended.code == code
    assert names(tmp_path) == []
    assert ended.out == ""
    if number == signal.SIGINT:
        assert ended.err.endswith("Stopped.\n")


@posix
def test_a_write_that_fails_half_way_leaves_nothing(upscaled: Upscaled, tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        # One plane fits, with the directory and the description; the second one does not.
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    target = tmp_path / "out.ome.tif"
    ended = upscale(upscaled.source, target, "--model", MODEL, before=limit)
    assert ended.code == 2
    assert "out.ome.tif was not written: " in sentence(ended)
    assert names(tmp_path) == []


# ---------------------------------------------------------------- the rest


def test_models_are_listed_in_a_table() -> None:
    ended = command("models")
    assert ended.code == 0
    assert not ended.torch
    head, *rows = ended.out.splitlines()
    assert " ".join(head.split()) == ("name scale channels parameters Set5 Set14 licence origin")
    (row,) = (row.split() for row in rows if row.startswith(f"{MODEL} "))
    assert row[1:4] == ["×2", "1", "8,129"]
    assert row[-2:] == ["BSD-3-Clause", "bundled"]


def test_models_are_listed_as_json() -> None:
    ended = command("models", "--json")
    assert ended.code == 0
    rows = {row["name"]: row for row in json.loads(ended.out)}
    assert set(rows) >= set(napari_srcnn.list_models())
    assert rows[MODEL]["psnr"]["Set5"] > 35
    assert rows[MODEL]["sha256"] == napari_srcnn.model_info(MODEL).sha256


def test_a_damaged_model_of_ones_own_is_listed_with_its_fault(
    own_home: Path, tmp_path: Path
) -> None:
    from napari_srcnn.models.paths import user_model_dir

    folder = user_model_dir()
    assert own_home in folder.parents
    folder.mkdir(parents=True)
    (folder / "broken.safetensors").write_bytes(b"\x80\x04nothing")
    ended = command("models")
    assert ended.code == 0
    assert "broken cannot be used: broken.safetensors is not a model file" in ended.out


@pytest.fixture
def own_model(own_home: Path) -> Path:
    """A model of the user's own, as fine-tuning makes them."""
    from networks import random_network

    from napari_srcnn.models.paths import user_model_dir

    card = {
        "description": "Nuclei, confocal",
        "license": "that of the images, which belong to nobody in particular\nand to all",
        "holdout": {"psnr": 34.5, "bicubic": 32.0, "what": "2 slices of a.tif"},
    }
    return save_model(user_model_dir() / "mine.safetensors", random_network(), card)


def put_in_order(*arguments: object) -> str:
    """Run `models` with an option; return the one line that it says of what it did."""
    ended = command("models", *arguments)
    assert (ended.code, ended.torch) == (0, False)
    # What is imported is shown before.
    assert ended.err.startswith("Model: ") if "--import" in arguments else not ended.err
    (line,) = ended.out.splitlines()
    return line


def test_a_fine_tuned_model_is_a_row_like_the_others(own_model: Path) -> None:
    ended = command_here("models")
    head, *rows = ended.out.splitlines()
    (row,) = (row for row in rows if row.startswith("mine "))
    (other,) = (row for row in rows if row.startswith(f"{MODEL} "))
    assert len(row) < 110
    assert row.rindex("own") == other.rindex("bundled") == head.rindex("origin")


def test_a_model_is_told_about_by_its_name(own_model: Path) -> None:
    ended = command("models", "mine")
    assert (ended.code, ended.err, ended.torch) == (0, "", False)
    lines = dict(line.split(": ", 1) for line in ended.out.splitlines())
    assert lines["Description"] == "Nuclei, confocal"
    assert lines["Held out"] == "PSNR 34.50 dB (bicubic 32.00); on 2 slices of a.tif"
    assert lines["File"] == str(own_model)
    assert lines["SHA-256"] == napari_srcnn.model_info("mine").sha256
    told = json.loads(command_here("models", "mine", "--json").out)
    assert (told["name"], told["scale"], told["path"]) == ("mine", 2, str(own_model))
    assert told["card"]["holdout"]["psnr"] == 34.5


def test_whose_a_model_is_is_said_before_it_is_imported(own_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_model(path, random_network(1, scale=3), {"data": ["T91"], "description": "\x1b[2J"})
    ended = command_here("models", "--import", path)
    said = dict(line.split(": ", 1) for line in ended.err.splitlines())
    assert said == {
        "Model": "theirs",
        "Kind": "SRCNN 9-1-5, ×3, one channel",
        "Training data": "T91",
        "Licence": "states no licence",
        "SHA-256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "Size": format_bytes(path.stat().st_size),
    }
    # The same of a file that is only looked at, and nothing that would act on a terminal.
    shown = command_here("models", path).out
    assert "Licence: states no licence" in shown
    assert f"SHA-256: {said['SHA-256']}" in shown
    assert "\x1b" not in shown


def test_models_are_renamed_exported_imported_and_deleted(own_model: Path, tmp_path: Path) -> None:
    data, folder = own_model.read_bytes(), own_model.parent
    assert put_in_order("--rename", "mine", "new").startswith("mine → new: ")
    target = tmp_path / "out.safetensors"
    assert put_in_order("--export", "new", tmp_path / "out") == f"new → {target}"
    assert put_in_order("--delete", "new") == "new was deleted."
    assert names(folder) == []
    assert put_in_order("--import", target).startswith(f"{target} → out: ")
    put_in_order("--import", target, "--name", "again")
    put_in_order("--import", target, "--name", "again", "--force")
    assert names(folder) == ["again.safetensors", "out.safetensors"]
    assert (folder / "again.safetensors").read_bytes() == data


def test_models_go_to_other_programs_and_come_back(own_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    for number, kind in enumerate((".onnx", ".bioimage.io.zip")):
        target = tmp_path / f"für Café{kind}"
        ended = command_here("models", "--export", "mine", target)
        assert (ended.code, ended.out, ended.err) == (0, f"mine → {target}\n", "")
        ended = command_here("models", "--import", target, "--name", f"back-{number}")
        assert ended.err.startswith("Model: für Café\nKind: SRCNN 9-1-5, ×2, one channel\n")
        assert (own_model.parent / f"back-{number}.safetensors").read_bytes() == (
            own_model.read_bytes()
        )
    target.write_bytes(target.read_bytes()[:-100])
    ended = command_here("models", "--import", target, "--name", "cut")
    assert (ended.code, ended.out) == (2, "")
    assert "Café.bioimage.io.zip is no zip file or is damaged" in sentence(ended)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--delete", MODEL), "is bundled and cannot be deleted"),
        (("--delete", "nope"), "You have no model named 'nope'; your own are: mine"),
        (("--rename", "mine", MODEL), "is a bundled model's name"),
        (("--rename", "mine", "a b"), "cannot be a model's name"),
        (("--import", "none.safetensors"), "There is no model file none.safetensors"),
        (("--export", "mine", "x.pth"), "models are exported as .safetensors"),
        (("--delete", "mine", "--rename", "mine", "b"), "One of NAME, --rename"),
        (("mine", "--delete", "mine"), "One of NAME, --rename"),
        (("--delete", "mine", "--force"), "--force goes with"),
        (("--delete", "mine", "--name", "b"), "--name goes with --import"),
        (("--delete", "mine", "--json"), "--json goes with"),
        (("nope",), "There is no model named 'nope'"),
    ],
)
def test_what_cannot_be_done_to_models_is_refused(
    own_model: Path, arguments: tuple[str, ...], words: str
) -> None:
    ended = command_here("models", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert words in sentence(ended)
    assert names(own_model.parent) == ["mine.safetensors"]


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["upscale", "--help"]])
def test_help_and_version_come_without_torch(arguments: list[str]) -> None:
    ended = command(*arguments)
    assert ended.code == 0
    assert not ended.torch
    assert ended.err == ""
    if "--version" in arguments:
        assert ended.out == f"napari-srcnn {napari_srcnn.__version__}\n"
    else:
        assert "Usage: napari-srcnn" in ended.out


def test_an_image_unlike_what_the_model_was_trained_on_is_said_to_be(tmp_path: Path) -> None:
    source = tmp_path / "pollen.ome.tif"
    with load_sample("pollen") as stack:
        write_stack(source, replace(stack, data=stack[10:11, 60:124, 60:124]))
    for target in (tmp_path / "a.ome.tif", tmp_path / "a.ome.zarr"):
        done = command_here("upscale", source, target, "-m", MODEL, "--device", "cpu", "--tile", 64)
        assert done.code == 0
        assert "Note: The image looks like microscopes' and scanners' images: " in done.err
        assert f"{MODEL} was trained on photographs" in done.err
    done = command_here("upscale", source, tmp_path / "b.ome.tif", "--device", "cpu", "--tile", 64)
    assert "was trained on" not in done.err
