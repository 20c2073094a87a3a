"""A stack plane by plane: colours and channels are planes, too."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.stack import Stack


def places_of(stack: Stack) -> Iterator[tuple[int, ...]]:
    """Yield the index of each plane; the last number is the sample, where there are samples."""
    y = stack.axes.index("Y")
    yield from itertools.product(*map(range, (*stack.shape[:y], *stack.shape[y + 2 :])))


def plane_of(stack: Stack, place: Sequence[int]) -> NDArray[np.float64]:
    """Return a plane (Y, X) by its index as of `places_of`."""
    y = stack.axes.index("Y")
    plane = stack[(*place[:y], slice(None), slice(None))]
    return np.asarray(plane[..., place[-1]] if stack.axes.endswith("S") else plane, np.float64)


def channel_of(stack: Stack, place: Sequence[int]) -> int:
    """Return which channel, or sample, a plane is of."""
    if stack.axes.endswith("S"):
        return place[-1]
    return place[stack.axes.index("C")] if "C" in stack.axes else 0


def channels_of(stack: Stack) -> int:
    """Return how many channels, or samples, there are."""
    channels = stack.shape[stack.axes.index("C")] if "C" in stack.axes else 1
    return channels * (stack.shape[-1] if stack.axes.endswith("S") else 1)
