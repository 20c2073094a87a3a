"""What makes a low-resolution image of a high-resolution one: blur, sampling and noise.

All of it is in the image's own units (those of the file, e.g. 16-bit counts) and pixels, so that a
degradation that was measured on one image means the same on another of the same microscope.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.ndimage import gaussian_filter

from napari_srcnn.image.intensity import cast
from napari_srcnn.image.resize import imresize
from napari_srcnn.microscope.noise import NO_NOISE, Noise, is_number, known_fields

Sampling = Literal["bicubic", "area", "point"]

SCALES = (2, 3, 4)

#: How each sampling is called, on models' cards too.
SAMPLING_TEXT: dict[Sampling, str] = {
    "bicubic": "bicubic",
    "area": "camera pixels (area)",
    "point": "point scanner (point)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """What a microscope of lower resolution does to an image.

    Attributes
    ----------
    sigma : float
        Standard deviation of a Gaussian point spread function, in pixels of the high-resolution
        image; 0 for no blur.
    sampling : {"bicubic", "area", "point"}
        What a low-resolution pixel is: MATLAB's antialiased bicubic, the mean over its area as of
        a camera's pixel, or the value at its centre as a point scanner takes it.
    noise : Noise
        Of the low-resolution image.
    """

    sigma: float = 0.0
    sampling: Sampling = "area"
    noise: Noise = NO_NOISE

    def __post_init__(self) -> None:
        if not is_number(self.sigma) or self.sigma < 0:
            raise ValueError(
                f"The blur's sigma is {self.sigma}, but it needs a finite number of 0 or more."
            )
        if self.sampling not in get_args(Sampling):
            raise ValueError(
                f"The sampling is {self.sampling!r}, but it is one of "
                f"{', '.join(map(repr, get_args(Sampling)))}."
            )

    @property
    def text(self) -> str:
        """One line for people."""
        parts = [f"blur of {self.sigma:.3g} px" if self.sigma else "no blur"]
        parts.append(SAMPLING_TEXT[self.sampling])
        noise = self.noise
        if noise.gain:
            parts.append(f"gain {noise.gain:.3g}")
        if noise.read:
            parts.append(f"read noise {noise.read:.3g}")
        parts.append(f"offset {noise.offset:.4g}" if noise.gain or noise.read else "no noise")
        return ", ".join(parts)

    def __str__(self) -> str:
        return self.text

    def low_res(self, image: NDArray[Any], scale: int) -> NDArray[np.float64]:
        """Blur and sample, without noise. A constant stays that constant.

        Parameters
        ----------
        image : ndarray, shape (..., Y, X), of any real dtype
        scale : {2, 3, 4}

        Returns
        -------
        ndarray of float64, shape (..., Y / scale, X / scale)
            Its pixel i covers the pixels ``[i * scale, (i + 1) * scale)``, in all samplings.

        Raises
        ------
        ValueError
            If the scale is another one, or Y and X are no multiples of it.
        """
        scale = check_scale(scale)
        image = np.asarray(image, dtype=np.float64)
        if image.ndim < 2 or 0 in image.shape or any(n % scale for n in image.shape[-2:]):
            raise ValueError(
                f"The image has shape {image.shape}, but Y and X need to be multiples of the "
                f"scale, {scale}: cut off what is over."
            )
        if self.sigma > 0:
            image = gaussian_filter(image, self.sigma, mode="reflect", axes=(-2, -1))
        *leading, height, width = image.shape
        if self.sampling == "bicubic":
            planes = image.reshape(-1, height, width)
            low = np.stack([imresize(plane, scale=1 / scale) for plane in planes])
            return low.reshape(*leading, height // scale, width // scale)
        cells = image.reshape(*leading, height // scale, scale, width // scale, scale)
        if self.sampling == "point":
            # An even number of pixels has no middle one: the centre lies between two.
            middle = slice((scale - 1) // 2, scale // 2 + 1)
            cells = cells[..., middle, :, middle]
        return np.asarray(cells.mean(axis=(-3, -1)))

    def apply(
        self,
        image: NDArray[Any],
        scale: int,
        rng: np.random.Generator,
        dtype: DTypeLike | None = None,
    ) -> NDArray[Any]:
        """Make the low-resolution image, noise included.

        Parameters
        ----------
        image : ndarray, shape (..., Y, X)
        scale : {2, 3, 4}
        rng : numpy.random.Generator
        dtype : dtype, optional
            Round and clip to this one; float64 as it is by default.

        Returns
        -------
        ndarray, shape (..., Y / scale, X / scale)

        Raises
        ------
        ValueError
            As :meth:`low_res`.
        """
        noisy = self.noise.apply(self.low_res(image, scale), rng)
        return noisy if dtype is None else cast(noisy, np.dtype(dtype))[0]

    def noise_left(self, noise: Noise, scale: int) -> Noise:
        """Return what is left of the high-resolution image's own noise after blur and sampling.

        Parameters
        ----------
        noise : Noise
            Of the high-resolution image, independent from pixel to pixel.
        scale : {2, 3, 4}
        """
        # Of an impulse, averaged over where it lies in a low-resolution pixel.
        reach = 2 + math.ceil(4 * self.sigma / scale)
        size = (2 * reach + 1) * scale
        responses = np.zeros((scale, scale, size, size))
        for y, x in np.ndindex(scale, scale):
            responses[y, x, reach * scale + y, reach * scale + x] = 1
        left = float(np.square(self.low_res(responses, scale)).sum())
        return replace(noise, gain=noise.gain * left, read=noise.read * math.sqrt(left))

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` takes: strings, numbers and dicts, as JSON has them."""
        return {
            "sigma": float(self.sigma),
            "sampling": self.sampling,
            "noise": {key: float(value) for key, value in asdict(self.noise).items()},
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Degradation:
        """Undo :meth:`to_dict`; what is missing has its default.

        Raises
        ------
        ValueError
            If a key is unknown or a value is out of its range.
        """
        values = known_fields(cls, d)
        if "noise" in values:
            values["noise"] = Noise(**known_fields(Noise, values["noise"]))
        return cls(**values)


def gaussian_sigma(numerical_aperture: float, wavelength: float, pixel_size: float) -> float:
    """Sigma of the Gaussian next to a widefield microscope's in-focus point spread function.

    Parameters
    ----------
    numerical_aperture : float
    wavelength : float
        Of the emitted light.
    pixel_size : float
        In the sample, in the wavelength's unit.

    Returns
    -------
    float
        ``0.21 * wavelength / numerical_aperture / pixel_size``, in pixels.

    Raises
    ------
    ValueError
        If one of them is not a finite number above 0.

    References
    ----------
    .. [1] B. Zhang, J. Zerubia, J.-C. Olivo-Marin, "Gaussian approximations of fluorescence
       microscope point-spread function models", Applied Optics 46(10), 2007.
    """
    given = {
        "numerical aperture": numerical_aperture,
        "wavelength": wavelength,
        "pixel size": pixel_size,
    }
    for name, value in given.items():
        if not is_number(value) or value <= 0:
            raise ValueError(f"The {name} is {value}, but it needs a finite number above 0.")
    return 0.21 * wavelength / numerical_aperture / pixel_size


def check_scale(scale: int) -> int:
    """Return `scale` if it is one that there are networks for; ValueError if not."""
    if scale not in SCALES:
        raise ValueError(f"The scale is {scale}, but it is 2, 3 or 4.")
    return int(scale)
