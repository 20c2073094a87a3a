"""Model files: what is written comes back, and nothing else is believed."""

from __future__ import annotations

import errno
import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network
from safetensors.torch import save as safetensors_save

from napari_srcnn.network.checkpoint import (
    FORMAT,
    KEY,
    CheckpointError,
    load_checkpoint,
    read_header,
    save_model,
    write_atomically,
)

CARD = {
    "description": "Nothing, ×2",
    "psnr": {"Set5": 36.5},
    "windows": {"microscope": [0.2, 0.6], "photograph": [0, 1]},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_model(tmp_path / "model.safetensors", random_network(), CARD)


def rewrite(path: Path, **changes: Any) -> None:
    """Write the same weights with another description of them."""
    network = random_network()
    value = {"format": FORMAT, "config": network.config.to_dict(), "card": CARD, **changes}
    path.write_bytes(safetensors_save(network.state_dict(), metadata={KEY: json.dumps(value)}))


def refusal(path: Path) -> str:
    """The one sentence that reading and loading a file end with."""
    with pytest.raises(CheckpointError) as loading:
        load_checkpoint(path)
    sentence = str(loading.value)
    assert path.name in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300
    return sentence


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kernels": (9, 5, 5), "channels": 3, "scale": 4},
        {"skip": False, "padding": "zeros", "a": -0.75, "widths": (5, 3)},
    ],
)
def test_a_network_and_its_card_survive_a_file(settings: dict[str, Any], tmp_path: Path) -> None:
    network = random_network(1, **settings)
    path = save_model(tmp_path / "new" / "folder" / "a.safetensors", network, CARD)
    assert read_header(path) == (network.config, CARD)
    loaded, card = load_checkpoint(path)
    assert card == CARD
    assert loaded.config == network.config
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_a_file_is_readable_for_others_as_any_new_file(path: Path) -> None:
    other = path.with_name("other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "There is no model file" in refusal(tmp_path / "none.safetensors")


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)


def test_a_file_cut_at_any_place_is_refused(path: Path) -> None:
    data = path.read_bytes()
    (header_length,) = struct.unpack("<Q", data[:8])
    for length in (0, 1, 7, 8, 9, header_length // 2, header_length + 8, len(data) - 1):
        path.write_bytes(data[:length])
        assert "not a model file" in (text := refusal(path)) or "damaged" in text


def test_bytes_behind_the_weights_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**63, 2**64 - 1])
def test_a_header_that_lies_about_its_length_is_refused(length: int, path: Path) -> None:
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    assert "not a model file" in refusal(path)


class Malice:
    """Would make a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (Path.touch, (self.target,))


def test_a_pickle_under_another_name_is_refused_and_never_run(tmp_path: Path) -> None:
    target, path = tmp_path / "touched", tmp_path / "evil.safetensors"
    path.write_bytes(pickle.dumps(Malice(target)))
    assert "not a model file" in refusal(path)
    torch.save({"weights": Malice(target)}, path)
    assert "not a model file" in refusal(path)
    assert not target.exists()


def test_text_and_random_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_text("Not a model, but a text that is long enough to have a header's length.")
    assert "not a model file" in refusal(path)
    rng = np.random.default_rng(0)
    for _ in range(20):
        path.write_bytes(struct.pack("<Q", 100) + rng.bytes(300))
        assert "not a model file" in refusal(path)


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.safetensors"
    for header in (b"[" * 200_000, b'{"a":' * 200_000):
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        assert "not a model file" in refusal(path)
    metadata = {KEY: "[" * 200_000}
    path.write_bytes(safetensors_save(random_network().state_dict(), metadata=metadata))
    assert "describes no usable model" in refusal(path)


def test_other_tensors_are_no_model(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors_save({"a": torch.zeros(3)}))
    assert "no napari-srcnn model" in refusal(path)


def test_a_newer_format_asks_for_an_update(path: Path) -> None:
    rewrite(path, format=FORMAT + 1)
    assert "update napari-srcnn" in refusal(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "1"},
        {"config": None},
        {"config": {"kernels": [9, 2, 5]}},
        {"config": {"depth": 7}},
        {"config": {"scale": "2"}},
        {"card": 3},
        {"card": {"windows": [0, 1]}},
        {"card": {"windows": {"microscope": 3}}},
        {"card": {"windows": {"microscope": ["a", "b"]}}},
        {"card": {"windows": {"microscope": [0.6, 0.2]}}},
        {"card": {"windows": {"photograph": [0, 1, 2]}}},
    ],
)
def test_a_description_of_no_usable_model_is_refused(changes: dict[str, Any], path: Path) -> None:
    rewrite(path, **changes)
    assert "describes no usable model" in refusal(path)


def test_weights_of_other_shapes_are_refused(path: Path) -> None:
    rewrite(path, config={"widths": [8, 5]})
    assert "other shapes" in refusal(path)


def test_a_small_file_cannot_ask_for_a_network_that_fills_the_memory(path: Path) -> None:
    rewrite(path, config={"widths": [10**9, 10**9]})
    assert "other shapes" in refusal(path)
    with pytest.raises(CheckpointError, match="other shapes"):
        read_header(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, path: Path) -> None:
    network = random_network()
    with torch.no_grad():
        network.conv2.bias[1] = value
    save_model(path, network, {})
    assert "not finite" in refusal(path)


def test_a_file_that_may_not_be_read_says_so(path: Path) -> None:
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    assert "cannot be read" in refusal(path)


# -- writing --------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device; choose another place"):
        save_model(path, random_network(9), CARD)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_is_a_folder_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    place = tmp_path / "a.safetensors"
    place.mkdir()
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_model(place, random_network(), CARD)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_place_below_a_file_is_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_atomically(path / "below", b"data")
    assert list(path.parent.iterdir()) == [path]


def test_writing_replaces_what_was_there(path: Path) -> None:
    save_model(path, random_network(3), {"description": "new"})
    assert read_header(path)[1] == {"description": "new"}
    assert list(path.parent.iterdir()) == [path]


def test_a_network_that_is_told_the_noise_comes_back_and_says_so(tmp_path: Path) -> None:
    from napari_srcnn.network.config import SRCNNConfig
    from napari_srcnn.network.model import SRCNN

    config = SRCNNConfig(kernels=(9, 5, 5), noise=True)
    model = SRCNN(config)
    path = save_model(tmp_path / "told.safetensors", model, {})
    assert read_header(path)[0] == config
    loaded, _ = load_checkpoint(path)
    assert loaded.config.noise
    assert torch.equal(loaded.noise.weight, model.noise.weight)


def test_a_file_without_noise_says_nothing_of_it_so_that_older_versions_read_it() -> None:
    from napari_srcnn.network.config import SRCNNConfig

    assert "noise" not in SRCNNConfig().to_dict()
    assert SRCNNConfig.from_dict(SRCNNConfig(noise=True).to_dict()).noise
