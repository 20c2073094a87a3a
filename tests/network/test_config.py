"""What an SRCNN is: its figures, and what it refuses to be."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from napari_srcnn.network.config import PRESETS, SRCNNConfig


# Weights without biases and halos as the SRCNN paper counts them (TPAMI 2016, section 4.3.1).
@pytest.mark.parametrize(
    ("name", "weights", "halo"), [("9-1-5", 8032, 6), ("9-3-5", 24416, 7), ("9-5-5", 57184, 8)]
)
def test_the_presets_have_the_papers_weights_and_halos(name: str, weights: int, halo: int) -> None:
    config = SRCNNConfig(kernels=PRESETS[name])
    assert config.parameters == weights + 64 + 32 + 1
    assert config.halo == halo
    assert config.kernel_name == name


def test_a_third_layer_of_one_pixel_is_a_preset_too() -> None:
    assert SRCNNConfig(kernels=PRESETS["9-1-1"]).halo == 4


def test_colour_changes_the_first_and_the_last_layer() -> None:
    config = SRCNNConfig(channels=3)
    assert config.layers == ((3, 64, 9), (64, 32, 1), (32, 3, 5))
    assert config.parameters == 81 * 3 * 64 + 64 + 64 * 32 + 32 + 25 * 32 * 3 + 3


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kernels": (7, 3, 1), "widths": (128, 64), "channels": 3, "scale": 4},
        {"skip": False, "padding": "zeros", "a": -0.75},
    ],
)
def test_a_configuration_survives_json(settings: dict[str, Any]) -> None:
    config = SRCNNConfig(**settings)
    assert SRCNNConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "settings",
    [
        {"kernels": (9, 2, 5)},
        {"kernels": (9, 5)},
        {"kernels": (9, -1, 5)},
        {"kernels": (9.0, 1, 5)},
        {"widths": (64, 0)},
        {"widths": (64, 32, 16)},
        {"widths": (True, 32)},
        {"channels": 2},
        {"scale": 5},
        {"scale": 2.0},
        {"scale": "2"},
        {"padding": "same"},
        {"skip": "no"},
        {"a": "x"},
        {"a": math.nan},
    ],
)
def test_what_is_no_srcnn_is_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        SRCNNConfig(**settings)


@pytest.mark.parametrize(
    "values", [{"depth": 3}, {"kernels": 9}, {"kernels": None}, {"kernels": ["a", "b", "c"]}]
)
def test_a_dictionary_that_describes_none_is_a_value_error(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown settings|wrong type|ints are needed"):
        SRCNNConfig.from_dict(values)
