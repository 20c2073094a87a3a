"""Where the look at a low-res image lies: beside its image, whatever the image's transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tuning import Tuning

from napari_srcnn.widgets.shared.geometry import geometry_of

AFFINE = np.array([[0.9, 0.2, 5.0], [-0.1, 1.1, -3.0], [0.0, 0.0, 1.0]])
TRANSFORMS: dict[str, dict[str, Any]] = {
    "turned": {"rotate": 30.0},
    "turned by a quarter": {"rotate": 90.0},
    "sheared": {"shear": [0.3]},
    "moved by an affine": {"affine": AFFINE},
    "mirrored": {"scale": (0.2, -0.2)},
}


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_the_low_res_image_stands_beside_an_image_that_is(
    kind: str, viewer: Any, tuning: Tuning
) -> None:
    """As haesleinhuepf/napari-skimage-regionprops#52: layers made of a rotated layer."""
    pixels = np.random.default_rng(0).integers(0, 4000, (96, 160)).astype(np.uint16)
    arguments = {"scale": (0.2, 0.2), "translate": (3, 4)} | TRANSFORMS[kind]
    layer = viewer.add_image(pixels, name="h", **arguments)
    widget = tuning.open()
    viewer.reset_view()
    widget.preview()
    tuning.finish()
    low = viewer.layers["Low-res of h"]
    assert low.data.shape == (48, 80)
    # Each corner lies where the image's own would, had the image gone on to the right.
    ours, theirs = geometry_of(low).matrix, geometry_of(layer).matrix
    for y, x in ((0, 0), (47, 0), (0, 79), (47, 79)):
        beside = theirs @ np.array([2 * y + 0.5, 2 * x + 0.5 + 1.03 * 160, 1])
        np.testing.assert_allclose(ours @ np.array([y, x, 1]), beside, atol=1e-9)


def test_the_low_res_image_of_a_turned_stack_is_turned(
    viewer: Any, tuning: Tuning, pollen: np.ndarray
) -> None:
    turn = np.eye(3)
    turn[1:, 1:] = [[0.8, -0.6], [0.6, 0.8]]
    layer = viewer.add_image(pollen, name="h", scale=(3, 0.5, 0.5), rotate=turn)
    widget = tuning.open()
    viewer.reset_view()
    widget.preview()
    tuning.finish()
    low = viewer.layers["Low-res of h"]
    np.testing.assert_allclose(low.rotate, layer.rotate[1:, 1:])
    np.testing.assert_allclose(low.scale, (1, 1))
