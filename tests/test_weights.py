"""Names and paths of models."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from networks import random_network

from napari_srcnn.checkpoint import CheckpointError, save_model
from napari_srcnn.paths import cache_dir, user_model_dir
from napari_srcnn.weights import (
    bundled_dir,
    check_name,
    default_model,
    find_model,
    is_path,
    list_models,
    load_model,
    model_info,
)

BUNDLED = sorted(path.stem for path in bundled_dir().glob("*.safetensors"))


def own(name: str, seed: int = 0, card: dict[str, object] | None = None) -> Path:
    path = user_model_dir() / f"{name}.safetensors"
    return save_model(path, random_network(seed), card or {})


def test_the_bundled_models_are_listed_and_load() -> None:
    assert BUNDLED
    assert list_models()[: len(BUNDLED)] == BUNDLED
    for name in BUNDLED:
        info = model_info(name)
        assert info.bundled
        assert info.name == name
        assert info.sha256 == hashlib.sha256(info.path.read_bytes()).hexdigest()
        assert name.startswith(f"srcnn-{info.config.kernel_name}-x{info.config.scale}")
        model = load_model(name)
        assert model.config == info.config
        assert model.info == info


def test_every_bundled_models_card_says_what_its_user_needs() -> None:
    for name in BUNDLED:
        info = model_info(name)
        assert info.description
        assert "\n" not in info.description
        assert info.card["license"]
        assert info.card["data"]
        assert info.window("photograph") == (0, 1)
        low, high = info.window("microscope")
        assert 0 <= low < high <= 1


def test_the_users_own_models_come_after_the_bundled_ones(own_home: Path) -> None:
    assert list_models() == BUNDLED
    path = own("my.model-1_x2")
    assert path.is_relative_to(own_home)
    assert list_models() == [*BUNDLED, "my.model-1_x2"]
    info = model_info("my.model-1_x2")
    assert not info.bundled
    assert info.window("microscope") == (0, 1)
    assert info.description == ""


def test_a_users_model_cannot_shadow_a_bundled_one(own_home: Path) -> None:
    own(BUNDLED[0])
    assert list_models() == BUNDLED
    assert model_info(BUNDLED[0]).bundled


def test_leftovers_and_odd_names_are_not_listed(own_home: Path) -> None:
    folder = own("good").parent
    for name in ("._good.safetensors", "with space.safetensors", "notes.txt", "a.pt"):
        (folder / name).write_bytes(b"x")
    assert list_models() == [*BUNDLED, "good"]


def test_the_home_variable_moves_models_and_measurements(own_home: Path) -> None:
    assert user_model_dir() == own_home / "models"
    assert cache_dir() == own_home / "cache"


def test_without_the_variable_the_platform_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAPARI_SRCNN_HOME")
    assert "napari-srcnn" in user_model_dir().parts
    assert "napari-srcnn" in cache_dir().parts


@pytest.mark.parametrize(
    "text", ["./a", "a/b", "a\\b", "a.safetensors", "a.PT", "net.pth", "x.ckpt", "x.mat", "x.bin"]
)
def test_what_has_a_separator_or_a_model_files_suffix_is_a_path(text: str) -> None:
    assert is_path(text)
    assert is_path(Path("a"))


@pytest.mark.parametrize("text", ["srcnn-9-1-5-x2", "a.b", "v1.2", "safetensors"])
def test_everything_else_is_a_name(text: str) -> None:
    assert not is_path(text)


def test_a_model_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(tmp_path / "elsewhere.safetensors", random_network(), {})
    assert find_model(path) == find_model(str(path)) == path
    monkeypatch.chdir(tmp_path)
    assert load_model("elsewhere.safetensors").config == random_network().config
    assert model_info("./elsewhere.safetensors").name == "elsewhere"


def test_a_home_folder_is_written_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path / "a.safetensors", random_network(), {})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert model_info("~/a.safetensors").name == "a"


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(CheckpointError, match=f"no model named 'nope'; there are: .*{BUNDLED[0]}"):
        load_model("nope")
    with pytest.raises(CheckpointError, match=r"no model file .*nope\.safetensors"):
        load_model("nope.safetensors")
    with pytest.raises(CheckpointError, match="no model named ''"):
        model_info("")


def test_a_model_that_was_written_anew_is_read_anew(own_home: Path) -> None:
    own("mine", 1, {"description": "first"})
    first = model_info("mine")
    own("mine", 2, {"description": "second one"})
    second = model_info("mine")
    assert (first.description, second.description) == ("first", "second one")
    assert first.sha256 != second.sha256
    expected = random_network(2).state_dict()["conv1.weight"]
    assert torch.equal(load_model("mine").state_dict()["conv1.weight"], expected)


def test_a_damaged_model_of_the_user_spoils_no_list(own_home: Path) -> None:
    own("bad").write_bytes(b"cut")
    assert "bad" in list_models()
    with pytest.raises(CheckpointError, match=r"bad\.safetensors is not a model file"):
        model_info("bad")


@pytest.mark.parametrize("name", ["a", "srcnn-9-1-5-x2-mine", "V1.2_b"])
def test_a_user_may_choose_a_plain_name(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "..", ".hidden", "ä", "a\n", "x.safetensors", "x.pt", "c:\\x"]
)
def test_a_user_may_not_choose_a_name_that_is_none(name: str) -> None:
    with pytest.raises(CheckpointError, match="cannot be a model's name"):
        check_name(name)


def test_a_user_may_not_choose_a_bundled_name() -> None:
    with pytest.raises(CheckpointError, match="is a bundled model's name"):
        check_name(BUNDLED[0])


def test_the_default_model_is_a_bundled_one_for_the_scale() -> None:
    for scale in {model_info(name).config.scale for name in BUNDLED}:
        info = model_info(default_model(scale))
        assert info.bundled
        assert info.config.scale == scale
    with pytest.raises(CheckpointError, match="No bundled model enlarges ×7"):
        default_model(7)


def test_names_and_cards_are_read_without_torch() -> None:
    code = (
        "import sys, napari_srcnn as n\n"
        "[n.model_info(name).window('microscope') for name in n.list_models()]\n"
        "from napari_srcnn.weights import default_model\n"
        "assert not {'torch', 'skimage', 'qtpy', 'napari'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
