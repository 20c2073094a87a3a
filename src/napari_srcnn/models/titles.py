"""What models are called where people choose one: in napari's menus."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_srcnn.models.card import ModelInfo

_BUNDLED = re.compile(r"srcnn-(\d-\d-\d)-x\d(?:-(\w+))?")
# By the end of a bundled model's name, and by its kernels; in the order of a menu.
_KINDS = {
    "noise": "Microscope",
    "microscopes": "Low noise",
    "": "Photograph",
    "rgb": "Colour photo",
}
_QUALITIES = {"9-5-5": "best", "9-3-5": "medium", "9-1-5": "fast"}


def title_of(info: ModelInfo) -> str:
    """Return what a model is called: "Microscope (best)"; one's own by the name it was given."""
    quality, kind = _parts(info)
    if quality not in _QUALITIES or kind not in _KINDS:
        return info.name
    return f"{_KINDS[kind]} ({_QUALITIES[quality]})"


def in_order(models: Iterable[ModelInfo], best: str | None) -> list[ModelInfo]:
    """Return models as a menu has them: the best for the image, one's own, then the bundled."""
    kinds, qualities = list(_KINDS), list(_QUALITIES)

    def key(info: ModelInfo) -> tuple[bool, bool, int, int]:
        quality, kind = _parts(info)
        is_known = quality in qualities and kind in kinds
        place = (kinds.index(kind), qualities.index(quality)) if is_known else (0, 0)
        return info.name != best, is_known, *place

    return sorted(models, key=key)


def _parts(info: ModelInfo) -> tuple[str, str]:
    """Return a bundled model's kernels and the end of its name; nothing of another."""
    found = _BUNDLED.fullmatch(info.name) if info.bundled else None
    return ("", "") if found is None else (found[1], found[2] or "")
