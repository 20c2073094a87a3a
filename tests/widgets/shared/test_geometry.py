"""An enlargement lies exactly over its source, however that was moved, turned and sheared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image

from napari_srcnn.widgets.shared.geometry import geometry_of
from napari_srcnn.widgets.shared.layers import Appearance

# napari draws such layers askew, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
ANGLES = {2: 30.0, 3: (20.0, -35.0, 50.0)}


def corners(shape: tuple[int, ...]) -> np.ndarray:
    """The outer corners of the pixels of an image, (2 ** N, N), in its pixels."""
    ends = [(-0.5, length - 0.5) for length in shape]
    return np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, len(shape))


def in_world(layer: Image, points: np.ndarray) -> np.ndarray:
    return np.array([layer.data_to_world(point) for point in points])


def random_layer(ndim: int, seed: int, **fixed: Any) -> Image:
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(2, 9, ndim).tolist())
    affine = np.eye(ndim + 1)
    affine[:-1] += random.normal(0, 0.4, (ndim, ndim + 1))
    arguments: dict[str, Any] = {
        "scale": random.uniform(0.1, 5, ndim) * random.choice([-1, 1], ndim),
        "translate": random.normal(0, 50, ndim),
        "shear": random.normal(0, 0.5, ndim * (ndim - 1) // 2),
        "affine": affine,
        "contrast_limits": (0, 1),
    }
    if ndim in ANGLES:
        arguments["rotate"] = ANGLES[ndim]
    return Image(np.zeros(shape, np.uint16), **(arguments | fixed))


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("ndim", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_result_covers_the_same_ground(ndim: int, factor: int, seed: int) -> None:
    source = random_layer(ndim, seed)
    shape = (*source.data.shape[:-2], *(n * factor for n in source.data.shape[-2:]))
    result = Image(np.zeros(shape, np.uint16), **Appearance.of(source).enlarged(factor))
    before, after = (in_world(one, corners(one.data.shape)) for one in (source, result))
    size = np.ptp(before, axis=0).max()
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-9 * max(size, 1))
    np.testing.assert_allclose(
        result._extent_world_augmented, source._extent_world_augmented, rtol=0, atol=1e-9 * size
    )


def test_a_shear_matrix_below_the_diagonal_is_kept() -> None:
    shear = np.eye(3)
    shear[1, 0], shear[2, 1] = 0.4, -0.3
    source = random_layer(3, 0, shear=shear)
    result = Image(np.zeros((4, 20, 20)), **Appearance.of(source).enlarged(2))
    np.testing.assert_allclose(result.shear, source.shear)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_part_lies_where_that_part_of_the_result_lies(factor: int) -> None:
    source = random_layer(3, 1)
    whole = geometry_of(source).enlarged(factor)
    origin = (1, 3, 5)
    part = geometry_of(source).enlarged(factor, origin)
    for point in corners((1, 4, 6)):
        moved = whole.matrix @ [*(point + origin), 1]
        np.testing.assert_allclose(part.matrix @ [*point, 1], moved, rtol=0, atol=1e-9)


def test_the_matrix_is_what_napari_composes() -> None:
    source = random_layer(3, 2)
    for point in corners(source.data.shape):
        ours = (geometry_of(source).matrix @ [*point, 1])[:-1]
        np.testing.assert_allclose(ours, source.data_to_world(point), atol=1e-12)


def test_the_result_keeps_units_labels_and_looks() -> None:
    source = Image(
        np.zeros((3, 8, 8), np.uint16),
        scale=(2, 0.5, 0.5),
        units=("um", "nm", "nm"),
        axis_labels=("z", "y", "x"),
        colormap="magenta",
        contrast_limits=(5, 900),
        gamma=0.7,
        blending="additive",
        opacity=0.4,
        interpolation2d="linear",
        rendering="average",
    )
    result = Image(np.zeros((3, 16, 16), np.uint16), **Appearance.of(source).enlarged(2))
    kept = "units axis_labels contrast_limits gamma blending opacity interpolation2d rendering"
    for name in kept.split():
        assert getattr(result, name) == getattr(source, name), name
    assert result.colormap.name == "magenta"
    np.testing.assert_allclose(result.scale, (2, 0.25, 0.25))
    np.testing.assert_allclose(result.translate, (0, -0.125, -0.125))


def test_a_multiscale_layer_is_taken_at_its_full_resolution() -> None:
    levels = [np.zeros((16, 24), np.uint16), np.zeros((8, 12), np.uint16)]
    source = Image(levels, multiscale=True, scale=(3, 3), contrast_limits=(0, 1))
    result = Image(np.zeros((32, 48), np.uint16), **Appearance.of(source).enlarged(2))
    np.testing.assert_allclose(
        in_world(result, corners((32, 48))), in_world(source, corners((16, 24))), atol=1e-9
    )
