"""The endings of image files, and what a file is called without its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    import os

#: Endings of TIFF files.
TIFF_SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".btf", ".tf8")
#: Endings of OME-Zarr: of folders, then of zip files.
ZARR_SUFFIXES = (".ome.zarr", ".zarr", ".ome.zarr.zip", ".zarr.zip", ".ozx")
#: Endings of microscopes' own files, which packages of the extra ``vendor`` read.
VENDOR_SUFFIXES = (".nd2", ".czi", ".lif")
#: The endings that `read_stack` reads and a folder is searched for.
SUFFIXES = (*TIFF_SUFFIXES, *ZARR_SUFFIXES, *VENDOR_SUFFIXES)
# A path that was made of an address has lost one of its strokes.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//?)(?=[^/\\])")


def address_of(path: str | os.PathLike[str]) -> str | None:
    """Return `path` as an address (``https://…``), or None where it is a path."""
    found = _ADDRESS.match(str(path))
    return None if found is None else f"{found[1]}://{str(path)[found.end() :]}"


def stack_name(path: str | os.PathLike[str]) -> str:
    """Return a file's name without its ending: ``cells`` for ``cells.ome.tif``."""
    name = Path(path).name if address_of(path) is None else unquote(Path(path).name)
    ending = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(ending)] if ending else Path(name).stem


def file_name(name: str, suffix: str) -> str:
    """Return a file's name for a layer's, without what file systems and shells refuse."""
    plain = re.sub(r"\s*×(\d)", r"_x\1", name)
    return (re.sub(r'[\\/:*?"<>|\s]+', "_", plain).strip("_") or "result") + suffix
