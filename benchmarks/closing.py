"""What becomes of a job in napari when its window is closed in the middle of it.

    python benchmarks/closing.py [--times 10] [--seed 1] [--latest 5]

A real viewer, in a process of its own, begins a job (enlarging a layer, saving a result, enlarging
a folder, fine-tuning) and is closed at a random moment, as by the window manager, File > Close
Window or File > Exit. The question is answered with Cancel first: the job must be at work still.
Then the window is closed again, and it is answered with Yes: the program must end by itself, leave
no process and no temporary file, and keep what the question said is kept. Needs a screen, or
tools/with-display.sh.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from figures import Figure, tell

KINDS = ("upscale", "save", "folder", "train")
WAYS = ("window manager", "Close Window", "Exit")
# What stands in the question of each.
NAMES = {"upscale": "cells", "save": "saved.ome.", "folder": "images", "train": "cells-x2"}
PATIENCE = 60.0  # seconds for the end of a job and of the program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latest", type=float, default=5.0, help="seconds into the job")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        kind, way, moment, folder = arguments.child
        Viewing(kind, way, float(moment), Path(folder)).run()
        return
    chance = random.Random(arguments.seed)
    found = []
    print(f"{'job':8s} {'closed by':15s} {'after':>6s} {'kept':>5s}  what was wrong")
    for number in range(arguments.times):
        kind, way = KINDS[number % len(KINDS)], chance.choice(WAYS)
        moment = chance.uniform(0.2, arguments.latest)
        wrong, there = closed(kind, way, moment)
        found.append(wrong)
        print(
            f"{kind:8s} {way:15s} {moment:4.1f} s {there:5d}  {'; '.join(wrong) or 'nothing'}",
            flush=True,
        )
    faults = [fault for wrong in found for fault in wrong]
    figures = (
        Figure("closings", len(found), 1, 10),
        Figure("without a question", sum("asked" in one for one in faults), 0, 0),
        Figure("with something lost", sum("lost" in one for one in faults), 0, 0),
        Figure("with something left", sum("left" in one for one in faults), 0, 0),
        Figure("with anything else amiss", sum(map(bool, found)), 0, 0),
    )
    raise SystemExit(0 if tell(figures) else 1)


def closed(kind: str, way: str, moment: float) -> tuple[list[str], int]:
    """Close a viewer during a job; return what was wrong, and how much was there to be kept.

    That is files of a folder, and measurements of a training.
    """
    with tempfile.TemporaryDirectory(prefix="closing-") as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        environment = os.environ | {
            "NAPARI_SRCNN_HOME": str(folder / "home"),
            "NAPARI_CONFIG": str(folder / "settings.yaml"),
            "TMPDIR": str(folder / "tmp"),
        }
        child = subprocess.Popen(
            [sys.executable, __file__, "--child", kind, way, str(moment), name],
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, said = child.communicate(timeout=4 * PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            _, said = child.communicate()
            return [f"the program is left running: {said[-300:]}"], 0
        wrong = [] if child.returncode == 0 else [f"exit code {child.returncode}: {said[-300:]}"]
        story = folder / "story.json"
        if not story.exists():
            return [*wrong, "never closed"], 0
        told = json.loads(story.read_text())
        wrong += told["wrong"]
        if len(told["asked"]) != 2 or not all(NAMES[kind] in x for x in told["asked"]):
            wrong.append(f"asked {told['asked']}")
        wrong += left_over(name, folder)
        return wrong + kept(kind, folder, told), len(told["done"])


def left_over(name: str, folder: Path) -> list[str]:
    """Return what is left of a program that has ended."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR", "").startswith(name):
                left.append(f"a process left: {' '.join(process.cmdline())}")
        except psutil.Error:
            continue
    files = [path for path in (folder / "tmp").rglob("*") if path.name.startswith("napari-srcnn")]
    return left + [f"a temporary file left: {path.name}" for path in files]


def kept(kind: str, folder: Path, told: dict[str, Any]) -> list[str]:
    """Return what is lost of what the question said is kept, or half of which is there."""
    import tifffile

    if kind == "save":
        others = {path.name for path in folder.glob("saved*")} - {"saved.ome.tif"}
        wrong = [f"half of a file left: {name}" for name in others]
        if (folder / "saved.ome.tif").read_bytes() != b"what was there before":
            wrong.append("lost the file that was there before")
        return wrong
    if kind == "folder":
        wrong = []
        done = [Path(path) for path in told["done"]]
        for path in done:
            if not path.exists() or not tifffile.imread(path).any():
                wrong.append(f"lost {path.name}")
        there = [path for path in (folder / "images_x2").rglob("*") if "tif" in path.suffixes[-1]]
        wrong += [f"half of a file left: {p.name}" for p in there if not readable(p)]
        return wrong
    if kind == "train" and told["done"]:
        from napari_srcnn.training import runs

        os.environ["NAPARI_SRCNN_HOME"] = str(folder / "home")
        return [] if runs.state_path("cells-x2").exists() else ["lost what was learned"]
    return []


def readable(path: Path) -> bool:
    """Tell whether a file can be read to its end."""
    import napari_srcnn

    try:
        with napari_srcnn.read_stack(path) as stack:
            return bool(np.asarray(stack.data).any())
    except Exception:
        return False


class Viewing:
    """A viewer in which a job is begun, and which is closed in the middle of it."""

    def __init__(self, kind: str, way: str, moment: float, folder: Path) -> None:
        self.kind, self.way, self.moment, self.folder = kind, way, moment, folder
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.done: list[str] = []
        self.answer = "Cancel"

    def run(self) -> None:
        """Live until the window is closed."""
        import napari
        from qtpy.QtCore import QTimer

        from napari_srcnn.samples import load_sample

        cells = np.tile(np.asarray(load_sample("pollen").data[12:18]), (10, 2, 2))
        self.viewer = napari.Viewer()
        self.viewer.add_image(cells, name="cells")
        self.main = self.viewer.window._qt_window
        names = {"folder": "Upscale a folder…", "train": "Fine-tune"}
        title = names.get(self.kind, "Upscale")
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-srcnn", title)
        self.clerk = QTimer()
        self.clerk.timeout.connect(self.reply)
        self.clerk.start(30)
        self.wait(self.is_ready, self.begin)
        napari.run()

    def wait(self, is_so: Any, then: Any) -> None:
        """Go on as soon as something is so."""
        from qtpy.QtCore import QTimer

        until = time.monotonic() + PATIENCE

        def look() -> None:
            if is_so():
                then()
            elif time.monotonic() > until:
                self.wrong.append(f"waited too long for {then.__name__}")
                self.end()
            else:
                QTimer.singleShot(20, look)

        look()

    def is_ready(self) -> bool:
        """Tell whether torch is loaded."""
        if self.kind == "train":
            return bool(self.widget.is_ready)
        return self.widget.loaded is not None

    def begin(self) -> None:
        """Begin the job."""
        from qtpy.QtCore import QTimer

        widget = self.widget
        widget.runner.received.connect(self.hear)
        if self.kind == "upscale":
            widget.upscale()
        elif self.kind == "save":
            from napari_srcnn.widgets.shared import settings

            settings.save("lazy_above", 0.0)
            widget.upscale()
            path = self.folder / "saved.ome.tif"
            path.write_bytes(b"what was there before")
            widget.save(path)
        elif self.kind == "folder":
            self.write_images()
            widget.form.source.path = self.folder / "images"
            widget.start()
        else:
            # Small, so that something is learned before it is closed.
            widget.form.start.value = "srcnn-9-1-5-x2"
            widget.form.patch.value = 24
            widget.form.batch.setValue(4)
            widget.train()
        if not widget.runner.job:
            self.wrong.append(f"did not begin: {widget.message.text()}")
            self.end()
            return
        QTimer.singleShot(int(1000 * self.moment), self.close)
        QTimer.singleShot(int(1000 * self.moment) + 1500, self.close_for_good)

    def write_images(self) -> None:
        """Write a folder of images, each of which takes a part of a second."""
        import tifffile

        images = self.folder / "images"
        images.mkdir()
        cells = np.asarray(self.viewer.layers[0].data[:2, :96, :96])
        for number in range(500):
            tifffile.imwrite(images / f"{number}.tif", cells, imagej=True)

    def hear(self, message: Any) -> None:
        """Note what is done for good."""
        outcome = getattr(message, "outcome", None)
        if self.kind == "folder" and outcome is not None and outcome.outcome == "done":
            self.done.append(str(outcome.target))
        told = getattr(message, "message", None)
        if self.kind == "train" and getattr(told, "measured", False):
            self.done.append("measured")

    def reply(self) -> None:
        """Answer the question that stands there."""
        from qtpy.QtWidgets import QApplication, QMessageBox

        window = QApplication.activeModalWidget()
        if isinstance(window, QMessageBox):
            self.asked.append(window.text())
            button = getattr(QMessageBox.StandardButton, self.answer)
            if self.answer == "Yes":
                self.tell()
            window.button(button).click()
        elif window is not None and hasattr(window, "close_btn"):
            window.close_btn.click()  # napari's own question, of any window with layers

    def close(self) -> None:
        """Close as a user does, and think better of it."""
        self.shut()
        if not self.main.isVisible():
            self.wrong.append("closed in spite of Cancel")
        elif not self.widget.runner.job or self.widget.runner.is_cancelled:
            self.wrong.append("lost the job in spite of Cancel")

    def close_for_good(self) -> None:
        """Close as a user does, and mean it."""
        self.answer = "Yes"
        self.shut()

    def shut(self) -> None:
        """Close the window in the way that is asked for."""
        if self.way == "window manager":
            self.main.windowHandle().close()
        else:
            self.main.close(quit_app=self.way == "Exit", confirm_need=True)

    def tell(self) -> None:
        """Write down what happened until now; after this, the program may be gone at any time."""
        story = {"asked": self.asked, "wrong": self.wrong, "done": self.done}
        (self.folder / "story.json").write_text(json.dumps(story))

    def end(self) -> None:
        """Give up."""
        self.tell()
        self.viewer.close()


if __name__ == "__main__":
    main()
