"""Whether an image is like those that a model was trained on, why not, and what would help."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.looks import FEATURES, Tile, look, tiles_of
from napari_srcnn.models.card import Learned, ModelInfo
from napari_srcnn.models.library import default_model, microscopes_model, model_info
from napari_srcnn.network.checkpoint import CheckpointError

Array = NDArray[np.float64]
Kind = Literal["photograph", "microscope"]

# So many deviations from what is usual nothing more is to be learned.
CLIP = 2.5
# The mean of squared deviations from a fine-tuned model's own images above which one is unlike:
# nearly none of the parts that were held out of a stack is, see docs/domain.md.
LIMIT = 3.5
# Images of 8 bits and colour are photographs; there are none of microscopes to learn from.
COLOUR = -3.0
# Of what speaks for the other kind the reasons are those that are so much of the strongest.
_WORTH, _REASONS = 0.5, 2
_FILE = Path(__file__).with_name("kinds.json")

KINDS = {
    "photograph": "photographs",
    "microscope": "microscopes' and scanners' images",
}
# What is said where a feature is larger than usual, and where it is smaller.
_SAID = {
    "quantile_05": ("its darkest parts are not black", "its darkest parts are black"),
    "quantile_25": ("little of it is dark", "much of it is dark"),
    "quantile_50": ("it is brighter", "most of it is dark background"),
    "quantile_75": ("it is brighter", "most of it is dark background"),
    "quantile_95": ("much of it is bright", "only little of it is bright"),
    "skewness": ("only few places are bright", "few places are dark"),
    "contrast": ("it has more contrast", "it has little contrast"),
    "at_least": ("much of it has the least value there is", "none of it is black"),
    "at_most": ("much of it is saturated", "none of it is saturated"),
    "levels": ("its values are finer than 8 bits", "its values are as coarse as 8 bits"),
    "power": ("it has more structure of about 10 pixels", "it has little structure of 10 pixels"),
    "axes": ("it has more horizontal and vertical lines", "its lines run in all directions"),
    "noise": ("it has more noise", "it has less noise"),
    "peaks": ("its fine detail lies in few places", "its fine detail is everywhere, as noise is"),
    "edges": ("it has sharper edges", "it has no sharp edges"),
    "neighbours": ("it is sampled coarsely", "it is sampled finely: neighbouring pixels are alike"),
}
_SLOPE = ("it has more fine detail", "it has less fine detail")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kinds:
    """What tells photographs from microscopes' images.

    Attributes
    ----------
    centre, spread : ndarray of float64, one a feature
        Of both kinds together.
    weights : ndarray of float64, two a feature
        Of the log odds of a microscope's image: of a feature in spreads from the centre, and of its
        square.
    bias : float
    means : mapping of str to ndarray
        What the weights are taken with, on average over one kind.
    within : ndarray of float64, one a feature
        The standard deviation between parts of one stack.
    """

    centre: Array
    spread: Array
    weights: Array
    bias: float
    means: Mapping[str, Array]
    within: Array

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_dict` gave.

        Raises
        ------
        ValueError
            If it is of other features than these.
        """
        if tuple(values["features"]) != FEATURES:
            raise ValueError("The kinds are of other features; run tools/fit_domain.py again.")
        return cls(
            bias=float(values["bias"]),
            means={kind: np.array(mean) for kind, mean in values["means"].items()},
            **{n: np.array(values[n]) for n in ("centre", "spread", "weights", "within")},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        arrays = {n: getattr(self, n) for n in ("centre", "spread", "weights", "within")}
        return {
            "features": list(FEATURES),
            "bias": round(self.bias, 4),
            "means": {kind: mean.round(4).tolist() for kind, mean in self.means.items()},
            **{name: array.round(4).tolist() for name, array in arrays.items()},
        }

    def log_odds(self, looks: Array) -> float:
        """Return the log odds that an image is a microscope's."""
        return float(scaled(looks, self.centre, self.spread) @ self.weights) + self.bias

    def against(self, looks: Array, kind: str) -> Array:
        """Return what of each feature speaks against an image being of a kind."""
        less = scaled(looks, self.centre, self.spread) - self.means[kind]
        parts = (less * self.weights).reshape(2, -1).sum(0)
        return np.asarray(parts if kind == "photograph" else -parts)


def scaled(looks: Array, centre: Array, spread: Array) -> Array:
    """Return features, shape (..., n), in spreads, and their squares: shape (..., 2 n)."""
    seen = ((looks - centre) / spread).clip(-CLIP, CLIP)
    return np.concatenate([seen, np.square(seen) - 1], axis=-1)


@cache
def known_kinds() -> Kinds:
    """Return what `tools/fit_domain.py` learned."""
    return Kinds.from_dict(json.loads(_FILE.read_text()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Whether an image is like those that a model was trained on.

    Attributes
    ----------
    is_like : bool or None
        None where it cannot be told: of a model that says nothing of its images, or of an image too
        small or of one value.
    kind : {"photograph", "microscope"} or None
        What the image looks like, whatever the model is.
    unlikeness : float
        What is warned of where it is above 0: log odds of the other kind; for a fine-tuned model
        the logarithm of the distance over its limit.
    reasons : tuple of str
        Why not, the strongest first.
    sentence : str
        What to tell the user, with what would help; empty where there is nothing to warn of.
    """

    is_like: bool | None = None
    kind: Kind | None = None
    unlikeness: float = math.nan
    reasons: tuple[str, ...] = ()
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looks:
    """What an image looks like.

    Attributes
    ----------
    channels : tuple of ndarray
        The features of each channel of which something can be told.
    is_colour : bool
        Whether it has colour samples of 8 bits.
    """

    channels: tuple[Array, ...]
    is_colour: bool = False

    @property
    def log_odds(self) -> float:
        """Log odds that it is a microscope's image; NaN where nothing can be told."""
        if not self.channels:
            return math.nan
        kinds = known_kinds()
        mean = float(np.mean([kinds.log_odds(one) for one in self.channels]))
        return mean + COLOUR * self.is_colour

    @property
    def kind(self) -> Kind | None:
        """Which of the two it looks like more."""
        if not self.channels:
            return None
        return "microscope" if self.log_odds > 0 else "photograph"


def look_at(stack: Any, axes: str | None = None) -> Looks:
    """Look at a few tiles of an image.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X) or (..., Y, X, S)
        A bounded sample of it is read.
    axes : str, optional
        A letter an axis; ends in S where there are colour samples.
    """
    found = [look(tiles) for tiles in tiles_of(stack, axes)]
    is_colour = axes is not None and axes.endswith("S") and stack.shape[-1] >= 3
    return Looks(
        channels=tuple(one for one in found if one is not None),
        is_colour=is_colour and np.dtype(stack.dtype) == np.uint8,
    )


def check_domain(stack: Any, model: str | Path | ModelInfo, axes: str | None = None) -> Domain:
    """Tell whether an image is like those that a model was trained on.

    What a network does to an image of another kind nobody has measured: the line between what it
    restores and what it invents was learned.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X) or (..., Y, X, S)
        At most 12 tiles of 256 x 256 pixels of it are read.
    model : str, Path or ModelInfo
        A name of :func:`list_models`, a file, or what :func:`model_info` gave.
    axes : str, optional
        A letter an axis, as ``"TCYX"``; ends in S where there are colour samples.

    Returns
    -------
    Domain

    Raises
    ------
    CheckpointError
        If there is no such model.
    """
    info = model if isinstance(model, ModelInfo) else model_info(model)
    return judge(look_at(stack, axes), info)


def judge(looks: Looks, info: ModelInfo) -> Domain:
    """Hold an image's looks against what a model was trained on."""
    learned, kind = info.card.domain, looks.kind
    if learned is None or kind is None:
        return Domain(kind=kind)
    if learned.mean:
        return _judge_own(looks, learned, info)
    sign = 1 if learned.kind == "photograph" else -1
    unlikeness = sign * looks.log_odds
    if unlikeness <= 0:
        return Domain(is_like=True, kind=kind, unlikeness=unlikeness)
    kinds = known_kinds()
    against = np.mean([kinds.against(one, learned.kind) for one in looks.channels], axis=0)
    usual = kinds.centre + kinds.spread * kinds.means[learned.kind][: len(FEATURES)]
    reasons = _reasons(against, _over(looks, usual))
    if looks.is_colour and learned.kind == "microscope":
        reasons = ("it is colour of 8 bits", *reasons)[:_REASONS]
    why = f": {' and '.join(reasons)}" if reasons else ""
    sentence = (
        f"The image looks like {KINDS[kind]}{why}; {info.name} was trained on "
        f"{KINDS[learned.kind]}. {_what_helps(kind, info.config.scale)}"
    )
    return Domain(
        is_like=False, kind=kind, unlikeness=unlikeness, reasons=reasons, sentence=sentence
    )


def _judge_own(looks: Looks, learned: Learned, info: ModelInfo) -> Domain:
    """Hold looks against those of the very images that a model was fine-tuned on."""
    distances = own_distances(looks, learned)
    unlikeness = math.log(max(float(distances.mean()), 1e-9) / LIMIT)
    if unlikeness <= 0:
        return Domain(is_like=True, kind=looks.kind, unlikeness=unlikeness)
    mean = np.array([learned.mean.get(name, 0.0) for name in FEATURES])
    reasons = _reasons(distances, _over(looks, mean))
    sentence = (
        f"The image is unlike those that {info.name} was fine-tuned on: {' and '.join(reasons)}. "
        "Fine-tune a model on images of this kind, or compare with a bundled one."
    )
    return Domain(
        is_like=False, kind=looks.kind, unlikeness=unlikeness, reasons=reasons, sentence=sentence
    )


def own_distances(looks: Looks, learned: Learned) -> Array:
    """Return each feature's squared deviation from a model's own images, on average of channels."""
    within = known_kinds().within
    mean, deviation = (
        np.array([values.get(name, math.nan) for name in FEATURES])
        for values in (learned.mean, learned.deviation)
    )
    apart = (np.array(looks.channels) - mean) / np.maximum(deviation, within)
    # Features that a card of another version does not have say nothing.
    return np.asarray(np.nan_to_num(np.square(apart).clip(0, 5 * CLIP**2)).mean(axis=0))


def learn(images: Sequence[Tile]) -> Learned | None:
    """Return what a card says of the images that a model was trained on; None of none."""
    found = [one for one in (look([image]) for image in images) if one is not None]
    if not found:
        return None
    mean, deviation = np.mean(found, axis=0), np.std(found, axis=0)
    named = [
        {name: round(float(value), 4) for name, value in zip(FEATURES, values, strict=True)}
        for values in (mean, deviation)
    ]
    return Learned(mean=named[0], deviation=named[1])


def _over(looks: Looks, usual: Array) -> Array:
    return np.asarray(np.mean(looks.channels, axis=0) - usual)


def _reasons(against: Array, over: Array) -> tuple[str, ...]:
    """Return what is said of the features that speak against an image most."""
    found: dict[str, float] = {}
    for name, share, more in zip(FEATURES, against, over, strict=True):
        if share > 0:
            words = _SAID.get(name, _SLOPE)[0 if more > 0 else 1]
            found[words] = found.get(words, 0.0) + float(share)
    strongest = max(found.values(), default=0.0)
    ordered = sorted((w for w in found if found[w] >= _WORTH * strongest), key=lambda w: -found[w])
    return tuple(ordered[:_REASONS])


def _what_helps(kind: Kind, scale: int) -> str:
    """Return the sentence about another model, of the kind that the image is."""
    try:
        other = default_model(scale) if kind == "photograph" else microscopes_model(scale)
    except CheckpointError:
        other = None
    if other is None:
        return "Fine-tune a model on images of this kind."
    return f"{other} was trained on such images; or fine-tune a model on images of this kind."
