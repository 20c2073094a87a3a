"""What is told of a fine-tuned network: a sentence for its user, and what its card says."""

from __future__ import annotations

import datetime
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_srcnn
from napari_srcnn.image.metrics import ssim
from napari_srcnn.network.fast import fast_correction
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.loop import within
from napari_srcnn.training.photographs import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_srcnn.training.options import FinetuneOptions


def verdict(over: float, more: float | None, start: str, held: str) -> tuple[str, bool]:
    """Return what to tell of dB over bicubic and over the start, and whether they are gains."""
    is_better = over > 0 and (more is None or more > 0)
    sentence = f"{over:+.2f} dB over bicubic on what it has not seen ({held})"
    if more is not None:
        sentence += f", {more:+.2f} dB over {start}"
    sentence += "."
    if not is_better:
        worse = "bicubic" if over <= 0 else start
        sentence += (
            f" It does not beat {worse}: train longer, use more images, or check that the "
            "degradation is that of your microscope."
        )
    return sentence, is_better


def card_of_options(options: FinetuneOptions, *, is_recorrupted: bool) -> dict[str, Any]:
    """Return what a card says of how a network was asked for, and by which program."""
    names = ", ".join(source.name for source in options.sources[:3])
    names += ", …" if len(options.sources) > 3 else ""
    paired = options.sources[0].low is not None
    degradation = "measured low-res images" if paired else str(options.degradation)
    if is_recorrupted:
        degradation += "; recorruption of the examples' own noise (Pang et al., CVPR 2021)"
    return {
        "description": f"Fine-tuned on {names}",
        "degradation": degradation,
        "license": "its owner's",
        "version": napari_srcnn.__version__,
        "torch": torch.__version__,
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "recipe": {
            **asdict(options.config),
            "turned": options.turn,
            "recorrupted": is_recorrupted,
            "shift_corrected": paired and options.correct_shift,
            "started_from": options.start or None,
        },
    }


def mean_ssim(model: SRCNN, pairs: Sequence[Pair], peak: float) -> tuple[float, float]:
    """Return the mean SSIM of the network and of bicubic on what is held out."""
    border, scores = max(model.config.halo, model.config.scale), []
    run = fast_correction(model, torch.device("cpu"))
    for pair in pairs:
        truth = pair.truth[0, border:-border, border:-border]
        both = within(model, run, torch.from_numpy(pair.enlarged)[None], border)
        if min(truth.shape) >= 11:  # the window of SSIM
            scores.append([ssim(truth, i[0, 0].numpy(), data_range=peak) for i in both])
    means = np.mean(scores, axis=0) if scores else (math.nan, math.nan)
    return float(means[0]), float(means[1])
