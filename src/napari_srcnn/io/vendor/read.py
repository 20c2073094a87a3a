"""Open the files of microscopes' own programs: Nikon's ND2, Zeiss' CZI, Leica's LIF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.io.names import stack_name
from napari_srcnn.io.tiff_check import in_one_sentence
from napari_srcnn.io.vendor import leica, nikon, zeiss
from napari_srcnn.io.vendor.found import VendorFile
from napari_srcnn.io.vendor.kinds import package_for
from napari_srcnn.io.vendor.planes import PlaneArray

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

_DAMAGED = "is damaged or of an unsupported kind"
_OPENERS: dict[str, Callable[[Any, Path], VendorFile]] = {
    ".nd2": nikon.open_file,
    ".czi": zeiss.open_file,
    ".lif": leica.open_file,
}


def read_stack(path: str | os.PathLike[str], *, series: int = 0) -> Stack:
    """Open an image of a vendor's file; see `napari_srcnn.io.read_stack`."""
    path = Path(path)
    file = _open(path)
    try:
        with in_one_sentence(path, _DAMAGED):
            names = file.names()
            if not 0 <= series < len(names):
                raise StackError(
                    f"{path.name} holds {len(names)} images; there is no number {series} "
                    "(they count from 0)"
                )
            found = file.image(series)
    except BaseException:
        file.close()
        raise
    notes = found.notes
    if len(names) > 1:
        called = f" ({names[series]})" if names[series] else ""
        notes = (f"of the file's {len(names)} images this is number {series + 1}{called}", *notes)
    return Stack(
        data=PlaneArray(path, found.reader, reopen=(_reopen, (str(path.absolute()), series))),
        axes=found.axes,
        pixel_size=found.pixel_size,
        units=found.units,
        name=stack_name(path),
        channel_names=found.channel_names,
        channel_colors=found.channel_colors,
        notes=notes,
    )


def image_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return what a file's positions or scenes are called; see `napari_srcnn.io.image_names`."""
    path = Path(path)
    file = _open(path)
    try:
        with in_one_sentence(path, _DAMAGED):
            return file.names()
    finally:
        file.close()


def _open(path: Path) -> VendorFile:
    package = package_for(path)
    with in_one_sentence(path, _DAMAGED):
        return _OPENERS[path.suffix.lower()](package, path)


def _reopen(path: str, series: int) -> PlaneArray:
    """Open the array of `path` again, for pickle."""
    data: PlaneArray = read_stack(path, series=series).data
    return data
