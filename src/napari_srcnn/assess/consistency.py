"""Whether a result, made small again, is the image that it was made of, and where it is not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_srcnn.image.metrics import fit_affine
from napari_srcnn.image.resize import MEAN_REACH, MEAN_SIGMA
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise

#: Standard deviations of the noise beyond which a pixel counts as one that was not recorded so.
BEYOND = 3.0
# Of the mean around a pixel, in standard deviations: as where a network is told the noise.
_REACH = MEAN_REACH / MEAN_SIGMA

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Consistency:
    """A result beside its source, on the source's grid.

    Attributes
    ----------
    difference : ndarray, shape (Y, X)
        The degraded result less the source, in image units.
    sigmas : ndarray or None
        The same in standard deviations of the source's noise, taken at the pixel or at the mean
        around it, whichever is brighter; None where none is known.
    error_map : ndarray, shape (Y, X)
        As `difference`, without its sign, after gain and offset were fitted to the source.
    rse : float
        Root mean square of `error_map`: the resolution-scaled error of NanoJ-SQUIRREL [1]_.
    rsp : float
        Pearson's correlation of the two: its resolution-scaled Pearson coefficient. NaN where one
        of them is constant.
    beyond_3_sigma : float or None
        The share of pixels whose `sigmas` are larger than 3.
    largest : float
        The largest difference, without its sign.
    total : float
        Sum of the degraded result over that of the source, less one.

    References
    ----------
    .. [1] S. Culley et al., "Quantitative mapping and minimization of super-resolution optical
       imaging artifacts", Nature Methods 15, 263-266 (2018).
    """

    difference: Array
    sigmas: Array | None
    error_map: Array
    rse: float
    rsp: float
    beyond_3_sigma: float | None
    largest: float
    total: float


def consistency(
    result: NDArray[Any],
    source: NDArray[Any],
    scale: int,
    *,
    degradation: Degradation | None = None,
    noise: Noise | None = None,
) -> Consistency:
    r"""Degrade a result to its source's grid and compare.

    Parameters
    ----------
    result : ndarray, shape (Y * scale, X * scale)
    source : ndarray, shape (Y, X)
        In the same units.
    scale : {2, 3, 4}
    degradation : Degradation, optional
        The microscope's; camera pixels without blur by default.
    noise : Noise, optional
        The source's.

    Returns
    -------
    Consistency
        Pixels that are not finite in one of them are left out, and NaN in the maps.

    Raises
    ------
    ValueError
        If the shapes do not fit, or no pixel is finite in both.

    Notes
    -----
    With the degraded result :math:`D` and the source :math:`S`,
    :math:`\mathrm{RSE} = \sqrt{\langle (\alpha D + \beta - S)^2 \rangle}` with
    :math:`\alpha, \beta` of least squares. NanoJ-SQUIRREL estimates the blur that it degrades by;
    here it is the microscope's, and the comparison is on the source's grid, where each pixel was
    recorded by itself.
    """
    source = np.asarray(source, dtype=np.float64)
    result = np.asarray(result, dtype=np.float64)
    expected = tuple(n * scale for n in source.shape)
    if result.shape != expected:
        raise ValueError(
            f"The result has {result.shape[0]} × {result.shape[1]} pixels, where ×{scale} of the "
            f"source's {source.shape[0]} × {source.shape[1]} are {expected[0]} × {expected[1]}."
        )
    small = (degradation or Degradation()).low_res(result, scale)
    good = np.isfinite(small) & np.isfinite(source)
    if not good.any():
        raise ValueError("No pixel is finite in both, the source and the result.")
    difference = np.where(good, small - source, np.nan)
    error = error_left(small, source, good)
    sigmas = None if noise is None else in_sigmas(difference, source, noise)
    return Consistency(
        difference=difference,
        sigmas=sigmas,
        error_map=error,
        rse=float(np.sqrt(np.square(error[good]).mean())),
        rsp=_pearson(small[good], source[good]),
        beyond_3_sigma=None if sigmas is None else float((np.abs(sigmas[good]) > BEYOND).mean()),
        largest=float(np.abs(difference[good]).max()),
        total=_relative(small[good].sum(), source[good].sum()),
    )


def error_left(small: Array, source: Array, good: NDArray[np.bool_]) -> Array:
    """Return how far a degraded result is from its source once gain and offset are fitted.

    Parameters
    ----------
    small, source : ndarray, shape (Y, X)
    good : ndarray of bool, shape (Y, X)
        Where both are known; elsewhere it is NaN.
    """
    error = np.full(source.shape, np.nan)
    if good.any():
        error[good] = np.abs(fit_affine(source[good], small[good]) - source[good])
    return error


def in_sigmas(difference: Array, source: Array, noise: Noise) -> Array | None:
    """Return a difference in standard deviations of the source's noise; None where that is none.

    Parameters
    ----------
    difference : ndarray, shape (Y, X)
        NaN where it is not known.
    source : ndarray, shape (Y, X)
    noise : Noise
    """
    if not noise.is_any:
        return None
    sigma = noise.sigma(_light(source, np.isfinite(difference)))
    with np.errstate(divide="ignore", invalid="ignore"):
        sigmas = np.where(sigma > 0, difference / sigma, np.sign(difference) * np.inf)
    sigmas[difference == 0] = 0.0
    return sigmas


def unknown(shape: tuple[int, ...]) -> Consistency:
    """Return what is known of a plane without a pixel that is finite in both: nothing."""
    nothing = np.full(shape, math.nan)
    return Consistency(
        difference=nothing,
        sigmas=None,
        error_map=nothing,
        rse=math.nan,
        rsp=math.nan,
        beyond_3_sigma=None,
        largest=math.nan,
        total=math.nan,
    )


def _light(source: Array, good: NDArray[np.bool_]) -> Array:
    """Return the light that a pixel's noise is that of: its own, or more where more is around it.

    Of a few photons often none is counted: taken at that, the noise would be next to nothing, and
    whatever shows the light that there is would lie beyond it.
    """
    around = gaussian_filter(np.where(good, source, 0.0), MEAN_SIGMA, truncate=_REACH)
    if good.all():
        return np.asarray(np.maximum(source, around))
    share = gaussian_filter(good.astype(np.float64), MEAN_SIGMA, truncate=_REACH)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(good, np.maximum(source, around / share), np.nan)


def _pearson(x: Array, y: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(np.square(x).sum()) * float(np.square(y).sum()))
    return float((x * y).sum()) / size if size > 0 else math.nan


def _relative(value: float, reference: float) -> float:
    return float(value / reference - 1) if reference else math.nan
