"""PSNR and SSIM of the bundled weights on Set5 and Set14, beside bicubic and what is published.

    python benchmarks/quality.py [FOLDER ...] [--models NAME ...] [--protocol rgb] [--json OUT]

Without a folder it takes Set5 and Set14 from ``natural/eval`` in the data folder: the variable
NAPARI_SRCNN_DATA, else ``../shared/data``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

from napari_srcnn.assess.reference import evaluate
from napari_srcnn.assess.report import mean_scores, table
from napari_srcnn.models.library import list_models, model_info
from napari_srcnn.training.photographs import find_images


def data_folder() -> Path:
    """Return the folder of the evaluation images."""
    named = os.environ.get("NAPARI_SRCNN_DATA")
    return Path(named) if named else Path(__file__).parents[2] / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--protocol", choices=("y", "rgb"), default="y")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folders = arguments.folders or [data_folder() / "natural/eval" / n for n in ("Set5", "Set14")]
    if missing := [str(f) for f in folders if not f.is_dir()]:
        parser.error(f"there is no folder {', '.join(missing)}; name one, or set NAPARI_SRCNN_DATA")
    channels = 1 if arguments.protocol == "y" else 3
    bundled = [n for n in list_models() if model_info(n).config.channels == channels]
    results = {}
    for folder in folders:
        scores = list(
            evaluate(
                find_images(folder),
                arguments.models or bundled,
                protocol=arguments.protocol,
                device=arguments.device,
            )
        )
        results[folder.name] = [dataclasses.asdict(s) for s in (*scores, *mean_scores(scores))]
        print(f"\n{folder.name}, {arguments.protocol.upper()}, 8 bits, `scale` pixels shaved")
        print(table(scores, folder.name, arguments.protocol))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
