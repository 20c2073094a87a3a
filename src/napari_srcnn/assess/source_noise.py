"""The noise of the image that a result was made of: told, or measured, or not known."""

from __future__ import annotations

from typing import Literal

from napari_srcnn.assess.planes import channels_of
from napari_srcnn.image.stack import Stack
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_report import MeasuredNoise
from napari_srcnn.models.library import default_model
from napari_srcnn.upscaling.noise import measure
from napari_srcnn.upscaling.options import DEFAULT_SCALE, Options
from napari_srcnn.upscaling.resolve import resolve
from napari_srcnn.words import count_of

Asked = Literal["auto"] | tuple[Noise, ...] | None


def noises_of(source: Stack, told: Asked, notes: list[str]) -> tuple[list[Noise | None], str]:
    """Return the noise of each channel or sample, and in words what is known of it.

    Parameters
    ----------
    source : Stack
        A bounded sample of it is read where the noise is to be measured.
    told : "auto", tuple of Noise or None
        As of `check_noise`.
    notes : list of str
        What the reader should know is added to it.

    Raises
    ------
    ValueError
        If there are more or fewer noises than channels.
    """
    channels = channels_of(source)
    if told is None:
        notes.append("No noise was told, so that nothing is said in its standard deviations.")
        return [None] * channels, ""
    if told != "auto":
        if len(told) not in (1, channels):
            raise ValueError(
                f"{count_of(len(told), 'noise')} were given and the source has "
                f"{count_of(channels, 'channel')}; give one for all or one for each."
            )
        given: list[Noise | None] = [*told]
        given *= channels if len(told) == 1 else 1
        return given, f"as given, {'; '.join(map(_in_words, told))}"
    measured = _measured(source)
    notes += dict.fromkeys(note for one in measured for note in one.notes)
    found: list[Noise | None] = [one.noise if one.is_measured else None for one in measured]
    loudest = max(measured, key=lambda one: one.level)
    if not any(found):
        notes.append(
            "The source's noise could not be measured, so that nothing is said in its standard "
            "deviations."
        )
    return found + found[-1:] * (channels - len(found)), loudest.text


def _in_words(noise: Noise) -> str:
    parts = [f"gain {noise.gain:g}"] if noise.gain else []
    return ", ".join([*parts, f"read noise {noise.read:g}", f"offset {noise.offset:g}"])


def _measured(source: Stack) -> tuple[MeasuredNoise, ...]:
    # As it is measured before an upscaling, which has one noise for all or one a channel.
    options = Options(scale=DEFAULT_SCALE, model=default_model(DEFAULT_SCALE), axes=source.axes)
    return measure(resolve(options, source), source)
