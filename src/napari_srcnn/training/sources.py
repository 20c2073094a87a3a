"""Files and folders of TIFFs as sources of training data, opened only while they are read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.image.units import to_micrometers
from napari_srcnn.io import SUFFIXES, is_zarr, read_stack, stack_name
from napari_srcnn.io.ome_read import parse
from napari_srcnn.training.field import Box, Source


class _ClosedFile:
    """An array in a file that is open only while it is read: there can be thousands."""

    def __init__(self, path: Path, stack: Stack) -> None:
        self._path = path
        self.shape, self.dtype = stack.shape, stack.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with read_stack(self._path) as stack:
            return np.asarray(stack[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """A file, and what it says of the image in it."""

    path: Path
    pixels: _ClosedFile
    axes: str
    pixel: tuple[float, float] | None
    is_made_here: bool
    members: frozenset[str]

    @property
    def name(self) -> str:
        return stack_name(self.path)


def _open(path: Path) -> _Image:
    with read_stack(path) as stack:
        xml = stack.metadata.get("ome_xml")
        return _Image(
            path=path,
            pixels=_ClosedFile(path, stack),
            axes=stack.axes,
            pixel=_pixel(stack),
            is_made_here="napari_srcnn" in stack.metadata,
            members=_members(path, xml),
        )


def _members(path: Path, xml: str | None) -> frozenset[str]:
    """Return the names of the files that hold the image of a file, by its OME-XML."""
    root = parse(xml) if xml else None
    found: set[str] = set()
    for image in [] if root is None else root.findall("Image"):
        names = {uuid.get("FileName") or path.name for uuid in image.iter("UUID")}
        # Of other stage positions, which a file may tell of too, are other files.
        found |= names if path.name in names else set()
    return frozenset(found | {path.name})


def sources_from_paths(
    high: Path,
    low: Path | None = None,
    *,
    axes: Sequence[str] = (),
    boxes: Sequence[Sequence[Box]] = (),
    first: bool = False,
) -> tuple[Source, ...]:
    """Open high-res images, and the low-res ones of the same fields, from files or folders.

    Of a folder what this program has made itself is left out, and files that hold one image
    together are one source; the first source's notes say so.

    Parameters
    ----------
    high : Path
        A TIFF, or a folder of them.
    low : Path, optional
        The same for the low-res images; files pair up by their names, or by the numbers in them, or
        else by their order.
    axes : sequence of str, optional
        Of each image, where the files name them wrongly.
    boxes : sequence of sequences of Box, optional
        Of each image.
    first : bool
        Return the first of a folder only; without low-res images, no more than it is opened.

    Returns
    -------
    tuple of Source

    Raises
    ------
    ValueError
        If there are none, they do not pair up or one cannot be read.
    """
    notes: list[str] = []
    highs = _images(high, notes, only_first=first and low is None)
    lows: Sequence[_Image | None]
    lows = [None] * len(highs) if low is None else _pair(highs, _images(low, notes))
    if first:
        highs, lows = highs[:1], lows[:1]
    return tuple(
        Source(
            name=image.name,
            high=image.pixels,
            axes=axes[number] if number < len(axes) else image.axes,
            low=None if partner is None else partner.pixels,
            pixel=image.pixel,
            low_pixel=None if partner is None else partner.pixel,
            path=image.path.absolute(),
            low_path=None if partner is None else partner.path.absolute(),
            boxes=tuple((b[0], b[1], b[2], b[3]) for b in boxes[number])
            if number < len(boxes)
            else (),
            notes=tuple(notes) if number == 0 else (),
        )
        for number, (image, partner) in enumerate(zip(highs, lows, strict=True))
    )


def reopened(options: dict[str, Any]) -> tuple[Source, ...]:
    """Open the images of a stopped run again.

    Raises
    ------
    ValueError
        If they were not in files, or are not there any more.
    """
    found: list[Source] = []
    for (path, low), axes, boxes in zip(
        options["paths"], options["axes"], options["boxes"], strict=True
    ):
        if path is None or (low is None and options.get("paired")):
            raise ValueError(
                "The images of the stopped run were in no file; open them, choose them as they "
                "were, and resume."
            )
        found += sources_from_paths(
            Path(path), None if low is None else Path(low), axes=[axes], boxes=[boxes]
        )
    return tuple(found)


def image_files_in(folder: Path) -> list[Path]:
    """Return the files of a folder that are learned from, in the order of their numbers."""
    files = [p for p in folder.iterdir() if p.name.lower().endswith(SUFFIXES) and p.name[0] != "."]
    return sorted(files, key=_in_order)


def _images(path: Path, notes: list[str], *, only_first: bool = False) -> list[_Image]:
    """Open a file, or a folder's images in the order of the numbers in their names."""
    if path.is_file() or is_zarr(path):
        image = _open(path)
        if image.is_made_here:
            notes.append(
                f"{path.name} was made by this program: what is learned from it is what a network "
                "made, and no original."
            )
        return [image]
    if not path.is_dir():
        raise StackError(f"There is no file or folder {path}; check its name.")
    files = image_files_in(path)
    if not files:
        raise StackError(
            f"There are no images in {path}; files that end in {', '.join(SUFFIXES)} are needed."
        )
    opened: Iterator[_Image] = (_open(file) for file in files)
    if only_first:
        opened = (image for image in opened if not image.is_made_here)
        opened = itertools.islice(opened, 1)
    images = list(opened)
    originals = [image for image in images if not image.is_made_here]
    if not originals:
        raise StackError(
            f"All images in {path} were made by this program; originals are needed to learn from."
        )
    if len(originals) < len(images):
        made = [image.path.name for image in images if image.is_made_here]
        notes.append(f"Left out, since this program made it: {_some(made)}.")
    found = [image for image in originals if _is_first_of_its_set(image, originals)]
    if len(found) < len(originals):
        notes.append(
            f"{len(originals)} files of {path} are {len(found)} image"
            f"{'s' * (len(found) > 1)} in several files."
        )
    return found


def _is_first_of_its_set(image: _Image, images: Sequence[_Image]) -> bool:
    """Tell whether a file is the one that stands for its image, which others may hold parts of."""
    wholes = [other for other in images if image.path.name in other.members]
    most = max(len(other.members) for other in wholes)
    return image is next(other for other in wholes if len(other.members) == most)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _in_order(path: Path) -> tuple[tuple[str | int, ...], str]:
    """Return what sorts 2 before 10."""
    parts = re.split(r"(\d+)", stack_name(path).lower())
    return tuple(int(part) if n % 2 else part for n, part in enumerate(parts)), path.name


def _pair(highs: Sequence[_Image], lows: Sequence[_Image]) -> list[_Image]:
    """Return the low-res images in the order of their high-res ones."""
    names = {image.name: image for image in lows}
    if all(image.name in names for image in highs):
        return [names[image.name] for image in highs]
    if len(highs) != len(lows):
        raise StackError(
            f"There are {len(highs)} high-res and {len(lows)} low-res images, of other names; as "
            "many are needed, or the same names."
        )
    for keys_of in (_varying_text, _varying_numbers):
        high_keys, low_keys = keys_of(highs), keys_of(lows)
        if high_keys is None or low_keys is None:
            continue
        partners = dict(zip(low_keys, lows, strict=True))
        if set(high_keys) == set(low_keys):
            return [partners[key] for key in high_keys]
        if keys_of is _varying_numbers and set(high_keys) & set(low_keys):
            lonely = next(
                image for image, key in zip(highs, high_keys, strict=True) if key not in partners
            )
            raise StackError(
                f"{lonely.path.name} has no partner: no low-res image has its number; give both "
                "the same names, or the same numbers."
            )
    return list(lows)


def _varying_text(images: Sequence[_Image]) -> list[str] | None:
    """Return what differs between the names: "a" and "b" of "a_sharp" and "b_sharp"."""
    names = [image.name for image in images]
    if len(names) < 2:
        return None
    start = _alike(names)
    end = _alike([name[start:][::-1] for name in names])
    return [name[start : len(name) - end] for name in names]


def _alike(names: Sequence[str]) -> int:
    """Return how many letters all names begin with."""
    letters = enumerate(zip(*names, strict=False))
    return next((n for n, some in letters if len(set(some)) > 1), min(map(len, names)))


def _varying_numbers(images: Sequence[_Image]) -> list[tuple[int, ...]] | None:
    """Return the numbers that differ between the names; None where they do not tell them apart."""
    numbers = [[int(n) for n in re.findall(r"\d+", image.name)] for image in images]
    if len({len(row) for row in numbers}) > 1:
        return None
    columns = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    keys = list(zip(*columns, strict=True))
    return keys if len(set(keys)) == len(images) else None


def _pixel(stack: Stack) -> tuple[float, float] | None:
    """Return the pixel size along Y and X in micrometers, where it is known."""
    axes = (stack.axes.index("Y"), stack.axes.index("X"))
    y, x = (to_micrometers(stack.pixel_size[i], stack.units[i]) for i in axes)
    return None if y is None or x is None else (y, x)
