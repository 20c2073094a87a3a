"""Which package reads which vendor's files, and what to do where it is missing."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.names import VENDOR_SUFFIXES

if TYPE_CHECKING:
    import os

_PACKAGES = {".nd2": "nd2", ".czi": "czifile", ".lif": "liffile"}


def is_vendor(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is one of a microscope's own program, by its name."""
    return Path(path).name.lower().endswith(VENDOR_SUFFIXES)


def package_for(path: Path) -> Any:
    """Return the package that reads a file.

    Raises
    ------
    StackError
        If it is not installed; the message says how to get it. Or if there is no such file.
    """
    if not path.is_file():
        raise StackError(f"{path} does not exist" if not path.exists() else f"{path} is a folder")
    name = _PACKAGES[path.suffix.lower()]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise StackError(
            f"{path.name} is read by the package {name}, which cannot be used here ({error}); "
            'install it with: pip install "napari-srcnn[vendor]"'
        ) from error
