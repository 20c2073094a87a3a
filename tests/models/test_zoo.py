"""Packages for bioimage.io that other programs made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_srcnn import bicubic, upscale
from napari_srcnn.models.library import model_info
from napari_srcnn.models.manage import import_model
from napari_srcnn.network.checkpoint import CheckpointError

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

pytestmark = pytest.mark.usefixtures("own_home")


class Theirs(nn.Module):
    """An SRCNN as most code has it: each layer pads with zeros, the result is the image."""

    def __init__(self, *, padding: bool = True, residual: bool = False, squared: bool = False):
        super().__init__()
        layers = ((1, 8, 9), (8, 4, 1), (4, 1, 5))
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(n_in, n_out, k, padding=k // 2 if padding else 0) for n_in, n_out, k in layers
        )
        self.residual, self.squared = residual, squared
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in self.parameters():
                weight.normal_(std=0.15, generator=generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        out = out + x if self.residual else out
        return out**2 if self.squared else out


def npy(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


def saved(content: Any) -> bytes:
    written = io.BytesIO()
    torch.save(content, written)
    return written.getvalue()


def tensor(name: str, file: str, steps: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "test_tensor": {"source": file}, **steps}


def package(
    path: Path,
    network: nn.Module,
    *,
    prepared: Callable[[np.ndarray], np.ndarray] = lambda x: x,
    before: list[dict[str, Any]] | None = None,
    after: list[dict[str, Any]] | None = None,
    state: Any = None,
    name: str = "Theirs",
    spec: str = "0.5.4",
    shape: tuple[int, int] = (20, 24),
    output: bytes | None = None,
    limits: tuple[float | None, float | None] = (None, None),
) -> Path:
    """Write a package whose test output is what the network makes of its test input."""
    given = np.random.default_rng(0).random((1, 1, *shape)).astype(np.float32)
    with torch.inference_mode():
        result = network(torch.from_numpy(prepared(given))).numpy()
    described: dict[str, Any] = {
        "format_version": spec,
        "type": "model",
        "name": name,
        "license": "MIT",
        "weights": {"pytorch_state_dict": {"source": "theirs.pth"}},
    }
    if spec.startswith("0.5"):
        said = {"preprocessing": before or [], "data": {"type": "float32", "range": list(limits)}}
        described["inputs"] = [tensor("x", "in.npy", said)]
        described["outputs"] = [tensor("y", "out.npy", {"postprocessing": after or []})]
    else:
        described |= {"inputs": [{"name": "x"}], "outputs": [{"name": "y"}]}
        described |= {"test_inputs": ["in.npy"], "test_outputs": ["out.npy"]}
    files = {
        "rdf.yaml": yaml.safe_dump(described).encode(),
        "theirs.pth": saved(network.state_dict() if state is None else state),
        "in.npy": npy(given),
        "out.npy": npy(result) if output is None else output,
    }
    with zipfile.ZipFile(path, "w") as store:
        for file, data in files.items():
            store.writestr(file, data)
    return path


@pytest.fixture
def image() -> np.ndarray:
    y, x = np.mgrid[:30, :40]
    return 0.5 + 0.4 * np.sin(x / 3) * np.cos(y / 4)


def enlarged_by(network: nn.Module, image: np.ndarray, scale: int) -> np.ndarray:
    """What a network makes of an image that bicubic enlarges before it."""
    large = torch.from_numpy(bicubic(image, scale).astype(np.float32))[None, None]
    with torch.inference_mode():
        return network(large)[0, 0].numpy()


@pytest.mark.parametrize("spec", ["0.4.10", "0.5.4"])
@pytest.mark.parametrize("residual", [False, True])
def test_an_srcnn_of_the_zoo_gives_here_what_it_gives_there(
    spec: str, residual: bool, tmp_path: Path, image: np.ndarray
) -> None:
    network = Theirs(residual=residual)
    info = import_model(package(tmp_path / "zoo x3.zip", network, spec=spec))
    assert info.name == "zoo-x3"
    assert (info.config.scale, info.config.skip, info.config.padding) == (3, residual, "zeros")
    assert info.card.license == "MIT"
    assert info.card.source == "zoo x3.zip"
    assert info.card["assumed"] == ["×3 (from its name)", "bicubic with a = -0.5"]
    assert info.window("microscope") == (0, 1)
    result = upscale(image, model=info.name, device="cpu", intensity="none")
    np.testing.assert_allclose(result, enlarged_by(network, image, 3), atol=1e-5)


def test_one_that_keeps_the_enlarged_images_border_is_told_from_one_that_pads(
    tmp_path: Path,
) -> None:
    inner = Theirs(padding=False)
    outer = nn.Sequential(nn.ReplicationPad2d(6), inner)
    path = package(tmp_path / "x2.zip", outer, state=inner.state_dict())
    assert import_model(path, "replicated").config.padding == "valid"


def test_one_that_enlarges_in_its_network_needs_no_name_that_says_so(tmp_path: Path) -> None:
    inner = Theirs()
    enlarging = nn.Sequential(nn.Upsample(scale_factor=2, mode="bicubic"), inner)
    path = package(tmp_path / "zoo.zip", enlarging, state={"state_dict": inner.state_dict()})
    info = import_model(path)
    assert (info.config.scale, info.config.a) == (2, -0.75)


def test_of_a_large_test_image_a_part_is_enough(tmp_path: Path) -> None:
    path = package(tmp_path / "x2.zip", Theirs(residual=True), shape=(140, 20))
    assert import_model(path, "large").config.skip


def test_a_gain_and_an_offset_before_the_network_become_its_window(tmp_path: Path) -> None:
    def linear(gain: float, offset: float) -> dict[str, Any]:
        return {"id": "scale_linear", "kwargs": {"gain": gain, "offset": offset}}

    path = package(
        tmp_path / "x2.zip",
        Theirs(residual=True),
        prepared=lambda x: (x * 0.5 + 0.25).astype(np.float32),
        before=[{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}, linear(0.5, 0.25)],
        limits=(0, 1),
    )
    info = import_model(path, "scaled")
    assert info.config.skip
    assert info.window("microscope") == info.window("photograph") == (0.25, 0.75)


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "more than three layers": (
        lambda path: package(
            path,
            Theirs(),
            state=nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(4))).state_dict(),
        ),
        "is no SRCNN: it has 4 layers",
    ),
    "another end": (
        lambda path: package(path, Theirs(squared=True)),
        "its test output is not what an SRCNN with these weights gives",
    ),
    "another beginning": (
        lambda path: package(path, Theirs(), before=[{"id": "zero_mean_unit_variance"}]),
        "before its network it computes zero_mean_unit_variance",
    ),
    "a test of objects": (
        lambda path: package(path, Theirs(), output=npy(np.array([{}], object))),
        "its test output cannot be read",
    ),
    "a test that is not whole": (
        lambda path: package(
            path, Theirs(), output=npy(np.zeros(8)).replace(b"(8,)", b"(9999999999,)")
        ),
        "its test output cannot be read",
    ),
    "a test whose header ends too soon": (
        lambda path: package(path, Theirs(), output=npy(np.zeros(8)).replace(b"(8,)", b"(8, ")),
        "its test output cannot be read",
    ),
    "a test of no kind": (
        lambda path: package(path, Theirs(), output=b"P5 4 4 255"),
        "its test output cannot be read",
    ),
    "no convolutions": (
        lambda path: package(path, Theirs(), state={"a": torch.zeros(3)}),
        "holds no convolutions",
    ),
    "no scale": (
        lambda path: package(path.with_name("zoo.zip"), Theirs()),
        "it does not say its scale",
    ),
    "colours": (
        lambda path: package(path, Theirs(), prepared=lambda x: x, state=rgb_state()),
        "its test input has 1 channels, its weights 3",
    ),
}


def rgb_state() -> dict[str, torch.Tensor]:
    layers = nn.Sequential(nn.Conv2d(3, 8, 9), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 3, 5))
    return layers.state_dict()


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_more_or_less_than_an_srcnn_is_refused(what: str, tmp_path: Path) -> None:
    make, said = REFUSED[what]
    path = make(tmp_path / "zoo x2.zip")
    with pytest.raises(CheckpointError, match=said) as caught:
        import_model(path)
    assert path.name in str(caught.value)


def test_its_origin_is_shown_before_it_is_taken(tmp_path: Path) -> None:
    info = model_info(package(tmp_path / "zoo x2.zip", Theirs(), name="Theirs, for cells"))
    assert info.description == "Theirs, for cells"
    assert info.config.kernels == (9, 1, 5)
