"""Packages that other programs made: what the network around the weights is, by its own test.

A state_dict does not say what lies beyond the border, whether the network's output is added to the
image, or which bicubic it begins with. Each of the few possibilities is tried on the package's test
input; the one that gives its test output is it.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.rect import Padding
from napari_srcnn.image.resize import BICUBIC_REACH
from napari_srcnn.models.bioimageio.package import Package, at
from napari_srcnn.models.card import plain
from napari_srcnn.network.checkpoint import CheckpointError, header_text, model_bytes
from napari_srcnn.network.config import SCALES, SRCNNConfig
from napari_srcnn.network.published import Published, name_scale, read_published

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]

# What the spec itself allows results of other machines to differ by.
_TOLERANCE = 1e-3
# Bytes of a test tensor, and pixels a side that are looked at.
_LARGEST, _SIDE = 2**26, 128


class Zoo:
    """A package of any origin.

    Parameters
    ----------
    package : Package
    """

    def __init__(self, package: Package) -> None:
        self.package, self.told = package, package.description

    def model(self, weights: Path) -> bytes:
        """Return its network as a model file of ours.

        Parameters
        ----------
        weights : Path
            Its state_dict.

        Raises
        ------
        CheckpointError
            If it is no SRCNN, or does more than one.
        """
        for kind in ("inputs", "outputs"):
            tensors = at(self.told, kind)
            count = len(tensors) if isinstance(tensors, list) else 0
            if count != 1:
                raise CheckpointError(f"it has {count} {kind}, where an SRCNN has one.")
        given, wanted = self._tested("input"), self._tested("output")
        if given.ndim != 4 or wanted.ndim != 4:
            raise CheckpointError("its tensors have other axes than batch, channel, y and x.")
        ratio = wanted.shape[-1] / given.shape[-1]
        enlarges = ratio in SCALES
        found = read_published(weights, scale=int(ratio) if enlarges else self._said_scale())
        side = _SIDE * found.config.scale if enlarges else _SIDE
        seen = _processed(given[:1, :, :_SIDE, :_SIDE], self._steps("input"), "before")
        wanted = wanted[:1, :, :side, :side]
        # A part is enough to know it by, but for where it was cut.
        near = found.config.halo + BICUBIC_REACH * found.config.scale
        ends = [near if length > _SIDE else 0 for length in given.shape[-2:]]
        # Other programs' bicubic repeats the border where ours mirrors it: near it they differ.
        for border in (0, near) if enlarges else (0,):
            y, x = (
                slice(border, length - max(border, end))
                for length, end in zip(wanted.shape[-2:], ends, strict=True)
            )
            for config in _possible(found.config):
                tried = replace(found, config=config)
                result = _result(tried, seen, enlarges=enlarges)
                got = _processed(result, self._steps("output"), "after")
                if got.shape == wanted.shape and _agree(got[:, :, y, x], wanted[:, :, y, x]):
                    return self._file(tried, enlarges=enlarges)
        raise CheckpointError(
            "its test output is not what an SRCNN with these weights gives, so that it does more "
            "than that; it cannot be imported."
        )

    def _file(self, found: Published, *, enlarges: bool) -> bytes:
        """Return the model file, with a card that says where the model comes from."""
        config = found.config
        before = (f"×{config.scale} (from its name)", f"bicubic with a = {config.a:g}")
        window = list(self._window() or (0.0, 1.0))
        card = found.card(self.package.path) | {
            "description": plain(at(self.told, "description")) or plain(at(self.told, "name")),
            "license": plain(at(self.told, "license")) or "that of the package",
            # All else its test has shown.
            "assumed": [] if enlarges else list(before),
            "windows": {"photograph": window, "microscope": window},
        }
        tensors = {name: array.astype(np.float32) for name, array in found.tensors.items()}
        return model_bytes(tensors, header_text(config, card))

    def _said_scale(self) -> int:
        """Return the scale by a name; the network is given an image that was enlarged before."""
        for name in (at(self.told, "name"), self.package.path.stem):
            if (scale := name_scale(str(name))) is not None:
                return scale
        raise CheckpointError(
            "it does not say its scale: it takes an enlarged image and its name has none; "
            "rename the file, as name-x2.bioimage.io.zip."
        )

    def _tested(self, kind: str) -> Array:
        """Return the test tensor of the input or the output."""
        source = at(self.told, f"{kind}s", 0, "test_tensor", "source")
        known = at(self.told, f"{kind}s", 0, "test_tensor", "sha256")
        source = source or at(self.told, f"{kind}s", 0, "test_tensor")
        source = source or at(self.told, f"test_{kind}s", 0)  # of spec 0.4
        if not isinstance(source, str) or "://" in source:
            raise CheckpointError(f"it holds no test {kind}, by which alone it can be known.")
        data = self.package.read(source, known, largest=_LARGEST)
        try:
            return _array(data)
        except _UNREADABLE as error:
            raise CheckpointError(f"its test {kind} cannot be read; get it again.") from error

    def _steps(self, kind: str) -> list[Any]:
        name = "preprocessing" if kind == "input" else "postprocessing"
        steps = at(self.told, f"{kind}s", 0, name) or []
        return steps if isinstance(steps, list) else [steps]

    def _window(self) -> tuple[float, float] | None:
        """Return what the network sees of its input's range, where that is said."""
        limits = at(self.told, "inputs", 0, "data", "range") or at(
            self.told, "inputs", 0, "data_range"
        )
        if not isinstance(limits, list) or len(limits) != 2:
            return None
        if not all(isinstance(one, int | float) and np.isfinite(one) for one in limits):
            return None
        ends = np.array(limits, np.float32).reshape(2, 1, 1, 1)
        low, high = _processed(ends, self._steps("input"), "before").ravel()
        return (float(low), float(high)) if low < high else None


# numpy takes a header for Python: what is no Python may end in the parser's own errors.
_UNREADABLE = (
    ValueError,
    TypeError,
    OSError,
    EOFError,
    KeyError,
    OverflowError,
    SyntaxError,
    TokenError,
    RecursionError,
    MemoryError,
)


def _array(data: bytes) -> Array:
    """Return the numbers of a file of numpy; of one that says more than it holds, no memory."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read(stream)
    if not 0 < math.prod(shape) * dtype.itemsize <= len(data) or dtype.kind not in "biuf":
        raise ValueError("no array of numbers, or none that is whole")
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), np.float32)


def _agree(got: Array, wanted: Array) -> bool:
    return bool(wanted.size and np.allclose(got, wanted, rtol=_TOLERANCE, atol=_TOLERANCE))


def _possible(config: SRCNNConfig) -> Iterator[SRCNNConfig]:
    """Yield what the network may be, the likely ones first."""
    paddings = dict.fromkeys((config.padding, "zeros", "valid"))
    cubics = dict.fromkeys((config.a, -0.5, -0.75))
    for skip, padding, a in itertools.product((False, True), paddings, cubics):
        yield replace(config, skip=skip, padding=padding, a=a)


def _result(found: Published, seen: Array, *, enlarges: bool) -> Array:
    """Return what the network makes of an image, or of one that was enlarged before."""
    import torch

    from napari_srcnn.network.phases import standalone

    model, x = found.model(), torch.from_numpy(seen)
    if x.shape[1] != found.config.channels:
        raise CheckpointError(
            f"its test input has {x.shape[1]} channels, its weights {found.config.channels}."
        )
    with torch.inference_mode():
        out: Tensor
        if enlarges:
            out = standalone(model)(x)
        else:
            side = found.config.halo
            beyond = Padding(top=side, bottom=side, left=side, right=side)
            out = model(torch.nn.functional.pad(x, [side] * 4, mode="replicate"), beyond)
        result: Array = out.numpy()
    return result


def _processed(values: Array, steps: list[Any], when: str) -> Array:
    """Return values after the steps of a description.

    Raises
    ------
    CheckpointError
        If a step is none that an SRCNN here can be given.
    """
    for step in steps:
        name = str(at(step, "id") or at(step, "name"))
        kwargs = at(step, "kwargs")
        kwargs = dict(kwargs) if isinstance(kwargs, Mapping) else {}
        try:
            if name == "scale_linear" and not kwargs.get("axis"):
                gain, offset = float(kwargs.get("gain", 1)), float(kwargs.get("offset", 0))
                values = (values * gain + offset).astype(np.float32)
                continue
        except (TypeError, ValueError, OverflowError):
            pass
        if name not in ("ensure_dtype", "clip"):
            raise CheckpointError(
                f"{when} its network it computes {plain(name, 40)}, which is more than a gain and "
                "an offset; it cannot be imported."
            )
    return values
