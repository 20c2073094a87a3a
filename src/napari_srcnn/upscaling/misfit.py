"""Whether a result, made small again, is still the image that it was made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

# So many standard deviations of the noise a result may lie from its source, in the mean: it is one
# where all of the noise was taken off, and what was taken off besides is no noise.
LIMIT = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Sums over source pixels that were looked at.

    Attributes
    ----------
    result, bicubic : float
        Squared differences between the source and the result, or bicubic, averaged over each
        source pixel's area.
    noise : float
        Variances of the noise that the network was told.
    pixels : int
    """

    result: float = 0.0
    bicubic: float = 0.0
    noise: float = 0.0
    pixels: int = 0

    def __add__(self, other: Misfit) -> Misfit:
        return Misfit(
            result=self.result + other.result,
            bicubic=self.bicubic + other.bicubic,
            noise=self.noise + other.noise,
            pixels=self.pixels + other.pixels,
        )

    def without(self, smoothing: float) -> Misfit:
        """Return the same with the noise as it is, and not as much of it as was told."""
        return replace(self, noise=self.noise / smoothing**2) if smoothing else NO_MISFIT

    @property
    def is_beyond_noise(self) -> bool:
        """Whether the result lies further from its source than bicubic and the noise explain."""
        return self.pixels > 0 and self.result > self.bicubic + LIMIT**2 * self.noise

    @property
    def sentence(self) -> str:
        """What to tell the user then."""
        if not self.noise:
            return (
                "The result, made small again, is further from the image than bicubic's: look at "
                "it beside bicubic before you use it."
            )
        times = math.sqrt(self.result / self.noise)
        return (
            f"The result, made small again, lies {times:.1f} times the noise from the image: "
            "structures were smoothed away with the noise; less smoothing keeps them."
        )


NO_MISFIT = Misfit()


def measure(
    source: Tensor, result: Tensor, bicubic: Tensor, variance: Tensor, scale: int
) -> Misfit:
    """Compare images with their source by area sampling.

    Parameters
    ----------
    source : Tensor, shape (B, S, h, w)
    result, bicubic : Tensor, shape (B, S, h * scale, w * scale)
    variance : Tensor, shape (B, S, h, w)
        Of the noise, or what can be expanded to that shape.
    scale : int

    Returns
    -------
    Misfit
        Pixels that are not finite in any of them are left out.
    """
    if not source.numel():
        return NO_MISFIT
    small, plain = (torch.nn.functional.avg_pool2d(image, scale) for image in (result, bicubic))
    off, usual = (small - source).square(), (plain - source).square()
    good = off.isfinite() & usual.isfinite()
    variance = variance.expand(source.shape)
    return Misfit(
        result=float(off[good].sum()),
        bicubic=float(usual[good].sum()),
        noise=float(variance[good].sum()),
        pixels=int(good.count_nonzero()),
    )
