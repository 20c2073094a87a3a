"""What the spread of eight views says of the error: a standard deviation, calibrated on truths.

Eight views of one image agree on much that is wrong: their spread is several times too small, and
by other factors where there is noise. The error is a power of the spread, of its mean around the
pixel and of the noise that the network was told, whose exponents were fitted where the truth is
known.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.models.card import Spread

# In parts of the range: below the first nothing is told apart, beyond the second nothing was
# fitted.
LEAST = {"spread": 2e-4, "noise": 5e-4}
MOST = 0.3
#: Result pixels on each side of a pixel that the mean of the spread around it is of.
AROUND = 2


def is_told(weights: Sequence[float]) -> bool:
    """Tell whether weights are those of a network that is told the noise."""
    return len(weights) in (6, 8)


def looks_around(weights: Sequence[float]) -> bool:
    """Tell whether weights are taken with the spread around a pixel, too."""
    return len(weights) in (4, 8)


def mean_around(spread: Tensor, skip: Tensor | None = None) -> Tensor:
    """Return the root mean square of the spread in the 5 × 5 pixels around each pixel.

    Parameters
    ----------
    spread : Tensor, shape (B, S, H, W)
        In any unit. Beyond its border there is nothing that would be taken into the mean.
    skip : Tensor of bool, optional
        Pixels that are not taken into it; where there are no others it is zero.

    Returns
    -------
    Tensor
        Of the same shape and unit.
    """

    def mean(image: Tensor) -> Tensor:
        return F.avg_pool2d(image, 2 * AROUND + 1, 1, AROUND, count_include_pad=False)

    if skip is None:
        return mean(spread.square()).sqrt()
    kept = (~skip).to(spread)
    # A pool's mean of one pixel is a 25th: less than that is none.
    return (mean(spread.square() * kept) / mean(kept).clamp_min(1e-3)).sqrt()


def calibrated(
    weights: Sequence[float],
    spread: Tensor,
    noise: Tensor | None = None,
    mean: Tensor | None = None,
) -> Tensor:
    """Return the standard deviation of the error.

    Parameters
    ----------
    weights : sequence of 3, 4, 6 or 8 float
        Of 1, s, s squared; for a network that is told the noise, of n, n squared and s times n; and
        of m, and m times n for such a network, which older cards do not have. s, n and m are the
        logarithms of the spread, the noise and the mean spread around. Their sum is that of the
        error.
    spread, noise, mean : Tensor
        In parts of the range: the noise on the high-res grid, for six or eight weights; the spread
        :func:`mean_around`, for four or eight.

    Returns
    -------
    Tensor
        In parts of the range; never smaller where the spread is larger.

    Raises
    ------
    ValueError
        If the noise or the mean is missing, or needless.
    """
    found = terms(spread, noise, mean)
    if len(found) != len(weights):
        raise ValueError(f"{len(weights)} weights are given for {len(found)} terms.")
    _, s, *_ = found
    told = is_told(weights)
    n = found[3] if told else torch.zeros_like(s)
    slope = weights[1] + (weights[5] if told else 0.0) * n
    # A parabola turns where there were few pixels to fit it by: less sure is never taken for surer.
    if weights[2]:
        turn = -slope / (2 * weights[2])
        s = torch.minimum(s, turn) if weights[2] < 0 else torch.maximum(s, turn)
    total = weights[0] + slope * s + weights[2] * s.square()
    if told:
        total += weights[3] * n + weights[4] * n.square()
    if looks_around(weights):
        m = found[6 if told else 3]
        total += (weights[6] + weights[7] * n if told else weights[3] + n).clamp_min(0) * m
    return total.exp()


def terms(spread: Tensor, noise: Tensor | None, mean: Tensor | None = None) -> tuple[Tensor, ...]:
    """Return what the weights are taken with."""
    s = (spread.clamp(0, MOST) + LEAST["spread"]).log()
    found: tuple[Tensor, ...] = torch.ones_like(s), s, s.square()
    n = None if noise is None else (noise.clamp(0, MOST) + LEAST["noise"]).log()
    if n is not None:
        found = (*found, n, n.square(), s * n)
    if mean is not None:
        m = (mean.clamp(0, MOST) + LEAST["spread"]).log()
        found = (*found, m) if n is None else (*found, m, m * n)
    return found


def sentence(spread: Spread | None) -> str:
    """Return what is said of a map of the spread."""
    if spread is None:
        return (
            "The spread of the eight views is not calibrated for this model: it says where the "
            "network is less sure, and not by how much it may be wrong."
        )
    return f"The spread is calibrated as a standard deviation: {spread.sentence}."
