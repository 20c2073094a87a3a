"""Train the bundled photographs' weights: ``python tools/train_photographs.py DATA -k 9-5-5 -s 3``.

DATA is a folder with ``T91`` and ``General100`` in it. A run that is stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import torch
from ahead import drawn
from lineage import before, device_kind

import napari_srcnn
from napari_srcnn.network.checkpoint import load_checkpoint, save_model
from napari_srcnn.network.config import PRESETS, SRCNNConfig
from napari_srcnn.training.loop import train
from napari_srcnn.training.photographs import (
    FACTORS,
    CropSampler,
    Pair,
    find_images,
    make_pair,
    read_luma,
    read_rgb,
    rescaled,
)
from napari_srcnn.training.state import TrainConfig

# Every tenth image of General-100 is held out to choose and to watch; none of T91 is.
HELD_HELD_OUT = slice(9, None, 10)
# One line for the widget's menu.
DESCRIPTIONS = {
    "9-1-5": "Any image; trained on photographs. Fast",
    "9-3-5": "Any image; trained on photographs. Between the two",
    "9-5-5": "Any image; trained on photographs. Best quality",
}


def load(data: Path, scale: int, *, rgb: bool = False) -> tuple[list[list[Pair]], list[Pair]]:
    """Return the training groups and the pairs held out."""
    read = read_rgb if rgb else read_luma
    t91, general = find_images(data / "T91"), find_images(data / "General100")
    held = general[HELD_HELD_OUT]
    groups = [t91, [path for path in general if path not in held]]
    pairs = [
        [make_pair(i, scale) for path in group for i in rescaled(read(path), FACTORS)]
        for group in groups
    ]
    return pairs, [make_pair(read(path), scale) for path in held]


def main() -> None:
    """Train, keeping the best weights on the images held out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("-k", "--kernels", choices=PRESETS, default="9-5-5")
    parser.add_argument("-s", "--scale", type=int, default=3)
    parser.add_argument("--rgb", action="store_true")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=48)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--every", type=int, default=500, help="steps between measurements")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=0, help="that draw the crops")
    arguments = parser.parse_args()
    # All batches have one shape, so trying the ways to compute them pays.
    torch.backends.cudnn.benchmark = True
    network = SRCNNConfig(
        kernels=PRESETS[arguments.kernels],
        scale=arguments.scale,
        channels=3 if arguments.rgb else 1,
    )
    config = TrainConfig(
        steps=arguments.steps,
        minutes=arguments.minutes,
        validate_every=arguments.every,
        learning_rate=arguments.rate,
        batch=arguments.batch,
        crop=arguments.crop,
    )
    groups, held = load(arguments.data, arguments.scale, rgb=arguments.rgb)
    sampler = drawn(
        CropSampler(groups, crop=config.crop, halo=network.halo, gain=config.gain),
        arguments.processes,
    )
    name = f"srcnn-{arguments.kernels}-x{arguments.scale}{'-rgb' * arguments.rgb}"
    colors = "R, G and B" if arguments.rgb else "Y of BT.601"
    description = DESCRIPTIONS.get(arguments.kernels, "Any image; trained on photographs")
    arguments.out.mkdir(parents=True, exist_ok=True)
    start = load_checkpoint(arguments.start)[0] if arguments.start else None
    card = {
        "description": f"RGB images; {description[11:]}" if arguments.rgb else description,
        "license": "BSD-3-Clause",
        "data": f"T91 (91 images) and General-100 (90 images, every tenth held out), {colors}",
        "recipe": {
            **dataclasses.asdict(config),
            "rescaled": FACTORS,
            "skip": True,
            "started_from": arguments.start.stem if arguments.start else None,
        },
        "before": before(arguments.start),
        "device": device_kind(arguments.device),
        "windows": {"photograph": [0.0, 1.0], "microscope": [0.2, 0.6]},
        "version": napari_srcnn.__version__,
        "torch": torch.__version__,
    }
    log = (arguments.out / f"{name}.jsonl").open("a")
    run = train(
        config,
        network,
        sampler,
        held,
        device=arguments.device,
        start=start,
        state_path=arguments.out / f"{name}.state",
    )
    for message, model in run:
        line = json.dumps({"time": round(time.time()), **dataclasses.asdict(message)})
        log.write(line + "\n")
        log.flush()
        print(line, flush=True)
        if message.best:
            card["seconds"] = round(message.seconds)
            card["steps_done"] = message.step
            card["holdout"] = {
                "psnr": round(message.psnr, 3),
                "bicubic": round(message.bicubic_psnr, 3),
            }
            save_model(arguments.out / f"{name}.safetensors", model, card)


if __name__ == "__main__":
    main()
