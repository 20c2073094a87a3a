"""Packages that only some need, and what to do where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from napari_srcnn.network.checkpoint import CheckpointError

# What a package is installed as, where that is another name.
_NAMES = {"yaml": "PyYAML"}


def needed(package: str) -> Any:
    """Return a package of the extra ``export``.

    Raises
    ------
    CheckpointError
        If it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        name = _NAMES.get(package, package)
        raise CheckpointError(
            f"Files for other programs need the package {name}, which cannot be used here "
            f'({error}); install it with: pip install "napari-srcnn[export]"'
        ) from error
