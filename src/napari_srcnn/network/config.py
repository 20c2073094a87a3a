"""What an SRCNN is, without its weights: sizes, scale, colour, padding. Knows no torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

PRESETS: dict[str, tuple[int, int, int]] = {
    "9-1-5": (9, 1, 5),
    "9-3-5": (9, 3, 5),
    "9-5-5": (9, 5, 5),
    "9-1-1": (9, 1, 1),
}
DEFAULT_WIDTHS = (64, 32)
#: What an image can be enlarged by.
SCALES = (2, 3, 4)
#: What a network shall see of a range of intensities, where its card does not say: a photograph's
#: range is black to white; a microscope's lies where photographs have most of their values.
WINDOWS: dict[str, tuple[float, float]] = {"photograph": (0.0, 1.0), "microscope": (0.2, 0.6)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SRCNNConfig:
    """Everything about a network that changes a number, but its weights.

    Attributes
    ----------
    kernels : tuple of three odd ints
        Sides of the kernels: patch extraction, non-linear mapping, reconstruction.
    widths : tuple of two ints
        Feature maps after the first and the second layer.
    channels : {1, 3}
        1 for luma or a gray channel, 3 for RGB.
    scale : int
        The enlargement that it was trained for (2 to 4), done by bicubic before the first layer.
    skip : bool
        Whether the network predicts what bicubic lacks (ours), not the image itself (the paper's).
    padding : {"valid", "zeros"}
        "valid": one edge-replicating pad at the image's true border. "zeros": zeros around every
        layer's input at the true border, as some published networks were trained.
    a : float
        The free parameter of the bicubic enlargement: -0.5 (MATLAB) or -0.75 (torch).
    noise : bool
        Whether the network is told the noise: beside the enlarged image it takes a second plane,
        the noise's local standard deviation in the image's units, which each filter of layer 1
        sees at its centre.

    References
    ----------
    .. [1] C. Dong, C. C. Loy, K. He, X. Tang, "Image Super-Resolution Using Deep Convolutional
       Networks", IEEE TPAMI 38(2), 2016.
    """

    kernels: tuple[int, int, int] = (9, 1, 5)
    widths: tuple[int, int] = DEFAULT_WIDTHS
    channels: int = 1
    scale: int = 2
    skip: bool = True
    padding: Literal["valid", "zeros"] = "valid"
    a: float = -0.5
    noise: bool = False

    def __post_init__(self) -> None:
        numbers = (*self.kernels, *self.widths, self.channels, self.scale)
        if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
            raise ValueError(f"kernels, widths, channels and scale are {numbers}; ints are needed.")
        for name in ("skip", "noise"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}; it can be true or false.")
        if not isinstance(self.a, int | float) or not math.isfinite(self.a):
            raise ValueError(f"a is {self.a!r}; a finite number is needed.")
        if len(self.kernels) != 3 or any(k < 1 or k % 2 == 0 for k in self.kernels):
            raise ValueError(f"kernels are {self.kernels}; three odd numbers are needed.")
        if len(self.widths) != 2 or min(self.widths) < 1:
            raise ValueError(f"widths are {self.widths}; two positive numbers are needed.")
        if self.channels not in (1, 3):
            raise ValueError(f"channels is {self.channels}; it can be 1 or 3.")
        if self.scale not in SCALES:
            raise ValueError(f"scale is {self.scale}; it can be 2, 3 or 4.")
        if self.padding not in ("valid", "zeros"):
            raise ValueError(f"padding is {self.padding!r}; it can be 'valid' or 'zeros'.")
        if self.noise and (self.channels != 1 or self.padding != "valid"):
            raise ValueError(
                "A network that is told the noise takes one channel and valid padding, "
                f"not {self.channels} and {self.padding!r}."
            )

    @property
    def halo(self) -> int:
        """High-res pixels that the three convolutions need on every side of a result."""
        return sum((k - 1) // 2 for k in self.kernels)

    @property
    def planes(self) -> int:
        """Planes of the network's input: the image's channels, and that of the noise."""
        return self.channels + self.noise

    @property
    def layers(self) -> tuple[tuple[int, int, int], ...]:
        """The layers as (channels in, channels out, kernel side), without the noise's weights."""
        first, second = self.widths
        k1, k2, k3 = self.kernels
        return (self.channels, first, k1), (first, second, k2), (second, self.channels, k3)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        filters = sum(n_in * n_out * k * k + n_out for n_in, n_out, k in self.layers)
        return filters + self.noise * self.widths[0]

    @property
    def kernel_name(self) -> str:
        """The kernels in the paper's notation, as 9-1-5."""
        return "-".join(map(str, self.kernels))

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON takes it."""
        values = asdict(self)
        # Left out where it is not used: older versions read such a file, and its bytes stay.
        if not self.noise:
            del values["noise"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SRCNNConfig:
        """Build a configuration from :meth:`to_dict`'s result, checking every value.

        Raises
        ------
        ValueError
            If a key is unknown or a value is out of its range.
        """
        known = set(cls.__dataclass_fields__)
        if unknown := set(values) - known:
            raise ValueError(f"unknown settings {sorted(unknown)}; known are {sorted(known)}.")
        converted: dict[str, Any] = dict(values)
        try:
            for key in ("kernels", "widths"):
                if key in converted:
                    converted[key] = tuple(converted[key])
            return cls(**converted)
        except TypeError as error:
            raise ValueError(f"a setting has a wrong type: {error}.") from error
