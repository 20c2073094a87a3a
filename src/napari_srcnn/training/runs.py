"""Trainings that were stopped before they were over, and what they were asked for. No torch."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_srcnn.models.paths import user_model_dir


def state_path(name: str) -> Path:
    """Return where a run's state is kept until it is over."""
    return user_model_dir() / f"{name}.state"


def options_path(name: str) -> Path:
    """Return where a run's options is kept until it is over."""
    return user_model_dir() / f"{name}.run.json"


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


def _claim_path(name: str) -> Path:
    return user_model_dir() / f"{name}.running"


def is_running(name: str) -> bool:
    """Tell whether a run of that name is under way, here or in another process."""
    import psutil

    try:
        number, began = _claim_path(name).read_text().split()
        return bool(abs(psutil.Process(int(number)).create_time() - float(began)) < 1)
    except (OSError, ValueError, psutil.Error):
        return False  # none, or one that has crashed


def check_not_running(name: str) -> None:
    """Raise ValueError where a run of that name is under way."""
    if is_running(name):
        raise ValueError(
            f"A run named {name!r} is under way; wait until it is over, or choose another name."
        )


@contextlib.contextmanager
def running(name: str) -> Iterator[None]:
    """Have a name for oneself while a run of it is under way.

    Raises
    ------
    ValueError
        If another run has it, or the user's folder cannot be written to.
    """
    import psutil

    path = _claim_path(name)
    check_not_running(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of one that has crashed
        with path.open("x") as file:
            file.write(f"{os.getpid()} {psutil.Process().create_time()}")
    except FileExistsError:  # a file for a folder; or, of two at one moment, the other was first
        check_not_running(name)
        raise ValueError(f"{path} cannot be written; look into that folder.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}; make room.") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def forget(name: str) -> None:
    """Remove what a run left to be resumed from."""
    for path in (state_path(name), options_path(name)):
        path.unlink(missing_ok=True)
