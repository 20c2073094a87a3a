"""Training, converting and measuring models from the command line, as its users do it."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import command, command_here, finish, hear_interrupts, posix, start
from networks import random_network
from scipy.ndimage import gaussian_filter
from skimage.io import imread, imsave

from napari_srcnn.models.library import load_model
from napari_srcnn.models.runs import RunFiles
from napari_srcnn.network.checkpoint import read_header

SMALL = ("--preset", "3-1-3", "--widths", "6-4", "--batch", 4, "--crop", 12, "--device", "cpu")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three small pictures of discs: gray, RGB, and RGB with alpha."""
    folder = tmp_path_factory.mktemp("photographs")
    for seed, samples in enumerate((0, 3, 4)):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:90, :80]
        image = np.zeros((90, 80))
        for _ in range(25):
            cy, cx, radius = rng.uniform(0, 90), rng.uniform(0, 80), rng.uniform(2, 9)
            image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.uniform(0.3, 1)
        picture = (gaussian_filter(image, 0.6) * 255).astype(np.uint8)
        if samples:
            picture = np.stack([picture, picture // 2, 255 - picture, picture | 255][:samples], -1)
        imsave(folder / f"{seed}.png", picture, check_contrast=False)
    return folder


# -- train -----------------------------------------------------------------------------------------


def test_a_trained_model_beats_bicubic_and_is_found_by_its_name(
    photographs: Path, own_home: Path
) -> None:
    done = command("train", photographs, "--name", "discs", *SMALL, "--steps", 150, "--every", 50)
    assert done.code == 0
    assert "Device: CPU, 1 thread." in done.err
    assert "2 images, 1 held out" in done.err
    assert "dB over bicubic on images held out" in done.out
    config, card = read_header(own_home / "models" / "discs.safetensors")
    assert (config.kernels, config.widths, config.scale) == ((3, 1, 3), (6, 4), 2)
    assert card["holdout"]["psnr"] > card["holdout"]["bicubic"]
    assert card["recipe"]["steps"] == 150
    assert [path.name for path in (own_home / "models").iterdir()] == ["discs.safetensors"]
    assert "discs" in command("models").out
    again = command("train", photographs, "--name", "discs", *SMALL, "--steps", 5)
    assert again.code == 2
    assert "is there already; --force replaces it" in again.err


@posix
def test_a_stopped_training_keeps_the_best_and_can_be_resumed(
    photographs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    arguments = ("train", photographs, "--name", path, *SMALL, "--minutes", 30, "--every", 20)
    process = start(*arguments, before=hear_interrupts)
    until = time.monotonic() + 90
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stopped = finish(process)
    assert stopped.code == 130
    assert f"the best weights are in {path}" in stopped.err
    state = path.with_name("net.state")
    begun = steps_of(state)
    refused = command(*arguments)
    assert refused.code == 2
    assert "is there already" in refused.err
    process = start(*arguments, "--resume", before=hear_interrupts)
    until = time.monotonic() + 90
    while steps_of(state) == begun and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    # It went on and did not begin anew.
    assert steps_of(state) >= begun + 20
    assert read_header(path)[1]["steps_done"] % 20 == 0


def steps_of(state: Path) -> int:
    """How far a run had come when its state was written."""
    return int(torch.load(state, weights_only=True)["step"])


@pytest.mark.parametrize("more", [("--recipe", "paper"), ("--rgb", "--loss", "charbonnier")])
def test_the_papers_sub_images_and_rgb_are_trained_on(
    more: tuple[str, ...], photographs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    done = command_here(
        "train",
        photographs,
        "-n",
        path,
        "--preset",
        "9-1-5",
        "--widths",
        "6-4",
        "--batch",
        2,
        "--crop",
        12,
        "--steps",
        4,
        "--every",
        2,
        "--scale",
        3,
        *more,
    )
    assert done.code == 0
    config, card = read_header(path)
    assert config.channels == (3 if "--rgb" in more else 1)
    if "paper" in more:
        # 33 pixels, 6 of them lost on each side.
        assert (card["recipe"]["crop"], card["recipe"]["stride"]) == (21, 14)


def test_training_begins_from_a_model_that_fits(photographs: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert command_here("train", photographs, "-n", first, *SMALL, "--steps", 100).code == 0
    done = command_here("train", photographs, "-n", second, *SMALL, "--from", first, "--steps", 1)
    assert done.code == 0
    held = [read_header(path)[1]["holdout"]["psnr"] for path in (first, second)]
    assert held[1] == pytest.approx(held[0], abs=0.3)
    refused = command_here("train", photographs, "-n", tmp_path / "x.safetensors", "--from", first)
    assert refused.code == 2
    assert "has kernels (3, 1, 3), but (9, 5, 5) is to be trained" in refused.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--scale", "5"), "scale is 5; it can be 2, 3 or 4"),
        (("--scale", "2.5"), "Invalid value for '--scale'"),
        (("--preset", "9-5"), "preset is '9-5'; 3 numbers are needed"),
        (("--preset", "8-1-5"), "three odd numbers are needed"),
        (("--minutes", "0"), "minutes is 0.0; more than 0 is needed"),
        (("--steps", "0"), "steps is 0; at least 1 is needed"),
        (("--steps", "0", "--minutes", "1"), "steps is 0; at least 1 is needed"),
        (("--crop", "500"), "choose a smaller patch or larger images"),
        (("--resume",), "to resume"),
        (("--device", "cuda:9"), "There is no device 'cuda:9' here"),
        (("--from", "nobody"), "no model named 'nobody'"),
    ],
)
def test_wrong_settings_are_one_sentence(
    arguments: tuple[str, ...], sentence: str, photographs: Path, tmp_path: Path
) -> None:
    done = command_here("train", photographs, "-n", tmp_path / "net.safetensors", *arguments)
    assert done.code == 2
    assert sentence in " ".join(done.err.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "empty", "corrupt", "too small", "16 bits"])
def test_folders_that_cannot_be_trained_on_are_one_sentence(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    if kind != "missing":
        folder.mkdir()
    for number in range(3):
        path = folder / f"{number}.png"
        if kind == "corrupt":
            path.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
        elif kind == "too small":
            imsave(path, np.full((9, 12), 100, np.uint8), check_contrast=False)
        elif kind == "16 bits":
            imsave(path, np.full((90, 90), 1000, np.uint16), check_contrast=False)
    done = command_here("train", folder, "-n", tmp_path / "net.safetensors", "--steps", 5)
    assert done.code == 2
    expected = {
        "missing": "There is no folder",
        "empty": "There are no images",
        "corrupt": "cannot be read as an image",
        "too small": "is smaller than",
        "16 bits": "photographs of 8 bits",
    }
    assert expected[kind] in done.err
    assert done.err.strip().count("\n") <= 1


# -- convert ---------------------------------------------------------------------------------------


def test_a_converted_checkpoint_is_a_model_by_its_name(own_home: Path, tmp_path: Path) -> None:
    model = random_network(1, kernels=(9, 5, 5), skip=False)
    torch.save(model.state_dict(), tmp_path / "published.pth")
    refused = command_here("convert", tmp_path / "published.pth", "published")
    assert refused.code == 2
    assert "does not say its scale" in refused.err
    done = command("convert", tmp_path / "published.pth", "published", "--scale", 3)
    assert done.code == 0
    assert "found: 9-5-5, widths 8-4, Y; assumed: ×3" in done.out
    converted = load_model(own_home / "models" / "published.safetensors")
    assert torch.equal(converted.conv2.weight, model.conv2.weight)
    assert "published" in command("models").out
    assert command_here("convert", tmp_path / "published.pth", "published", "-s", 3).code == 2
    assert command_here("convert", tmp_path / "published.pth", "published", "-s", 3, "-f").code == 0


def test_a_bundled_name_cannot_be_taken(tmp_path: Path) -> None:
    torch.save(random_network().state_dict(), tmp_path / "x2.pth")
    done = command_here("convert", tmp_path / "x2.pth", "srcnn-9-1-5-x2")
    assert done.code == 2
    assert "is a bundled model's name" in done.err


# -- benchmark -------------------------------------------------------------------------------------


def test_a_benchmark_is_a_table_and_json(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = command("benchmark", photographs, "-m", "srcnn-9-1-5-x2", "--json", out)
    assert done.code == 0
    lines = done.out.splitlines()
    (ours,) = (line.split() for line in lines if line.startswith("srcnn-9-1-5-x2"))
    (bicubic,) = (line.split() for line in lines if line.startswith("bicubic"))
    assert float(ours[2]) > float(bicubic[2])
    rows = json.loads(out.read_text())[photographs.name]
    assert [row["method"] for row in rows] == ["bicubic", "srcnn-9-1-5-x2"] * 3
    assert float(bicubic[2]) == pytest.approx(
        np.mean([row["psnr"] for row in rows if row["method"] == "bicubic"]), abs=1e-3
    )


def test_two_folders_of_one_name_are_told_apart(photographs: Path, tmp_path: Path) -> None:
    folders = [tmp_path / part / "Set5" for part in ("ours", "theirs")]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        shutil.copy(photographs / f"{number}.png", folder)
    out = tmp_path / "figures.json"
    done = command_here("benchmark", *folders, "-m", "srcnn-9-1-5-x2", "--json", out)
    assert done.code == 0
    rows = json.loads(out.read_text())
    assert {name: rows[name][0]["image"] for name in rows} == {
        str(folder): str(number) for number, folder in enumerate(folders)
    }
    # Both are sets that figures are published for.
    assert done.out.count("the paper's best") == 2


def test_a_damaged_model_of_the_users_own_ends_no_benchmark(
    photographs: Path, own_home: Path, tmp_path: Path
) -> None:
    (own_home / "models").mkdir(parents=True)
    (own_home / "models" / "broken.safetensors").write_bytes(b"no model")
    (tmp_path / "set").mkdir()
    shutil.copy(photographs / "0.png", tmp_path / "set")
    done = command_here("benchmark", tmp_path / "set", "--scale", 4)
    assert done.code == 0
    assert "srcnn-9-5-5-x4" in done.out


def test_a_training_has_its_files_name_for_itself(photographs: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    with RunFiles(path).running():
        done = command_here("train", photographs, "-n", path, *SMALL, "--steps", 1)
    assert done.code == 2
    assert "A run named 'net' is under way; wait until it is over" in done.err
    assert command_here("train", photographs, "-n", path, *SMALL, "--steps", 1).code == 0
    assert [left.name for left in tmp_path.iterdir()] == ["net.safetensors"]


def test_a_plot_is_drawn_or_its_library_asked_for(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.png"
    done = command_here("benchmark", photographs, "-m", "srcnn-9-1-5-x2", "--plot", out)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        assert done.code == 2
        assert "napari-srcnn[plot]" in done.err
    else:
        assert done.code == 0
        assert imread(out).std() > 5


def test_what_cannot_be_measured_is_one_sentence(photographs: Path, tmp_path: Path) -> None:
    assert "There is no folder" in command_here("benchmark", tmp_path / "none").err
    done = command_here("benchmark", photographs, "-m", "srcnn-9-1-5-x2", "--scale", 3)
    assert done.code == 2
    assert "none is for ×3" in done.err


# -- filters ---------------------------------------------------------------------------------------


def test_the_filters_are_drawn(tmp_path: Path) -> None:
    out = tmp_path / "filters.png"
    assert command_here("filters", "srcnn-9-1-5-x2", out, "--zoom", 4).code == 0
    picture = imread(out)
    # 8 x 8 filters of 9 x 9 weights of 4 pixels, a pixel between.
    assert picture.shape == (8 * 37 + 1, 8 * 37 + 1)
    assert picture.dtype == np.uint8
    strongest, weakest = picture[1:37, 1:37], picture[-37:-1, -37:-1]
    assert {0, 255} & {int(strongest.min()), int(strongest.max())}
    assert weakest.std() > 0
    assert command_here("filters", "srcnn-9-1-5-x2", out).code == 2
    assert command_here("filters", "srcnn-9-1-5-x2", tmp_path / "filters.txt").code == 2
