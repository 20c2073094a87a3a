"""What an assessment finds, and what it takes.

    python benchmarks/assess.py [--cases 200] [--planes 4] [--only painted time]

- painted: structures that are not there are painted into results of noisy images: blobs, lines,
  rings, gratings and doubled structures, of chance size, place and strength. Of those that change
  the image, made small again, by more than three standard deviations of its noise in a pixel, how
  many does the map of differences show there? And how many pixels of clean results does it show?
- time: an assessment of planes of 2048 x 2048 (of the result), beside their upscaling by 9-1-5.
"""

from __future__ import annotations

import argparse
import time

import machine
import numpy as np
from memory import camera_planes
from scipy.ndimage import gaussian_filter, shift

from napari_srcnn import upscale
from napari_srcnn.assess.assessment import assess
from napari_srcnn.assess.consistency import BEYOND, consistency
from napari_srcnn.image.stack import Stack
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.microscope.noise_report import measure_noise

SIDE = 256
KINDS = "blob", "line", "ring", "grating", "double"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--planes", type=int, default=4)
    parser.add_argument(
        "--only", nargs="+", choices=("painted", "time"), default=("painted", "time")
    )
    given = parser.parse_args()
    print(machine.describe("scikit-image"))
    if "painted" in given.only:
        painted(given.cases)
    if "time" in given.only:
        timed(given.planes)


def painted(cases: int) -> None:
    """Print what is found of what was painted."""
    rng = np.random.default_rng(0)
    planes = list(camera_planes(8))
    found, due, alarms = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0), []
    for number in range(cases):
        high = gaussian_filter(planes[number % len(planes)][:SIDE, :SIDE].astype(float), 1.0)
        noise = Noise(gain=rng.uniform(0, 20), read=rng.uniform(20, 200))
        low = noise.apply(Degradation().low_res(high, 2), rng)
        low = low.clip(0, 65535).round().astype(np.uint16)
        measured = measure_noise(low).noise
        result = np.asarray(upscale(low, 2, noise=measured, device="cpu"), dtype=float)
        clean = consistency(result, low, 2, noise=measured)
        alarms.append(clean.beyond_3_sigma or 0.0)
        kind = KINDS[number % len(KINDS)]
        mark = paint(kind, result, rng) * rng.uniform(1, 12) * float(measured.sigma(low.mean()))
        change = Degradation().low_res(mark, 2) / measured.sigma(low.astype(float))
        counts = np.abs(change) > BEYOND
        if not counts.any():
            continue
        due[kind] += 1
        seen = consistency(result + mark, low, 2, noise=measured)
        assert seen.sigmas is not None
        found[kind] += bool((np.abs(seen.sigmas[counts]) > BEYOND).any())
    print(f"\n{'kind':10}{'due':>6}{'found':>7}")
    for kind in KINDS:
        print(f"{kind:10}{due[kind]:6d}{found[kind]:7d}")
    total = sum(due.values())
    print(f"{'all':10}{total:6d}{sum(found.values()):7d}  {sum(found.values()) / total:.1%}")
    print(
        f"of clean results' pixels {np.mean(alarms):.2%} lie beyond 3 sigma, at most "
        f"{max(alarms):.2%}"
    )


def paint(kind: str, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a structure of a height of one on the grid of an image."""
    y, x = np.indices(image.shape)
    cy, cx = rng.uniform(30, SIDE - 30, 2)
    size, angle = rng.uniform(2, 8), rng.uniform(0, np.pi)
    across = (y - cy) * np.cos(angle) + (x - cx) * np.sin(angle)
    along = (x - cx) * np.cos(angle) - (y - cy) * np.sin(angle)
    radius = np.hypot(y - cy, x - cx)
    near = np.exp(-((radius / 12) ** 2))
    if kind == "blob":
        return np.exp(-((radius / size) ** 2))
    if kind == "line":
        return np.exp(-((across / 1.5) ** 2)) * (np.abs(along) < 3 * size)
    if kind == "ring":
        return np.exp(-(((radius - size) / 1.2) ** 2))
    if kind == "grating":
        return near * np.sin(2 * np.pi * across / size)
    moved = shift(image, rng.uniform(2, 6, 2), mode="nearest") - image
    return near * moved / max(np.abs(near * moved).max(), 1e-9)


def timed(planes: int) -> None:
    """Print how long an assessment takes."""
    low = np.stack(list(camera_planes(planes)))
    source = Stack(data=low, axes="ZYX")
    begun = time.perf_counter()
    large = upscale(low, 2, model="srcnn-9-1-5-x2", device="cpu", axes="ZYX")
    enlarged = time.perf_counter() - begun
    result = Stack(data=large, axes="ZYX")
    for title, reference in (("source alone", None), ("with a reference", result)):
        begun = time.perf_counter()
        for _ in assess(result, source, reference):
            pass
        seconds = time.perf_counter() - begun
        print(
            f"{title}: {seconds:.1f} s, {seconds / enlarged:.2f} of the {enlarged:.1f} s of 9-1-5"
        )


if __name__ == "__main__":
    main()
