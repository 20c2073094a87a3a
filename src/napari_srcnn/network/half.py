"""Whether half precision pays on a processor: many compute bfloat16 more slowly than float32."""

from __future__ import annotations

import functools
import time

import torch
from torch.nn import functional as F

# A middle layer on a tile, and how often it is timed.
_CHANNELS, _SIDE, _KERNEL, _TIMES = 32, 64, 5, 3


def check_half(device: torch.device) -> float | None:
    """Make sure that half precision is not slower than single precision on a processor.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    float or None
        How many times as fast bfloat16 is on this processor; None for a GPU, whose float16 is.

    Raises
    ------
    ValueError
        If it is slower.
    """
    if device.type != "cpu":
        return None
    gain = half_gain()
    if gain < 1:
        raise ValueError(
            f"This processor takes {1 / gain:.1f} times as long in half precision (bfloat16) as in "
            "single precision, which is more exact too; leave half precision out, or take a GPU."
        )
    return gain


@functools.lru_cache(maxsize=1)
def half_gain() -> float:
    """Return how many times as fast bfloat16 convolutions are on this processor, as measured."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        layer = torch.full((_CHANNELS, _CHANNELS, _KERNEL, _KERNEL), 0.01, dtype=dtype)
        image = torch.full((1, _CHANNELS, _SIDE, _SIDE), 0.5, dtype=dtype)
        layer, image = (one.to(memory_format=torch.channels_last) for one in (layer, image))
        taken = []
        with torch.inference_mode():
            F.conv2d(image, layer)
            for _ in range(_TIMES):
                began = time.perf_counter()
                F.conv2d(image, layer)
                taken.append(time.perf_counter() - began)
        seconds[dtype] = min(taken)
    return seconds[torch.float32] / seconds[torch.bfloat16]
