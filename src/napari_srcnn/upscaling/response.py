"""What a model does to the simplest images: gain and offset, an edge, a single bright pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.models.card import Response
from napari_srcnn.network.model import SRCNN
from napari_srcnn.upscaling.api import plan_upscale

Image = NDArray[np.float64]

# Source pixels a side; and the darkest and the brightest of them in the range.
SIDE, DARK, BRIGHT = 32, 0.1, 0.9
# What an image is multiplied by, and what is added to it.
GAINS = ((250.0, -40.0), (0.003, 7.0))
DIGITS = 2
# In percent: what float32 leaves of a difference is another number on every machine.
PRECISION = 1e-5


def measure_response(model: SRCNN, window: tuple[float, float] = (0.0, 1.0)) -> Response:
    """Measure what a model does to an edge and to a single bright pixel, and whether it is linear.

    Parameters
    ----------
    model : SRCNN
        One that is told the noise is told that there is none, but for linearity: there it is told
        what is measured.
    window : pair
        What the range becomes for the network.

    Returns
    -------
    Response
        In percent, rounded: the same on every machine.
    """
    edge = np.full((SIDE, SIDE), DARK)
    edge[:, SIDE // 2 :] = BRIGHT
    pixel = np.full((SIDE, SIDE), DARK)
    pixel[SIDE // 2, SIDE // 2] = BRIGHT
    measured = {}
    for name, enhance in (("", True), ("bicubic_", False)):
        # Edge and pixel stand upright and across: a network treats the two unlike.
        edges = [_enlarged(model, one, window, enhance=enhance) for one in (edge, edge.T)]
        beyond = max(max(one.max() - BRIGHT, DARK - one.min()) for one in edges)
        point = _enlarged(model, pixel, window, enhance=enhance)
        measured[f"{name}overshoot"] = _percent(beyond)
        measured[f"{name}peak"] = _percent(float(point.max()) - DARK)
        measured[f"{name}ring"] = _percent(DARK - float(point.min()))
    found = max(100 * nonlinearity(model, window), PRECISION)
    return Response(nonlinear=float(f"{found:.1g}"), **measured)


def nonlinearity(model: SRCNN, window: tuple[float, float] = (0.0, 1.0)) -> float:
    """Return how far a model is from being linear, in parts of the range.

    Parameters
    ----------
    model : SRCNN
    window : pair

    Returns
    -------
    float
        The largest difference between the result of ``a * x + b`` and ``a`` times the result of
        ``x`` plus ``b``, over some a and b; range and noise are measured on each by itself.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: 2 * SIDE, : 2 * SIDE] / (2 * SIDE)
    image = 0.5 + 0.3 * np.sin(9 * x) * np.cos(7 * y) + 0.02 * rng.standard_normal(x.shape)
    width = float(np.ptp(np.percentile(image, (0.1, 99.9))))
    result = _automatic(model, image, window)
    apart = [
        np.abs((_automatic(model, gain * image + offset, window) - offset) / gain - result).max()
        for gain, offset in GAINS
    ]
    return float(max(apart)) / width


def _percent(part: float) -> float:
    return round(100 * float(part) / (BRIGHT - DARK), DIGITS) + 0.0


def _automatic(model: SRCNN, image: Image, window: tuple[float, float]) -> Image:
    seen, axes = _as_seen(model, image)
    plan = plan_upscale(seen, model=model, axes=axes, device="cpu", window=window, tile=4 * SIDE)
    return np.asarray(plan.region((slice(None), slice(None))))


def _enlarged(model: SRCNN, image: Image, window: tuple[float, float], *, enhance: bool) -> Image:
    seen, axes = _as_seen(model, image)
    plan = plan_upscale(
        seen,
        model=model,
        axes=axes,
        device="cpu",
        intensity=(0.0, 1.0),
        window=window,
        noise=None if model.config.noise else "auto",
        tile=4 * SIDE,
    )
    return np.asarray(plan.region((slice(None), slice(None)), enhance=enhance))


def _as_seen(model: SRCNN, image: Image) -> tuple[Image, str]:
    """Return an image as the network takes it: gray, or gray in three colours."""
    if model.config.channels == 1:
        return image, "YX"
    return np.stack([image] * 3, axis=-1), "YXS"
