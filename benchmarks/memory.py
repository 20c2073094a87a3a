"""Peak memory of `napari-srcnn upscale` on stacks of 1024 x 1024 uint16 planes, on the CPU.

    python benchmarks/memory.py [--planes 10 100 200] [--model NAME] [--folder DIR] [--json OUT]

Each stack is made of the bundled pollen (mirrored, with a camera's noise), stored as an ImageJ
hyperstack and upscaled by the command line to OME-TIFF in a process of its own, which begins with
no measurements remembered: its peak holds torch, measuring the tile size and the run. Peaks have to
stay under 700 MB, and within 10 % of the one of 100 planes. 200 planes x2 take 2.1 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from napari_srcnn.models.library import model_info
from napari_srcnn.samples import load_sample

SIDE = 1024
# What the figures have to reach: bytes, and the share that more or fewer planes may change.
LARGEST_PEAK, LARGEST_CHANGE = 700e6, 0.10
REFERENCE_PLANES = 100
COMMAND = "from napari_srcnn.cli import main; main()"
# The system counts what a process was before it became another program: torch, loaded here, would
# be the least that every run seems to take.
MACHINE = "import machine; print(machine.describe('tifffile'))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--planes", nargs="+", type=int, default=[10, 100, 200])
    parser.add_argument("--model", default="srcnn-9-1-5-x2")
    parser.add_argument("--folder", type=Path, help="for the files, which are deleted at the end")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not hasattr(os, "wait4"):
        parser.error("this system does not tell the peak memory of a process that has ended")
    scale = model_info(arguments.model).config.scale
    subprocess.run([sys.executable, "-c", MACHINE], check=True, cwd=Path(__file__).parent)
    print(f"upscale of N x {SIDE} x {SIDE} uint16 to OME-TIFF, {arguments.model}, x{scale}, CPU\n")
    print(f"{'planes':>6s} {'peak MB':>8s} {'seconds':>8s} {'output MB':>10s}", flush=True)
    rows = []
    for planes in arguments.planes:
        with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="srcnn-memory-") as folder:
            peak, seconds, output = measure(Path(folder), planes, arguments.model)
        rows.append({"planes": planes, "peak": peak, "seconds": seconds, "output": output})
        print(
            f"{planes:6d} {peak / 1e6:8.0f} {seconds:8.1f} {output / 1e6:10.0f}",
            flush=True,
        )
    passed = judge({int(row["planes"]): float(row["peak"]) for row in rows})
    if arguments.json:
        arguments.json.write_text(json.dumps({"model": arguments.model, "runs": rows}, indent=1))
    raise SystemExit(0 if passed else 1)


def measure(folder: Path, planes: int, model: str) -> tuple[int, float, int]:
    """Return a run's peak of resident memory in bytes, its seconds, and its output's bytes."""
    source, target = folder / "stack.tif", folder / "stack_big.ome.tif"
    tifffile.imwrite(
        source,
        camera_planes(planes),
        shape=(planes, SIDE, SIDE),
        dtype=np.uint16,
        imagej=True,
        metadata={"axes": "ZYX", "spacing": 0.3, "unit": "um"},
        resolution=(1 / 0.1, 1 / 0.1),
    )
    command = [sys.executable, "-c", COMMAND, "upscale", str(source), str(target)]
    command += ["--model", model, "--device", "cpu", "--quiet"]
    environment = os.environ | {"NAPARI_SRCNN_HOME": str(folder / "home")}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    # Not RUSAGE_CHILDREN, which is the largest of all runs so far.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{planes} planes: upscale ended with exit code {process.returncode}")
    # Kilobytes on Linux, bytes on macOS.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return peak, seconds, target.stat().st_size


def camera_planes(number: int) -> Iterator[np.ndarray]:
    """Yield planes of SIDE x SIDE in uint16, no two alike."""
    noise = np.random.default_rng(0)
    with load_sample("pollen") as stack:
        for n in range(number):
            plane = stack[n % stack.shape[0]]
            while plane.shape[0] < SIDE:
                plane = np.block([[plane, plane[:, ::-1]], [plane[::-1], plane[::-1, ::-1]]])
            values = plane[:SIDE, :SIDE] * 16.0 + noise.normal(200, 20, (SIDE, SIDE))
            yield values.clip(0, 65535).astype(np.uint16)


def judge(peaks: dict[int, float]) -> bool:
    """Print what was reached; return whether it is enough."""
    largest = max(peaks.values())
    checks = [
        (
            f"largest peak {largest / 1e6:.0f} MB, under {LARGEST_PEAK / 1e6:.0f} MB",
            largest < LARGEST_PEAK,
        )
    ]
    # Without a run of 100 planes the longest one stands for it.
    reference = REFERENCE_PLANES if REFERENCE_PLANES in peaks else max(peaks)
    for planes, peak in peaks.items():
        if planes != reference:
            ratio = peak / peaks[reference]
            checks.append(
                (
                    f"{planes} planes take {ratio:.3f} of what {reference} take, "
                    f"within {LARGEST_CHANGE:.0%}",
                    abs(ratio - 1) <= LARGEST_CHANGE,
                )
            )
    print()
    for text, good in checks:
        print(f"{'pass' if good else 'FAIL'}  {text}")
    return all(good for _, good in checks)


if __name__ == "__main__":
    main()
