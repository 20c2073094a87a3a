"""Scores as a table and as a plot, beside the published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_srcnn.assess.published import PUBLISHED, Protocol
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
    scales = {score.scale for score in means}
    for method, figures in PUBLISHED.get((folder, protocol), {}).items():
        for scale, figure in zip((2, 3, 4), figures, strict=True):
            if scale in scales and figure is not None:
                lines.append(
                    f"{method:34s} {'×' + str(scale):>5s} {figure[0]:7.2f} {figure[1]:7.4f} "
                    f"{'published':>13s}"
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
        import matplotlib
    except ImportError:
        raise ValueError(
            'A plot needs matplotlib; install it: pip install "napari-srcnn[plot]".'
        ) from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    means = {folder: mean_scores(scores) for folder, scores in results.items()}
    scales = sorted({score.scale for scores in means.values() for score in scores})
    figure, panels = pyplot.subplots(
        len(means),
        len(scales),
        figsize=(4.4 * len(scales), 4.2 * len(means)),
        squeeze=False,
        layout="constrained",
    )
    for row, (folder, scores) in zip(panels, means.items(), strict=True):
        for panel, scale in zip(row, scales, strict=True):
            for score in (s for s in scores if s.scale == scale):
                style = {"color": "0.5"} if score.method == "bicubic" else {}
                name = _short(score.method.removesuffix(SUFFIX))
                panel.plot(score.seconds, score.psnr, "o", label=name, **style)
            published = PUBLISHED.get((folder, protocol), {})
            for dash, (method, figures) in zip(("--", ":", "-."), published.items(), strict=False):
                if (published_figure := figures[scale - 2]) is not None:
                    panel.axhline(published_figure[0], color="0.4", ls=dash, lw=1, label=method)
            panel.set(
                title=f"{folder}, ×{scale}",
                xscale="log",
                xlabel="seconds an image",
                ylabel=f"PSNR of {'Y' if protocol == 'y' else 'R, G and B'} (dB)",
            )
            panel.margins(x=0.15, y=0.1)
            panel.grid(alpha=0.3)
            panel.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
