"""What the network adds to bicubic, in the image's own units.

It is computed from the enlarged image, or, by networks of 1 x 1 in the middle on a CPU, from the
source's pixels (:mod:`~napari_srcnn.network.folded`): all but a frame at the image's border, where
the network sees the border pixels of the enlarged image repeated.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from types import EllipsisType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.image.metrics import LUMA, LUMA_OFFSET, LUMA_TO_RGB
from napari_srcnn.image.rect import Padding, Tile
from napari_srcnn.network.fast import fast_correction
from napari_srcnn.network.folded import FoldedCorrection
from napari_srcnn.network.model import SRCNN
from napari_srcnn.upscaling.enlarge import Enlarging
from napari_srcnn.upscaling.geometry import Geometry
from napari_srcnn.upscaling.options import Color
from napari_srcnn.upscaling.spread import calibrated, looks_around, mean_around
from napari_srcnn.upscaling.tensors import HALF_LIMIT, LIMIT, of_each, window

# A part of a tile that is smaller than this, along Y or X, is not worth computing by itself.
_LEAST = 32


class Enhancer:
    """Adds a network's correction to bicubic.

    Parameters
    ----------
    model : SRCNN
    device : torch.device
        Of the convolutions; everything else is computed where its input lies.
    color : {"gray", "channels", "luma", "rgb"}
    alpha, half, ensemble : bool
    calibration : sequence of float or None
        As of :class:`~napari_srcnn.upscaling.tiles.Engine`.

    Attributes
    ----------
    correction : callable (enlarged, padding) -> Tensor
    folded : FoldedCorrection or None
        For what lies away from the border, on a CPU and for some networks.
    """

    def __init__(
        self,
        model: SRCNN,
        device: torch.device,
        *,
        color: Color,
        alpha: bool,
        half: bool,
        ensemble: bool,
        calibration: Sequence[float] | None,
    ) -> None:
        self.config, self.device = model.config, device
        self.color, self.alpha, self.half = color, alpha, half
        self.ensemble, self.calibration = ensemble, calibration
        precision = torch.float32
        if half:
            precision = torch.bfloat16 if device.type == "cpu" else torch.float16
        self.correction = fast_correction(model, device, precision)
        self.folded: FoldedCorrection | None = None
        is_plain = color in ("gray", "channels") and not ensemble and not half
        if device.type == "cpu" and is_plain and FoldedCorrection.fits(model.config):
            self.folded = FoldedCorrection(model)
        # A CPU is slower with several planes in one convolution, since they leave its cache.
        self._together = 1 if device.type == "cpu" else 64

    def inner(self, geometry: Geometry) -> Tile | None:
        """Return the part of what is computed that the folded network can give; None if none."""
        if self.folded is None:
            return None
        area, (height, width), frame = geometry.area, geometry.plane, self.folded.frame
        y0, x0 = max(area.y0, frame), max(area.x0, frame)
        y1, x1 = min(area.y1, height - frame), min(area.x1, width - frame)
        if min(y1 - y0, x1 - x0) < min(_LEAST, area.height, area.width):
            return None
        return Tile(y0=y0, y1=y1, x0=x0, x1=x1)

    def whole(
        self,
        out: Tensor,
        enlarged: Tensor,
        sigma: Tensor | None,
        padding: Padding,
        ranges: Sequence[Sequence[IntensityRange]],
        reach: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Add the correction to all of a tile, from the enlarged image.

        Parameters
        ----------
        out, enlarged : Tensor of float64, shapes (B, S, H, W) and with the halo around
            Bicubic, as far as the image reaches.
        sigma : Tensor or None
            The noise of `enlarged`, as :func:`~napari_srcnn.upscaling.sigma.told_sigma` gives it.
        padding : Padding
            What of the halo lies beyond the image.
        ranges : sequence of sequences of IntensityRange
        reach : Tensor or None
            Where the result depends on pixels that are not finite.

        Returns
        -------
        corrected : Tensor of float64, shape (B, S, H, W)
        spread : Tensor of float32 or None
            Of a self-ensemble, in the image's units too.
        """
        colors = out.shape[1] - self.alpha
        delta, deviation, noise = self._delta(enlarged, sigma, padding, ranges)
        inverse = of_each(ranges, lambda one: one.inverse_gain, out.device)
        if self.color == "luma":
            inverse = inverse * LUMA_TO_RGB
        corrected = self._corrected(out, delta, inverse)
        if deviation is None:
            return corrected, None
        span = of_each(ranges, lambda one: one.window[1] - one.window[0], out.device)
        apart = self._calibrated(deviation, noise, span, reach)
        spread = torch.zeros(corrected.shape, dtype=torch.float32, device=out.device)
        spread[:, :colors] = apart * inverse.abs()
        return corrected, spread

    def framed(
        self,
        out: Tensor,
        bicubic: Enlarging,
        source: Tensor,
        sigma: Tensor | None,
        geometry: Geometry,
        inner: Tile,
        ranges: Sequence[Sequence[IntensityRange]],
    ) -> Tensor:
        """Add the correction to a tile, its inner part from source pixels and a frame as ever.

        Parameters
        ----------
        out : Tensor of float64, shape (B, S, H, W)
            Bicubic.
        bicubic : Enlarging
            Of the tile with its halo, as far as the image reaches.
        source : Tensor of float64
            Of the geometry's rows and columns.
        sigma, ranges
            As of :meth:`whole`.
        geometry : Geometry
        inner : Tile
            As :meth:`inner` gave it.

        Returns
        -------
        Tensor of float64, shape (B, S, H, W)
        """
        area, halo, colors = geometry.area, self.config.halo, out.shape[1] - self.alpha
        computed, _ = area.with_halo(halo, *geometry.plane)
        place = _within(inner, area)
        delta = self._folded_delta(out[place], source, sigma, geometry, inner, ranges)
        if inner != area:
            folded, delta = delta, out.new_empty(out.shape[0], colors, *out.shape[2:])
            delta[place] = folded
        for part in _around(inner, area):
            wide, padding = part.with_halo(halo, *geometry.plane)
            rows, columns = _within(wide, computed)[1:]
            told = None if sigma is None else sigma[..., rows, columns]
            enlarged = bicubic.part(rows, columns)
            delta[_within(part, area)] = self._delta(enlarged, told, padding, ranges)[0]
        inverse = of_each(ranges, lambda one: one.inverse_gain, out.device)
        return self._corrected(out, delta, inverse)

    def _corrected(self, out: Tensor, delta: Tensor, inverse: Tensor) -> Tensor:
        """Add a correction in network units to bicubic; alpha is left as it is."""
        colors = out.shape[1] - self.alpha
        corrected = torch.addcmul(out[:, :colors], delta, inverse)
        return torch.cat([corrected, out[:, colors:]], 1) if self.alpha else corrected

    def _delta(
        self,
        enlarged: Tensor,
        sigma: Tensor | None,
        padding: Padding,
        ranges: Sequence[Sequence[IntensityRange]],
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return the correction in network units, its deviation, and the noise that was told."""
        device, colors = enlarged.device, enlarged.shape[1] - self.alpha
        low = of_each(ranges, lambda one: one.low, device)
        gain = of_each(ranges, lambda one: one.gain, device)
        start = of_each(ranges, lambda one: one.window[0], device)
        if self.color == "luma":
            luma = torch.tensor(LUMA / 255, dtype=torch.float64, device=device)
            # The range is that of R, G and B; their luma (16/255..235/255) is what is windowed.
            span = of_each(ranges, lambda one: one.window[1] - one.window[0], device)
            seen = ((enlarged[:, :3] - low) * (gain / span)).movedim(1, -1) @ luma
            seen = (seen[:, None] + LUMA_OFFSET / 255) * span + start
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
            sigma = sigma.clamp(0, limit).flatten(0, 1)[:, None]
            seen = torch.cat([seen, sigma], 1)
        if padding:
            sides = (padding.left, padding.right, padding.top, padding.bottom)
            seen = F.pad(seen, sides, mode="replicate")
        noise = None if sigma is None else seen[:, 1:]
        seen = seen.to(self.device)
        parts = [self._correct(part, padding) for part in torch.split(seen, self._together)]

        def joined(some: tuple[Tensor, ...]) -> Tensor:
            whole = some[0] if len(some) == 1 else torch.cat(some)
            whole = whole.to(device, torch.float64)
            if self.color == "rgb":
                return whole
            return whole.view(enlarged.shape[0], -1, *whole.shape[-2:])

        delta, *deviation = (joined(some) for some in zip(*parts, strict=True))
        return delta, deviation[0] if deviation else None, noise

    def _folded_delta(
        self,
        out: Tensor,
        source: Tensor,
        sigma: Tensor | None,
        geometry: Geometry,
        inner: Tile,
        ranges: Sequence[Sequence[IntensityRange]],
    ) -> Tensor:
        """Return the correction of an inner part in network units, from source pixels."""
        assert self.folded is not None
        colors = out.shape[1] - self.alpha
        cells = self.folded.cells(inner.y0, inner.y1), self.folded.cells(inner.x0, inner.x1)
        (y0, y1), (x0, x1) = map(self.folded.low, cells)
        top, left = geometry.rows.start, geometry.columns.start
        # The one pixel beyond the border that counts is the border's own: a mirror image, too,
        # begins with it.
        x = window(source[:, :colors], (y0 - top, y1 - top), (x0 - left, x1 - left))
        # Beyond what bicubic reads, too, there may be values that are not finite.
        x = torch.where(x.isfinite(), x, 0.0)
        low = of_each(ranges, lambda one: one.low, out.device)
        gain = of_each(ranges, lambda one: one.gain, out.device)
        start = of_each(ranges, lambda one: one.window[0], out.device)
        seen = ((x - low) * gain + start).float().clamp_(-LIMIT, LIMIT)
        if sigma is not None:
            computed, _ = geometry.area.with_halo(self.config.halo, *geometry.plane)
            (y0, y1), (x0, x1) = map(self.folded.pixels, cells)
            top, left = computed.y0, computed.x0
            sigma = window(sigma.clamp(0, LIMIT), (y0 - top, y1 - top), (x0 - left, x1 - left))
        deltas = [
            self.folded(seen[i, j], None if sigma is None else sigma[i, j], *cells)
            for i, j in np.ndindex(*seen.shape[:2])
        ]
        delta = (deltas[0] if len(deltas) == 1 else torch.cat(deltas)).double()
        delta = delta.view(*seen.shape[:2], *out.shape[2:])
        if not self.config.skip:
            delta -= (out[:, :colors] - low) * gain + start
        return delta

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


def _within(part: Tile, whole: Tile) -> tuple[EllipsisType, slice, slice]:
    """Return where a part lies in a larger one, as an index of (B, S, H, W)."""
    rows = slice(part.y0 - whole.y0, part.y1 - whole.y0)
    return ..., rows, slice(part.x0 - whole.x0, part.x1 - whole.x0)


def _around(inner: Tile, area: Tile) -> Iterator[Tile]:
    """Yield what of an area lies around its inner part: above, below, left and right of it."""
    for y0, y1 in ((area.y0, inner.y0), (inner.y1, area.y1)):
        if y0 < y1:
            yield Tile(y0=y0, y1=y1, x0=area.x0, x1=area.x1)
    for x0, x1 in ((area.x0, inner.x0), (inner.x1, area.x1)):
        if x0 < x1:
            yield Tile(y0=inner.y0, y1=inner.y1, x0=x0, x1=x1)
