"""Batches drawn by other processes while the network learns: what a GPU would wait for."""

from __future__ import annotations

import multiprocessing
from collections import deque
from multiprocessing.pool import AsyncResult
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.training.loop import Sampler

# Batches that are under way for each process.
DEPTH = 4

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
_sampler: Sampler


def _keep(sampler: Sampler) -> None:
    global _sampler
    _sampler = sampler


def _draw(seed: int, size: int) -> Batch:
    return _sampler.batch(np.random.default_rng(seed), size)


class Ahead:
    """A sampler whose batches are drawn ahead, each by a seed of its own.

    Parameters
    ----------
    sampler : Sampler
    processes : int
    """

    def __init__(self, sampler: Sampler, processes: int) -> None:
        # Forked, so that the images stand in memory once.
        context = multiprocessing.get_context("fork")
        self._pool = context.Pool(processes, initializer=_keep, initargs=(sampler,))
        self._depth = DEPTH * processes
        self._waiting: deque[tuple[int, AsyncResult[Any]]] = deque()

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Return the batch that was begun longest ago, and begin another."""
        while len(self._waiting) < self._depth:
            seed = int(rng.integers(2**62))
            self._waiting.append((size, self._pool.apply_async(_draw, (seed, size))))
        of_size, result = self._waiting.popleft()
        inputs, truths = result.get()
        # A batch begun before memory ran out has more crops than are wanted now.
        return (inputs, truths) if of_size == size else (inputs[:size], truths[:size])


def drawn(sampler: Sampler, processes: int) -> Sampler:
    """Return a sampler that draws in other processes, or in this one where they are none."""
    return Ahead(sampler, processes) if processes else sampler
