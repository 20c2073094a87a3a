"""A run of a plan: slice by slice, tile by tile, with a message after each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_srcnn
from napari_srcnn.image.rect import Tile
from napari_srcnn.network.device import device_label, processor_name
from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling import speed
from napari_srcnn.upscaling.loop import Computed, TileLoop, to_plane
from napari_srcnn.upscaling.messages import Index, Progress, Report
from napari_srcnn.upscaling.misfit import NO_MISFIT, Misfit
from napari_srcnn.upscaling.spread import sentence
from napari_srcnn.upscaling.work import Work
from napari_srcnn.words import percent


class Run:
    """The state of one run."""

    def __init__(
        self,
        plan: Work,
        out: Any,
        spread: NDArray[np.float32] | None,
        first: Index | None,
        skip: int = 0,
    ) -> None:
        self.plan, self.out, self.spread = plan, out, spread
        leading = plan.request.leading
        order = list(itertools.product(*map(range, leading)))
        if first is not None:
            first = tuple(int(i) for i in first)
            if first not in order:
                raise ValueError(f"There is no slice {first} in a stack of {leading}.")
            order.remove(first)
            order.insert(0, first)
        self.slices_total = len(order)
        self.skip, order = skip, order[skip:]
        height, width = (n * plan.scale for n in plan.request.plane)
        self.pixels_total = height * width * len(order)
        self.loop = TileLoop(plan, order, Tile(y0=0, y1=height, x0=0, x1=width))
        self.direct = isinstance(out, np.ndarray)
        # Of slices that are not complete, where tiles cannot be written by themselves.
        self.planes: dict[Index, NDArray[Any]] = {}
        self.watch, self.busy = speed.Stopwatch(), speed.Busy()
        self.slices_done = skip
        self.tiles_done = self.pixels_done = 0
        self.clipped = self.nonfinite = 0
        self.misfit = NO_MISFIT
        self.said: list[str] = []
        self.unsaid: list[str] = []

    def say(self, message: str) -> None:
        """Keep a message for the next progress and for the report."""
        self.said.append(message)
        self.unsaid.append(message)

    def messages(self) -> Iterator[Progress | Report]:
        """Do the work; see :meth:`UpscalePlan.run`."""
        self.watch.resume()
        if self.plan.request.note:
            self.say(self.plan.request.note)
        if self.spread is not None:
            self.say(sentence(self.plan.calibration))
        told = self.plan.told
        # Who has measured it before knows what there is to say.
        if told is not None and told.measured and not self.plan.measured:
            self.say(f"Noise: {told.text}.")
            for note in told.notes:
                self.say(note)
        with Workers(self.loop.threads()) as workers:
            for computed in self.loop.tiles(workers):
                self._store(computed)
                yield from self._progress(computed)
        yield self._report()

    def _store(self, computed: Computed) -> None:
        result, tile = computed.result, computed.tile
        samples = self.plan.request.samples
        for index, pixels in zip(computed.indices, result.values, strict=True):
            self._plane(index)[tile.slices] = to_plane(pixels, samples)
        if self.spread is not None and result.spread is not None:
            for index, pixels in zip(computed.indices, result.spread, strict=True):
                self.spread[index][tile.slices] = to_plane(pixels, samples)
        self.misfit += result.misfit
        self.clipped += result.clipped
        self.nonfinite += result.nonfinite
        self.busy.add(*result.span)
        if computed.is_last and not self.direct:
            for index in computed.indices:
                self.out[index] = self.planes.pop(index)

    def _plane(self, index: Index) -> NDArray[Any]:
        if self.direct:
            plane: NDArray[Any] = self.out[index]
            return plane
        if index not in self.planes:
            self.planes[index] = np.empty(self.plan.shape[len(index) :], self.plan.dtype)
        return self.planes[index]

    def _progress(self, computed: Computed) -> Iterator[Progress]:
        """Yield a message for each slice that the tile was written to."""
        # All of them are written already: closing the generator here must not lose count.
        tile, together = computed.tile, len(computed.indices)
        first_done = self.slices_done
        self.tiles_done += together
        self.pixels_done += tile.height * tile.width * together
        self.slices_done += together * computed.is_last
        self.watch.lap()
        seconds = self.watch.seconds
        total = self.tiles_done + self.loop.tiles_left()
        message = self._unsaid()
        for number, index in enumerate(computed.indices, start=1):
            yield Progress(
                tiles_done=self.tiles_done - together + number,
                tiles_total=total,
                slices_done=first_done + number if computed.is_last else first_done,
                slices_total=self.slices_total,
                index=index,
                region=(tile.y0, tile.y1, tile.x0, tile.x1),
                finished_slice=computed.is_last,
                seconds=seconds,
                seconds_left=seconds * (self.pixels_total / self.pixels_done - 1),
                message=message,
            )
            message = ""
        # How long the messages' reader takes is no part of the work.
        self.watch.resume()

    def _unsaid(self) -> str:
        for message in self.loop.said:
            self.say(message)
        self.loop.said.clear()
        text = " ".join(self.unsaid)
        self.unsaid.clear()
        return text

    def _report(self) -> Report:
        plan, engine = self.plan, self.loop.engine
        self.watch.lap()
        misfit = self.misfit.without(plan.request.smoothing)
        for message in outcome(plan.dtype, self.clipped, self.nonfinite, misfit, prod(plan.shape)):
            self.say(message)
        # A shorter time says too little; a self-ensemble's is eight times as long.
        is_plain = not (plan.request.ensemble or self.skip or plan.reach)
        if engine.device == plan.device and self.busy.seconds > 0.2 and is_plain:
            mpx_per_s = plan.network_pixels / 1e6 / self.busy.seconds
            speed.remember(
                plan.device, plan.model.config, plan.request.half, mpx_per_s=round(mpx_per_s, 3)
            )
        return Report(
            noise=None if plan.told is None else plan.told.noises,
            noise_text="" if plan.told is None else plan.told.text,
            smoothing=None if plan.told is None else plan.request.smoothing,
            ranges=plan.ranges,
            window=plan.request.window,
            clipped=self.clipped,
            nonfinite=self.nonfinite,
            consistent=plan.request.source_of is not None,
            deterministic=self.loop.block is not None,
            options=plan.request.to_dict(),
            device=device_label(engine.device),
            processor=processor_name() if engine.device.type == "cpu" else "",
            tile=self.loop.tile,
            seconds=self.watch.seconds,
            slices_done=self.slices_done,
            slices_total=self.slices_total,
            model=plan.model_name,
            model_sha256=plan.model_sha256,
            scale=plan.scale,
            version=napari_srcnn.__version__,
            messages=tuple(self.said),
            result=self.out,
        )


def outcome(
    dtype: np.dtype[Any], clipped: int, nonfinite: int, misfit: Misfit, total: int = 0
) -> Iterator[str]:
    """Yield what the user should know of a result, in sentences.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the result.
    clipped, nonfinite : int
        Values set to its limit; pixels within reach of values that are not finite.
    total : int
        How many values it has; 0 where that is not known.
    misfit : Misfit
        With the noise as it was measured.
    """
    if nonfinite:
        become = (
            "NaN in the result"
            if dtype.kind == "f"
            else ("at the lower limit of the result's dtype")
        )
        yield (
            f"The image holds values that are not finite: {nonfinite} pixels "
            f"within their reach are {become}."
        )
    if misfit.is_beyond_noise:
        yield misfit.sentence
    if clipped:
        share = "" if not total else f" ({percent(clipped / total)})"
        yield f"{clipped:,} values{share} are the darkest or the brightest that {dtype} has."
