"""Time and memory of whole jobs as stacks grow: how many planes, how large, how many threads.

    python benchmarks/growth.py [--sides 512 2048 8192] [--planes 1 10 100 1000] [--threads 1 2]
                                [--megapixels 450] [--json OUT] [--page docs/growth.md]
    python benchmarks/growth.py --from OUT [OUT ...] --page docs/growth.md

Stacks of uint16 planes are upscaled x2 by the command line, from TIFF to OME-TIFF, on the CPU, each
in a process of its own, of which the time from its start to its end and the peak of its memory are
taken. A stack is at most so many megapixels large; where fewer than three numbers of planes are
left, 1, 2, 4 and 8 are taken as far as they fit. Per side and number of threads a line is laid
through the times, ``start-up + planes * seconds a plane``, by their relative deviations: it grows
linearly where no job is off by more than 5 %. Start-up by itself is the time of a job of one plane
of 64 x 64. With the defaults it takes about an hour of an idle machine of two cores and 5 GB of
disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_srcnn.samples import load_sample

SCALE, LARGEST_DEVIATION = 2, 0.05
FEW_PLANES = (1, 2, 4, 8)
COMMAND = "from napari_srcnn.cli import main; main()"
# As in memory.py: with torch loaded here every process would seem to take as much.
MACHINE = "import machine; print(machine.describe('tifffile'))"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sides", nargs="+", type=int, default=[512, 2048, 8192])
    parser.add_argument("--planes", nargs="+", type=int, default=[1, 10, 100, 1000])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--megapixels", type=float, default=450, help="of a stack at most")
    parser.add_argument("--model", default="srcnn-9-1-5-x2")
    parser.add_argument("--folder", type=Path, help="for the files, which are deleted at the end")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="of Markdown, to be written")
    parser.add_argument("--from", dest="found", nargs="+", type=Path, help="what --json wrote")
    arguments = parser.parse_args()
    if arguments.found:
        results = [json.loads(path.read_text()) for path in arguments.found]
    else:
        if not hasattr(os, "wait4"):
            parser.error("this system does not tell the peak memory of a process that has ended")
        results = [measured(arguments)]
    for result in results:
        print("\n".join(["", *lines_of(result)]))
    if arguments.json:
        arguments.json.write_text(json.dumps(results[0], indent=1))
    if arguments.page:
        arguments.page.write_text(page(results), encoding="utf-8")


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all jobs and return what they took."""
    command = [sys.executable, "-c", MACHINE]
    where = Path(__file__).parent
    about = subprocess.run(command, check=True, cwd=where, capture_output=True, text=True).stdout
    print(about.strip(), flush=True)
    rows, starts = [], []
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="srcnn-growth-") as name:
        folder = Path(name)
        for threads in arguments.threads:
            # Once for what is remembered on a machine.
            seconds = [run(folder, 64, 1, threads, arguments.model)[0] for _ in range(4)][1:]
            starts.append({"threads": threads, "seconds": min(seconds)})
            print(f"start-up on {threads} thread(s): {min(seconds):.2f} s", flush=True)
            for side in arguments.sides:
                for planes in numbers_of(side, arguments.planes, arguments.megapixels):
                    took, peak = run(folder, side, planes, threads, arguments.model)
                    rows.append(
                        {
                            "threads": threads,
                            "side": side,
                            "planes": planes,
                            "seconds": took,
                            "peak": peak,
                        }
                    )
                    print(
                        f"{threads} thread(s), {planes} x {side} x {side}: {took:.2f} s, "
                        f"{peak / 1e6:.0f} MB",
                        flush=True,
                    )
    return {"machine": about.strip(), "model": arguments.model, "starts": starts, "runs": rows}


def numbers_of(side: int, planes: Iterable[int], megapixels: float) -> list[int]:
    """Return the numbers of planes that fit, and some more where they are too few for a line."""
    most = megapixels * 1e6 / side**2
    fitting = [n for n in planes if n <= most]
    few = [n for n in FEW_PLANES if n <= most]
    return fitting if len(fitting) > 2 else sorted({*fitting, *few})


def run(folder: Path, side: int, planes: int, threads: int, model: str) -> tuple[float, int]:
    """Return the seconds of one job's process, and the peak of its resident memory in bytes."""
    source, target = folder / f"{planes}x{side}.tif", folder / "big.ome.tif"
    if not source.exists():
        tifffile.imwrite(
            source,
            planes_of(side, planes),
            shape=(planes, side, side),
            dtype=np.uint16,
            photometric="minisblack",
            metadata={"axes": "ZYX"},
        )
    command = [sys.executable, "-c", COMMAND, "upscale", str(source), str(target), "--force"]
    command += ["--model", model, "--device", "cpu", "--quiet"]
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "NAPARI_SRCNN_HOME": str(folder / f"home{threads}"),
    }
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    # Not RUSAGE_CHILDREN, which is the largest of all so far.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{planes} x {side} x {side}: exit code {process.returncode}")
    target.unlink()
    if side > 64:
        source.unlink()
    # Kilobytes on Linux, bytes on macOS.
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def planes_of(side: int, number: int) -> Iterator[np.ndarray]:
    """Yield planes of the pollen with a camera's noise, no two alike."""
    noise = np.random.default_rng(0)
    with load_sample("pollen") as stack:
        plane = np.asarray(stack[stack.shape[0] // 2])
    copies = [-(-side // n) for n in plane.shape]
    tiled = np.tile(plane, copies)[:side, :side] * 16.0 + noise.normal(200, 20, (side, side))
    values = tiled.clip(0, 65535).astype(np.uint16)
    for n in range(number):
        yield np.roll(values, 7 * n, axis=0)


def fit(rows: list[dict[str, Any]]) -> tuple[float, float, float]:
    """Return start-up, seconds a plane and the largest relative deviation of jobs of one size."""
    planes = np.array([row["planes"] for row in rows], float)
    seconds = np.array([row["seconds"] for row in rows])
    design = np.stack([np.ones_like(planes), planes], axis=1)
    # In relative deviations: else the largest job alone would say where the line lies.
    (start, each), *_ = np.linalg.lstsq(design / seconds[:, None], np.ones_like(seconds))
    off = np.abs(design @ (start, each) / seconds - 1).max()
    return float(start), float(each), float(off)


def lines_of(result: dict[str, Any]) -> list[str]:
    """Return the tables of one machine, in Markdown."""
    lines = []
    for start in result["starts"]:
        threads = start["threads"]
        own = [row for row in result["runs"] if row["threads"] == threads]
        lines += [
            f"**{threads} thread{'s' * (threads > 1)}**; start-up, which is a job of one plane of "
            f"64 × 64: {start['seconds']:.2f} s",
            "",
            "| plane | planes | seconds | output Mpx/s after start-up | peak memory |",
            "|---|---|---|---|---|",
        ]
        for row in own:
            working = row["seconds"] - start["seconds"]
            rate = "–"
            if working > LARGEST_DEVIATION * start["seconds"]:
                rate = f"{row['planes'] * (SCALE * row['side']) ** 2 / 1e6 / working:.2f}"
            lines.append(
                f"| {row['side']}² | {row['planes']} | {row['seconds']:.2f} | {rate} | "
                f"{row['peak'] / 1e6:.0f} MB |"
            )
        lines += [
            "",
            "| plane | line | a job is off by at most | within 5 % | most over least memory |",
        ]
        lines.append("|---|---|---|---|---|")
        for side in sorted({row["side"] for row in own}):
            jobs = [row for row in own if row["side"] == side]
            peaks = [row["peak"] for row in jobs]
            grown = f"{max(peaks) / min(peaks):.2f}"
            if len(jobs) < 3:
                lines.append(f"| {side}² | too few jobs | | | {grown} |")
                continue
            begin, each, off = fit(jobs)
            good = "yes" if off <= LARGEST_DEVIATION else "**no**"
            line = f"{begin:.2f} s + {each:.4g} s a plane"
            lines.append(f"| {side}² | {line} | {off:.1%} | {good} | {grown} |")
        lines.append("")
    return lines


def page(results: list[dict[str, Any]]) -> str:
    """Return the page of the documentation."""
    lines = [
        "# How time and memory grow",
        "",
        "Written by `benchmarks/growth.py --page`. Stacks of uint16 planes, upscaled ×2 by the",
        "command line from TIFF to OME-TIFF on the processor, each by a process of its own: its",
        "time from start to end, and the most memory that it took, Python and torch included. A",
        "line is laid through the times of planes of one size, by their relative deviations; where",
        "no job is off by more than 5 %, twice as many planes take twice as long.",
        "",
    ]
    for result in results:
        lines += [f"## {result['model']}", "", *result["machine"].splitlines(), ""]
        lines += lines_of(result)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
