"""A part of an image that is read as it is indexed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Part:
    """A box of an array, read as it is indexed.

    Parameters
    ----------
    data : array-like
    windows : sequence of (int, int)
        From where to where along each axis.
    """

    def __init__(self, data: Any, windows: Sequence[tuple[int, int]]) -> None:
        self._data = data
        self._ranges = [range(low, high) for low, high in windows]
        self.shape = tuple(map(len, self._ranges))
        self.dtype = np.dtype(data.dtype)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(part is Ellipsis for part in keys):
            at = next(n for n, part in enumerate(keys) if part is Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        parts = []
        for within, part in zip(self._ranges, keys, strict=True):
            asked = within[part]
            if isinstance(asked, range):
                parts.append(slice(asked.start, asked.stop, asked.step))
            else:
                parts.append(asked)
        return np.asarray(self._data[tuple(parts)])
