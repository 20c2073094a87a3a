"""What the spread of eight views says of the error: a standard deviation, calibrated on truths.

Eight views of one image agree on much that is wrong: their spread is several times too small, and
by other factors where there is noise. The error is a power of the spread and of the noise that the
network was told, whose exponents were fitted where the truth is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_srcnn.models.card import Spread

# In parts of the range: below the first nothing is told apart, beyond the second nothing was
# fitted.
LEAST = {"spread": 2e-4, "noise": 5e-4}
MOST = 0.3


def calibrated(weights: Sequence[float], spread: Tensor, noise: Tensor | None = None) -> Tensor:
    """Return the standard deviation of the error.

    Parameters
    ----------
    weights : sequence of 3 or 6 float
        Of 1, s, s squared; and of n, n squared and s times n for a network that is told the noise:
        s and n are the logarithms of the spread and the noise. Their sum is that of the error.
    spread, noise : Tensor
        In parts of the range; the noise on the high-res grid, for six weights.

    Returns
    -------
    Tensor
        In parts of the range; never smaller where the spread is larger.

    Raises
    ------
    ValueError
        If the noise is missing, or needless.
    """
    found = terms(spread, noise)
    if len(found) != len(weights):
        raise ValueError(f"{len(weights)} weights are given for {len(found)} terms.")
    _, s, *_ = found
    slope = weights[1] + (weights[5] * found[3] if len(found) > 3 else torch.zeros_like(s))
    # A parabola turns where there were few pixels to fit it by: less sure is never taken for surer.
    if weights[2]:
        turn = -slope / (2 * weights[2])
        s = torch.minimum(s, turn) if weights[2] < 0 else torch.maximum(s, turn)
    total = weights[0] + slope * s + weights[2] * s.square()
    for weight, term in zip(weights[3:5], found[3:5], strict=True):
        total += weight * term
    return total.exp()


def terms(spread: Tensor, noise: Tensor | None) -> tuple[Tensor, ...]:
    """Return what the weights are taken with."""
    s = (spread.clamp(0, MOST) + LEAST["spread"]).log()
    first = torch.ones_like(s), s, s.square()
    if noise is None:
        return first
    n = (noise.clamp(0, MOST) + LEAST["noise"]).log()
    return (*first, n, n.square(), s * n)


def sentence(spread: Spread | None) -> str:
    """Return what is said of a map of the spread."""
    if spread is None:
        return (
            "The spread of the eight views is not calibrated for this model: it says where the "
            "network is less sure, and not by how much it may be wrong."
        )
    return f"The spread is calibrated as a standard deviation: {spread.sentence}."
