"""A result that is computed where it is looked at: what is asked for last comes first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.rect import Rect, Tile
from napari_srcnn.microscope.noise_report import MeasuredNoise
from napari_srcnn.upscaling.blocks import BlockMaker
from napari_srcnn.upscaling.cache import BlockCache, Key, usual_budget
from napari_srcnn.upscaling.levels import paste
from napari_srcnn.upscaling.messages import Index
from napari_srcnn.upscaling.resolve import Plan

if TYPE_CHECKING:
    from threading import Event

    from napari_srcnn.upscaling.plan import UpscalePlan

# A drawing asks for what is on screen and for a thumbnail; what was asked before is not wanted.
ASKED = 2
# Seconds that a new slice is waited for, which is read by then if it lies in memory: no flicker.
PATIENCE = 0.015
# Seconds after which a worker without work looks whether it was stopped.
_POLL = 0.25


@dataclass(frozen=True, slots=True)
class Changed:
    """More of what was looked at last is there."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What was looked at cannot be computed; said once for each reason."""

    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What was looked at: an area of slices of a level."""

    level: int
    indices: tuple[Index, ...]
    area: Tile


class LazyResult:
    """What an upscaling gives, computed where it is looked at; equal to the whole result.

    Level 0 is the result, the others cost no more than reading: the source, and smaller. Intensity
    ranges and the noise are measured once, as a whole run measures them.

    Looking (:meth:`look`) gives what is there, within a blink. What is missing is computed by
    whoever iterates over :meth:`work`, the latest look first; what is looked at no more is left
    after the tile at hand. :meth:`read` computes here and now.

    Parameters
    ----------
    request : Plan
        As :func:`~napari_srcnn.upscaling.resolve.resolve` made it of the source.
    levels : sequence of array-like
        The source; of a multiscale one, also its coarser levels.
    measured : tuple of MeasuredNoise
        As of :func:`~napari_srcnn.upscaling.plan.load_plan`.
    budget : int, optional
        Bytes of pixels that are kept, by default a quarter of the free memory and 1 GiB at most;
        the part of the source that was read last comes to that, up to 256 MiB.

    Attributes
    ----------
    levels : Levels
    dtype : dtype
    cache : BlockCache
    """

    def __init__(
        self,
        request: Plan,
        levels: Sequence[Any],
        *,
        measured: tuple[MeasuredNoise, ...] = (),
        budget: int | None = None,
    ) -> None:
        self.request = request
        self._maker = BlockMaker(request, levels, measured)
        self.levels, self.dtype = self._maker.levels, request.dtype
        self.cache = BlockCache(usual_budget() if budget is None else budget)
        self._news = threading.Condition()
        self._wants: tuple[Want, ...] = ()
        # Done once, though the budget may be too small to keep all of it.
        self._done: set[tuple[Want, Index]] = set()
        self._broken: set[tuple[int, Index]] = set()
        self._said: set[str] = set()
        self._is_closed = False
        # Seconds that reading what is looked at took last: a slow source is not waited for.
        self._reading = 0.0

    def plan(self) -> UpscalePlan:
        """Return the plan with all that is measured once; what takes seconds the first time."""
        return self._maker.plan()

    @property
    def is_resting(self) -> bool:
        """Whether there is nothing to be computed of what was looked at last."""
        with self._news:
            return self._next() is None

    # ------------------------------------------------------------ looking

    def look(self, level: int, indices: Sequence[Index], area: Tile) -> NDArray[Any]:
        """Return what is there of some slices, at once, and want the rest.

        Where the network's pixels are not there yet there are the source's, each several times, or
        a coarser level's; where nothing was read yet there are zeros.

        Parameters
        ----------
        level : int
        indices : sequence of tuple of int
            Of slices.
        area : Tile
            In the level's pixels.

        Returns
        -------
        ndarray, (slices, h, w) or (slices, h, w, S)
        """
        want = Want(level=level, indices=tuple(indices), area=area)
        with self._news:
            is_new = all(want.indices != other.indices for other in self._wants)
            self._wants = (*self._wants, want)[-ASKED:]
            # What could not be read is tried again when it is looked at anew.
            self._broken = {b for b in self._broken if b[0] != level or b[1] in want.indices}
            self._news.notify_all()
            if is_new and not self._is_closed and self._reading < PATIENCE:
                self._news.wait_for(lambda: self._is_seen(level, indices[0], area), PATIENCE)
            # What is whole by now needs no drawing anew.
            self._done |= {
                (want, index) for index in want.indices if self.is_there(level, index, area)
            }
        return np.stack([self._picture(level, index, area) for index in indices])

    def _picture(self, level: int, index: Index, area: Tile) -> NDArray[Any]:
        levels = self.levels
        out = np.zeros(levels.shape_of(area), self.dtype)
        seen = [(level, index, area)]
        for other in range(level + 1, len(levels)):
            if self.is_there(*seen[-1]):
                break
            place = levels.index_at(level, index, other)
            seen.append((other, place, levels.area_at(level, area, other)))
        # From the coarsest that is needed to the finest, each over the ones before.
        for other, place, part in reversed(seen):
            for block in self._maker.blocks(other, part):
                pixels = self.cache.get(_key(other, place, block))
                if pixels is None:
                    continue
                if other == level:
                    paste(out, area, block, pixels)
                else:
                    levels.paint(out, level, area, block, pixels, other)
        return out

    # ------------------------------------------------------------ reading

    def read(self, level: int, index: Index, area: Tile) -> NDArray[Any]:
        """Return an area of a slice, computed here as far as it is not there yet.

        Raises
        ------
        ValueError
            If there is no memory for the smallest tile.
        """
        if not level:
            self.plan()
        out = np.empty(self.levels.shape_of(area), self.dtype)
        missing = []
        for block in self._maker.blocks(level, area):
            pixels = self.cache.get(_key(level, index, block))
            if pixels is None:
                missing.append(block)
            else:
                paste(out, area, block, pixels)
        for block, pixels in self._maker.make(level, index, missing):
            self.cache.put(_key(level, index, block), pixels)
            paste(out, area, block, pixels)
        return out

    # ------------------------------------------------------------ working

    def work(self, cancel: Event) -> Iterator[Changed | Broken]:
        """Compute what is looked at, until `cancel` is set or :meth:`close` was called.

        Yields
        ------
        Changed
            When there is more to see.
        Broken
            When something cannot be computed, once for each reason.
        """
        while not (cancel.is_set() or self._is_closed):
            with self._news:
                at_hand = self._next()
                if at_hand is None:
                    self._news.wait(_POLL)
                    continue
            want, index = at_hand
            try:
                for _ in self._fill(want, index):
                    yield Changed()
                    if cancel.is_set() or self._is_closed or want not in self._wants:
                        break
                else:
                    with self._news:
                        self._done.add(at_hand)
                    yield Changed()
            except Exception as error:  # a source may raise anything when it is read
                if cancel.is_set() or self._is_closed:
                    break
                with self._news:
                    self._broken.add((want.level, index))
                if str(error) not in self._said:
                    self._said.add(str(error))
                    yield Broken(error)
        self.cache.clear()
        self._maker.forget()

    def close(self) -> None:
        """End the work after the tile at hand, for good."""
        with self._news:
            self._is_closed = True
            self._wants = ()
            self._news.notify_all()

    def _next(self) -> tuple[Want, Index] | None:
        """Return what is to be done first: what is on screen before its thumbnail."""
        self._done = {done for done in self._done if done[0] in self._wants}
        for want in self._wants:
            for index in want.indices:
                if (want, index) not in self._done and (want.level, index) not in self._broken:
                    return want, index
        return None

    def _fill(self, want: Want, index: Index) -> Iterator[None]:
        """Put what is missing into the cache, and yield when there is more to see."""
        level, area = want.level, want.area
        if level == 0:
            source_area = self.levels.area_at(0, area, 1)
            if not self.is_there(1, index, source_area):
                yield from self._keep(1, index, self._missing(1, index, source_area))
            if not self._maker.is_planned:
                self.plan()
                yield
        yield from self._keep(level, index, self._missing(level, index, area))

    def _keep(self, level: int, index: Index, blocks: Sequence[Tile]) -> Iterator[None]:
        began = time.perf_counter()
        for block, pixels in self._maker.make(level, index, blocks):
            self.cache.put(_key(level, index, block), pixels)
            if not level:
                yield
            elif block == blocks[-1]:
                with self._news:
                    self._reading = time.perf_counter() - began
                    self._news.notify_all()
                yield

    # ------------------------------------------------------------ what is there

    def _missing(self, level: int, index: Index, area: Tile) -> list[Tile]:
        blocks = self._maker.blocks(level, area)
        return [block for block in blocks if _key(level, index, block) not in self.cache]

    def is_there(self, level: int, index: Index, area: Tile) -> bool:
        """Tell whether all of an area of a slice is kept."""
        is_known = bool(level) or self._maker.is_planned
        return is_known and not self._missing(level, index, area)

    def _is_seen(self, level: int, index: Index, area: Tile) -> bool:
        """Tell whether there is something to see, if only of a coarser level."""
        levels = self.levels
        return any(
            self.is_there(
                other, levels.index_at(level, index, other), levels.area_at(level, area, other)
            )
            for other in range(level, len(levels))
        )


def _key(level: int, index: Index, block: Rect) -> Key:
    return level, index, block.y0, block.x0
