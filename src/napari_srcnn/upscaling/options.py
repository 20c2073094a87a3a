"""What a user asks for, and what comes of it with an image. Knows no torch.

:class:`Options` hold every wish, checked once when they are made; :func:`resolve` holds them
against an image, once, and gives the :class:`Plan` that all else goes by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, cast

import numpy as np

from napari_srcnn.microscope.noise import Noise
from napari_srcnn.upscaling.checks import (
    Kind,
    Pair,
    as_dtype,
    check_dtype,
    check_intensity,
    check_letters,
    check_pair,
    check_scale,
    check_tile,
)
from napari_srcnn.upscaling.noise_option import Told, check_noise, check_smoothing

if TYPE_CHECKING:
    import torch
    from numpy.typing import DTypeLike

    from napari_srcnn.network.model import SRCNN


DEFAULT_SCALE = 2
_SWITCHES = ("tf32", "half", "ensemble", "consistent")
Color: TypeAlias = Literal["gray", "channels", "luma", "rgb"]
Model: TypeAlias = "str | Path | SRCNN"


class Asked(TypedDict, total=False):
    """The keywords of the public functions: the fields of :class:`Options` but the scale."""

    model: Model | None
    axes: str | None
    device: str | torch.device
    intensity: Kind | Sequence[float] | Sequence[Sequence[float]]
    window: Sequence[float] | None
    color: Literal["luma", "channels"] | None
    dtype: DTypeLike | None
    tile: int | None
    tf32: bool
    half: bool
    ensemble: bool
    noise: Told
    smoothing: float
    consistent: bool
    deterministic: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that a user can ask of an upscaling.

    Numbers may be numpy's, and pairs any sequence: they are kept as Python's own.

    Attributes
    ----------
    scale : {2, 3, 4} or None
        For None the model's; 2 where no model is named either.
    model : str, Path, SRCNN or None
        A name, a file or a loaded network; for None each image gets the bundled one that fits it.
    axes : str or None
        A letter an axis, as ``"TCYX"``; C is the channel axis. For None what the image says, or
        that the last two are Y, X.
    device : str or torch.device
    intensity : "auto", "dtype", "none", a pair (low, high), or a tuple of one such pair a channel
    window : pair or None
        What the range becomes for the network; for None what the model's card says.
    color : {"luma", "channels"} or None
        What of colour passes the network; for None luma of 8 bits, all channels of more.
    dtype : numpy.dtype or None
        Of the result; for None the image's.
    tile : int or None
        Output pixels a side; for None it is found out.
    tf32, half, ensemble : bool
    noise : "auto", None, or a tuple of Noise
        Of the image: measured, none, or given, one for all or one a channel. A number is the
        standard deviation of noise that is the same everywhere, in the image's units. Only
        networks that are told the noise take one that is given.
    smoothing : float
        How much of the noise the network is told: 0 keeps the grain, 1 is as measured, up to 2.
    consistent : bool
        Hold the result to its source: made small again as the model's low-res images were, it is
        the source to within the noise; where none is known or given, exactly.
    deterministic : bool or None
        Compute on a grid that depends on neither tiles nor threads, so that the same device gives
        the same bytes. None does on a CPU, unless a tile is given.

    Raises
    ------
    ValueError
        If one cannot be, whatever the image is; the message says what would work.
    """

    scale: int | None = None
    model: Model | None = None
    axes: str | None = None
    device: str | torch.device = "auto"
    intensity: Kind | Pair | tuple[Pair, ...] = "auto"
    window: Pair | None = None
    color: Literal["luma", "channels"] | None = None
    dtype: np.dtype[Any] | None = None
    tile: int | None = None
    tf32: bool = False
    half: bool = False
    ensemble: bool = False
    noise: Literal["auto"] | tuple[Noise, ...] | None = "auto"
    smoothing: float = 1.0
    consistent: bool = False
    deterministic: bool | None = None

    def __post_init__(self) -> None:
        checked = {
            "noise": check_noise(self.noise),
            "smoothing": check_smoothing(self.smoothing),
            "scale": check_scale(self.scale),
            "axes": check_letters(self.axes),
            "intensity": check_intensity(self.intensity),
            "window": None if self.window is None else check_pair(self.window, "window"),
            "dtype": None if self.dtype is None else check_dtype(as_dtype(self.dtype), "result"),
            "tile": check_tile(self.tile),
            **{
                name: bool(getattr(self, name))
                for name in ("tf32", "half", "ensemble", "consistent")
            },
            "deterministic": None if self.deterministic is None else bool(self.deterministic),
        }
        if self.color not in (None, "luma", "channels"):
            raise ValueError(f"color is {self.color!r}; it can be 'luma' or 'channels'.")
        if checked["intensity"] == "none" and self.window is not None:
            raise ValueError("intensity='none' maps nothing, so it takes no window; leave it out.")
        # Frozen: what was given is made Python's own behind the dataclass's back, once.
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, scale: int | None = None, **asked: Unpack[Asked]) -> Options:
        """Return the options that the public functions' keywords are, in any of their forms."""
        return cls(scale=scale, **cast(Any, asked))
