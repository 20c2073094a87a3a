"""Names and paths of models."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from networks import random_network

from napari_srcnn.models.card import Card, Holdout, card_lines
from napari_srcnn.models.library import (
    bundled_dir,
    default_model,
    find_model,
    is_path,
    list_models,
    load_model,
    model_info,
    own_models,
    usable_models,
)
from napari_srcnn.models.manage import (
    check_name,
    delete_model,
    export_model,
    import_model,
    name_for,
    rename_model,
)
from napari_srcnn.models.paths import cache_dir, user_model_dir
from napari_srcnn.network.checkpoint import CheckpointError, save_model

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
        # Those that are told the noise have seen one window only.
        assert info.window("photograph") == ((0.2, 0.6) if info.config.noise else (0, 1))
        low, high = info.window("microscope")
        assert 0 <= low < high <= 1


def test_the_users_own_models_come_after_the_bundled_ones(own_home: Path) -> None:
    assert list_models() == BUNDLED
    path = own("my.model-1_x2")
    assert path.is_relative_to(own_home)
    assert list_models() == [*BUNDLED, "my.model-1_x2"]
    info = model_info("my.model-1_x2")
    assert not info.bundled
    # What an enlargement by it uses, too: a card that says no window has the usual ones.
    assert info.window("microscope") == (0.2, 0.6)
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


def test_an_unknown_name_is_answered_with_those_like_it() -> None:
    with pytest.raises(CheckpointError, match="did you mean srcnn-9-5-5-x2 or "):
        load_model("srcnn-955-x2")
    with pytest.raises(CheckpointError, match=r"named 'qqqq'; 'napari-srcnn models' lists all \d+"):
        load_model("qqqq")
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


def test_a_name_is_no_longer_than_a_file_systems() -> None:
    with pytest.raises(CheckpointError, match="101 characters is too long; use 100 at most"):
        check_name("a" * 101)


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
        "from napari_srcnn.models.library import default_model\n"
        "assert not {'torch', 'skimage', 'qtpy', 'napari'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- the user's own


def files() -> dict[str, bytes]:
    """All that is in the user's folder."""
    folder = user_model_dir()
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def refusal(function: object, *arguments: object, **options: object) -> str:
    """Call what has to be refused and to leave every file as it is; return its one sentence."""
    before = files()
    with pytest.raises(CheckpointError) as caught:
        function(*arguments, **options)  # type: ignore[operator]
    assert files() == before
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def test_a_renamed_model_keeps_its_bytes_and_its_stopped_run(own_home: Path) -> None:
    data = own("old").read_bytes()
    own("other", 1)
    (user_model_dir() / "old.state").write_bytes(b"a stopped run")
    info = rename_model("old", "new-1")
    assert info.name == "new-1"
    assert info.path.read_bytes() == data
    assert own_models() == ["new-1", "other"]
    assert set(files()) == {"new-1.safetensors", "new-1.state", "other.safetensors"}


def test_a_model_takes_no_name_that_is_taken(own_home: Path) -> None:
    own("a", 1)
    own("b", 2)
    assert "You have a model named 'b' already" in refusal(rename_model, "a", "b")
    assert "You have a model named 'a' already" in refusal(rename_model, "a", "a")
    assert "is a bundled model's name" in refusal(rename_model, "a", BUNDLED[0])
    assert "cannot be a model's name" in refusal(rename_model, "a", "../a")
    (user_model_dir() / "c.state").write_bytes(b"a stopped run")
    assert "c.state is left from a training run" in refusal(rename_model, "a", "c")


def test_a_deleted_model_takes_its_stopped_run_along_and_nothing_else(own_home: Path) -> None:
    own("mine")
    for name in ("mine.state", "mine-2.state", "mine.txt"):
        (user_model_dir() / name).write_bytes(b"x")
    own("mine-2")
    assert delete_model("mine") is None
    assert set(files()) == {"mine-2.safetensors", "mine-2.state", "mine.txt"}
    assert own_models() == ["mine-2"]


def test_a_damaged_model_can_be_deleted_and_is_not_handed_on(
    own_home: Path, tmp_path: Path
) -> None:
    own("bad").write_bytes(b"cut")
    assert "bad.safetensors is not a model file" in refusal(rename_model, "bad", "good")
    assert "bad.safetensors is not a model file" in refusal(export_model, "bad", tmp_path / "x")
    delete_model("bad")
    assert own_models() == []


def test_only_ones_own_models_are_renamed_and_deleted(own_home: Path) -> None:
    before = {path: path.read_bytes() for path in bundled_dir().iterdir() if path.is_file()}
    assert "is bundled and cannot be deleted" in refusal(delete_model, BUNDLED[0])
    assert "is bundled and cannot be renamed" in refusal(rename_model, BUNDLED[0], "mine")
    assert "your own are: none yet" in refusal(delete_model, "nope")
    path = own("mine")
    assert "no model named 'nope'; your own are: mine" in refusal(rename_model, "nope", "a")
    assert "no model named" in refusal(delete_model, str(path))
    assert "no model named" in refusal(delete_model, "../models/mine")
    assert before == {path: path.read_bytes() for path in bundled_dir().iterdir() if path.is_file()}


@pytest.mark.parametrize("what", ["unlink", "rename"])
def test_a_folder_that_cannot_be_written_is_told(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = own("mine")
    state = path.with_name("mine.state")
    state.write_bytes(b"a stopped run")
    genuine = getattr(Path, what)

    def fail(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return genuine(self, *arguments, **options)

    monkeypatch.setattr(Path, what, fail)
    said = refusal(*((delete_model, "mine") if what == "unlink" else (rename_model, "mine", "b")))
    assert "Permission denied; see that " in said
    assert str(path.parent) in said


def test_a_model_goes_out_and_comes_back_byte_for_byte(own_home: Path, tmp_path: Path) -> None:
    data = own("mine", card={"description": "Nuclei", "holdout": {"psnr": 30}}).read_bytes()
    path = export_model("mine", tmp_path / "for a friend")
    assert path == tmp_path / "for a friend.safetensors"
    assert path.read_bytes() == data
    assert export_model("mine", tmp_path) == tmp_path / "mine.safetensors"
    delete_model("mine")
    info = import_model(path)
    assert (info.name, info.description) == ("for-a-friend", "Nuclei")
    assert info.path.read_bytes() == data
    assert import_model(str(path), "mine").sha256 == info.sha256
    assert own_models() == ["for-a-friend", "mine"]


def test_a_bundled_model_is_exported_and_comes_back_under_another_name(
    own_home: Path, tmp_path: Path
) -> None:
    path = export_model(BUNDLED[0], tmp_path / "new folder" / f"{BUNDLED[0]}.safetensors")
    assert path.read_bytes() == model_info(BUNDLED[0]).path.read_bytes()
    assert "is a bundled model's name" in refusal(import_model, path)
    assert not import_model(path, "mine").bundled


def test_what_is_there_is_replaced_by_force_only(own_home: Path, tmp_path: Path) -> None:
    first, second = own("a", 1).read_bytes(), own("b", 2).read_bytes()
    path = export_model("a", tmp_path / "x.safetensors")
    assert "is there already" in refusal(export_model, "b", tmp_path / "x")
    assert path.read_bytes() == first
    assert "You have a model named 'b' already" in refusal(import_model, path, "b")
    before = model_info("b").sha256
    assert import_model(path, "b", force=True).sha256 != before
    assert model_info("b").path.read_bytes() == first
    own("b", 2)
    assert export_model("b", path, force=True).read_bytes() == second
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_an_export_is_a_safetensors_file(own_home: Path, tmp_path: Path) -> None:
    own("mine")
    assert "ends in '.pth'" in refusal(export_model, "mine", tmp_path / "x.pth")
    assert export_model("mine", tmp_path / "v1.2").name == "v1.2.safetensors"
    assert "no model named 'nope'" in refusal(export_model, "nope", tmp_path / "x")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refusal(export_model, "mine", tmp_path / "file" / "x")


@pytest.mark.parametrize("name", ["net.pth", "9-5-5(ImageNet)_x3.MAT", "a.bin"])
def test_a_published_file_is_sent_to_convert(own_home: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"published")
    assert f"`napari-srcnn convert {name} NAME`" in refusal(import_model, tmp_path / name)


def test_a_file_that_is_no_whole_model_is_not_imported(own_home: Path, tmp_path: Path) -> None:
    path = save_model(tmp_path / "x.safetensors", random_network(), {})
    data = path.read_bytes()
    path.write_bytes(data[:-4])
    assert "x.safetensors is damaged or cut short" in refusal(import_model, path)
    path.write_bytes(b"Dear diary")
    assert "x.safetensors is not a model file" in refusal(import_model, path)
    broken = random_network()
    with torch.no_grad():
        broken.conv2.bias[1] = float("nan")
    save_model(path, broken, {})
    assert "not finite" in refusal(import_model, path)
    assert "no model file" in refusal(import_model, tmp_path / "none.safetensors")
    assert "no model file" in refusal(import_model, tmp_path)
    assert files() == {}


def test_a_folder_that_cannot_be_made_is_told(own_home: Path, tmp_path: Path) -> None:
    path = save_model(tmp_path / "x.safetensors", random_network(), {})
    own_home.write_text("a file where the folder should be")
    assert "cannot be written" in refusal(import_model, path)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("mine.safetensors", "mine"),
        ("for a friend (2).safetensors", "for-a-friend-2"),
        (".hidden.safetensors", "hidden"),
        ("net.pth.safetensors", "net"),
        ("Grüße.safetensors", "Gr-e"),
        ("ß.safetensors", ""),
    ],
)
def test_a_files_name_becomes_a_models(file: str, name: str) -> None:
    assert name_for(Path("folder") / file) == name
    if name:
        assert check_name(name) == name


def test_a_file_whose_name_gives_none_needs_one(own_home: Path, tmp_path: Path) -> None:
    path = save_model(tmp_path / "ß.safetensors", random_network(), {})
    assert "give the model a name" in refusal(import_model, path)
    assert import_model(path, "sz").name == "sz"


def test_damaged_models_are_left_out_of_what_is_chosen_from(
    own_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own("mine")
    (user_model_dir() / "broken.safetensors").write_bytes(b"nothing")
    (user_model_dir() / "gone.safetensors").symlink_to(own_home / "nowhere")
    (user_model_dir() / "folder.safetensors").mkdir()
    assert [info.name for info in usable_models()] == [*BUNDLED, "mine"]
    for name in ("broken", "gone", "folder"):
        assert f"The model {name} is left out: {name}.safetensors" in caplog.text
        with pytest.raises(CheckpointError, match=name):
            model_info(name)


def test_a_card_is_told_in_words(own_home: Path) -> None:
    card = {
        "description": "Nuclei, confocal",
        "data": ["a.tif", "b.tif"],
        "degradation": "blur of 1.2 pixels, noise",
        "license": "CC0",
        "version": "0.2.0",
        "torch": "2.9.0",
        "date": "2026-02-03T10:20:30+00:00",
        "seconds": 125.4,
        "steps_done": 1200,
        "started_from": BUNDLED[0],
        "holdout": {
            "psnr": 34.567,
            "bicubic": 32,
            "start": 33.5,
            "ssim": 0.91234,
            "bicubic_ssim": 0.9,
            "what": "2 slices of a.tif",
        },
        "curve": [[1.0, 33.0], [2.0, 34.0]],
        "windows": {"microscope": [0.2, 0.6]},
    }
    own("mine", card=card)
    assert card_lines(model_info("mine")) == [
        "Model: mine",
        "Scale: ×2",
        "Network: kernels 9-1-5, filters 8-4, one channel, 793 parameters",
        "Description: Nuclei, confocal",
        "Data: a.tif, b.tif",
        "Degradation: blur of 1.2 pixels, noise",
        "Held out: PSNR 34.57 dB (bicubic 32.00, before 33.50); SSIM 0.9123 (bicubic 0.9000); "
        "on 2 slices of a.tif",
        f"Started from: {BUNDLED[0]}",
        "Trained: 2026-02-03 10:20, 1,200 steps, 2 min 5 s",
        "Windows: microscope 0.2..0.6",
        "Made with: napari-srcnn 0.2.0, torch 2.9.0",
        "Licence: CC0",
    ]


def test_a_card_goes_through_its_types_without_a_loss() -> None:
    stored: dict[str, object] = {
        "description": "Nuclei",
        "data": ["a.tif", "b.tif"],
        "license": 5,
        "held_apart": {"psnr": 34.5, "bicubic": 32},
        "psnr": {"Set5": "high"},
        "windows": {"microscope": [0.2, 0.6]},
        "started_from": None,
        "recipe": {"started_from": "other"},
        "of a later version": [1, 2],
    }
    card = Card.from_dict(stored)
    assert (card.description, card.data) == ("Nuclei", ("a.tif", "b.tif"))
    assert card.holdout == Holdout(psnr=34.5, bicubic=32)
    assert card.windows["microscope"] == (0.2, 0.6)
    assert card.begun_from == "other"
    # What is of another kind than it should be is no figure, and is kept.
    assert (card.license, card.psnr) == ("", {})
    stored["holdout"] = stored.pop("held_apart")
    assert card.to_dict() == dict(card) == stored
    assert Card.from_dict(json.loads(json.dumps(card.to_dict()))) == card


@pytest.mark.parametrize(
    "value",
    [None, "", 7, [], ["\x1b[2J", 1], {}, {"psnr": "high", "what": 3}, "a\n\x1b[31mb" * 999],
)
def test_a_card_of_any_kind_is_told_in_plain_lines(own_home: Path, value: object) -> None:
    keys = (
        "description data degradation license version torch date seconds steps_done started_from "
        "holdout curve recipe psnr source"
    )
    own("odd", card=dict.fromkeys(keys.split(), value))
    lines = card_lines(model_info("odd"))
    assert lines[:2] == ["Model: odd", "Scale: ×2"]
    assert all(line.isprintable() and len(line) < 1500 for line in lines)


def test_models_are_moved_about_without_torch(own_home: Path, tmp_path: Path) -> None:
    own("mine")
    code = (
        "import sys; from napari_srcnn.models.card import card_lines\n"
        "from napari_srcnn.models.library import model_info\n"
        "from napari_srcnn.models.manage import *\n"
        f"import_model(export_model('mine', {str(tmp_path / 'x')!r}))\n"
        "card_lines(rename_model('x', 'y')); delete_model('y')\n"
        "assert not {'torch', 'skimage', 'qtpy', 'napari'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert own_models() == ["mine"]
