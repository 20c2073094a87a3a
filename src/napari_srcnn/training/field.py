"""What is learned from: fields of view as sources, as planes, and as the blocks that are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.network.config import SRCNNConfig

Box = tuple[int, int, int, int]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """High-res images, and low-res ones of the same fields where those were taken.

    Attributes
    ----------
    name : str
    high : array-like, shape as `axes`
        Read plane by plane.
    axes : str
        Of both; ends in YX or YXS. C and S are channels, each with a range of its own.
    low : array-like, optional
        The same leading axes; Y and X 2, 3 or 4 times shorter.
    boxes : tuple of (y0, y1, x0, x1)
        Rectangles in pixels of `high` that limit what is used, on every plane; all where empty.
    pixel, low_pixel : tuple of two floats, optional
        Pixel sizes along Y and X, in one unit, to check the scale with.
    path, low_path : Path, optional
        Where the images come from, so that a run can be resumed without them being open.
    notes : tuple of str
        What the user should know of how they were chosen.
    """

    name: str
    high: Any
    axes: str = "YX"
    low: Any = None
    boxes: tuple[Box, ...] = ()
    pixel: tuple[float, float] | None = None
    low_pixel: tuple[float, float] | None = None
    path: Path | None = None
    low_path: Path | None = None
    notes: tuple[str, ...] = ()


class Planes:
    """A stack as planes (position, channel), whatever its axes are.

    Parameters
    ----------
    data : array-like, shape as `axes`
    axes : str
    name : str
        For what is said of it.

    Attributes
    ----------
    shape : tuple of two ints
        Of a plane.
    leading, rest : tuple of int
        Lengths of the axes before Y and X, with the channels' and without it.
    letters : str
        Of the axes of `rest`.
    positions, channels : int

    Raises
    ------
    ValueError
        If it has no pixels, pixels that are no numbers, or axes that cannot be.
    """

    def __init__(self, data: Any, axes: str, name: str) -> None:
        if len(axes) != len(data.shape) or not axes.endswith(("YX", "YXS")):
            raise ValueError(
                f"{name} has shape {tuple(data.shape)} and axes {axes!r}; axes that end in YX or "
                "YXS are needed, a letter an axis."
            )
        if np.dtype(data.dtype).kind not in "iuf":
            raise ValueError(f"{name} is {data.dtype}; whole numbers or floats are needed.")
        self._data, self._axes = data, axes
        self.name, self.dtype = name, np.dtype(data.dtype)
        if 0 in data.shape:
            raise ValueError(f"{name} has shape {tuple(data.shape)}, and so no pixels.")
        leading = axes.index("Y")
        self.shape = tuple(int(n) for n in data.shape[leading : leading + 2])
        self.leading = tuple(int(n) for n in data.shape[:leading])
        self._channel_axis = axes.find("C") if "C" in axes[:leading] else None
        samples = int(data.shape[-1]) if axes.endswith("S") else 0
        if self._channel_axis is not None and samples:
            raise ValueError(f"{name} has channels and colour samples; split it into one of both.")
        if samples:
            self.channels = samples - (samples in (2, 4))  # without alpha
        else:
            self.channels = 1 if self._channel_axis is None else self.leading[self._channel_axis]
        others = [i for i in range(leading) if i != self._channel_axis]
        self.rest = tuple(self.leading[i] for i in others)
        self.letters = "".join(axes[i] for i in others)
        self.positions = math.prod(self.rest)

    def read(self, position: int, channel: int, box: Box) -> NDArray[np.float64]:
        """Return a rectangle of a plane, shape (y1 - y0, x1 - x0)."""
        index = [int(i) for i in np.unravel_index(position, self.rest)] if self.rest else []
        if self._channel_axis is not None:
            index.insert(self._channel_axis, channel)
        y0, y1, x0, x1 = box
        part = np.asarray(self._data[(*index, slice(y0, y1), slice(x0, x1))])
        if self._axes.endswith("S"):
            part = part[..., channel]
        return part.astype(np.float64)


class _ColoursFirst:
    """An image of colour samples, lazily as a stack (S, ..., Y, X)."""

    def __init__(self, data: Any) -> None:
        self._data, self.dtype = data, data.dtype
        samples = int(data.shape[-1])
        self.shape = (samples - (samples in (2, 4)), *data.shape[:-1])  # without alpha

    def __getitem__(self, key: tuple[Any, ...]) -> Array:
        sample, *rest = key
        return np.asarray(self._data[tuple(rest)])[..., sample]


def as_planes(data: Any, axes: str) -> Any:
    """Return a stack of shape (..., Y, X), read no sooner than indexed, of one that may end in S.

    Parameters
    ----------
    data : array-like, shape as `axes`
    axes : str

    Returns
    -------
    array-like
        `data` itself where it has no colours; otherwise what is indexed by integers and two slices.
    """
    return _ColoursFirst(data) if axes.endswith("S") else data


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A rectangle of a plane.

    Attributes
    ----------
    low : ndarray of float32, shape (y, x)
        Low-res, in the image's units; without the noise that is drawn anew for every crop.
    high : ndarray of float32, shape (y * scale, x * scale)
        The truth, in the units of `low`.
    key : tuple of two ints
        Source and channel.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    key: tuple[int, int]


def context(network: SRCNNConfig) -> int:
    """Return how many low-res pixels around a crop are read."""
    return -(-network.halo // network.scale) + 3
