"""How far a network's results are from known truths, beside the spread of its eight views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.image.metrics import fit_affine
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.dataset import noise_plane
from napari_srcnn.upscaling.api import plan_upscale
from napari_srcnn.upscaling.spread import calibrated, terms

Image = NDArray[np.float64]

#: Within one and two standard deviations, of a normal law; and how near to that is good.
GOAL, NEAR = np.array([0.6827, 0.9545]), np.array([0.05, 0.03])
# Border of a result that is not looked at, and pixels of one that are.
_BORDER, _PIXELS = 8, 1000
# Degrees of freedom of the law that the weights are fitted by: a few large errors weigh little.
_FREEDOM = 10.0
_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """Some pixels of a result, in parts of the image's range.

    Attributes
    ----------
    error, spread : ndarray of float64, shape (n,)
        How far the result is from the truth, and the standard deviation of its eight views.
    noise : ndarray of float64 or None
        What the network was told.
    own : float
        The noise of the truth itself, which nobody can foresee: its square is added to that of the
        standard deviation wherever the two are compared.
    """

    error: Image
    spread: Image
    noise: Image | None
    own: float = 0.0


def measure_errors(
    model: SRCNN,
    low: Image,
    truth: Image,
    known: IntensityRange,
    *,
    noise: Noise | None = None,
    own: float = 0.0,
) -> Errors:
    """Enlarge an image and compare it with the truth, after fitting gain and offset.

    Parameters
    ----------
    model : SRCNN
        One that came from no file: its spread is not calibrated.
    low, truth : ndarray, shapes (y, x) and (y, x) * scale, or both with three samples
    known : IntensityRange
        Of the image that `low` is a part of.
    noise : Noise, optional
        For a network that is told it.
    own : float
        In parts of the range.
    """
    axes = "YX" if low.ndim == 2 else "YXS"
    plan = plan_upscale(
        low.astype(np.float64),
        model=model,
        axes=axes,
        device="cpu",
        intensity=(known.low, known.high),
        window=known.window,
        ensemble=True,
        noise=noise if noise is not None else "auto",
    )
    out, spread = np.empty(plan.shape), np.empty(plan.shape, np.float32)
    for _ in plan.run(out, spread=spread):
        pass
    width = known.high - known.low
    told = None if noise is None else noise_plane(low, noise, model.config.scale)
    inner = (slice(_BORDER, -_BORDER),) * 2
    error = (fit_affine(truth, out) - truth)[inner].ravel() / width
    chosen = np.random.default_rng(0).permutation(error.size)[:_PIXELS]
    return Errors(
        error=np.abs(error[chosen]),
        spread=spread[inner].ravel()[chosen].astype(np.float64) / width,
        noise=None if told is None else told[inner].ravel()[chosen] / width,
        own=own,
    )


def fit_weights(images: Sequence[Errors]) -> tuple[float, ...]:
    """Fit the weights of :func:`~napari_srcnn.upscaling.spread.calibrated`; all images count alike.

    Parameters
    ----------
    images : sequence of Errors
    """
    error, spread, noise, own = _joined(images)
    found = torch.stack(terms(spread, noise), dim=1)
    start = [0.0, 0.5, 0.0, 0.3, 0.0, 0.0][: found.shape[1]]
    weights = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        variance = (found @ weights).exp().square() + own.square()
        tail = (error.square() / (_FREEDOM * variance)).log1p()
        value: torch.Tensor = (0.5 * variance.log() + (_FREEDOM + 1) / 2 * tail).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return rescaled(weights.detach().tolist(), images)


def rescaled(weights: Sequence[float], images: Sequence[Errors]) -> tuple[float, ...]:
    """Return weights whose shares within one and two sigmas are as near to the goal as can be."""
    factors = np.linspace(math.log(0.25), math.log(4), 81)

    def miss(more: float) -> float:
        found = np.array(shares((weights[0] + more, *weights[1:]), images))
        return float(np.square((found - GOAL) / NEAR).sum())

    best = min(factors, key=miss)
    return tuple(round(float(w), 4) for w in (weights[0] + best, *weights[1:]))


def shares(weights: Sequence[float], images: Sequence[Errors]) -> tuple[float, float]:
    """Return the share of pixels within one and two sigmas; all images count alike."""
    found = []
    for one in images:
        noise = None if one.noise is None else torch.from_numpy(one.noise)
        sigma = calibrated(weights, torch.from_numpy(one.spread), noise).numpy()
        apart = one.error / np.sqrt(np.square(sigma) + one.own**2)
        found.append([np.mean(apart < 1), np.mean(apart < 2)])
    within = np.mean(found, axis=0)
    return float(within[0]), float(within[1])


def _joined(
    images: Sequence[Errors],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
    own = np.concatenate([np.full(one.error.shape, one.own) for one in images])
    noises = [one.noise for one in images if one.noise is not None]
    parts = [np.concatenate([one.error for one in images])]
    parts.append(np.concatenate([one.spread for one in images]))
    error, spread, others = (torch.from_numpy(part) for part in (*parts, own))
    # Without any error at all the loss has no end.
    error = error.clamp_min(1e-6)
    noise = torch.from_numpy(np.concatenate(noises)) if noises else None
    return error, spread, noise, others
