"""What is known of an image file: the pixels, what its axes are and how large a pixel is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from napari_srcnn.image.axes import MEANT, unit_fits
from napari_srcnn.image.transform import Transform, enlarged_plane
from napari_srcnn.image.units import PIXEL
from napari_srcnn.words import one_line

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray


class StackError(ValueError):
    """A file cannot be read or written; the message is one sentence that says why.

    Of what the file says of itself it holds no more than fits on a line.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(one_line(text))


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
        (ImageJ's own tags), ``"windows"`` (the intensities shown as darkest and brightest, a pair
        or None a channel), ``"layer"`` (a napari layer's attributes), ``"napari_srcnn"`` (how the
        image was made).
    notes : tuple of str
        What the file holds that the data does not, or not as the file means it: one sentence each.
    """

    data: Any
    axes: str
    pixel_size: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    name: str = ""
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[str | None, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

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
            instrument metadata come along as they are; ``metadata["layer"]`` says where the first
            new pixel's centre lies, so that old and new pixels cover the same ground.
        """
        sizes = [size for size, axis in zip(self.pixel_size, self.axes, strict=True) if axis != "S"]
        metadata = dict(self.metadata)
        if scale != 1:
            layer = dict(metadata.get("layer") or {})
            moved = Transform.of(sizes, layer).enlarged(scale)
            sizes = np.abs(moved.scale).tolist()
            layer |= {"scale": moved.scale.tolist(), "translate": moved.translate.tolist()}
            if "plane" in layer:
                layer["plane"] = enlarged_plane(layer["plane"], scale)
            clipping = layer.get("experimental_clipping_planes", ())
            if clipping:
                layer["experimental_clipping_planes"] = [
                    enlarged_plane(plane, scale) for plane in clipping
                ]
            metadata["layer"] = layer
        return {
            "axes": self.axes,
            "pixel_size": (*sizes, *self.pixel_size[len(sizes) :]),
            "units": self.units,
            "channel_names": self.channel_names,
            "channel_colors": self.channel_colors,
            "metadata": metadata,
        }

    def with_axes(self, axes: str) -> Stack:
        """Return the stack with its axes named `axes`, where the file names them wrongly.

        A pixel size goes with its letter; what was said of a letter that is no longer there, such
        as the distance of slices that are frames, is dropped.
        """
        check_axes(axes, self.ndim)
        if axes == self.axes:
            return self
        known = {
            letter: (size, unit)
            for letter, size, unit in zip(self.axes, self.pixel_size, self.units, strict=True)
            if letter in MEANT
        }
        sizes = []
        for position, letter in enumerate(axes):
            own = self.pixel_size[position], self.units[position]
            # Nothing was known of this axis, so that its size was not meant for another kind.
            fits = self.axes[position] not in MEANT and unit_fits(letter, own[1])
            sizes.append(known.get(letter) or (own if fits else (1.0, PIXEL)))
        channels = self.shape[axes.index("C")] if "C" in axes else 1
        stays = len(self.channel_names or self.channel_colors) == channels
        return replace(
            self,
            axes=axes,
            pixel_size=tuple(size for size, _ in sizes),
            units=tuple(unit for _, unit in sizes),
            channel_names=self.channel_names if stays else (),
            channel_colors=self.channel_colors if stays else (),
            metadata={
                key: value
                for key, value in self.metadata.items()
                if key != "delta_t" and (key != "windows" or len(value) == channels)
            },
        )

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
