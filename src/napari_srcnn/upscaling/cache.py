"""Blocks of pixels, the latest used of which are kept within a budget of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import psutil
from numpy.typing import NDArray

from napari_srcnn.upscaling.messages import Index

# A level, a slice of it, and the block's first row and column.
Key = tuple[int, Index, int, int]
MOST_BYTES = 1 << 30


def usual_budget() -> int:
    """Return the bytes that are kept: a quarter of the free memory, and 1 GiB at most."""
    return min(int(psutil.virtual_memory().available) // 4, MOST_BYTES)


class BlockCache:
    """Keeps blocks of pixels, and lets go of those that were not used for longest.

    Parameters
    ----------
    budget : int
        Bytes. What is larger by itself is not kept.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._blocks: OrderedDict[Key, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept."""
        return self._nbytes

    def __contains__(self, key: Key) -> bool:
        return key in self._blocks

    def get(self, key: Key) -> NDArray[Any] | None:
        """Return a block, which is thereby used; None where it is not kept."""
        with self._lock:
            block = self._blocks.get(key)
            if block is not None:
                self._blocks.move_to_end(key)
            return block

    def put(self, key: Key, block: NDArray[Any]) -> None:
        """Keep a block, which is not written to any more."""
        if block.base is not None:
            # It would keep all that it is a part of.
            block = block.copy()
        with self._lock:
            before = self._blocks.pop(key, None)
            self._nbytes += block.nbytes - (0 if before is None else before.nbytes)
            self._blocks[key] = block
            while self._nbytes > self.budget:
                _, oldest = self._blocks.popitem(last=False)
                self._nbytes -= oldest.nbytes

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._blocks.clear()
            self._nbytes = 0
