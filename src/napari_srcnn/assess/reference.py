"""A network and bicubic against the truth, by the protocol of the super-resolution literature."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.image.metrics import psnr, shave, ssim
from napari_srcnn.image.resize import imresize
from napari_srcnn.models.library import load_model
from napari_srcnn.network.checkpoint import SUFFIX
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.photographs import crop_to_multiple, read_luma, read_rgb
from napari_srcnn.upscaling.api import plan_upscale
from napari_srcnn.upscaling.messages import Report

Protocol = Literal["y", "rgb"]

# PSNR and SSIM of x2, x3, x4 on Y as the papers print them (None: not printed): [1]_, [2]_; and on
# RGB of x4 as mmagic's model zoo does (srcnn_x4k915_g1_1000k_div2k).
#
# .. [1] C. Dong et al., IEEE TPAMI 38(2), 2016.
# .. [2] R. Timofte et al., "A+", ACCV 2014.
Figures = tuple[tuple[float, float] | None, ...]
PUBLISHED: dict[tuple[str, Protocol], dict[str, Figures]] = {
    ("Set5", "y"): {
        "SRCNN 9-5-5, the paper's best": ((36.66, 0.9542), (32.75, 0.9090), (30.49, 0.8628)),
        "A+": ((36.54, 0.9544), (32.59, 0.9088), (30.28, 0.8603)),
    },
    ("Set14", "y"): {
        "SRCNN 9-5-5, the paper's best": ((32.45, 0.9067), (29.30, 0.8215), (27.50, 0.7513)),
        "A+": ((32.28, 0.9056), (29.13, 0.8188), (27.32, 0.7491)),
    },
    ("Set5", "rgb"): {"mmagic's SRCNN 9-1-5": (None, None, (28.4316, 0.8099))},
    ("Set14", "rgb"): {"mmagic's SRCNN 9-1-5": (None, None, (25.6486, 0.7014))},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One method on one image.

    Attributes
    ----------
    image, method : str
    scale : int
    psnr : float
        In dB.
    ssim : float
    seconds : float
        Of the enlargement alone.
    """

    image: str
    method: str
    scale: int
    psnr: float
    ssim: float
    seconds: float


def to_8_bits(image: NDArray[Any]) -> NDArray[np.float64]:
    """Round values of 0..1 to whole numbers of 0..255, as the published figures do."""
    return np.floor(np.asarray(image, dtype=np.float64).clip(0, 1) * 255 + 0.5)


def evaluate(
    paths: Sequence[Path],
    models: Sequence[str | Path],
    *,
    scale: int | None = None,
    protocol: Protocol = "y",
    device: str = "auto",
    ensemble: bool = False,
) -> Iterator[Score]:
    """Measure models on photographs by the literature's protocols.

    The image is cropped to a multiple of the scale; MATLAB's bicubic makes the low-res image in
    floating point; the results are rounded to 8 bits and `scale` pixels are shaved off each border.

    Parameters
    ----------
    paths : sequence of Path
        8-bit photographs, gray or RGB.
    models : sequence of str or Path
        Each is measured at its own scale.
    scale : int, optional
        Leave models of other scales out.
    protocol : {"y", "rgb"}
        On Y (BT.601, 8 bits), with networks of one channel; or on R, G and B together (SSIM: the
        mean of the three), where a network of one channel gets the luma and bicubic the rest.
    device : str
    ensemble : bool
        Average eight views, which published figures do not unless they say so.

    Yields
    ------
    Score
        Bicubic's once a scale and image, then the networks'.

    Raises
    ------
    ValueError
        If no model fits the scale and the protocol, or an image is too small for the protocol.
    """
    networks = {str(name): load_model(name) for name in models}
    networks = {
        name: network
        for name, network in networks.items()
        if scale in (None, network.config.scale)
        and (protocol == "rgb" or network.config.channels == 1)
    }
    if not networks:
        raise ValueError(
            "None of the models fits: "
            + (f"none is for ×{scale}" if scale else "none is of one channel, as Y needs")
            + "; `napari-srcnn models` lists those that there are."
        )
    read = read_luma if protocol == "y" else read_rgb
    for factor in sorted({network.config.scale for network in networks.values()}):
        chosen = {name: n for name, n in networks.items() if n.config.scale == factor}
        for path in paths:
            truth = crop_to_multiple(read(path), factor)
            # SSIM's window has 11 pixels.
            if min(truth.shape[:2]) < 11 + 2 * factor:
                raise ValueError(
                    f"{path.name} has {truth.shape[0]} × {truth.shape[1]} pixels; at least "
                    f"{11 + 2 * factor} a side are needed at ×{factor}."
                )
            low_res = imresize(truth, scale=1 / factor)
            reference = shave(to_8_bits(truth), factor)
            began = time.perf_counter()
            enlarged = imresize(low_res, scale=factor)
            yield _score(path, "bicubic", factor, reference, enlarged, began)
            for name, network in chosen.items():
                began = time.perf_counter()
                result = _enlarge(low_res, network, device, ensemble)
                yield _score(path, name, factor, reference, result, began)


def _enlarge(low_res: NDArray[Any], network: SRCNN, device: str, ensemble: bool) -> NDArray[Any]:
    colors: dict[str, Any] = {}
    if low_res.ndim == 3:
        colors = {"axes": "YXS", "color": "luma" if network.config.channels == 1 else None}
    plan = plan_upscale(
        low_res, model=network, intensity="none", device=device, ensemble=ensemble, **colors
    )
    *_, report = plan.run()
    if not isinstance(report, Report):
        raise RuntimeError("The run ended without a report.")
    result: NDArray[Any] = report.result
    return result


def _score(
    path: Path,
    method: str,
    scale: int,
    reference: NDArray[np.float64],
    result: NDArray[Any],
    began: float,
) -> Score:
    seconds = time.perf_counter() - began
    image = shave(to_8_bits(result), scale)
    planes = [(reference, image)]
    if image.ndim == 3:
        planes = [(reference[..., i], image[..., i]) for i in range(image.shape[-1])]
    similarity = [ssim(true, made, data_range=255) for true, made in planes]
    return Score(
        image=path.stem, method=method, scale=scale, seconds=seconds,
        psnr=psnr(reference, image, data_range=255), ssim=float(np.mean(similarity)),
    )  # fmt: skip


def mean_scores(scores: Sequence[Score]) -> list[Score]:
    """Return the mean over the images for each method and scale, in the order they came."""
    grouped: dict[tuple[int, str], list[Score]] = {}
    for score in scores:
        grouped.setdefault((score.scale, score.method), []).append(score)
    return [
        Score(
            image=f"mean of {len(group)}", method=method, scale=scale,
            psnr=float(np.mean([s.psnr for s in group])),
            ssim=float(np.mean([s.ssim for s in group])),
            seconds=float(np.mean([s.seconds for s in group])),
        )
        for (scale, method), group in grouped.items()
    ]  # fmt: skip


def table(scores: Sequence[Score], folder: str, protocol: Protocol) -> str:
    """Return means beside what is published for a folder of that name, as text."""
    head = (f"{'':34s} {'scale':>5s} {'PSNR':>7s} {'SSIM':>7s} {'over bicubic':>13s} "
            f"{'s/image':>8s}")  # fmt: skip
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
        len(means), len(scales), figsize=(4.4 * len(scales), 4.2 * len(means)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
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
                title=f"{folder}, ×{scale}", xscale="log", xlabel="seconds an image",
                ylabel=f"PSNR of {'Y' if protocol == 'y' else 'R, G and B'} (dB)",
            )  # fmt: skip
            panel.margins(x=0.15, y=0.1)
            panel.grid(alpha=0.3)
            panel.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
