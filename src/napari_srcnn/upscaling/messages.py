"""What a run says: a message after each tile, and a report at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.upscaling.provenance import Provenance, library_versions

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A tile was written.

    Attributes
    ----------
    tiles_done, tiles_total, slices_done, slices_total : int
    index : tuple of int
        Leading index of the slice that the tile belongs to.
    region : tuple of four ints
        What was written: rows [y0, y1), columns [x0, x1) of the output, as (y0, y1, x0, x1).
    finished_slice : bool
        Whether the slice is complete now.
    seconds, seconds_left : float
    message : str
        What its user should know (a tile was made smaller, …); empty otherwise.
    """

    tiles_done: int
    tiles_total: int
    slices_done: int
    slices_total: int
    index: Index
    region: tuple[int, int, int, int]
    finished_slice: bool
    seconds: float
    seconds_left: float
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The last message of a run: how the result was made.

    Attributes
    ----------
    ranges : tuple of IntensityRange
        One a channel, or one for all.
    window : tuple of two floats
        What the network saw of a range.
    noise : tuple of Noise or None
        What the network was told, smoothing included; None if it is told nothing.
    noise_text : str
        What was measured of it, in words; empty where nothing was.
    smoothing : float or None
        How much of it the network was told; None if it is told nothing.
    clipped : int
        Values outside of the output's dtype, set to its limit.
    nonfinite : int
        Output pixels that are NaN because of a NaN or an infinity in their reach.
    consistent, deterministic : bool
        Whether the result was held to its source; whether its bytes depend on neither tiles nor
        threads.
    device : str
        By its name.
    processor : str
        Where the device is one.
    options : mapping or None
        What was asked for and changes pixels, as JSON values.
    tile : int
        Pixels a side.
    seconds : float
    model, model_sha256, version : str
    scale : int
    messages : tuple of str
        All that was said on the way.
    result : array-like
        The output.
    """

    ranges: tuple[IntensityRange, ...]
    window: tuple[float, float]
    clipped: int
    nonfinite: int
    device: str
    tile: int
    seconds: float
    slices_done: int
    slices_total: int
    model: str
    model_sha256: str
    scale: int
    version: str
    messages: tuple[str, ...]
    noise: tuple[Noise, ...] | None = None
    noise_text: str = ""
    smoothing: float | None = None
    consistent: bool = False
    deterministic: bool = False
    processor: str = ""
    options: Mapping[str, Any] | None = None
    result: Any = field(repr=False)

    @property
    def provenance(self) -> Provenance:
        """How the result was made, for a layer or a file."""
        is_whole = self.slices_done == self.slices_total
        return Provenance(
            version=self.version,
            libraries=library_versions(),
            model=self.model,
            model_sha256=self.model_sha256,
            scale=self.scale,
            ranges=tuple((r.low, r.high) for r in self.ranges),
            window=self.window,
            noise=self.noise,
            noise_text=self.noise_text,
            smoothing=self.smoothing,
            consistent=self.consistent,
            deterministic=self.deterministic,
            device=self.device,
            processor=self.processor,
            options=self.options,
            tile=self.tile,
            clipped=self.clipped,
            nonfinite=self.nonfinite,
            seconds=self.seconds,
            messages=self.messages,
            slices_done=None if is_whole else self.slices_done,
            slices_total=None if is_whole else self.slices_total,
        )

    def to_metadata(self) -> dict[str, Any]:
        """Return how the result was made as plain values."""
        return self.provenance.to_dict()
