"""A network and bicubic against the truth, by the protocol of the super-resolution literature."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.dataset import crop_to_multiple, read_luma
from napari_srcnn.inference import plan_upscale
from napari_srcnn.messages import Report
from napari_srcnn.metrics import psnr, shave, ssim
from napari_srcnn.model import SRCNN
from napari_srcnn.resize import imresize
from napari_srcnn.weights import load_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One method on one image.

    Attributes
    ----------
    image, method : str
    scale : int
    psnr : float
        In dB.
    ssim : float
    seconds : float
        Of the enlargement alone.
    """

    image: str
    method: str
    scale: int
    psnr: float
    ssim: float
    seconds: float


def to_8_bits(image: NDArray[Any]) -> NDArray[np.float64]:
    """Round values of 0..1 to whole numbers of 0..255, as the published figures do."""
    return np.floor(np.asarray(image, dtype=np.float64).clip(0, 1) * 255 + 0.5)


def evaluate_luma(
    paths: Sequence[Path], models: Sequence[str | Path], *, device: str = "auto"
) -> Iterator[Score]:
    """Measure models on photographs by the Y protocol.

    The image is cropped to a multiple of the scale and its Y (BT.601, 8 bits) taken; MATLAB's
    bicubic makes the low-res image in floating point; the results are rounded to 8 bits and
    `scale` pixels are shaved off each border.

    Parameters
    ----------
    paths : sequence of Path
        8-bit photographs, gray or RGB.
    models : sequence of str or Path
        Networks of one channel; each is measured at its own scale.
    device : str

    Yields
    ------
    Score
        Bicubic's once a scale and image, then the networks'.
    """
    networks = {str(name): load_model(name) for name in models}
    scales = sorted({network.config.scale for network in networks.values()})
    for scale in scales:
        chosen = {name: n for name, n in networks.items() if n.config.scale == scale}
        for path in paths:
            truth = crop_to_multiple(read_luma(path), scale)
            low_res = imresize(truth, scale=1 / scale)
            reference = shave(to_8_bits(truth), scale)
            began = time.perf_counter()
            enlarged = imresize(low_res, scale=scale)
            yield _score(path, "bicubic", scale, reference, enlarged, began)
            for name, network in chosen.items():
                began = time.perf_counter()
                result = _enlarge(low_res, network, device)
                yield _score(path, name, scale, reference, result, began)


def _enlarge(low_res: NDArray[Any], network: SRCNN, device: str) -> NDArray[Any]:
    plan = plan_upscale(low_res, model=network, intensity="none", device=device)
    *_, report = plan.run()
    if not isinstance(report, Report):
        raise RuntimeError("The run ended without a report.")
    result: NDArray[Any] = report.result
    return result


def _score(
    path: Path,
    method: str,
    scale: int,
    reference: NDArray[np.float64],
    result: NDArray[Any],
    began: float,
) -> Score:
    seconds = time.perf_counter() - began
    image = shave(to_8_bits(result), scale)
    return Score(
        image=path.stem, method=method, scale=scale, seconds=seconds,
        psnr=psnr(reference, image, data_range=255), ssim=ssim(reference, image, data_range=255),
    )  # fmt: skip


def mean_scores(scores: Sequence[Score]) -> list[Score]:
    """Return the mean over the images for each method and scale, in the order they came."""
    grouped: dict[tuple[int, str], list[Score]] = {}
    for score in scores:
        grouped.setdefault((score.scale, score.method), []).append(score)
    return [
        Score(
            image=f"mean of {len(group)}", method=method, scale=scale,
            psnr=float(np.mean([s.psnr for s in group])),
            ssim=float(np.mean([s.ssim for s in group])),
            seconds=float(np.mean([s.seconds for s in group])),
        )
        for (scale, method), group in grouped.items()
    ]  # fmt: skip
