"""What is known of a model, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_srcnn.models.library import ModelInfo

# Longer texts of a card are cut: it may be anybody's.
_LONGEST = 600


# ---------------------------------------------------------------- the card in words


def card_lines(info: ModelInfo) -> list[str]:
    """Return what is known of a model as lines to read: its network, its origin, its figures."""
    config, card = info.config, info.card
    channels = "RGB" if config.channels == 3 else "one channel"
    filters = "-".join(map(str, config.widths))
    recipe = card.get("recipe")
    begun = card.get("started_from") or (isinstance(recipe, dict) and recipe.get("started_from"))
    entries = (
        ("Model", f"{info.name} (bundled)" if info.bundled else info.name),
        ("Scale", f"×{config.scale}"),
        (
            "Network",
            f"kernels {config.kernel_name}, filters {filters}, {channels}, "
            f"{config.parameters:,} parameters",
        ),
        ("Description", info.description),
        ("Data", plain(card.get("data"))),
        ("Degradation", plain(card.get("degradation"))),
        ("Held out", _holdout(card.get("holdout", card.get("held_apart")))),
        ("PSNR on Y", _figures(card.get("psnr"))),
        ("Started from", plain(begun or None)),
        ("Trained", _training(card)),
        ("Made of", plain(card.get("source"))),
        (
            "Windows",
            ", ".join(
                f"{plain(kind)} {low:g}..{high:g}"
                for kind, (low, high) in sorted(card.get("windows", {}).items())
            ),
        ),
        (
            "Made with",
            ", ".join(
                f"{program} {text}"
                for program, key in (("napari-srcnn", "version"), ("torch",) * 2)
                if (text := plain(card.get(key)))
            ),
        ),
        ("Licence", plain(card.get("license"))),
    )
    return [f"{label}: {text}" for label, text in entries if text]


def plain(value: Any, longest: int = _LONGEST) -> str:
    """Return a card's value as one line, without what would act on a terminal; "" for None."""
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_one and math.isfinite(value) else None


def _figures(values: Any) -> str:
    """Return ``Set5 36.31 dB`` and so on; none where a card has something else there."""
    known = values.items() if isinstance(values, dict) else ()
    return ", ".join(
        f"{plain(name)} {x:.2f} dB"
        for name, value in sorted(known)
        if (x := _number(value)) is not None
    )


def _holdout(values: Any) -> str:
    """Return the figures on what was held out from training, beside what they compare with."""
    if not isinstance(values, dict):
        return ""
    parts = []
    for key, unit, digits, others in (
        ("psnr", " dB", 2, (("bicubic", "bicubic"), ("start", "before"))),
        ("ssim", "", 4, (("bicubic_ssim", "bicubic"),)),
    ):
        if (own := _number(values.get(key))) is None:
            continue
        theirs = [
            f"{word} {x:.{digits}f}"
            for other, word in others
            if (x := _number(values.get(other))) is not None
        ]
        text = f"{key.upper()} {own:.{digits}f}{unit}"
        parts.append(f"{text} ({', '.join(theirs)})" if theirs else text)
    what = plain(values.get("what"))
    return "; ".join(parts) + (f"; on {what}" if parts and what else "")


def _training(card: dict[str, Any]) -> str:
    steps, seconds = _number(card.get("steps_done")), _number(card.get("seconds"))
    # A time of day to the minute.
    parts = [plain(card.get("date"))[:16].replace("T", " ")]
    if steps is not None:
        parts.append(f"{steps:,.0f} steps")
    if seconds is not None:
        minutes, rest = divmod(round(seconds), 60)
        parts.append(f"{minutes} min {rest} s" if minutes else f"{rest} s")
    return ", ".join(part for part in parts if part)
