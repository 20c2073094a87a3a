"""An image against a high-res reference: the usual measures, with the range that they are for."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import normalized_root_mse

from napari_srcnn.image.metrics import fit_affine, psnr, shave

# Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", 2003.
_WEIGHTS = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333
_C1, _C2 = 0.01, 0.03
# The window of 11 pixels on the coarsest of the five scales.
LEAST_MS_SSIM = 11 * 2 ** (len(_WEIGHTS) - 1)
LEAST_SSIM = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """How near an image is to a reference.

    Attributes
    ----------
    data_range : float
        The range of the reference, largest less smallest, or as given: the peak in PSNR and SSIM.
    psnr : float
        In dB.
    si_psnr : float
        PSNR after gain and offset were fitted to the reference, as CARE reports it.
    ssim : float
        NaN for images below 11 pixels a side.
    ms_ssim : float
        Of five scales; NaN for images below 176 pixels a side.
    nrmse : float
        Root mean square error over the root mean square of the reference.
    """

    data_range: float
    psnr: float
    si_psnr: float
    ssim: float
    ms_ssim: float
    nrmse: float

    def to_dict(self) -> dict[str, float]:
        """Return the values by their names."""
        return asdict(self)


def against(
    reference: NDArray[Any], image: NDArray[Any], *, data_range: float | None = None
) -> Against:
    """Compare an image with a reference.

    Parameters
    ----------
    reference, image : ndarray, shape (Y, X)
        In the same units.
    data_range : float, optional
        By default the reference's largest value less its smallest.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite, or the reference is constant and no range is
        given.
    """
    reference, image = (np.asarray(one, dtype=np.float64) for one in (reference, image))
    if reference.shape != image.shape:
        raise ValueError(
            f"The reference has shape {reference.shape} and the image {image.shape}; they need to "
            "be equal."
        )
    if not (np.isfinite(reference).all() and np.isfinite(image).all()):
        raise ValueError("The image or the reference holds values that are not finite.")
    if data_range is None:
        data_range = float(np.ptp(reference))
    if not data_range > 0:
        raise ValueError("The reference is constant, so it has no range to measure by; give one.")
    single, several = _similarities(reference, image, data_range)
    return Against(
        data_range=data_range,
        psnr=psnr(reference, image, data_range=data_range),
        si_psnr=psnr(reference, fit_affine(reference, image), data_range=data_range),
        ssim=single,
        ms_ssim=several,
        nrmse=float(normalized_root_mse(reference, image)),
    )


def ms_ssim(reference: NDArray[Any], image: NDArray[Any], *, data_range: float) -> float:
    """Structural similarity on five scales; NaN for images below 176 pixels a side.

    Parameters
    ----------
    reference, image : ndarray, shape (Y, X)
    data_range : float

    Notes
    -----
    As the authors' code: an 11 x 11 Gaussian window of sigma 1.5, means of 2 x 2 pixels between
    scales, the luminance of the coarsest alone.
    """
    return _similarities(reference, image, data_range)[1]


def _similarities(
    reference: NDArray[Any], image: NDArray[Any], data_range: float
) -> tuple[float, float]:
    """Return SSIM and MS-SSIM; the first is the latter's finest scale, with its luminance."""
    x, y = (np.asarray(one, dtype=np.float64) for one in (reference, image))
    if min(x.shape) < LEAST_SSIM:
        return math.nan, math.nan
    luminance, contrast = _parts(x, y, data_range)
    single, several = float((luminance * contrast).mean()), 1.0
    if min(x.shape) < LEAST_MS_SSIM:
        return single, math.nan
    for number, weight in enumerate(_WEIGHTS, start=1):
        if number > 1:
            x, y = (uniform_filter(one, 2, mode="reflect", origin=-1)[::2, ::2] for one in (x, y))
            luminance, contrast = _parts(x, y, data_range)
        last = number == len(_WEIGHTS)
        value = float((luminance * contrast).mean() if last else contrast.mean())
        # Below zero, structures are the inverse of each other; no power is defined.
        several *= max(value, 0.0) ** weight
    return single, several


def _parts(
    x: NDArray[np.float64], y: NDArray[np.float64], data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return SSIM's luminance, and its contrast and structure, without the border."""

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(values, 1.5, truncate=3.5))

    c1, c2 = (data_range * _C1) ** 2, (data_range * _C2) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    contrast = (2 * vxy + c2) / (vx + vy + c2)
    return shave(luminance, 5), shave(contrast, 5)
