"""How long a window does not answer, and a slider that is moved meanwhile."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import QTimer

ALLOWED = 3  # times as long as bare napari: work done in the main thread takes many times
NOTICED = 0.050  # seconds that a window may take in any case
PACE = 500  # milliseconds between two moves of the slider
TRIES = 4  # another process may have the processor; what is the widget's own comes every time


def times_bare(ran: float, bare: float) -> float:
    """How many times as long as by bare napari the window was held up, both in seconds."""
    return ran / max(bare, NOTICED)


class Heartbeat:
    """The longest time in which the main thread did not get to answer."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(5)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def stop(self) -> float:
        self._timer.stop()
        return self.longest


def slide(viewer: Any, count: int) -> QTimer:
    """Move the slider to and fro."""
    timer = QTimer()

    def move() -> None:
        viewer.dims.set_current_step(0, (viewer.dims.current_step[0] + 3) % count)

    timer.timeout.connect(move)
    timer.start(PACE)
    return timer
