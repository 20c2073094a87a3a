"""What a model's low-res images were made by, as far as its card says."""

from __future__ import annotations

import re

from napari_srcnn.microscope.degradation import SAMPLING_TEXT, Degradation
from napari_srcnn.models.card import Card

_BLUR = re.compile(r"blur of (\d+(?:\.\d+)?) px")


def degradation_of(card: Card | None) -> Degradation:
    """Return what a model's low-res images were made by, without their noise.

    Parameters
    ----------
    card : Card or None
        Of a network that came from no file there is none: camera pixels are taken then.

    Returns
    -------
    Degradation
        Of a card that says nothing, as those of photographs' networks, MATLAB's bicubic. Low-res
        images that were measured are taken for those of a camera.
    """
    if card is None:
        return Degradation()
    text = card.degradation
    if not text:
        return Degradation(sampling="bicubic")
    blur = _BLUR.search(text)
    named = [name for name, words in SAMPLING_TEXT.items() if words in text]
    sampling = named[0] if named else "area"
    return Degradation(sigma=float(blur[1]) if blur else 0.0, sampling=sampling)
