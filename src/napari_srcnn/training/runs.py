"""Trainings that were stopped before they were over, and what they were asked for. No torch."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.models.runs import RunFiles


def state_path(name: str) -> Path:
    """Return where a run's state is kept until it is over."""
    return RunFiles.of(name).state


def options_path(name: str) -> Path:
    """Return where a run's options are kept until it is over."""
    return RunFiles.of(name).options


def stopped_runs() -> list[str]:
    """Return the names of runs that were stopped and can be resumed."""
    paths = sorted(user_model_dir().glob("*.run.json"))
    names = [path.name.removesuffix(".run.json") for path in paths]
    return [name for name in names if state_path(name).is_file() and not is_running(name)]


def read_options(name: str) -> dict[str, Any]:
    """Return what a stopped run was asked for, as :meth:`FinetuneOptions.to_dict` gives it.

    Raises
    ------
    ValueError
        If there is no such run, or its file is damaged.
    """
    path = options_path(name)
    try:
        value = json.loads(path.read_text())
        value["paths"], value["boxes"], value["axes"], value["config"]
    except FileNotFoundError:
        known = ", ".join(stopped_runs()) or "none"
        raise ValueError(
            f"There is no stopped run named {name!r} to resume; there are: {known}."
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged; remove it and begin anew.") from error
    return dict(value)


def is_running(name: str) -> bool:
    """Tell whether a run of that name is under way, here or in another process."""
    return RunFiles.of(name).is_running()


def check_not_running(name: str) -> None:
    """Raise ValueError where a run of that name is under way."""
    RunFiles.of(name).check_not_running()


def running(name: str) -> AbstractContextManager[None]:
    """Have a name for oneself while a run of it is under way.

    Raises
    ------
    ValueError
        If another run has it, or the user's folder cannot be written to.
    """
    return RunFiles.of(name).running()


def forget(name: str) -> None:
    """Remove what a run left to be resumed from."""
    RunFiles.of(name).forget()
