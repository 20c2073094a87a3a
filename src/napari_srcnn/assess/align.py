"""A reference that is shifted against the result: measured, and laid over it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift

from napari_srcnn.assess.place import Compared
from napari_srcnn.image.stack import Stack
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.registration import estimate_shift

# Rows and columns of the source, about the middle, that a shift is measured on.
_SIDE = 512
# Pixels of the result: what a shift is measured to, and so near a whole number is one.
LEAST, _WHOLE = 0.25, 0.1
# Below it the two do not show one place, and no shift is one.
_ALIKE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How a reference lies to the result.

    Attributes
    ----------
    down, right : float
        What is at a pixel of the result lies that much further in the reference, in its pixels.
    correlation : float
        Of the two after the shift, 0..1.
    """

    down: float
    right: float
    correlation: float

    @property
    def is_any(self) -> bool:
        """Whether there is a shift that figures suffer from."""
        return self.is_alike and max(abs(self.down), abs(self.right)) >= LEAST

    @property
    def is_alike(self) -> bool:
        """Whether the two show the same place at all."""
        return self.correlation >= _ALIKE

    @property
    def text(self) -> str:
        """The shift in words."""
        parts = [
            f"{abs(by):.2g} {forth if by > 0 else back}"
            for by, forth, back in ((self.down, "down", "up"), (self.right, "right", "left"))
            if abs(by) >= LEAST / 2
        ]
        return f"{' and '.join(parts) or '0'} (pixels of the result)"


def measure_shift(result: NDArray[Any], reference: NDArray[Any], scale: int) -> Shift | None:
    """Measure how a reference is shifted, to some hundredths of a pixel.

    Parameters
    ----------
    result, reference : ndarray, shape (Y * scale, X * scale)
    scale : {2, 3, 4}

    Returns
    -------
    Shift or None
        None where nothing can be told: of constant and of small images.
    """
    inner = tuple(
        slice((n // scale - m) // 2 * scale, ((n // scale - m) // 2 + m) * scale)
        for n in result.shape
        for m in [min(n // scale, _SIDE)]
    )
    small = Degradation().low_res(np.asarray(result, np.float64)[inner], scale)
    try:
        match = estimate_shift(small, np.asarray(reference)[inner], scale)
    except ValueError:
        return None
    down, right = (by * scale for by in match.shift)
    return Shift(down=down, right=right, correlation=match.correlation)


def aligned(compared: Compared, found: Shift) -> tuple[Compared, str]:
    """Return images of which the reference lies over the result, and what was done, in words.

    What the reference does not show any more is left out of all of them.
    """
    assert compared.reference is not None
    by = [round(n) if abs(n - round(n)) < _WHOLE else n for n in (found.down, found.right)]
    is_whole = all(float(n).is_integer() for n in by)
    margin = math.ceil(max(map(abs, by)) / compared.scale) + (not is_whole)
    y = compared.source.axes.index("Y")
    if 2 * margin + 16 > min(compared.source.shape[y : y + 2]):
        raise ValueError(
            f"The reference is shifted by {found.text}, which leaves too little in common with the "
            "result."
        )
    reference = compared.reference
    moved = replace(reference, data=_Moved(reference, (by[0], by[1])))
    how = "by whole pixels" if is_whole else "by cubic splines, which smooth it a little"
    return replace(compared, reference=moved).within(margin), (
        f"The reference, shifted by {found.text}, was laid over the result {how}; {margin} "
        f"row{'s' * (margin > 1)} and column{'s' * (margin > 1)} of the source are left out on "
        "each side."
    )


class _Moved:
    """A stack whose planes are shifted as they are read."""

    def __init__(self, stack: Stack, by: tuple[float, float]) -> None:
        self._data, self._by = stack.data, by
        self._y = stack.axes.index("Y")
        self.shape, self.ndim = stack.shape, stack.ndim
        self.dtype = np.dtype(np.float64)

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[np.float64]:
        leading, rest = key[: self._y], key[self._y :]
        whole = (slice(None),) * len(rest)
        plane = np.asarray(self._data[(*leading, *whole)], dtype=np.float64)
        by = (*(-n for n in self._by), *(0.0,) * (plane.ndim - 2))
        is_whole = all(float(n).is_integer() for n in by)
        # A spline carries what is not finite over all of the plane.
        order = 0 if is_whole else 3 if np.isfinite(plane).all() else 1
        return np.asarray(shift(plane, by, order=order, mode="nearest")[rest])
