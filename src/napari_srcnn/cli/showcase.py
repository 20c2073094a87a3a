"""The main job on a bundled stack: an OME-TIFF, a picture of what it gained, a look at napari."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_srcnn.image.metrics import psnr, shave
from napari_srcnn.image.resize import imresize
from napari_srcnn.models.library import default_model
from napari_srcnn.samples import SAMPLES, sample_path
from napari_srcnn.upscaling.files import FileRun, Job
from napari_srcnn.upscaling.messages import Report
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAMPLE, SCALE = "brain", 2
# Set by tools/with-display.sh: nobody could close a window there.
VIRTUAL_DISPLAY = "NAPARI_SRCNN_VIRTUAL_DISPLAY"
# How many times the low-res pixel is shown, in the whole slice and in the detail.
WHOLE, DETAIL = 4, 8
MARGIN, TITLE = 16, 34
INK, PAPER = (25, 25, 25), (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demo made.

    Attributes
    ----------
    stack, picture : Path
        The enlarged OME-TIFF and the side-by-side picture.
    report : Report
    gain : float
        dB over bicubic where the truth is known: the sample made smaller and enlarged again.
    seconds : float
        Of all of it.
    """

    stack: Path
    picture: Path
    report: Report
    gain: float
    seconds: float


def run_demo(folder: Path, *, device: str = "auto") -> Demo:
    """Enlarge the sample ×2 and draw it beside bicubic.

    Parameters
    ----------
    folder : Path
        Where the files go; made if need be.
    device : str

    Raises
    ------
    ValueError
        If something cannot be read, computed or written.
    """
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    # Those of microscopes have seen this very sample, and what is measured would flatter them.
    options = Options(scale=SCALE, model=default_model(SCALE), device=device)
    target = folder / f"{SAMPLE}_x{SCALE}.ome.tif"
    job = Job(source=sample_path(SAMPLE), target=target)
    with FileRun(job, options) as run:
        *_, report = run.messages()
        stack, plan = run.stack, run.plan
        middle = stack.shape[0] // 2
        region = (middle, slice(None), slice(None))
        low_res = stack[middle]
        bicubic, ours = plan.region(region, enhance=False), plan.region(region)
        gain = gain_over_bicubic(np.asarray(stack[:]), options)
    if not isinstance(report, Report):
        raise RuntimeError("The run ended without a report.")
    picture = folder / "side-by-side.png"
    side_by_side(low_res, bicubic, ours, SCALE, f"{SAMPLES[SAMPLE].title}, slice {middle}").save(
        picture
    )
    return Demo(
        stack=target,
        picture=picture,
        report=report,
        gain=gain,
        seconds=time.perf_counter() - began,
    )


def show_in_napari(path: Path, *, stay: bool | None = None) -> str:
    """Do the same with the widget in napari and take a picture of its window.

    Parameters
    ----------
    path : Path
        The PNG to write.
    stay : bool, optional
        Leave napari open until its user closes it; by default where there is a screen.

    Returns
    -------
    str
        Where the picture is, or why there is none.
    """
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_display:
        return "no picture, since there is no display; `xvfb-run -a` gives a virtual one"
    for package in ("napari", "qtpy"):
        if importlib.util.find_spec(package) is None:
            return f"no picture, since {package} is not installed; the extra 'all' brings it"
    # In a process of its own: nothing but the widgets imports napari.
    command = [sys.executable, "-m", "napari_srcnn.widgets.demo", SAMPLE, str(path)]
    if VIRTUAL_DISPLAY not in os.environ if stay is None else stay:
        command.append("--stay")
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        raise ValueError(finished.stdout.strip() or "napari ended before it took a picture.")
    return str(path)


def gain_over_bicubic(truth: NDArray[Any], options: Options) -> float:
    """Return the mean dB over bicubic on a stack that was made smaller by the scale first.

    Parameters
    ----------
    truth : ndarray, shape (Z, Y, X)
    options : Options
    """
    from napari_srcnn.upscaling.plan import load_plan

    scale = SCALE if options.scale is None else options.scale
    truth = truth[:, : truth.shape[1] // scale * scale, : truth.shape[2] // scale * scale]
    low_res = np.stack([imresize(plane.astype(float), scale=1 / scale) for plane in truth])
    plan = load_plan(resolve(options, low_res), low_res)
    whole = (slice(None),) * 3
    peak = float(np.ptp(truth))
    scores = [
        [
            psnr(shave(t.astype(float), scale), shave(i, scale), data_range=peak)
            for t, i in zip(truth, plan.region(whole, enhance=enhance), strict=True)
        ]
        for enhance in (True, False)
    ]
    return float(np.mean(scores[0]) - np.mean(scores[1]))


def side_by_side(
    low_res: NDArray[Any], bicubic: NDArray[Any], ours: NDArray[Any], scale: int, title: str
) -> Image.Image:
    """Draw low-res, bicubic, SRCNN and their difference, whole and in detail.

    Parameters
    ----------
    low_res : ndarray, shape (Y, X)
    bicubic, ours : ndarray, shape (Y * scale, X * scale)
    scale : int
    title : str
        What is shown.
    """
    low, high = np.percentile(low_res, (0.1, 99.9))
    difference = ours.astype(float) - bicubic.astype(float)
    limit = max(float(np.percentile(np.abs(difference), 99.8)), 1e-9)
    # In letters that Pillow's own font has.
    titles = (
        "Low-res, as recorded",
        f"Bicubic x{scale}",
        f"SRCNN x{scale}",
        f"SRCNN - bicubic (white 0, colours ±{limit:.3g})",
    )
    grays = [_gray(image, low, high) for image in (low_res, bicubic, ours)]
    images = [*grays, _diverging(difference / limit)]
    factors = (scale, 1, 1, 1)
    height, width = low_res.shape
    # The middle half, shown twice as large, is as wide as the whole.
    detail = slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)
    details = [
        image[tuple(slice(s.start * scale // f, s.stop * scale // f) for s in detail)]
        for image, f in zip(images, factors, strict=True)
    ]
    rows = [
        [_enlarged(i, WHOLE * f // scale) for i, f in zip(images, factors, strict=True)],
        [_enlarged(i, DETAIL * f // scale) for i, f in zip(details, factors, strict=True)],
    ]
    return _sheet(rows, titles, title)


def _gray(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    unit = ((image.astype(float) - low) / max(high - low, 1e-9)).clip(0, 1)
    return np.repeat((unit * 255).astype(np.uint8)[..., None], 3, axis=2)


def _diverging(unit: NDArray[Any]) -> NDArray[np.uint8]:
    """Colour -1..1 from blue over white to red."""
    ends = np.where(unit[..., None] < 0, (33, 102, 172), (178, 24, 43))
    strength = np.abs(unit)[..., None].clip(0, 1)
    return np.asarray(255 + (ends - 255) * strength, dtype=np.uint8)


def _enlarged(image: NDArray[np.uint8], factor: int) -> Image.Image:
    picture = Image.fromarray(image)
    # Each pixel as a square: a smooth viewer would enlarge a second time.
    size = (picture.width * factor, picture.height * factor)
    return picture.resize(size, Image.Resampling.NEAREST)


def _sheet(rows: Sequence[Sequence[Image.Image]], titles: Sequence[str], title: str) -> Image.Image:
    widths = [max(row[i].width for row in rows) for i in range(len(titles))]
    heights = [row[0].height for row in rows]
    width = sum(widths) + MARGIN * (len(widths) + 1)
    sheet = Image.new("RGB", (width, sum(heights) + MARGIN * 3 + TITLE * 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN // 2 + 3), title, INK, ImageFont.load_default(20))
    top = TITLE * 2
    for row, height in zip(rows, heights, strict=True):
        left = MARGIN
        for picture, column in zip(row, widths, strict=True):
            sheet.paste(picture, (left + (column - picture.width) // 2, top))
            left += column + MARGIN
        top += height + MARGIN
    left = MARGIN
    for text, column in zip(titles, widths, strict=True):
        draw.text((left, TITLE + 6), text, INK, ImageFont.load_default(17))
        left += column + MARGIN
    return sheet
