"""The endings of image files, and what a file is called without its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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


def stack_name(path: str | os.PathLike[str]) -> str:
    """Return a file's name without its ending: ``cells`` for ``cells.ome.tif``."""
    name = Path(path).name
    ending = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(ending)] if ending else Path(path).stem
