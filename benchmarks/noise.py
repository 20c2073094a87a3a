"""What networks that are told the noise do with it, beside what is done without them.

    python benchmarks/noise.py DATA -m NAME_OR_FILE ... [--scale 2] [--quick] [--only frames]
        [--json FILE]
    python benchmarks/noise.py --page docs/noise.md FILE ...

The second writes a page of what the first has measured.

DATA is a folder with micro/ in it. Measured are the 36 single camera frames of micro/real_noise
(their truth is the mean of 400 frames, at twice the pixels) and what is held out of the development
stacks, made low-res as by a camera with larger pixels, with no noise and with 1, 2, 5 and 10 % of
the range. All figures are dB of PSNR over bicubic after fitting gain and offset to the truth.

Gaussian and non-local means smooth before bicubic, each with the setting that is the best for that
very image: chosen with the truth in hand, which nobody has. Stacks whose truth has noise of its own
are marked, as who smooths it away loses PSNR: the noise that is measured on the truth, or on its
low-res image (of images that were enlarged once, as scanners do, it is seen there only), is 1 % of
the range and more, or half of bicubic's error and more.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.io import imread
from skimage.restoration import denoise_nl_means

from napari_srcnn import upscale
from napari_srcnn.image.intensity import PERCENTILES, IntensityRange
from napari_srcnn.image.metrics import fit_affine, psnr, shave
from napari_srcnn.image.rect import Padding
from napari_srcnn.image.resize import imresize
from napari_srcnn.io import stack_name
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_report import measure_noise
from napari_srcnn.models.library import load_model, model_info
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.fast import fast_correction
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.dataset import enlarge, make_dataset, noise_plane
from napari_srcnn.training.sources import sources_from_paths

Image = NDArray[np.float64]

LEVELS = 0.0, 0.01, 0.02, 0.05, 0.1
MISTOLD = 0.7, 1.4
# What is told wrongly is measured at this strength.
MISTOLD_LEVELS = 0.05, 0.1
SIGMAS = np.arange(0.3, 2.6, 0.1)
STRENGTHS = 0.4, 0.6, 0.8, 1.0, 1.3, 1.7
# A truth with more noise of its own than this, or than this share of bicubic's error, is marked.
OWN, OWN_SHARE = 0.01, 0.5
# Low-res pixels that a stack's noise is measured on, and channels of a stack that are measured.
PLANES, CHANNELS = 16, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An image to enlarge, what would have been right, and what is known of its noise.

    Attributes
    ----------
    name : str
    low, truth : ndarray of float64, shapes (y, x) and (y, x) * scale
    measured : Noise
        By itself, on all of the stack.
    true : Noise or None
        What was added; None for real frames.
    own : float
        The noise of the truth itself, in parts of its range, as it shows there or in low-res.
    """

    name: str
    low: Image
    truth: Image
    measured: Noise
    true: Noise | None
    own: float


def told(model: SRCNN, window: tuple[float, float], low: Image, noise: Noise) -> Image:
    """Enlarge a plane by a network that is told the noise."""
    config = model.config
    lowest, highest = np.percentile(low, PERCENTILES)
    known = IntensityRange(float(lowest), float(highest), window)
    enlarged = enlarge(known.normalize(low), config.scale, config.a)
    sigma = noise_plane(low, noise, config.scale) * known.gain
    planes = np.pad(np.stack([enlarged, sigma]), ((0, 0), *[(config.halo,) * 2] * 2), "edge")
    halo = config.halo
    padding = Padding(top=halo, bottom=halo, left=halo, right=halo)
    with torch.inference_mode():
        correct = fast_correction(model, torch.device("cpu"))
        added = correct(torch.from_numpy(planes[None].astype(np.float32)), padding)
    return known.restore(enlarged + added[0, 0].numpy())


def score(image: Image, truth: Image, scale: int) -> float:
    """Return PSNR for the truth's range, after fitting gain and offset."""
    image, truth = shave(image, scale), shave(truth, scale)
    low, high = np.percentile(truth, PERCENTILES)
    return psnr(truth, fit_affine(truth, image), data_range=float(high - low))


def real_frames(folder: Path) -> Iterator[Case]:
    """Yield the frames of a camera."""
    for path in sorted((folder / "low").glob("*.tif")):
        low = imread(path).astype(np.float64)
        truth = imread(folder / "high" / path.name).astype(np.float64)
        own = measure_noise(truth).level
        measured = measure_noise(low).noise
        yield Case(name=path.stem, low=low, truth=truth, measured=measured, true=None, own=own)


def held_out(folder: Path, scale: int, level: float, quick: bool) -> Iterator[Case]:
    """Yield one block of each channel of each stack, with noise of a level, half of it shot."""
    network = SRCNNConfig(kernels=(9, 5, 5), scale=scale)
    paths = sorted(p for part in ("em_xray", "fluo", "medical") for p in (folder / part).iterdir())
    for path in paths[:: 4 if quick else 1]:
        try:
            data = make_dataset(sources_from_paths(path), network, limit=4 << 20)
        except ValueError as error:
            print(f"{path.name} is left out: {error}")
            continue
        for key in list(data.ranges)[: 1 if quick else CHANNELS]:
            held = [block for block in data.held if block.key == key]
            blocks = (held + [block for block in data.training if block.key == key])[:PLANES]
            known = data.ranges[key]
            width = known.high - known.low
            sigma = level * width
            noise = Noise(gain=0.5 * level * sigma, read=math.sqrt(0.5) * sigma, offset=known.low)
            rng = np.random.default_rng(0)
            # The first is the one that is measured on; noise is measured on those of its shape.
            clean = [b.low for b in blocks if b.low.shape == blocks[0].low.shape]
            lows = [noise.apply(low, rng) for low in clean]
            yield Case(
                name=stack_name(path).removesuffix(".ome") + (f" {key[1]}" if key[1] else ""),
                low=lows[0],
                truth=held[0].high.astype(np.float64),
                measured=measure_noise(np.stack(lows)).noise,
                true=noise,
                own=max(measure_noise(held[0].high).level, measure_noise(np.stack(clean)).level),
            )


def best(images: Iterator[Image], truth: Image, scale: int) -> float:
    """Return the score of the best of several low-res images, enlarged by bicubic."""
    return max(score(imresize(image, scale=scale), truth, scale) for image in images)


def gaussians(low: Image) -> Iterator[Image]:
    """Yield an image smoothed by Gaussians, and as it is."""
    yield low
    for sigma in SIGMAS:
        yield gaussian_filter(low, sigma)


def non_local_means(low: Image, noise: Noise) -> Iterator[Image]:
    """Yield an image smoothed by non-local means of its square root, and as it is."""
    yield low
    dark = min(float(low.min()), noise.offset)
    root = np.sqrt(low - dark)
    sigma = float(np.median(noise.sigma(low) / (2 * np.sqrt(np.maximum(low - dark, 1e-9)))))
    for strength in STRENGTHS:
        h = max(strength * sigma, 1e-9)
        yield (
            denoise_nl_means(root, patch_size=5, patch_distance=6, h=h, fast_mode=True) ** 2 + dark
        )


def rows_of(
    case: Case, models: dict[str, Callable[[Image, Noise], Image]], scale: int, mistold: bool
) -> dict[str, float]:
    """Return what each way of enlarging has over bicubic."""
    base = score(imresize(case.low, scale=scale), case.truth, scale)
    known = case.true or case.measured
    found = {
        "best Gaussian + bicubic": best(gaussians(case.low), case.truth, scale),
        "best non-local means + bicubic": best(
            non_local_means(case.low, case.measured), case.truth, scale
        ),
    }
    for name, model in models.items():
        if name.startswith("today"):
            found[name] = score(model(case.low, known), case.truth, scale)
            continue
        if case.true is not None:
            found[f"{name}, told the truth"] = score(model(case.low, known), case.truth, scale)
        image = model(case.low, case.measured)
        found[f"{name}, told what is measured"] = score(image, case.truth, scale)
        for factor in MISTOLD if mistold else ():
            image = model(case.low, known.times(factor))
            found[f"{name}, told {factor} times it"] = score(image, case.truth, scale)
    return {"bicubic": base} | {name: value - base for name, value in found.items()}


def is_marked(row: dict[str, float], own: float) -> bool:
    """Tell whether a truth has so much noise of its own that PSNR punishes who smooths it away."""
    return own >= OWN or own >= OWN_SHARE * 10 ** (-row["bicubic"] / 20)


def table(rows: dict[str, dict[str, float]], own: dict[str, float]) -> str:
    """Return a table of means, worsts and wins, and who had the worst."""
    lines = [
        "| | mean | worst | of | mean, worst without noise of their own | above bicubic "
        "| above Gaussian | above non-local means |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first = next(iter(rows.values()))
    psnrs = [row["bicubic"] for row in rows.values()]
    lines.append(f"| bicubic (PSNR) | {np.mean(psnrs):.2f} | {min(psnrs):.2f} | | | | | |")
    rivals = "bicubic", "best Gaussian + bicubic", "best non-local means + bicubic"
    for name in list(first)[1:]:
        gains = {stack: row[name] for stack, row in rows.items()}
        worst = min(gains, key=lambda stack: gains[stack])
        clean = [gain for stack, gain in gains.items() if not is_marked(rows[stack], own[stack])]
        wins = [
            sum(
                gain > (0 if rival == "bicubic" else rows[stack][rival])
                for stack, gain in gains.items()
            )
            for rival in rivals
        ]
        cells = [f"{np.mean(list(gains.values())):+.2f}", f"{gains[worst]:+.2f}", worst]
        cells.append(f"{np.mean(clean):+.2f}, {min(clean):+.2f}" if clean else "")
        cells += [f"{n} of {len(gains)}" for n in wins]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def loaded(names: list[str], scale: int) -> dict[str, Callable[[Image, Noise], Image]]:
    """Return the networks, today's first, as functions of an image and its noise."""
    today = f"srcnn-9-5-5-x{scale}-microscopes"

    def enlarge_untold(low: Image, _: Noise) -> Image:
        return np.asarray(upscale(low, scale, model=today, device="cpu"))

    models: dict[str, Callable[[Image, Noise], Image]] = {f"today's {today}": enlarge_untold}
    for number, name in enumerate(names):
        model = load_model(name)
        if model.config.scale != scale or not model.config.noise:
            raise SystemExit(f"{name} is no network for ×{scale} that is told the noise.")
        window = model_info(name).card.get("windows", {}).get("microscope", (0.0, 1.0))

        def enlarge_told(
            low: Image, noise: Noise, model: SRCNN = model, window: tuple[float, float] = window
        ) -> Image:
            return told(model, tuple(window), low, noise)

        label = Path(name).stem
        models[label if len(names) == 1 else f"{number + 1}: {label}"] = enlarge_told
    return models


HEAD = """# Networks that are told the noise

Written by `benchmarks/noise.py --page`. The networks `srcnn-…-noise` take, beside the image, the
standard deviation that the noise has in each of its pixels; they are what a microscope's stack gets
where no model is named. Here they stand beside what can be done without them.

All figures are dB of PSNR over bicubic, after fitting gain and offset to the truth. **Gaussian**
and **non-local means** smooth before bicubic, each with the setting that is the best for that very
image, chosen with the truth in hand: nobody has that. The networks are told the noise that was
added (*the truth*), or what is measured on the image alone, as the program does by itself.

**real_noise**: 36 single frames of a camera, three fluorophores, of which nothing was learned; the
truth is the mean of 400 frames at twice as many pixels. **Held out**: what was held out of the
stacks that the networks learned from (one rectangle of each of up to three channels), made low-res
as by a camera with larger pixels, then with noise, half of it shot noise. *Today's* is the network
for microscopes that is told nothing.

**Noise of their own.** Of many stacks the truth is noisy itself. Who smooths that away loses PSNR,
though he is right; such stacks are named below each table, and the fifth column leaves them out.
They are those whose truth, or its low-res image, has noise of 1 % of the range or of half of
bicubic's error.
"""


def section(title: str, found: dict[str, Any]) -> str:
    """Return a table, and what is to be said of it."""
    rows, own, said = found["rows"], found["own"], found["measured"]
    marked = [f"{n} ({share:.1%})" for n, share in own.items() if is_marked(rows[n], share)]
    parts = [f"## {title}", table(rows, own)]
    if marked:
        parts.append(f"Noise of their own in the truth: {', '.join(marked)}.")
    if said:
        parts.append(f"Measured: {', '.join(f'{n} {v:.2%}' for n, v in said.items())}.")
    return "\n\n".join(parts)


def main() -> None:
    """Measure, and print the tables; or write a page of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("-m", "--models", nargs="+", default=[])
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="every fourth stack and frame")
    parser.add_argument("--only", choices=("frames", "stacks"), help="measure one kind alone")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    a = parser.parse_args()
    if a.page:
        measured = [json.loads(path.read_text()) for path in a.data]
        tables = [section(title, found) for one in measured for title, found in one.items()]
        a.page.write_text("\n\n".join([HEAD.rstrip(), *tables]) + "\n")
        return
    (data,) = a.data
    models = loaded(a.models, a.scale)
    sets: dict[str, Iterator[Case]] = {}
    if a.scale == 2 and a.only != "stacks":
        frames = list(real_frames(data / "micro/real_noise"))
        sets["real_noise: single camera frames, ×2"] = iter(frames[:: 4 if a.quick else 1])
    for level in LEVELS if a.only != "frames" else ():
        what = f"{level:.0%} of noise" if level else "no noise"
        sets[f"held out, {what}, ×{a.scale}"] = held_out(data / "micro", a.scale, level, a.quick)
    results = {}
    for title, cases in sets.items():
        mistold = title.startswith("real") or any(f" {n:.0%} " in title for n in MISTOLD_LEVELS)
        rows, own, said = {}, {}, {}
        for case in cases:
            rows[case.name] = rows_of(case, models, a.scale, mistold)
            own[case.name] = case.own
            if case.true is not None:
                ratio = case.measured.variance(case.low).mean()
                width = float(np.ptp(np.percentile(case.truth, PERCENTILES)))
                said[case.name] = math.sqrt(ratio) / width
        results[title] = {"rows": rows, "own": own, "measured": said}
        print(f"\n{section(title, results[title])}", flush=True)
    if a.json:
        a.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
