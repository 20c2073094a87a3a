"""Open image files of every kind that is read: TIFF and OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.io import tiff
from napari_srcnn.io.zarr import read as zarr_read
from napari_srcnn.io.zarr.store import is_zarr

if TYPE_CHECKING:
    import os

    from napari_srcnn.image.stack import Stack


def read_stack(path: str | os.PathLike[str], *, series: int = 0) -> Stack:
    """Open an image file; planes are read when they are indexed.

    Parameters
    ----------
    path : str or path-like
        A TIFF, BigTIFF, ImageJ or OME-TIFF file (striped or tiled; of a pyramid, the full
        resolution; of a multi-file OME-TIFF, any of its files: the whole image that has planes in
        it), or an OME-Zarr of version 0.5, 0.4 or before: a folder, a zip file, or an address
        (``https://…``). Of a zarr without OME metadata, an array is an image as it is.
    series : int
        Which image of a file that holds several; see `image_names`.

    Returns
    -------
    Stack
        Its `data` keeps the file open until it is closed or collected.

    Raises
    ------
    StackError
        The file is missing, truncated, damaged, no image, or of a kind that is not supported.
    """
    return (
        zarr_read.read_stack(path, series=series)
        if is_zarr(path)
        else tiff.read_stack(path, series=series)
    )


def image_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return what the images of a file are called, in the order in which `series` counts them.

    Thumbnails, masks and pictures of a slide's label are none of them, if there is anything else.

    Parameters
    ----------
    path : str or path-like
        See `read_stack`.

    Returns
    -------
    tuple of str
        ``"image 1"`` and so on where the file has no names, and no name twice. A field of a plate
        is called as it lies in it, ``"A/1/0"``.

    Raises
    ------
    StackError
        The file cannot be read.
    """
    found = zarr_read.image_names(path) if is_zarr(path) else tiff.image_names(path)
    names: list[str] = []
    for number, given in enumerate(found, start=1):
        name = " ".join(given.split()) or f"image {number}"
        names.append(name if name not in names else f"{name} {number}")
    return tuple(names)


def count_images(path: str | os.PathLike[str]) -> int:
    """Return how many images a file holds; see `image_names`."""
    return len(image_names(path))


def image_files(path: str | os.PathLike[str], series: int = 0) -> tuple[Path, ...]:
    """Return the files that together hold an image of a file: of most images, the file alone.

    Parameters
    ----------
    path, series
        See `read_stack`.

    Raises
    ------
    StackError
        The file cannot be read.
    """
    return (Path(path),) if is_zarr(path) else tiff.image_files(path, series)
