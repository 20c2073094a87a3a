"""OME-Zarr: folders, zip files and addresses of chunks, read lazily and written shard by shard."""

from __future__ import annotations

from napari_srcnn.io.zarr.codecs import COMPRESSIONS, VERSIONS
from napari_srcnn.io.zarr.levels import Level
from napari_srcnn.io.zarr.target import SUFFIX, ZarrTarget

__all__ = ["COMPRESSIONS", "SUFFIX", "VERSIONS", "Level", "ZarrTarget"]
