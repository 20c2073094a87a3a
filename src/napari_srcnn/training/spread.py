"""How far a network's results are from known truths, beside the spread of its eight views."""

from __future__ import annotations

import math
from collections import Counter
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
from napari_srcnn.upscaling.spread import calibrated, looks_around, mean_around, terms

Image = NDArray[np.float64]

#: Within one and two standard deviations, of a normal law; and how near to that is good.
GOAL, NEAR = np.array([0.6827, 0.9545]), np.array([0.05, 0.03])
# Border of a result that is not looked at, and pixels of one that are.
_BORDER, _PIXELS = 8, 1000
# Degrees of freedom of the law that the weights are fitted by: a few large errors weigh little.
_FREEDOM = 10.0
_STEPS = 60
# How much the squares of weights cost, of terms that vary by one; and so many times they are fitted
# without some of the sources.
_SHRINK, _FOLDS = 1e-3, 15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """Some pixels of a result, in parts of the image's range.

    Attributes
    ----------
    error, spread : ndarray of float64, shape (n,)
        How far the result is from the truth, and the standard deviation of its eight views.
    noise : ndarray of float64 or None
        What the network was told.
    mean : ndarray of float64 or None
        The spread around each pixel, see :func:`~napari_srcnn.upscaling.spread.mean_around`.
    own : float
        The noise of the truth itself, which nobody can foresee: its square is added to that of the
        standard deviation wherever the two are compared.
    source : str
        The stack that the image is a part of.
    """

    error: Image
    spread: Image
    noise: Image | None
    mean: Image | None = None
    own: float = 0.0
    source: str = ""


def measure_errors(
    model: SRCNN,
    low: Image,
    truth: Image,
    known: IntensityRange,
    *,
    noise: Noise | None = None,
    own: float = 0.0,
    source: str = "",
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
    source : str
        Of which stack it is a part.
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
    apart = spread.astype(np.float64) / width
    planes = torch.from_numpy(apart.reshape(*apart.shape[:2], -1)).movedim(-1, 0)[None]
    mean = mean_around(planes)[0].movedim(0, -1).numpy().reshape(apart.shape)
    return Errors(
        error=np.abs(error[chosen]),
        spread=apart[inner].ravel()[chosen],
        noise=None if told is None else told[inner].ravel()[chosen] / width,
        mean=mean[inner].ravel()[chosen],
        own=own,
        source=source,
    )


def fit_weights(images: Sequence[Errors]) -> tuple[float, ...]:
    """Fit the weights of :func:`~napari_srcnn.upscaling.spread.calibrated`.

    All sources count alike. Errors are larger beside sigma on sources that its weights were not
    fitted on, so sigma is taken times a factor that is found there: by weights that were fitted
    without the sources on which the truths within one and two sigmas are counted.

    Parameters
    ----------
    images : sequence of Errors
        Told the noise or not, with a mean spread or not, all alike.
    """
    sources = sorted({one.source for one in images})
    parts = []
    for fold in range(min(_FOLDS, len(sources))):
        left = set(sources[fold::_FOLDS])
        kept = [one for one in images if one.source not in left]
        weights = _fitted(kept or images)
        parts += [(weights, [one for one in images if one.source == name]) for name in left]
    return _times(_fitted(images), _factor(parts))


def rescaled(weights: Sequence[float], images: Sequence[Errors]) -> tuple[float, ...]:
    """Return weights whose shares within one and two sigmas are as near to the goal as can be."""
    return _times(weights, _factor([(weights, images)]))


def shares(weights: Sequence[float], images: Sequence[Errors]) -> tuple[float, float]:
    """Return the share of pixels within one and two sigmas; all images count alike."""
    one, two = _within([_sigma(weights, image) for image in images], images)
    return float(one), float(two)


def _fitted(images: Sequence[Errors]) -> tuple[float, ...]:
    """Return the likeliest weights, by a law with wider tails than the normal one."""
    found = torch.cat([torch.stack(terms(*_seen(one)), dim=1) for one in images])
    # Without any error at all the loss has no end.
    error = torch.from_numpy(np.concatenate([one.error for one in images])).clamp_min(1e-6)
    own = torch.cat([torch.full((one.error.size,), one.own) for one in images]).double()
    pixels = Counter[str]()
    for one in images:
        pixels[one.source] += one.error.size
    counts = torch.cat([torch.full((one.error.size,), pixels[one.source]) for one in images])
    share = 1 / (counts.double() * len(pixels))
    # Terms are much alike: what is not told apart by the errors stays near zero.
    middle, width = found[:, 1:].mean(0), found[:, 1:].std(0).clamp_min(1e-6)
    found = torch.cat([found[:, :1], (found[:, 1:] - middle) / width], dim=1)
    fitted = torch.zeros(found.shape[1], dtype=torch.float64)
    fitted[0] = error.log().mean()
    fitted.requires_grad_()
    optimizer = torch.optim.LBFGS([fitted], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        variance = (found @ fitted).exp().square() + own.square()
        tail = (error.square() / (_FREEDOM * variance)).log1p()
        likely = (share * (0.5 * variance.log() + (_FREEDOM + 1) / 2 * tail)).sum()
        value: torch.Tensor = likely + _SHRINK * fitted[1:].square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    weights = fitted.detach()[1:] / width
    return (float(fitted[0].detach() - weights @ middle), *weights.tolist())


def _factor(parts: Sequence[tuple[Sequence[float], Sequence[Errors]]]) -> float:
    """Return what sigma is taken times, so that its shares are nearest to the goal.

    Images of a part count alike, and so do parts.
    """
    known = [(images, [_sigma(weights, one) for one in images]) for weights, images in parts]

    def miss(factor: float) -> float:
        found = [_within([factor * sigma for sigma in sigmas], images) for images, sigmas in known]
        return float(np.square((np.mean(found, axis=0) - GOAL) / NEAR).sum())

    return float(min(np.geomspace(0.25, 4, 161), key=miss))


def _times(weights: Sequence[float], factor: float) -> tuple[float, ...]:
    """Return weights of so many times the sigma."""
    return tuple(round(float(w), 5) for w in (weights[0] + math.log(factor), *weights[1:]))


def _within(sigmas: Sequence[Image], images: Sequence[Errors]) -> Image:
    found = []
    for sigma, one in zip(sigmas, images, strict=True):
        apart = one.error / np.sqrt(np.square(sigma) + one.own**2)
        found.append([np.mean(apart < 1), np.mean(apart < 2)])
    return np.array(np.mean(found, axis=0))


def _sigma(weights: Sequence[float], one: Errors) -> Image:
    spread, noise, mean = _seen(one)
    mean = mean if looks_around(weights) else None
    return calibrated(weights, spread, noise, mean).numpy()


def _seen(one: Errors) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Return what sigma is told by."""
    noise, mean = (None if a is None else torch.from_numpy(a) for a in (one.noise, one.mean))
    return torch.from_numpy(one.spread), noise, mean
