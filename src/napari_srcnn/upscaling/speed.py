"""What was measured on this machine: the best tile and the speed of a network, remembered.

The best tile on a CPU depends on its caches and on malloc: 256 was best on one machine and five
times slower than 160 on another. So it is measured, once a machine and network.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_srcnn.image.rect import Padding
from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.models.paths import cache_dir
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.device import free_memory, measurement_key
from napari_srcnn.network.threads import Workers

_logger = logging.getLogger(__name__)

CPU_TILES = (96, 128, 160, 192, 256)
# Large enough to keep a GPU busy, and small enough for bicubic as a dense matrix to cost little.
GPU_TILE = 1024
# Where nothing was measured yet.
USUAL_TILE = 128
MIN_TILE = 32
MAX_BATCH = 16


def network_key(config: SRCNNConfig, half: bool) -> str:
    """Return what a network's speed depends on."""
    widths = "-".join(map(str, config.widths))
    precision = "half" if half else "float32"
    noise = "+noise" if config.noise else ""
    return f"{config.kernel_name}/{widths}/{config.channels}{noise}/{config.padding}/{precision}"


def _file() -> Path:
    return cache_dir() / "speed.json"


def _read() -> dict[str, Any]:
    try:
        value = json.loads(_file().read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _logger.warning("The remembered speeds in %s cannot be read: %s.", _file(), error)
        return {}
    return value if isinstance(value, dict) else {}


def recall(device: torch.device, config: SRCNNConfig, half: bool, what: str) -> float | None:
    """Return a remembered number (``"tile"`` or ``"mpx_per_s"``), or None."""
    entry = _read().get(f"{measurement_key(device)}: {network_key(config, half)}")
    value = entry.get(what) if isinstance(entry, dict) else None
    return float(value) if isinstance(value, int | float) and value > 0 else None


def remembered() -> dict[str, dict[str, float]]:
    """Return all that is remembered: by device and network, numbers as :func:`recall` takes."""
    return {
        key: {
            name: float(value)
            for name, value in entry.items()
            if isinstance(value, int | float) and value > 0
        }
        for key, entry in _read().items()
        if isinstance(entry, dict)
    }


def remember(device: torch.device, config: SRCNNConfig, half: bool, **numbers: float) -> None:
    """Keep numbers for the next time; where they cannot be kept they are measured again."""
    values = _read()
    key = f"{measurement_key(device)}: {network_key(config, half)}"
    entry = values.get(key)
    values[key] = {**(entry if isinstance(entry, dict) else {}), **numbers}
    try:
        write_bytes(_file(), json.dumps(values, indent=1).encode())
    except OSError as error:
        _logger.info("The measured speed is not remembered: %s", error)


def cpu_tile(
    correction: Callable[[Tensor, Padding], Tensor],
    device: torch.device,
    config: SRCNNConfig,
    half: bool,
) -> int:
    """Return the best tile of a network on this CPU, measured in about a second if need be."""
    if (tile := recall(device, config, half, "tile")) is not None:
        return int(tile)
    nothing = Padding(top=0, bottom=0, left=0, right=0)

    @torch.inference_mode()
    def compute(enlarged: Tensor) -> None:
        correction(enlarged, nothing)

    inputs = {}
    for tile in CPU_TILES:
        side = tile + 2 * config.halo
        inputs[tile] = torch.rand(1, config.planes, side, side)
    seconds = dict.fromkeys(CPU_TILES, float("inf"))
    # As in a run: the threads share the cache and the memory's bandwidth.
    with Workers() as workers:
        # Round by round: another program that wakes up for a moment slows all tiles, not one.
        for _ in range(4):
            for tile, enlarged in inputs.items():
                began = time.perf_counter()
                work = functools.partial(compute, enlarged)
                for done in [workers.submit(work) for _ in range(max(workers.count, 1))]:
                    done.result()
                seconds[tile] = min(seconds[tile], time.perf_counter() - began)
    chosen = min(CPU_TILES, key=lambda tile: seconds[tile] / tile**2)
    remember(device, config, half, tile=chosen)
    return chosen


def bytes_per_pixel(config: SRCNNConfig, half: bool) -> int:
    """Return about how much a device needs for each output pixel of a tile."""
    width = 2 if half else 4
    # Both hidden layers' maps, the enlarged image in two precisions, and the result.
    return (config.widths[0] + config.widths[1]) * width + config.planes * 40


def gpu_tile(device: torch.device, config: SRCNNConfig, half: bool) -> tuple[int, int]:
    """Return the tile and the batch of tiles that fit in half of a GPU's free memory."""
    # Two batches are in flight at a time.
    pixels = free_memory(device) // 4 // bytes_per_pixel(config, half)
    tile = GPU_TILE
    while tile > MIN_TILE and tile * tile > pixels:
        tile //= 2
    return tile, int(max(1, min(MAX_BATCH, pixels // (tile * tile))))


class Stopwatch:
    """How long some work took, without pauses in it: the sum of its laps.

    A process that is stopped for an hour, or a machine that slept, says nothing of the work's
    speed. Such a lap counts as the mean of those before.
    """

    # Seconds, and how many times the longest lap before: what is beyond both is no work.
    _LONG, _MUCH_LONGER = 10.0, 30.0

    def __init__(self) -> None:
        self.seconds = 0.0
        self._laps, self._longest = 0, 0.0
        self._from = time.perf_counter()

    def resume(self) -> None:
        """Begin a lap now: what went before is not counted."""
        self._from = time.perf_counter()

    def lap(self) -> None:
        """Count what passed since the last lap, and begin the next."""
        now = time.perf_counter()
        self.count(now - self._from)
        self._from = now

    def count(self, seconds: float) -> None:
        """Count a lap that was timed elsewhere."""
        if self._laps > 2 and seconds > max(self._LONG, self._MUCH_LONGER * self._longest):
            seconds = self.seconds / self._laps
        self._longest = max(self._longest, seconds)
        self.seconds += seconds
        self._laps += 1


class Busy(Stopwatch):
    """How long a device was at work on at least one of the spans, which may overlap."""

    def __init__(self) -> None:
        super().__init__()
        self._until = -math.inf

    def add(self, begin: float, end: float) -> None:
        """Count a span of work; in the order in which they began."""
        self.count(max(end - max(begin, self._until), 0.0))
        self._until = max(self._until, end)
