"""How models, and what computes them, are told about in menus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_srcnn.models.titles import title_of

if TYPE_CHECKING:
    from napari_srcnn.models.card import ModelInfo
    from napari_srcnn.widgets.shared.messages import Loaded


def entry(info: ModelInfo) -> tuple[str, str, str]:
    """Return a model's entry in a menu: what it is called, its name, its tooltip."""
    return title_of(info), info.name, about(info)


def about(info: ModelInfo) -> str:
    """Return what a menu's tooltip says of a model: what it is for, what it gains, its file."""
    card = info.card
    lines = [what_it_is(info)]
    lines += [f"PSNR on {name}: {value:.2f} dB" for name, value in card.psnr.items()]
    lines += [f"Licence: {card.license}"] if card.license and info.bundled else []
    lines.append(info.path.name)
    return "\n".join(filter(None, lines))


def what_it_is(info: ModelInfo) -> str:
    """Return what tells a model from others, also from others of the same images."""
    card = info.card
    parts = [card.description]
    if not info.bundled and card.date:
        parts.append(f"on {card.date[:10]}")
    held = card.holdout
    if held is not None and held.psnr is not None and held.bicubic is not None:
        parts.append(f"{held.psnr - held.bicubic:+.2f} dB over bicubic on what it has not seen")
    return ", ".join(part for part in parts if part)


def device_entries(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Return the devices' entries, the fastest first.

    Why there is no GPU stands in the tooltip: below the menu it would take three lines for good.
    """
    if loaded.no_gpu is None:
        return [(one.label, one.name, "") for one in loaded.devices]
    return [("CPU (no GPU)", one.name, f"{one.label}. {loaded.no_gpu}") for one in loaded.devices]
