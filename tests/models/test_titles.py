"""What models are called in menus."""

from __future__ import annotations

from pathlib import Path

from napari_srcnn.models.library import model_info, usable_models
from napari_srcnn.models.manage import import_model
from napari_srcnn.models.titles import in_order, title_of


def test_bundled_models_have_names_for_people() -> None:
    titles = {info.name: title_of(info) for info in usable_models() if info.config.scale == 2}
    assert titles["srcnn-9-5-5-x2-noise"] == "Microscope (best)"
    assert titles["srcnn-9-1-5-x2-noise"] == "Microscope (fast)"
    assert titles["srcnn-9-1-5-x2"] == "Photograph (fast)"
    assert titles["srcnn-9-5-5-x2-rgb"] == "Colour photo (best)"
    assert len(set(titles.values())) == len(titles), "each can be told from the others"
    assert max(map(len, titles.values())) <= 20, "a menu in a dock of 300 pixels shows all of it"


def test_ones_own_models_keep_their_names_and_come_after_the_best(own_home: Path) -> None:
    copied = import_model(model_info("srcnn-9-1-5-x2").path, "srcnn-9-1-5-x2-mine")
    assert title_of(copied) == "srcnn-9-1-5-x2-mine"
    models = [info for info in usable_models() if info.config.scale == 2]
    titles = [title_of(info) for info in in_order(models, "srcnn-9-5-5-x2")]
    assert titles[:4] == [
        "Photograph (best)",
        "srcnn-9-1-5-x2-mine",
        "Microscope (best)",
        "Microscope (fast)",
    ]
