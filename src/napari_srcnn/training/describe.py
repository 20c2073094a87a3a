"""What a fine-tuned model's card says of its images, and of what the model does to an edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from napari_srcnn.microscope.noise_report import measure_noise
from napari_srcnn.models.card import Spread
from napari_srcnn.models.domain import learn
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.dataset import Dataset
from napari_srcnn.training.field import Array
from napari_srcnn.training.spread import Errors, measure_errors, rescaled, shares
from napari_srcnn.upscaling.response import measure_response
from napari_srcnn.upscaling.spread import is_told

# Blocks that are looked at: enough to know how they differ, and done in a second.
_LOOKED = 8
# Blocks whose results are compared with the truth, low-res pixels a side at most and at least.
_MEASURED, _SIDE, _LEAST = 4, 32, 16


def describe(
    model: SRCNN,
    data: Dataset,
    windows: Mapping[str, Sequence[float]],
    start: Spread | None = None,
) -> dict[str, Any]:
    """Return what a card says of a model and of what it was trained on.

    Parameters
    ----------
    model : SRCNN
        On the CPU.
    data : Dataset
    windows : mapping of str to pair
    start : Spread, optional
        How the spread of the model that training began from is calibrated.

    Returns
    -------
    dict
        The card's `response`, and its `domain` and `spread` where the images are large enough.
    """
    learned = learn(looked_at(data))
    low, high = windows["microscope"]
    response = measure_response(model, (float(low), float(high)))
    found: dict[str, Any] = {"response": asdict(response)}
    if learned is not None:
        found["domain"] = {"mean": dict(learned.mean), "deviation": dict(learned.deviation)}
    spread = calibrate(model, data, start)
    if spread is not None:
        found["spread"] = spread
    return found


def calibrate(model: SRCNN, data: Dataset, start: Spread | None) -> dict[str, Any] | None:
    """Return how the spread of a fine-tuned model's eight views is calibrated; None if it is not.

    One factor is fitted, to the calibration of the model that it was begun from: what was held out
    is too little for more. It is fitted on one half of that and measured on the other.
    """
    # Of truths with noise of their own, drawn anew, nothing is known without it.
    if start is None or data.is_recorrupted or is_told(start.weights) != model.config.noise:
        return None
    rng = np.random.default_rng(0)
    halves: tuple[list[Errors], list[Errors]] = [], []
    for block in data.held[:: max(len(data.held) // _MEASURED, 1)][:_MEASURED]:
        drawn = data.draw(block.low, block.high, block.key, rng)
        height, width = block.low.shape
        scale = data.scale
        long = height >= width
        for number, half in enumerate(halves):
            side = max(height, width) // 2
            along = slice(number * side, min(number * side + _SIDE, (number + 1) * side))
            across = slice(0, _SIDE)
            part = (along, across) if long else (across, along)
            large = tuple(slice(scale * one.start, scale * one.stop) for one in part)
            if min(drawn.low[part].shape) < _LEAST:
                return None
            half.append(
                measure_errors(
                    model,
                    np.asarray(drawn.low[part]),
                    np.asarray(drawn.high[large]),
                    data.ranges[block.key],
                    noise=drawn.told if model.config.noise else None,
                    own=measure_noise(block.high).level,
                )
            )
    fitted, other = halves
    if not fitted:
        return None
    weights = rescaled(start.weights, fitted)
    one, two = shares(weights, other)
    return {
        "weights": list(weights),
        "within": {"the other half of what was held out": [round(one, 3), round(two, 3)]},
    }


def looked_at(data: Dataset) -> list[Array]:
    """Return examples as they are, and low-res as their camera would have recorded them.

    A user enlarges both: what was taken as the examples were, and what was taken with fewer pixels.
    """
    rng = np.random.default_rng(0)
    blocks = data.training[:: max(len(data.training) // _LOOKED, 1)][:_LOOKED]
    lows = [data.draw(block.low, block.high, block.key, rng).low for block in blocks]
    return [*(block.high for block in blocks), *lows]
