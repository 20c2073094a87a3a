"""torch's switches for the whole process, set while a tile's work is handed to a GPU."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

# Held while a tile's work is handed to a GPU, which is when torch looks at its switches.
_SWITCH = threading.RLock()


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Allow TF32 in convolutions, or forbid it, while a tile's work is handed to a GPU.

    torch has one switch for the whole process. An application sets it once, by
    :func:`~napari_srcnn.network.device.set_tf32`, and then nothing is switched here. In somebody
    else's process it is put back after each tile, and no two of our tiles can take it from each
    other. No other switch of cuDNN is touched.
    """
    cudnn = torch.backends.cudnn
    with _SWITCH:
        before = cudnn.allow_tf32
        if before == allowed:
            yield
            return
        cudnn.allow_tf32 = allowed
        try:
            yield
        finally:
            cudnn.allow_tf32 = before


@contextlib.contextmanager
def same_bits(wanted: bool) -> Iterator[None]:
    """Allow only kernels that give the same bits each time, while work is handed to a GPU."""
    cudnn = torch.backends.cudnn
    if not wanted:
        yield
        return
    with _SWITCH:
        before = cudnn.deterministic, cudnn.benchmark
        cudnn.deterministic, cudnn.benchmark = True, False
        try:
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = before
