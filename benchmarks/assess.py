"""What an assessment finds, and what it takes.

    python benchmarks/assess.py [--cases 200] [--planes 4] [--only painted time libraries]

- painted: structures that are not there are painted into results of noisy images: blobs, lines,
  rings, gratings and doubled structures, of chance size, place and strength. Of those that change
  the image, made small again, by more than three standard deviations of its noise in a pixel, how
  many does the map of differences show there? And how many pixels of clean results does it show?
- time: an assessment of planes of 2048 x 2048 (of the result), beside their upscaling by 9-1-5.
- libraries: the same figures by libraries that others keep, where they are installed: ring
  correlations by torch-fourier-shell-correlation (teamtomo), resolution-scaled errors and
  decorrelation by nanopyx.
"""

from __future__ import annotations

import argparse
import importlib
import time

import machine
import numpy as np
import torch
from memory import camera_planes
from scipy.ndimage import gaussian_filter, shift
from skimage.data import camera

from napari_srcnn import upscale
from napari_srcnn.assess.assessment import assess
from napari_srcnn.assess.consistency import BEYOND, consistency
from napari_srcnn.assess.resolution import decorrelation, ring_correlation
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
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    given = parser.parse_args()
    print(machine.describe("scikit-image"))
    for part in given.only:
        print(f"\n{part}")
        PARTS[part](given)


def painted(given: argparse.Namespace) -> None:
    """Print what is found of what was painted."""
    cases = given.cases
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


def timed(given: argparse.Namespace) -> None:
    """Print how long an assessment takes."""
    planes = given.planes
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


def libraries(given: argparse.Namespace) -> None:
    """Print how far figures are from those of other libraries."""
    del given
    rng = np.random.default_rng(0)
    scene = gaussian_filter(camera().astype(float), 1.0)
    one, other = (scene + rng.normal(0, 12, scene.shape) for _ in range(2))
    try:
        module = importlib.import_module("torch_fourier_shell_correlation.fsc")
    except ImportError:
        print("  torch-fourier-shell-correlation is not installed")
    else:
        for part in (np.s_[:512, :512], np.s_[:301, :411]):
            a, b = one[part], other[part]
            transforms = (torch.fft.fft2(torch.from_numpy(image)) for image in (a, b))
            # Of the whole plane: half of one counts the frequencies along Y twice.
            theirs = module.fourier_correlation(*transforms, a.shape, rfft=False).numpy()
            ours = ring_correlation(a, b, window=False).value
            off = np.abs(ours - theirs[: len(ours)])[1:].max()
            print(f"  rings of {a.shape}: at most {off:.1e} apart")
    try:
        maps = importlib.import_module("nanopyx.core.transform.error_map")
        decorr = importlib.import_module("nanopyx.core.analysis.decorr")
    except ImportError:
        print("  nanopyx is not installed")
        return
    sharp = camera()[:256, 100:356].astype(float)
    for sigma, noise in ((1.5, 2.0), (2.5, 0.5)):
        blurred = gaussian_filter(sharp, sigma) * 1.7 + 20 + rng.normal(0, noise, sharp.shape)
        theirs = maps.ErrorMap()
        theirs.optimise(blurred.astype(np.float32), sharp.astype(np.float32))
        # The blur that it has found, so that the same is compared; pixels cut in four.
        result = gaussian_filter(sharp, theirs._sigma).repeat(2, 0).repeat(2, 1)
        ours = consistency(result, blurred, 2)
        print(
            f"  RSE {ours.rse:.6f}, theirs {theirs.getRSE():.6f}; RSP {ours.rsp:.6f}, theirs "
            f"{theirs.getRSP():.6f}"
        )
    size = 512
    y, x = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    points = np.fft.fft2(rng.random((size, size)) < 0.02)
    for kind in ("linear", "sharp"):
        off, apart = [], []
        for cut in np.linspace(0.2, 0.9, 20):
            edge = 1 - 2 * np.hypot(y, x) / cut
            passed = edge.clip(0) if kind == "linear" else (edge > 0).astype(float)
            image = np.fft.ifft2(points * passed).real
            image = image / image.std() + rng.normal(0, 0.05, image.shape)
            ours = 2 / decorrelation(image).pixels
            theirs = decorr.DecorrAnalysis()
            theirs.run_analysis(image.astype(np.float32))
            off.append(ours / cut - 1)
            apart.append(ours * theirs.resolution / 2 - 1)
        print(
            f"  decorrelation, 20 cut-offs with a {kind} fall: {min(off):+.1%} to {max(off):+.1%} "
            f"of the cut-off, {min(apart):+.1%} to {max(apart):+.1%} of nanopyx's"
        )


PARTS = {"painted": painted, "time": timed, "libraries": libraries}

if __name__ == "__main__":
    main()
