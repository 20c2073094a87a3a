"""The power of a plane by frequency, of all images of it on one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_srcnn.assess.resolution import Curve, power_spectrum

if TYPE_CHECKING:
    from napari_srcnn.assess.assessment import Assessed


def spectra_of(plane: Assessed) -> dict[str, Curve]:
    """Return the logarithm of the power by frequency, in parts of the result's Nyquist frequency.

    Parameters
    ----------
    plane : Assessed

    Returns
    -------
    dict of str to Curve
        By "source", "result", "bicubic" and "reference"; an image that is constant or not finite
        has none. The source's power is that of the same light on the result's pixels, and ends
        where its own Nyquist frequency is.
    """
    scale = plane.images["result"].shape[0] / plane.source.shape[0]
    curves = {}
    for what, image in {"source": plane.source, **plane.images}.items():
        try:
            found = power_spectrum(image)
        except ValueError:
            continue
        growth = scale if what == "source" else 1.0
        curves[what] = Curve(
            frequency=found.frequency[1:] / growth,
            # A sum over so many times fewer pixels, squared.
            value=np.log10(np.maximum(found.value[1:], 1e-30)) + 4 * np.log10(growth),
        )
    return curves
