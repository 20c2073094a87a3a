"""Before a run the widget says where an image is unlike what the model was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import skimage.data

from napari_srcnn.widgets.shared.caution import SIGN

PHOTOGRAPHS, MICROSCOPES = "srcnn-9-1-5-x2", "srcnn-9-1-5-x2-noise"


def test_a_stack_given_to_the_photographs_model_is_warned_of_until_another_is_chosen(
    viewer: Any, dock: Callable[[], Any], qtbot: Any, pollen: np.ndarray
) -> None:
    viewer.add_image(pollen, name="pollen")
    widget = dock()
    note = widget.form.domain_note
    assert note.text() == "", "nothing is said of the model that was chosen for it"
    widget.form.model.value = PHOTOGRAPHS
    qtbot.waitUntil(lambda: bool(note.text()), timeout=20_000)
    assert note.isVisibleTo(widget)
    assert note.text().startswith(f"{SIGN}The image looks like microscopes' and scanners' images: ")
    assert f"{PHOTOGRAPHS} was trained on photographs" in note.text()
    widget.form.model.value = MICROSCOPES
    assert not note.isVisibleTo(widget)

    viewer.add_image(skimage.data.camera()[:256, :256], name="camera")
    widget.form.model.value = MICROSCOPES
    qtbot.waitUntil(lambda: bool(note.text()), timeout=20_000)
    assert "The image looks like photographs: " in note.text()

    viewer.layers.selection = set(viewer.layers)
    widget._show_layers()
    assert note.text().startswith(f"{SIGN}camera: The image looks like photographs: ")
    assert "pollen:" not in note.text()
