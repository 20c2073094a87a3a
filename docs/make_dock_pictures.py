"""Take pictures of the two widgets as a small laptop with a sharp screen shows them.

``python docs/make_dock_pictures.py`` needs a display (``tools/with-display.sh virtual`` makes one).
For each theme a napari of its own is started at 1280 × 800 with a dock of 300 pixels and a scale
factor of 2; the pictures go to ``docs/images/docks``, or to the folder that is given.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import napari
from napari._qt.dialogs.qt_notification import NapariQtNotification
from PIL import Image
from qtpy.QtCore import Qt

sys.path.insert(0, str(Path(__file__).parent))
from make_screenshots import IMAGES, pause, wait

FOLDER = IMAGES / "docks"
WINDOW, DOCK, SCALE = (1280, 800), 300, 2
THEMES = ("dark", "light")


class Window:
    """A napari with one theme, and its pictures."""

    def __init__(self, theme: str, folder: Path) -> None:
        self.theme, self.folder = theme, folder
        self.viewer = napari.Viewer(title="napari")
        self.viewer.theme = theme
        self.viewer.window._qt_window.resize(*WINDOW)

    def dock(self, name: str) -> Any:
        """Open a widget in a dock of 300 pixels."""
        dock, widget = self.viewer.window.add_plugin_dock_widget("napari-srcnn", name, tabify=True)
        main = self.viewer.window._qt_window
        main.resizeDocks([dock], [DOCK], Qt.Orientation.Horizontal)
        pause(0.3)
        return widget

    def take(self, name: str) -> None:
        """Take a picture of the window."""
        pause(0.7)
        for toast in self.viewer.window._qt_window.findChildren(NapariQtNotification):
            toast.close()
        path = self.folder / f"{name}-{self.theme}.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        with Image.open(path) as picture:
            # 256 colours are enough for a window and a gray image, at a third of the bytes.
            picture.convert("RGB").quantize(256).save(path, optimize=True)


def show_upscale(window: Window) -> None:
    """Open the sample, look at a preview, enlarge it."""
    widget = window.dock("Upscale")
    ended: list[bool] = []
    widget.ended.connect(lambda: ended.append(True))
    wait(lambda: widget.loaded is not None)
    window.viewer.open_sample("napari-srcnn", "brain")
    wait(lambda: "brightness" in widget.form.noise_note.text())
    window.take("upscale")
    window.viewer.scene.camera.zoom *= 2
    widget.preview()
    wait(lambda: len(ended) == 1)
    window.take("upscale-preview")
    widget.form.advanced.open(True)
    window.take("upscale-advanced")
    widget.form.advanced.open(False)
    window.viewer.reset_view()
    widget.upscale()
    wait(lambda: len(ended) == 2)
    window.take("upscale-done")


def show_finetune(window: Window) -> None:
    """Open the sample, train for a short while."""
    widget = window.dock("Fine-tune")
    ended: list[bool] = []
    widget.ended.connect(lambda: ended.append(True))
    wait(lambda: widget.is_ready)
    widget.open_sample()
    wait(lambda: widget.form.high.value is not None and not widget.noise.is_pending)
    widget.form.degradation.open(True)
    window.take("finetune-low-res")
    widget.form.degradation.open(False)
    widget.form.minutes.setValue(1)
    before = len(ended)
    widget.train()
    wait(lambda: len(widget.curves.psnr) > 1 or len(ended) > before)
    window.take("finetune-training")
    wait(lambda: len(ended) > before)
    window.take("finetune-done")


def show(theme: str, folder: Path) -> None:
    """Take all pictures of one theme."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in (show_upscale, show_finetune):
        window = Window(theme, folder)
        part(window)
        window.viewer.close()


def main(folder: Path) -> None:
    """Start a napari for each theme: the scale factor is read once by a process."""
    for theme in THEMES:
        with tempfile.TemporaryDirectory(prefix="napari-srcnn-pictures-") as home:
            environment = os.environ | {"QT_SCALE_FACTOR": str(SCALE), "NAPARI_SRCNN_HOME": home}
            command = [sys.executable, __file__, str(folder), theme]
            subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    if len(sys.argv) > 2:
        show(sys.argv[2], chosen)
    else:
        main(chosen)
