"""Which images a TIFF holds: what tifffile calls series, put together as their readers mean it."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.ome_check import check_index, check_ome
from napari_srcnn.io.ome_read import parse
from napari_srcnn.io.tiff_image import TiffImage
from napari_srcnn.io.tiff_meaning import PALETTE
from napari_srcnn.io.tiff_segments import Page, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_srcnn.io.tiff_check import Chain

# Kinds of files that slide scanners write, and how they call what is beside the slide.
_SLIDES = ("svs", "ndpi", "scn", "bif", "qpi", "philips", "avs")
_BESIDE = ("thumbnail", "label", "macro", "map", "overview")


def images_of(
    path: Path, tif: tifffile.TiffFile, chain: Chain
) -> tuple[list[TiffImage], tuple[str, ...]]:
    """Return the images of an open file, and sentences about what is in none of them.

    Of a set of files that the file is one of, they are those that have planes in this file.
    """
    check_ome(path, tif, chain)
    check_index(path, tif)
    numbers = _ome_numbers(tif)
    found = [
        _image(path, series, numbers.get(n, n), chain)
        for n, series in enumerate(tif.series)
        if series.shape
    ]
    own = [image for image in found if any(_lies_in(path, page) for page in image.pages)]
    images = [_with_all_planes(path, tif, image) for image in own or found]
    if any(image.kind in ("generic", "uniform") for image in images):
        images = _put_together(images, chain)
    elif not chain.alike:
        images = [
            _checked(path, image) if image.kind in ("ome", "imagej", "shaped") else image
            for image in images
        ]
    kept = [image for image in images if not _is_beside(image)]
    notes = []
    if kept and len(kept) < len(images):
        left = len(images) - len(kept)
        notes.append(
            f"{left} smaller image{'s' * (left > 1)} beside (thumbnail, label, mask) "
            f"{'are' if left > 1 else 'is'} left out"
        )
    notes += _forgotten_pages(path, tif, chain)
    return kept or images, tuple(notes)


def _image(path: Path, series: tifffile.TiffPageSeries, number: int, chain: Chain) -> TiffImage:
    """Return what tifffile found as one of ours."""
    pages = tuple(series._pages)  # as stored: iterated over, a run would give other images' pages
    run = series.dataoffset if len(pages) == 1 and series.keyframe.is_final else None
    if run is None:
        # A text may say any number of pages, all of which would be iterated over.
        if len(series) > max(len(pages), chain.pages):
            raise StackError(
                f"{path.name} is truncated: its text says that it has {len(series)} images, and it "
                f"holds {max(len(pages), chain.pages)}"
            )
        pages = tuple(series)
    return TiffImage(
        pages=pages,
        shape=tuple(int(size) for size in series.shape),
        axes=str(series.axes),
        dtype=np.dtype(series.dtype).newbyteorder("="),
        kind=series.kind,
        name=series.name,
        number=number,
        run=run,
        transform=series.transform,
        series=series,
    )


def _lies_in(path: Path, page: Page | None) -> bool:
    """Tell whether a page lies in a file, which tifffile may have open twice."""
    return page is not None and Path(page.parent.filehandle.path) == path.absolute()


def _ome_numbers(tif: tifffile.TiffFile) -> dict[int, int]:
    """Return the number of each series' image in the OME-XML, of which tifffile skips some."""
    root = parse(tif.ome_metadata) if tif.ome_metadata else None
    names = [] if root is None else [image.get("Name") or "" for image in root.findall("Image")]
    if len(names) == len(tif.series):
        return {}
    numbers: dict[int, int] = {}
    for n, series in enumerate(tif.series):
        left = [at for at, name in enumerate(names) if name == series.name]
        numbers[n] = next((at for at in left if at not in numbers.values()), n)
    return numbers


def _with_all_planes(path: Path, tif: tifffile.TiffFile, image: TiffImage) -> TiffImage:
    """Return an ImageJ image with as many planes as ImageJ's text says, where its counts disagree.

    Raises
    ------
    StackError
        The file holds fewer.
    """
    texts = tif.imagej_metadata
    if texts is None or image.kind not in ("imagej", "generic", "uniform"):
        return image
    key = image.keyframe
    said = int(texts.get("images", 1))
    planes = prod(image.shape) // max(key.size, 1)
    if said <= planes or said <= prod(image.shape) // (key.imagelength * key.imagewidth):
        return image
    stored = len(tif.pages)
    if image.run is not None and image.run + said * key.nbytes <= tif.filehandle.size:
        pages: tuple[Page | None, ...] = image.pages
    elif image.kind != "imagej" and said <= stored:
        return image  # put together from its pages
    elif said <= stored:
        pages, image = tuple(tif.pages)[:said], replace(image, run=None)
    else:
        raise StackError(
            f"{path.name} is truncated: ImageJ says that it has {said} images, and it holds "
            f"{max(planes, stored)}"
        )
    return replace(image, pages=pages, shape=(said, *key.shape), axes="I" + key.axes)


def _put_together(images: Sequence[TiffImage], chain: Chain) -> list[TiffImage]:
    """Return images of pages that look alike in their order, however each of them is stored.

    tifffile makes an image of its own of pages that are compressed otherwise or have other strips.
    """
    if any(image.series is not None and image.series.is_pyramidal for image in images):
        return list(images)
    groups: dict[Any, list[Page]] = {}
    pages = [page for image in images for page in image.pages if page is not None]
    # Tables of colours lie outside of the directories that the chain tells alike.
    alike = chain.alike and not any(image.keyframe.photometric == PALETTE for image in images)
    if not alike:
        pages = [page.aspage() for page in pages]
    if len(images) == 1 and (alike or len({_look(page) for page in pages}) < 2):
        return [replace(images[0], pages=tuple(pages))]
    for page in sorted(pages, key=lambda page: _place(page.index)):
        groups.setdefault(_look(page), []).append(page)
    found = []
    for number, group in enumerate(groups.values()):
        key = key_of(group[0])
        many = len(group) > 1
        found.append(
            TiffImage(
                pages=tuple(group),
                shape=((len(group),) if many else ()) + tuple(key.shape),
                axes="I" * many + key.axes,
                dtype=np.dtype(key.dtype).newbyteorder("="),
                kind="generic",
                number=number,
            )
        )
    return found


def _place(index: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return where a page stands among the others and those that hang on them."""
    return index if isinstance(index, tuple) else (index,)


def _look(page: Page) -> tuple[object, ...]:
    """Return what pages of one image have in common."""
    key = key_of(page)
    reduced = key.is_reduced or key.is_mask
    colors = None if key.colormap is None else key.colormap.tobytes()
    return key.shape, key.dtype, key.photometric, colors, tuple(key.extrasamples), reduced


def _checked(path: Path, image: TiffImage) -> TiffImage:
    """Return an image with pages that were read in full, as they are not all laid out alike."""
    if image.run is not None:
        return image
    handles = {id(page.parent): page.parent.filehandle for page in image.pages if page}
    closed = [handle for handle in handles.values() if handle.closed]
    for handle in closed:
        handle.open()
    try:
        pages = tuple(
            page.aspage() if page is not None and page.is_frame else page for page in image.pages
        )
    finally:
        for handle in closed:
            handle.close()
    for number, page in enumerate(pages):
        if page is not None and (page.shape, page.dtype) != (
            image.keyframe.shape,
            image.keyframe.dtype,
        ):
            raise StackError(
                f"{path.name} is damaged: its page {number + 1} ({page.shape}, {page.dtype}) does "
                f"not fit the image that it belongs to ({image.keyframe.shape}, "
                f"{image.keyframe.dtype})"
            )
    return replace(image, pages=pages)


def _is_beside(image: TiffImage) -> bool:
    """Tell whether an image is a thumbnail, a mask, or a picture of a slide's label."""
    key = image.keyframe
    if image.kind in _SLIDES and any(word in image.name.lower() for word in _BESIDE):
        return True
    return bool(key.is_reduced or key.is_mask)


def _forgotten_pages(path: Path, tif: tifffile.TiffFile, chain: Chain) -> list[str]:
    """Return a sentence about pages of a file that none of its images holds."""
    used: set[int] = set()
    for series in tif.series:
        for level in series.levels:
            if len(level._pages) == 1 and len(level) > 1:
                return []  # one run of planes; which pages they stand for is not known
            used.update(page.offset for page in level._pages if page and _lies_in(path, page))
    left = chain.pages - len(used)
    if not used or left <= 0:
        return []
    return [
        f"{left} page{'s' * (left > 1)} that the file's description does not mention "
        f"{'are' if left > 1 else 'is'} left out"
    ]
