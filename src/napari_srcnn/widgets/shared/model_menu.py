"""How a model is told about in a menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_srcnn.models.card import ModelInfo


def about(info: ModelInfo) -> str:
    """Return what a menu's tooltip says of a model."""
    lines = [info.description, f"{info.config.parameters:,} weights"]
    scores = info.card.get("psnr") or {}
    lines += [f"{name}: {value:.2f} dB" for name, value in scores.items()]
    lines += [f"Licence: {info.card['license']}"] if "license" in info.card else []
    return "\n".join(filter(None, lines))
