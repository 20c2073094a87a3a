"""What holding results to their sources does to them, in dB, and how near they are then.

    python benchmarks/consistent.py [DATA] [--scale 2 ...] [--quick] [--page docs/consistent.md]

DATA is a folder with natural/eval, micro/ and micro/real_noise in it: NAPARI_SRCNN_DATA, else
``../shared/data``. Measured as by quality.py (photographs, PSNR of Y) and noise.py (one rectangle
of each stack's first channel that was held out of training, with and without noise; single camera
frames): with `consistent` and without it, all else being equal.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import noise as noises
import numpy as np
from numpy.typing import NDArray
from quality import data_folder

from napari_srcnn import upscale
from napari_srcnn.assess.reference import to_8_bits
from napari_srcnn.image.metrics import psnr, shave
from napari_srcnn.image.resize import imresize
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.models.degradation import degradation_of
from napari_srcnn.models.library import model_info
from napari_srcnn.training.photographs import crop_to_multiple, find_images, read_luma

Image = NDArray[np.float64]
LEVELS = 0.0, 0.01, 0.02, 0.05, 0.1

HEAD = """# Results that are held to their sources

Written by `benchmarks/consistent.py --page`. With `--consistent` (in napari *Keep to the source*)
a result, made small again as the low-res images were that its network learned from, is its source
once more: by camera pixels (area) for microscopes' networks, by MATLAB's bicubic for photographs'.

To what a denoised result should be held nobody can say more than that it lies **within the noise**:
differences up to three standard deviations of it stay, what is beyond is put back. So are results
of microscopes' networks that are told nothing, by the noise that is measured. Those of photographs'
networks, whose texture would be taken for noise, are held exactly unless `--noise` says what there
is; `--noise none` holds any result exactly.

**Change** is in dB of PSNR, with less without, mean and worst image. **Apart** is the root mean
square of the result made small again less its source, in parts of the source's range, without →
with. **Beyond** is the share of source pixels that are left by more than three standard deviations
of the noise that was measured, taken at the source or at the result, whichever is brighter.

Why three: within two, 0.2 dB are lost at 10 % of noise and 0.06 dB on the camera's frames, as noise
that was taken off comes back. Held exactly, the camera's frames lose 8.5 dB.

What holds a tile to its source lies around it, up to 7 source pixels away (11 for photographs): at
×2 a run takes about a quarter longer (0.4 for photographs), at ×4 half as long again (twice).
"""


@dataclass(slots=True)
class Tally:
    """What was found of one network on one set of images."""

    before: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    apart: list[tuple[float, float]] = field(default_factory=list)
    beyond: list[tuple[float, float]] = field(default_factory=list)

    def row(self, title: str, name: str) -> str:
        """Return a line of the table."""
        apart = " → ".join(f"{value:.2%}" for value in np.mean(self.apart, axis=0))
        beyond = ""
        if self.beyond:
            beyond = " → ".join(f"{value:.2%}" for value in np.mean(self.beyond, axis=0))
        return (
            f"| {title} | {name} | {len(self.change)} | {np.mean(self.before):.2f} "
            f"| {np.mean(self.change):+.3f} | {min(self.change):+.3f} | {apart} | {beyond} |"
        )


def photographs(folder: Path, scale: int, models: list[str]) -> dict[str, Tally]:
    """Measure photographs, as quality.py does."""
    found = {name: Tally() for name in models}
    for path in find_images(folder):
        truth = crop_to_multiple(read_luma(path), scale)
        low = imresize(truth, scale=1 / scale)
        reference = shave(to_8_bits(truth), scale)
        for name, tally in found.items():
            pair = both(low, name, intensity="none")
            scores = [
                psnr(reference, shave(to_8_bits(image), scale), data_range=255) for image in pair
            ]
            note(tally, scores, low, pair, name, None)
    return found


def stacks(cases: Iterator[Any], scale: int, models: list[str]) -> dict[str, Tally]:
    """Measure microscopes' images, as noise.py does."""
    found = {name: Tally() for name in models}
    for case in cases:
        for name, tally in found.items():
            # Measured on all of the stack, as the program does, and not on this one plane.
            pair = both(case.low, name, noise=case.measured)
            scores = [noises.score(image, case.truth, scale) for image in pair]
            note(tally, scores, case.low, pair, name, case.measured)
    return found


def both(low: Image, name: str, **options: Any) -> list[Image]:
    """Return the result as it is and held to its source."""
    scale, is_told = model_info(name).config.scale, model_info(name).config.noise
    told = {"noise": options.pop("noise")} if "noise" in options else {}
    return [
        upscale(low, scale, model=name, device="cpu", consistent=held, **options, **given)
        for held, given in ((False, told if is_told else {}), (True, told))
    ]


def note(
    tally: Tally, scores: list[float], low: Image, pair: list[Image], name: str, known: Any
) -> None:
    """Note what was found of one image."""
    info = model_info(name)
    degradation: Degradation = degradation_of(info.card)
    width = float(np.ptp(np.percentile(low, noises.PERCENTILES)))
    small = [degradation.low_res(image, info.config.scale) for image in pair]
    tally.before.append(scores[0])
    tally.change.append(scores[1] - scores[0])
    apart = [float(np.sqrt(np.square(one - low).mean())) / width for one in small]
    tally.apart.append((apart[0], apart[1]))
    if known is not None and known.is_any:
        shares = []
        for one in small:
            sigma = np.maximum(known.sigma(low), known.sigma(one))
            shares.append(float((np.abs(one - low) > 3.001 * sigma).mean()))
        tally.beyond.append((shares[0], shares[1]))


def main() -> None:
    """Measure, print the table, and write a page of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--scale", nargs="+", type=int, default=[2, 3, 4])
    parser.add_argument("--quick", action="store_true", help="every fourth stack and frame")
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    data = arguments.data or data_folder()
    lines = [
        "| images | network | how many | PSNR | change, mean | worst | apart | beyond |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print(*lines, sep="\n")

    def say(title: str, found: dict[str, Tally]) -> None:
        for name, tally in found.items():
            lines.append(tally.row(title, name))
            print(lines[-1], flush=True)

    noises.CHANNELS = 1
    for scale in arguments.scale:
        plain = [f"srcnn-9-{middle}-5-x{scale}" for middle in (1, 5)]
        for name in ("Set5", "Set14"):
            say(f"{name}, ×{scale}", photographs(data / "natural/eval" / name, scale, plain))
        models = [f"srcnn-9-5-5-x{scale}-microscopes", f"srcnn-9-1-5-x{scale}-noise"]
        if scale == 2:
            frames = list(noises.real_frames(data / "micro/real_noise"))
            say("real_noise, ×2", stacks(iter(frames[:: 4 if arguments.quick else 1]), 2, models))
        for level in LEVELS if scale == 2 else LEVELS[:2]:
            cases = noises.held_out(data / "micro", scale, level, arguments.quick)
            say(f"held out, {level:.0%} of noise, ×{scale}", stacks(cases, scale, models))
    if arguments.page:
        arguments.page.write_text(HEAD + "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
