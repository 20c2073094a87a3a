"""What is known of a model: its card, as typed values and in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from napari_srcnn.network.config import WINDOWS, SRCNNConfig
from napari_srcnn.words import format_bytes

# Longer texts of a card are cut: it may be anybody's.
_LONGEST = 600
# What older versions called a field.
_OLDER = {"holdout": "held_apart"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """What was measured on images that training never saw.

    Attributes
    ----------
    psnr, ssim : float or None
        The network's.
    bicubic, bicubic_ssim : float or None
        Bicubic's, beside them.
    start : float or None
        PSNR of the model that training began from.
    what : str
        Which images.
    """

    psnr: float | None = None
    ssim: float | None = None
    bicubic: float | None = None
    bicubic_ssim: float | None = None
    start: float | None = None
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the images that a model was trained on look like.

    Attributes
    ----------
    kind : str
        "photograph" or "microscope", for the bundled models; else empty.
    mean, deviation : mapping of str to float
        Of each feature of :data:`napari_srcnn.image.looks.FEATURES`, over a fine-tuned model's own
        images; else empty.
    """

    kind: str = ""
    mean: Mapping[str, float] = field(default_factory=dict)
    deviation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a model does to the simplest images, without noise; all in percent.

    Attributes
    ----------
    nonlinear : float
        The largest difference, in percent of the range, between the result of an image times a plus
        b and the result times a plus b.
    overshoot, bicubic_overshoot : float
        Of an edge, how far the result goes beyond its two sides, in percent of its step.
    peak, bicubic_peak : float
        Of a single bright pixel, how bright the result's brightest pixel is.
    ring, bicubic_ring : float
        How far the result goes below the background beside that pixel.
    """

    nonlinear: float
    overshoot: float
    peak: float
    ring: float
    bicubic_overshoot: float
    bicubic_peak: float
    bicubic_ring: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a self-ensemble's spread becomes a standard deviation of what may be wrong.

    Attributes
    ----------
    weights : tuple of float
        See :func:`napari_srcnn.upscaling.spread.calibrated`.
    within : mapping of str to pair
        By what it was measured on: the share of pixels where the truth lies within one and within
        two of these standard deviations; 0.68 and 0.95 would be those of a normal law.
    """

    weights: tuple[float, ...]
    within: Mapping[str, tuple[float, float]]

    @property
    def sentence(self) -> str:
        """What was measured, to be read."""
        parts = [
            f"{100 * one:.0f} % and {100 * two:.0f} % ({plain(what)})"
            for what, (one, two) in self.within.items()
        ]
        return f"the truth lies within one and two sigmas in {', '.join(parts)} of the pixels"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Card(Mapping[str, Any]):
    """A model's card. Reads as the mapping that its file holds, too.

    A card may be anybody's: what is not of a field's type is kept in `other`, as are fields that
    this version knows nothing of, so that a card goes through :meth:`from_dict` and
    :meth:`to_dict` without a loss.

    Attributes
    ----------
    description, license, degradation, started_from, source, layout : str
        Empty where the card says nothing.
    data : str or tuple of str
        What it was trained on.
    holdout : Holdout or None
    psnr : mapping of str to float
        PSNR on Y by the name of a set of photographs.
    windows : mapping of str to pair
        What the network wants to see of a range, for ``"photograph"`` and ``"microscope"``.
    date, version, torch : str
        When it was made, and with which programs.
    steps_done, seconds : float or None
        Of the training.
    domain : Learned or None
        What its images look like.
    response : Response or None
        What it does to an edge and a single bright pixel.
    spread : Spread or None
        How the spread of its eight views is calibrated.
    other : mapping
    """

    description: str = ""
    license: str = ""
    data: str | tuple[str, ...] = ""
    degradation: str = ""
    holdout: Holdout | None = None
    psnr: Mapping[str, float] = field(default_factory=dict)
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    started_from: str = ""
    source: str = ""
    layout: str = ""
    date: str = ""
    version: str = ""
    torch: str = ""
    steps_done: float | None = None
    seconds: float | None = None
    domain: Learned | None = None
    response: Response | None = None
    spread: Spread | None = None
    other: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the card that a model file holds."""
        other = dict(values)
        known: dict[str, Any] = {}
        for name, read in _READERS.items():
            stored = name if name in other else _OLDER.get(name, name)
            if stored in other and (value := read(other[stored])) is not None:
                known[name] = value
                del other[stored]
        return cls(**known, other=other)

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON takes it, without what it says nothing of."""
        said = {name: getattr(self, name) for name in _READERS}
        if self.holdout is not None:
            said["holdout"] = _said(self.holdout)
        said["domain"] = None if self.domain is None else _said(self.domain)
        said["response"] = None if self.response is None else _said(self.response)
        if self.spread is not None:
            pairs = {what: list(pair) for what, pair in self.spread.within.items()}
            said["spread"] = {"weights": list(self.spread.weights), "within": pairs}
        said["data"] = list(self.data) if isinstance(self.data, tuple) else self.data
        said["windows"] = {kind: list(pair) for kind, pair in self.windows.items()}
        said["psnr"] = dict(self.psnr)
        return {k: v for k, v in said.items() if v is not None and v != "" and v != {}} | dict(
            self.other
        )

    @property
    def begun_from(self) -> str:
        """The model that training began from, wherever the card has it."""
        recipe = self.other.get("recipe")
        nested = recipe.get("started_from") if isinstance(recipe, Mapping) else None
        return self.started_from or plain(nested)

    def __getitem__(self, name: str) -> Any:
        return self.to_dict()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> str | tuple[str, ...] | None:
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return tuple(value)
    return _text(value)


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # an integer that no float can be
        return None


def _numbers(value: Any) -> dict[str, float] | None:
    if isinstance(value, dict) and value and all(_number(n) is not None for n in value.values()):
        return value
    return None


def _pairs(value: Any) -> dict[str, tuple[float, float]] | None:
    # Checked where the file is read: a window changes every pixel.
    return {kind: (low, high) for kind, (low, high) in value.items()} if value else None


def _holdout(value: Any) -> Holdout | None:
    """Return the figures; None where there is anything else among them."""
    if not isinstance(value, dict) or not value:
        return None
    parts = {part.name: _text if part.name == "what" else _number for part in fields(Holdout)}
    if any(name not in parts or parts[name](one) is None for name, one in value.items()):
        return None
    return Holdout(**value)


def _learned(value: Any) -> Learned | None:
    """Return what a card says of its images; None where there is anything else among it."""
    if not isinstance(value, dict) or not value or set(value) - {"kind", "mean", "deviation"}:
        return None
    mean, deviation = (_numbers(value.get(name)) for name in ("mean", "deviation"))
    if value.get("kind") in ("photograph", "microscope") and len(value) == 1:
        return Learned(kind=value["kind"])
    if mean is None or deviation is None or set(mean) != set(deviation) or "kind" in value:
        return None
    return Learned(mean=mean, deviation=deviation)


def _response(value: Any) -> Response | None:
    names = {part.name for part in fields(Response)}
    found = _numbers(value)
    return Response(**found) if found is not None and set(found) == names else None


def _spread(value: Any) -> Spread | None:
    """Return a calibration; None where a number of it is none."""
    if not isinstance(value, dict) or set(value) != {"weights", "within"}:
        return None
    weights, within = value["weights"], value["within"]
    if (
        not isinstance(weights, list)
        or len(weights) not in (3, 4, 6, 8)
        or not _are_numbers(weights)
    ):
        return None
    if not isinstance(within, dict) or not within:
        return None
    if not all(isinstance(p, list) and len(p) == 2 and _are_numbers(p) for p in within.values()):
        return None
    pairs = {what: (float(one), float(two)) for what, (one, two) in within.items()}
    return Spread(weights=tuple(map(float, weights)), within=pairs)


def _are_numbers(values: list[Any]) -> bool:
    return all(_number(value) is not None for value in values)


def _said(part: Any) -> dict[str, Any]:
    """Return a part of a card as JSON takes it, without what it says nothing of."""
    named = ((one.name, getattr(part, one.name)) for one in fields(part))
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in named
        if value not in (None, "", {})
    }


_READERS: dict[str, Callable[[Any], Any]] = {
    "description": _text,
    "license": _text,
    "data": _texts,
    "degradation": _text,
    "holdout": _holdout,
    "psnr": _numbers,
    "windows": _pairs,
    "started_from": _text,
    "source": _text,
    "layout": _text,
    "date": _text,
    "version": _text,
    "torch": _text,
    "steps_done": _number,
    "seconds": _number,
    "domain": _learned,
    "response": _response,
    "spread": _spread,
}


# ---------------------------------------------------------------- the card in words


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of a model without loading its weights."""

    name: str
    path: Path
    config: SRCNNConfig
    card: Card
    sha256: str
    bundled: bool

    @property
    def description(self) -> str:
        """One line for a menu."""
        return plain(self.card.description)

    def window(self, kind: str) -> tuple[float, float]:
        """Return the window for ``"photograph"`` or ``"microscope"`` images."""
        low, high = self.card.windows.get(kind, WINDOWS[kind])
        return float(low), float(high)


def card_lines(info: ModelInfo) -> list[str]:
    """Return what is known of a model as lines to read: its network, its origin, its figures."""
    config, card = info.config, info.card
    channels = "RGB" if config.channels == 3 else "one channel"
    filters = "-".join(map(str, config.widths))
    entries = (
        ("Model", f"{info.name} (bundled)" if info.bundled else info.name),
        ("Scale", f"×{config.scale}"),
        (
            "Network",
            f"kernels {config.kernel_name}, filters {filters}, {channels}, "
            f"{config.parameters:,} parameters",
        ),
        ("Description", info.description),
        ("Data", plain(card.data)),
        ("Degradation", plain(card.degradation)),
        ("Held out", _measured(card.holdout)),
        ("PSNR on Y", _figures(card.psnr)),
        ("Started from", plain(card.begun_from)),
        ("Trained", _training(card)),
        ("Made of", plain(card.source)),
        (
            "Windows",
            ", ".join(
                f"{plain(kind)} {low:g}..{high:g}"
                for kind, (low, high) in sorted(card.windows.items())
            ),
        ),
        *_response_lines(card.response),
        ("Spread", "" if card.spread is None else f"calibrated: {card.spread.sentence}"),
        (
            "Made with",
            ", ".join(
                f"{program} {plain(text)}"
                for program, text in (("napari-srcnn", card.version), ("torch", card.torch))
                if text
            ),
        ),
        ("Licence", plain(card.license)),
    )
    return [f"{label}: {text}" for label, text in entries if text]


def origin_lines(info: ModelInfo) -> list[str]:
    """Return what one should know of a model from elsewhere before it is used, as lines.

    What it is, on what it was trained, under which licence, and by what its file is known; where it
    says nothing of these, that is said.
    """
    config, card = info.config, info.card
    told = ", told the noise" if config.noise else ""
    channels = "RGB" if config.channels == 3 else "one channel"
    return [
        f"Model: {info.name}",
        f"Kind: SRCNN {config.kernel_name}, ×{config.scale}, {channels}{told}",
        f"Training data: {plain(card.data) or 'states none'}",
        f"Licence: {plain(card.license) or 'states no licence'}",
        f"SHA-256: {info.sha256}",
        f"Size: {format_bytes(info.path.stat().st_size)}",
    ]


def plain(value: Any, longest: int = _LONGEST) -> str:
    """Return a card's value as one line, without what would act on a terminal; "" for None."""
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _figures(values: Mapping[str, float]) -> str:
    """Return ``Set5 36.31 dB`` and so on."""
    return ", ".join(f"{plain(name)} {value:.2f} dB" for name, value in sorted(values.items()))


def _measured(holdout: Holdout | None) -> str:
    """Return the figures on what was held out from training, beside what they compare with."""
    if holdout is None:
        return ""
    parts = []
    for label, own, unit, digits, others in (
        ("PSNR", holdout.psnr, " dB", 2, (("bicubic", holdout.bicubic), ("before", holdout.start))),
        ("SSIM", holdout.ssim, "", 4, (("bicubic", holdout.bicubic_ssim),)),
    ):
        if own is None:
            continue
        theirs = [f"{word} {x:.{digits}f}" for word, x in others if x is not None]
        text = f"{label} {own:.{digits}f}{unit}"
        parts.append(f"{text} ({', '.join(theirs)})" if theirs else text)
    what = plain(holdout.what)
    return "; ".join(parts) + (f"; on {what}" if parts and what else "")


def _response_lines(response: Response | None) -> tuple[tuple[str, str], ...]:
    """Return what a model does to gain and offset, to an edge and to a bright pixel."""
    if response is None:
        return ()
    return (
        (
            "Linear",
            "an image times a plus b gives the result times a plus b, with its own range; off by "
            f"at most {response.nonlinear:.1g} % of the range",
        ),
        (
            "Edge",
            f"overshoots by {response.overshoot:.1f} % of its step "
            f"(bicubic {response.bicubic_overshoot:.1f} %)",
        ),
        (
            "Bright pixel",
            f"becomes a peak of {response.peak:.0f} % (bicubic {response.bicubic_peak:.0f} %) with "
            f"rings {response.ring:.1f} % below the background "
            f"(bicubic {response.bicubic_ring:.1f} %)",
        ),
    )


def _training(card: Card) -> str:
    # A time of day to the minute.
    parts = [plain(card.date)[:16].replace("T", " ")]
    if card.steps_done is not None:
        parts.append(f"{card.steps_done:,.0f} steps")
    if card.seconds is not None:
        minutes, rest = divmod(round(card.seconds), 60)
        parts.append(f"{minutes} min {rest} s" if minutes else f"{rest} s")
    return ", ".join(part for part in parts if part)
