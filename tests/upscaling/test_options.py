"""What a user asks for is checked once, and resolved once against an image."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch
from networks import random_network

from napari_srcnn.models.choose import propose_model
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.resolve import choose_scale, resolve

IMAGE = np.zeros((3, 20, 22), np.uint16)


def test_everything_has_a_default() -> None:
    assert Options() == Options(scale=None, model=None, device="auto", intensity="auto")
    assert resolve(Options(), IMAGE).scale == 2


def test_options_are_kept_as_pythons_own_and_never_change() -> None:
    options = Options.of(
        np.int64(3),
        axes="czyx"[1:],
        intensity=np.array([[0, 5], [1, 6], [2, 7]], np.uint16),
        window=[0.1, 0.9],
        dtype="f4",
        tile=np.int32(64),
    )
    assert type(options.scale) is int
    assert options.axes == "ZYX"
    assert options.intensity == ((0.0, 5.0), (1.0, 6.0), (2.0, 7.0))
    assert options.window == (0.1, 0.9)
    assert options.dtype == np.float32
    assert type(options.tile) is int
    assert hash(options) == hash(Options.of(3, **{k: getattr(options, k) for k in _ASKED}))
    with pytest.raises(FrozenInstanceError):
        options.scale = 2  # type: ignore[misc]


_ASKED = ("axes", "intensity", "window", "dtype", "tile")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"scale": 5}, "scale is 5; it can be 2, 3 or 4"),
        ({"axes": 3}, "a letter an axis is needed"),
        ({"intensity": "loud"}, "it can be 'auto', 'dtype', 'none'"),
        ({"intensity": [[1, 2, 3]]}, "or one pair for each channel"),
        ({"intensity": "none", "window": (0, 1)}, "takes no window"),
        ({"color": "sepia"}, "it can be 'luma' or 'channels'"),
        ({"dtype": "complex64"}, "The result is complex64"),
        ({"tile": 0}, "at least 16"),
    ],
)
def test_what_can_never_be_is_refused_before_there_is_an_image(
    asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=r"[.]$") as refused:
        Options(**asked)
    assert words in str(refused.value)


def test_a_keyword_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="smooth"):
        Options.of(2, smooth=True)  # type: ignore[call-arg]


def test_a_plan_knows_the_model_without_loading_it() -> None:
    plan = resolve(Options(scale=2, model="srcnn-9-1-5-x2"), IMAGE)
    assert (plan.model_name, plan.shape) == ("srcnn-9-1-5-x2", (3, 40, 44))
    assert len(plan.model_sha256) == 64
    unnamed = resolve(Options(model=random_network()), IMAGE)
    assert (unnamed.model_name, unnamed.model_sha256) == ("unnamed", "")


def test_options_and_plans_come_without_torch() -> None:
    code = (
        "import sys, numpy\n"
        "from napari_srcnn.upscaling.options import Options\n"
        "from napari_srcnn.upscaling.resolve import resolve\n"
        "import napari_srcnn.upscaling.files, napari_srcnn.upscaling.messages\n"
        "resolve(Options(scale=3), numpy.zeros((20, 20), 'u2'))\n"
        "assert not {'torch', 'qtpy', 'napari'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_zero_is_a_value_and_not_a_lack_of_one() -> None:
    # The lower end of a range, a window's, and an image of nothing but zeros.
    plan = resolve(Options(intensity=(0, 10), window=(0, 1)), IMAGE)
    assert (plan.intensity, plan.window) == (((0.0, 10.0),), (0.0, 1.0))
    with pytest.raises(ValueError, match="scale is 0; it can be"):
        Options(scale=0)


class Odd:
    """An image whose values numpy has no type for, as those of a TensorStore."""

    shape = (20, 22)

    def __init__(self, dtype: object) -> None:
        self.dtype = dtype

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("nothing of it is read")


@pytest.mark.parametrize("dtype", [torch.float32, None, object()])
def test_an_image_of_a_type_that_numpy_does_not_know_is_refused(dtype: object) -> None:
    for ask in (lambda: resolve(Options(), Odd(dtype)), lambda: propose_model(Odd(dtype), 2)):
        with pytest.raises(ValueError, match=r"is no dtype of numpy; make an array of it"):
            ask()


def test_the_scale_is_the_models_or_two() -> None:
    assert choose_scale(None, None) == 2
    assert choose_scale(None, "srcnn-9-1-5-x3") == 3
    with pytest.raises(ValueError, match="enlarges ×3, not ×2"):
        choose_scale(2, "srcnn-9-1-5-x3")
    with pytest.raises(ValueError, match="scales of 2, 3 and 4"):
        choose_scale(9, None)
