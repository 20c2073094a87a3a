"""What was asked for, checked against the stack and completed. Knows no torch until it loads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_srcnn.image.intensity import IntensityRange, dtype_range, measure_range
from napari_srcnn.models.choose import propose_model
from napari_srcnn.models.library import model_info
from napari_srcnn.network.config import SRCNNConfig

if TYPE_CHECKING:
    from napari_srcnn.network.model import SRCNN

DTYPES = (
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
)
MIN_TILE = 16
# What networks of photographs may see of a microscope's range, where a model's card does not say.
FALLBACK_WINDOW = {"photograph": (0.0, 1.0), "microscope": (0.2, 0.6)}

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A complete and consistent request.

    Attributes
    ----------
    source_shape, source_dtype
        Of the stack.
    axes : str
        A letter an axis; Q for a leading axis that nothing is known of.
    scale : int
    color : {"gray", "channels", "luma", "rgb"}
    alpha : bool
        Whether the last sample is alpha.
    intensity : "auto", "dtype", "none" or a tuple of pairs
    window : tuple of two floats
    dtype : numpy.dtype
        Of the result.
    tile : int or None
    tf32, half, ensemble : bool
    note : str
        What the user should be told of how this was resolved; may be empty.
    """

    source_shape: tuple[int, ...]
    source_dtype: np.dtype[Any]
    axes: str
    scale: int
    color: Literal["gray", "channels", "luma", "rgb"]
    alpha: bool
    intensity: Literal["auto", "dtype", "none"] | tuple[Pair, ...]
    window: Pair
    dtype: np.dtype[Any]
    tile: int | None
    tf32: bool
    half: bool
    ensemble: bool = False
    note: str = ""

    @property
    def samples(self) -> int:
        """Colour samples of a pixel, alpha among them; 0 where the axes do not end in S."""
        return self.source_shape[-1] if self.axes.endswith("S") else 0

    @property
    def colors(self) -> int:
        """Samples of a pixel that are not alpha (1 for gray)."""
        return max(self.samples, 1) - self.alpha

    @property
    def leading(self) -> tuple[int, ...]:
        """Lengths of the axes before Y and X."""
        return self.source_shape[: self.axes.index("Y")]

    @property
    def plane(self) -> tuple[int, int]:
        """Source pixels (Y, X)."""
        height, width = self.source_shape[len(self.leading) : len(self.leading) + 2]
        return height, width

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result."""
        height, width = (n * self.scale for n in self.plane)
        samples = (self.samples,) if self.samples else ()
        return (*self.leading, height, width, *samples)

    @property
    def channel_axis(self) -> int | None:
        """The leading axis C, if there is one."""
        position = self.axes.find("C")
        return position if 0 <= position < len(self.leading) else None

    def measure(self, stack: Any) -> tuple[IntensityRange, ...]:
        """Return the intensity ranges: one for each index of C, or one for all.

        Parameters
        ----------
        stack : array-like
            Read only where ``intensity`` is "auto", and then only a sample of it.
        """
        if self.intensity == "none":
            return (IntensityRange(0.0, 1.0, self.window),)
        if self.intensity == "dtype":
            return (IntensityRange(*dtype_range(self.source_dtype), self.window),)
        if self.intensity != "auto":
            return tuple(IntensityRange(*pair, self.window) for pair in self.intensity)
        if self.color in ("luma", "rgb") and self.source_dtype == np.uint8:
            # A photograph's own range is the dtype's: that is what its network was trained on.
            return (IntensityRange(0.0, 255.0, self.window),)
        axis, leading = self.channel_axis, self.leading
        parts: list[Any] = [_Samples(stack, slice(0, self.colors))] if self.alpha else [stack]
        if axis is not None:
            channels = [(axis, i) for i in range(leading[axis])]
            return tuple(
                measure_range(parts[0], leading, channel=channel, window=self.window)
                for channel in channels
            )
        if self.color == "channels":
            parts = [_Samples(stack, slice(i, i + 1)) for i in range(self.colors)]
        return tuple(measure_range(part, leading, window=self.window) for part in parts)

    def ranges_of(
        self, index: tuple[int, ...], ranges: tuple[IntensityRange, ...]
    ) -> tuple[IntensityRange, ...]:
        """Return the ranges of a slice's samples, of those that :meth:`measure` gave."""
        if self.channel_axis is not None and len(ranges) > 1:
            return (ranges[index[self.channel_axis]],)
        return ranges


class _Samples:
    """Some of a stack's colour samples, read as it is read."""

    def __init__(self, stack: Any, part: slice) -> None:
        self._stack, self._part = stack, part
        self.shape, self.dtype = stack.shape, stack.dtype

    def __getitem__(self, key: Any) -> Any:
        return np.asarray(self._stack[key])[..., self._part]


def resolve(
    stack: Any,
    scale: int | None,
    *,
    model: str | Path | SRCNN | None,
    axes: str | None,
    intensity: Any,
    window: Any,
    color: str | None,
    dtype: Any,
    tile: int | None,
    tf32: bool,
    half: bool,
    ensemble: bool = False,
) -> tuple[Request, str | Path | SRCNN]:
    """Check everything that was asked for, complete it, and return it with the model to use.

    Raises
    ------
    ValueError
        With one sentence that says what was wrong and what would work.
    """
    shape, source_dtype = _check_source(stack)
    axes = _check_axes(axes, shape)
    samples = shape[-1] if axes.endswith("S") else 0
    alpha = samples in (2, 4)
    why = ""
    if model is None:
        proposal = propose_model(stack, _check_scale(scale) or 2, axes)
        model, why = proposal.model, f"{proposal.model}: {proposal.why}"
    network, config, card_windows = _choose_model(model, scale)
    chosen_color = _choose_color(color, samples, source_dtype, config)
    chosen_intensity = _check_intensity(intensity, shape, axes, source_dtype, chosen_color)
    photograph = chosen_intensity == "dtype" or (samples >= 3 and source_dtype == np.uint8)
    kind = "photograph" if photograph else "microscope"
    if window is None:
        pair = card_windows.get(kind, FALLBACK_WINDOW[kind])
        chosen_window = (0.0, 1.0) if chosen_intensity == "none" else (pair[0], pair[1])
    else:
        if chosen_intensity == "none":
            raise ValueError("intensity='none' maps nothing, so it takes no window; leave it out.")
        chosen_window = _pair(window, "window")
    request = Request(
        source_shape=shape,
        source_dtype=source_dtype,
        axes=axes,
        scale=config.scale,
        color=chosen_color,
        alpha=alpha,
        intensity=chosen_intensity,
        window=chosen_window,
        dtype=_check_dtype(source_dtype if dtype is None else dtype, "result"),
        tile=_check_tile(tile),
        tf32=bool(tf32),
        half=bool(half),
        ensemble=bool(ensemble),
        note=why,
    )
    return request, network


def _check_scale(scale: Any) -> int | None:
    if scale is not None and (isinstance(scale, bool) or np.ndim(scale) or scale not in (2, 3, 4)):
        raise ValueError(f"scale is {scale!r}; it can be 2, 3 or 4.")
    return None if scale is None else int(scale)


def _check_source(stack: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if not all(hasattr(stack, name) for name in ("shape", "dtype", "__getitem__")):
        raise ValueError(
            f"An image is needed that has a shape and a dtype, as numpy arrays do, "
            f"not a {type(stack).__name__}."
        )
    if not all(math.isfinite(n) for n in stack.shape):
        # dask says NaN for the length of an axis that it will only know after computing.
        raise ValueError(
            f"The image has shape {tuple(stack.shape)}; axes of unknown length cannot be enlarged, "
            "so call compute_chunk_sizes() on the dask array first."
        )
    shape = tuple(int(n) for n in stack.shape)
    if len(shape) < 2:
        raise ValueError(f"The image has shape {shape}; at least two axes, Y and X, are needed.")
    if 0 in shape:
        raise ValueError(f"The image has shape {shape}, so it has no pixels to enlarge.")
    return shape, _check_dtype(stack.dtype)


def _check_dtype(dtype: Any, what: str = "image") -> np.dtype[Any]:
    try:
        checked: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        if what == "image":  # as of torch or tensorstore
            raise ValueError(
                f"The image's pixels are {dtype!r}, which is no dtype of numpy; "
                "convert it with numpy.asarray first."
            ) from None
        raise ValueError(f"{dtype!r} is no dtype; choose one of {', '.join(DTYPES)}.") from None
    dtype = checked
    if dtype.newbyteorder("=").name in DTYPES:
        return checked
    if dtype.kind == "b":
        raise ValueError(
            f"The {what} is a mask of bool, which has no intensities to enlarge; "
            "convert it to uint8 first."
            if what == "image"
            else f"The {what} cannot be bool; choose uint8."
        )
    if dtype.kind == "c":
        raise ValueError(
            f"The {what} is {dtype}; enlarge its magnitude or its real and imaginary parts."
        )
    raise ValueError(
        f"The {what} is {dtype}, which cannot be enlarged; choose one of {', '.join(DTYPES)}."
    )


def _check_axes(axes: Any, shape: tuple[int, ...]) -> str:
    if axes is None:
        return "Q" * (len(shape) - 2) + "YX"
    if not isinstance(axes, str):
        raise ValueError(f"axes is {axes!r}; a letter an axis is needed, as 'TCYX'.")
    axes = str(axes).upper()
    if len(axes) != len(shape):
        raise ValueError(
            f"axes {axes!r} names {len(axes)} axes, but the image has {len(shape)}: {shape}."
        )
    letters = axes.replace("Q", "")
    if not axes.isalpha() or len(set(letters)) != len(letters):
        raise ValueError(f"axes {axes!r} needs one letter an axis, each only once.")
    if not axes.endswith(("YX", "YXS")):
        raise ValueError(
            f"axes {axes!r} has to end in YX, or in YXS for colour samples; "
            "move the axes of the image first."
        )
    if axes.endswith("S") and not 1 <= shape[-1] <= 4:
        raise ValueError(
            f"axes {axes!r} ends in S, but {shape[-1]} samples are no colour; "
            "there can be 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA)."
        )
    return str(axes)


def _choose_model(
    model: str | Path | SRCNN, scale: int | None
) -> tuple[str | Path | SRCNN, SRCNNConfig, dict[str, Any]]:
    scale = _check_scale(scale)
    if isinstance(model, str | Path):
        info = model_info(model)
        config, name = info.config, info.name
        windows = info.card.get("windows", {})
    else:
        config = getattr(model, "config", None)  # type: ignore[assignment]
        if not isinstance(config, SRCNNConfig):
            raise ValueError(
                f"model is a {type(model).__name__}; a name, a path or a loaded SRCNN is needed."
            )
        info = getattr(model, "info", None)  # type: ignore[assignment]
        name = info.name if info is not None else "the given model"
        windows = info.card.get("windows", {}) if info is not None else {}
    if scale is not None and scale != config.scale:
        raise ValueError(
            f"{name} enlarges ×{config.scale}, not ×{scale}; "
            f"choose a model for ×{scale} or leave the scale out."
        )
    return model, config, windows


def _choose_color(
    color: str | None, samples: int, dtype: np.dtype[Any], config: SRCNNConfig
) -> Literal["gray", "channels", "luma", "rgb"]:
    if color not in (None, "luma", "channels"):
        raise ValueError(f"color is {color!r}; it can be 'luma' or 'channels'.")
    if config.channels == 3:
        if samples < 3:
            raise ValueError(
                "The model takes RGB, but the image has no colour samples (axes that end in S); "
                "choose a model for gray."
            )
        return "rgb"
    if samples == 0:
        if color is not None:
            raise ValueError(f"color={color!r} needs colour samples: axes that end in S, as 'YXS'.")
        return "gray"
    if color == "luma" and samples < 3:
        raise ValueError(f"color='luma' needs RGB, but the image has {samples} sample(s).")
    if samples >= 3 and (color == "luma" or (color is None and dtype == np.uint8)):
        return "luma"
    return "channels"


def _check_intensity(
    intensity: Any, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any], color: str
) -> Literal["auto", "dtype", "none"] | tuple[Pair, ...]:
    if isinstance(intensity, str):
        if intensity == "none" and dtype.kind != "f":
            raise ValueError(
                f"intensity='none' is for float images of about 0..1, and this one is {dtype}; "
                "use 'auto' or 'dtype'."
            )
        if intensity == "auto":
            return "auto"
        if intensity == "dtype":
            return "dtype"
        if intensity == "none":
            return "none"
        raise ValueError(
            f"intensity is {intensity!r}; it can be 'auto', 'dtype', 'none', or (low, high)."
        )
    try:
        numbers = np.asarray(intensity, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape == (2,):
        return (_pair(intensity, "intensity"),)
    channels = 1
    if "C" in axes:
        channels = shape[axes.index("C")]
    elif color == "channels":
        channels = shape[-1] - (shape[-1] in (2, 4))
    if numbers.shape != (channels, 2):
        raise ValueError(
            f"intensity is {intensity!r}; a pair (low, high) is needed, "
            f"or one pair for each of the {channels} channel(s)."
        )
    return tuple(_pair(pair, "intensity") for pair in numbers)


def _pair(value: Any, what: str) -> Pair:
    try:
        low, high = (float(number) for number in value)
    except (TypeError, ValueError):
        raise ValueError(f"{what} is {value!r}; two numbers (low, high) are needed.") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"{what} is ({low:g}, {high:g}); two finite numbers are needed, the lower one first."
        )
    return low, high


def _check_tile(tile: Any) -> int | None:
    if tile is None:
        return None
    if isinstance(tile, bool) or not isinstance(tile, int | np.integer) or tile < MIN_TILE:
        raise ValueError(f"tile is {tile!r}; a whole number of at least {MIN_TILE} is needed.")
    return int(tile)
