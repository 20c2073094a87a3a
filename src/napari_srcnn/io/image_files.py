"""How many images a file holds, and which files hold an image."""

from __future__ import annotations

import os
from pathlib import Path

import tifffile

from napari_srcnn.io.tiff_array import READ_ERRORS


def count_images(path: str | os.PathLike[str]) -> int:
    """Return how many images `read_stack` can read from a file; 1 where it will say what is wrong.

    Of images that several files tell of, as of stage positions, those of other files do not count.
    """
    path = Path(path)
    try:
        with tifffile.TiffFile(path) as tif:
            own = [series for series in tif.series if path.resolve() in _files(series)]
            return max(len(own), 1)
    except READ_ERRORS:
        return 1


def image_files(path: str | os.PathLike[str], image: int = 0) -> tuple[Path, ...]:
    """Return the files that together hold an image of a file: of most images, the file alone."""
    path = Path(path)
    try:
        with tifffile.TiffFile(path) as tif:
            found = [_files(series) for series in tif.series]
    except READ_ERRORS:
        return (path,)
    own = [files for files in found if path.resolve() in files]
    return tuple(sorted(own[image])) if image < len(own) else (path,)


def _files(series: tifffile.TiffPageSeries) -> set[Path]:
    parents = {id(page.parent): page.parent for page in series if page is not None}
    return {Path(parent.filehandle.path).resolve() for parent in parents.values()}
