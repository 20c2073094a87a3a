"""How soon the upscale widget is there after the click, in a running napari, torch still loading.

    python benchmarks/widget_startup.py [--rounds 7] [--json OUT]

Each round is a fresh napari with an image open and its window drawn, in a process of its own. The
menu's entry is triggered; the clock stops when the widget has been painted. torch must not be
loaded by then. The second figure is how long the names of the devices took to fill in. The median
has to stay under 300 ms. On Linux without a display, put xvfb-run -a before it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

LARGEST = 0.300
TITLE = "Upscale (SRCNN)"
MACHINE = "import machine; print(machine.describe('napari', 'PySide6_Essentials'))"


def one_round() -> None:
    """Print the two times as JSON; run in a process of its own."""
    import napari
    import numpy as np
    from qtpy.QtCore import QEvent, QObject
    from qtpy.QtWidgets import QApplication

    class Painted(QObject):
        at = 0.0

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint and not self.at:
                self.at = time.perf_counter()
            return False

    viewer = napari.Viewer()
    viewer.add_image(np.zeros((8, 256, 256), np.uint16), contrast_limits=(0, 1))
    settled = time.perf_counter() + 2
    while time.perf_counter() < settled:
        QApplication.processEvents()
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
    while not painted.at:
        QApplication.processEvents()
    shown = painted.at - began
    has_torch = has_torch or widget.loaded is not None
    while widget.loaded is None:
        QApplication.processEvents()
        time.sleep(0.001)
    print(json.dumps([shown, time.perf_counter() - began, built, has_torch]))
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
            capture_output=True,
            text=True,
            env=environment,
        )
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"\n{arguments.rounds} rounds, ms{'':18s} {'median':>8s} {'fastest':>8s} {'slowest':>8s}")
    names = ("click to widget on screen", "click to devices' names", "of it: building the widget")
    for name, values in zip(names, zip(*(row[:3] for row in rounds), strict=True), strict=True):
        cells = (statistics.median(values), min(values), max(values))
        print(f"{name:30s}" + "".join(f" {1e3 * value:8.0f}" for value in cells))
    shown = statistics.median(row[0] for row in rounds)
    early = not any(row[3] for row in rounds)
    checks = [
        (f"the widget is there within {1e3 * shown:.0f} ms, under 300 ms", shown < LARGEST),
        ("torch was still loading then", early),
    ]
    print()
    for text, good in checks:
        print(f"{'pass' if good else 'FAIL'}  {text}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"shown": shown, "rounds": rounds}, indent=1))
    raise SystemExit(0 if all(good for _, good in checks) else 1)


if __name__ == "__main__":
    main()
