"""Take the tutorial's pictures from the real viewer: ``python docs/make_tutorial.py``.

Needs a display (``tools/with-display.sh virtual python docs/make_tutorial.py`` makes one). It does
what the tutorial says, with the bundled pollen; the pictures go to ``docs/images``. The model and
all else that it makes go to a folder of its own that is removed at the end.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# Before napari is imported, which reads its own settings then.
_home = tempfile.TemporaryDirectory(prefix="napari-srcnn-tutorial-")
os.environ["NAPARI_SRCNN_HOME"] = _home.name
os.environ["NAPARI_CONFIG"] = str(Path(_home.name) / "settings.yaml")

import napari  # noqa: E402
from make_screenshots import IMAGES, pause, wait  # noqa: E402
from PIL import Image  # noqa: E402
from qtpy.QtWidgets import QScrollArea  # noqa: E402

from napari_srcnn.widgets.finetune.curves import ACCENT, LINES, LOSS  # noqa: E402
from napari_srcnn.widgets.shared.fields import Section  # noqa: E402

MINUTES = 5.0
COLORS = [color.getRgb()[:3] for color in (ACCENT, LOSS, *LINES.values())]


def main(minutes: float = MINUTES) -> None:
    IMAGES.mkdir(exist_ok=True)
    viewer = napari.Viewer(title="napari")
    viewer.window._qt_window.resize(1280, 800)

    def take(name: str) -> None:
        pause(1)
        path = IMAGES / f"tutorial-{name}.png"
        viewer.screenshot(str(path), canvas_only=False, flash=False)
        with Image.open(path) as picture:
            # 128 colours are enough for a window and a gray image, at a third of the bytes; the
            # curves' few pixels would get none of them.
            rgb = picture.convert("RGB")
            palette = rgb.quantize(128 - len(COLORS))
            colors = palette.getpalette()[: 3 * (128 - len(COLORS))]
            palette.putpalette(colors + [part for color in COLORS for part in color])
            rgb.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)

    _, tuner = viewer.window.add_plugin_dock_widget("napari-srcnn", "Fine-tune")
    ended: list[bool] = []
    tuner.ended.connect(lambda: ended.append(True))
    wait(lambda: tuner.is_ready)
    viewer.open_sample("napari-srcnn", "pollen")
    wait(lambda: "as measured" in tuner.summary.text())
    take("ready")

    form = tuner.form
    # The default has learned from the pollen, and what is measured would flatter it.
    form.start.value = "srcnn-9-5-5-x2"
    form.degradation.open(True)
    form.blur.setValue(1.0)
    tuner.preview()
    wait(lambda: len(ended) == 1)
    take("low-res")

    form.degradation.open(False)
    form.minutes.setValue(minutes)
    tuner.train()
    wait(lambda: tuner.curves.psnr and tuner.curves.psnr[-1][0] > 30 * minutes)
    take("training")
    wait(lambda: len(ended) == 2)
    take("done")
    print(tuner.verdict.text())
    if tuner.runner.job or not tuner.manager.chosen:
        sys.exit("The network is no better, and the tutorial would not be true; train longer.")

    (models,) = (part for part in tuner.findChildren(Section) if part.button.text() == "My models")
    tuner.live.setVisible(False)
    models.open(True)
    pause(0.3)
    bar = tuner.findChildren(QScrollArea)[0].verticalScrollBar()
    bar.setValue(bar.maximum())
    take("models")
    tuner.preview()
    wait(lambda: len(ended) == 3)
    viewer.window.remove_dock_widget(tuner)

    _, upscale = viewer.window.add_plugin_dock_widget("napari-srcnn", "Upscale")
    wait(lambda: upscale.loaded is not None)
    viewer.layers.selection.active = viewer.layers["Low-res of pollen"]
    wait(lambda: upscale.form.layer.currentText() == "Low-res of pollen")
    upscale.form.model.value = "pollen-x2"
    upscale.upscale()
    wait(lambda: not upscale.runner.job)
    pause(8)  # until the notification has gone
    take("upscale")
    viewer.close()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
    _home.cleanup()
