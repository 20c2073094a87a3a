"""Bicubic in blocks is bicubic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_srcnn.image.resize import canonical_window, imresize, window_matrix
from napari_srcnn.upscaling.enlarge import Enlarging, bicubic_matrix

CPU = torch.device("cpu")


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 2), (3, 40), (90, 71)])
def test_any_part_is_that_of_the_whole_image(scale: int, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(scale).normal(size=(2, 2, *shape))
    matrices = [bicubic_matrix(CPU, n, scale, 0, n * scale, -0.5) for n in shape]
    bicubic = Enlarging(torch.from_numpy(image), *matrices)
    for rows, columns in (
        (slice(None), slice(None)),
        (slice(1, 2), slice(0, 1)),
        (slice(1, 131), slice(2, shape[1] * scale - 1)),
    ):
        found = bicubic.part(rows, columns)
        for index in np.ndindex(2, 2):
            expected = imresize(image[index], scale=scale)[rows, columns]
            np.testing.assert_allclose(found[index], expected, rtol=0, atol=1e-13)


def test_a_window_of_a_long_axis_is_that_of_the_whole() -> None:
    image = np.random.default_rng(0).normal(size=(400, 30))
    moved, window = canonical_window(400, 4, 801, 1001)
    rows = bicubic_matrix(CPU, *window, -0.5)
    columns = bicubic_matrix(CPU, 30, 4, 0, 120, -0.5)
    expected = imresize(image, scale=4)[801:1001]
    low, high, _ = window_matrix(*window)
    part = torch.from_numpy(image[moved + low : moved + high])[None, None]
    found = Enlarging(part, rows, columns).part(slice(None), slice(None))
    np.testing.assert_allclose(found[0, 0], expected, rtol=0, atol=1e-13)
