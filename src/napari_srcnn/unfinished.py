"""Trainings that were stopped before they were over, and what they were asked for. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_srcnn.paths import user_model_dir


def state_path(name: str) -> Path:
    """Return where a run's state is kept until it is over."""
    return user_model_dir() / f"{name}.state"


def wish_path(name: str) -> Path:
    """Return where a run's wish is kept until it is over."""
    return user_model_dir() / f"{name}.run.json"


def unfinished() -> list[str]:
    """Return the names of runs that were stopped and can be resumed."""
    paths = sorted(user_model_dir().glob("*.run.json"))
    names = [path.name.removesuffix(".run.json") for path in paths]
    return [name for name in names if state_path(name).is_file()]


def read_wish(name: str) -> dict[str, Any]:
    """Return what a stopped run was asked for, as :meth:`Wish.to_dict` gives it.

    Raises
    ------
    ValueError
        If there is no such run, or its file is damaged.
    """
    path = wish_path(name)
    try:
        value = json.loads(path.read_text())
        value["paths"], value["boxes"], value["axes"], value["config"]
    except FileNotFoundError:
        known = ", ".join(unfinished()) or "none"
        raise ValueError(
            f"There is no stopped run named {name!r} to resume; there are: {known}."
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged; remove it and begin anew.") from error
    return dict(value)


def forget(name: str) -> None:
    """Remove what a run left to be resumed from."""
    for path in (state_path(name), wish_path(name)):
        path.unlink(missing_ok=True)
