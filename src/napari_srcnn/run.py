"""A run of a plan: slice by slice, tile by tile, with a message after each."""

from __future__ import annotations

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
from napari_srcnn import calibration
from napari_srcnn.device import device_label
from napari_srcnn.engine import Pending
from napari_srcnn.messages import Index, Progress, Report
from napari_srcnn.plan import PlaneReader, to_plane
from napari_srcnn.tiling import Tile, tile_grid

if TYPE_CHECKING:
    from napari_srcnn.plan import UpscalePlan


class Run:
    """The state of one run."""

    def __init__(self, plan: UpscalePlan, out: Any, first: Index | None) -> None:
        self.plan, self.out = plan, out
        leading = plan.request.leading
        self.order = list(itertools.product(*map(range, leading)))
        if first is not None:
            first = tuple(int(i) for i in first)
            if first not in self.order:
                raise ValueError(f"There is no slice {first} in a stack of {leading}.")
            self.order.remove(first)
            self.order.insert(0, first)
        self.direct = isinstance(out, np.ndarray)
        self.engine, self.tile = plan.engine, plan.tile
        self.batch = plan.batch
        height, width = (n * plan.scale for n in plan.request.plane)
        self.height, self.width = height, width
        self.began = time.perf_counter()
        self.slices_done = self.tiles_done = 0
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
        # Running out of memory makes the batch smaller on the way.
        while self.slices_done < len(self.order):
            start = self.slices_done
            yield from self._slices(self.order[start : start + self.batch])
        yield self._report()

    def _slices(self, indices: Sequence[Index]) -> Iterator[Progress]:
        """Do the same tiles of several slices together (of one slice, on a CPU)."""
        plan = self.plan
        readers = [PlaneReader(plan.source, index, plan.request) for index in indices]
        planes = [self._target(index) for index in indices]
        queue = deque(tile_grid(self.height, self.width, self.tile))
        pending: deque[tuple[Tile, Pending]] = deque()
        while queue or pending:
            if queue and len(pending) < self.engine.depth:
                tile = queue.popleft()
                if max(tile.height, tile.width) > self.tile:
                    queue.extendleft(reversed(list(tile.split())))
                    continue
                try:
                    pending.append((tile, plan.submit(self.engine, readers, indices, tile)))
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    queue.appendleft(tile)
                    # What is in flight is written first: it holds memory.
                    while pending:
                        tile, work = pending.popleft()
                        self._store(tile, work, planes)
                        yield from self._progress(tile, indices, left=len(queue) + len(pending))
                    self._shrink(error, queue[0])
                continue
            tile, work = pending.popleft()
            self._store(tile, work, planes)
            left = len(queue) + len(pending)
            if not left and not self.direct:
                for index, plane in zip(indices, planes, strict=True):
                    self.out[index] = plane
            yield from self._progress(tile, indices, left=left)

    def _target(self, index: Index) -> NDArray[Any]:
        """Return the array that a slice's tiles are written into."""
        if self.direct:
            view: NDArray[Any] = self.out[index]
            return view
        return np.empty(self.plan.shape[len(index) :], self.plan.dtype)

    def _store(self, tile: Tile, work: Pending, planes: Sequence[NDArray[Any]]) -> None:
        values, clipped, nonfinite = work.result()
        for plane, pixels in zip(planes, values, strict=True):
            plane[tile.slices] = to_plane(pixels, self.plan.request)
        self.clipped += clipped
        self.nonfinite += nonfinite

    def _progress(self, tile: Tile, indices: Sequence[Index], *, left: int) -> Iterator[Progress]:
        """Yield a message for each slice that the tile was written to; `left` are its others."""
        # All of them are written already: closing the generator here must not lose count.
        first_done = self.slices_done
        self.tiles_done += len(indices)
        self.pixels_done += tile.height * tile.width * len(indices)
        if not left:
            self.slices_done += len(indices)
        seconds = time.perf_counter() - self.began
        pixels_left = self.height * self.width * len(self.order) - self.pixels_done
        seconds_left = seconds * pixels_left / self.pixels_done
        grid = math.ceil(self.height / self.tile) * math.ceil(self.width / self.tile)
        slices_left = len(self.order) - first_done - len(indices)
        total = self.tiles_done + left * len(indices) + grid * slices_left
        message = " ".join(self.unsaid)
        self.unsaid.clear()
        for number, index in enumerate(indices, start=1):
            yield Progress(
                tiles_done=self.tiles_done - len(indices) + number, tiles_total=total,
                slices_done=self.slices_done if left else first_done + number,
                slices_total=len(self.order), index=index,
                region=(tile.y0, tile.y1, tile.x0, tile.x1), finished_slice=not left,
                seconds=seconds, seconds_left=seconds_left, message=message,
            )  # fmt: skip
            message = ""

    def _shrink(self, error: RuntimeError, failed: Tile) -> None:
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
                if plan.dtype.kind == "f" else
                f"The image holds values that are not finite: {self.nonfinite} pixels "
                "within their reach are at the lower limit of the result's dtype."
            )  # fmt: skip
        if self.clipped:
            self.say(f"{self.clipped} values lay outside of {plan.dtype} and were clipped.")
        if self.engine.device == plan.device and seconds > 0.2:
            speed = plan.network_pixels / 1e6 / seconds
            config, half = plan.model.config, plan.request.half
            calibration.remember(plan.device, config, half, mpx_per_s=round(speed, 3))
        return Report(
            ranges=plan.ranges, window=plan.request.window, clipped=self.clipped,
            nonfinite=self.nonfinite, device=device_label(self.engine.device), tile=self.tile,
            seconds=seconds, slices_done=self.slices_done, slices_total=len(self.order),
            model=plan.model_name, model_sha256=plan.model_sha256, scale=plan.scale,
            version=napari_srcnn.__version__, messages=tuple(self.said), result=self.out,
        )  # fmt: skip


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether torch ran out of memory (CUDA has a type for it, the CPU and Metal have not)."""
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
        or "not enough memory" in text
    )
