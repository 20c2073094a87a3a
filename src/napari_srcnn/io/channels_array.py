"""Arrays that are the channels of one image."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ChannelsArray:
    """Arrays of one shape beside each other along axis `at`; read where they are indexed."""

    parts: tuple[Any, ...]
    at: int
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""
        one = tuple(self.parts[0].shape)
        return (*one[: self.at], len(self.parts), *one[self.at :])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = key if isinstance(key, tuple) else (key,)
        keys = (*keys, *[slice(None)] * (self.ndim - len(keys)))
        chosen, rest = keys[self.at], (*keys[: self.at], *keys[self.at + 1 :])
        if not isinstance(chosen, slice):
            return _read(self.parts[operator.index(chosen)], rest, self.dtype)
        axis = sum(isinstance(one, slice) for one in keys[: self.at])
        return np.stack([_read(part, rest, self.dtype) for part in self.parts[chosen]], axis)


def _read(part: Any, key: tuple[Any, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    read: NDArray[Any] = np.asarray(part[key]).astype(dtype, copy=False)
    return read
