"""What is wrong with one option, or with an image, each in one sentence."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np

from napari_srcnn.models.choose import image_dtype
from napari_srcnn.network.config import SCALES

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

Pair: TypeAlias = tuple[float, float]
Kind: TypeAlias = Literal["auto", "dtype", "none"]


# ---------------------------------------------------------------- whatever the image is


def check_scale(scale: Any) -> int | None:
    """Return a scale, or None for none, if there are networks for it."""
    if scale is not None and (isinstance(scale, bool) or np.ndim(scale) or scale not in SCALES):
        raise ValueError(f"scale is {scale!r}; it can be 2, 3 or 4.")
    return None if scale is None else int(scale)


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """Return what numpy takes for a dtype as one."""
    try:
        known: np.dtype[Any] = np.dtype(dtype)
        return known
    except TypeError:
        raise ValueError(f"{dtype!r} is no dtype; choose one of {', '.join(DTYPES)}.") from None


def check_dtype(dtype: np.dtype[Any], what: str = "image") -> np.dtype[Any]:
    """Return a dtype if images of it can be enlarged."""
    if dtype.newbyteorder("=").name in DTYPES:
        return dtype
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


def check_letters(axes: Any) -> str | None:
    """Return axes in upper case, or None for none, if they are letters."""
    if axes is not None and not isinstance(axes, str):
        raise ValueError(f"axes is {axes!r}; a letter an axis is needed, as 'TCYX'.")
    return None if axes is None else str(axes).upper()


def check_intensity(intensity: Any) -> Kind | Pair | tuple[Pair, ...]:
    """Return an intensity as a word, a pair, or a tuple of pairs."""
    if isinstance(intensity, str):
        if intensity not in get_args(Kind):
            raise ValueError(
                f"intensity is {intensity!r}; it can be 'auto', 'dtype', 'none', or (low, high)."
            )
        return cast(Kind, intensity)
    try:
        numbers = np.asarray(intensity, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape == (2,):
        return check_pair(numbers, "intensity")
    if numbers.ndim != 2 or numbers.shape[1] != 2:
        raise ValueError(
            f"intensity is {intensity!r}; a pair (low, high) is needed, "
            "or one pair for each channel."
        )
    return tuple(check_pair(pair, "intensity") for pair in numbers)


def check_pair(value: Any, what: str) -> Pair:
    """Return two finite numbers, the lower one first."""
    try:
        low, high = (float(number) for number in value)
    except (TypeError, ValueError):
        raise ValueError(f"{what} is {value!r}; two numbers (low, high) are needed.") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"{what} is ({low:g}, {high:g}); two finite numbers are needed, the lower one first."
        )
    return low, high


def check_tile(tile: Any) -> int | None:
    """Return a tile's side, or None for none, if it is large enough."""
    if tile is None:
        return None
    if isinstance(tile, bool) or not isinstance(tile, int | np.integer) or tile < MIN_TILE:
        raise ValueError(f"tile is {tile!r}; a whole number of at least {MIN_TILE} is needed.")
    return int(tile)


# ---------------------------------------------------------------- with an image


def check_source(stack: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and dtype of an image that can be enlarged."""
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
    return shape, check_dtype(image_dtype(stack))


def check_axes(axes: str | None, shape: tuple[int, ...]) -> str:
    """Return a letter an axis for an image of a shape."""
    if axes is None:
        return "Q" * (len(shape) - 2) + "YX"
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
    return axes
