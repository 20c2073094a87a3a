"""A network and bicubic against the truth, by the protocol of the super-resolution literature."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.assess.published import Protocol
from napari_srcnn.image.metrics import psnr, shave, ssim
from napari_srcnn.image.resize import imresize
from napari_srcnn.models.library import load_model
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.photographs import crop_to_multiple, read_luma, read_rgb
from napari_srcnn.upscaling.api import plan_upscale
from napari_srcnn.upscaling.messages import Report


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


def evaluate(
    paths: Sequence[Path],
    models: Sequence[str | Path],
    *,
    scale: int | None = None,
    protocol: Protocol = "y",
    device: str = "auto",
    ensemble: bool = False,
) -> Iterator[Score]:
    """Measure models on photographs by the literature's protocols.

    The image is cropped to a multiple of the scale; MATLAB's bicubic makes the low-res image in
    floating point; the results are rounded to 8 bits and `scale` pixels are shaved off each border.

    Parameters
    ----------
    paths : sequence of Path
        8-bit photographs, gray or RGB.
    models : sequence of str or Path
        Each is measured at its own scale.
    scale : int, optional
        Leave models of other scales out.
    protocol : {"y", "rgb"}
        On Y (BT.601, 8 bits), with networks of one channel; or on R, G and B together (SSIM: the
        mean of the three), where a network of one channel gets the luma and bicubic the rest.
    device : str
    ensemble : bool
        Average eight views, which published figures do not unless they say so.

    Yields
    ------
    Score
        Bicubic's once a scale and image, then the networks'.

    Raises
    ------
    ValueError
        If no model fits the scale and the protocol, or an image is too small for the protocol.
    """
    networks = {str(name): load_model(name) for name in models}
    networks = {
        name: network
        for name, network in networks.items()
        if scale in (None, network.config.scale)
        and (protocol == "rgb" or network.config.channels == 1)
    }
    if not networks:
        raise ValueError(
            "None of the models fits: "
            + (f"none is for ×{scale}" if scale else "none is of one channel, as Y needs")
            + "; `napari-srcnn models` lists those that there are."
        )
    read = read_luma if protocol == "y" else read_rgb
    for factor in sorted({network.config.scale for network in networks.values()}):
        chosen = {name: n for name, n in networks.items() if n.config.scale == factor}
        for path in paths:
            truth = crop_to_multiple(read(path), factor)
            # SSIM's window has 11 pixels.
            if min(truth.shape[:2]) < 11 + 2 * factor:
                raise ValueError(
                    f"{path.name} has {truth.shape[0]} × {truth.shape[1]} pixels; at least "
                    f"{11 + 2 * factor} a side are needed at ×{factor}."
                )
            low_res = imresize(truth, scale=1 / factor)
            reference = shave(to_8_bits(truth), factor)
            began = time.perf_counter()
            enlarged = imresize(low_res, scale=factor)
            yield _score(path, "bicubic", factor, reference, enlarged, began)
            for name, network in chosen.items():
                began = time.perf_counter()
                result = _enlarge(low_res, network, device, ensemble)
                yield _score(path, name, factor, reference, result, began)


def _enlarge(low_res: NDArray[Any], network: SRCNN, device: str, ensemble: bool) -> NDArray[Any]:
    colors: dict[str, Any] = {}
    if low_res.ndim == 3:
        colors = {"axes": "YXS", "color": "luma" if network.config.channels == 1 else None}
    plan = plan_upscale(
        low_res, model=network, intensity="none", device=device, ensemble=ensemble, **colors
    )
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
    planes = [(reference, image)]
    if image.ndim == 3:
        planes = [(reference[..., i], image[..., i]) for i in range(image.shape[-1])]
    similarity = [ssim(true, made, data_range=255) for true, made in planes]
    return Score(
        image=path.stem,
        method=method,
        scale=scale,
        seconds=seconds,
        psnr=psnr(reference, image, data_range=255),
        ssim=float(np.mean(similarity)),
    )
