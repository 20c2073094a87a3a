"""What the widgets read from a layer: pixels, axes, the slice and the part that are on screen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari import current_viewer

from napari_srcnn.image.axes import axis_letter
from napari_srcnn.image.transform import Transform
from napari_srcnn.image.units import to_micrometers, unit_name
from napari_srcnn.widgets.shared.geometry import enlarged_plane, geometry_of

if TYPE_CHECKING:
    from napari.components import Dims, ViewerModel
    from napari.layers import Image, Layer, Shapes
    from numpy.typing import NDArray

METADATA_KEY = "napari_srcnn"
# A look at what is learned from, which one may enlarge, to see what was learned.
LOW_RES = "low-res"
Index = tuple[int, ...]
Box = tuple[int, int, int, int]

# What of a layer's looks its enlargement takes over.
_LOOKS = (
    "attenuation",
    "blending",
    "colormap",
    "contrast_limits",
    "custom_interpolation_kernel_2d",
    "depiction",
    "gamma",
    "interpolation2d",
    "interpolation3d",
    "iso_threshold",
    "opacity",
    "projection_mode",
    "rendering",
    "rgb",
    "visible",
)
_PLANES = ("plane", "experimental_clipping_planes")


def is_image(layer: Layer | None) -> bool:
    """Tell whether a layer is an image that can be enlarged.

    One of ours for a look is not, nor is a result that is not whole, as a lazy one is.
    """
    if layer is None or type(layer).__name__ != "Image":
        return False
    return preview_kind(layer) in ("", LOW_RES) and not is_unfinished(layer)


def is_unfinished(layer: Layer) -> bool:
    """Tell whether a layer is a result of ours of which not all pixels are there."""
    return any(_made(layer).get(what) for what in ("partial", "lazy"))


def preview_kind(layer: Layer) -> str:
    """Return what kind of preview of ours a layer is; empty for none."""
    return str(_made(layer).get("preview", ""))


def _made(layer: Layer) -> dict[str, Any]:
    """Return what we wrote to a layer of how it was made."""
    made = layer.metadata.get(METADATA_KEY)
    return made if isinstance(made, dict) else {}


def is_made_by_us(layer: Layer) -> bool:
    """Tell whether a layer is a result or a preview of ours, also one that was read from a file."""
    return METADATA_KEY in layer.metadata


def pixels(layer: Image) -> Any:
    """Return a layer's data, unread; of a multiscale layer, the full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def dtype_of(layer: Image) -> np.dtype[Any] | None:
    """Return the type of a layer's pixels; None where numpy has none, as for torch's own."""
    try:
        dtype: np.dtype[Any] = np.dtype(pixels(layer).dtype)
    except TypeError:
        return None
    return dtype


def is_float(layer: Image) -> bool:
    """Tell whether a layer's pixels are floats."""
    dtype = dtype_of(layer)
    return dtype is not None and dtype.kind == "f"


def axes_of(layer: Image, channel_axis: int | None = None) -> str:
    """Return an axis letter for each axis of a layer's data.

    Parameters
    ----------
    layer : Image
    channel_axis : int, optional
        Which leading axis holds channels; -1 for none; by default the one that is labelled so.

    Returns
    -------
    str
        Q for a leading axis that its label says nothing of, or that repeats another.
    """
    labels = [axis_letter(label) or "" for label in layer.axis_labels]
    letters = ""
    for position, letter in enumerate(labels[:-2]):
        if channel_axis is not None and letter == "C":
            letter = ""
        if position == channel_axis:
            letter = "C"
        letters += letter if letter and letter not in letters else "Q"
    # Labels that contradict stand as they are, so that the user is told.
    letters += (labels[-2] or "Y") + (labels[-1] or "X")
    return letters + "S" * bool(layer.rgb)


def labelled_channel_axis(layer: Image) -> int:
    """Return the leading axis that is labelled as channels, or -1."""
    return axes_of(layer)[: layer.ndim - 2].find("C")


def axis_name(layer: Image, axis: int) -> str:
    """Return what to call an axis in a menu."""
    label = str(layer.axis_labels[axis])
    length = pixels(layer).shape[axis]
    # napari's own labels are -3, -2, -1.
    known = label if not label.lstrip("-").isdigit() else f"Axis {axis}"
    return f"{known} ({length})"


def current_index(layer: Image, dims: Dims) -> Index:
    """Return the leading index of the slice of a layer that is on screen (or the nearest one)."""
    position, last = _position(layer, dims)
    return tuple(int(i) for i in np.clip(np.round(position), 0, last))


def has_slice_here(layer: Image, dims: Dims) -> bool:
    """Tell whether the slider stands within a layer's slices."""
    position, last = _position(layer, dims)
    return bool(np.all((position >= -0.5) & (position <= last + 0.5)))


def _position(layer: Image, dims: Dims) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return where the slider stands along a layer's leading axes, and their last indices."""
    leading = layer.ndim - 2
    factors = in_own_units(layer, dims)
    shown = list(dims.point)[-layer.ndim :]
    point = [value * factor for value, factor in zip(shown, factors, strict=True)]
    position = np.nan_to_num(np.asarray(layer.world_to_data(point)))[:leading]
    return position, np.asarray(pixels(layer).shape[:leading], np.int64) - 1


def in_own_units(layer: Image, dims: Dims) -> list[float]:
    """Return by what the viewer's coordinates become the layer's: they may differ in units."""
    units = list(dims.units or ())[-layer.ndim :]
    if len(units) != layer.ndim:
        return [1.0] * layer.ndim
    return [
        float((1 * shown).m_as(own)) if shown.is_compatible_with(own) else 1.0
        for shown, own in zip(units, layer.units, strict=True)
    ]


def shows_planes(layer: Image, dims: Dims) -> bool:
    """Tell whether the screen shows this layer's Y and X, and nothing else."""
    if dims.ndisplay != 2:
        return False
    last = (dims.ndim - 2, dims.ndim - 1)
    return tuple(sorted(dims.displayed)) == last and layer.ndim >= 2


def visible_box(layer: Image) -> Box | None:
    """Return the part of a layer's planes that is on screen, as (y0, y1, x0, x1) in its pixels.

    None where none of it is.
    """
    height, width = pixels(layer).shape[layer.ndim - 2 : layer.ndim]
    viewer = current_viewer()
    factors = [1.0] if viewer is None else in_own_units(layer, viewer.dims)
    if viewer is not None and layer in viewer.layers and factors[-2:] != [1.0, 1.0]:
        corners = _corners_on_screen(layer, viewer, factors)
    else:
        corners = np.array(layer.corner_pixels[:, -2:], np.float64)
        if layer.multiscale:
            corners *= np.asarray(layer.downsample_factors)[layer.data_level][-2:]
    (y0, x0), (y1, x1) = np.floor(corners[0]), np.ceil(corners[1]) + 1
    box = (max(int(y0), 0), min(int(y1), height), max(int(x0), 0), min(int(x1), width))
    # napari clips to the nearest row or column where all of the layer is off screen.
    off = (box[1] - box[0] <= 1 < height) or (box[3] - box[2] <= 1 < width)
    return None if off else box


def _corners_on_screen(
    layer: Image, viewer: ViewerModel, factors: Sequence[float]
) -> NDArray[np.float64]:
    """Return the corners (2, 2) of what the camera sees, in a layer's rows and columns.

    napari's own `corner_pixels` takes the viewer's units for the layer's.
    """
    half = np.asarray(viewer.canvas.size, np.float64) / viewer.scene.camera.zoom / 2
    center = np.asarray(viewer.scene.camera.center[-2:])
    found = []
    for signs in itertools.product((-1, 1), repeat=2):
        point = np.array(list(viewer.dims.point)[-layer.ndim :], np.float64)
        point[-2:] = center + half * signs
        found.append(np.asarray(layer.world_to_data(point * factors))[-2:])
    shape = np.asarray(pixels(layer).shape[layer.ndim - 2 : layer.ndim])
    low, high = np.floor(np.min(found, axis=0)), np.ceil(np.max(found, axis=0))
    corners: NDArray[np.float64] = np.clip([low, high], 0, shape - 1)
    return corners


def pixel_size(layer: Image) -> tuple[float, float] | None:
    """Return the pixel size along Y and X in micrometers; None where no unit says so."""
    sizes = []
    for size, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        length = to_micrometers(float(size), unit_name(unit) or "")
        if length is None:
            return None
        sizes.append(length)
    return sizes[0], sizes[1]


def rectangles(shapes: Shapes, image: Image) -> tuple[Box, ...]:
    """Return the rectangles around a Shapes layer's shapes in an image's pixels.

    What reaches beyond the image is cut off, and what lies beside it is left out.
    """
    height, width = pixels(image).shape[image.ndim - 2 : image.ndim]
    factors = _unit_factors(shapes, image)
    found = []
    for corners in shapes.data:
        # Through the world: the layers may have other pixel sizes.
        points = []
        for corner in np.asarray(corners, np.float64):
            world = np.zeros(max(image.ndim, len(corner)))
            place = np.asarray(shapes.data_to_world(corner)) * factors
            world[-len(place) :] = place
            points.append(np.asarray(image.world_to_data(world[-image.ndim :]))[-2:])
        low, high = np.min(points, axis=0) + 0.5, np.max(points, axis=0) + 0.5
        y0, x0 = (max(round(n), 0) for n in low)
        y1, x1 = (min(round(n), m) for n, m in zip(high, (height, width), strict=True))
        if y0 < y1 and x0 < x1:
            found.append((y0, y1, x0, x1))
    return tuple(found)


def _unit_factors(layer: Layer, other: Layer) -> NDArray[np.float64]:
    """Return what a layer's world coordinates are multiplied by to be in another's units.

    One factor an axis of `layer`; 1 where the two are no units of one kind, as pixels and lengths
    are: napari draws those over each other, number for number.
    """
    theirs = dict(enumerate(reversed(other.units)))
    factors = np.ones(layer.ndim)
    for position, unit in enumerate(reversed(layer.units)):
        if position in theirs and unit.is_compatible_with(theirs[position]):
            factors[-1 - position] = (1 * unit).m_as(theirs[position])
    return factors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Appearance:
    """How a layer looked and where it lay at a moment; it may be changed while a job runs.

    Attributes
    ----------
    looks : dict
        Keyword arguments of ``viewer.add_image``.
    planes : dict
        Those of them that lie in the layer's pixels: ``plane`` and
        ``experimental_clipping_planes``.
    geometry : Transform
    metadata : dict
        What the image's own file says of it.
    """

    looks: dict[str, Any]
    planes: dict[str, Any]
    geometry: Transform
    metadata: dict[str, Any]

    @classmethod
    def of(cls, layer: Image) -> Appearance:
        """Look at a layer."""
        _, state, _ = layer.as_layer_data_tuple()
        return cls(
            looks={name: state[name] for name in _LOOKS if name in state},
            planes={name: state[name] for name in _PLANES if name in state},
            geometry=geometry_of(layer),
            metadata={key: value for key, value in layer.metadata.items() if key != METADATA_KEY},
        )

    def enlarged(self, factor: int, origin: tuple[int, ...] | None = None) -> dict[str, Any]:
        """Return ``viewer.add_image``'s arguments for an enlargement, or a part of it.

        Parameters
        ----------
        factor : int
        origin : tuple of int, optional
            Index of the part's first pixel.
        """
        moved: dict[str, Any] = {}
        if "plane" in self.planes:
            moved["plane"] = enlarged_plane(self.planes["plane"], factor, origin)
        cuts = self.planes.get("experimental_clipping_planes")
        if cuts:
            moved["experimental_clipping_planes"] = [
                enlarged_plane(cut, factor, origin) for cut in cuts
            ]
        return self.looks | moved | self.geometry.enlarged(factor, origin).as_arguments()
