"""Calibrate the spread of eight views of the bundled weights, and write it into their cards.

    python tools/calibrate_spread.py DATA [MODEL ...] [--only-measure]

DATA is the folder of NAPARI_SRCNN_DATA. Fitted is on parts of what the weights were trained on, as
they are and with half the pixels a side, with noise of 0, 1, 2 and 5 % of the range for the
networks that are told it; the shares that are written are of what was held out of the trainings,
with noise of 0, 1 and 5 %, and, for x2, of a camera's frames. Afterwards
`tools/describe_weights.py` writes `weights/README.md`.

Of many stacks the truth is noisy itself. That noise, as it is measured on the truth, is added to
the standard deviation where the two are compared; stacks are left out in which it is half of the
error or more, since they say nothing of the rest.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from bundle_weights import WEIGHTS
from fit_domain import photographs
from numpy.typing import NDArray
from skimage.io import imread
from train_microscopes import NOT_TRAINED, stacks

from napari_srcnn.image.intensity import PERCENTILES, IntensityRange
from napari_srcnn.image.resize import imresize
from napari_srcnn.io import stack_name
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_report import measure_noise
from napari_srcnn.models.card import ModelInfo
from napari_srcnn.models.library import model_info
from napari_srcnn.network.checkpoint import SUFFIX, load_checkpoint, save_model
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.dataset import make_dataset
from napari_srcnn.training.field import Block
from napari_srcnn.training.photographs import find_images, read_luma
from napari_srcnn.training.sources import sources_from_paths
from napari_srcnn.training.spread import Errors, fit_weights, measure_errors, shares

Image = NDArray[np.float64]
# Result pixels a side; blocks of a channel of a stack that are measured and that are fitted on;
# photographs that are fitted on.
SIDE, BLOCKS, FITTED, PHOTOGRAPHS = 96, 1, 4, 90
LEVELS, UNTOLD, FIT_LEVELS = (0.0, 0.01, 0.05), (0.0, 0.01), (0.0, 0.01, 0.02, 0.05)
# Of the error: with more noise of its own a truth is left out; and of the range, as it would be
# anyhow.
OWN, MUCH = 0.5, 0.06
CHANNELS, PIXELS = 3, 4 << 20
# Pixels a side of a truth that is half as large.
LEAST = 64
FRAMES, STACKS, PICTURES = "single camera frames", "held-out parts of stacks", "Set5 and Set14"


def middle(low: Image, high: Image, scale: int) -> tuple[Image, Image]:
    """Return the middle of a low-res image and of its truth."""
    side = SIDE // scale
    starts = [max((n - side) // 2, 0) for n in low.shape[:2]]
    small = low[tuple(slice(start, start + side) for start in starts)]
    cut = zip(starts, small.shape, strict=False)
    large = high[tuple(slice(scale * start, scale * (start + n)) for start, n in cut)]
    return small.astype(np.float64), large.astype(np.float64)


def compare(
    model: SRCNN,
    info: ModelInfo,
    low: Image,
    high: Image,
    noise: Noise,
    own: float,
    source: str = "",
) -> Errors | None:
    """Compare a microscope's image with its truth; None of one without a range."""
    window = info.window("microscope")
    lowest, highest = (float(v) for v in np.percentile(low, PERCENTILES))
    if not highest > lowest:
        return None
    small, large = middle(low, high, model.config.scale)
    return measure_errors(
        model,
        small,
        large,
        IntensityRange(lowest, highest, window),
        noise=noise if model.config.noise else None,
        own=own,
        source=source,
    )


def is_noisy(found: Errors) -> bool:
    """Tell whether a truth has so much noise of its own that it says little of the rest."""
    return found.own >= OWN * math.sqrt(float(np.square(found.error).mean()))


def of_stacks(
    model: SRCNN, info: ModelInfo, micro: Path, *, only_held: bool = False
) -> tuple[list[Errors], list[Errors]]:
    """Return what comes of parts of the stacks that were trained on, and of what was held out."""
    trained: list[Errors] = []
    held: list[Errors] = []
    for path in stacks(micro):
        try:
            data = make_dataset(sources_from_paths(path), model.config, limit=PIXELS)
        except ValueError:
            continue
        name = stack_name(path)
        for key, known in list(data.ranges.items())[:CHANNELS]:
            for block in [one for one in data.held if one.key == key][:BLOCKS]:
                held += of_block(model, info, block, known, LEVELS)
            blocks = [one for one in data.training if one.key == key]
            if only_held or name in NOT_TRAINED:
                continue
            for block in blocks[:: max(len(blocks) // FITTED, 1)][:FITTED]:
                half = halved(block, model.config.scale)
                for one in (block, half) if min(half.high.shape) >= LEAST else (block,):
                    trained += of_block(model, info, one, known, FIT_LEVELS, name)
    return trained, held


def halved(block: Block, scale: int) -> Block:
    """Return a block as a camera with half as many pixels a side sees it, with less noise."""
    height, width = (n // (2 * scale) * scale for n in block.high.shape)
    pixels = block.high[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    high = pixels.mean((1, 3))
    return replace(block, high=high, low=Degradation().low_res(high, scale))


def of_block(
    model: SRCNN,
    info: ModelInfo,
    block: Block,
    known: IntensityRange,
    levels: Sequence[float],
    source: str = "",
) -> Iterator[Errors]:
    """Yield what comes of a part of a stack with noise of each strength."""
    width = known.high - known.low
    own = measure_noise(block.high).level
    if own > MUCH:
        return
    for level in levels if model.config.noise else UNTOLD:
        sigma = level * width
        noise = Noise(gain=0.5 * level * sigma, read=math.sqrt(0.5) * sigma, offset=known.low)
        low = noise.apply(block.low, np.random.default_rng(0))
        found = compare(model, info, low, block.high, measure_noise(low).noise, own, source)
        if found is not None and not is_noisy(found):
            yield found


def of_frames(model: SRCNN, info: ModelInfo, folder: Path) -> Iterator[Errors]:
    """Yield what comes of a camera's frames."""
    for path in sorted((folder / "low").glob("*.tif")):
        low = imread(path).astype(np.float64)
        truth = imread(folder / "high" / path.name).astype(np.float64)
        # The mean of 400 frames, in 8 bits.
        own = measure_noise(truth).level
        found = compare(model, info, low, truth, measure_noise(low).noise, own)
        if found is not None:
            yield found


def of_pictures(model: SRCNN, paths: list[Path]) -> Iterator[Errors]:
    """Yield what comes of photographs, made low-res by bicubic and rounded to 8 bits."""
    scale = model.config.scale
    for path in paths:
        if model.config.channels == 3:
            image = imread(path).astype(np.float64)
            if image.ndim != 3:
                continue
        else:
            image = 255 * read_luma(path)
        image = image[tuple(slice(n // scale * scale) for n in image.shape[:2])]
        low = imresize(image, scale=1 / scale).round().clip(0, 255)
        small, large = middle(low, image, scale)
        known = IntensityRange(0.0, 255.0)
        yield measure_errors(model, small, large, known, source=path.name)


def calibrate(path: Path, data: Path, *, only_measure: bool) -> None:
    """Fit and measure one network, and write its card."""
    # Without what its card says of its file, its spread is that of the views.
    model, card = load_checkpoint(path)
    info = model_info(path)
    natural = data / "natural"
    if "stacks" in card:
        fitted, held = of_stacks(model, info, data / "micro", only_held=only_measure)
        measured = {STACKS: held}
        if model.config.scale == 2:
            measured[FRAMES] = list(of_frames(model, info, data / "micro" / "real_noise"))
    else:
        every = photographs(natural / "train", held=False)
        chosen = every[:: len(every) // PHOTOGRAPHS]
        fitted = [] if only_measure else list(of_pictures(model, chosen))
        paths = [p for name in ("Set5", "Set14") for p in find_images(natural / "eval" / name)]
        measured = {PICTURES: list(of_pictures(model, paths))}
    weights = tuple(card["spread"]["weights"]) if only_measure else fit_weights(fitted)
    within = {what: shares(weights, found) for what, found in measured.items()}
    cells = [f"{a:.1%}, {b:.1%} ({len(measured[what])})" for what, (a, b) in within.items()]
    print(f"| {path.stem} | {' | '.join(cells)} | {weights}", flush=True)
    if not only_measure:
        rounded = {what: [round(share, 3) for share in pair] for what, pair in within.items()}
        card["spread"] = {"weights": list(weights), "within": rounded}
        save_model(path, model, card)


def main() -> None:
    """Calibrate the networks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--only-measure", action="store_true", help="what stands in the cards")
    a = parser.parse_args()
    torch.set_num_threads(1)
    names = a.models or sorted(path.stem for path in WEIGHTS.glob(f"*{SUFFIX}"))
    for name in names:
        calibrate(WEIGHTS / f"{name}{SUFFIX}", a.data, only_measure=a.only_measure)


if __name__ == "__main__":
    main()
