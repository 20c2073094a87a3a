"""Image files: lazily read stacks with their geometry; OME-TIFF and OME-Zarr are written."""

from __future__ import annotations

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.io.names import SUFFIXES, stack_name
from napari_srcnn.io.ome_tiff import COMPRESSIONS, SUFFIX, OmeTiffWriter
from napari_srcnn.io.read import count_images, image_files, image_names, images_in, read_stack
from napari_srcnn.io.write import write_stack
from napari_srcnn.io.zarr.read import pyramid
from napari_srcnn.io.zarr.store import is_zarr
from napari_srcnn.io.zarr.target import ZarrTarget
from napari_srcnn.io.zarr.write import write_zarr

__all__ = [
    "COMPRESSIONS",
    "SUFFIX",
    "SUFFIXES",
    "OmeTiffWriter",
    "Stack",
    "StackError",
    "ZarrTarget",
    "count_images",
    "image_files",
    "image_names",
    "images_in",
    "is_zarr",
    "pyramid",
    "read_stack",
    "stack_name",
    "write_stack",
    "write_zarr",
]
