"""Fidelity measures by the protocol of the super-resolution literature."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

# ITU-R BT.601 luma of R, G, B in 0..1, studio range 16..235, as MATLAB's rgb2ycbcr.
LUMA = np.array([65.481, 128.553, 24.966])
LUMA_OFFSET = 16.0
# What a change of Y (in 0..255) by 1 adds to each of R, G and B (in 0..255): 255 / 219.
LUMA_TO_RGB = 255.0 / LUMA.sum()


def rgb_to_y(image: NDArray[Any]) -> NDArray[Any]:
    """Luma of an RGB image as MATLAB's ``rgb2ycbcr`` gives it.

    Parameters
    ----------
    image : ndarray, shape (Y, X, 3)
        uint8, or floats in 0..1.

    Returns
    -------
    ndarray, shape (Y, X)
        uint8 (rounded) for uint8, else float64 in 16/255..235/255.
    """
    if image.dtype == np.uint8:
        y = image.astype(np.float64) @ (LUMA / 255) + LUMA_OFFSET
        return np.floor(y + 0.5).astype(np.uint8)
    y = (image.astype(np.float64) @ LUMA + LUMA_OFFSET) / 255
    return np.asarray(y)


def shave(image: NDArray[Any], border: int) -> NDArray[Any]:
    """Cut `border` pixels off each side of an image of shape (Y, X) or (Y, X, S)."""
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def psnr(reference: NDArray[Any], image: NDArray[Any], *, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB, infinite for equal images.

    Parameters
    ----------
    reference, image : ndarray, of one shape
    data_range : float
        The peak: 255 for 8-bit images. It is asked for, since 12 bits in 16 are common.
    """
    if reference.shape != image.shape:
        raise ValueError(
            f"The reference has shape {reference.shape} and the image {image.shape}; "
            "they need to be equal."
        )
    reference, image = reference.astype(np.float64), image.astype(np.float64)
    if np.array_equal(reference, image):
        return float("inf")
    value = peak_signal_noise_ratio(reference, image, data_range=data_range)  # type: ignore[no-untyped-call]  # scikit-image has no types
    return float(value)


def ssim(reference: NDArray[Any], image: NDArray[Any], *, data_range: float) -> float:
    """Structural similarity with the original's 11 x 11 Gaussian window (sigma 1.5).

    Parameters
    ----------
    reference, image : ndarray, shape (Y, X) or (Y, X, S)
        Samples are measured one by one and averaged.
    data_range : float
        The peak.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from
       error visibility to structural similarity", IEEE TIP 13(4), 2004.
    """
    if reference.ndim == 3:
        pairs = zip(np.moveaxis(reference, 2, 0), np.moveaxis(image, 2, 0), strict=True)
        return float(np.mean([ssim(r, i, data_range=data_range) for r, i in pairs]))
    _, full = structural_similarity(  # type: ignore[no-untyped-call]  # as above
        reference.astype(np.float64),
        image.astype(np.float64),
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    # The authors' code takes the 'valid' part of the filter only: 5 pixels off each side.
    return float(shave(full, 5).mean())


def fit_affine(reference: NDArray[Any], image: NDArray[Any]) -> NDArray[np.float64]:
    """Return `image` scaled and shifted to fit `reference` in least squares, in float64."""
    x, y = image.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    variance = x.var()
    gain = float(((x - x.mean()) * (y - y.mean())).mean() / variance) if variance > 0 else 0.0
    return np.asarray((image.astype(np.float64) - x.mean()) * gain + y.mean())
