"""The images of an OME-Zarr: one, a row of series, or the fields of a plate."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.zarr.store import Opened, is_group

if TYPE_CHECKING:
    import zarr


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarrImage:
    """Where an image lies in a store.

    Attributes
    ----------
    name : str
        Possibly empty.
    path : str
        Its group below the root, or its array where there is no OME metadata.
    number : int
        Which of the group's multiscale images it is.
    xml_number : int, optional
        Which image of the store's OME-XML it is.
    """

    name: str
    path: str
    number: int = 0
    xml_number: int | None = None


def images_of(opened: Opened) -> list[ZarrImage]:
    """Return the images of a store, in the order in which `series` counts them.

    Raises
    ------
    StackError
        There is none.
    """
    if not is_group(opened.root):
        return [ZarrImage(name="", path="")]
    found = list(_images(opened, ""))
    if not found:
        raise StackError(f"{opened.name} holds no image")
    return found


def ome_of(group: zarr.Group | zarr.Array[Any]) -> Mapping[str, Any]:
    """Return what OME says in a group's attributes: under ``ome`` since 0.5, beside it before."""
    attributes = group.attrs.asdict()
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, Mapping) else {}


def _images(opened: Opened, path: str) -> Iterator[ZarrImage]:
    """Yield the images of a group, whatever kind of group it is."""
    group = opened.group(path)
    ome = ome_of(group)
    if ome.get("multiscales"):
        yield from _multiscales(ome, path)
    elif "plate" in ome:
        for well in ome["plate"]["wells"]:
            yield from _fields(opened, _join(path, well["path"]))
    elif "well" in ome:
        yield from _fields(opened, path)
    elif "bioformats2raw.layout" in ome:
        yield from _series(opened, group, path)
    elif isinstance(ome.get("labels"), list):
        for name in ome["labels"]:
            yield from _multiscales(ome_of(opened.group(_join(path, name))), _join(path, name))
    else:
        # No OME metadata: arrays, each an image as it is.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whatever else lies in the folder
            arrays = [name for name, array in group.arrays() if len(array.shape) >= 2]
        for name in sorted(arrays):
            yield ZarrImage(name=name, path=_join(path, name))


def _multiscales(ome: Mapping[str, Any], path: str) -> Iterator[ZarrImage]:
    """Yield the images that a group describes itself: nearly always one."""
    for number, image in enumerate(ome.get("multiscales", ())):
        yield ZarrImage(name=str(image.get("name") or ""), path=path, number=number)


def _fields(opened: Opened, path: str) -> Iterator[ZarrImage]:
    """Yield the fields of a well, named as they are found in the plate: ``A/1/0``."""
    for field in ome_of(opened.group(path))["well"]["images"]:
        place = _join(path, field["path"])
        yield ZarrImage(name=place, path=place)


def _series(opened: Opened, group: zarr.Group, path: str) -> Iterator[ZarrImage]:
    """Yield the images that bioformats2raw made of one file."""
    listed: Any = None
    if "OME" in group:
        listed = ome_of(opened.group(_join(path, "OME"))).get("series")
    names = iter(listed) if listed else _numbers_in(group)
    for number, name in enumerate(names):
        place = _join(path, str(name))
        described = ome_of(opened.group(place)).get("multiscales") or [{}]
        called = str(described[0].get("name") or name)
        yield ZarrImage(name=called, path=place, xml_number=number)


def _numbers_in(group: zarr.Group) -> Iterator[str]:
    """Yield ``"0"``, ``"1"`` and so on for as long as the group has them."""
    number = 0
    while str(number) in group:
        yield str(number)
        number += 1


def _join(path: str, name: str) -> str:
    """Return the path of what is called `name` below `path`."""
    return f"{path}/{name}".strip("/")
