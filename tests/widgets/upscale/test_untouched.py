"""Nothing that is enlarged is changed, so that to delete the result is to undo it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


def state(layer: Any) -> dict[str, Any]:
    """Return all that napari would save of a layer, but its pixels."""
    _, attributes, _ = layer.as_layer_data_tuple()
    return {key: str(value) for key, value in attributes.items()}


@pytest.mark.parametrize("is_lazy", [False, True], ids=["an array", "computed as you look"])
def test_an_enlargement_is_undone_by_deleting_its_layer(
    is_lazy: bool,
    viewer: Any,
    dock: Callable[[], Any],
    finish: Callable[[Any], None],
    brain: np.ndarray,
) -> None:
    before = brain.copy()
    data = [brain, brain[:, ::2, ::2]] if is_lazy else brain
    source = viewer.add_image(
        data, multiscale=is_lazy, blending="additive", scale=(2, 1, 1), metadata={"mine": 1}
    )
    widget = dock()
    known = state(source)
    widget.upscale()
    finish(widget)
    result = viewer.layers[-1]
    assert result is not source
    # Its light would be added to the result's.
    assert not source.visible
    viewer.layers.remove(result)
    assert list(viewer.layers) == [source]
    assert state(source) == known
    np.testing.assert_array_equal(brain, before)
