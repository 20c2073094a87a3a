"""Fine-tuning on noisy frames that have no clean partner: as they are, and by recorruption.

    python benchmarks/recorruption.py DATA -m NAME_OR_FILE [--minutes 5] [--seed 0] [--json FILE]

DATA is a folder with micro/real_noise in it: single camera frames in low/, and in high/ their truth
(means of 400 frames) at twice the pixels. Twelve frames of four fields of view are all that is
learned from. The frames of the other fields are enlarged ×2 by bicubic, by the network that it
begins from and by both that were trained; at the trained size they were made low-res by camera
pixels before, and are compared with the truth in as many pixels as a frame has; at the next they
are frames as they are. All figures are dB of PSNR over bicubic after fitting gain and offset to the
truth, mean and worst over the frames.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread

SCALE = 2
# Of the fields of view every so many are learned from.
EVERY = 3

Image = NDArray[np.float64]


def frames(folder: Path) -> dict[str, tuple[Image, Image]]:
    """Return the frames and their truth, by their names: field of view, then channel."""
    return {
        path.stem: (
            imread(path).astype(np.float64),
            imread(folder / "high" / path.name).astype(np.float64),
        )
        for path in sorted((folder / "low").glob("*.tif"))
    }


def score(image: Image, truth: Image) -> float:
    """Return PSNR for the truth's range, after fitting gain and offset."""
    from napari_srcnn.image.intensity import PERCENTILES
    from napari_srcnn.image.metrics import fit_affine, psnr, shave

    image, truth = shave(image, SCALE), shave(truth, SCALE)
    low, high = np.percentile(truth, PERCENTILES)
    return psnr(truth, fit_affine(truth, image), data_range=float(high - low))


def trained(
    examples: dict[str, tuple[Image, Image]],
    start: str,
    *,
    recorrupt: bool,
    minutes: float,
    seed: int,
) -> str:
    """Fine-tune on frames alone, and return the name of what came of it."""
    from napari_srcnn.training.field import Source
    from napari_srcnn.training.finetune import FinetuneRun, Prepared
    from napari_srcnn.training.options import RECIPE, FinetuneOptions

    name = "recorruption" if recorrupt else "ordinary"
    sources = tuple(
        Source(name=stem, high=low.astype(np.uint16)) for stem, (low, _) in examples.items()
    )
    job = FinetuneRun(
        FinetuneOptions(
            name=name,
            sources=sources,
            scale=SCALE,
            start=start,
            recorrupt=recorrupt,
            config=replace(RECIPE, minutes=minutes, seed=seed),
        )
    )
    for message in job.run():
        if isinstance(message, Prepared):
            print(f"{name}: {message.summary}", *message.notes, sep="\n", flush=True)
    outcome = job.outcome()
    job.save(outcome)
    print(f"{outcome.card['steps_done']} steps. {outcome.sentence}\n", flush=True)
    return name


def main() -> None:
    """Train, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-m", "--model", required=True, help="what both begin from")
    parser.add_argument("--minutes", type=float, default=5.0, help="of each of the two")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("ordinary", "recorruption"))
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    home = tempfile.TemporaryDirectory(prefix="srcnn-recorruption-")
    os.environ["NAPARI_SRCNN_HOME"] = home.name
    from napari_srcnn import upscale
    from napari_srcnn.image.resize import imresize
    from napari_srcnn.microscope.degradation import Degradation

    every = frames(a.data / "micro/real_noise")
    fields = sorted({stem.split("_")[0] for stem in every})
    learned = set(fields[::EVERY])
    examples = {stem: pair for stem, pair in every.items() if stem.split("_")[0] in learned}
    others = {stem: pair for stem, pair in every.items() if stem not in examples}
    print(f"Learned from: {', '.join(examples)}; measured on {len(others)} others.\n", flush=True)
    models = {f"start ({Path(a.model).stem})": a.model}
    for recorrupt, name in ((False, "ordinary"), (True, "recorruption")):
        if a.only in (None, name):
            models[name] = trained(
                examples, a.model, recorrupt=recorrupt, minutes=a.minutes, seed=a.seed
            )
    smaller = Degradation()
    sizes = {
        "trained size": lambda low, high: (
            smaller.low_res(low, SCALE),
            smaller.low_res(high, SCALE),
        ),
        "next size": lambda low, high: (low, high),
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    for size, made in sizes.items():
        for stem, pair in others.items():
            low, truth = made(*pair)
            base = score(imresize(low, scale=SCALE), truth)
            found.setdefault("bicubic (PSNR)", {}).setdefault(size, {})[stem] = base
            for label, model in models.items():
                image = upscale(low.astype(np.float32), SCALE, model=model, device="cpu")
                gain = score(image.astype(np.float64), truth) - base
                found.setdefault(label, {}).setdefault(size, {})[stem] = gain
    print("| | trained size: mean | worst | next size: mean | worst |\n|---|---|---|---|---|")
    for label, by_size in found.items():
        sign = "" if label.startswith("bicubic") else "+"
        cells = [
            f"{value:{sign}.2f}"
            for size in sizes
            for value in (np.mean(list(by_size[size].values())), min(by_size[size].values()))
        ]
        print(f"| {label} | {' | '.join(cells)} |")
    if a.json:
        a.json.write_text(json.dumps(found, indent=1))
    home.cleanup()


if __name__ == "__main__":
    main()
