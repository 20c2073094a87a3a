"""A run of a plan: slice by slice, tile by tile, with a message after each."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

import napari_srcnn
from napari_srcnn.image.rect import Tile, tile_grid
from napari_srcnn.network.device import device_label, free_ram, is_out_of_memory
from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling import speed as calibration
from napari_srcnn.upscaling.messages import Index, Progress, Report
from napari_srcnn.upscaling.plan import PlaneReader, to_plane
from napari_srcnn.upscaling.tiles import Pending

if TYPE_CHECKING:
    from napari_srcnn.upscaling.plan import UpscalePlan


class _Slices:
    """Slices that pass together, and how many of their tiles are not stored yet."""

    def __init__(self, run: Run, indices: Sequence[Index]) -> None:
        plan, self.indices = run.plan, indices
        self.readers = [PlaneReader(plan.source, index, plan.request) for index in indices]
        self.planes: list[NDArray[Any]] = [
            run.out[index] if run.direct else np.empty(plan.shape[len(index) :], plan.dtype)
            for index in indices
        ]
        self.left = 0


class Run:
    """The state of one run."""

    def __init__(
        self,
        plan: UpscalePlan,
        out: Any,
        spread: NDArray[np.float32] | None,
        first: Index | None,
        skip: int = 0,
    ) -> None:
        self.plan, self.out, self.spread = plan, out, spread
        leading = plan.request.leading
        self.order = list(itertools.product(*map(range, leading)))
        if first is not None:
            first = tuple(int(i) for i in first)
            if first not in self.order:
                raise ValueError(f"There is no slice {first} in a stack of {leading}.")
            self.order.remove(first)
            self.order.insert(0, first)
        self.skip, self.order = skip, self.order[skip:]
        self.direct = isinstance(out, np.ndarray)
        self.engine, self.tile = plan.engine, plan.tile
        self.batch = plan.batch
        height, width = (n * plan.scale for n in plan.request.plane)
        self.height, self.width = height, width
        self.began = time.perf_counter()
        self.begun = self.tiles_done = 0
        self.slices_done = skip
        self.pixels_done = self.clipped = self.nonfinite = 0
        self.said: list[str] = []
        self.unsaid: list[str] = []

    def say(self, message: str) -> None:
        """Keep a message for the next progress and for the report."""
        self.said.append(message)
        self.unsaid.append(message)

    def messages(self) -> Iterator[Progress | Report]:
        """Do the work; see :meth:`UpscalePlan.run`."""
        if self.plan.request.note:
            self.say(self.plan.request.note)
        with Workers(self._threads()) as workers:
            yield from self._tiles(workers)
        yield self._report()

    def _threads(self) -> int:
        """Return how many tiles to compute at a time on the CPU, with one thread each.

        With 0 they are computed one by one, each by all threads: where there are fewer tiles than
        threads, or where a tile is so large (its user said so) that memory holds only a few.
        """
        threads = torch.get_num_threads()
        side_y, side_x = min(self.tile, self.height), min(self.tile, self.width)
        needed = calibration.bytes_per_pixel(self.plan.model.config, half=False) * side_y * side_x
        enough = threads * needed <= free_ram() // 4
        return threads if enough and self._grid_size() * len(self.order) >= threads else 0

    def _grid_size(self) -> int:
        """Return how many tiles a slice has."""
        return math.ceil(self.height / self.tile) * math.ceil(self.width / self.tile)

    def _tiles(self, workers: Workers) -> Iterator[Progress]:
        """Keep the device busy with tiles, across slices, and store them in their order."""
        waiting: deque[tuple[_Slices, Tile]] = deque()
        pending: deque[tuple[_Slices, Tile, Pending]] = deque()
        while waiting or pending or self.begun < len(self.order):
            more = bool(waiting) or self.begun < len(self.order)
            if more and len(pending) < self.engine.depth(workers):
                if not waiting:
                    # Running out of memory makes the batch smaller on the way.
                    slices = _Slices(self, self.order[self.begun : self.begun + self.batch])
                    self.begun += len(slices.indices)
                    grid = tile_grid(self.height, self.width, self.tile)
                    slices.left = len(grid)
                    waiting.extend((slices, tile) for tile in grid)
                slices, tile = waiting.popleft()
                if max(tile.height, tile.width) > self.tile:
                    parts = list(tile.split())
                    slices.left += len(parts) - 1
                    waiting.extendleft((slices, part) for part in reversed(parts))
                    continue
                try:
                    work = self.plan.submit(
                        self.engine, slices.readers, slices.indices, tile, workers=workers
                    )
                    pending.append((slices, tile, work))
                    continue
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    failure: RuntimeError | MemoryError = error
                waiting.appendleft((slices, tile))
                # What is in flight is written first: it holds memory.
                while pending:
                    yield from self._finish(pending, waiting)
                self._shrink(failure, tile)
            else:
                yield from self._finish(pending, waiting)

    def _finish(
        self,
        pending: deque[tuple[_Slices, Tile, Pending]],
        waiting: deque[tuple[_Slices, Tile]],
    ) -> Iterator[Progress]:
        """Store the tile that was begun first; without memory for it, begin all anew from it on.

        So slices end in their order, which a file that is written plane by plane depends on.
        """
        slices, tile, work = pending.popleft()
        try:
            values, clipped, nonfinite, spread = work.result()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            again = [(slices, tile), *((other, place) for other, place, _ in pending)]
            for *_, work in pending:
                with contextlib.suppress(RuntimeError, MemoryError):
                    work.result()
            pending.clear()
            waiting.extendleft(reversed(again))
            self._shrink(error, tile)
            return
        for plane, pixels in zip(slices.planes, values, strict=True):
            plane[tile.slices] = to_plane(pixels, self.plan.request)
        if self.spread is not None and spread is not None:
            for index, pixels in zip(slices.indices, spread, strict=True):
                self.spread[index][tile.slices] = to_plane(pixels, self.plan.request)
        self.clipped += clipped
        self.nonfinite += nonfinite
        slices.left -= 1
        if not slices.left and not self.direct:
            for index, plane in zip(slices.indices, slices.planes, strict=True):
                self.out[index] = plane
        left = sum(len(entry[0].indices) for queue in (waiting, pending) for entry in queue)
        yield from self._progress(tile, slices, left=left)

    def _progress(self, tile: Tile, slices: _Slices, *, left: int) -> Iterator[Progress]:
        """Yield a message for each slice that the tile was written to; `left` tiles are begun."""
        # All of them are written already: closing the generator here must not lose count.
        first_done, together = self.slices_done, len(slices.indices)
        self.tiles_done += together
        self.pixels_done += tile.height * tile.width * together
        if not slices.left:
            self.slices_done += together
        seconds = time.perf_counter() - self.began
        pixels_left = self.height * self.width * len(self.order) - self.pixels_done
        seconds_left = seconds * pixels_left / self.pixels_done
        total = self.tiles_done + left + self._grid_size() * (len(self.order) - self.begun)
        message = " ".join(self.unsaid)
        self.unsaid.clear()
        for number, index in enumerate(slices.indices, start=1):
            yield Progress(
                tiles_done=self.tiles_done - together + number,
                tiles_total=total,
                slices_done=self.slices_done if slices.left else first_done + number,
                slices_total=self.skip + len(self.order),
                index=index,
                region=(tile.y0, tile.y1, tile.x0, tile.x1),
                finished_slice=not slices.left,
                seconds=seconds,
                seconds_left=seconds_left,
                message=message,
            )
            message = ""

    def _shrink(self, error: RuntimeError | MemoryError, failed: Tile) -> None:
        """Halve the tile after running out of memory; at its smallest, go on on the CPU."""
        label = device_label(self.engine.device)
        if self.engine.device.type == "cuda":
            torch.cuda.empty_cache()
        # Of an image smaller than the tile, the tile that failed is what has to be halved.
        size = min(self.tile, max(failed.height, failed.width))
        if size > calibration.MIN_TILE:
            self.tile = max(size // 2, calibration.MIN_TILE)
            self.batch = max(self.batch // 2, 1)
            self.say(f"{label} ran out of memory; the tile is now {self.tile} pixels.")
        elif self.engine.device.type != "cpu":
            self.say(f"{label} has no memory for the smallest tile; the CPU goes on.")
            self.engine, self.batch = self.plan.engine_on(torch.device("cpu")), 1
            self.tile = 128
        else:
            raise ValueError(
                f"There is not enough memory for a tile of {self.tile} pixels; "
                "close other programs and try again."
            ) from error

    def _report(self) -> Report:
        plan = self.plan
        seconds = time.perf_counter() - self.began
        if self.nonfinite:
            self.say(
                f"The image holds values that are not finite: {self.nonfinite} pixels "
                "within their reach are NaN in the result."
                if plan.dtype.kind == "f"
                else f"The image holds values that are not finite: {self.nonfinite} pixels "
                "within their reach are at the lower limit of the result's dtype."
            )
        if self.clipped:
            self.say(f"{self.clipped} values lay outside of {plan.dtype} and were clipped.")
        is_plain = not plan.request.ensemble and not self.skip
        if self.engine.device == plan.device and seconds > 0.2 and is_plain:
            speed = plan.network_pixels / 1e6 / seconds
            config, half = plan.model.config, plan.request.half
            calibration.remember(plan.device, config, half, mpx_per_s=round(speed, 3))
        return Report(
            ranges=plan.ranges,
            window=plan.request.window,
            clipped=self.clipped,
            nonfinite=self.nonfinite,
            device=device_label(self.engine.device),
            tile=self.tile,
            seconds=seconds,
            slices_done=self.slices_done,
            slices_total=self.skip + len(self.order),
            model=plan.model_name,
            model_sha256=plan.model_sha256,
            scale=plan.scale,
            version=napari_srcnn.__version__,
            messages=tuple(self.said),
            result=self.out,
        )
