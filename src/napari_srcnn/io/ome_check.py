"""What an OME-XML may not ask of who reads the file: other folders, and lists without end."""

from __future__ import annotations

import math
import os
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

import tifffile

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.ome_read import parse
from napari_srcnn.io.tiff_check import check_file

if TYPE_CHECKING:
    from napari_srcnn.io.tiff_check import Chain

#: tifffile keeps a list with a place for each plane that is described, there or not.
MOST_PLANES = 2**20


def check_ome(path: Path, tif: tifffile.TiffFile, chain: Chain) -> None:
    """Raise StackError where the description of an open file leads astray.

    Parameters
    ----------
    path : Path
        The file, for messages.
    tif : tifffile.TiffFile
        Not yet asked for its images.
    chain : Chain
        Of the file's pages.
    """
    root = parse(tif.ome_metadata) if tif.ome_metadata else None
    if root is None:
        return
    opened = Path(tif.filehandle.path)
    pages = {str(root.get("UUID")): (chain if opened == path.absolute() else check_file(opened))}
    own = next(iter(pages.values()))
    for pixels in (p for image in _called(root, "Image") for p in _called(image, "Pixels")):
        axes = pixels.get("DimensionOrder", "")[::-1]
        sizes = [_whole(pixels.get(f"Size{axis}"), 1) for axis in axes]
        sides = []
        counts = [prod(sizes[:-2])]
        for data in _called(pixels, "TiffData"):
            counts += [_whole(data.get(name), 0) for name in ("NumPlanes", "PlaneCount")]
            begun = _whole(data.get("IFD"), 0)
            uuids = _called(data, "UUID")
            lies_in = _chain_of(path, opened, uuids[0], pages) if uuids else own
            sides += [] if lies_in is None else [lies_in.pixels_from(begun)]
        samples = [_whole(one.get("SamplesPerPixel"), 1) for one in _called(pixels, "Channel")[:1]]
        if "C" in axes and samples:
            # Channels hold the samples, and are as many fewer.
            sizes[axes.index("C")] //= samples[0] or 1
        described = prod([*sizes, *samples])
        # Where all files are missing, no list is made.
        counts.append(described // min(sides, default=described or 1))
        if max(counts) > MOST_PLANES:
            raise _too_many(path, max(counts))
    for along in root.iter():
        if along.tag[:-1].endswith("Along"):
            steps = _steps(along)
            if not steps <= MOST_PLANES:
                raise _too_many(path, steps)


def check_index(path: Path, tif: tifffile.TiffFile) -> None:
    """Raise StackError where an index of Micro-Manager's names files outside of its folder."""
    index = Path(tif.filehandle.path).with_name("NDTiff.index")
    if index.is_file() and tif.is_ndtiff:
        for entry in tifffile.tifffile.read_ndtiff_index(index):
            if not is_below(index.parent, str(entry[1])):
                raise leads_away(path, str(entry[1]))


def is_below(folder: Path, name: str) -> bool:
    """Tell whether a name that a file gives of another one leads to a place below a folder."""
    # By the words alone: links are the file system's and its owner's.
    root = os.path.normpath(folder.absolute())
    place = os.path.normpath(Path(root, name))
    return place.startswith(str(Path(root, "x"))[:-1])


def leads_away(path: Path, name: str) -> StackError:
    """Return the error of a file that names one outside of its folder."""
    return StackError(
        f"{path.name} names a part of its image outside of its folder ({name}), which is not read; "
        "put the files into one folder"
    )


def _chain_of(path: Path, opened: Path, uuid: Element, known: dict[str, Chain]) -> Chain | None:
    """Return the pages of a file that a part of the image lies in; None of one that is missing."""
    said, name = str(uuid.text), uuid.get("FileName", "")
    if said in known:
        return known[said]
    if name.lower() == opened.name.lower():
        return next(iter(known.values()))
    if not is_below(opened.parent, name):
        raise leads_away(path, name)
    try:
        there = (opened.parent / name).is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        return None
    known[said] = check_file(opened.parent / name)
    return known[said]


def _called(parent: Element, name: str) -> list[Element]:
    """Return the children that tifffile takes for `name`: whatever namespace they are of."""
    return [child for child in parent if child.tag.endswith(name)]


def _whole(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError:
        return default


def _steps(along: Element) -> float:
    """Return how many places an axis of a modulo annotation has."""
    try:
        start, end = float(along.get("Start", "0")), float(along.get("End", "0"))
        return abs((end - start) / float(along.get("Step", "1")))
    except (ValueError, ZeroDivisionError, OverflowError):
        return 0.0 if "Start" not in along.keys() else math.inf  # noqa: SIM118 - an element


def _too_many(path: Path, planes: float) -> StackError:
    said = f"{planes:,.0f}" if planes < 1e15 else "without end"
    return StackError(
        f"{path.name} describes more planes than an image can have ({said}; at most "
        f"{MOST_PLANES:,} are read)"
    )
