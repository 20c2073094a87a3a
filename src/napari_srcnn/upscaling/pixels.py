"""Pixels known by their hash while they pass by, plane by plane."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from napari_srcnn.upscaling.provenance import Pixels


class KnownPixels:
    """What takes ``out[index] = plane`` in C order, knows the pixels then, and hands them on.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    dtype : dtype
    out : array-like, optional
        Where the planes go; nowhere by default.
    """

    def __init__(self, shape: Sequence[int], dtype: DTypeLike, out: Any = None) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.ndim = len(self.shape)
        self._out = out
        self._known = hashlib.sha256()

    @property
    def nbytes(self) -> int:
        """Bytes of the image."""
        return prod(self.shape) * self.dtype.itemsize

    def __setitem__(self, index: Any, plane: Any) -> None:
        # All processors that torch runs on are little-endian, so that this copies nothing.
        stored = np.ascontiguousarray(plane, self.dtype.newbyteorder("<"))
        self._known.update(stored.data.cast("B"))
        if self._out is not None:
            self._out[index] = plane

    def pixels(self) -> Pixels:
        """Return what the planes that came are known by."""
        return Pixels(sha256=self._known.hexdigest(), dtype=self.dtype.name, shape=self.shape)


def pixels_of(image: Any, leading: int, dtype: DTypeLike | None = None) -> Pixels:
    """Read an image plane by plane, and return what its pixels are known by.

    Parameters
    ----------
    image : array-like, shape (*leading, Y, X) or (*leading, Y, X, S)
    leading : int
        Number of axes before Y and X.
    dtype : dtype, optional
        What the values were before they were stored, as float16 in TIFF.
    """
    known = KnownPixels(image.shape, image.dtype if dtype is None else dtype)
    for index in np.ndindex(*known.shape[:leading]):
        known[index] = np.asarray(image[(*index, slice(None), slice(None))])
    return known.pixels()
