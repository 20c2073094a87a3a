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
        for start in range(0, len(self.order), self.batch):
            # The ranges are asked for before the first tile, so that reading is not timed as one.
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
                        yield self._write(*pending.popleft(), planes, indices, done=False)
                    self._shrink(error)
                continue
            tile, work = pending.popleft()
            done = not queue and not pending
            if done and not self.direct:
                values = self._store(tile, work, planes)
                for index, plane in zip(indices, planes, strict=True):
                    self.out[index] = plane
                yield self._progress(tile, indices, done=True, pixels=values)
            else:
                yield self._write(tile, work, planes, indices, done=done)

    def _target(self, index: Index) -> NDArray[Any]:
        """Return the array that a slice's tiles are written into."""
        if self.direct:
            view: NDArray[Any] = self.out[index]
            return view
        return np.empty(self.plan.shape[len(index) :], self.plan.dtype)

    def _store(self, tile: Tile, work: Pending, planes: Sequence[NDArray[Any]]) -> int:
        values, clipped, nonfinite = work.result()
        for plane, pixels in zip(planes, values, strict=True):
            plane[tile.slices] = to_plane(pixels, self.plan.request)
        self.clipped += clipped
        self.nonfinite += nonfinite
        return tile.height * tile.width * len(planes)

    def _write(
        self,
        tile: Tile,
        work: Pending,
        planes: Sequence[NDArray[Any]],
        indices: Sequence[Index],
        *,
        done: bool,
    ) -> Progress:
        pixels = self._store(tile, work, planes)
        return self._progress(tile, indices, done=done, pixels=pixels)

    def _progress(
        self, tile: Tile, indices: Sequence[Index], *, done: bool, pixels: int
    ) -> Progress:
        self.pixels_done += pixels
        self.tiles_done += len(indices)
        if done:
            self.slices_done += len(indices)
        seconds = time.perf_counter() - self.began
        total_pixels = self.height * self.width * len(self.order)
        left = total_pixels - self.pixels_done
        message = " ".join(self.unsaid)
        self.unsaid.clear()
        tiles_left = math.ceil(left / (self.pixels_done / self.tiles_done))
        return Progress(
            tiles_done=self.tiles_done, tiles_total=self.tiles_done + tiles_left,
            slices_done=self.slices_done, slices_total=len(self.order), index=indices[-1],
            region=(tile.y0, tile.y1, tile.x0, tile.x1), finished_slice=done, seconds=seconds,
            seconds_left=seconds * left / self.pixels_done, message=message,
        )  # fmt: skip

    def _shrink(self, error: RuntimeError) -> None:
        """Halve the tile after running out of memory; at its smallest, go on on the CPU."""
        label = device_label(self.engine.device)
        if self.engine.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.tile > calibration.MIN_TILE:
            self.tile = max(self.tile // 2, calibration.MIN_TILE)
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
