"""Files and folders of TIFFs as sources of training data, opened only while they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.image.units import to_micrometers
from napari_srcnn.io.tiff import SUFFIXES, read_stack, stack_name
from napari_srcnn.training.field import Box, Source


class _ClosedFile:
    """An array in a file that is open only while it is read: there can be thousands."""

    def __init__(self, path: Path, stack: Stack) -> None:
        self._path = path
        self.shape, self.dtype = stack.shape, stack.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with read_stack(self._path) as stack:
            return np.asarray(stack[key])


def sources_from_paths(
    high: Path,
    low: Path | None = None,
    *,
    axes: Sequence[str] = (),
    boxes: Sequence[Sequence[Box]] = (),
    first: bool = False,
) -> tuple[Source, ...]:
    """Open high-res images, and the low-res ones of the same fields, from files or folders.

    Parameters
    ----------
    high : Path
        A TIFF, or a folder of them.
    low : Path, optional
        The same for the low-res images; files pair up by their names, or else by their order.
    axes : sequence of str, optional
        Of each image, where the files name them wrongly.
    boxes : sequence of sequences of Box, optional
        Of each image.
    first : bool
        Open the first of a folder only.

    Returns
    -------
    tuple of Source

    Raises
    ------
    ValueError
        If there are none, they do not pair up or one cannot be read.
    """
    highs = _files(high)
    lows: Sequence[Path | None] = [None] * len(highs) if low is None else _pair(highs, _files(low))
    if first:
        highs, lows = highs[:1], lows[:1]
    found = []
    for number, (path, low_path) in enumerate(zip(highs, lows, strict=True)):
        with read_stack(path) as stack:
            data, pixel = _ClosedFile(path, stack), _pixel(stack)
            found_axes = axes[number] if number < len(axes) else stack.axes
        partner, low_pixel = None, None
        if low_path is not None:
            with read_stack(low_path) as stack:
                partner, low_pixel = _ClosedFile(low_path, stack), _pixel(stack)
        found.append(
            Source(
                name=stack_name(path),
                high=data,
                axes=found_axes,
                low=partner,
                pixel=pixel,
                low_pixel=low_pixel,
                path=path.absolute(),
                low_path=None if low_path is None else low_path.absolute(),
                boxes=tuple((b[0], b[1], b[2], b[3]) for b in boxes[number])
                if number < len(boxes)
                else (),
            )
        )
    return tuple(found)


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


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise StackError(f"There is no file or folder {path}; check its name.")
    files = sorted(
        p for p in path.iterdir() if p.name.lower().endswith(SUFFIXES) and p.name[0] != "."
    )
    if not files:
        raise StackError(
            f"There are no images in {path}; files that end in {', '.join(SUFFIXES)} are needed."
        )
    return files


def _pair(highs: Sequence[Path], lows: Sequence[Path]) -> list[Path]:
    """Return the low-res files in the order of their high-res ones."""
    names = {stack_name(path): path for path in lows}
    if all(stack_name(path) in names for path in highs):
        return [names[stack_name(path)] for path in highs]
    if len(highs) != len(lows):
        raise StackError(
            f"There are {len(highs)} high-res and {len(lows)} low-res images, of other names; as "
            "many are needed, or the same names."
        )
    return list(lows)


def _pixel(stack: Stack) -> tuple[float, float] | None:
    """Return the pixel size along Y and X in micrometers, where it is known."""
    axes = (stack.axes.index("Y"), stack.axes.index("X"))
    y, x = (to_micrometers(stack.pixel_size[i], stack.units[i]) for i in axes)
    return None if y is None or x is None else (y, x)
