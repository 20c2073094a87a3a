"""How long `import napari_srcnn` and `napari-srcnn --help` take, and what they must not load.

    python benchmarks/startup.py [--rounds 15] [--json OUT]

An empty Python, `import napari_srcnn` and `napari-srcnn --help` are run in turn, round by round,
each in a process of its own with its bytecode there, as after an installation. Said are time and
processor time, the medians of the rounds: the import's less the empty Python's, the help's whole.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from figures import Figure, tell

HEAVY = ("torch", "napari", "qtpy", "PySide6", "PyQt6", "PyQt5", "numpy", "tifffile")
EMPTY = "empty Python"
IMPORT = "import napari_srcnn"
HELP = "napari-srcnn --help"
CASES = {
    EMPTY: ["-c", "pass"],
    IMPORT: ["-c", "import napari_srcnn"],
    HELP: ["-c", "from napari_srcnn.cli import main; main()", "--help"],
}
LOADED = """
import contextlib, sys, napari_srcnn
from napari_srcnn.cli import main
with contextlib.suppress(SystemExit):
    main()
print(' '.join(m for m in {!r} if m in sys.modules))
"""
MACHINE = "import machine; print(machine.describe())"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    subprocess.run([sys.executable, "-c", MACHINE], check=True, cwd=Path(__file__).parent)
    for command in CASES.values():
        run(command)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    for _ in range(arguments.rounds):
        for name, command in CASES.items():
            times[name].append(run(command))
    print(f"\n{arguments.rounds} rounds, ms{'':12s} {'median':>8s} {'fastest':>8s} {'slowest':>8s}")
    for name, values in times.items():
        for what, column in zip(("", ", processor"), zip(*values, strict=True), strict=True):
            cells = (statistics.median(column), min(column), max(column))
            print(f"{name + what:30s}" + "".join(f" {1e3 * value:8.1f}" for value in cells))
    pairs = list(zip(times[IMPORT], times[EMPTY], strict=True))
    cost = statistics.median(loaded[0] - empty[0] for loaded, empty in pairs)
    heavy = subprocess.run(
        [sys.executable, "-c", LOADED.format(HEAVY), "--help"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()[-1]
    figures = (
        Figure("the import, over an empty Python, ms", 1e3 * cost, 5, 3),
        Figure("the help, ms", 1e3 * statistics.median(t for t, _ in times[HELP]), 150, 100),
        Figure(f"of {', '.join(HEAVY)} loaded", len(heavy.split()), 0, 0),
    )
    if arguments.json:
        arguments.json.write_text(json.dumps({"import": cost, "seconds": times}, indent=1))
    raise SystemExit(0 if tell(figures) else 1)


def run(command: list[str]) -> tuple[float, float]:
    """Run Python with these arguments and return its time and processor time, in seconds."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *command], check=True, stdout=subprocess.DEVNULL, env=environment
    )
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
