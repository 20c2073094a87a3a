"""What arrays over an open file have in common: they are lazy, read-only and can be pickled."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray


class FileArray:
    """A lazy, read-only array over an image of a file.

    Subclasses set `shape` and `dtype`, and read by ``__getitem__``. A pickled array opens its file
    again where it is unpickled.

    Parameters
    ----------
    path : Path
        The file, for messages.
    reopen : (callable, tuple)
        What opens the same array again, and the arguments that it is called with.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __init__(self, path: Path, reopen: tuple[Callable[..., Any], tuple[Any, ...]]) -> None:
        self._path, self._reopen = path, reopen

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array, were it in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._path.name} {self.shape} {self.dtype}>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._reopen

    def __getitem__(self, key: Any) -> NDArray[Any]:
        raise NotImplementedError

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array read from a file is always a copy; leave copy=False out")
        return np.asarray(self[...], dtype)
