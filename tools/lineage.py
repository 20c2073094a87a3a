"""What weights were trained before: they may be begun from others, or go on from themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_srcnn.network.checkpoint import load_checkpoint

CPU = "CPU"


def before(start: Path | None) -> list[dict[str, Any]]:
    """Return the runs behind the weights that a training begins from, the first one first."""
    if start is None:
        return []
    card = load_checkpoint(start)[1]
    last = {"model": start.stem, **_run(card)}
    return [*card.get("before", []), last]


def in_all(card: dict[str, Any]) -> str:
    """Return the steps and the time of all runs behind a card, to be read."""
    runs = [*card.get("before", []), _run(card)]
    steps, minutes = (sum(run[key] for run in runs) for key in ("steps", "seconds"))
    minutes = round(minutes / 60)
    time = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    devices = " and ".join(sorted({run.get("device", CPU) for run in runs}))
    return f"{steps:,} steps in {len(runs)} run{'s' * (len(runs) > 1)}, {time}, {devices}"


def device_kind(device: str) -> str:
    """Return what a run's card says of the device that it ran on."""
    return CPU if device == "cpu" else "GPU"


def _run(card: dict[str, Any]) -> dict[str, Any]:
    run = {"steps": card["steps_done"], "seconds": card["seconds"]}
    return run | ({"device": card["device"]} if card.get("device", CPU) != CPU else {})
