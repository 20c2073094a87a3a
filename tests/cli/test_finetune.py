"""Fine-tuning from the command line, as its users do it."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import command, command_here, finish, hear_interrupts, posix, start
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tifffile import imwrite

from napari_srcnn.io import read_stack
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.network.checkpoint import read_header
from napari_srcnn.training.runs import stopped_runs

QUICK = ("--steps", 4, "--batch", 2, "--crop", 12, "--device", "cpu")
SCRATCH = ("--from", "scratch", "--preset", "3-1-3")
pytestmark = pytest.mark.usefixtures("one_thread")


def discs(seed: int = 0, shape: tuple[int, int] = (120, 130)) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for _ in range(40):
        cy, cx, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(2, 9)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.uniform(0.3, 1)
    return np.asarray(200 + 4000 * gaussian_filter(image, 0.6))


def write(path: Path, image: NDArray[Any], pixel: float = 0.1) -> Path:
    """Write 16 bits and a pixel size, as ImageJ does."""
    imwrite(
        path,
        image.round().astype(np.uint16),
        imagej=True,
        resolution=(1 / pixel, 1 / pixel),
        metadata={"unit": "um", "axes": "ZYX"[3 - image.ndim :]},
    )
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack, its low-res partner and an example, and folders of both."""
    folder = tmp_path_factory.mktemp("images")
    stack = np.stack([discs(seed) for seed in range(6)])
    rng = np.random.default_rng(0)
    noise = Degradation(sigma=1.0, noise=Noise(gain=2, read=8, offset=200))
    low = noise.apply(stack, 2, rng)
    write(folder / "stack.tif", stack)
    write(folder / "low.tif", low, 0.2)
    write(folder / "noisy.tif", Noise(gain=1, read=10, offset=200).apply(stack, rng))
    for name, planes, pixel in (("highs", stack, 0.1), ("lows", low, 0.2)):
        (folder / name).mkdir()
        for number, plane in enumerate(planes):
            write(folder / name / f"field-{number}.tif", plane, pixel)
    return folder


def card_of(home: Path, name: str) -> dict[str, Any]:
    return read_header(home / "models" / f"{name}.safetensors")[1]


def words(text: str) -> str:
    return " ".join(text.split())


# -- what it makes ---------------------------------------------------------------------------------


def test_a_network_is_fine_tuned_kept_and_used(
    images: Path, own_home: Path, tmp_path: Path
) -> None:
    done = command(
        "finetune",
        "--high",
        images / "stack.tif",
        "--name",
        "discs",
        *SCRATCH,
        "--steps",
        60,
        "--batch",
        4,
        "--crop",
        16,
        "--rate",
        4e-3,
        "--blur",
        0.8,
        "--device",
        "cpu",
    )
    assert done.code == 0
    assert "stack: 0.047 megapixels to train on; held out: 1 whole plane of 6." in done.err
    assert "On CPU, 1 thread. Held out: bicubic " in done.err
    verdict, where = done.out.splitlines()
    assert "dB over bicubic on what it has not seen (1 whole plane of 6)." in verdict
    assert where.endswith("discs.safetensors: `upscale --model discs` uses it.")
    card = card_of(own_home, "discs")
    assert card["holdout"]["psnr"] > card["holdout"]["bicubic"]
    assert card["degradation"].startswith("blur of 0.8 px, camera pixels (area)")
    assert "discs" in command_here("models").out
    assert [path.name for path in (own_home / "models").iterdir()] == ["discs.safetensors"]

    target = tmp_path / "out.ome.tif"
    used = command_here(
        "upscale", images / "low.tif", target, "--model", "discs", "--device", "cpu"
    )
    assert used.code == 0
    with read_stack(target) as made:
        assert made.metadata["napari_srcnn"]["model"] == "discs"
        assert made.shape == (6, 120, 130)
        assert made.pixel_size[-2:] == pytest.approx((0.1, 0.1))

    again = command_here("finetune", "--high", images / "stack.tif", "-n", "discs", *QUICK)
    assert again.code == 2
    assert "is there already; --force replaces it" in words(again.err)


def test_a_network_that_is_no_better_is_kept_by_force_only(images: Path, own_home: Path) -> None:
    arguments = ("finetune", "--high", images / "stack.tif", "-n", "none", *QUICK, "--rate", 0)
    done = command_here(*arguments)
    assert done.code == 3
    assert "It does not beat srcnn" in done.out
    assert "It was not kept; --force keeps it." in done.err
    assert list((own_home / "models").iterdir()) == []
    forced = command_here(*arguments, "--force")
    assert forced.code == 0
    assert card_of(own_home, "none")["recipe"]["learning_rate"] == 0
    assert card_of(own_home, "none")["started_from"].startswith("srcnn-")


@pytest.mark.parametrize("how", ["folder", "pair", "folders", "like", "noise"])
def test_images_are_given_as_they_are_at_hand(how: str, images: Path, own_home: Path) -> None:
    given: tuple[object, ...] = {
        "folder": ("--high", images / "highs"),
        "pair": ("--high", images / "stack.tif", "--low", images / "low.tif"),
        "folders": ("--high", images / "highs", "--low", images / "lows"),
        "like": ("--high", images / "stack.tif", "--like", images / "low.tif"),
        "noise": ("--high", images / "noisy.tif", "--estimate-noise"),
    }[how]
    done = command_here("finetune", *given, "-n", how, *SCRATCH, *QUICK, "--force")
    assert done.code == 0
    held = "1 of 6 images" if "folder" in how else "1 whole plane of 6"
    held += ", noise included" * (how == "noise")
    assert f"held out: {held}." in words(done.err)
    card = card_of(own_home, how)
    if "--low" in given:
        assert card["degradation"] == "measured low-res images"
    if how in ("like", "noise"):
        said = next(line for line in done.err.splitlines() if line.startswith("Estimated: "))
        made = said.removeprefix("Estimated: ").removesuffix(".")
        assert card["degradation"].split(";")[0] == made
    if how == "noise":
        read = float(said.split("read noise ")[1].split(",")[0])
        assert read == pytest.approx(10, rel=0.5)
        assert "no blur" in said
    if how == "like":
        blur = float(said.split("blur of ")[1].split(" px")[0])
        assert blur == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("flag", [(), ("--no-recorrupt",), ("--recorrupt",)])
def test_noisy_images_without_partners_are_recorrupted_unless_that_is_left(
    flag: tuple[str, ...], own_home: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    planes = np.stack([gaussian_filter(discs(n), 1.5) for n in range(6)])
    high = write(tmp_path / "high.tif", Noise(gain=20, read=60, offset=200).apply(planes, rng))
    done = command_here("finetune", "--high", high, "-n", "net", *SCRATCH, *QUICK, *flag, "-f")
    assert done.code == 0
    is_said = flag != ("--no-recorrupt",)
    assert ("learns by recorruption (Pang et al., CVPR 2021)" in words(done.err)) == is_said
    assert ("1 whole plane of 6, noise included" in words(done.out)) == is_said
    card = card_of(own_home, "net")
    assert ("recorruption of the examples' own noise" in card["degradation"]) == is_said
    assert card["recipe"]["recorrupted"] == is_said


def test_colours_are_estimated_and_trained_on(own_home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    planes = [Noise(read=4).apply(discs(n) / 20, rng) for n in range(3)]
    colours = np.stack(planes, -1).round().clip(0, 255).astype(np.uint8)
    imwrite(tmp_path / "rgb.tif", colours, photometric="rgb")
    done = command_here(
        "finetune",
        "--high",
        tmp_path / "rgb.tif",
        "-n",
        "rgb",
        *SCRATCH,
        *QUICK,
        "--estimate-noise",
        "-f",
    )
    assert done.code == 0
    read = float(done.err.split("read noise ")[1].split(",")[0])
    assert read == pytest.approx(4, rel=0.5)
    assert "the last quarter of the plane" in card_of(own_home, "rgb")["holdout"]["what"]


@pytest.mark.parametrize("offset", [0, 150])
def test_noise_is_estimated_for_the_offset_that_is_given(
    offset: int, images: Path, own_home: Path
) -> None:
    high = ("--high", images / "noisy.tif", "--estimate-noise")
    done = command_here("finetune", *high, "--offset", offset, "-n", "net", *SCRATCH, *QUICK, "-f")
    assert done.code == 0
    assert f"offset {offset}" in card_of(own_home, "net")["degradation"]


# -- stopping --------------------------------------------------------------------------------------


def interrupted(*arguments: object, when: Path, changed: int = 0) -> Any:
    """Interrupt a command once a file is there and, if that is asked for, newer."""
    process = start(*arguments, before=hear_interrupts)
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        if when.exists() and when.stat().st_mtime_ns != changed:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    return finish(process)


@posix
def test_a_stopped_run_goes_on_where_it_was(images: Path, own_home: Path, tmp_path: Path) -> None:
    high = Path(shutil.copy(images / "stack.tif", tmp_path / "high.tif"))
    arguments = (
        "finetune",
        "--high",
        high,
        "-n",
        "long",
        *SCRATCH,
        "--steps",
        10**6,
        "--batch",
        2,
        "--crop",
        12,
        "--device",
        "cpu",
    )
    state = own_home / "models" / "long.state"
    stopped = interrupted(*arguments, when=state)
    assert stopped.code == 130
    assert "Stopped. `finetune --name long --resume` goes on." in stopped.err
    assert stopped_in(own_home) == ["long"]
    begun = int(torch.load(state, weights_only=True)["step"])

    refused = command_here(*arguments)
    assert refused.code == 2
    assert "was stopped before it was over; resume it" in words(refused.err)
    for setting in (("--steps", 5), ("--no-recorrupt",)):
        refused = command_here("finetune", "-n", "long", "--resume", *setting)
        assert refused.code == 2
        assert "A resumed run keeps its settings" in words(refused.err)

    again = ("finetune", "-n", "long", "--resume")
    stopped = interrupted(*again, when=state, changed=state.stat().st_mtime_ns)
    assert stopped.code == 130
    assert int(torch.load(state, weights_only=True)["step"]) >= begun + 25

    high.unlink()
    refused = command_here(*again)
    assert refused.code == 2
    assert f"There is no file or folder {high}" in words(refused.err)

    # Its images have moved; the run is shortened, as if that were what it was asked for.
    moved = shutil.copy(images / "stack.tif", tmp_path / "elsewhere.tif")
    begun = shorten(own_home, "long")
    done = command_here(*again, "--high", moved, "--force")
    assert done.code == 0
    card = card_of(own_home, "long")
    assert card["steps_done"] == begun + 10
    assert len(card["curve"]) == begun // 25 + 1
    assert stopped_in(own_home) == []


def stopped_in(home: Path) -> list[str]:
    assert (home / "models").is_dir()
    return stopped_runs()


def shorten(home: Path, name: str) -> int:
    """Let a stopped run be over ten steps later, and return how far it is."""
    path, state_path = home / "models" / f"{name}.run.json", home / "models" / f"{name}.state"
    state = torch.load(state_path, weights_only=True)
    value = json.loads(path.read_text())
    value["config"]["steps"] = state["identity"]["config"]["steps"] = state["step"] + 10
    path.write_text(json.dumps(value))
    torch.save(state, state_path)
    return int(state["step"])


@posix
def test_stopped_before_the_first_measurement_nothing_is_left(images: Path, own_home: Path) -> None:
    stopped = interrupted(
        "finetune",
        "--high",
        images / "stack.tif",
        "-n",
        "early",
        "--batch",
        64,
        "--crop",
        48,
        "--device",
        "cpu",
        when=own_home / "models" / "early.run.json",
    )
    assert stopped.code == 130
    assert "Nothing was measured yet, so nothing is kept." in stopped.err
    assert list((own_home / "models").iterdir()) == []


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--high is missing; give a TIFF or a folder of them"),
        (("--high", "none.tif"), "There is no file or folder none.tif"),
        (("--high", "STACK", "--scale", 5), "scale is 5; 2, 3 or 4 can be trained"),
        (("--high", "STACK", "--steps", 0), "steps is 0; at least 1 is needed"),
        (("--high", "STACK", "--steps", 5, "--minutes", 1), "--steps or --minutes, not both"),
        (("--high", "STACK", "--rate", -1), "learning_rate is -1"),
        (("--high", "STACK", "--patience", 0), "patience is 0"),
        (("--high", "STACK", "--crop", 13), "no multiple of 2"),
        (("--high", "STACK", "--crop", 300), "choose a smaller patch"),
        (("--high", "STACK", "--from", "nobody"), "no model named 'nobody'"),
        (("--high", "STACK", "--from", "srcnn-9-1-5-x3"), "enlarges ×3, not ×2"),
        (("--high", "STACK", "--from", "scratch", "--preset", "9-5"), "3 numbers are needed"),
        (("--high", "STACK", "--blur", -1), "blur's sigma is -1"),
        (("--high", "STACK", "--gain", -1), "noise's gain is -1"),
        (("--high", "STACK", "--device", "cuda:9"), "There is no device 'cuda:9' here"),
        (("--high", "STACK", "--sampling", "cubic"), "Invalid value for '--sampling'"),
        (("--high", "STACK", "--low", "none.tif"), "There is no file or folder none.tif"),
        (("--high", "STACK", "--low", "STACK"), "(×1), but the high-resolution one needs"),
        (("--high", "LOW", "--low", "STACK"), "they seem to be swapped"),
        (("--high", "STACK", "--low", "LOW", "--scale", 3), "choose ×2"),
        (("--high", "STACK", "--low", "LOW", "--offset", 9), "With --low nothing is degraded"),
        (("--high", "STACK", "--low", "LOW", "--offset", 0), "With --low nothing is degraded"),
        (("--high", "STACK", "--low", "LOWS"), "as many are needed, or the same names"),
        (("--high", "STACK", "--like", "none.tif"), "none.tif"),
        (("--high", "STACK", "--like", "LOW", "--blur", 1), "leave those out"),
        (("--high", "STACK", "--estimate-noise", "--gain", 1), "leave those out"),
        (("--high", "STACK", "--low", "LOW", "--recorrupt"), "is for high-res images without"),
        (("--resume",), "no stopped run named 'net' to resume; there are: none"),
    ],
)
def test_wrong_settings_are_one_sentence(
    arguments: tuple[object, ...], sentence: str, images: Path, own_home: Path
) -> None:
    files = {"STACK": images / "stack.tif", "LOW": images / "low.tif", "LOWS": images / "lows"}
    given = [files.get(str(argument), argument) for argument in arguments]
    done = command_here("finetune", "-n", "net", *given)
    assert done.code == 2
    assert sentence in words(done.err)
    if "Invalid value" not in sentence:
        assert done.err.strip().startswith("Error: ")
        assert done.err.strip().count("\n") == 0
    assert not own_home.exists()


@pytest.mark.parametrize("name", ["a b", "../net", "net.safetensors", "srcnn-9-1-5-x2", ".net"])
def test_names_that_cannot_be_are_refused(name: str, images: Path, own_home: Path) -> None:
    done = command_here("finetune", "--high", images / "stack.tif", "-n", name, *QUICK)
    assert done.code == 2
    assert "name" in done.err
    assert not own_home.exists()


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("empty folder", "There are no images in"),
        ("text", "high.tif"),
        ("cut short", "high.tif"),
        ("small", "a side are needed"),
        ("one small plane", "is too small to holds a part of it out"),
        ("constant", "is constant"),
        ("nan", "not finite"),
        ("complex", "complex64"),
        ("bool", "bool"),
    ],
)
def test_images_that_cannot_be_trained_on_are_one_sentence(
    kind: str, sentence: str, own_home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "high.tif"
    if kind == "empty folder":
        path = tmp_path / "folder"
        path.mkdir()
    elif kind == "text":
        path.write_text("no TIFF at all")
    elif kind == "cut short":
        data = write(path, discs()).read_bytes()
        path.write_bytes(data[: len(data) // 2])
    else:
        image = {
            "small": np.zeros((20, 30)),
            "one small plane": discs(0, (70, 80)),
            "constant": np.full((200, 200), 7.0),
            "nan": np.full((200, 200), np.nan),
            "complex": discs().astype(np.complex64),
            "bool": discs() > 900,
        }[kind]
        imwrite(path, image)
    done = command_here("finetune", "--high", path, "-n", "net", *QUICK)
    assert done.code == 2
    assert sentence in words(done.err)
    assert done.err.strip().count("\n") == 0
    assert not own_home.exists()
