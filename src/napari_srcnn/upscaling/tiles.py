"""From source pixels to output pixels, one tile at a time, on one device.

Everything but the convolutions is float64: bicubic, intensities, the final rounding. The network
only adds a *correction* to bicubic, so a network that returns its input gives float64 bicubic for
every dtype, and what an intensity range does is undone exactly.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.image.intensity import IntensityRange, integer_limits
from napari_srcnn.image.metrics import LUMA, LUMA_OFFSET, LUMA_TO_RGB
from napari_srcnn.image.rect import Padding
from napari_srcnn.image.resize import mean_matrix, window_matrix
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.network.fast import fast_correction
from napari_srcnn.network.folded import Cells, FoldedCorrection
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.switches import same_bits, tf32
from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling.geometry import Geometry
from napari_srcnn.upscaling.hold import hold, is_exact, within
from napari_srcnn.upscaling.misfit import NO_MISFIT, Misfit, measure
from napari_srcnn.upscaling.options import Color
from napari_srcnn.upscaling.spread import calibrated, looks_around, mean_around
from napari_srcnn.upscaling.tensors import cast, of_each, to_tensor, variance, window

# The largest values that the network is shown, in its own units (of about 0..1).
LIMIT, HALF_LIMIT = 1e30, 64.0


@lru_cache(maxsize=32)
def _matrix(
    device: torch.device, length: int, scale: int, start: int, stop: int, a: float
) -> Tensor:
    """Return a window's bicubic matrix on a device, where a row of tiles uses it again."""
    return torch.tensor(window_matrix(length, scale, start, stop, a)[2], device=device)


@lru_cache(maxsize=32)
def _mean_matrix(device: torch.device, length: int, scale: int, start: int, stop: int) -> Tensor:
    """Return a window's matrix of local means on a device, as exact as a network's input."""
    matrix = mean_matrix(length, scale, start, stop)[2]
    return torch.tensor(matrix, device=device, dtype=torch.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A tile that was computed.

    `span` is when the device was at work on it, in seconds by any clock that all tiles share.
    """

    values: Tensor
    clipped: Tensor
    nonfinite: Tensor
    spread: Tensor | None = None
    misfit: Misfit = NO_MISFIT
    span: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A tile's pixels, as they are stored.

    Attributes
    ----------
    values : ndarray, shape (B, S, H, W)
    clipped, nonfinite : int
        How many were set to the dtype's limit, and how many are not finite.
    spread : ndarray of float32 or None
        Of the same shape: a self-ensemble's standard deviation.
    misfit : Misfit
        Of a tile that was checked against its source.
    span : tuple of two floats
        From when to when the device was at work on it.
    """

    values: NDArray[Any]
    clipped: int
    nonfinite: int
    spread: NDArray[np.float32] | None
    misfit: Misfit
    span: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pending:
    """A tile that was given to the device; :meth:`result` waits for it."""

    wait: Callable[[], Done]

    def result(self) -> Result:
        """Return what was computed.

        Raises
        ------
        RuntimeError
            If the device ran out of memory (:func:`~napari_srcnn.network.device.is_out_of_memory`).
        """
        done = self.wait()
        return Result(
            values=done.values.numpy(),
            clipped=int(done.clipped),
            nonfinite=int(done.nonfinite),
            spread=None if done.spread is None else done.spread.cpu().numpy(),
            misfit=done.misfit,
            span=done.span,
        )


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
        self.ensemble, self.deterministic = ensemble, deterministic
        self.source_of, self.smoothing = source_of, smoothing
        self.calibration = calibration
        self.config = model.config
        self.device, self.color, self.alpha = device, color, alpha
        self.dtype = dtype.newbyteorder("=")
        self.tf32, self.half = tf32, half
        # Metal has no float64: there only the convolutions leave the CPU.
        self._exact = torch.device("cpu") if device.type == "mps" else device
        precision = torch.float32
        if half:
            precision = torch.bfloat16 if device.type == "cpu" else torch.float16
        self.correction = fast_correction(model, device, precision)
        # Far from the border a CPU computes some networks from low-res pixels.
        self.folded: FoldedCorrection | None = None
        is_plain = color in ("gray", "channels") and not ensemble and precision == torch.float32
        if device.type == "cpu" and is_plain and FoldedCorrection.fits(model.config):
            self.folded = FoldedCorrection(model)
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
        # A CPU is slower with several planes in one convolution, since they leave its cache.
        self._together = 1 if self._on_cpu else 64

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
        enlarge_y = _matrix(exact, *geometry.enlarge_y)
        enlarge_x = _matrix(exact, *geometry.enlarge_x)
        padding, halo = geometry.padding, self.config.halo
        # The computed rectangle was cut at the true border, so there the halo is missing.
        top, left = halo - padding.top, halo - padding.left
        height, width = geometry.area.height, geometry.area.width
        cells = self._cells(geometry) if enhance else None
        enlarged = None
        if cells is None:
            enlarged = enlarge_y @ x @ enlarge_x.T
            out = enlarged[..., top : top + height, left : left + width]
        else:
            out = enlarge_y[top : top + height] @ x @ enlarge_x[left : left + width].T
        spread, misfit, reach = None, NO_MISFIT, None
        if bad is not None:
            reach = self._reach(bad, enlarge_y, enlarge_x, padding if enhance else None)
            if not enhance:
                reach = reach[..., top : top + height, left : left + width]
        if enhance:
            bicubic = out
            sigma = self._sigma(whole, geometry, ranges, noises) if self.config.noise else None
            if cells is not None:
                out = self._enhance_cells(out, whole, sigma, geometry, cells, ranges)
            elif enlarged is not None:
                out, spread = self._enhance(out, enlarged, sigma, padding, ranges, reach)
        if enhance and self.source_of is not None and geometry.held is not None:
            free = reach
            # Markers as -3e38 for "no data" stay by themselves, as what was made around them.
            if raw.dtype.is_floating_point and bool((marks := x.abs() > LIMIT).any()):
                around = self._reach(marks, enlarge_y, enlarge_x, padding)
                free = around if free is None else free | around
            out = self._hold(out, whole, free, geometry, noises)
        inside = (..., *geometry.crop)
        out, spread = out[inside], None if spread is None else spread[inside]
        if enhance and check and self.config.noise:
            misfit = self._misfit(whole, out, bicubic[inside], geometry, noises)
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

    def _sigma(
        self,
        x: Tensor,
        geometry: Geometry,
        ranges: Sequence[Sequence[IntensityRange]],
        noises: Sequence[Sequence[Noise]],
    ) -> Tensor:
        """Return the noise's standard deviation on the high-res grid, in network units.

        Its variance is taken at the local mean of the finite source pixels. What shot noise adds to
        it is proportional to the light, so it is that which is averaged, and in float32: the dark
        level, which may be large, is off by then.
        """
        if geometry.mean_y is None or geometry.mean_x is None:
            raise ValueError("A network that is told the noise needs a geometry made with noise.")
        rows = _mean_matrix(x.device, *geometry.mean_y)
        columns = _mean_matrix(x.device, *geometry.mean_x)
        x = x[:, : x.shape[1] - self.alpha]

        # Of luma there is one range for three colours.
        gain2 = of_each(ranges, lambda one: one.gain, x.device).square()
        shot = of_each(noises, lambda one: one.gain, x.device) * gain2
        read2 = of_each(noises, lambda one: one.read, x.device).square() * gain2
        light = x - of_each(noises, lambda one: one.offset, x.device)
        # A marker as -3e38 for "no data" would overflow; infinity times a weight of zero is NaN.
        variance = light.mul_(shot).clamp_(-LIMIT, LIMIT).float()
        finite = x.isfinite()
        if bool(finite.all()):
            variance = rows @ variance @ columns.T
        else:
            total = rows @ torch.where(finite, variance, 0.0) @ columns.T
            weight = rows @ finite.float() @ columns.T
            variance = total / weight.clamp_min(1e-30)
        return variance.clamp_min_(0).add_(read2.float()).sqrt_()

    def _enhance(
        self,
        out: Tensor,
        enlarged: Tensor,
        sigma: Tensor | None,
        padding: Padding,
        ranges: Sequence[Sequence[IntensityRange]],
        reach: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Add the network's correction to bicubic, in the image's own units.

        The second is the spread of a self-ensemble, in those units too; `reach` is where both
        depend on pixels that are not finite.
        """
        colors = out.shape[1] - self.alpha
        low = of_each(ranges, lambda one: one.low, out.device)
        gain = of_each(ranges, lambda one: one.gain, out.device)
        start = of_each(ranges, lambda one: one.window[0], out.device)
        inverse = of_each(ranges, lambda one: one.inverse_gain, out.device)
        if self.color == "luma":
            luma = torch.tensor(LUMA / 255, dtype=torch.float64, device=out.device)
            # The range is that of R, G and B; their luma (16/255..235/255) is what is windowed.
            span = of_each(ranges, lambda one: one.window[1] - one.window[0], out.device)
            seen = ((enlarged[:, :3] - low) * (gain / span)).movedim(1, -1) @ luma
            seen = (seen[:, None] + LUMA_OFFSET / 255) * span + start
            inverse = inverse * LUMA_TO_RGB
            if sigma is not None:
                squares = sigma[:, :3].square().movedim(1, -1)
                sigma = (squares @ luma.square().float()).sqrt()[:, None]
        else:
            seen = (enlarged[:, :colors] - low) * gain + start
        # Beyond these a layer's sums could overflow, and infinity times zero is NaN: a marker as
        # -3e38 for "no data" would then spoil its neighbours in the result.
        limit = HALF_LIMIT if self.half else LIMIT
        seen = seen.to(torch.float32).clamp_(-limit, limit)
        if self.color != "rgb":
            seen = seen.flatten(0, 1)[:, None]
        if sigma is not None:
            sigma = sigma.clamp_(0, limit).flatten(0, 1)[:, None]
            seen = torch.cat([seen, sigma], 1)
        if padding:
            sides = (padding.left, padding.right, padding.top, padding.bottom)
            seen = F.pad(seen, sides, mode="replicate")
        noise = None if sigma is None else seen[:, 1:]
        seen = seen.to(self.device)
        parts = [self._correct(part, padding) for part in torch.split(seen, self._together)]

        def joined(some: tuple[Tensor, ...]) -> Tensor:
            whole = some[0] if len(some) == 1 else torch.cat(some)
            whole = whole.to(out.device, torch.float64)
            if self.color == "rgb":
                return whole
            return whole.view(out.shape[0], -1, *whole.shape[-2:])

        delta, *deviation = (joined(some) for some in zip(*parts, strict=True))
        corrected = torch.addcmul(out[:, :colors], delta, inverse)
        if self.alpha:
            corrected = torch.cat([corrected, out[:, colors:]], 1)
        if not deviation:
            return corrected, None
        span = of_each(ranges, lambda one: one.window[1] - one.window[0], out.device)
        apart = self._calibrated(deviation[0], noise, span, reach)
        spread = torch.zeros(corrected.shape, dtype=torch.float32, device=out.device)
        spread[:, :colors] = apart * inverse.abs()
        return corrected, spread

    def _cells(self, geometry: Geometry) -> tuple[Cells, Cells] | None:
        """Return what a tile is computed of by the folded network; None near the border."""
        if self.folded is None:
            return None
        area, (height, width), reach = geometry.area, geometry.plane, self.folded.reach
        if min(area.y0, area.x0, height - area.y1, width - area.x1) < reach:
            return None
        return self.folded.cells(area.y0, area.y1), self.folded.cells(area.x0, area.x1)

    def _enhance_cells(
        self,
        out: Tensor,
        source: Tensor,
        sigma: Tensor | None,
        geometry: Geometry,
        cells: tuple[Cells, Cells],
        ranges: Sequence[Sequence[IntensityRange]],
    ) -> Tensor:
        """Add the network's correction, from source pixels, to bicubic in the image's own units."""
        assert self.folded is not None
        colors = out.shape[1] - self.alpha
        (y0, y1), (x0, x1) = map(self.folded.low, cells)
        top, left = geometry.rows.start, geometry.columns.start
        x = window(source[:, :colors], (y0 - top, y1 - top), (x0 - left, x1 - left))
        # Beyond what bicubic reads, too, there may be values that are not finite.
        x = torch.where(x.isfinite(), x, 0.0)
        low = of_each(ranges, lambda one: one.low, out.device)
        gain = of_each(ranges, lambda one: one.gain, out.device)
        start = of_each(ranges, lambda one: one.window[0], out.device)
        seen = ((x - low) * gain + start).float().clamp_(-LIMIT, LIMIT)
        if sigma is not None:
            halo, area = self.config.halo, geometry.area
            (y0, y1), (x0, x1) = map(self.folded.pixels, cells)
            top, left = area.y0 - halo, area.x0 - halo
            sigma = window(sigma.clamp_(0, LIMIT), (y0 - top, y1 - top), (x0 - left, x1 - left))
        deltas = [
            self.folded(seen[i, j], None if sigma is None else sigma[i, j], *cells)
            for i, j in np.ndindex(*seen.shape[:2])
        ]
        delta = (deltas[0] if len(deltas) == 1 else torch.cat(deltas)).double()
        delta = delta.view(*seen.shape[:2], *out.shape[2:])
        if not self.config.skip:
            delta -= (out[:, :colors] - low) * gain + start
        inverse = of_each(ranges, lambda one: one.inverse_gain, out.device)
        corrected = torch.addcmul(out[:, :colors], delta, inverse)
        return torch.cat([corrected, out[:, colors:]], 1) if self.alpha else corrected

    def _calibrated(
        self, deviation: Tensor, noise: Tensor | None, span: Tensor, reach: Tensor | None
    ) -> Tensor:
        """Return the spread of the views as the standard deviation of what may be wrong."""
        if self.calibration is None:
            return deviation
        if noise is not None:
            # Its plane has the network's halo, as far as the image reaches.
            noise = noise.to(deviation.device, torch.float64).view(
                deviation.shape[0], -1, *noise.shape[-2:]
            )
            y, x = (slice(self.config.halo, self.config.halo + n) for n in deviation.shape[-2:])
            noise = noise[..., y, x] / span
        deviation, mean = deviation / span, None
        if looks_around(self.calibration):
            mean = mean_around(deviation, None if reach is None else reach[:, : deviation.shape[1]])
        return calibrated(self.calibration, deviation, noise, mean) * span

    def _correct(self, seen: Tensor, padding: Padding) -> tuple[Tensor, ...]:
        """Return the network's correction and, of a self-ensemble, its standard deviation too."""
        if not self.ensemble:
            return (self.correction(seen, padding),)
        mean = square = torch.zeros((), dtype=torch.float64, device=seen.device)
        # One at a time: eight results of a tile at once would be its largest memory.
        for turns, flipped in itertools.product(range(4), (False, True)):
            view = torch.rot90(seen, turns, (-2, -1))
            view = view.flip(-1) if flipped else view
            delta = self.correction(view.contiguous(), padding.turned(turns, flipped)).double()
            delta = delta.flip(-1) if flipped else delta
            delta = torch.rot90(delta, -turns, (-2, -1))
            mean, square = mean + delta / 8, square + delta.square() / 8
        return mean, (square - mean.square()).clamp_min(0).sqrt()

    def _reach(
        self, bad: Tensor, enlarge_y: Tensor, enlarge_x: Tensor, padding: Padding | None
    ) -> Tensor:
        """Return where the result depends on pixels that are not finite."""
        touched = (enlarge_y != 0).double() @ bad.double() @ (enlarge_x != 0).double().T
        if self.color in ("luma", "rgb"):
            colors = touched.shape[1] - self.alpha
            together = touched[:, :colors].amax(1, keepdim=True).expand(-1, colors, -1, -1)
            touched = torch.cat([together, touched[:, colors:]], 1)
        if padding is None:
            return touched > 0
        sides = (padding.left, padding.right, padding.top, padding.bottom)
        touched = F.pad(touched, sides, mode="replicate")
        return F.max_pool2d(touched.float(), 2 * self.config.halo + 1, stride=1) > 0
