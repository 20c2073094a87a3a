"""How soon the upscale widget is there after the click, its first preview, and one that follows.

    python benchmarks/widget_startup.py [--rounds 7] [--json OUT]

Each round is a fresh napari with a plane of 2048 x 2048 pixels open and its window drawn, in a
process of its own. The menu's entry is triggered; the first clock stops when the widget has been
painted. torch must not be loaded by then. When it is, and nothing is got ready any more, Preview is
pressed: until its first picture is on screen is the second figure. In another napari, with a plane
of 512 x 512 and a preview of it, the slider for the smoothing is moved: until the preview is drawn
anew is the third. Beside them stand, without a limit, how long the names of the devices took, which
is how long torch takes to load, until all of the previews is there, and an empty Python's start. On
Linux without a display, put xvfb-run -a before it.
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


def plane(side: int) -> Any:
    """Return spots with a camera's noise, (side, side) in uint16."""
    import numpy as np

    y, x = np.mgrid[:side, :side]
    light = 100 + 900 * (0.5 + 0.5 * np.sin(y / 7) * np.cos(x / 9)) ** 2
    return np.random.default_rng(0).poisson(light).astype(np.uint16)


def one_round(side: int) -> None:
    """Print the times with a plane of so many pixels as JSON; run in a process of its own."""
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
    viewer.add_image(plane(side))
    wait(2)
    menu = viewer.window.plugins_menu
    menu.aboutToShow.emit()
    below = [action.menu() for action in menu.actions() if action.menu() is not None]
    actions = [*menu.actions(), *(action for one in below for action in one.actions())]
    (entry,) = [action for action in actions if action.text() == TITLE]
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
        note = widget.form.noise_note
        live(lambda: note.text() and "Measuring" not in note.text())
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
    inserted: list[float] = []
    viewer.layers.events.inserted.connect(lambda event: inserted.append(time.perf_counter()))
    began = time.perf_counter()
    widget.preview_button.click()
    live(lambda: inserted)
    first = until_drawn(inserted[0]) - began
    whole = live(lambda: not widget.runner.job) - began

    wait(1.0)
    (layer,) = widget.previews.layers
    changes: list[float] = []
    layer.events.set_data.connect(lambda event: changes.append(time.perf_counter()))
    moves, wholes = [], []
    for number in range(MOVES if side == 512 else 0):
        before = layer.data
        changes.clear()
        began = time.perf_counter()
        widget.form.smoothing.value = 0.8 - 0.1 * number
        live(lambda: changes)
        moves.append(until_drawn(changes[0]) - began)
        live(lambda old=before: layer.data is not old)
        wholes.append(until_drawn(changes[-1]) - began)
        wait(0.5)
    found = {
        "click to widget on screen": shown,
        "of it: building the widget": built,
        "click to devices' names": loaded,
        "Preview to its first picture": first,
        "Preview to all of it": whole,
    }
    if moves:
        found["slider to preview drawn"] = statistics.median(moves)
        found["slider to all of it"] = statistics.median(wholes)
    print(json.dumps({"seconds": found, "has_torch": has_torch}))
    sys.stdout.flush()
    viewer.close()
    QApplication.processEvents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one_round(arguments.one)
        return
    subprocess.run([sys.executable, "-c", MACHINE], check=True, cwd=Path(__file__).parent)
    # As it is after an installation: with bytecode, and nothing to compile.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    rounds: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        found: dict[str, float] = {"rounds in which torch was there before the widget": 0}
        for side in (2048, 512):
            done = subprocess.run(
                [sys.executable, __file__, "--one", str(side)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            said = json.loads(done.stdout.splitlines()[-1])
            found |= {f"{name}, {side}²": value for name, value in said["seconds"].items()}
            found["rounds in which torch was there before the widget"] += said["has_torch"]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True, env=environment)
        found["an empty Python"] = time.perf_counter() - began
        rounds.append(found)
    print(f"\n{arguments.rounds} rounds, ms{'':26s} {'median':>8s} {'fastest':>8s} {'slowest':>8s}")
    early, *names = rounds[0]
    medians = {}
    for name in names:
        values = [1e3 * one[name] for one in rounds]
        medians[name] = statistics.median(values)
        cells = (medians[name], min(values), max(values))
        print(f"{name:38s}" + "".join(f" {value:8.0f}" for value in cells))
    limits = {
        "click to widget on screen, 2048²": (300, 200),
        "Preview to its first picture, 2048²": (500, 300),
        "slider to preview drawn, 512²": (100, 60),
    }
    figures = [Figure(f"{name}, ms", medians[name], *pair) for name, pair in limits.items()]
    figures.append(Figure(early, sum(one[early] for one in rounds), 0, 0))
    if arguments.json:
        arguments.json.write_text(json.dumps({"medians": medians, "rounds": rounds}, indent=1))
    raise SystemExit(0 if tell(figures) else 1)


if __name__ == "__main__":
    main()
