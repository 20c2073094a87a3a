"""The demo's part that needs a screen: the widget at work in a real napari."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

from napari_srcnn.widgets.upscale.widget import UpscaleWidget

PATIENCE = 300.0  # seconds that torch may take to load, or the sample to be enlarged


def show_demo(sample: str, screenshot: Path, *, stay: bool) -> None:
    """Enlarge a sample with the widget and take a picture of the window.

    Parameters
    ----------
    sample : str
        One of the manifest's samples.
    screenshot : Path
        The PNG to write.
    stay : bool
        Leave napari open until its user closes it.

    Raises
    ------
    ValueError
        If the widget did not get through.
    """
    viewer = napari.Viewer(title="napari-srcnn demo")
    try:
        window = viewer.window._qt_window
        window.resize(1280, 800)
        viewer.open_sample("napari-srcnn", sample)
        _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
        if not isinstance(widget, UpscaleWidget):
            raise ValueError("napari did not open the widget; install the package again.")
        _wait(lambda: widget.loaded is not None)
        widget.upscale()
        # Of a result that is computed where it is looked at there is no job that ends.
        _wait(lambda: not widget.runner.job)
        _settle()
        viewer.screenshot(str(screenshot), canvas_only=False, flash=False)
        if stay:
            napari.run()
    finally:
        if not stay:
            viewer.close()


def _wait(is_done: Callable[[], bool]) -> None:
    """Let the window live until something happened."""
    deadline = time.monotonic() + PATIENCE
    while not is_done():
        if time.monotonic() > deadline:
            raise ValueError(f"napari's widget took more than {PATIENCE:.0f} s; nothing was saved.")
        QApplication.processEvents()
        time.sleep(0.01)


def _settle() -> None:
    """Let napari draw what is new."""
    end = time.monotonic() + 1.5
    _wait(lambda: time.monotonic() > end)


def main() -> int:
    """Run as ``python -m napari_srcnn.widgets.demo SAMPLE PICTURE [--stay]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sample")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--stay", action="store_true")
    given = parser.parse_args()
    try:
        show_demo(given.sample, given.picture, stay=given.stay)
    except ValueError as error:
        # What the command line says in its own words.
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
