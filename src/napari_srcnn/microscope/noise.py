"""The noise of a detector: shot noise, read noise, and the value without light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_number(value: object) -> bool:
    """Tell whether a value is a finite number."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and math.isfinite(float(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Shot noise and read noise of a detector.

    Attributes
    ----------
    gain : float
        Image units per photon; 0 for no shot noise.
    read : float
        Standard deviation of what does not depend on light, in image units.
    offset : float
        The image's value without light.
    """

    gain: float = 0.0
    read: float = 0.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        for name in ("gain", "read"):
            value = getattr(self, name)
            if not is_number(value) or value < 0:
                raise ValueError(
                    f"The noise's {name} is {value}, but it needs a finite number of 0 or more."
                )
        if not is_number(self.offset):
            raise ValueError(f"The noise's offset is {self.offset}, but it needs a finite number.")

    @property
    def is_any(self) -> bool:
        """Whether there is any."""
        return self.gain > 0 or self.read > 0

    def variance(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Variance of the noise on an image.

        Parameters
        ----------
        image : ndarray of any shape and dtype
            The image without noise.

        Returns
        -------
        ndarray of float64, of the image's shape
            ``gain * max(image - offset, 0) + read**2``, in image units squared.
        """
        return self.gain * self._light(np.asarray(image, dtype=np.float64)) + self.read**2

    def sigma(self, mean: NDArray[Any]) -> NDArray[np.float64]:
        """Return the noise's standard deviation where the image has a local mean, in image units.

        Parameters
        ----------
        mean : ndarray of any shape and dtype

        Returns
        -------
        ndarray of float64, of its shape
            The square root of :meth:`variance`.
        """
        return np.asarray(np.sqrt(self.variance(mean)))

    def times(self, factor: float) -> Noise:
        """Return noise of a standard deviation so many times as large, everywhere.

        Parameters
        ----------
        factor : float
            0 or more.
        """
        return replace(self, gain=self.gain * factor**2, read=self.read * factor)

    def plus(self, other: Noise) -> Noise:
        """Return the noise of an image that has this one and, independently, another one.

        Their variances add up above both offsets.
        """
        gain = self.gain + other.gain
        light = self.gain * self.offset + other.gain * other.offset
        offset = light / gain if gain > 0 else self.offset
        return Noise(gain=gain, read=math.hypot(self.read, other.read), offset=offset)

    def minus(self, other: Noise) -> Noise:
        """Return what an image of another noise lacks to have this one; nothing is below zero."""
        # What rounding leaves of equal ones is no noise.
        gain = self.gain - other.gain
        read2 = self.read**2 - other.read**2 - other.gain * (self.offset - other.offset)
        return replace(
            self,
            gain=gain if gain > 1e-9 * self.gain else 0.0,
            read=math.sqrt(read2) if read2 > 1e-9 * self.read**2 else 0.0,
        )

    def apply(self, image: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return `image` with noise: photons by Poisson's law, then a Gaussian for the read-out.

        Parameters
        ----------
        image : ndarray of any shape and dtype
            The image without noise. NaN stays NaN; below the offset there are no photons.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of float64, of the image's shape
            Neither rounded nor clipped; a copy where both gain and read are 0.
        """
        noisy = np.array(image, dtype=np.float64)
        if self.gain > 0:
            photons = np.nan_to_num(self._light(noisy)) / self.gain
            noisy += self.gain * (rng.poisson(photons) - photons)
        if self.read > 0:
            noisy += rng.normal(0.0, self.read, noisy.shape)
        return noisy

    def _light(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(image - self.offset, 0.0)


NO_NOISE = Noise()


def known_fields(cls: type[Any], d: object) -> dict[str, Any]:
    """Return `d` as a dict if all its keys are fields of `cls`."""
    names = [field.name for field in fields(cls)]
    if not isinstance(d, Mapping) or not set(d) <= set(names):
        raise ValueError(
            f"A {cls.__name__.lower()} is a mapping of {', '.join(names)}, but this is {d!r}."
        )
    return dict(d)
