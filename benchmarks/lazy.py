"""Whether napari's window answers while a result is computed where it is looked at.

    python benchmarks/lazy.py [--moves 500] [--side 4096] [--device auto]

On a dask stack of 3000 planes, 100 GB at the default side, whose result would have four times as
many: seconds from pressing "Upscale" to the first picture (the image's own pixels, enlarged) and,
zoomed in, to the network's pixels of all that is on screen; then the slider is moved at random, and
the longest time is printed in which the window did not answer. The same with a plain multiscale
layer of numpy arrays of what the screen shows says what of that is napari's own. Needs a display.
"""

from __future__ import annotations

import argparse
import threading
import time
from typing import Any

import dask.array as da
import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest

from napari_srcnn.image.rect import Tile
from napari_srcnn.samples import load_sample

PLANES = 3000
PAUSE = 20  # milliseconds between two moves


class Heartbeat:
    """The times in which the main thread did not get to answer."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(1)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now

    def stop(self) -> np.ndarray:
        self._timer.stop()
        return np.array(self.gaps)


def stack_of(side: int) -> da.Array:
    """Return planes of 16 bits that are made when they are read, as quickly as from a disk."""
    sample = np.asarray(load_sample("pollen").data)
    copies = -(-side // min(sample.shape[1:]))

    def plane(block_info: Any = None) -> np.ndarray:
        number = block_info[None]["array-location"][0][0]
        tiled = np.tile(sample[number % len(sample)], (copies, copies))
        return tiled[None, :side, :side]

    chunks = ((1,) * PLANES, (side,), (side,))
    return da.map_blocks(plane, chunks=chunks, dtype=sample.dtype, meta=np.empty(0, sample.dtype))


def wait_until(is_so: Any) -> None:
    while not is_so():
        QTest.qWait(5)


def slide(viewer: napari.Viewer, moves: int) -> np.ndarray:
    """Move the slider at random, and return how long the window did not answer each time."""
    heartbeat = Heartbeat()
    for index in np.random.default_rng(0).integers(0, PLANES, moves):
        viewer.dims.set_current_step(0, int(index))
        QTest.qWait(PAUSE)
    return heartbeat.stop()


def say(what: str, gaps: np.ndarray) -> None:
    print(
        f"{what}: longest {1000 * gaps.max():.0f} ms, 99 % below "
        f"{1000 * np.percentile(gaps, 99):.0f} ms, {np.count_nonzero(gaps > 0.1)} above 100 ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=500)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    viewer = napari.Viewer()
    viewer.window.resize(1400, 1000)
    stack = stack_of(arguments.side)
    source = viewer.add_image(stack, contrast_limits=(0, 30000), name="large")
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    wait_until(lambda: widget.loaded is not None)
    widget.form.device.value = arguments.device
    QTest.qWait(3000)  # what is looked at beforehand, as the noise, is known by then
    threads = threading.active_count()
    print(f"{stack.nbytes / 1e9:.0f} GB of {stack.shape}, a result of {4 * stack.nbytes / 1e9:.0f}")

    heartbeat = Heartbeat()
    began = time.perf_counter()
    widget.upscale()
    result = viewer.layers[-1]
    wait_until(lambda: result._slice.image.raw.any())
    first = time.perf_counter() - began
    print(f"first picture after {first:.2f} s", flush=True)
    say("until then the window", heartbeat.stop())

    for zoomed in (False, True):
        if zoomed:
            viewer.scene.camera.zoom = 4 / source.scale[-1]
            wait_until(lambda: result.data_level == 0)
            began = time.perf_counter()
            wait_until(lambda: is_whole(result, viewer.dims.current_step[0]))
            print(f"the network's pixels on screen after {time.perf_counter() - began:.2f} s")
        say(f"{arguments.moves} moves, level {result.data_level}", slide(viewer, arguments.moves))
    began = time.perf_counter()
    wait_until(lambda: is_whole(result, viewer.dims.current_step[0]))
    print(f"after the last move all is there in {time.perf_counter() - began:.2f} s")
    viewer.layers.remove(result)
    wait_until(lambda: not any(t.name == "napari-srcnn work" for t in threading.enumerate()))
    QTest.qWait(500)
    print(f"threads left: {threading.active_count() - threads}", flush=True)

    source.visible = False
    screen = np.asarray(result._slice.image.raw)
    plain = [
        np.broadcast_to(screen, (PLANES, *screen.shape)) for screen in (screen, screen[::2, ::2])
    ]
    heartbeat = Heartbeat()
    viewer.add_image(plain, multiscale=True, contrast_limits=(0, 30000), name="plain")
    QTest.qWait(500)
    say("napari alone, adding a layer", heartbeat.stop())
    viewer.reset_view()
    say(f"napari alone, {arguments.moves} moves of {screen.shape}", slide(viewer, arguments.moves))
    viewer.close()


def is_whole(layer: Any, index: int) -> bool:
    """Tell whether all that is on screen of a slice is computed."""
    (y0, x0), (y1, x1) = layer.corner_pixels[:, -2:]
    area = Tile(y0=y0, y1=y1 + 1, x0=x0, x1=x1 + 1)
    return layer.data[0].lazy.is_there(layer.data_level, (index,), area)


if __name__ == "__main__":
    main()
