"""Draw the figures of explanation.md: python docs/make_figures.py (needs the extra "plot")."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import napari_srcnn
from napari_srcnn.samples import __file__ as samples

IMAGES = Path(__file__).parent / "images"


def half_pixel() -> None:
    """Where the pixels of a ×2 result lie in those of its source."""
    figure, axes = plt.subplots(figsize=(4.2, 4.2), layout="constrained")
    for edge in range(4):
        axes.axhline(edge - 0.5, color="0.2", lw=2)
        axes.axvline(edge - 0.5, color="0.2", lw=2)
    for edge in np.arange(-0.5, 2.6, 0.5):
        axes.axhline(edge, color="tab:orange", lw=0.7)
        axes.axvline(edge, color="tab:orange", lw=0.7)
    source, result = np.arange(3), np.arange(6) / 2 - 0.25
    axes.plot(*np.meshgrid(source, source), "o", color="0.2", label=None)
    axes.plot(*np.meshgrid(result, result), ".", color="tab:orange", label=None)
    axes.set(xlim=(-0.6, 2.6), ylim=(2.6, -0.6), aspect="equal", xlabel="X, source pixels")
    axes.set(ylabel="Y, source pixels", title="● source   · result ×2")
    figure.savefig(IMAGES / "explain-half-pixel.png", dpi=110)
    plt.close(figure)


def noise() -> None:
    """One noisy slice by bicubic, by a network told nothing, and by one told the noise."""
    stack = napari_srcnn.read_stack(Path(samples).parent / "sample_data" / "brain.ome.tif")
    planes = np.asarray(stack.data)
    clean = planes.reshape(-1, *planes.shape[-2:])[len(planes) // 2].astype(np.float32)
    span = float(np.percentile(clean, 99.9) - clean.min())
    noisy = clean + np.random.default_rng(0).normal(0, 0.05 * span, clean.shape).astype("float32")
    drawn = {
        "bicubic": napari_srcnn.bicubic(noisy, 2),
        "told nothing": napari_srcnn.upscale(noisy, 2, model="srcnn-9-5-5-x2-microscopes"),
        "told the noise": napari_srcnn.upscale(noisy, 2, model="srcnn-9-5-5-x2-noise"),
    }
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
    for axes, (title, image) in zip(panels, drawn.items(), strict=True):
        axes.imshow(image, cmap="gray", vmin=clean.min(), vmax=clean.min() + span)
        axes.set_title(title)
        axes.axis("off")
    figure.savefig(IMAGES / "explain-noise.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    half_pixel()
    noise()
