"""The manager of the user's own models: what it shows, does, asks and refuses."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from networks import random_network
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_srcnn.models.library import bundled_dir, own_models
from napari_srcnn.models.manage import export_model
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.widgets.models.manager import NONE_YET, ModelManager

BUNDLED = sorted(path.stem for path in bundled_dir().glob("*.safetensors"))[0]


def own(name: str, seed: int = 0, **card: object) -> Path:
    return save_model(user_model_dir() / f"{name}.safetensors", random_network(seed), card)


@dataclass
class Heard:
    """What a manager said."""

    said: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    changes: list[None] = field(default_factory=list)


@pytest.fixture
def manager(own_home: Path, qtbot: Any) -> ModelManager:
    own("a", 1, description="The first", holdout={"psnr": 34.0, "bicubic": 32.0})
    own("b", 2, description="The second")
    manager = ModelManager()
    qtbot.addWidget(manager)
    manager.show()
    return manager


@pytest.fixture
def heard(manager: ModelManager) -> Heard:
    heard = Heard()
    manager.said.connect(heard.said.append)
    manager.failed.connect(heard.failed.append)
    manager.changed.connect(lambda: heard.changes.append(None))
    return heard


def buttons(manager: ModelManager) -> list[bool]:
    """Whether one can rename, delete, export, import."""
    parts = (
        manager.rename_button,
        manager.delete_button,
        manager.export_button,
        manager.import_button,
    )
    return [button.isEnabled() for button in parts]


def test_the_chosen_models_card_is_shown(manager: ModelManager) -> None:
    assert manager.model.values == ["a", "b"]
    assert "Description: The first" in manager.card.text()
    assert "PSNR 34.00 dB (bicubic 32.00)" in manager.card.text()
    manager.model.value = "b"
    assert "Description: The second" in manager.card.text()
    assert all(buttons(manager))


def test_without_models_only_importing_is_possible(own_home: Path, qtbot: Any) -> None:
    manager = ModelManager()
    qtbot.addWidget(manager)
    manager.show()
    assert manager.card.text() == NONE_YET
    assert manager.card.isVisible()
    assert not manager.model.isVisible()
    assert buttons(manager) == [False, False, False, True]
    # None of these opens a dialog without a model; one would stop the test.
    manager.ask_and_rename()
    manager.ask_and_delete()
    manager.ask_and_export()
    own("new")
    manager.refresh()
    assert manager.chosen == "new"
    assert manager.model.isVisible()
    assert all(buttons(manager))


def test_a_model_made_meanwhile_is_there_when_the_list_is_shown_again(
    manager: ModelManager,
) -> None:
    manager.model.value = "b"
    manager.hide()
    own("aa")
    manager.show()
    assert manager.model.values == ["a", "aa", "b"]
    assert manager.chosen == "b"


def test_a_damaged_model_can_only_be_deleted(manager: ModelManager, heard: Heard) -> None:
    own("a").write_bytes(b"cut")
    manager.refresh()
    assert "a cannot be used: a.safetensors is not a model file" in manager.card.text()
    assert buttons(manager) == [False, True, False, True]
    assert manager.delete("a")
    assert manager.chosen == "b"
    assert not heard.failed


def test_renaming_keeps_the_model_chosen(manager: ModelManager, heard: Heard) -> None:
    manager.model.value = "b"
    assert manager.rename("b", "new")
    assert own_models() == manager.model.values == ["a", "new"]
    assert manager.chosen == "new"
    assert (len(heard.changes), heard.said) == (1, ["“b” is called “new” now."])


def test_exporting_changes_no_model_and_importing_adds_one(
    manager: ModelManager, heard: Heard, tmp_path: Path
) -> None:
    assert manager.export("a", tmp_path / "out")
    assert heard.changes == []
    assert (tmp_path / "out.safetensors").is_file()
    assert manager.import_(tmp_path / "out.safetensors")
    assert manager.chosen == "out"
    assert "Description: The first" in manager.card.text()
    assert (len(heard.changes), len(heard.said), heard.failed) == (1, 2, [])


def test_what_cannot_be_done_is_said_and_changes_nothing(
    manager: ModelManager, heard: Heard, tmp_path: Path
) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"Dear diary")
    (tmp_path / "y.pth").write_bytes(b"published")
    assert not manager.rename("a", "b")
    assert not manager.rename("a", BUNDLED)
    assert not manager.delete(BUNDLED)
    assert not manager.export("a", tmp_path / "x")
    assert not manager.import_(tmp_path / "x.safetensors")
    assert not manager.import_(tmp_path / "y.pth")
    assert len(heard.failed) == 6
    assert "y.pth" in heard.failed[-1]
    assert all(text.endswith(".") and "\n" not in text for text in heard.failed)
    assert (heard.said, heard.changes) == ([], [])
    assert own_models() == ["a", "b"]
    assert manager.chosen == "a"


# ---------------------------------------------------------------- the dialogs


def answer_text(monkeypatch: pytest.MonkeyPatch, text: str, given: bool = True) -> list[str]:
    """Answer every question for a name; return the texts that were suggested."""
    suggested: list[str] = []

    def ask(parent: object, title: str, label: str, mode: object, suggestion: str) -> Any:
        suggested.append(suggestion)
        return text, given

    monkeypatch.setattr(QInputDialog, "getText", ask)
    return suggested


def test_a_new_name_is_asked_for(manager: ModelManager, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer_text(monkeypatch, " new ", given=False) == []
    manager.rename_button.click()
    assert own_models() == ["a", "b"]
    suggested = answer_text(monkeypatch, " new ")
    manager.rename_button.click()
    assert suggested == ["a"]
    assert own_models() == ["b", "new"]


@pytest.mark.parametrize("is_sure", [False, True])
def test_deleting_asks_first(
    manager: ModelManager, monkeypatch: pytest.MonkeyPatch, is_sure: bool
) -> None:
    standard = QMessageBox.StandardButton
    asked: list[str] = []

    def ask(parent: object, title: str, text: str, choices: object, default: object) -> Any:
        assert default == standard.Cancel
        asked.append(text)
        return standard.Yes if is_sure else standard.Cancel

    monkeypatch.setattr(QMessageBox, "question", ask)
    manager.delete_button.click()
    assert "“a”" in asked[0]
    assert own_models() == (["b"] if is_sure else ["a", "b"])


def test_exporting_replaces_only_what_the_dialog_asked_about(
    manager: ModelManager, heard: Heard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "x.safetensors"
    for text in ("", str(tmp_path / "x"), str(tmp_path / "x"), str(path)):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, text=text: (text, ""))
        manager.export_button.click()
    # Nothing chosen; written; there already by another name than was asked about; replaced.
    assert (len(heard.said), len(heard.failed)) == (2, 1)
    assert "is there already" in heard.failed[0]


@pytest.mark.parametrize(
    ("typed", "chosen", "written"),
    [
        ("x", "ONNX", "x.onnx"),
        ("x.onnx", "napari-srcnn", "x.onnx"),
        ("Zellen 1", "bioimage.io", "Zellen 1.bioimage.io.zip"),
    ],
)
def test_for_other_programs_a_model_is_exported_beside_the_window(
    manager: ModelManager,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    qtbot: Any,
    typed: str,
    chosen: str,
    written: str,
) -> None:
    def choose(parent: object, title: str, suggested: str, filters: str) -> tuple[str, str]:
        return str(tmp_path / typed), next(f for f in filters.split(";;") if f.startswith(chosen))

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    manager.export_button.click()
    qtbot.waitUntil(lambda: len(heard.said) == 2 or bool(heard.failed), timeout=20_000)
    assert (heard.failed, len(heard.said)) == ([], 2)
    assert heard.said[1] == f"“a” was written to {tmp_path / written}."
    # And back: it is looked into beside the window, and asked about then.
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / written), ""))
    asked = answer_yes(monkeypatch)
    manager.import_button.click()
    qtbot.waitUntil(lambda: len(own_models()) == 3, timeout=20_000)
    assert "SRCNN 9-1-5, ×2" in asked[0]
    assert "Description: The first" in manager.card.text()


def test_an_export_for_other_programs_that_fails_says_why(
    manager: ModelManager, heard: Heard, tmp_path: Path, qtbot: Any
) -> None:
    (tmp_path / "x.onnx").touch()
    manager.export("a", tmp_path / "x.onnx")
    qtbot.waitUntil(lambda: bool(heard.failed), timeout=20_000)
    assert "is there already" in heard.failed[0]


def answer_yes(monkeypatch: pytest.MonkeyPatch, is_sure: bool = True) -> list[str]:
    """Answer every question; return what was asked."""
    standard, asked = QMessageBox.StandardButton, []

    def ask(parent: object, title: str, text: str, *choices: object) -> Any:
        asked.append(text)
        return standard.Yes if is_sure else standard.Cancel

    monkeypatch.setattr(QMessageBox, "question", ask)
    return asked


@pytest.mark.parametrize("is_sure", [False, True])
def test_what_a_file_says_of_its_model_is_shown_before_it_is_taken(
    manager: ModelManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_sure: bool
) -> None:
    card = {"data": ["T91", "<img src=x>"]}
    path = save_model(tmp_path / "theirs.safetensors", random_network(3, scale=3), card)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    asked = answer_yes(monkeypatch, is_sure)
    manager.import_button.click()
    (text,) = asked
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for line in ("Model: theirs", "SRCNN 9-1-5, ×3", "T91, &lt;img", "states no licence", digest):
        assert line in text
    assert "Size: " in text
    assert own_models() == (["a", "b", "theirs"] if is_sure else ["a", "b"])


def test_importing_asks_for_another_name_where_the_files_is_taken(
    manager: ModelManager, heard: Heard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suggested = answer_text(monkeypatch, "mine")
    answer_yes(monkeypatch)
    bundled, taken = export_model(BUNDLED, tmp_path), export_model("a", tmp_path)
    fresh = export_model("b", tmp_path / "fresh")
    for path in (fresh, bundled):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, p=path: (str(p), ""))
        manager.import_button.click()
    assert own_models() == ["a", "b", "fresh", "mine"]
    suggested += answer_text(monkeypatch, "", given=False)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(taken), ""))
    manager.import_button.click()
    assert own_models() == ["a", "b", "fresh", "mine"]
    assert suggested == [f"{BUNDLED}-2"]
    assert (len(heard.changes), heard.failed) == (2, [])


def test_the_list_needs_no_torch(manager: ModelManager) -> None:
    code = (
        "import sys\n"
        "from qtpy.QtWidgets import QApplication\n"
        "application = QApplication([])\n"
        "from napari_srcnn.widgets.models.manager import ModelManager\n"
        "manager = ModelManager()\n"
        "assert manager.chosen == 'a'\n"
        "assert manager.rename('a', 'c')\n"
        "assert not {'torch', 'skimage', 'napari'} & set(sys.modules), sys.modules.keys()"
    )
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_a_published_checkpoint_becomes_a_model(
    manager: ModelManager, heard: Heard, tmp_path: Path
) -> None:
    import torch

    from napari_srcnn.models.library import load_model, own_models

    model = load_model(BUNDLED)
    names = [f"conv{number}.{kind}" for number in (1, 2, 3) for kind in ("weight", "bias")]
    state = dict(zip(names, model.state_dict().values(), strict=True))
    torch.save(state, tmp_path / "net_x2.pth")
    assert manager.import_(tmp_path / "net_x2.pth"), heard.failed
    assert "net_x2" in own_models()
    made = load_model("net_x2")
    for ours, theirs in zip(made.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
