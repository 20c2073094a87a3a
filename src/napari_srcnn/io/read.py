"""Open image files of every kind that is read: TIFF, OME-Zarr, and microscopes' own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.io import tiff
from napari_srcnn.io.vendor import read as vendor_read
from napari_srcnn.io.vendor.kinds import is_vendor
from napari_srcnn.io.zarr import read as zarr_read
from napari_srcnn.io.zarr.store import is_zarr

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from types import ModuleType

    from napari_srcnn.image.stack import Stack


def read_stack(path: str | os.PathLike[str], *, series: int = 0) -> Stack:
    """Open an image file; planes are read when they are indexed.

    Parameters
    ----------
    path : str or path-like
        A TIFF, BigTIFF, ImageJ or OME-TIFF file (striped or tiled; of a pyramid, the full
        resolution; of a multi-file OME-TIFF, any of its files: the whole image that has planes in
        it), or an OME-Zarr of version 0.5, 0.4 or before: a folder, a zip file, or an address
        (``https://…``). Of a zarr without OME metadata, an array is an image as it is. Or, with
        the extra ``vendor``, Nikon's ND2, Zeiss' CZI (a scene put together of its tiles) or Leica's
        LIF.
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
    stack: Stack = _room_of(path).read_stack(path, series=series)
    return stack


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
        is called as it lies in it, ``"A/1/0"``. Of ND2 the positions are images, of CZI the scenes,
        of LIF the images and, of tile scans, their positions.

    Raises
    ------
    StackError
        The file cannot be read.
    """
    return _told_apart(_room_of(path).image_names(path))


def _told_apart(found: Sequence[str]) -> tuple[str, ...]:
    """Return names of which none is empty, and none is there twice."""
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
    return tiff.image_files(path, series) if _room_of(path) is tiff else (Path(path),)


def images_in(path: str | os.PathLike[str]) -> tuple[tuple[str, tuple[Path, ...]], ...]:
    """Return what the images of a file are called, and the files that hold each, by one look.

    Parameters
    ----------
    path : str or path-like
        See `read_stack`.

    Returns
    -------
    tuple of (str, tuple of Path)
        As of `image_names` and of `image_files`.

    Raises
    ------
    StackError
        The file cannot be read.
    """
    if _room_of(path) is not tiff:
        return tuple((name, (Path(path),)) for name in image_names(path))
    found = tiff.images_in(path)
    names = _told_apart([name for name, _ in found])
    return tuple((name, files) for name, (_, files) in zip(names, found, strict=True))


def _room_of(path: str | os.PathLike[str]) -> ModuleType:
    """Return the module that reads a file."""
    if is_zarr(path):
        return zarr_read
    return vendor_read if is_vendor(path) else tiff
