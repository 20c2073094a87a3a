"""From source pixels to output pixels, one tile at a time, on one device.

Everything but the convolutions is float64: bicubic, intensities, the final rounding. The network
only adds a *correction* to bicubic, so a network that returns its input gives float64 bicubic for
every dtype, and what an intensity range does is undone exactly.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.image.intensity import IntensityRange, integer_limits
from napari_srcnn.image.rect import Padding
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.switches import same_bits, tf32
from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling.enhance import Enhancer
from napari_srcnn.upscaling.enlarge import Enlarging, bicubic_matrix
from napari_srcnn.upscaling.geometry import Geometry
from napari_srcnn.upscaling.hold import hold, is_exact, within
from napari_srcnn.upscaling.misfit import NO_MISFIT, Misfit, measure
from napari_srcnn.upscaling.options import Color
from napari_srcnn.upscaling.pending import Done, Pending
from napari_srcnn.upscaling.sigma import told_sigma
from napari_srcnn.upscaling.tensors import LIMIT, cast, of_each, to_tensor, variance


class Engine:
    """Computes tiles with one network on one device.

    Parameters
    ----------
    model : SRCNN
    device : torch.device
    color : {"gray", "channels", "luma", "rgb"}
        What a plane's samples are: one channel; several, each through the network; RGB of which
        only the luma passes the network; RGB through a network of three channels.
    alpha : bool
        Whether the last sample is alpha, which is enlarged by bicubic alone.
    dtype : numpy.dtype
        Of the result.
    tf32, half : bool
        Faster and less exact arithmetic in the convolutions.
    ensemble : bool
        Average the network over the eight turned and mirrored views of each tile.
    source_of : Degradation, optional
        Hold the result to its source, which is the result degraded so.
    smoothing : float
        How much of the noise the network is told; a result is held to within the noise as it is.
    deterministic : bool
        Let a GPU take only kernels that give the same bits each time.
    calibration : sequence of float, optional
        Of the spread of these views, see :func:`~napari_srcnn.upscaling.spread.calibrated`; as it
        is without.
    """

    def __init__(
        self,
        model: SRCNN,
        device: torch.device,
        *,
        color: Color,
        alpha: bool,
        dtype: np.dtype[Any],
        tf32: bool = False,
        half: bool = False,
        ensemble: bool = False,
        source_of: Degradation | None = None,
        smoothing: float = 1.0,
        deterministic: bool = False,
        calibration: Sequence[float] | None = None,
    ) -> None:
        self.deterministic = deterministic
        self.source_of, self.smoothing = source_of, smoothing
        self.config = model.config
        self.device, self.color, self.alpha = device, color, alpha
        self.dtype = dtype.newbyteorder("=")
        self.tf32 = tf32
        # Metal has no float64: there only the convolutions leave the CPU.
        self._exact = torch.device("cpu") if device.type == "mps" else device
        self.enhancer = Enhancer(
            model,
            device,
            color=color,
            alpha=alpha,
            half=half,
            ensemble=ensemble,
            calibration=calibration,
        )
        self._streams: list[Any] = []
        if device.type == "cuda":
            # Two tiles in flight: one is copied while the other is computed. The weights were
            # arranged on another stream, which these would not wait for.
            torch.cuda.synchronize(device)
            self._streams = [torch.cuda.Stream(device) for _ in range(2)]  # type: ignore[no-untyped-call]
            # What the spans of tiles are measured from.
            self._start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            self._start.record(torch.cuda.current_stream(device))
            self._start.synchronize()
        self._turn = 0
        self._on_cpu = device.type == "cpu"

    def depth(self, workers: Workers | None = None) -> int:
        """Return how many tiles can be in flight at a time."""
        if self._on_cpu and workers is not None and workers.count:
            # One more a thread, so that none waits while a finished one is stored.
            return 2 * workers.count
        return max(len(self._streams), 1)

    def submit(
        self,
        raw: NDArray[Any],
        geometry: Geometry,
        ranges: Sequence[Sequence[IntensityRange]],
        *,
        noises: Sequence[Sequence[Noise]] = (),
        enhance: bool = True,
        check: bool = False,
        workers: Workers | None = None,
    ) -> Pending:
        """Start computing a tile.

        Parameters
        ----------
        raw : ndarray, shape (B, S, h, w)
            Source pixels of `geometry`'s window in their own dtype, of B slices.
        geometry : Geometry
        ranges : sequence of B sequences of IntensityRange
            One range for each sample but alpha ("luma" and "rgb": one).
        noises : sequence of B sequences of Noise
            As many as ranges, for a network that is told the noise; none is needed for others.
        enhance : bool
            False leaves the network out: bicubic alone.
        check : bool
            Compare the result with its source, within the noise that the network is told.
        workers : Workers, optional
            Who computes it on a CPU, while the caller goes on; else the caller does it at once.

        Returns
        -------
        Pending
        """
        if not self._streams:

            def compute() -> Done:
                began = time.perf_counter()
                # A setting of a thread.
                with torch.inference_mode():
                    done = self._compute(to_tensor(raw), geometry, ranges, noises, enhance, check)
                return replace(done, span=(began, time.perf_counter()))

            if self._on_cpu and workers is not None and workers.count:
                return Pending(workers.submit(compute).result)
            done = compute()
            return Pending(lambda: done)
        stream = self._streams[self._turn]
        self._turn = (self._turn + 1) % len(self._streams)
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        with torch.inference_mode(), self._switches(), torch.cuda.stream(stream):
            begun.record(stream)
            # The image's own dtype crosses the bus, from pinned memory, while others compute.
            source = to_tensor(raw).pin_memory().to(self.device, non_blocking=True)
            done = self._compute(source, geometry, ranges, noises, enhance, check)
            values = torch.empty(done.values.shape, dtype=done.values.dtype, pin_memory=True)
            values.copy_(done.values, non_blocking=True)
            ended.record(stream)

            def wait() -> Done:
                ended.synchronize()
                span = [self._start.elapsed_time(event) / 1000 for event in (begun, ended)]
                return replace(done, values=values, span=(span[0], span[1]))

            return Pending(wait)

    @contextlib.contextmanager
    def _switches(self) -> Iterator[None]:
        with tf32(self.tf32), same_bits(self.deterministic):
            yield

    def _compute(
        self,
        raw: Tensor,
        geometry: Geometry,
        ranges: Sequence[Sequence[IntensityRange]],
        noises: Sequence[Sequence[Noise]],
        enhance: bool,
        check: bool,
    ) -> Done:
        exact = self._exact
        # A copy, which begins where all of torch's memory does: sums may depend on that.
        whole = raw.to(exact, torch.float64, copy=True)
        x = whole[(..., *geometry.inner)]
        bad = None
        if raw.dtype.is_floating_point:
            finite = x.isfinite()
            if not bool(finite.all()):
                bad = ~finite
                x = torch.where(finite, x, 0.0)
        axes = geometry.enlarge_y, geometry.enlarge_x
        bicubic = Enlarging(x, *(bicubic_matrix(exact, *axis) for axis in axes))
        padding, halo = geometry.padding, self.config.halo
        # The computed rectangle was cut at the true border, so there the halo is missing.
        top, left = halo - padding.top, halo - padding.left
        rows = slice(top, top + geometry.area.height)
        columns = slice(left, left + geometry.area.width)
        inner = self.enhancer.inner(geometry) if enhance else None
        enlarged = None
        if inner is None:
            enlarged = bicubic.part(slice(None), slice(None))
            plain = out = enlarged[..., rows, columns]
        else:
            plain = out = bicubic.part(rows, columns)
        spread, misfit, reach = None, NO_MISFIT, None
        if bad is not None:
            reach = self._reach(bad, bicubic, padding if enhance else None)
            if not enhance:
                reach = reach[..., rows, columns]
        if enhance:
            sigma = None
            if self.config.noise:
                colors = whole.shape[1] - self.alpha
                sigma = told_sigma(whole[:, :colors], geometry, ranges, noises)
            if inner is not None:
                out = self.enhancer.framed(out, bicubic, whole, sigma, geometry, inner, ranges)
            elif enlarged is not None:
                out, spread = self.enhancer.whole(out, enlarged, sigma, padding, ranges, reach)
        if enhance and self.source_of is not None and geometry.held is not None:
            free = reach
            # Markers as -3e38 for "no data" stay by themselves, as what was made around them.
            if raw.dtype.is_floating_point and bool((marks := x.abs() > LIMIT).any()):
                around = self._reach(marks, bicubic, padding)
                free = around if free is None else free | around
            out = self._hold(out, whole, free, geometry, noises)
        inside = (..., *geometry.crop)
        out, spread = out[inside], None if spread is None else spread[inside]
        if enhance and check and self.config.noise:
            misfit = self._misfit(whole, out, plain[inside], geometry, noises)
        nonfinite = torch.zeros((), dtype=torch.int64)
        if reach is not None:
            reach = reach[inside]
            out = torch.where(reach, torch.nan, out)
            spread = None if spread is None else torch.where(reach, torch.nan, spread)
            nonfinite = reach.count_nonzero()
        values, clipped = cast(out, self.dtype)
        return Done(
            values=values, clipped=clipped, nonfinite=nonfinite, spread=spread, misfit=misfit
        )

    def _hold(
        self,
        out: Tensor,
        source: Tensor,
        free: Tensor | None,
        geometry: Geometry,
        noises: Sequence[Sequence[Noise]],
    ) -> Tensor:
        """Hold what was computed, where it is not free, to the source pixels that lie in it.

        Alpha is left as it is.
        """
        scale, colors = self.config.scale, out.shape[1] - self.alpha
        degradation = self.source_of or Degradation()
        x = source[(..., *(geometry.held or ()))][:, :colors]
        skip = None
        if free is not None:
            skip = F.max_pool2d(free[:, :colors].double(), scale) > 0
            x = torch.where(x.isfinite(), x, 0.0)
        limits = None
        if self.dtype.kind in "iu" and is_exact(degradation) and degradation.sampling == "area":
            limits = integer_limits(self.dtype)
        tolerance = None
        if self.smoothing > 0 and any(one.is_any for row in noises for one in row):
            # What was told is the noise times the smoothing.
            known = [[one.times(1 / self.smoothing) for one in row] for row in noises]
            numbers = (lambda one: one.gain), (lambda one: one.read), (lambda one: one.offset)
            gain, read, offset = (of_each(known, number, x.device) for number in numbers)
            tolerance = within(x, gain, read, offset)
        held = hold(
            out[:, :colors],
            x,
            scale,
            degradation,
            tolerance=tolerance,
            skip=skip,
            limits=limits,
        )
        return torch.cat([held, out[:, colors:]], 1) if self.alpha else held

    def _misfit(
        self,
        source: Tensor,
        out: Tensor,
        bicubic: Tensor,
        geometry: Geometry,
        noises: Sequence[Sequence[Noise]],
    ) -> Misfit:
        """Compare a tile with the source pixels that lie in it as a whole."""
        colors = out.shape[1] - self.alpha
        x = source[(..., *geometry.whole)][:, :colors]
        result, plain = (image[(..., *geometry.whole_out)][:, :colors] for image in (out, bicubic))
        return measure(x, result, plain, variance(x, noises), self.config.scale)

    def _reach(self, bad: Tensor, bicubic: Enlarging, padding: Padding | None) -> Tensor:
        """Return where the result depends on pixels that are not finite."""
        touched = bicubic.touched(bad)
        if self.color in ("luma", "rgb"):
            colors = touched.shape[1] - self.alpha
            together = touched[:, :colors].amax(1, keepdim=True).expand(-1, colors, -1, -1)
            touched = torch.cat([together, touched[:, colors:]], 1)
        if padding is None:
            return touched > 0
        sides = (padding.left, padding.right, padding.top, padding.bottom)
        touched = F.pad(touched, sides, mode="replicate")
        return F.max_pool2d(touched.float(), 2 * self.config.halo + 1, stride=1) > 0
