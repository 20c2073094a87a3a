"""Blocks of a result and of its coarse levels: which there are, and how they are made."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.rect import Rect, Tile
from napari_srcnn.microscope.noise_report import MeasuredNoise
from napari_srcnn.upscaling.levels import (
    Levels,
    areas_of,
    blocks_in,
    fixed_blocks,
    lies_in,
    part_of,
    paste,
)
from napari_srcnn.upscaling.messages import Index
from napari_srcnn.upscaling.pyramid import RecentSource, coarse_levels
from napari_srcnn.upscaling.resolve import Plan

if TYPE_CHECKING:
    from napari_srcnn.upscaling.plan import UpscalePlan

# Pixels a side of what is kept of the coarse levels in one piece.
COARSE_BLOCK = 512
# The network's halo and the local mean reach no further beyond a tile; read along, to read once.
_MARGIN = 64

Made = tuple[Tile, NDArray[Any]]


class BlockMaker:
    """Makes blocks of a result, which is level 0, and of the coarse levels behind it.

    A block of the result is a tile as a whole run has it, so that both are equal.

    Parameters
    ----------
    request : Plan
    levels : sequence of array-like
        The source; of a multiscale one, also its coarser levels.
    measured : tuple of MeasuredNoise

    Attributes
    ----------
    levels : Levels
    dtype : dtype
    """

    def __init__(
        self, request: Plan, levels: Sequence[Any], measured: tuple[MeasuredNoise, ...]
    ) -> None:
        self.request, self._measured = request, measured
        self._source = RecentSource(levels[0], len(request.leading))
        self._coarse = coarse_levels([self._source, *levels[1:]], request)
        shapes = (request.shape, *(level.shape for level in self._coarse))
        self.levels = Levels(shapes, len(request.leading))
        self.dtype = request.dtype
        self._plan: UpscalePlan | None = None
        self._tile: int | None = None
        # Of the grid that the result is computed by, where there is one.
        self._block: int | None = None
        self._planning = threading.Lock()

    @property
    def is_planned(self) -> bool:
        """Whether :meth:`plan` has been called, which says how large the result's blocks are."""
        return self._tile is not None

    def plan(self) -> UpscalePlan:
        """Return the plan with all that is measured once; what takes seconds the first time.

        Raises
        ------
        ValueError
            If there is no such device, or the model's weights cannot be used.
        """
        # Who makes this waits for no torch.
        from napari_srcnn.upscaling.plan import load_plan

        with self._planning:
            if self._plan is None:
                plan = load_plan(self.request, self._source, self._measured)
                tile = plan.choose_tile()
                _ = plan.engine, plan.ranges, plan.told
                self._plan, self._block, self._tile = plan, plan.block, tile
            return self._plan

    def blocks(self, level: int, area: Rect) -> list[Tile]:
        """Return the blocks that an area touches; of the result none before it is planned."""
        size, plane = COARSE_BLOCK if level else self._tile, self.levels.plane(level)
        if not level and self._block is not None:
            return fixed_blocks(area, plane, self._block)
        return [] if size is None else blocks_in(area, plane, size)

    def make(self, level: int, index: Index, blocks: Sequence[Tile]) -> Iterator[Made]:
        """Yield blocks of a slice and their pixels, as they are done.

        Raises
        ------
        ValueError
            If there is no memory for the smallest tile.
        """
        for area in areas_of(blocks):
            within = [block for block in blocks if lies_in(block, area)]
            if level:
                yield from self._read(level, index, area, within)
            else:
                yield from self._compute(index, area, within)

    def forget(self) -> None:
        """Let go of what was read of the source last."""
        self._source.forget()

    def _compute(self, index: Index, area: Tile, blocks: Sequence[Tile]) -> Iterator[Made]:
        from napari_srcnn.network.threads import Workers
        from napari_srcnn.upscaling.loop import TileLoop, to_plane

        plan, waiting = self.plan(), dict.fromkeys(blocks)
        samples = plan.request.samples
        rest: NDArray[Any] | None = None
        loop = TileLoop(plan, [index], area)
        with Workers(loop.threads()) as workers:
            for computed in loop.tiles(workers):
                pixels = to_plane(computed.result.values[0], samples)
                if computed.tile in waiting:
                    del waiting[computed.tile]
                    yield computed.tile, pixels
                    continue
                # Smaller than a block: memory ran out.
                if rest is None:
                    rest = np.empty(self.levels.shape_of(area), self.dtype)
                paste(rest, area, computed.tile, pixels)
        if rest is not None:
            for block in waiting:
                yield block, part_of(rest, area, block)

    def _read(self, level: int, index: Index, area: Tile, blocks: Sequence[Tile]) -> Iterator[Made]:
        """Read an area of a coarse level in one piece."""
        if level == 1:
            height, width = self.levels.plane(1)
            self._source.window(
                index,
                slice(max(area.y0 - _MARGIN, 0), min(area.y1 + _MARGIN, height)),
                slice(max(area.x0 - _MARGIN, 0), min(area.x1 + _MARGIN, width)),
            )
        pixels = self._coarse[level - 1].read(index, area)
        for block in blocks:
            yield block, part_of(pixels, area, block)
