"""The one primitive: an area of the output of some slices, tile by tile, in the memory there is.

A whole run, a preview and a region of the result are loops over it. What to do without memory is
decided here and nowhere else.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_srcnn.image.rect import Tile, tile_grid
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.network.device import device_label, free_ram, is_out_of_memory
from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling.geometry import Geometry, tile_geometry
from napari_srcnn.upscaling.levels import fixed_blocks
from napari_srcnn.upscaling.messages import Index
from napari_srcnn.upscaling.noise import noises_of
from napari_srcnn.upscaling.pending import Pending, Result
from napari_srcnn.upscaling.reader import PlaneReader, reads_files
from napari_srcnn.upscaling.speed import MIN_TILE, bytes_per_pixel
from napari_srcnn.upscaling.work import Work

_logger = logging.getLogger(__name__)
# On the CPU, after a GPU had no memory: small enough for any machine.
_LAST_TILE = 128
# Every so many tiles one is compared with its source.
_CHECKED = 16


@dataclass(slots=True, eq=False)
class _Group:
    """Slices that pass together, and how many of their tiles are not computed yet."""

    indices: Sequence[Index]
    readers: list[PlaneReader]
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A tile of the output, of one slice or of several that passed together.

    Attributes
    ----------
    indices : sequence of tuple of int
        The slices.
    tile : Tile
        Within the whole output plane.
    result : Result
    is_last : bool
        Whether it completes the area of these slices.
    """

    indices: Sequence[Index]
    tile: Tile
    result: Result
    is_last: bool


class TileLoop:
    """Computes an area of the output of some slices, in their order.

    Parameters
    ----------
    plan : Work
    order : sequence of tuple of int
        Leading indices of the slices.
    area : Tile
        What of each of them.
    enhance : bool
        False leaves the network out: bicubic alone.
    on_grid : bool
        False computes no more than the area, where the last bit is nobody's concern.

    Attributes
    ----------
    tile, batch : int
        Pixels a side, and slices together; smaller after memory ran out.
    block : int or None
        Pixels a side of the blocks of a fixed grid that are computed as one, so that pixels depend
        on nothing else; None where a tile is one.
    engine : Engine
        The CPU's after a GPU had no memory even for the smallest tile.
    begun : int
        Slices of which a tile was begun.
    said : list of str
        What its user should know, until it is taken away.
    source : array-like
        What is read: the plan's, or what stands for it where it is read.
    rows, columns : slice
        What of the source's planes is read at most.
    """

    def __init__(
        self,
        plan: Work,
        order: Sequence[Index],
        area: Tile,
        *,
        enhance: bool = True,
        on_grid: bool = True,
    ) -> None:
        self.plan, self.order, self.area, self.enhance = plan, order, area, enhance
        self.source = plan.source
        self.tile, self.engine = plan.choose_tile(), plan.engine
        self.batch, self.block = plan.batch, plan.block if enhance and on_grid else None
        self.begun = 0
        self._number = itertools.count()
        self.said: list[str] = []
        # The same for all slices, until memory runs out.
        self._grids: dict[tuple[int, int | None], list[Tile]] = {}
        self._geometries: dict[Tile, Geometry] = {}
        grid = self._grid()
        ends = [self._geometry(tile) for tile in (grid[0], grid[-1])]
        self.rows = slice(ends[0].rows.start, ends[1].rows.stop)
        self.columns = slice(ends[0].columns.start, ends[1].columns.stop)
        # Those that were begun and have tiles left.
        self._groups: list[_Group] = []
        # The readers of the slices that come next.
        self._ahead: dict[Index, PlaneReader] = {}
        self._waiting: deque[tuple[_Group, Tile]] = deque()
        self._pending: deque[tuple[_Group, Tile, Pending]] = deque()

    def threads(self) -> int:
        """Return how many tiles to compute at a time on the CPU, with one thread each.

        With 0 they are computed one by one, each by all threads: where there are fewer tiles than
        threads, or where a tile is so large (its user said so) that memory holds only a few.
        """
        threads = torch.get_num_threads()
        if self.block is not None and self.engine.device.type == "cpu":
            # Sums depend on the number of threads that share one.
            return max(1, min(threads, self._grid_size() * len(self.order)))
        side_y, side_x = min(self.tile, self.area.height), min(self.tile, self.area.width)
        needed = bytes_per_pixel(self.plan.model.config, half=False) * side_y * side_x
        enough = threads * needed <= free_ram() // 4
        return threads if enough and self._grid_size() * len(self.order) >= threads else 0

    def tiles_left(self) -> int:
        """Return how many tiles are still to come, each slice's by itself."""
        begun = sum(group.left * len(group.indices) for group in self._groups)
        return begun + self._grid_size() * (len(self.order) - self.begun)

    def tiles(self, workers: Workers) -> Iterator[Computed]:
        """Keep the device busy, across slices, and yield what is computed in its order.

        Raises
        ------
        ValueError
            If there is no memory for the smallest tile.
        """
        if not reads_files(self.source):
            yield from self._tiles(workers, None)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="napari-srcnn read") as pool:
            yield from self._tiles(workers, pool)

    def _tiles(self, workers: Workers, pool: ThreadPoolExecutor | None) -> Iterator[Computed]:
        waiting, pending = self._waiting, self._pending
        while waiting or pending or self.begun < len(self.order):
            more = bool(waiting) or self.begun < len(self.order)
            if more and len(pending) < self.engine.depth(workers):
                if not waiting:
                    self._begin_group(pool)
                group, tile = waiting.popleft()
                if max(tile.height, tile.width) > self.tile:
                    parts = list(tile.split())
                    group.left += len(parts) - 1
                    waiting.extendleft((group, part) for part in reversed(parts))
                    continue
                try:
                    pending.append((group, tile, self._submit(group, tile, workers)))
                    continue
                except Exception as error:  # a source may raise anything when it is read
                    failure = error
                waiting.appendleft((group, tile))
                # What is in flight is taken first: it holds memory, and is done whatever failed.
                while pending:
                    yield from self._take()
                if not isinstance(failure, RuntimeError | MemoryError):
                    raise failure
                if not is_out_of_memory(failure):
                    raise failure
                self._shrink(failure, tile)
            else:
                yield from self._take()

    def _begin_group(self, pool: ThreadPoolExecutor | None) -> None:
        # Running out of memory makes the batch smaller on the way.
        indices = self.order[self.begun : self.begun + self.batch]
        self.begun += len(indices)
        readers = [
            self._ahead[index] if index in self._ahead else self._reader(index) for index in indices
        ]
        if pool is not None:
            following = self.order[self.begun : self.begun + self.batch]
            self._ahead = {index: self._reader(index) for index in following}
            for reader in self._ahead.values():
                reader.read_ahead(pool)
        grid = self._grid()
        group = _Group(indices, readers, len(grid))
        self._groups.append(group)
        self._waiting.extend((group, tile) for tile in grid)

    def _reader(self, index: Index) -> PlaneReader:
        return PlaneReader(
            self.source, index, self.plan.request, rows=self.rows, columns=self.columns
        )

    def _submit(self, group: _Group, tile: Tile, workers: Workers) -> Pending:
        """Start computing one tile."""
        geometry, plan = self._geometry(tile), self.plan
        windows = [reader.window(geometry.rows, geometry.columns) for reader in group.readers]
        # Bicubic knows no intensities, so the stack is not read to measure them.
        indices = group.indices if self.enhance else ()
        ranges = [plan.request.ranges_of(index, plan.ranges) for index in indices]
        noises: list[tuple[Noise, ...]] = []
        if self.enhance and plan.told is not None:
            noises = [noises_of(plan.request, index, plan.told.noises) for index in indices]
        return self.engine.submit(
            # Of one slice it is copied where it is computed.
            windows[0][None] if len(windows) == 1 else np.stack(windows),
            geometry,
            ranges,
            noises=noises,
            enhance=self.enhance,
            # A sample of the tiles, spread evenly.
            check=next(self._number) % _CHECKED == 0,
            workers=workers,
        )

    def _take(self) -> Iterator[Computed]:
        """Yield the tile that was begun first; without memory for it, begin all anew from it on.

        So slices end in their order, which a file that is written plane by plane depends on.
        """
        group, tile, work = self._pending.popleft()
        try:
            result = work.result()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            again = [(group, tile), *((other, place) for other, place, _ in self._pending)]
            for *_, work in self._pending:
                with contextlib.suppress(RuntimeError, MemoryError):
                    work.result()
            self._pending.clear()
            self._waiting.extendleft(reversed(again))
            self._shrink(error, tile)
            return
        group.left -= 1
        if not group.left:
            self._groups.remove(group)
        yield Computed(indices=group.indices, tile=tile, result=result, is_last=not group.left)

    def _shrink(self, error: RuntimeError | MemoryError, failed: Tile) -> None:
        """Halve the tile after running out of memory; at its smallest, go on on the CPU."""
        self._geometries.clear()
        label = device_label(self.engine.device)
        if self.engine.device.type == "cuda":
            torch.cuda.empty_cache()
        # Of an image smaller than the tile, the tile that failed is what has to be halved.
        size = min(self.tile, max(failed.height, failed.width))
        if size > MIN_TILE:
            self.tile = max(size // 2, MIN_TILE)
            self.batch = max(self.batch // 2, 1)
            self._say(f"{label} ran out of memory; the tile is now {self.tile} pixels.")
            self.plan.limit_tile(self.tile, self.batch)
            if self.block is not None:
                self.block = None
                self._say("From here on the result may differ from another run's in its last bits.")
        elif self.engine.device.type != "cpu":
            self.block = None
            self._say(f"{label} has no memory for the smallest tile; the CPU goes on.")
            self.engine, self.batch = self.plan.engine_on(torch.device("cpu")), 1
            self.tile = _LAST_TILE
        else:
            raise ValueError(
                f"There is not enough memory for a tile of {self.tile} pixels; "
                "close other programs and try again."
            ) from error

    def _say(self, message: str) -> None:
        _logger.info(message)
        self.said.append(message)

    def _grid(self) -> list[Tile]:
        """Return the tiles of a slice."""
        known = self.tile, self.block
        if known not in self._grids:
            self._grids[known] = self._make_grid()
        return self._grids[known]

    def _make_grid(self) -> list[Tile]:
        area = self.area
        y, x = area.y0, area.x0
        if self.block is None:
            return [
                Tile(y0=tile.y0 + y, y1=tile.y1 + y, x0=tile.x0 + x, x1=tile.x1 + x)
                for tile in tile_grid(area.height, area.width, self.tile)
            ]
        return [
            Tile(
                y0=max(one.y0, y),
                y1=min(one.y1, area.y1),
                x0=max(one.x0, x),
                x1=min(one.x1, area.x1),
            )
            for one in fixed_blocks(area, self._plane, self.block)
        ]

    def _grid_size(self) -> int:
        """Return how many tiles a slice has."""
        return len(self._grid())

    def _geometry(self, tile: Tile) -> Geometry:
        """Return what a tile is computed of."""
        if tile not in self._geometries:
            self._geometries[tile] = self._make_geometry(tile)
        return self._geometries[tile]

    def _make_geometry(self, tile: Tile) -> Geometry:
        plan, config = self.plan.request, self.plan.model.config
        return tile_geometry(
            tile,
            plan.plane,
            plan.scale,
            config.halo,
            config.a,
            noise=config.noise,
            block=self._block_of(tile),
            reach=self.plan.reach if self.enhance else 0,
            around=self.plan.around if self.enhance else 0,
        )

    def _block_of(self, tile: Tile) -> Tile | None:
        """Return the block of the whole plane that a tile lies in."""
        if self.block is None:
            return None
        return fixed_blocks(tile, self._plane, self.block)[0]

    @property
    def _plane(self) -> tuple[int, int]:
        """Rows and columns of the whole output."""
        height, width = self.plan.request.plane
        return height * self.plan.scale, width * self.plan.scale


def to_plane(values: NDArray[Any], samples: int) -> NDArray[Any]:
    """Turn (S, H, W) into the output's (H, W), or into (H, W, S) where there are colour samples."""
    return np.moveaxis(values, 0, -1) if samples else values[0]
