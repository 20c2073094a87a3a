"""Train all that is bundled, in order: ``python tools/train_all.py PHOTOS MICRO --out RUNS``.

PHOTOS is a folder with ``T91`` and ``General100``, MICRO one with ``fluo``, ``em_xray`` and
``medical``. What is done is skipped and what was stopped goes on, so the same command can be given
again. The budgets are those of the bundled weights, each in one run where those took several; a GPU
takes them in minutes (``--device cuda``). Then ``tools/bundle_weights.py`` measures and bundles.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """One training: what it makes, for how many steps, and what it begins from."""

    name: str
    steps: int
    start: str | None = None


RUNS = (
    Run("srcnn-9-5-5-x3", 57_000),
    Run("srcnn-9-5-5-x2", 34_500, "srcnn-9-5-5-x3"),
    Run("srcnn-9-5-5-x4", 42_000, "srcnn-9-5-5-x3"),
    Run("srcnn-9-1-5-x3", 12_000),
    Run("srcnn-9-1-5-x2", 4_000, "srcnn-9-1-5-x3"),
    Run("srcnn-9-1-5-x4", 4_000, "srcnn-9-1-5-x3"),
    Run("srcnn-9-3-5-x3", 8_000),
    Run("srcnn-9-3-5-x2", 4_000, "srcnn-9-3-5-x3"),
    Run("srcnn-9-3-5-x4", 4_000, "srcnn-9-3-5-x3"),
    Run("srcnn-9-1-5-x4-rgb", 8_000),
    Run("srcnn-9-1-5-x3-rgb", 3_000, "srcnn-9-1-5-x4-rgb"),
    Run("srcnn-9-1-5-x2-rgb", 3_000, "srcnn-9-1-5-x3-rgb"),
    Run("srcnn-9-5-5-x4-rgb", 8_000),
    Run("srcnn-9-5-5-x3-rgb", 3_000, "srcnn-9-5-5-x4-rgb"),
    Run("srcnn-9-5-5-x2-rgb", 3_000, "srcnn-9-5-5-x3-rgb"),
    Run("srcnn-9-5-5-x2-microscopes", 6_000, "srcnn-9-5-5-x2"),
    Run("srcnn-9-5-5-x3-microscopes", 3_000, "srcnn-9-5-5-x3"),
    Run("srcnn-9-5-5-x4-microscopes", 3_000, "srcnn-9-5-5-x4"),
    Run("srcnn-9-5-5-x2-noise", 53_000, "srcnn-9-5-5-x2-microscopes"),
    Run("srcnn-9-5-5-x3-noise", 30_000, "srcnn-9-5-5-x2-noise"),
    Run("srcnn-9-5-5-x4-noise", 28_000, "srcnn-9-5-5-x3-noise"),
    Run("srcnn-9-1-5-x2-noise", 28_000, "srcnn-9-1-5-x2"),
    Run("srcnn-9-1-5-x3-noise", 28_000, "srcnn-9-1-5-x3"),
    Run("srcnn-9-1-5-x4-noise", 28_000, "srcnn-9-1-5-x4"),
)


def command(run: Run, steps: int, given: argparse.Namespace) -> list[str]:
    """Return the command line of one training."""
    found = re.fullmatch(r"srcnn-(\d-\d-\d)-x(\d)(-rgb|-microscopes|-noise)?", run.name)
    assert found is not None
    kernels, scale, kind = found.groups()
    out: list[str] = ["-s", scale, "--steps", str(steps), "--out", str(given.out)]
    out += ["--device", given.device]
    ahead = ["--processes", str(given.processes)]
    if run.start is not None:
        out += ["--start", str(given.out / f"{run.start}.safetensors")]
    if kind == "-microscopes":
        script = [str(TOOLS / "train_microscopes.py"), "train", str(given.micro)]
        return [sys.executable, *script, str(given.photographs), *out, "--rate", "0.0007"]
    if kind == "-noise":
        script = [str(TOOLS / "train_noise.py"), str(given.micro), str(given.photographs)]
        return [sys.executable, *script, *out, *ahead, "--rate", "0.001"]
    script = [str(TOOLS / "train_photographs.py"), str(given.photographs), "-k", kernels]
    return [sys.executable, *script, *out, *ahead, *(["--rgb"] if kind else [])]


def main() -> None:
    """Train one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("micro", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=0, help="that draw the crops")
    parser.add_argument("--only", default="", help="names that this regular expression finds")
    parser.add_argument("--factor", type=float, default=1.0, help="times as many steps")
    given = parser.parse_args()
    for run in RUNS:
        if re.search(given.only, run.name):
            steps = max(round(run.steps * given.factor), 1)
            print(f"{run.name}: {steps:,} steps", flush=True)
            subprocess.run(command(run, steps, given), check=True)


if __name__ == "__main__":
    main()
