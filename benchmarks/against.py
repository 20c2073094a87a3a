"""This checkout beside another one: speed, peak memory and PSNR, measured in turn.

    python benchmarks/against.py OTHER [--rounds 7] [--side 512] [--planes 20] [--json OUT]

OTHER is another checkout, ``git worktree add ../before TAG`` for one. Both are run by the same
Python, round by round, each in a process of its own, through what is public in both:

speed    seconds of `upscale`, x2, on a plane of `side` pixels, after one run that is not counted;
         the processor's and the clock's, the best of all rounds
memory   peak of `napari-srcnn upscale` on `planes` planes of 512 x 512 uint16, the median
PSNR     of every bundled model of Y on scikit-image's photographs, or on FOLDER's

Speed and memory have to stay within 2 %, each PSNR within 0.01 dB.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
import numpy as np
import tifffile

ALLOWED, ALLOWED_DB = 0.02, 0.01
SPEED = """
import json, sys, time
import numpy as np, torch, napari_srcnn
side = int(sys.argv[1])
image = (np.random.default_rng(0).random((side, side)) * 4000).astype(np.uint16)
best = {}
for model in sys.argv[2:]:
    found = []
    for _ in range(3):
        began = time.process_time(), time.perf_counter()
        napari_srcnn.upscale(image, 2, model=model, device="cpu", tile=256)
        found.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    best[model] = [min(times) for times in zip(*found[1:])]
print(json.dumps(best))
"""
QUALITY = """
import json, sys
from pathlib import Path
import numpy as np, skimage.data, napari_srcnn
from skimage.color import rgb2ycbcr
from skimage.io import imread
if len(sys.argv) > 1:
    images = [imread(path) for path in sorted(Path(sys.argv[1]).iterdir())]
else:
    images = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.camera()]
scores = {}
for name in napari_srcnn.list_models():
    config = napari_srcnn.load_model(name).config
    if config.channels != 1 or getattr(config, "noise", False):
        continue
    found = []
    for image in images:
        y = (image if image.ndim == 2 else rgb2ycbcr(image)[..., 0]) / 255
        rows, columns = (n // config.scale for n in y.shape)
        y = y[: rows * config.scale, : columns * config.scale]
        small = y.reshape(rows, config.scale, columns, config.scale).mean((1, 3))
        big = napari_srcnn.upscale(small, model=name, device="cpu", intensity="none", tile=256)
        found.append(-10 * np.log10(np.mean((big - y) ** 2)))
    scores[name] = float(np.mean(found))
print(json.dumps(scores))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--planes", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=["srcnn-9-1-5-x2", "srcnn-9-5-5-x2"])
    parser.add_argument("--photographs", type=Path, help="a folder of them, Set5 for one")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    trees = {"this": Path(__file__).resolve().parent.parent, "other": arguments.other.resolve()}
    for tree in trees.values():
        if not (tree / "src" / "napari_srcnn").is_dir():
            parser.error(f"{tree} is no checkout of this project: it has no src/napari_srcnn")
    print(machine.describe("tifffile"), flush=True)
    rounds = [measure(trees, arguments, number) for number in range(arguments.rounds)]
    rows = {}
    for key in rounds[0]["this"]:
        choose = statistics.median if "MB" in key else min
        rows[key] = [choose([one[name][key] for one in rounds]) for name in ("other", "this")]
    photographs = [str(arguments.photographs)] if arguments.photographs else []
    scores = {name: json.loads(python(trees[name], QUALITY, *photographs)) for name in trees}
    passed = show(rows, scores)
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows, "psnr": scores}, indent=1))
    raise SystemExit(0 if passed else 1)


def measure(
    trees: dict[str, Path], arguments: argparse.Namespace, number: int
) -> dict[str, dict[str, float]]:
    """Return one round's figures of both; who comes first changes from round to round."""
    found: dict[str, dict[str, float]] = {}
    for name in sorted(trees, reverse=bool(number % 2)):
        timed = json.loads(python(trees[name], SPEED, arguments.side, *arguments.models))
        found[name] = {"peak, MB": peak(trees[name], arguments.planes, arguments.models[0]) / 1e6}
        for model, (processor, clock) in timed.items():
            found[name] |= {f"{model}, processor s": processor, f"{model}, clock s": clock}
    return found


def environment(tree: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONSAFEPATH": "1"}


def python(tree: Path, code: str, *arguments: object) -> str:
    """Run `code` with a checkout's package and return what it printed last."""
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment(tree),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return ended.stdout.splitlines()[-1]


def peak(tree: Path, planes: int, model: str) -> int:
    """Return the most bytes that the command line held at once."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="srcnn-against-") as folder:
        stack = rng.integers(0, 4000, (planes, 512, 512), np.uint16)
        tifffile.imwrite(f"{folder}/in.tif", stack, imagej=True)
        command = "from napari_srcnn.cli import main; main()"
        call: list[Any] = [sys.executable, "-c", command, "upscale", f"{folder}/in.tif"]
        call += [f"{folder}/out.ome.tif", "--model", model, "--device", "cpu", "--quiet"]
        process = subprocess.Popen([*call, "--tile", "256"], env=environment(tree))
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"napari-srcnn upscale ended with {status} in {tree}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def show(rows: dict[str, list[float]], scores: dict[str, dict[str, float]]) -> bool:
    """Print all, and return whether this checkout is no worse than is allowed."""
    passed = True
    print(f"\n{'':34s} {'other':>9s} {'this':>9s} {'change':>8s}")
    for key, (other, this) in rows.items():
        good = this / other <= 1 + ALLOWED
        # The clock's time is the machine's as well; the processor's is the program's own.
        passed = passed and (good or "clock" in key)
        print(f"{key:34s} {other:9.3f} {this:9.3f} {this / other - 1:+8.1%} {'' if good else '!'}")
    for name, other in scores["other"].items():
        change = scores["this"].get(name, float("nan")) - other
        good = abs(change) <= ALLOWED_DB
        passed = passed and good
        print(f"{name + ', dB':34s} {other:9.3f} {other + change:9.3f} {change:+8.3f}", end="")
        print("" if good else " !")
    print(f"\n{'pass' if passed else 'FAIL'}  within {ALLOWED:.0%} and {ALLOWED_DB} dB")
    return passed


if __name__ == "__main__":
    main()
