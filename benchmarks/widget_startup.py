"""How soon the upscale widget is there after the click, its first preview, and one that follows.

    python benchmarks/widget_startup.py [--rounds 7] [--json OUT]

Each round is a fresh napari with a plane of 2048 x 2048 pixels open and its window drawn, in a
process of its own. The menu's entry is triggered; the first clock stops when the widget has been
painted. torch must not be loaded by then. When it is, and nothing is got ready any more, Preview is
pressed: until its first picture is on screen is the second figure. Then the same is done with a
plane of 512 x 512, and the slider for the smoothing is moved: until the preview is drawn anew is
the third. Beside them stand, without a limit, how long the names of the devices took, which is how
long torch takes to load, until all of the previews is there, and an empty Python's start. On Linux
without a display, put xvfb-run -a before it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import Figure, tell

TITLE = "Upscale (SRCNN)"
MACHINE = "import machine; print(machine.describe('napari', 'PySide6_Essentials'))"


MOVES = 5
NAMES = (
    "click to widget on screen",
    "of it: building the widget",
    "click to devices' names",
    "Preview to its first picture, 2048²",
    "Preview to all of it, 2048²",
    "slider to preview drawn, 512²",
    "slider to all of it, 512²",
    "an empty Python",
)


def plane(side: int) -> Any:
    """Return spots with a camera's noise, (side, side) in uint16."""
    import numpy as np

    y, x = np.mgrid[:side, :side]
    light = 100 + 900 * (0.5 + 0.5 * np.sin(y / 7) * np.cos(x / 9)) ** 2
    return np.random.default_rng(0).poisson(light).astype(np.uint16)


def one_round() -> None:
    """Print the times as JSON; run in a process of its own."""
    import napari
    from qtpy.QtCore import QEvent, QEventLoop, QObject, QTimer
    from qtpy.QtWidgets import QApplication

    class Painted(QObject):
        at = 0.0

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint and not self.at:
                self.at = time.perf_counter()
            return False

    def live(is_over: Callable[[], Any]) -> float:
        # As in napari: between events the main thread sleeps and leaves Python to the others.
        loop, look = QEventLoop(), QTimer()
        look.timeout.connect(lambda: loop.quit() if is_over() else None)
        look.start(2)
        loop.exec()
        return time.perf_counter()

    def wait(seconds: float) -> None:
        until = time.perf_counter() + seconds
        live(lambda: time.perf_counter() > until)

    viewer = napari.Viewer()
    large = viewer.add_image(plane(2048))
    wait(2)
    menu = viewer.window.plugins_menu
    menu.aboutToShow.emit()
    (entry,) = [action for action in menu.actions() if action.text() == TITLE]
    began = time.perf_counter()
    entry.trigger()
    built = time.perf_counter() - began
    has_torch = "torch" in sys.modules
    widget = viewer.window.dock_widgets[TITLE]
    painted = Painted()
    widget.summary.installEventFilter(painted)
    live(lambda: painted.at)
    shown = painted.at - began
    has_torch = has_torch or widget.loaded is not None
    loaded = live(lambda: widget.loaded is not None) - began

    def rest() -> None:
        # What the widget finds out of an image by itself, and gets ready for it.
        live(lambda: "Measuring" not in widget.form.noise_note.text())
        wait(1.0)
        live(lambda: not any(t.name.startswith("napari-srcnn") for t in threading.enumerate()))

    drawn: list[float] = []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda event: drawn.append(time.perf_counter()))

    def until_drawn(since: float) -> float:
        # Drawn after what is drawn has changed.
        live(lambda: drawn and drawn[-1] > since)
        return drawn[-1]

    rest()
    began = time.perf_counter()
    widget.preview_button.click()
    there = live(lambda: widget.previews.is_shown)
    first = until_drawn(there) - began
    whole = live(lambda: not widget.runner.job) - began

    viewer.layers.remove(large)
    viewer.add_image(plane(512))
    viewer.reset_view()
    rest()
    widget.preview_button.click()
    live(lambda: widget.previews.is_shown and not widget.runner.job)
    wait(1.0)
    (layer,) = widget.previews.layers
    changes: list[float] = []
    layer.events.set_data.connect(lambda event: changes.append(time.perf_counter()))
    moves, wholes = [], []
    for number in range(MOVES):
        before = layer.data
        changes.clear()
        began = time.perf_counter()
        widget.form.smoothing.value = 0.8 - 0.1 * number
        live(lambda: changes)
        moves.append(until_drawn(changes[0]) - began)
        live(lambda old=before: layer.data is not old)
        wholes.append(until_drawn(changes[-1]) - began)
        wait(0.5)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    empty = time.perf_counter() - began
    moved, all_of_it = statistics.median(moves), statistics.median(wholes)
    values = [shown, built, loaded, first, whole, moved, all_of_it, empty]
    print(json.dumps({"seconds": values, "has_torch": has_torch}))
    sys.stdout.flush()
    viewer.close()
    QApplication.processEvents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one_round()
        return
    subprocess.run([sys.executable, "-c", MACHINE], check=True, cwd=Path(__file__).parent)
    # As it is after an installation: with bytecode, and nothing to compile.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    rounds = []
    for _ in range(arguments.rounds):
        done = subprocess.run(
            [sys.executable, __file__, "--one"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"\n{arguments.rounds} rounds, ms{'':26s} {'median':>8s} {'fastest':>8s} {'slowest':>8s}")
    columns = dict(zip(NAMES, zip(*(row["seconds"] for row in rounds), strict=True), strict=True))
    for name, values in columns.items():
        cells = (statistics.median(values), min(values), max(values))
        print(f"{name:38s}" + "".join(f" {1e3 * value:8.0f}" for value in cells))
    medians = {name: 1e3 * statistics.median(values) for name, values in columns.items()}
    limits = {NAMES[0]: (300, 200), NAMES[3]: (500, 300), NAMES[5]: (100, 60)}
    figures = [Figure(f"{name}, ms", medians[name], *pair) for name, pair in limits.items()]
    early = sum(row["has_torch"] for row in rounds)
    figures.append(Figure("rounds in which torch was there before the widget", early, 0, 0))
    if arguments.json:
        arguments.json.write_text(json.dumps({"medians": medians, "rounds": rounds}, indent=1))
    raise SystemExit(0 if tell(figures) else 1)


if __name__ == "__main__":
    main()
