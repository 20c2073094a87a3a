"""A drawn specimen: what a package is tested with, and what its cover shows."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

# A gap between the two halves of a cover, in its pixels.
_GAP = 4
_FILAMENTS, _SPOTS = 5, 9


def specimen(height: int, width: int, channels: int = 1) -> NDArray[np.float32]:
    """Draw filaments and spots, blurred as by a microscope; the same at each call.

    Parameters
    ----------
    height, width : int
    channels : int
        Each with other filaments and spots.

    Returns
    -------
    ndarray of float32, shape (channels, height, width)
        Values of 0..1.
    """
    y, x = np.mgrid[:height, :width] + 0.5
    random = np.random.default_rng(0)
    size = min(height, width)
    planes = []
    for _ in range(channels):
        plane = np.full((height, width), 0.05)
        for _ in range(_FILAMENTS):
            angle, place, bend = random.random(3)
            along = x * np.cos(np.pi * angle) + y * np.sin(np.pi * angle)
            across = y * np.cos(np.pi * angle) - x * np.sin(np.pi * angle)
            middle = (1.4 * place - 0.4) * size + 0.1 * size * np.sin(4 * along / size + 6 * bend)
            plane += 0.5 * np.exp(-0.5 * ((across - middle) / 0.9) ** 2)
        for _ in range(_SPOTS):
            row, column, light = random.random(3)
            far2 = (y - row * height) ** 2 + (x - column * width) ** 2
            plane += (0.3 + 0.6 * light) * np.exp(-0.5 * far2 / 1.1**2)
        planes.append(plane.clip(0, 1))
    return np.stack(planes).astype(np.float32)


def cover(low_res: NDArray[np.float32], high_res: NDArray[np.float32]) -> bytes:
    """Return a PNG, twice as wide as high: the low-res image's pixels beside the result.

    Parameters
    ----------
    low_res : ndarray of float32, shape (C, Y, X)
        Values of 0..1.
    high_res : ndarray of float32, shape (C, scale Y, scale X)
    """
    from PIL import Image

    scale = high_res.shape[-1] // low_res.shape[-1]
    pixels = low_res.repeat(scale, axis=1).repeat(scale, axis=2)
    both = np.concatenate([pixels, high_res], axis=2)
    middle = both.shape[2] // 2
    both[:, :, middle - _GAP // 2 : middle + _GAP // 2] = 1
    values = (both.clip(0, 1) * 255).round().astype(np.uint8)
    picture = Image.fromarray(values[0] if len(values) == 1 else np.moveaxis(values, 0, -1))
    written = io.BytesIO()
    picture.save(written, format="PNG", optimize=True)
    return written.getvalue()
