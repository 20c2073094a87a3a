"""Published checkpoints: every layout gives the network that was saved, or one sentence."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network
from real_data import bundled_photographs, with_data
from safetensors.torch import save_file
from scipy.io import savemat
from skimage.color import rgb2ycbcr
from skimage.io import imsave
from skimage.metrics import peak_signal_noise_ratio
from torch import nn

from napari_srcnn.assess.published import Protocol
from napari_srcnn.assess.reference import evaluate
from napari_srcnn.assess.report import mean_scores
from napari_srcnn.image.resize import imresize
from napari_srcnn.models.library import list_models, load_model, model_info
from napari_srcnn.network.checkpoint import CheckpointError
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.published import read_published
from napari_srcnn.training.photographs import find_images
from napari_srcnn.upscaling.api import upscale

KINDS = {"Y": {"channels": 1}, "RGB": {"channels": 3}}
NAMES = {
    "conv": ("conv1", "conv2", "conv3"),
    "conv.0": ("conv1.0", "conv2.0", "conv3"),
    "features": ("features.0", "map.0", "reconstruction"),
    "patch_extraction": ("patch_extraction", "nonlinear_map", "recon"),
    "sequence": ("model.0", "model.2", "model.4"),
    "bare sequence": ("0", "2", "4"),
    "mmagic": ("generator.conv1", "generator.conv2", "generator.conv3"),
}
WRAPPERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "bare": lambda state: OrderedDict(state),
    "state_dict": lambda state: {"meta": {"epoch": 3}, "state_dict": state, "optimizer": {}},
    "model in a checkpoint": lambda state: {"step": 5, "model": state},
    "DataParallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "params_ema": lambda state: {
        "params": {k: v * 0 for k, v in state.items()},
        "params_ema": state,
    },
}


def plain(**settings: Any) -> SRCNN:
    """As published networks are: without a skip."""
    return random_network(1, kernels=(9, 5, 5), skip=False, **settings)


def state_of(model: SRCNN, names: tuple[str, ...] = NAMES["conv"]) -> dict[str, torch.Tensor]:
    layers = (model.conv1, model.conv2, model.conv3)
    return {
        f"{name}.{part}": getattr(layer, part).detach().clone()
        for name, layer in zip(names, layers, strict=True)
        for part in ("weight", "bias")
    }


def same(one: SRCNN, other: SRCNN) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.allclose(a, b, rtol=1e-6, atol=0) for a, b in pairs)


def save_matlab(path: Path, model: SRCNN) -> None:
    """As the authors did: taps column by column, filters last."""
    values = {}
    w1, w2, w3 = (
        layer.weight.detach().double().numpy() for layer in (model.conv1, model.conv2, model.conv3)
    )
    values["weights_conv1"] = np.stack([f[0].ravel(order="F") for f in w1], axis=1)
    values["weights_conv2"] = np.stack(
        [np.stack([tap.ravel(order="F") for tap in f]) for f in w2], axis=2
    )
    values["weights_conv3"] = np.stack([tap.ravel(order="F") for tap in w3[0]])
    for number, layer in enumerate((model.conv1, model.conv2, model.conv3), start=1):
        values[f"biases_conv{number}"] = layer.bias.detach().double().numpy()[:, None]
    savemat(path, values)


# -- what is read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_gives_the_network_that_was_saved(
    layout: str, kind: str, tmp_path: Path
) -> None:
    model = plain(**KINDS[kind])
    torch.save(state_of(model, NAMES[layout]), tmp_path / "net_x3.pth")
    found = read_published(tmp_path / "net_x3.pth")
    assert same(found.model(), model)
    config = found.config
    assert (config.kernels, config.widths, config.scale) == ((9, 5, 5), (8, 4), 3)
    assert config.channels == KINDS[kind]["channels"]
    assert not config.skip
    assert config.a == (-0.75 if layout == "mmagic" else -0.5)
    assert config.padding == ("valid" if layout == "patch_extraction" else "zeros")
    # What the file does not say is said.
    for clause in ("×3 (from its name)", f"a = {config.a:g}", "values of 0..1"):
        assert clause in found.sentence
    assert ("RGB" in found.sentence) == (kind == "RGB")


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_every_wrapper_is_taken_off(wrapper: str, tmp_path: Path) -> None:
    model = plain()
    torch.save(WRAPPERS[wrapper](state_of(model)), tmp_path / "x2.pt")
    assert same(read_published(tmp_path / "x2.pt").model(), model)


def test_torchs_old_format_and_safetensors_are_read(tmp_path: Path) -> None:
    model = plain()
    old = tmp_path / "x2_old.pth"
    torch.save(state_of(model), old, _use_new_zipfile_serialization=False)
    save_file(state_of(model), tmp_path / "x2.safetensors")
    assert same(read_published(old).model(), model)
    assert same(read_published(tmp_path / "x2.safetensors").model(), model)


# What was published, as its authors' files hold it: names, wrapper, kernels, channels.
AS_PUBLISHED = {
    "Nhat-Thanh/SRCNN-Pytorch": ("patch_extraction", "bare", (9, 1, 5), 3),
    "Nhat-Thanh/SRCNN-Pytorch, checkpoint": (
        "patch_extraction",
        "model in a checkpoint",
        (9, 1, 5),
        3,
    ),
    "chompaa/clarisolve": ("conv", "bare", (9, 5, 5), 1),
    "binh234/isr": ("sequence", "bare", (9, 1, 5), 3),
    "prajapatisarvesh/SRCNN-Pytorch": ("conv", "DataParallel", (9, 1, 5), 3),
    "thanh0702/SRCNN": ("conv", "bare", (9, 5, 5), 3),
    "mmagic": ("mmagic", "state_dict", (9, 1, 5), 3),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", AS_PUBLISHED)
def test_what_was_published_is_read_at_its_full_size(
    name: str, zipped: bool, tmp_path: Path
) -> None:
    names, wrapper, kernels, channels = AS_PUBLISHED[name]
    model = random_network(3, kernels=kernels, widths=(64, 32), channels=channels, skip=False)
    content = WRAPPERS[wrapper](state_of(model, NAMES[names]))
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    found = read_published(tmp_path / "net.pth", scale=2)
    assert same(found.model(), model)
    assert (found.config.kernels, found.config.channels) == (kernels, channels)
    assert found.sentence


@pytest.mark.parametrize("kernels", [(9, 1, 5), (9, 3, 5), (9, 5, 5)])
def test_the_authors_matlab_layout_is_read(kernels: tuple[int, ...], tmp_path: Path) -> None:
    model = random_network(2, kernels=kernels, skip=False)
    save_matlab(tmp_path / "x4.mat", model)
    found = read_published(tmp_path / "x4.mat")
    assert same(found.model(), model)
    assert found.config.scale == 4
    assert found.config.padding == "valid"


def test_layers_without_biases_have_none(tmp_path: Path) -> None:
    state = {k: v for k, v in state_of(plain()).items() if k.endswith("weight")}
    torch.save(state, tmp_path / "x2.pth")
    assert not read_published(tmp_path / "x2.pth").model().conv1.bias.any()  # type: ignore[union-attr]


def test_what_the_file_cannot_say_can_be_given(tmp_path: Path) -> None:
    model = plain(channels=3)
    torch.save(state_of(model), tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"net\.pth does not say its scale; give it"):
        read_published(tmp_path / "net.pth")
    config = read_published(
        tmp_path / "net.pth", scale=4, padding="valid", a=-0.75, skip=True
    ).config
    assert (config.scale, config.padding, config.a, config.skip) == (4, "valid", -0.75, True)


def test_other_ranges_and_orders_of_colour_become_ours(tmp_path: Path) -> None:
    model = plain(channels=3)
    torch.save(state_of(model), tmp_path / "x2.pth")
    image = torch.rand(1, 3, 30, 30, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        given = read_published(tmp_path / "x2.pth", value_range=255, padding="valid").model()
        assert torch.allclose(given(image), model(image * 255) / 255, atol=1e-4)
        turned = read_published(tmp_path / "x2.pth", order="bgr", padding="valid").model()
        assert torch.allclose(turned(image), model(image.flip(1)).flip(1), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "scale"),
    [("x2", 2), ("SRCNN_x3", 3), ("srcnn-x4-best", 4), ("2x_net", 2), ("net.X3", 3)],
)
def test_a_scale_in_the_name_is_found(name: str, scale: int, tmp_path: Path) -> None:
    torch.save(state_of(plain()), tmp_path / f"{name}.pth")
    assert read_published(tmp_path / f"{name}.pth").config.scale == scale


@pytest.mark.parametrize("name", ["net", "x32", "max2", "x5", "1024x3072"])
def test_what_is_no_scale_in_the_name_is_not_taken_for_one(name: str, tmp_path: Path) -> None:
    torch.save(state_of(plain()), tmp_path / f"{name}.pth")
    with pytest.raises(CheckpointError, match="does not say its scale"):
        read_published(tmp_path / f"{name}.pth")


def test_a_published_file_can_be_used_by_its_path(tmp_path: Path) -> None:
    model = plain()
    path = tmp_path / "x2.mat"
    save_matlab(path, model)
    assert model_info(path).config.scale == 2
    assert same(load_model(path), model)
    stack = np.random.default_rng(0).integers(0, 60_000, (20, 24), dtype=np.uint16)
    assert upscale(stack, model=path, device="cpu").shape == (40, 48)


# -- what is refused -------------------------------------------------------------------------------


class Hostile:
    """Makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_file_that_holds_code_is_refused_and_its_code_not_run(tmp_path: Path) -> None:
    hostile = Hostile(tmp_path / "ran")
    torch.save({"state_dict": state_of(plain()), "x": hostile}, tmp_path / "x2.pt")
    with pytest.raises(CheckpointError, match="can run code"):
        read_published(tmp_path / "x2.pt")
    (tmp_path / "x2.pth").write_bytes(pickle.dumps(hostile))
    with pytest.raises(CheckpointError, match=r"x2\.pth"):
        read_published(tmp_path / "x2.pth")
    assert not (tmp_path / "ran").exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(1, 2, 3)), tmp_path / "x2.pt")
    with pytest.raises(CheckpointError, match=r"have its author save model\.state_dict\(\)"):
        read_published(tmp_path / "x2.pt")


def broken(kind: str, path: Path) -> None:
    state = state_of(plain())
    if kind == "a fourth convolution":
        state["conv4.weight"] = torch.zeros(1, 1, 3, 3)
    elif kind == "a linear layer":
        state["head.weight"] = torch.zeros(4, 4)
    elif kind == "widths that do not follow":
        state["conv2.weight"] = torch.zeros(4, 9, 5, 5)
    elif kind == "even kernels":
        state["conv2.weight"] = torch.zeros(4, 8, 4, 4)
    elif kind == "other names":
        state = state_of(plain(), ("first", "second", "third"))
    elif kind == "not finite":
        state["conv1.bias"][0] = torch.nan
    elif kind == "no convolution":
        state = {"weight": torch.zeros(3)}
    elif kind == "a list":
        torch.save([1, 2], path)
        return
    elif kind == "text":
        path.write_text("SRCNN")
        return
    elif kind == "nothing":
        path.write_bytes(b"")
        return
    torch.save(state, path)
    if kind == "cut short":
        path.write_bytes(path.read_bytes()[:400])


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("a fourth convolution", "no SRCNN: it has 4 layers"),
        ("a linear layer", "no SRCNN: it has 4 layers"),
        ("widths that do not follow", "do not follow each other"),
        ("even kernels", "three odd numbers are needed"),
        ("other names", "rename them to conv1, conv2, conv3"),
        ("not finite", "not finite; get it again"),
        ("no convolution", "holds no convolutions"),
        ("a list", "holds no convolutions"),
        ("text", r"net_x2\.pth"),
        ("nothing", r"net_x2\.pth"),
        ("cut short", r"net_x2\.pth"),
    ],
)
def test_what_is_no_srcnn_is_refused_in_one_sentence(
    kind: str, sentence: str, tmp_path: Path
) -> None:
    broken(kind, tmp_path / "net_x2.pth")
    with pytest.raises(CheckpointError, match=sentence) as caught:
        read_published(tmp_path / "net_x2.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["text", "other variables", "other shapes", "nothing"])
def test_a_matlab_file_of_another_kind_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x3.mat"
    if content == "text":
        path.write_text("a text file")
    elif content == "nothing":
        path.write_bytes(b"")
    elif content == "other variables":
        savemat(path, {"a": np.zeros(3)})
    else:
        names = [f"{kind}_conv{n}" for n in (1, 2, 3) for kind in ("weights", "biases")]
        savemat(path, dict.fromkeys(names, np.zeros((3, 4))))
    with pytest.raises(CheckpointError, match=r"x3\.mat") as caught:
        read_published(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_missed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no model file"):
        read_published(tmp_path / "x2.pth")


# -- the proof that the pipeline is right ----------------------------------------------------------

# PSNR on Set5 as the paper and its authors' pages print it.
AUTHORS = {
    "9-5-5(ImageNet)/x2": 36.66,
    "9-5-5(ImageNet)/x3": 32.75,
    "9-5-5(ImageNet)/x4": 30.49,
    "9-3-5(ImageNet)/x3": 32.66,
    "9-1-5(ImageNet)/x3": 32.52,
    "9-1-5(91 images)/x2": 36.34,
    "9-1-5(91 images)/x3": 32.39,
    "9-1-5(91 images)/x4": 30.09,
}


@pytest.mark.parametrize("name", with_data(AUTHORS))
def test_the_authors_weights_score_what_they_published(name: str, shared_data: Path) -> None:
    path = shared_data / "weights" / "authors_mat" / f"{name}.mat"
    scores = evaluate(find_images(shared_data / "natural/eval/Set5"), [path], device="cpu")
    _, ours = mean_scores(list(scores))
    assert ours.psnr == pytest.approx(AUTHORS[name], abs=0.02)


def test_every_published_file_loads_or_says_why_not(shared_data: Path) -> None:
    paths = sorted((shared_data / "weights" / "pytorch").iterdir())
    assert len(paths) >= 7
    for path in paths:
        found = read_published(path, scale=2)
        assert found.config.kernels in {(9, 1, 5), (9, 5, 5)}, path
        assert found.sentence


# -- measuring -------------------------------------------------------------------------------------


def test_a_network_that_corrects_nothing_scores_as_bicubic(photographs: list[Path]) -> None:
    name = next(n for n in list_models() if n.endswith("x4"))
    images = photographs[:2]
    y = mean_scores(list(evaluate(images, [name], device="cpu")))
    rgb = mean_scores(list(evaluate(images, [name], protocol="rgb", device="cpu")))
    # The luma alone is improved, so less is gained on all three; and colours are harder.
    assert 0 < rgb[1].psnr - rgb[0].psnr < y[1].psnr - y[0].psnr
    assert rgb[0].psnr < y[0].psnr


@pytest.mark.parametrize("protocol", ["y", "rgb"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_score_is_what_the_literatures_protocol_gives_step_by_step(
    scale: int, protocol: Protocol, tmp_path: Path
) -> None:
    image = bundled_photographs()["astronaut"][:101, :122]
    imsave(tmp_path / "astronaut.png", image)
    model = next(n for n in list_models() if n.endswith(f"x{scale}"))
    scores = evaluate([tmp_path / "astronaut.png"], [model], protocol=protocol, device="cpu")
    bicubic, _ = mean_scores(list(scores))
    # Cropped, Y of the studio range in 8 bits, down and up in floating point, rounded, shaved.
    truth = image[: 101 // scale * scale, : 122 // scale * scale].astype(np.float64)
    if protocol == "y":
        truth = np.floor(rgb2ycbcr(truth / 255)[..., 0] + 0.5)
    result = imresize(imresize(truth / 255, scale=1 / scale), scale=scale)
    result = np.floor(result.clip(0, 1) * 255 + 0.5)
    inner = (slice(scale, -scale),) * 2
    expected = peak_signal_noise_ratio(truth[inner], result[inner], data_range=255)
    assert bicubic.psnr == pytest.approx(expected, abs=1e-9)


def test_rgb_bicubic_has_mmagics_psnr(shared_data: Path) -> None:
    images = find_images(shared_data / "natural/eval/Set5")
    model = next(n for n in list_models() if n.endswith("x4"))
    bicubic, _ = mean_scores(list(evaluate(images, [model], protocol="rgb", device="cpu")))
    assert bicubic.psnr == pytest.approx(26.70, abs=0.02)
