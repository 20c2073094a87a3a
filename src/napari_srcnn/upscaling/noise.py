"""The noise that a network is told of an image: what was asked for, or what is measured on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_report import MeasuredNoise, measure_noise
from napari_srcnn.upscaling.resolve import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldNoise:
    """The noise of each channel as a network is told it.

    Attributes
    ----------
    noises : tuple of Noise
        One a channel or sample, or one for all; in image units, smoothing included.
    measured : tuple of MeasuredNoise
        What was measured, as many; empty where it was given, or where there is none to tell.
    """

    noises: tuple[Noise, ...]
    measured: tuple[MeasuredNoise, ...] = ()

    @property
    def text(self) -> str:
        """What was measured, in a few words; those of the noisiest channel."""
        if not self.measured:
            return ""
        loudest = max(self.measured, key=lambda one: one.level)
        of = f" (the noisiest of {len(self.measured)} channels)" if len(self.measured) > 1 else ""
        return loudest.text + of

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the measurement, each sentence once."""
        several = len(self.measured) > 1
        found = [
            f"Channel {number}: {note}" if several else note
            for number, one in enumerate(self.measured, start=1)
            for note in one.notes
        ]
        return tuple(dict.fromkeys(found))


def measure(plan: Plan, stack: Any) -> tuple[MeasuredNoise, ...]:
    """Measure the noise of an image: of each channel or sample, or one for all.

    Parameters
    ----------
    plan : Plan
        Only the image's axes matter.
    stack : array-like
        A bounded sample of it is read.
    """
    return tuple(measure_noise(part) for part in channels_of(plan, stack))


def tell(
    plan: Plan,
    stack: Any,
    ranges: Sequence[IntensityRange],
    measured: tuple[MeasuredNoise, ...] = (),
) -> ToldNoise:
    """Return the noise that the plan's network is told, measured on the image where need be.

    Parameters
    ----------
    plan : Plan
    stack : array-like
        A bounded sample of it is read where the noise is to be measured.
    ranges : sequence of IntensityRange
        Those of the image: noise beyond them makes no sense.
    measured : tuple of MeasuredNoise
        What :func:`measure` gave before, to spare the time.

    Raises
    ------
    ValueError
        If the noise that was given is larger than the image's range, or `measured` is of an image
        of other channels.
    """
    number = plan.noise_count
    # Zero keeps the grain: then there is nothing to measure.
    if plan.noise is None or plan.smoothing == 0:
        return ToldNoise(noises=(Noise(),) * number)
    if plan.noise != "auto":
        given = plan.noise * number if len(plan.noise) == 1 else plan.noise
        _check_within(given, ranges)
        return ToldNoise(noises=tuple(_times(one, plan.smoothing) for one in given))
    measured = measured or measure(plan, stack)
    if len(measured) != number:
        raise ValueError(f"{len(measured)} noises were measured for {number} channel(s).")
    return ToldNoise(
        noises=tuple(_times(one.noise, plan.smoothing) for one in measured), measured=measured
    )


def noises_of(plan: Plan, index: tuple[int, ...], noises: tuple[Noise, ...]) -> tuple[Noise, ...]:
    """Return the noises of a slice's samples, of those of the image."""
    if plan.channel_axis is not None:
        return (noises[index[plan.channel_axis]],) * plan.colors
    return noises


def channels_of(plan: Plan, stack: Any) -> list[Any]:
    """Return the channels of an image, each as a stack of shape (..., Y, X) read when indexed."""
    if plan.channel_axis is not None:
        axis = plan.channel_axis
        return [_Channel(stack, axis, i) for i in range(plan.leading[axis])]
    if plan.samples:
        return [_Sample(stack, i) for i in range(plan.colors)]
    return [stack]


class _Channel:
    """One index of a leading axis."""

    def __init__(self, stack: Any, axis: int, index: int) -> None:
        self._stack, self._axis, self._index = stack, axis, index
        self.shape = (*stack.shape[:axis], *stack.shape[axis + 1 :])
        self.dtype = np.dtype(stack.dtype)

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        part = np.asarray(self._stack[(*key[: self._axis], self._index, *key[self._axis :])])
        return part[..., 0] if part.ndim > 2 else part


class _Sample:
    """One colour sample."""

    def __init__(self, stack: Any, sample: int) -> None:
        self._stack, self._sample = stack, sample
        self.shape, self.dtype = stack.shape[:-1], np.dtype(stack.dtype)

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return np.asarray(self._stack[key])[..., self._sample]


def _times(noise: Noise, smoothing: float) -> Noise:
    return replace(noise, gain=noise.gain * smoothing**2, read=noise.read * smoothing)


def _check_within(noises: Sequence[Noise], ranges: Sequence[IntensityRange]) -> None:
    width = max((one.high - one.low for one in ranges), default=math.inf)
    for noise in noises:
        if noise.read > width > 0:
            raise ValueError(
                f"The noise that was given, {noise.read:g}, is larger than the image's range, "
                f"{width:g}; give a standard deviation in the image's own units, or 'auto'."
            )
