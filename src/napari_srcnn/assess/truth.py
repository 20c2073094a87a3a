"""An image against a high-res reference: the usual measures, with the range that they are for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import normalized_root_mse

from napari_srcnn.assess.similarity import similarities
from napari_srcnn.image.metrics import fit_affine, psnr


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
    single, several = similarities(reference, image, data_range)
    return Against(
        data_range=data_range,
        psnr=psnr(reference, image, data_range=data_range),
        si_psnr=psnr(reference, fit_affine(reference, image), data_range=data_range),
        ssim=single,
        ms_ssim=several,
        nrmse=float(normalized_root_mse(reference, image)),
    )
