"""Train the networks that are told the noise, on stacks and photographs, and choose them by dB.

    python tools/train_noise.py MICRO PHOTOS -s 2 --start WEIGHTS --out RUNS [--minutes 120]

MICRO is a folder with fluo/, em_xray/ and medical/ in it, PHOTOS one with T91/ and General100/.
WEIGHTS is a network of the same kernels, told the noise or not. A run ends with its steps, or its
minutes where they end before; one that was stopped goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ahead import drawn
from lineage import before, device_kind
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from train_microscopes import NOT_TRAINED, PHOTOGRAPHS, EqualSampler, load, stacks, values_of

import napari_srcnn
from napari_srcnn.image.intensity import IntensityRange
from napari_srcnn.io import stack_name
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_estimate import estimate_noise
from napari_srcnn.network.checkpoint import load_checkpoint, save_model
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.device import raise_malloc_thresholds
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.dataset import Dataset
from napari_srcnn.training.loop import train
from napari_srcnn.training.photographs import Pair
from napari_srcnn.training.recording import Recorded
from napari_srcnn.training.state import TrainConfig

WINDOW = (0.2, 0.6)
# Of all crops: without noise; told what the estimator says of the crop's own plane; told too much
# or too little; and with noise that is alike from pixel to pixel.
CLEAN, ESTIMATED, MISTOLD, CORRELATED = 0.15, 0.35, 0.2, 0.1
# Of the range, at its bright end.
LEVELS = 0.001, 0.2
# Planes that the estimator is asked about, for each block of a stack.
DRAWS = 3
# Low-res pixels a side of the least plane that it is asked about.
LEAST = 64
# What is measured on is seen with each of these, told the truth.
MEASURED = 0.0, 0.01, 0.05


def draw_noise(known: IntensityRange, rng: np.random.Generator) -> Noise:
    """Return shot and read noise in any mixture, of a strength within LEVELS; or none."""
    if rng.random() < CLEAN:
        return Noise(offset=known.low)
    return noise_of(known, math.exp(rng.uniform(*map(math.log, LEVELS))), rng.random())


def noise_of(known: IntensityRange, level: float, shot: float) -> Noise:
    """Return noise of `level` of the range at its bright end, of which `shot` is shot noise."""
    width = known.high - known.low
    return Noise(
        gain=shot * level**2 * width, read=math.sqrt(1 - shot) * level * width, offset=known.low
    )


def alike(residual: NDArray[Any], sigma: float) -> tuple[NDArray[Any], float]:
    """Return white noise made alike over `sigma` pixels, and what its network is to be told.

    The second is a factor to its standard deviation: white noise that is as strong as this in the
    lower half of the frequencies, where images have their signal, has so much more of it.
    """
    taps = np.zeros(15)
    taps[7] = 1
    taps = gaussian_filter(taps, sigma)
    norm = float(np.square(taps).sum())
    power = np.abs(np.fft.rfft(taps, 512)) ** 2 / norm
    return gaussian_filter(residual, sigma) / norm, float(power[: len(power) // 2].mean())


class Told(Dataset):
    """Stacks and photographs with noise drawn anew for every crop, and what is told of it."""

    #: What the estimator said of planes of a key: pairs of the noise that was added and the answer.
    answers: dict[tuple[int, int], list[tuple[Noise, Noise]]]

    def ask(self, rng: np.random.Generator) -> None:
        """Ask the estimator about planes of each stack, with noise and without."""
        found: dict[tuple[int, int], list[tuple[Noise, Noise]]] = {}
        for block in self.training:
            if block.key[0] == PHOTOGRAPHS or min(block.low.shape) < LEAST:
                continue
            for _ in range(DRAWS):
                added = draw_noise(self.ranges[block.key], rng)
                try:
                    told = estimate_noise(added.apply(block.low, rng))
                except ValueError:
                    continue
                found.setdefault(block.key, []).append((added, told))
        object.__setattr__(self, "answers", found)

    def draw(
        self,
        low: NDArray[Any],
        high: NDArray[Any],
        key: tuple[int, int],
        rng: np.random.Generator,
    ) -> Recorded:
        """Return a crop with noise, and what the network is told of it."""
        known, answers = self.ranges[key], self.answers.get(key)
        if answers and rng.random() < ESTIMATED:
            added, told = answers[rng.integers(len(answers))]
            return Recorded(low=added.apply(low, rng), told=told, high=high)
        added = draw_noise(known, rng)
        noisy, factor = added.apply(low, rng), 1.0
        if rng.random() < CORRELATED:
            residual, factor = alike(noisy - low, rng.uniform(0.3, 0.7))
            noisy = low + residual
        if rng.random() < MISTOLD:
            factor *= math.exp(rng.uniform(math.log(0.7), math.log(1.3)))
        return Recorded(low=noisy, told=added.times(factor), high=high)


class At(Dataset):
    """What is held out, with noise of one strength, told the truth."""

    level: float

    def draw(
        self,
        low: NDArray[Any],
        high: NDArray[Any],
        key: tuple[int, int],
        rng: np.random.Generator,
    ) -> Recorded:
        """Return a rectangle with the noise, and the noise."""
        noise = noise_of(self.ranges[key], self.level, 0.5) if self.level else Noise()
        return Recorded(low=noise.apply(low, rng), told=noise, high=high)


def held_at(data: Dataset, level: float) -> list[Pair]:
    """Return one pair of each stack that is measured on, with noise of a level."""
    one = At(**values_of(data))
    object.__setattr__(one, "level", level)
    return [pair for _, pair in one.held_images(noise=True)]


def begin(path: Path, network: SRCNNConfig) -> SRCNN:
    """Return a network that is told the noise, with the weights of one that may be told nothing."""
    start, _ = load_checkpoint(path)
    model = SRCNN(network)
    known = start.state_dict()
    if "noise.weight" not in known:
        known["noise.weight"] = model.noise.weight.detach() * 0.1
    model.load_state_dict(known)
    return model


def main() -> None:
    """Train one network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("micro", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("-s", "--scale", type=int, default=2)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--every", type=int, default=500, help="steps between measurements")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=0, help="that draw the crops")
    a = parser.parse_args()
    # All batches have one shape, so trying the ways to compute them pays.
    torch.backends.cudnn.benchmark = True
    raise_malloc_thresholds()
    if a.threads:
        torch.set_num_threads(a.threads)
    started, _ = load_checkpoint(a.start)
    network = dataclasses.replace(started.config, scale=a.scale, noise=True)
    paths = [p for p in stacks(a.micro) if stack_name(p) not in NOT_TRAINED]
    plain = load(paths, a.photographs, network, window=WINDOW)
    data = Told(**values_of(plain))
    data.ask(np.random.default_rng(1))
    held = [pair for level in MEASURED for pair in held_at(plain, level)]
    config = TrainConfig(
        steps=a.steps,
        minutes=a.minutes,
        crop=72,
        learning_rate=a.rate,
        loss="log_mse",
        clip=1.0,
        gain=(0.85, 1.2),
        batch=a.batch,
        validate_every=min(a.every, a.steps),
    )
    sampler = drawn(
        EqualSampler(data, crop=config.crop, network=network, gain=config.gain), a.processes
    )
    name = f"srcnn-{network.kernel_name}-x{a.scale}-noise"
    a.out.mkdir(parents=True, exist_ok=True)
    card: dict[str, Any] = {
        "description": "Microscopes and scanners: camera pixels, told the noise",
        "license": "BSD-3-Clause",
        "data": f"{len(paths)} stacks of fluorescence, electron microscopy, X-ray, MR and CT, "
        "drawn equally, and T91 and General-100 for a third of the crops",
        "stacks": [stack_name(path) for path in paths],
        "degradation": "camera pixels (area); shot and read noise in any mixture of 0.1 to 20 % of "
        f"the range, none in {CLEAN:.0%} of the crops; what the network is told is what the "
        f"estimator says in up to {ESTIMATED:.0%}, off by up to 30 % in {MISTOLD:.0%}",
        "recipe": {**dataclasses.asdict(config), "started_from": a.start.stem},
        "before": before(a.start),
        "device": device_kind(a.device),
        # They have seen this window alone, whatever was shown.
        "windows": {"photograph": list(WINDOW), "microscope": list(WINDOW)},
        "version": napari_srcnn.__version__,
        "torch": torch.__version__,
    }
    run = train(
        config,
        network,
        sampler,
        held,
        start=begin(a.start, network),
        state_path=a.out / f"{name}.state",
        device=a.device,
        peak=WINDOW[1] - WINDOW[0],
    )
    for message, model in run:
        print(json.dumps({"name": name, **dataclasses.asdict(message)}), flush=True)
        if message.best:
            card["seconds"], card["steps_done"] = round(message.seconds), message.step
            card["holdout"] = {
                "what": "a sixth of the planes, or a quarter of the plane, of each stack, with "
                "no noise, 1 and 5 % of it",
                "psnr": round(message.psnr, 3),
                "bicubic": round(message.bicubic_psnr, 3),
            }
            save_model(a.out / f"{name}.safetensors", model, card)


if __name__ == "__main__":
    main()
