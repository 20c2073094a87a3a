"""Image files: lazily read stacks with their geometry, and OME-TIFF written plane by plane."""

from __future__ import annotations

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.io.ome_tiff import COMPRESSIONS, SUFFIX, OmeTiffWriter
from napari_srcnn.io.tiff import (
    SUFFIXES,
    count_images,
    image_files,
    image_names,
    read_stack,
    stack_name,
)
from napari_srcnn.io.write import write_stack

__all__ = [
    "COMPRESSIONS",
    "SUFFIX",
    "SUFFIXES",
    "OmeTiffWriter",
    "Stack",
    "StackError",
    "count_images",
    "image_files",
    "image_names",
    "read_stack",
    "stack_name",
    "write_stack",
]
