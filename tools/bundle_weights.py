"""Measure trained weights, write their cards, and describe ``weights/``.

    python tools/bundle_weights.py EVAL [RUN.safetensors ...]

EVAL is a folder with ``Set5`` and ``Set14`` in it. Each RUN is measured there (never chosen there)
and copied to ``weights/`` with the figures in its card; ``weights/README.md`` is written anew from
the cards of all that lie there.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Literal

from lineage import in_all

from napari_srcnn.assess.reference import evaluate
from napari_srcnn.assess.report import mean_scores
from napari_srcnn.network.checkpoint import SUFFIX, load_checkpoint, read_header, save_model
from napari_srcnn.training.photographs import find_images

WEIGHTS = Path(__file__).parents[1] / "weights"

HEAD = """# Bundled weights

Written by `tools/bundle_weights.py` from the cards in the files' headers; do not edit.

All were trained by this project's own code (`tools/train_photographs.py`,
`tools/train_microscopes.py` and `tools/train_noise.py`). Training images state no licence, or the
one in the list below, and are not part of this repository; the weights are under the project's
BSD-3-Clause licence.
"""
Y = """
## Photographs, brightness (Y)

Trained on the Y of T91 and of General-100, the images in which the super-resolution literature is
trained. Every tenth image of General-100 was held out, and the weights kept are those that were
best there. Set5 and Set14 were only measured on.

PSNR / SSIM on Y, 8 bits, a border of `scale` pixels shaved (`napari-srcnn benchmark`):

"""
RGB = """
## Photographs, red, green and blue together

The same images in R, G and B. PSNR / SSIM over the three channels, 8 bits, a border of `scale`
pixels shaved (`napari-srcnn benchmark --protocol rgb`):

"""
ROW = """| model | scale | parameters | Set5 | Set14 | over bicubic (Set5, Set14) | trained |
|---|---|---|---|---|---|---|
"""
MICROSCOPES = """
## Microscopes and scanners

Trained on stacks of fluorescence, electron microscopy, X-ray, MR and CT as a camera with larger
pixels would have recorded them, some of the crops with more noise. How they do on stacks that they
never saw stands in [docs/microscopes.md](../docs/microscopes.md).

| model | scale | parameters | on what was held out of its stacks | over bicubic | trained |
|---|---|---|---|---|---|
"""
NOISE = """
## Microscopes and scanners, told the noise

The same stacks, with shot and read noise of every strength; beside the image these networks are
told how strong it is, which is measured once a stack. What was held out was measured on three
times, with no noise, 1 and 5 % of the range. They are what a microscope's stack gets where no model
is named.

| model | scale | parameters | on what was held out of its stacks | over bicubic | trained |
|---|---|---|---|---|---|
"""
LOSSES = {"mse": "mean squared error", "log_mse": "mean logarithm of a crop's squared error"}


def bundle(run: Path, evaluation: Path) -> None:
    """Measure a run's weights and copy them to ``weights/``."""
    model, card = load_checkpoint(run)
    if "stacks" not in card:
        protocol: Literal["y", "rgb"] = "y" if model.config.channels == 1 else "rgb"
        card["protocol"] = protocol
        card["psnr"], card["ssim"], card["psnr_over_bicubic"] = {}, {}, {}
        for name in ("Set5", "Set14"):
            images = find_images(evaluation / name)
            scores = list(evaluate(images, [run], device="cpu", protocol=protocol))
            bicubic, ours = mean_scores(scores)
            card["psnr"][name] = round(ours.psnr, 3)
            card["ssim"][name] = round(ours.ssim, 4)
            card["psnr_over_bicubic"][name] = round(ours.psnr - bicubic.psnr, 3)
    save_model(WEIGHTS / run.name, model, card)


def describe() -> str:
    """Return the README of ``weights/``."""
    rows: dict[str, list[str]] = {Y: [], RGB: [], MICROSCOPES: [], NOISE: []}
    files, recipes = [], []
    for path in sorted(WEIGHTS.glob(f"*{SUFFIX}"), key=lambda path: path.stem):
        config, card = read_header(path)
        recipe, held = card["recipe"], card["holdout"]
        trained = in_all(card)
        first = f"| {path.stem} | ×{config.scale} | {config.parameters:,} |"
        if "stacks" in card:
            over = held["psnr"] - held["bicubic"]
            rows[NOISE if config.noise else MICROSCOPES].append(
                f"{first} {held['psnr']:.2f} | {over:+.2f} dB | {trained} |"
            )
        else:
            scores = [f"{card['psnr'][s]:.2f} / {card['ssim'][s]:.4f}" for s in ("Set5", "Set14")]
            gains = ", ".join(f"{card['psnr_over_bicubic'][s]:+.2f}" for s in ("Set5", "Set14"))
            rows[Y if config.channels == 1 else RGB].append(
                f"{first} {scores[0]} | {scores[1]} | {gains} dB | {trained} |"
            )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(f"| {path.name} | `{digest}` |")
        runs = [f"{run['steps']:,} as {run['model']}" for run in card.get("before", [])]
        start = f"{', '.join(runs)}, then" if runs else "from random weights,"
        recipes.append(
            f"- **{path.stem}**: {start} {card['steps_done']:,} of {recipe['steps']:,} steps, "
            f"batch {recipe['batch']} of {recipe['crop']}² pixels, "
            f"{recipe.get('optimizer', 'adam').capitalize()} {recipe['learning_rate']:g} "
            f"with cosine decay, {LOSSES[recipe.get('loss', 'mse')]}, average {recipe['average']}, "
            f"random gain {recipe['gain']}, seed {recipe['seed']}; on what was held out "
            f"{held['psnr']} dB (bicubic {held['bicubic']})."
        )
    text = HEAD
    for head, lines in rows.items():
        if lines:
            text += head + (ROW if head in (Y, RGB) else "") + "\n".join(lines) + "\n"
    return (
        f"{text}\n## Recipes\n\n"
        + "\n".join(recipes)
        + "\n\n## Checksums\n\n| file | sha256 |\n|---|---|\n"
        + "\n".join(files)
        + "\n"
    )


def main() -> None:
    """Bundle the runs that were named, then describe all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("runs", nargs="*", type=Path)
    arguments = parser.parse_args()
    for run in arguments.runs:
        bundle(run, arguments.evaluation)
    (WEIGHTS / "README.md").write_text(describe())


if __name__ == "__main__":
    main()
