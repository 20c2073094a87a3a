"""Two images of independent noise, made from one whose noise is known, to train without a truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from napari_srcnn.microscope.noise import Noise

# Smooths what the noise's strength is read from: were that the noisy pixel itself, a photon too
# many would bring more added noise along, and the two images' noise would depend on each other.
_KERNEL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def recorrupt(
    image: NDArray[Any],
    noise: Noise,
    rng: np.random.Generator,
    *,
    strength: float = 0.5,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Make two images of one noisy image, whose noise is uncorrelated.

    Of the image :math:`y = x + n`, with noise of the variance :math:`\sigma^2` in a pixel, are made

    .. math:: \hat y = y + D z, \qquad \tilde y = y - D^{-1} z,

    with :math:`D = \alpha` and fresh :math:`z \sim N(0, \sigma^2)` [1]_. Both have the mean `x`.
    Their noise has the variances :math:`(1 + \alpha^2)\,\sigma^2` and
    :math:`(1 + \alpha^{-2})\,\sigma^2`, and the covariance :math:`\sigma^2 - \sigma^2 = 0`: a
    network that is to make the second of the first learns, but for a constant, what it would learn
    from `x`.

    Parameters
    ----------
    image : ndarray, shape (..., Y, X), of a real dtype
        NaN stays NaN.
    noise : Noise
        Of `image`, in its units. Taken at a local mean (binomial, 5 x 5 pixels), as `x` is unknown.
    rng : numpy.random.Generator
    strength : float
        The :math:`\alpha`. Small, the first image is hardly noisier than `image`, and the second,
        which is trained towards, is much noisier.

    Returns
    -------
    input, target : ndarray of float64, of the image's shape
        :math:`\hat y` and :math:`\tilde y`; copies of `image` where it has no noise.

    Raises
    ------
    ValueError
        If the strength is no finite number above 0, or the image is no plane or stack of planes.

    Notes
    -----
    Noise that is Gaussian is independent in the two; shot noise of few photons is uncorrelated but
    not independent. If `noise` is `k` times as strong as the image's in truth, what is left of the
    covariance is :math:`(1 - k^2)\,\sigma^2`: told too little, a network learns to keep noise.
    Where there is no light the noise is taken for some percent too strong, as a local mean below
    the offset counts as no light and one above it as some.

    References
    ----------
    .. [1] T. Pang, H. Zheng, Y. Quan, H. Ji, "Recorrupted-to-Recorrupted: Unsupervised Deep
       Learning for Image Denoising", CVPR 2021.
    """
    if not (math.isfinite(strength) and strength > 0):
        raise ValueError(
            f"The strength of a recorruption is {strength}, but it needs a finite number above 0."
        )
    if image.ndim < 2 or image.dtype.kind not in "iuf":
        raise ValueError(
            f"Recorruption takes real numbers of shape (..., Y, X), not an image of shape "
            f"{image.shape} and dtype {image.dtype}."
        )
    noisy = image.astype(np.float64)
    z = noise.sigma(_local_mean(noisy)) * rng.standard_normal(noisy.shape)
    return noisy + strength * z, noisy - z / strength


def _local_mean(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of what is finite around each pixel; NaN where nothing is."""
    known = np.isfinite(image)
    weight, total = known.astype(np.float64), np.where(known, image, 0.0)
    for axis in (-2, -1):
        weight = correlate1d(weight, _KERNEL, axis, mode="nearest")
        total = correlate1d(total, _KERNEL, axis, mode="nearest")
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
