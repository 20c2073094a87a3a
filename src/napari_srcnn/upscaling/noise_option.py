"""What can be asked of the noise, checked without an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from napari_srcnn.microscope.noise import Noise, is_number

Told: TypeAlias = "Literal['auto'] | float | Noise | Sequence[float | Noise] | None"
# Twice what was measured; beyond that everything but the brightest edges is gone.
SMOOTHING = (0.0, 2.0)


def check_noise(noise: Any) -> Literal["auto"] | tuple[Noise, ...] | None:
    """Return what was asked for as noises, checked as far as that goes without an image.

    Raises
    ------
    ValueError
        If it is no noise; the message says what would be.
    """
    if noise is None:
        return None
    if isinstance(noise, str) and noise == "auto":
        return "auto"
    if isinstance(noise, Noise):
        return (noise,)
    if is_number(noise) and not isinstance(noise, bool):
        return (_read(float(noise)),)
    if isinstance(noise, Sequence) and not isinstance(noise, str | bytes) and len(noise):
        found = [check_noise(one) for one in noise]
        if all(isinstance(one, tuple) and len(one) == 1 for one in found):
            return tuple(one[0] for one in found if isinstance(one, tuple))
    raise ValueError(
        f"noise is {noise!r}; it can be 'auto', None, a standard deviation in the image's units of "
        "0 or more, a Noise, or one of these a channel."
    )


def _read(sigma: float) -> Noise:
    if sigma < 0:
        raise ValueError(f"noise is {sigma:g}; a standard deviation of 0 or more is needed.")
    return Noise(read=sigma)


def check_smoothing(smoothing: Any) -> float:
    """Return how much of the noise the network is told, if it can be so much.

    Raises
    ------
    ValueError
        If it is no number of 0 to 2.
    """
    low, high = SMOOTHING
    if not is_number(smoothing) or not low <= float(smoothing) <= high:
        raise ValueError(
            f"smoothing is {smoothing!r}; it can be {low:g} (keeps the grain) to {high:g}; 1 is as "
            "measured."
        )
    return float(smoothing)
