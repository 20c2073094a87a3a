"""Train the bundled microscopes' weights, and measure them on stacks they have not seen.

    python tools/train_microscopes.py train MICRO PHOTOS -s 2 --start WEIGHTS --out RUNS [--fold 0]
    python tools/train_microscopes.py measure MICRO -s 2 RUNS --photographs WEIGHTS --authors MAT
    python tools/train_microscopes.py table RUNS

MICRO is a folder with fluo/, em_xray/ and medical/ in it, PHOTOS one with T91/ and General100/.
With ``--fold`` every fifth stack is left out of the training and measured by that network alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lineage import before, device_kind
from numpy.typing import NDArray

import napari_srcnn
from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.image.metrics import fit_affine, psnr, shave, ssim
from napari_srcnn.image.resize import imresize
from napari_srcnn.io import stack_name
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import NO_NOISE
from napari_srcnn.network.checkpoint import load_checkpoint, save_model
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.device import raise_malloc_thresholds
from napari_srcnn.training.dataset import Dataset, make_dataset
from napari_srcnn.training.field import Block
from napari_srcnn.training.loop import train
from napari_srcnn.training.photographs import (
    FACTORS,
    crop_to_multiple,
    find_images,
    read_luma,
    rescaled,
)
from napari_srcnn.training.recording import Recorded
from napari_srcnn.training.sampler import BlockSampler
from napari_srcnn.training.sources import sources_from_paths
from napari_srcnn.training.state import TrainConfig
from napari_srcnn.upscaling.api import upscale

FOLDS = 5
# Its collection's terms are not stated beside it: measured on, never trained on.
NOT_TRAINED = {"mr_t1_brain_uint16"}
PHOTOGRAPHS = 1000
PIXELS = 4 << 20
# What the network sees of a range when it is used. It is trained on all of 0..1 and parts of it; of
# five windows this one was the best for the networks of the five folds, on stacks they never saw.
WINDOW = (0.2, 0.6)
SIDE = 384
# Of the range, for the second table: shot noise at its bright end, and as much read noise.
NOISE = 0.02


class Mixed(Dataset):
    """Stacks, which have noise of their own, and photographs; some crops get more of it."""

    def draw(
        self,
        low: NDArray[Any],
        high: NDArray[Any],
        key: tuple[int, int],
        rng: np.random.Generator,
    ) -> Recorded:
        """Return a crop with or without noise, of which its network is told nothing."""
        if rng.random() > 0.15:
            return Recorded(low=low, told=NO_NOISE, high=high)
        known = self.ranges[key]
        width = known.high - known.low
        level = width * math.exp(rng.uniform(math.log(0.001), math.log(0.015)))
        bright = ((low - known.low) / width).clip(0, 1)
        shot = rng.random()
        sigma = level * np.sqrt(1 - shot + shot * bright)
        noisy = low + sigma * rng.standard_normal(low.shape)
        return Recorded(low=noisy, told=NO_NOISE, high=high)


def stacks(folder: Path) -> list[Path]:
    """Return the stacks in the order that the folds are counted in."""
    return sorted(p for part in ("em_xray", "fluo", "medical") for p in (folder / part).iterdir())


def load(
    paths: Sequence[Path],
    photographs: Path,
    network: SRCNNConfig,
    *,
    window: tuple[float, float] = (0.0, 1.0),
) -> Dataset:
    """Return the training data, and a block of each stack held out to choose the weights by."""
    training: list[Block] = []
    held: list[Block] = []
    ranges = {}
    for number, path in enumerate(paths):
        try:
            one = make_dataset(sources_from_paths(path), network, limit=PIXELS, window=window)
        except ValueError as error:
            print(f"{path.name} is left out: {error}", flush=True)
            continue
        for (_, channel), known in one.ranges.items():
            ranges[number, channel] = known
        training += [dataclasses.replace(b, key=(number, b.key[1])) for b in one.training]
        held.append(dataclasses.replace(one.held[0], key=(number, one.held[0].key[1])))
    ranges[PHOTOGRAPHS, 0] = IntensityRange(0.0, 1.0, window)
    # Every tenth of General-100 is kept apart, as in tools/train_photographs.py.
    files = find_images(photographs / "T91")
    files += [p for n, p in enumerate(find_images(photographs / "General100")) if n % 10 != 9]
    for path in files:
        for image in rescaled(read_luma(path), FACTORS):
            high = crop_to_multiple(image, network.scale)
            low = Degradation().low_res(high, network.scale)
            training.append(
                Block(
                    low=low.astype(np.float32), high=high.astype(np.float32), key=(PHOTOGRAPHS, 0)
                )
            )
    return Dataset(
        training=training,
        held=held,
        ranges=ranges,
        scale=network.scale,
    )


def values_of(data: Dataset) -> dict[str, Any]:
    """Return what another kind of acquisition is made of."""
    return {field.name: getattr(data, field.name) for field in dataclasses.fields(Dataset)}


class EqualSampler(BlockSampler):
    """Draws every stack equally, and photographs for a third."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        numbers = np.array([block.key[0] for block in self._blocks])
        self._weights = self._weights.copy()
        for number in np.unique(numbers):
            own = numbers == number
            self._weights[own] /= self._weights[own].sum()
        photographs = numbers == PHOTOGRAPHS
        self._weights[photographs] *= 0.5 * self._weights[~photographs].sum()
        self._weights /= self._weights.sum()


def run_training(a: argparse.Namespace) -> None:
    """Train on all stacks, or on those of four folds."""
    raise_malloc_thresholds()
    start, _ = load_checkpoint(a.start)
    network = dataclasses.replace(start.config, scale=a.scale)
    paths = [
        p
        for n, p in enumerate(stacks(a.micro))
        if (a.fold is None or n % FOLDS != a.fold) and stack_name(p) not in NOT_TRAINED
    ]
    plain = load(paths, a.photographs, network)
    held = [pair for _, pair in plain.held_images()]
    data = Mixed(**values_of(plain))
    config = TrainConfig(
        steps=a.steps, learning_rate=a.rate, gain=(0.4, 1.1), validate_every=min(200, a.steps)
    )
    sampler = EqualSampler(data, crop=config.crop, network=network, gain=config.gain)
    part = "" if a.fold is None else f"-fold{a.fold}"
    name = f"srcnn-{network.kernel_name}-x{a.scale}-microscopes{part}"
    a.out.mkdir(parents=True, exist_ok=True)
    card: dict[str, Any] = {
        "description": "Microscopes and scanners: camera pixels, some noise",
        "license": "BSD-3-Clause",
        "data": f"{len(paths)} stacks of fluorescence, electron microscopy, X-ray, MR and CT, "
        "drawn equally, and T91 and General-100 for a third of the crops",
        "stacks": [stack_name(path) for path in paths],
        "degradation": "camera pixels (area); every seventh crop with noise of 0.1 to 1.5 % of the "
        "range",
        "recipe": {**dataclasses.asdict(config), "started_from": a.start.stem},
        "before": before(a.start),
        "device": device_kind(a.device),
        "windows": {"photograph": [0.0, 1.0], "microscope": list(WINDOW)},
        "version": napari_srcnn.__version__,
        "torch": torch.__version__,
    }
    state = a.out / f"{name}.state"
    run = train(config, network, sampler, held, start=start, state_path=state, device=a.device)
    for message, model in run:
        print(json.dumps({"name": name, **dataclasses.asdict(message)}), flush=True)
        if message.best:
            card["seconds"], card["steps_done"] = round(message.seconds), message.step
            card["holdout"] = {
                "what": "a sixth of the planes, or a quarter of the plane, of each stack",
                "psnr": round(message.psnr, 3),
                "bicubic": round(message.bicubic_psnr, 3),
            }
            save_model(a.out / f"{name}.safetensors", model, card)


def places(path: Path, scale: int) -> list[NDArray[np.float64]]:
    """Return the middle of up to three planes of each of up to three channels."""
    source = sources_from_paths(path)[0]
    axes, shape = source.axes, source.high.shape
    if axes.endswith("S"):
        images = [np.asarray(source.high[:])[..., i] for i in range(3)]
    else:
        leading = shape[:-2]
        number = math.prod(leading)
        chosen = np.unique(np.linspace(0.25, 0.75, 3) * (number - 1)).round().astype(int)
        if "C" in axes:
            channels = leading[axes.index("C")]
            chosen = np.arange(min(number, 3 * channels))
        indices = [tuple(int(i) for i in np.unravel_index(n, leading)) for n in np.unique(chosen)]
        images = [np.asarray(source.high[(*i, slice(None), slice(None))]) for i in indices]
    found = []
    for image in images:
        height, width = (min(n, SIDE) // scale * scale for n in image.shape)
        y, x = ((n - m) // 2 for n, m in zip(image.shape, (height, width), strict=True))
        place = image[y : y + height, x : x + width].astype(np.float64)
        if np.ptp(place):
            found.append(place)
    return found


def score(image: NDArray[Any], truth: NDArray[Any], scale: int) -> tuple[float, float]:
    """Return PSNR and SSIM after fitting gain and offset, for the range of the truth."""
    image, truth = shave(image, scale), shave(truth, scale)
    low, high = np.percentile(truth, (0.1, 99.9))
    fitted = fit_affine(truth, image)
    return (psnr(truth, fitted, data_range=high - low), ssim(truth, fitted, data_range=high - low))


def run_measure(a: argparse.Namespace) -> None:
    """Measure every stack by bicubic, by each network, and by the one that never saw it."""
    rows = []
    name = f"srcnn-9-5-5-x{a.scale}-microscopes"
    own = {n: a.runs / f"{name}-fold{n}.safetensors" for n in range(FOLDS)}
    whole = a.runs / f"{name}.safetensors"
    for number, path in enumerate(stacks(a.micro)):
        unseen = own[number % FOLDS]
        if stack_name(path) in NOT_TRAINED and whole.is_file():
            unseen = whole
        for noise in (0.0, NOISE):
            scores: dict[str, list[tuple[float, float]]] = {}
            for place in places(path, a.scale):
                rng = np.random.default_rng(0)
                low = Degradation().low_res(place, a.scale)
                width = np.ptp(np.percentile(place, (0.1, 99.9)))
                if noise:
                    bright = ((low - low.min()) / width).clip(0, 1)
                    sigma = noise * width * np.sqrt(0.5 + 0.5 * bright)
                    low = low + sigma * rng.standard_normal(low.shape)
                low = low.astype(np.float32)
                results = {"bicubic": imresize(low, scale=a.scale)}
                for name, model in (
                    ("ours", unseen),
                    ("photographs", a.photographs),
                    ("authors", a.authors),
                ):
                    results[name] = upscale(low, a.scale, model=str(model), device="cpu")
                for name, image in results.items():
                    scores.setdefault(name, []).append(score(np.asarray(image), place, a.scale))
            row: dict[str, Any] = {"stack": stack_name(path), "noise": noise, "scale": a.scale}
            for name, values in scores.items():
                row[name] = [float(v) for v in np.mean(values, axis=0)]
            rows.append(row)
            print(json.dumps(row), flush=True)
    (a.runs / f"measured-x{a.scale}.json").write_text(json.dumps(rows, indent=1))


def run_table(a: argparse.Namespace) -> None:
    """Write docs/microscopes.md of what was measured."""
    page = HEAD
    for scale in (2, 3, 4):
        path = a.runs / f"measured-x{scale}.json"
        if not path.is_file():
            continue
        rows = json.loads(path.read_text())
        for noise in (0.0, NOISE):
            own = [row for row in rows if row["noise"] == noise]
            what = f"noise of {NOISE:.0%} of the range" if noise else "no noise"
            page += f"\n## ×{scale}, camera pixels, {what}\n\n{_table(own)}\n"
    (Path(__file__).parents[1] / "docs" / "microscopes.md").write_text(page)


def _table(rows: list[dict[str, Any]]) -> str:
    names = ("ours", "photographs", "authors")
    lines = [
        "| stack | bicubic | microscopes' weights | photographs' weights | authors' weights |",
        "|---|---|---|---|---|",
    ]
    gains: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for row in rows:
        base, similar = row["bicubic"]
        cells = [f"{base:.2f} / {similar:.4f}"]
        for name in names:
            gain = row[name][0] - base, row[name][1] - similar
            gains[name].append(gain)
            cells.append(f"{gain[0]:+.2f} / {gain[1]:+.4f}")
        lines.append(f"| {row['stack'].removesuffix('.ome')} | {' | '.join(cells)} |")
    for what, of in (("mean", np.mean), ("worst", np.min)):
        cells = [
            "{:+.2f} / {:+.4f}".format(*(float(of(part)) for part in zip(*gains[n], strict=True)))
            for n in names
        ]
        lines.append(f"| **{what}** | | {' | '.join(cells)} |")
    return "\n".join(lines)


HEAD = """# Microscopes and scanners

Written by `tools/train_microscopes.py table`. What the bundled `…-microscopes` weights do on images
that they never saw, beside plain bicubic, this project's photographs' weights and the SRCNN
authors' own (9-5-5, ImageNet; all three networks have the same three layers).

**How it is measured.** Low-res images are what a camera with pixels 2, 3 or 4 times as large would
have recorded: the mean of k × k pixels; in the second table of each scale with noise, half of it
shot noise. Of each stack the middle 384 × 384 pixels of up to three planes (of each of up to three
channels) are enlarged by `napari_srcnn.upscale` as a user would, gain and offset are fitted to the
truth, and PSNR (dB, for the 0.1 to 99.9 percentile range) and SSIM are taken without a border of
`scale` pixels. The columns of the networks are differences to bicubic's.

**Five folds.** Every fifth stack is left out of a training, and measured by that network alone; so
each row is by a network that never saw the stack. The trainings of the folds are shorter than that
of the bundled weights, which saw all stacks but `mr_t1_brain`.

Where a stack is mostly noise, no network can do much, and the truth itself is noisy: the gain is
small in all columns. None of the stacks is part of this repository.

The networks that are told the noise, which a microscope's stack gets by default, stand on
[a page of their own](noise.md).
"""


def main() -> None:
    """Train, measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    jobs = parser.add_subparsers(required=True)
    one = jobs.add_parser("train")
    one.add_argument("micro", type=Path)
    one.add_argument("photographs", type=Path)
    one.add_argument("--start", type=Path, required=True)
    one.add_argument("-s", "--scale", type=int, default=2)
    one.add_argument("--steps", type=int, default=3000)
    one.add_argument("--rate", type=float, default=5e-4)
    one.add_argument("--fold", type=int)
    one.add_argument("--out", type=Path, default=Path("runs"))
    one.add_argument("--device", default="cpu")
    one.set_defaults(run=run_training)
    one = jobs.add_parser("measure")
    one.add_argument("micro", type=Path)
    one.add_argument("runs", type=Path)
    one.add_argument("-s", "--scale", type=int, default=2)
    one.add_argument("--photographs", type=Path, required=True)
    one.add_argument("--authors", type=Path, required=True)
    one.set_defaults(run=run_measure)
    one = jobs.add_parser("table")
    one.add_argument("runs", type=Path)
    one.set_defaults(run=run_table)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
