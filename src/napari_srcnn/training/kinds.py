"""What tells photographs from microscopes' images, learned from both by logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.models.domain import Kinds, scaled

Array = NDArray[np.float64]
# Of the ridge, beside a data term of 50; and Newton's steps.
_RIDGE, _DATA, _STEPS = 2.0, 50.0, 50


def fit_kinds(photographs: Array, microscopes: Array, stacks: Sequence[Any]) -> Kinds:
    """Learn what tells the two kinds apart.

    Parameters
    ----------
    photographs, microscopes : ndarray of float64, shapes (n, features)
        Of images, as :func:`~napari_srcnn.image.looks.look` describes them.
    stacks : sequence
        Which stack each microscope's image is of: every stack counts alike, and both kinds do.
    """
    names, stack_of = np.unique([str(one) for one in stacks], return_inverse=True)
    counts = np.bincount(stack_of)
    weights = np.concatenate(
        [
            np.full(len(photographs), 0.5 / len(photographs)),
            0.5 / len(names) / counts[stack_of],
        ]
    )
    looks = np.concatenate([photographs, microscopes])
    is_microscope = np.arange(len(looks)) >= len(photographs)
    centre = weights @ looks
    spread = np.sqrt(weights @ np.square(looks - centre)) + 1e-9
    seen = scaled(looks, centre, spread)
    known = np.concatenate([seen, np.ones((len(looks), 1))], axis=1)
    found = _regress(known, is_microscope, weights)
    halves = ~is_microscope, is_microscope
    means = [2 * (weights[half] @ seen[half]) for half in halves]
    # Between images of one stack, pooled: what a model of few images is to expect at least.
    within = np.concatenate(
        [microscopes[stack_of == n] - microscopes[stack_of == n].mean(0) for n in range(len(names))]
    )
    return Kinds(
        centre=centre,
        spread=spread,
        weights=found[:-1],
        bias=float(found[-1]),
        means=dict(zip(("photograph", "microscope"), means, strict=True)),
        within=within.std(axis=0),
    )


def _regress(known: Array, target: NDArray[np.bool_], weights: Array) -> Array:
    """Return the weights of a ridge regression of log odds; the last is not held small."""
    found = np.zeros(known.shape[1])
    ridge = _RIDGE * np.eye(len(found))
    ridge[-1, -1] = 0
    for _ in range(_STEPS):
        share = 1 / (1 + np.exp(-known @ found))
        slope = known.T @ (_DATA * weights * (share - target)) + ridge @ found
        curve = (known * (_DATA * weights * share * (1 - share))[:, None]).T @ known + ridge
        found -= np.linalg.solve(curve + 1e-9 * np.eye(len(found)), slope)
    return found
