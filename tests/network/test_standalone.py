"""The network as other programs run it gives what it gives here."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network

from napari_srcnn import Noise, upscale
from napari_srcnn.network import extra
from napari_srcnn.network.checkpoint import CheckpointError, header_text
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.onnx_graph import onnx_bytes
from napari_srcnn.network.phases import phase_kernels, standalone
from napari_srcnn.network.standalone import UpscalingSRCNN
from napari_srcnn.network.torchscript import torchscript_bytes

# One pixel, sides of one pixel, less than the kernels reach, and more.
SHAPES = ((1, 1), (1, 6), (3, 2), (23, 17))
TOLD = Noise(gain=0.002, read=0.01)
NETWORKS: dict[str, dict[str, Any]] = {
    "×2": {"scale": 2, "kernels": (9, 5, 5)},
    "×3": {"scale": 3, "kernels": (9, 1, 5)},
    "×4": {"scale": 4, "kernels": (9, 3, 5), "skip": False},
    "RGB": {"scale": 2, "channels": 3},
    "told the noise, ×2": {"scale": 2, "noise": True},
    "told the noise, ×3": {"scale": 3, "noise": True, "kernels": (5, 3, 1)},
    "published": {"scale": 3, "padding": "zeros", "a": -0.75, "skip": False},
}


@pytest.fixture(params=NETWORKS, scope="module")
def model(request: pytest.FixtureRequest) -> SRCNN:
    return random_network(**NETWORKS[request.param])


def inputs(model: SRCNN, shape: tuple[int, int]) -> list[np.ndarray]:
    """An image (1, C, Y, X) and, for a network that is told it, the noise at each pixel."""
    image = np.random.default_rng(1).random((1, model.config.channels, *shape))
    sigma = [np.sqrt(TOLD.gain * image + TOLD.read**2)] if model.config.noise else []
    return [one.astype(np.float32) for one in (image, *sigma)]


def ours(model: SRCNN, image: np.ndarray) -> np.ndarray:
    """What this package makes of the image, in float64, of the same shape as the others'."""
    options: dict[str, Any] = {"noise": TOLD} if model.config.noise else {}
    if model.config.channels == 3:
        image, options["axes"] = np.moveaxis(image[0], 0, -1), "YXS"
    else:
        image = image[0, 0]
    result = upscale(
        image.astype(np.float64),
        model=model,
        device="cpu",
        intensity=(0, 1),
        window=(0, 1),
        **options,
    )
    return np.moveaxis(result, -1, 0)[None] if model.config.channels == 3 else result[None, None]


@pytest.fixture(scope="module")
def cases(model: SRCNN) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """What goes in, and what this package makes of it."""
    found = [inputs(model, shape) for shape in SHAPES]
    return [(arrays, ours(model, arrays[0])) for arrays in found]


def largest_difference(cases: list[tuple[list[np.ndarray], np.ndarray]], run: Any) -> float:
    differences = []
    for arrays, wanted in cases:
        got = run(*arrays)
        assert got.shape == wanted.shape
        differences.append(float(np.abs(got - wanted).max()))
    return max(differences)


def torch_run(module: Any) -> Any:
    def run(*arrays: np.ndarray) -> Any:
        with torch.inference_mode():
            return module(*map(torch.from_numpy, arrays)).numpy()

    return run


def onnx_file(model: SRCNN) -> bytes:
    return onnx_bytes(standalone(model), header_text(model.config, {"license": "MIT"}))


def test_in_torch_it_gives_what_upscaling_gives_up_to_the_border(model: SRCNN, cases: Any) -> None:
    assert largest_difference(cases, torch_run(standalone(model))) < 1e-5


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_in_torchscript_too(model: SRCNN, cases: Any) -> None:
    loaded = torch.jit.load(io.BytesIO(torchscript_bytes(standalone(model))))
    assert largest_difference(cases, torch_run(loaded)) < 1e-5


def test_in_onnx_runtime_too(model: SRCNN, cases: Any) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    session = runtime.InferenceSession(onnx_file(model), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    assert names == ["low_res", "sigma"][: 1 + model.config.noise]

    def run(*arrays: np.ndarray) -> Any:
        return session.run(["high_res"], dict(zip(names, arrays, strict=True)))[0]

    assert largest_difference(cases, run) < 1e-5


def test_in_openvino_too(model: SRCNN, cases: Any) -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    core = openvino.Core()
    # By default it may compute in half of the digits.
    compiled = core.compile_model(
        core.read_model(onnx_file(model)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    assert largest_difference(cases, lambda *arrays: compiled(list(arrays))[0]) < 1e-5


def test_the_onnx_file_is_of_opset_18_and_says_what_it_is(model: SRCNN) -> None:
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    loaded = onnx.load_from_string(onnx_file(model))
    assert [(one.domain, one.version) for one in loaded.opset_import] == [("", 18)]
    (said,) = (one.value for one in loaded.metadata_props if one.key == "napari_srcnn")
    assert json.loads(said)["config"] == json.loads(json.dumps(model.config.to_dict()))
    assert json.loads(said)["card"] == {"license": "MIT"}


def test_bicubics_phases_sum_to_one_and_so_do_those_of_the_mean() -> None:
    for scale in (2, 3, 4):
        kernels = phase_kernels(random_network(scale=scale, noise=True).config)
        assert kernels["bicubic"].shape == (scale**2, 1, 5, 5)
        assert kernels["mean"].shape == (scale**2, 1, 9, 9)
        for kernel in kernels.values():
            np.testing.assert_allclose(kernel.sum(axis=(1, 2, 3)), 1, atol=1e-6)


def test_a_network_that_is_told_the_noise_says_that_its_plane_is_missing() -> None:
    with pytest.raises(ValueError, match="needs its plane, sigma"):
        standalone(random_network(noise=True))(torch.zeros(1, 1, 4, 4))


def test_torchscript_holds_no_folder_of_who_made_it(repository: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(torchscript_bytes(standalone(random_network())))) as file:
        for member in file.infolist():
            assert str(repository).encode() not in file.read(member)


def test_the_architectures_file_needs_torch_only() -> None:
    source = Path(UpscalingSRCNN.__init__.__code__.co_filename).read_text("utf-8")
    imported = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert imported
    assert all("torch" in line and "napari" not in line for line in imported)


def test_without_onnx_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extra.importlib, "import_module", missing)
    with pytest.raises(CheckpointError, match=r'pip install "napari-srcnn\[export\]"'):
        onnx_file(random_network())
