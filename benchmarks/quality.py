"""PSNR and SSIM of the bundled weights on Set5 and Set14, beside bicubic and what is published.

    python benchmarks/quality.py [FOLDER ...] [--models NAME ...] [--json OUT]

Without a folder it takes Set5 and Set14 from ``natural/eval`` in the data folder: the variable
NAPARI_SRCNN_DATA, else ``../shared/data``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

from napari_srcnn.dataset import find_images
from napari_srcnn.evaluation import evaluate_luma, mean_scores
from napari_srcnn.weights import list_models, model_info

# Y, border of `scale` shaved, 8 bits: PSNR and SSIM of x2, x3, x4 as their papers print them.
PUBLISHED = {
    "Set5": {
        "SRCNN 9-5-5, the paper's best": ((36.66, 0.9542), (32.75, 0.9090), (30.49, 0.8628)),
        "A+": ((36.54, 0.9544), (32.59, 0.9088), (30.28, 0.8603)),
    },
    "Set14": {
        "SRCNN 9-5-5, the paper's best": ((32.45, 0.9067), (29.30, 0.8215), (27.50, 0.7513)),
        "A+": ((32.28, 0.9056), (29.13, 0.8188), (27.32, 0.7491)),
    },
}


def data_folder() -> Path:
    """Return the folder of the evaluation images."""
    named = os.environ.get("NAPARI_SRCNN_DATA")
    return Path(named) if named else Path(__file__).parents[2] / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folders = arguments.folders or [data_folder() / "natural/eval" / n for n in ("Set5", "Set14")]
    if missing := [str(f) for f in folders if not f.is_dir()]:
        parser.error(f"there is no folder {', '.join(missing)}; name one, or set NAPARI_SRCNN_DATA")
    models = arguments.models or [n for n in list_models() if model_info(n).config.channels == 1]
    results = {}
    for folder in folders:
        scores = list(evaluate_luma(find_images(folder), models, device=arguments.device))
        means = mean_scores(scores)
        results[folder.name] = [dataclasses.asdict(score) for score in (*scores, *means)]
        print(f"\n{folder.name}, Y, 8 bits, border of `scale` pixels shaved")
        print(
            f"{'':34s} {'scale':>5s} {'PSNR':>7s} {'SSIM':>7s} "
            f"{'over bicubic':>13s} {'s/image':>8s}"
        )
        for score in means:
            base = next(m for m in means if m.scale == score.scale)
            gain = "" if score is base else f"{score.psnr - base.psnr:+.2f} dB"
            print(
                f"{score.method:34s} {'×' + str(score.scale):>5s} {score.psnr:7.3f} "
                f"{score.ssim:7.4f} {gain:>13s} {score.seconds:8.3f}"
            )
        for method, figures in PUBLISHED.get(folder.name, {}).items():
            for scale, (psnr, ssim) in zip((2, 3, 4), figures, strict=True):
                print(
                    f"{method:34s} {'×' + str(scale):>5s} {psnr:7.2f} {ssim:7.4f} "
                    f"{'published':>13s}"
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
