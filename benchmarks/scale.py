"""Jobs of shards: memory, speed, planning and kills, on the processor.

    python benchmarks/scale.py [--only memory speed workers plan kills] [--planes 64] [--folder D]

- memory: the peak of a process that writes some shards of a 1 GiB input, and as many of one of
  1 TiB: an OME-Zarr whose chunks are names of a few files, so that every pixel of it can be read.
- speed: a stack of planes of 1024 x 1024 in uint16, to OME-TIFF and to OME-Zarr, by turns; and what
  of the latter the pyramid takes.
- workers: the same by one process of two threads, and by two dask workers of one thread.
- plan: opening and planning a job whose output has 10 TB, in a process of its own.
- kills: a job that is killed at random moments and begun again, each time; what it lost, and
  whether its files are those of a job that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest.mock
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from memory import camera_planes

from napari_srcnn.io.zarr.target import ZarrTarget

SIDE = 1024
COMMAND = "from napari_srcnn.cli import main; main()"
# For images that only seem to be as large as they are, on disks that could not hold them.
ANYWHERE = "import napari_srcnn.io.zarr.target as t; t.check_room = lambda path, needed: None\n"
MODEL = "srcnn-9-1-5-x2"
CHUNK = (4, 1024, 1024)
# A file system gives a file no more than 65,000 names (ext4).
LINKS = 60_000
KILLS = 20
PLAN = """
import resource, sys, time
from pathlib import Path
from napari_srcnn.upscaling.files import Job
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.shards.run import ShardRun
import torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.perf_counter()
options = Options(model="srcnn-9-1-5-x2", device="cpu", tile=256)
with ShardRun(Job(source=Path(sys.argv[1]), target=Path(sys.argv[2])), options) as run:
    missing = len(run.missing())
    size = run.plan.nbytes
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"{size / 1e12:.1f} TB in {missing:,} shards: planned in {seconds:.1f} s and "
      f"{(peak - before) / 1024:.0f} MB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--planes", type=int, default=64)
    parser.add_argument("--times", type=int, default=3, help="that speeds are measured")
    parser.add_argument("--folder", type=Path, help="for the files, which are deleted at the end")
    given = parser.parse_args()
    about = "import machine; print(machine.describe('zarr', 'distributed'))"
    subprocess.run([sys.executable, "-c", about], check=True, cwd=Path(__file__).parent)
    for name in given.only:
        print(f"\n{name}", flush=True)
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="srcnn-scale-") as folder:
            PARTS[name](Path(folder), given)


def memory(folder: Path, given: argparse.Namespace) -> None:
    """Print the peaks of two inputs."""
    peaks = []
    for title, shape in (("1 GiB", (128, 2048, 2048)), ("1 TiB", (512, 32768, 32768))):
        source = linked_store(folder / f"{title[0]}{title[2]}.ome.zarr", shape)
        # About three shards of either.
        shards = shape[0] // 64 * (shape[1] * shape[2]) // (512 * 512)
        target = folder / "out.ome.zarr"
        task = ("--task", f"1/{max(shards // 3, 1)}")
        peak, seconds = ran(folder, "upscale", source, target, "--model", MODEL, *task)
        peaks.append(peak)
        print(f"  {title}: peak {peak / 1e6:.0f} MB, {seconds:.1f} s", flush=True)
        shutil.rmtree(target)
        shutil.rmtree(source)
    print(f"  1 TiB takes {peaks[1] / peaks[0]:.3f} of what 1 GiB takes")


def speed(folder: Path, given: argparse.Namespace) -> None:
    """Print the times of the same job to both kinds of file."""
    source = stack_file(folder, given.planes)
    tiff, zarr = [], []
    for number in range(given.times):
        for times, name in ((tiff, f"{number}.ome.tif"), (zarr, f"{number}.ome.zarr")):
            _, seconds = ran(folder, "upscale", source, folder / name, "--model", MODEL)
            times.append(seconds)
    print(f"  OME-TIFF {min(tiff):.1f} s, OME-Zarr {min(zarr):.1f} s (best of {given.times})")
    print(f"  {min(tiff) / min(zarr):.2f} of the speed")
    # Without the pyramid: all is there but the last levels.
    store = folder / "0.ome.zarr"
    for level in store.iterdir():
        if level.is_dir() and level.name != "0":
            shutil.rmtree(level / "c")
    (store / "zarr.json").unlink()
    _, again = ran(folder, "upscale", source, store, "--model", MODEL)
    _, nothing = ran(folder, "upscale", source, store, "--model", MODEL)
    print(f"  the pyramid alone {again - nothing:.1f} s, {(again - nothing) / min(zarr):.1%} of it")


def workers(folder: Path, given: argparse.Namespace) -> None:
    """Print the times of one process of two threads, and of two workers of one."""
    source = stack_file(folder, given.planes)
    times: dict[str, list[float]] = {"one process": [], "two workers": []}
    every: dict[str, list[float]] = {name: [] for name in times}
    for number in range(given.times):
        for name, more in (("one process", ()), ("two workers", ("--workers", "2"))):
            target = folder / f"{len(more)}-{number}.ome.zarr"
            _, seconds = ran(folder, "upscale", source, target, "--model", MODEL, *more)
            times[name].append(seconds)
            every[name].append(between_shards(target, 2 if more else 1))
    for name in times:
        print(
            f"  {name}: {min(times[name]):.1f} s; once begun, a shard every "
            f"{min(every[name]):.2f} s (best of {given.times})"
        )


def between_shards(store: Path, together: int) -> float:
    """Return the seconds from shard to shard after the first, where so many come together."""
    ends = sorted(path.stat().st_mtime for path in store.glob("0/c/*/*/*") if path.is_file())
    return (ends[-1] - ends[together - 1]) / (len(ends) - together)


def plan(folder: Path, given: argparse.Namespace) -> None:
    """Print what planning a huge job takes."""
    source = linked_store(folder / "huge.ome.zarr", (1164, 32768, 32768), few=True)
    command = [sys.executable, "-c", ANYWHERE + PLAN, str(source), str(folder / "out.ome.zarr")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(f"  {done.stdout.strip()}")


def kills(folder: Path, given: argparse.Namespace) -> None:
    """Kill a job at random moments and begin it again."""
    source = stack_file(folder, given.planes)
    whole, target = folder / "whole.ome.zarr", folder / "out.ome.zarr"
    _, seconds = ran(folder, "upscale", source, whole, "--model", MODEL)
    dice, lost, killed = random.Random(0), [], 0
    while killed < KILLS:
        before = marks(target)
        process = begun(folder, "upscale", source, target, "--model", MODEL)
        time.sleep(dice.uniform(3, 3 + seconds / 3))
        if process.poll() is not None:
            shutil.rmtree(target)
            continue
        files = pixel_files(target)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
        lost.append(max(len(files) - len(marks(target)), 0))
        assert marks(target) >= before
    ran(folder, "upscale", source, target, "--model", MODEL)
    same = pixel_files(target) == pixel_files(whole)
    print(f"  {killed} kills: the files are {'the same' if same else 'NOT THE SAME'}")
    print(f"  written and not noted when it was killed: at most {max(lost)} shard")


def marks(store: Path) -> set[str]:
    """Return the shards that are noted."""
    found = set()
    for path in (store / "0" / ".napari-srcnn").glob("done*.jsonl"):
        for line in path.read_text().splitlines():
            try:
                one = json.loads(line)
            except json.JSONDecodeError:
                continue
            found.add(f"{one['level']} {one['index']}")
    return found


def pixel_files(store: Path) -> dict[str, bytes]:
    """Return the files of all levels' pixels."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in store.rglob("c/**/*")
        if path.is_file() and path.suffix != ".part"
    }


def stack_file(folder: Path, planes: int) -> Path:
    """Write a stack as a camera would have recorded it."""
    path = folder / "stack.tif"
    tifffile.imwrite(
        path, camera_planes(planes), shape=(planes, SIDE, SIDE), dtype=np.uint16, imagej=True
    )
    return path


def linked_store(path: Path, shape: Sequence[int], *, few: bool = False) -> Path:
    """Write an OME-Zarr whose chunks are names of a few files; with `few` most are missing."""
    target = ZarrTarget(path, shape, np.uint16, "ZYX", shard=CHUNK, chunk=CHUNK, levels=1)
    with unittest.mock.patch("napari_srcnn.io.zarr.target.check_room"):
        target.create()
    values = np.stack(list(camera_planes(CHUNK[0])))
    grid = target.levels[0].grid
    source = target.key_path("0/first")
    for number, index in enumerate(np.ndindex(*grid)):
        if number % LINKS == 0:
            source = target.key_path(f"0/file{number}")
            source.write_bytes(target.encode(0, index, values)[0][1])
        if few and number % 97:
            continue
        place = target.key_path("0/c/" + "/".join(map(str, index)))
        if index[-1] == 0 or not place.parent.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, place)
    return path


def begun(folder: Path, *arguments: object) -> subprocess.Popen[bytes]:
    """Begin a command of the program."""
    command = [
        sys.executable,
        "-c",
        ANYWHERE + COMMAND,
        *map(str, arguments),
        "--device",
        "cpu",
        "--quiet",
    ]
    environment = os.environ | {"NAPARI_SRCNN_HOME": str(folder / "home")}
    return subprocess.Popen(command, env=environment)


def ran(folder: Path, *arguments: object) -> tuple[int, float]:
    """Run a command and return its peak of resident memory in bytes, and its seconds."""
    start = time.perf_counter()
    process = begun(folder, *arguments)
    # Not RUSAGE_CHILDREN, which is the largest of all runs so far.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments}: ended with exit code {process.returncode}")
    # Kilobytes on Linux, bytes on macOS.
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), seconds


PARTS = {"memory": memory, "speed": speed, "workers": workers, "plan": plan, "kills": kills}

if __name__ == "__main__":
    main()
