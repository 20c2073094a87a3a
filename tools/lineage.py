"""What weights were trained before: they may be begun from others, or go on from themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_srcnn.network.checkpoint import load_checkpoint


def before(start: Path | None) -> list[dict[str, Any]]:
    """Return the runs behind the weights that a training begins from, the first one first."""
    if start is None:
        return []
    card = load_checkpoint(start)[1]
    last = {"model": start.stem, "steps": card["steps_done"], "seconds": card["seconds"]}
    return [*card.get("before", []), last]


def in_all(card: dict[str, Any]) -> str:
    """Return the steps and the time of all runs behind a card, to be read."""
    runs = [*card.get("before", []), {"steps": card["steps_done"], "seconds": card["seconds"]}]
    steps, minutes = (sum(run[key] for run in runs) for key in ("steps", "seconds"))
    minutes = round(minutes / 60)
    time = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    return f"{steps:,} steps in {len(runs)} run{'s' * (len(runs) > 1)}, {time}, CPU"
