"""Read OME-Zarr, 0.4 and 0.5, lazily: folders, zip files and addresses."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.io.names import stack_name
from napari_srcnn.io.tiff_check import in_one_sentence
from napari_srcnn.io.zarr.array import ZarrArray
from napari_srcnn.io.zarr.bounded import bounded
from napari_srcnn.io.zarr.images import ZarrImage, images_of, ome_of
from napari_srcnn.io.zarr.meaning import Meaning, meaning_of, plain_meaning
from napari_srcnn.io.zarr.metadata import OWN
from napari_srcnn.io.zarr.store import Opened, open_store

if TYPE_CHECKING:
    import os

    import zarr

logger = logging.getLogger(__name__)

_DAMAGED = "is damaged or of an unsupported kind"
_XML = "OME/METADATA.ome.xml"


def read_stack(path: str | os.PathLike[str], *, series: int = 0) -> Stack:
    """Open an image of an OME-Zarr; see `napari_srcnn.io.read_stack`."""
    opened = open_store(path)
    try:
        with in_one_sentence(Path(opened.place), _DAMAGED):
            return _stack(opened, path, series)
    except BaseException:
        opened.close()
        raise


def image_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return what the images of an OME-Zarr are called; see `napari_srcnn.io.image_names`."""
    opened = open_store(path)
    try:
        with in_one_sentence(Path(opened.place), _DAMAGED):
            return tuple(image.name for image in images_of(opened))
    finally:
        opened.close()


def pyramid(path: str | os.PathLike[str], series: int = 0) -> tuple[ZarrArray, ...]:
    """Return the levels of an image, the full resolution first; see `read_stack`."""
    data: ZarrArray = read_stack(path, series=series).data
    return (data, *data.smaller)


def _reopen(path: str, series: int, level: int) -> ZarrArray:
    """Open a level again, for pickle."""
    return pyramid(path, series)[level]


def _stack(opened: Opened, path: str | os.PathLike[str], number: int) -> Stack:
    """Put together what an open store says."""
    import zarr

    images = images_of(opened)
    if not 0 <= number < len(images):
        raise StackError(
            f"{opened.name} holds {len(images)} images; there is no number {number} "
            "(they count from 0)"
        )
    image = images[number]
    notes: list[str] = []
    if len(images) > 1:
        called = f" ({image.name})" if image.name else ""
        notes.append(f"of the file's {len(images)} images this is number {number + 1}{called}")
    node = opened.node(image.path)
    if isinstance(node, zarr.Group):
        levels, meaning = _described(opened, image, node, notes)
    else:
        levels, meaning = [bounded(opened.name, node)], _plain(opened, node)
    full = levels[0]
    if 0 in full.shape:
        raise StackError(f"{opened.name} holds no pixels that can be read (shape {full.shape})")
    metadata = {**meaning.metadata, **_xml(opened, image)}
    place = str(path) if "://" in opened.place else str(Path(path).absolute())
    arrays = [
        ZarrArray(
            Path(opened.place), array, meaning.order, reopen=(_reopen, (place, number, level))
        )
        for level, array in enumerate(levels)
    ]
    arrays[0].smaller = tuple(arrays[1:])
    return Stack(
        data=arrays[0],
        axes=meaning.axes,
        pixel_size=meaning.pixel_size,
        units=meaning.units,
        name=stack_name(opened.place.rstrip("/")),
        channel_names=meaning.channel_names,
        channel_colors=meaning.channel_colors,
        metadata=metadata,
        notes=(*notes, *meaning.notes),
    )


def _described(
    opened: Opened, image: ZarrImage, group: zarr.Group, notes: list[str]
) -> tuple[list[zarr.Array[Any]], Meaning]:
    """Return the levels of an image that OME metadata describe, and what those mean."""
    ome = ome_of(group)
    multiscales = ome.get("multiscales") or ()
    if len(multiscales) <= image.number:
        raise StackError(f"{opened.name} names the image {image.path}, which is described nowhere")
    described = multiscales[image.number]
    paths = [str(dataset["path"]) for dataset in described.get("datasets") or ()]
    if not paths:
        raise StackError(f"{opened.name} names no arrays of its image")
    levels = [_array(opened, group, paths[0])]
    for path in paths[1:]:
        try:
            array = _array(opened, group, path)
        except StackError as error:
            notes.append(f"{error}: the smaller levels of the pyramid are left out")
            break
        before = levels[-1].shape
        if len(array.shape) != len(before) or any(
            one > other for one, other in zip(array.shape, before, strict=True)
        ):
            notes.append(f"level {path} of the pyramid, of shape {array.shape}, is left out")
            continue
        levels.append(array)
    own: Any = group.attrs.get(OWN)
    omero: Any = ome.get("omero")
    meaning = meaning_of(
        opened.name,
        described,
        omero if isinstance(omero, Mapping) else {},
        own if isinstance(own, Mapping) else {},
        levels[0].shape,
        np.dtype(levels[0].dtype),
    )
    return levels, meaning


def _array(opened: Opened, group: zarr.Group, path: str) -> zarr.Array[Any]:
    """Return the array at a path below an image's group."""
    import zarr

    if path not in group:
        raise StackError(f"{opened.name} names the array {path}, which is not in it")
    found = group[path]
    if isinstance(found, zarr.Group):
        raise StackError(f"{opened.name} holds a group at {path}, where an array should be")
    return bounded(opened.name, found)


def _plain(opened: Opened, array: zarr.Array[Any]) -> Meaning:
    """Return what an array without OME metadata means."""
    labels: Any = getattr(array.metadata, "dimension_names", None)
    if labels is None:
        labels = array.attrs.get("_ARRAY_DIMENSIONS")  # as xarray writes them
    return plain_meaning(opened.name, labels, len(array.shape))


def _xml(opened: Opened, image: ZarrImage) -> dict[str, Any]:
    """Return the OME-XML that bioformats2raw keeps beside its images."""
    if image.xml_number is None:
        return {}
    parent = image.path.rpartition("/")[0]
    text = opened.text(f"{parent}/{_XML}".lstrip("/"))
    return {} if text is None else {"ome_xml": text, "ome_image": image.xml_number}
