"""Scores as a table and as a plot, beside the published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_srcnn.assess.published import Protocol, published_figures
from napari_srcnn.assess.reference import Score
from napari_srcnn.network.checkpoint import SUFFIX


def mean_scores(scores: Sequence[Score]) -> list[Score]:
    """Return the mean over the images for each method and scale, in the order they came."""
    grouped: dict[tuple[int, str], list[Score]] = {}
    for score in scores:
        grouped.setdefault((score.scale, score.method), []).append(score)
    return [
        Score(
            image=f"mean of {len(group)}",
            method=method,
            scale=scale,
            psnr=float(np.mean([s.psnr for s in group])),
            ssim=float(np.mean([s.ssim for s in group])),
            seconds=float(np.mean([s.seconds for s in group])),
        )
        for (scale, method), group in grouped.items()
    ]


def table(scores: Sequence[Score], folder: str, protocol: Protocol) -> str:
    """Return means beside what is published for a folder of that name, as text."""
    head = f"{'':34s} {'scale':>5s} {'PSNR':>7s} {'SSIM':>7s} {'over bicubic':>13s} {'s/image':>8s}"
    lines = [head]
    means = mean_scores(scores)
    for score in means:
        base = next(m for m in means if m.scale == score.scale)
        gain = "" if score is base else f"{score.psnr - base.psnr:+.2f} dB"
        lines.append(
            f"{_short(score.method):34s} {'×' + str(score.scale):>5s} {score.psnr:7.3f} "
            f"{score.ssim:7.4f} {gain:>13s} {score.seconds:8.3f}"
        )
    for scale in sorted({score.scale for score in means}):
        for method, (psnr, ssim) in published_figures(folder, protocol, scale).items():
            lines.append(
                f"{method:34s} {'×' + str(scale):>5s} {psnr:7.2f} {ssim:7.4f} {'published':>13s}"
            )
    return "\n".join(lines)


def _short(method: str) -> str:
    """Return a method's name, the end of a path where it is long."""
    return method if len(method) <= 34 else "…" + method[-33:]


def plot(results: Mapping[str, Sequence[Score]], path: Path, protocol: Protocol) -> None:
    """Draw mean PSNR against seconds an image, as the paper does, beside what is published.

    Parameters
    ----------
    results : mapping of str to sequence of Score
        A row of panels for each folder, with one panel a scale.
    path : Path
        The picture.
    protocol : {"y", "rgb"}

    Raises
    ------
    ValueError
        If matplotlib, which nothing else here needs, is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError(
            'A plot needs matplotlib; install it: pip install "napari-srcnn[plot]".'
        ) from None
    means = {folder: mean_scores(scores) for folder, scores in results.items()}
    scales = sorted({score.scale for scores in means.values() for score in scores})
    figure = Figure(figsize=(4.4 * len(scales), 4.2 * len(means)), layout="constrained")
    panels = figure.subplots(len(means), len(scales), squeeze=False)
    for row, (folder, scores) in zip(panels, means.items(), strict=True):
        for panel, scale in zip(row, scales, strict=True):
            for score in (s for s in scores if s.scale == scale):
                style = {"color": "0.5"} if score.method == "bicubic" else {}
                name = _short(score.method.removesuffix(SUFFIX))
                panel.plot(score.seconds, score.psnr, "o", label=name, **style)
            published = published_figures(folder, protocol, scale).items()
            for dash, (method, (psnr, _)) in zip(("--", ":", "-."), published, strict=False):
                panel.axhline(psnr, color="0.4", ls=dash, lw=1, label=method)
            panel.set(
                title=f"{folder}, ×{scale}",
                xscale="log",
                xlabel="seconds an image",
                ylabel=f"PSNR of {'Y' if protocol == 'y' else 'R, G and B'} (dB)",
            )
            panel.margins(x=0.15, y=0.1)
            panel.grid(alpha=0.3)
            panel.legend(fontsize=7, loc="lower right")
    # Drawn without pyplot, which would choose a backend for the whole program.
    FigureCanvasAgg(figure).print_figure(path, dpi=120)
