"""How two images of one place lie to each other: the shift between them, and the scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray
from scipy.ndimage import shift
from skimage.registration import phase_cross_correlation

from napari_srcnn.image.intensity import known_pixels
from napari_srcnn.microscope.degradation import SCALES, Degradation, check_scale

# -- pairs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How a low- and a high-resolution image of one place lie to each other.

    Attributes
    ----------
    shift : tuple (y, x)
        In low-resolution pixels. Added to a position in the low-resolution image it gives the
        position of the same thing in the high-resolution one, divided by the scale, where pixel i
        of the low one covers ``[i, i + 1)`` and pixel j of the high one ``[j, j + 1) / scale``.
        Positive: the thing lies further down or right in the high-resolution image.
    correlation : float
        Pearson's, of the two after the shift, at low resolution and without what varies as slowly
        as illumination; 1 for one image.
    """

    shift: tuple[float, float]
    correlation: float


def estimate_shift(low: NDArray[Any], high: NDArray[Any], scale: int) -> Match:
    """Measure the shift between two images of one place, to about 0.02 low-resolution pixels.

    Brightness and offset of the two may differ. The cross-correlation's peak gives the shift; the
    high-resolution image is then moved by it before it is reduced, and the two are compared again,
    until both sample the scene at the same points and aliasing no longer pulls.

    Parameters
    ----------
    low : ndarray, shape (y, x), of any real dtype
    high : ndarray, shape (y * scale, x * scale) with or without a rest
    scale : {2, 3, 4}

    Returns
    -------
    Match

    Raises
    ------
    ValueError
        If an image is not 2-D, constant, or smaller than 16 x 16 low-resolution pixels.
    """
    scale = check_scale(scale)
    low, high = _plane(low, "low"), _plane(high, "high")
    size = [min(a, b // scale) for a, b in zip(low.shape, high.shape, strict=True)]
    if min(size) < 16:
        raise ValueError(
            f"The two images share {size[0]} x {size[1]} low-resolution pixels, but it takes "
            "16 x 16 to measure a shift."
        )
    # Both have the same illumination, whatever place they show.
    low = without_shading(low[: size[0], : size[1]])
    high = without_shading(high[: size[0] * scale, : size[1] * scale])
    total = np.zeros(2)
    # What is kept of both: where the moved image has pixels.
    a, b = low, Degradation().low_res(high, scale)
    for _ in range(6):
        step, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]  # no types there
            _windowed(b), _windowed(a), upsample_factor=100, normalization=None
        )
        moved = total + step
        if max(np.abs(moved) - np.array(size) / 2) > 0:
            break
        total = moved
        a, b = _overlap(low, high, total, scale)
        if np.abs(step).max() <= 0.01:
            break
    if min(a.std(), b.std()) == 0:
        raise ValueError("One of the two images is constant, so that no shift can be measured.")
    correlation = float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    return Match(shift=(float(total[0]), float(total[1])), correlation=correlation)


def _plane(image: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return one image as finite float64."""
    plane = np.asarray(image, dtype=np.float64)
    if plane.ndim != 2:
        raise ValueError(f"The {name} image has shape {plane.shape}, but it takes one of (y, x).")
    good = known_pixels(plane)
    if not good.any() or np.ptp(plane[good]) == 0:
        raise ValueError(f"The {name} image is constant, so that no shift can be measured.")
    return plane if good.all() else np.where(good, plane, np.median(plane[good]))


# As vignetting, or a lamp that is off its axis, goes over a field.
_SHADING_DEGREE = 4


def without_shading(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take off what varies as slowly as illumination does: a polynomial of the fourth degree.

    Parameters
    ----------
    image : ndarray of float64, shape (y, x)
        Of finite values.

    Returns
    -------
    ndarray of float64, shape (y, x)
        Of mean zero.
    """
    bases = [legvander(np.linspace(-1, 1, n), _SHADING_DEGREE) for n in image.shape]
    degrees = range(_SHADING_DEGREE + 1)
    terms = [(i, j) for i in degrees for j in degrees if i + j <= _SHADING_DEGREE]
    # So few unknowns are known from some of the pixels.
    some = tuple(slice(None, None, max(n // 128, 1)) for n in image.shape)
    rows, columns = bases[0][some[0]], bases[1][some[1]]
    design = np.stack([np.outer(rows[:, i], columns[:, j]).ravel() for i, j in terms], axis=1)
    found, *_ = np.linalg.lstsq(design, image[some].ravel(), rcond=None)
    weights = np.zeros((_SHADING_DEGREE + 1,) * 2)
    for (i, j), weight in zip(terms, found, strict=True):
        weights[i, j] = weight
    return np.asarray(image - bases[0] @ weights @ bases[1].T)


def _windowed(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the mean off and fade the border, which would else correlate with itself."""
    window = np.multiply.outer(*(np.hanning(n + 2)[1:-1] for n in image.shape))
    image = image - (image * window).sum() / window.sum()
    return np.asarray(image * window)


def _overlap(
    low: NDArray[np.float64], high: NDArray[np.float64], move: NDArray[np.float64], scale: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return low and the reduced high as they overlap when high is moved back by `move`."""
    whole = np.rint(move).astype(int)
    rest = (move - whole) * scale
    moved = shift(high, -rest, order=3, mode="nearest")
    b = Degradation().low_res(moved, scale)
    a_part, b_part = [], []
    for n, d in zip(low.shape, whole.tolist(), strict=True):
        # One pixel off each side, where the rest of the move reaches beyond the image.
        start, stop = max(-d, 0) + 1, min(n, n - d) - 1
        a_part.append(slice(start, stop))
        b_part.append(slice(start + d, stop + d))
    return low[tuple(a_part)], b[tuple(b_part)]


def pair_scale(
    low_shape: Sequence[int],
    high_shape: Sequence[int],
    low_pixel: Sequence[float | None] | None = None,
    high_pixel: Sequence[float | None] | None = None,
) -> int:
    """Tell the scale of a pair of images from their shapes.

    Parameters
    ----------
    low_shape, high_shape : sequence of int, (..., Y, X)
        The high-resolution image may have up to scale - 1 rows and columns more than the scale
        times the low-resolution one's.
    low_pixel, high_pixel : (y, x), optional
        Pixel sizes in one unit, where they are known: they have to agree with the shapes to 2 %.

    Returns
    -------
    int
        2, 3 or 4.

    Raises
    ------
    ValueError
        If there is no such scale, or the pixel sizes say another one.
    """
    low, high = tuple(low_shape)[-2:], tuple(high_shape)[-2:]
    if len(low) != 2 or len(high) != 2 or min(*low, *high) < 1:
        raise ValueError(f"A pair takes two shapes of (..., Y, X), not {low} and {high}.")
    shapes = f"{low[0]} × {low[1]} and {high[0]} × {high[1]} pixels"
    if low == high:
        raise ValueError(
            f"Both images have {low[0]} × {low[1]} pixels (×1), but the high-resolution one needs "
            "2, 3 or 4 times as many along Y and X."
        )
    if all(a >= b for a, b in zip(low, high, strict=True)):
        raise ValueError(
            f"The low-resolution image is larger than the high-resolution one ({shapes}): "
            "they seem to be swapped."
        )
    ratios = [b / a for a, b in zip(low, high, strict=True)]
    scales = [b // a for a, b in zip(low, high, strict=True)]
    whole = [b - k * a < k for a, b, k in zip(low, high, scales, strict=True)]
    if scales[0] != scales[1] and (all(whole) or abs(ratios[0] / ratios[1] - 1) > 0.1):
        raise ValueError(
            f"The images have {shapes}, which is ×{ratios[0]:.3g} along Y and ×{ratios[1]:.3g} "
            "along X, but the scale has to be the same along both."
        )
    if not all(whole) or scales[0] != scales[1] or scales[0] < 1:
        raise ValueError(
            f"The images have {shapes}, which is ×{ratios[0]:.4g} along Y and ×{ratios[1]:.4g} "
            "along X: crop them so that the high-resolution one is 2, 3 or 4 times as large, with "
            "at most scale - 1 rows and columns more."
        )
    scale = int(scales[0])
    if scale not in SCALES:
        raise ValueError(f"The images have {shapes}, which is ×{scale}: 2, 3 or 4 can be trained.")
    for a, b in zip(low_pixel or (), high_pixel or (), strict=False):
        if a and b and not abs(a / b / scale - 1) <= 0.02:
            raise ValueError(
                f"The shapes say ×{scale}, the pixel sizes ×{a / b:.3g}; correct the pixel sizes, "
                "or crop both images to the same field."
            )
    return scale
