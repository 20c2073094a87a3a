"""What is known of an image file: the pixels, what its axes are and how large a pixel is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from napari_srcnn.image.units import PIXEL

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray


class StackError(ValueError):
    """A file cannot be read or written; the message is one sentence that says why."""


class ArrayLike(Protocol):
    """What an image has to offer to be read slice by slice."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102 - as numpy means it
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    @property
    def ndim(self) -> int: ...  # noqa: D102
    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """An n-dimensional image with its geometry; usable as a context manager that closes its file.

    Attributes
    ----------
    data : array-like
        Shape as `axes` says. From a file it is lazy: a plane is read when it is indexed.
    axes : str
        One letter an axis: T, C, Z, then Y, X, then S for colour samples. Leading axes that the
        file gives no meaning to keep tifffile's letters (Q, I).
    pixel_size : tuple of float
        Distance between neighbouring pixels along each axis, in `units`; 1.0 where unknown. For T
        it is the time between frames.
    units : tuple of str
        Unit of each axis (``"micrometer"``, ``"second"``), ``"pixel"`` where unknown.
    name : str
        The file's name without its ending.
    channel_names : tuple of str
        One a channel, or empty.
    channel_colors : tuple of str or None
        ``"#rrggbb"`` or None, one a channel, or empty.
    metadata : dict
        What else is kept, by key, where the file has it: ``"ome_xml"`` (the whole OME-XML),
        ``"ome_image"`` and ``"channel"`` (which of that XML's images and channels the data is,
        where it is one of several),
        ``"delta_t"`` (times of the planes in seconds, nested as the leading axes), ``"imagej"``
        (ImageJ's own tags), ``"layer"`` (a napari layer's attributes), ``"napari_srcnn"`` (how the
        image was made).
    """

    data: Any
    axes: str
    pixel_size: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    name: str = ""
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[str | None, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        ndim = len(self.data.shape)
        check_axes(self.axes, ndim)
        # Frozen: what was left out is filled in behind the dataclass's back, once.
        for name, default in (("pixel_size", 1.0), ("units", PIXEL)):
            values = tuple(getattr(self, name)) or (default,) * ndim
            if len(values) != ndim:
                raise StackError(
                    f"{name} has {len(values)} values for the {ndim} axes {self.axes!r}; "
                    "give one an axis"
                )
            object.__setattr__(self, name, values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the data, as `axes`."""
        return tuple(int(size) for size in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return np.asarray(self.data[key])

    def upscaled(self, scale: float) -> dict[str, Any]:
        """Return what describes this stack after its Y and X grew by `scale`.

        Parameters
        ----------
        scale : float
            Output pixels for one input pixel along Y and X.

        Returns
        -------
        dict
            Keyword arguments for `OmeTiffWriter` and for `dataclasses.replace`: axes, pixel_size
            (divided along Y and X), units, channel names and colours, metadata. Plane times and
            instrument metadata come along as they are; a layer's ``translate`` moves with the
            centre of the first pixel.
        """
        growth = np.array([scale if axis in "YX" else 1.0 for axis in self.axes])
        metadata = dict(self.metadata)
        if "layer" in metadata:
            metadata["layer"] = _moved_layer(
                metadata["layer"], self.axes, np.array(self.pixel_size), growth
            )
        return {
            "axes": self.axes,
            "pixel_size": tuple(
                size / factor for size, factor in zip(self.pixel_size, growth.tolist(), strict=True)
            ),
            "units": self.units,
            "channel_names": self.channel_names,
            "channel_colors": self.channel_colors,
            "metadata": metadata,
        }

    def with_axes(self, axes: str) -> Stack:
        """Return the stack with its axes named `axes`, where the file names them wrongly."""
        return replace(self, axes=axes)

    def close(self) -> None:
        """Close the file behind `data`, if there is one."""
        close = getattr(self.data, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def check_axes(axes: str, ndim: int) -> None:
    """Raise StackError unless `axes` names `ndim` axes and ends in YX or YXS."""
    spatial = axes.removesuffix("S")
    if len(axes) != ndim:
        raise StackError(f"axes {axes!r} name {len(axes)} axes of an image that has {ndim}")
    if not spatial.endswith("YX") or any(axes.count(letter) != 1 for letter in "YX"):
        raise StackError(f"axes {axes!r} must end in YX, or in YXS for colour samples")
    if "S" in spatial or any(axes.count(letter) > 1 for letter in "TCZ"):
        raise StackError(f"axes {axes!r} name one axis twice; T, C, Z and S may stand once each")


def _moved_layer(
    layer: Mapping[str, Any], axes: str, pixel_size: NDArray[Any], growth: NDArray[Any]
) -> dict[str, Any]:
    """Return a layer's attributes with ``translate`` at the first new pixel's centre.

    The new pixels cover the same ground, so the first one's centre lies (1 - 1/growth)/2 old pixels
    nearer the border, through the layer's own shear and rotation.
    """
    moved = dict(layer)
    translate = layer.get("translate")
    kept = [n for n, axis in enumerate(axes) if axis != "S"]
    if translate is None or len(translate) != len(kept):
        return moved
    shift = (pixel_size * (1 / growth - 1) / 2)[kept]
    linear = np.eye(len(kept))
    if layer.get("shear") is not None:
        shear = np.asarray(layer["shear"], np.float64)
        if shear.ndim == 1:  # the entries above the diagonal, row by row
            linear[np.triu_indices(len(kept), 1)] = shear
        else:
            linear = shear
    if layer.get("rotate") is not None:
        linear = np.asarray(layer["rotate"], np.float64) @ linear
    moved["translate"] = (np.asarray(translate, np.float64) + linear @ shift).tolist()
    return moved


def nested(values: Sequence[float | None], shape: tuple[int, ...]) -> Any:
    """Return `values`, given in C order, as lists nested like `shape`."""
    array = np.empty(len(values), object)
    array[:] = list(values)
    return array.reshape(shape).tolist()
