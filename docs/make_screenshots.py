"""Take the README's pictures from the real viewer: ``python docs/make_screenshots.py``.

Needs a display (``tools/with-display.sh virtual python docs/make_screenshots.py`` makes one). The
sample is the bundled brain; the pictures go to ``docs/images``. Those of make_dock_pictures.py are
taken with them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import napari
from napari._qt.dialogs.qt_notification import NapariQtNotification
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_srcnn.cli.showcase import run_demo

IMAGES = Path(__file__).parent / "images"
PATIENCE = 300.0


def wait(is_done: Callable[[], bool]) -> None:
    """Let the window live until something happened."""
    deadline = time.monotonic() + PATIENCE
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError("The widget took too long.")
        QApplication.processEvents()
        time.sleep(0.01)


def pause(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    viewer = napari.Viewer(title="napari")
    viewer.window._qt_window.resize(1280, 800)

    def take(name: str) -> None:
        pause(1)
        path = IMAGES / f"{name}.png"
        viewer.screenshot(str(path), canvas_only=False, flash=False)
        with Image.open(path) as picture:
            # 256 colours are enough for a window and a gray image, at a third of the bytes.
            picture.convert("RGB").quantize(256).save(path, optimize=True)

    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    ended: list[bool] = []
    widget.ended.connect(lambda: ended.append(True))
    wait(lambda: widget.loaded is not None)
    take("empty")
    viewer.open_sample("napari-srcnn", "brain")
    take("ready")
    viewer.scene.camera.zoom *= 2
    widget.preview()
    wait(lambda: len(ended) == 1)
    take("preview")
    viewer.reset_view()
    widget.upscale()
    wait(lambda: len(viewer.layers) > 1 and widget.cancel_button.isVisible())
    pause(0.3)
    take("running")
    wait(lambda: len(ended) == 2)
    take("upscale-widget")
    viewer.scene.camera.zoom *= 3
    widget.shown.buttons["divided"].click()
    wait(lambda: widget.previews.split.is_shown)
    take("before-after")
    viewer.window.remove_dock_widget(widget)
    viewer.reset_view()
    _, panel = viewer.window.add_plugin_dock_widget("napari-srcnn", "Assess a result")
    wait(lambda: panel.form.result.value is not None)
    panel.ended.connect(lambda: ended.append(True))
    panel.assess()
    wait(lambda: len(ended) == 3)
    for notification in viewer.window._qt_window.findChildren(NapariQtNotification):
        notification.close()  # of what Upscale said
    take("assess")
    viewer.close()

    made = run_demo(IMAGES)
    made.stack.unlink()
    docks = Path(__file__).with_name("make_dock_pictures.py")
    subprocess.run([sys.executable, str(docks)], check=True)


if __name__ == "__main__":
    main()
