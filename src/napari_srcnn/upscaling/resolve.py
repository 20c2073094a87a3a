"""What options come to with an image: held against it once, complete and without contradiction.

Knows no torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from napari_srcnn.image.intensity import IntensityRange, dtype_range, measure_range
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.card import ModelInfo
from napari_srcnn.models.choose import propose_model
from napari_srcnn.models.degradation import degradation_of
from napari_srcnn.models.domain import Looks
from napari_srcnn.models.library import default_model, model_info
from napari_srcnn.network.config import WINDOWS, SRCNNConfig
from napari_srcnn.upscaling.checks import Kind, Pair, check_axes, check_source
from napari_srcnn.upscaling.options import DEFAULT_SCALE, Color, Model, Options

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What :class:`Options` come to with an image: complete, and without a contradiction.

    Attributes
    ----------
    source_shape, source_dtype
        Of the image.
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
    noise : "auto", None, or a tuple of Noise
        What the network is told of, and what its result is held to within; None for one that is
        told nothing and of which nothing else was given.
    smoothing : float
    source_of : Degradation or None
        What the result is held to its source by.
    deterministic : bool or None
    model : str, Path or SRCNN
        To be loaded, or loaded.
    info : ModelInfo or None
        What is known of the model; None of a network that came from no file.
    device : str or torch.device
        To be chosen, as "auto", or chosen.
    note : str
        What the user should be told of how this was resolved; may be empty.
    looks : Looks or None
        What was seen of the image, where its model was proposed by it.
    """

    source_shape: tuple[int, ...]
    source_dtype: np.dtype[Any]
    axes: str
    scale: int
    color: Color
    alpha: bool
    intensity: Kind | tuple[Pair, ...]
    window: Pair
    dtype: np.dtype[Any]
    tile: int | None
    tf32: bool
    half: bool
    ensemble: bool = False
    noise: Literal["auto"] | tuple[Noise, ...] | None = None
    smoothing: float = 1.0
    source_of: Degradation | None = None
    deterministic: bool | None = None
    model: Model
    info: ModelInfo | None = None
    device: str | torch.device = "auto"
    note: str = ""
    looks: Looks | None = field(default=None, compare=False, repr=False)

    @property
    def model_name(self) -> str:
        """The model's name, or "unnamed" for a network that came from no file."""
        return self.info.name if self.info is not None else "unnamed"

    @property
    def model_sha256(self) -> str:
        """The model file's checksum; empty for a network that came from no file."""
        return self.info.sha256 if self.info is not None else ""

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

    @property
    def noise_count(self) -> int:
        """How many noises the image has: one a channel, one a colour sample, or one."""
        axis = self.channel_axis
        return self.colors if axis is None else self.leading[axis]

    def to_dict(self) -> dict[str, Any]:
        """Return what changes the pixels, but the model, as JSON values."""
        intensity, noise = self.intensity, self.noise
        return {
            "scale": self.scale,
            "axes": self.axes,
            "intensity": intensity
            if isinstance(intensity, str)
            else [list(pair) for pair in intensity],
            "window": None if intensity == "none" else list(self.window),
            "color": self.color if self.color in ("luma", "channels") else None,
            "dtype": self.dtype.name,
            "tf32": self.tf32,
            "half": self.half,
            "ensemble": self.ensemble,
            "noise": [asdict(one) for one in noise] if isinstance(noise, tuple) else noise,
            "smoothing": self.smoothing,
            "consistent": self.source_of is not None,
            "deterministic": self.deterministic,
        }

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


def resolve(options: Options, stack: Any) -> Plan:
    """Hold options against an image: check what depends on it, and complete the rest.

    Parameters
    ----------
    options : Options
    stack : array-like, shape (..., Y, X) or (..., Y, X, S)
        A few pixels of it are read, and only where no model is named.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        With one sentence that says what was wrong and what would work.
    """
    shape, source_dtype = check_source(stack)
    axes = check_axes(options.axes, shape)
    samples = shape[-1] if axes.endswith("S") else 0
    model, why, looks = options.model, "", None
    if model is None:
        scale = DEFAULT_SCALE if options.scale is None else options.scale
        proposal = propose_model(stack, scale, axes)
        looks = proposal.looks
        model, why = proposal.model, f"{proposal.model}: {proposal.why}"
    config, info = _network_of(model)
    _check_scale_of(config, options.scale, info.name if info is not None else "the given model")
    color = _choose_color(options.color, samples, source_dtype, config)
    intensity = _choose_intensity(options.intensity, shape, axes, source_dtype, color)
    if options.window is not None:
        window = options.window
    elif intensity == "none":
        window = (0.0, 1.0)
    else:
        photograph = intensity == "dtype" or (samples >= 3 and source_dtype == np.uint8)
        kind = "photograph" if photograph else "microscope"
        window = WINDOWS[kind] if info is None else info.window(kind)
    source_of = degradation_of(None if info is None else info.card) if options.consistent else None
    plan = Plan(
        source_shape=shape,
        source_dtype=source_dtype,
        axes=axes,
        scale=config.scale,
        color=color,
        alpha=samples in (2, 4),
        intensity=intensity,
        window=window,
        dtype=source_dtype if options.dtype is None else options.dtype,
        tile=options.tile,
        tf32=options.tf32,
        half=options.half,
        ensemble=options.ensemble,
        noise=_choose_noise(options, config, info, source_of),
        smoothing=options.smoothing,
        source_of=source_of,
        deterministic=options.deterministic,
        model=model,
        info=info,
        device=options.device,
        note=why,
        looks=looks,
    )
    _check_count(plan)
    return plan


def _check_count(plan: Plan) -> None:
    """Check that there are as many noises as channels, or one that can be that of all.

    Raises
    ------
    ValueError
        If not.
    """
    if not isinstance(plan.noise, tuple):
        return
    given, number = len(plan.noise), plan.noise_count
    if given not in (1, number):
        raise ValueError(f"{given} noises are given for {number} channel(s); give one a channel.")
    if given == 1 < number and plan.noise[0].gain > 0:
        raise ValueError(
            f"One gain is given for {number} channels, which have one each; give a noise a "
            "channel, or 'auto'."
        )


def _choose_noise(
    options: Options,
    config: SRCNNConfig,
    info: ModelInfo | None,
    source_of: Degradation | None,
) -> Literal["auto"] | tuple[Noise, ...] | None:
    if config.noise:
        return options.noise
    name = info.name if info is not None else "The given model"
    if isinstance(options.noise, tuple) and source_of is None:
        raise ValueError(
            f"{name} is told nothing of the noise; choose a model that is, or leave the noise out."
        )
    if options.smoothing != 1:
        raise ValueError(
            f"{name} is told nothing of the noise, so it smooths as it does; choose a model that "
            "is told, or leave the smoothing out."
        )
    if source_of is None:
        return None
    # The texture of photographs, which bicubic makes small, would be taken for noise.
    is_measured = options.noise != "auto" or source_of.sampling != "bicubic"
    return options.noise if is_measured else None


def choose_scale(scale: int | None, model: str | Path | None) -> int:
    """Return the scale that is meant, before there is an image: the model's, or 2.

    Raises
    ------
    ValueError
        If there is no such model, or it does not enlarge by the scale.
    """
    if model is None:
        scale = DEFAULT_SCALE if scale is None else scale
        default_model(scale)  # says which scales there are
        return scale
    info = model_info(model)
    _check_scale_of(info.config, scale, info.name)
    return info.config.scale


def _network_of(model: Any) -> tuple[SRCNNConfig, ModelInfo | None]:
    """Return what is known of a network, without loading it."""
    if isinstance(model, str | Path):
        info = model_info(model)
        return info.config, info
    config = getattr(model, "config", None)
    if not isinstance(config, SRCNNConfig):
        raise ValueError(
            f"model is a {type(model).__name__}; a name, a path or a loaded SRCNN is needed."
        )
    return config, getattr(model, "info", None)


def _check_scale_of(config: SRCNNConfig, scale: int | None, name: str) -> None:
    if scale not in (None, config.scale):
        raise ValueError(
            f"{name} enlarges ×{config.scale}, not ×{scale}; "
            f"choose a model for ×{scale} or leave the scale out."
        )


def _choose_color(
    color: str | None, samples: int, dtype: np.dtype[Any], config: SRCNNConfig
) -> Color:
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


def _choose_intensity(
    intensity: Kind | Pair | tuple[Pair, ...],
    shape: tuple[int, ...],
    axes: str,
    dtype: np.dtype[Any],
    color: Color,
) -> Kind | tuple[Pair, ...]:
    if isinstance(intensity, str):
        if intensity == "none" and dtype.kind != "f":
            raise ValueError(
                f"intensity='none' is for float images of about 0..1, and this one is {dtype}; "
                "use 'auto' or 'dtype'."
            )
        return intensity
    if not intensity or not isinstance(intensity[0], tuple):
        return (cast(Pair, intensity),)
    channels = 1
    if "C" in axes:
        channels = shape[axes.index("C")]
    elif color == "channels":
        channels = shape[-1] - (shape[-1] in (2, 4))
    if len(intensity) != channels:
        raise ValueError(
            f"intensity is {intensity!r}; a pair (low, high) is needed, "
            f"or one pair for each of the {channels} channel(s)."
        )
    return intensity
