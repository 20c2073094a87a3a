"""One image of a TIFF: the pages that it is made of, and how its planes follow on each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_srcnn.io.tiff_segments import Page, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiffImage:
    """One image of a file.

    Attributes
    ----------
    pages : tuple
        Its planes in C order; None for one that is not in the file. One page alone where the planes
        follow on each other from `run` on.
    shape : tuple of int
    axes : str
        tifffile's letters.
    dtype : dtype
        In native byte order.
    kind, name : str
        How the file describes it, and what it is called there.
    number : int
        Which of the images that the file's OME-XML describes it is.
    run : int, optional
        Where all of its pixels lie, plane after plane, uncompressed.
    transform : callable, optional
        What tifffile does to all of its values.
    """

    pages: tuple[Page | None, ...]
    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype[Any]
    kind: str
    name: str = ""
    number: int = 0
    run: int | None = None
    transform: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    series: tifffile.TiffPageSeries | None = None

    @property
    def keyframe(self) -> tifffile.TiffPage:
        """A page that says how the image is stored."""
        return next(key_of(page) for page in self.pages if page is not None)
