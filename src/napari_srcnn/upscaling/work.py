"""What tiles are computed with: a plan, its network, its device, what was measured on the image."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch

from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.microscope.noise_report import MeasuredNoise
from napari_srcnn.models.card import Spread
from napari_srcnn.network.device import device_label, processor_name
from napari_srcnn.network.model import SRCNN
from napari_srcnn.upscaling import speed
from napari_srcnn.upscaling.hold import reach_of
from napari_srcnn.upscaling.noise import ToldNoise, tell
from napari_srcnn.upscaling.provenance import Provenance, library_versions
from napari_srcnn.upscaling.reader import KeptPlanes
from napari_srcnn.upscaling.resolve import Plan
from napari_srcnn.upscaling.spread import AROUND, looks_around
from napari_srcnn.upscaling.tiles import Engine

# Of the grid that a CPU computes by, pixels a side at most: up to 4 % slower than the tile that is
# the best by measurement on machines where that is 256, which is several times slower on others.
CPU_BLOCK = 208


class Work:
    """A plan with its network on its device: what the tiles of a result are computed with.

    Looking at it changes nothing, on the disk neither: what has to be measured is measured by
    :meth:`choose_tile`, and by what computes tiles.

    Attributes
    ----------
    source : array-like
    request : Plan
        Everything that was asked for, checked and completed.
    model : SRCNN
    device : torch.device
    scale : int
    batch : int
        Slices that pass together.
    measured : tuple of MeasuredNoise
        The noise, where it was measured before.
    """

    def __init__(
        self,
        source: Any,
        request: Plan,
        model: SRCNN,
        device: torch.device,
        measured: tuple[MeasuredNoise, ...] = (),
    ) -> None:
        self.source, self.request, self.model, self.device = source, request, model, device
        self.measured = measured
        self.scale = request.scale
        self.batch = 1
        self._tile: int | None = request.tile
        # The intensity ranges, where they are known and the noise is to be told anew.
        self._ranges: tuple[IntensityRange, ...] = ()
        # Memory ran out, and the grid was given up.
        self._is_limited = False

    # ------------------------------------------------------------ what it will be

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result."""
        return self.request.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the result."""
        return self.request.dtype

    @property
    def nbytes(self) -> int:
        """Of the result."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def device_label(self) -> str:
        """The device by its name."""
        return device_label(self.device)

    @property
    def processor(self) -> str:
        """The processor by its name, where that computes."""
        return processor_name() if self.device.type == "cpu" else ""

    @property
    def model_name(self) -> str:
        """The model's name, or "unnamed" for a network that came from no file."""
        return self.request.model_name

    @property
    def model_sha256(self) -> str:
        """The model file's checksum; empty for a network that came from no file."""
        return self.request.model_sha256

    @property
    def ranges(self) -> tuple[IntensityRange, ...]:
        """Intensity ranges, one a channel or one for all; measured when first asked for."""
        return self._known[0]

    @property
    def told(self) -> ToldNoise | None:
        """The noise that the network is told, or its result is held to within; None for neither.

        Measured when first asked for.
        """
        return self._known[1]

    @cached_property
    def _known(self) -> tuple[tuple[IntensityRange, ...], ToldNoise | None]:
        """What is measured of the source: together, so that it is read once."""
        request, ranges = self.request, self._ranges
        if not self.model.config.noise and request.noise is None:
            return ranges or request.measure(self.source), None
        source = KeptPlanes(self.source, len(request.leading))
        ranges = ranges or request.measure(source)
        return ranges, tell(request, source, ranges, self.measured)

    @cached_property
    def engine(self) -> Engine:
        """The network, prepared for the device."""
        return self.engine_on(self.device)

    def engine_on(self, device: torch.device) -> Engine:
        """Return the network, prepared for another device than the plan's."""
        request = self.request
        return Engine(
            self.model,
            device,
            color=request.color,
            alpha=request.alpha,
            dtype=self.dtype,
            tf32=request.tf32,
            half=request.half,
            ensemble=request.ensemble,
            source_of=request.source_of,
            smoothing=request.smoothing,
            deterministic=self.is_deterministic,
            calibration=None if self.calibration is None else self.calibration.weights,
        )

    def smoothed(self, smoothing: float) -> Self:
        """Return the same with more or less of the noise told.

        The network and the intensities, where they are there already, are taken along.
        """
        made = copy.copy(self)
        made.request = replace(self.request, smoothing=smoothing)
        # What was found out when it was first asked for stands among the attributes.
        known = vars(made).pop("_known", None)
        if known is not None:
            made._ranges = known[0]
        if "engine" in vars(self):
            engine = copy.copy(self.engine)
            engine.smoothing = smoothing
            vars(made)["engine"] = engine
        return made

    @property
    def block(self) -> int | None:
        """Pixels a side of the grid that is computed by, whatever the tile; None without one."""
        if self._is_limited:
            return None
        wanted = self.request.deterministic
        if wanted is None:
            # Who asks for a tile gets that tile.
            wanted = self.device.type == "cpu" and self.request.tile is None
        return (CPU_BLOCK if self.device.type == "cpu" else speed.GPU_TILE) if wanted else None

    @property
    def is_deterministic(self) -> bool:
        """Whether the same device gives the same bytes, whatever the tiles and the threads."""
        return self.block is not None

    @property
    def reach(self) -> int:
        """Source pixels around a tile that hold it to its source; 0 where it is not held."""
        degradation = self.request.source_of
        return 0 if degradation is None else reach_of(degradation, self.scale)

    @property
    def tile(self) -> int:
        """Output pixels a side of a tile, as far as it is known before :meth:`choose_tile`."""
        if self.block is not None:
            return self.block
        if self._tile is not None:
            return self._tile
        config, half = self.model.config, self.request.half
        if self.device.type != "cpu":
            return speed.gpu_tile(self.device, config, half)[0]
        known = speed.recall(self.device, config, half, "tile")
        return speed.USUAL_TILE if known is None else int(known)

    def choose_tile(self) -> int:
        """Return the tile; on a CPU that has not run this network before, measure the best one.

        That takes about a second and is remembered on this machine.
        """
        if self.block is not None:
            return self.block
        if self._tile is None:
            config, half = self.model.config, self.request.half
            if self.device.type == "cpu":
                correction = self.engine.enhancer.correction
                self._tile = speed.cpu_tile(correction, self.device, config, half)
            else:
                self._tile, self.batch = speed.gpu_tile(self.device, config, half)
        return self._tile

    def limit_tile(self, tile: int, batch: int) -> None:
        """Use no larger tiles from now on: there was no memory for them."""
        self._tile, self.batch, self._is_limited = tile, batch, True

    @property
    def calibration(self) -> Spread | None:
        """How the spread of a self-ensemble is calibrated; None where the model does not say."""
        return None if self.request.info is None else self.request.info.card.spread

    @property
    def around(self) -> int:
        """Result pixels around a tile that its spread is calibrated by; 0 where they are none."""
        known = self.calibration if self.request.ensemble else None
        return AROUND if known is not None and looks_around(known.weights) else 0

    @property
    def network_pixels(self) -> int:
        """Output pixels that pass the network, over all slices and channels."""
        request = self.request
        planes = {"gray": 1, "luma": 1, "rgb": 1}.get(request.color, request.colors)
        height, width = request.plane
        return math.prod(request.leading) * planes * height * width * self.scale**2

    def estimate_seconds(self) -> float | None:
        """Return about how long the network takes, or None before it ran on this device.

        Reading and writing are not in it: they depend on where the pixels lie.
        """
        config, half = self.model.config, self.request.half
        mpx_per_s = speed.recall(self.device, config, half, "mpx_per_s")
        views = 8.0 if self.request.ensemble else 1.0
        # What holds a tile to its source, or calibrates its spread, is computed around it.
        views *= (1 + 2 * max(self.reach * self.scale, self.around) / self.tile) ** 2
        return None if mpx_per_s is None else views * self.network_pixels / 1e6 / mpx_per_s

    def provenance(self, *, with_ranges: bool = True) -> Provenance:
        """Return how the result is made, as far as it is known before the first pixel.

        Parameters
        ----------
        with_ranges : bool
            False spares measuring the intensities, which reads the source.
        """
        ranges = tuple((r.low, r.high) for r in self.ranges) if with_ranges else None
        told = self.told if with_ranges else None
        return Provenance(
            libraries=library_versions(),
            model=self.model_name,
            model_sha256=self.model_sha256,
            scale=self.scale,
            ranges=ranges,
            window=self.request.window,
            noise=None if told is None else told.noises,
            noise_text="" if told is None else told.text,
            smoothing=None if told is None else self.request.smoothing,
            consistent=self.request.source_of is not None,
            deterministic=self.is_deterministic,
            device=self.device_label,
            processor=self.processor,
            options=self.request.to_dict(),
            tile=self.tile,
        )
