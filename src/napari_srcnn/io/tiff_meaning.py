"""Tags that say what a TIFF's values mean: each is applied, kept for the writer, or said."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.ome_read import parse
from napari_srcnn.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    import tifffile
    from numpy.typing import NDArray

    from napari_srcnn.io.tiff_image import TiffImage

# TIFF's PhotometricInterpretation.
MIN_IS_WHITE, RGB, PALETTE, YCBCR, CFA = 0, 2, 3, 6, 32803
_COLOR_SPACES = {5: "inks (CMYK)", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*"}
# Compressions whose decoders turn YCbCr to RGB: JPEG in its kinds.
_JPEG = (6, 7, 33007, 34892)
_ORIENTATION, _NODATA = 274, 42113  # the second one is GDAL's
_ASSOCIATED_ALPHA, _ALPHA = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Meaning:
    """What an image's values mean beside intensities.

    Attributes
    ----------
    metadata : dict
        What the writer keeps, as keys of `Stack.metadata`.
    notes : tuple of str
        What is not kept.
    palette : ndarray of shape (N, 3), optional
        The colours that the values stand for.
    color : str, optional
        ``"#rrggbb"`` of an ImageJ look-up table from black to one colour.
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    palette: NDArray[Any] | None = None
    color: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTags:
    """Tags of a source that its enlargement is written with, so that it looks the same.

    Attributes
    ----------
    photometric : str
        What values of one sample mean, as tifffile's writer takes it.
    extrasamples : tuple of int
        What the samples beside colour or gray are.
    orientation : int, optional
        Which corner of the picture the first pixel is.
    nodata : str, optional
        The value of pixels without data.
    """

    photometric: str = "minisblack"
    extrasamples: tuple[int, ...] = ()
    orientation: int | None = None
    nodata: str | None = None

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> KeptTags:
        """Return what `Stack.metadata` keeps of them."""
        return cls(
            photometric=str(metadata.get("photometric", "minisblack")),
            extrasamples=tuple(metadata.get("extrasamples", ())),
            orientation=metadata.get("orientation"),
            nodata=metadata.get("nodata"),
        )

    def extra_samples(self, samples: int) -> list[int] | None:
        """Return the codes of the samples of a pixel beside colour or gray."""
        count = samples - (3 if samples in (3, 4) else 1)
        if len(self.extrasamples) == count:
            return list(self.extrasamples) or None
        unknown = [_ALPHA] if samples in (2, 4) else [0] * count
        return unknown or None

    def extra(self) -> list[tuple[int, int, int, Any, bool]]:
        """Return the tags that tifffile's writer has no word for."""
        tags: list[tuple[int, int, int, Any, bool]] = []
        if self.orientation is not None:
            tags.append((_ORIENTATION, 3, 1, self.orientation, True))
        if self.nodata is not None:
            tags.append((_NODATA, 2, 0, self.nodata, True))
        return tags


def meaning_of(path: Path, tif: tifffile.TiffFile, image: TiffImage) -> Meaning:
    """Return what the tags of an image say of its values.

    Raises
    ------
    StackError
        The values are no intensities, and nothing here makes some of them.
    """
    key = image.keyframe
    if key.photometric == CFA:
        raise StackError(
            f"{path.name} holds a camera's raw colour mosaic (CFA), in which neighbouring pixels "
            "have other colours; develop it to RGB first"
        )
    if key.photometric == YCBCR and key.compression not in _JPEG:
        raise StackError(
            f"{path.name} holds its colours as YCbCr, which is read from JPEG only; "
            "save it as RGB first"
        )
    metadata: dict[str, Any] = {}
    notes: list[str] = []
    if key.photometric == MIN_IS_WHITE:
        metadata["photometric"] = "miniswhite"
    if key.photometric in _COLOR_SPACES:
        notes.append(
            f"its samples are {_COLOR_SPACES[key.photometric]}; they are read as channels, without "
            "that meaning"
        )
    orientation = key.tags.valueof(_ORIENTATION, default=1)
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        metadata["orientation"] = orientation
    if key.extrasamples:
        metadata["extrasamples"] = [int(kind) for kind in key.extrasamples]
        if key.samplesperpixel == 2 and key.extrasamples[0] in (_ASSOCIATED_ALPHA, _ALPHA):
            notes.append("its second channel is its opacity (alpha)")
    if key.bitspersample < image.dtype.itemsize * 8 and image.dtype.kind in "iu":
        metadata["significant_bits"] = int(key.bitspersample)
    if key.tags.get(_NODATA) is not None:
        metadata["nodata"] = str(key.tags.valueof(_NODATA)).strip("\0 ")
        notes.append(
            f"its pixels without data have the value {metadata['nodata']}, which is enlarged as an "
            "intensity"
        )
    notes += _of_imagej(tif.imagej_metadata)
    notes += _of_ome(tif.ome_metadata, image.number)
    palette, color = None, None
    if key.photometric == PALETTE and key.colormap is not None:
        palette, color, said = _colors(np.asarray(key.colormap), imagej=tif.is_imagej)
        notes += said
    return Meaning(metadata=metadata, notes=tuple(notes), palette=palette, color=color)


def _of_imagej(texts: Mapping[str, Any] | None) -> list[str]:
    """Return sentences about what ImageJ keeps of an image and is not taken over."""
    texts = texts or {}
    notes = []
    if "cf" in texts:
        notes.append(_of_calibration(texts))
    marks = [
        word for name, word in (("ROI", "selection"), ("Overlays", "overlay")) if name in texts
    ]
    if marks:
        notes.append(f"ImageJ's {' and '.join(marks)} {'are' if marks[1:] else 'is'} left out")
    origin = [
        f"{axis} {number(value) if isinstance(value, int | float) else value}"
        for axis in "xyz"
        if (value := texts.get(f"{axis}origin"))
    ]
    if origin:
        said = f"ImageJ's origin ({', '.join(origin)}) is left out"
        notes.append(f"{said}: the first pixel lies at 0")
    tables = np.asarray(texts["LUTs"]) if len(texts.get("LUTs", ())) else np.zeros((0, 3, 256))
    each = tables[None] if tables.ndim == 2 else tables
    others = [str(n) for n, table in enumerate(each, 1) if lut_color(table) is None]
    if others:
        notes.append(
            f"the look-up table of channel {' and '.join(others)} does not run from black to one "
            "colour and is left out"
        )
    return notes


def _of_calibration(texts: Mapping[str, Any]) -> str:
    """Return a sentence about ImageJ's calibration of values."""
    coefficients = [texts[name] for name in ("c0", "c1") if name in texts]
    unit = texts.get("vunit", "")
    function = (
        f" ({number(float(coefficients[0]))} + {number(float(coefficients[1]))} × value)"
        if texts["cf"] == 0 and len(coefficients) == 2
        else ""
    )
    return (
        f"ImageJ's calibration of its values{function}{f' in {unit}' if unit else ''} is not "
        "applied: they are read as they are stored"
    )


def _of_ome(xml: str | None, image: int) -> list[str]:
    """Return a sentence about the regions of interest of one of the images of an OME-XML."""
    root = parse(xml) if xml and "ROI" in xml else None
    images = [] if root is None else root.findall("Image")
    if root is None or image >= len(images):
        return []
    # Where no image refers to any, they are everybody's.
    everybody = not any(one.findall("ROIRef") for one in images)
    count = len(root.findall("ROI") if everybody else images[image].findall("ROIRef"))
    if not count:
        return []
    are = "region of interest is" if count == 1 else f"{count} regions of interest are"
    return [f"its OME-XML's {are} left out"]


def _colors(
    colormap: NDArray[Any], *, imagej: bool
) -> tuple[NDArray[Any] | None, str | None, list[str]]:
    """Return a palette's colours, or the one colour that its intensities are shown in.

    ImageJ writes intensities with a look-up table as a palette; elsewhere its values are numbers
    of colours, and what lies between two of them is another colour.
    """
    table = colormap // 257 if colormap.max() > 255 else colormap
    color = lut_color(table)
    if color is not None:
        return None, None if color == "#ffffff" else color, []
    if imagej:
        return None, None, ["its look-up table of several colours is left out"]
    colors = np.ascontiguousarray(table.T.astype(np.uint8))
    return colors, None, ["its palette is applied: the values are colours (RGB)"]


def lut_color(table: NDArray[Any]) -> str | None:
    """Return the colour of a table (3, N) of 8 bits that runs from black to it evenly, or None."""
    if table.ndim != 2 or table.shape[0] != 3 or table.shape[1] < 2 or table[:, 0].any():
        return None
    steps = table.shape[1]
    ramp = np.outer(table[:, -1], np.arange(steps)) / (steps - 1)
    if np.abs(table - ramp).max() > 2:
        return None
    return "#" + "".join(f"{int(value):02x}" for value in table[:, -1])
