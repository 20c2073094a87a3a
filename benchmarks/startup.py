"""How long `import napari_srcnn` takes in a fresh interpreter, and what it must not load.

    python benchmarks/startup.py [--rounds 15] [--json OUT]

Bare interpreter, `import napari_srcnn` and `napari-srcnn --help` are run in turn, round by round,
each in a process of its own; the median of the rounds is printed, the import also less the bare
interpreter. It has to stay under 50 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

LARGEST_IMPORT = 0.050
HEAVY = ("torch", "napari", "qtpy", "PySide6", "PyQt6", "PyQt5", "numpy", "tifffile")
BARE = "bare interpreter"
IMPORT = "import napari_srcnn"
HELP = "napari-srcnn --help"
CASES = {
    BARE: ["-c", "pass"],
    IMPORT: ["-c", "import napari_srcnn"],
    HELP: ["-c", "from napari_srcnn.cli import main; main()", "--help"],
}
LOADED = "import sys, napari_srcnn; print(' '.join(m for m in {!r} if m in sys.modules))"
MACHINE = "import machine; print(machine.describe())"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    subprocess.run([sys.executable, "-c", MACHINE], check=True, cwd=Path(__file__).parent)
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(arguments.rounds):
        for name, command in CASES.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    print(f"\n{arguments.rounds} rounds, ms{'':12s} {'median':>8s} {'fastest':>8s} {'slowest':>8s}")
    for name, values in times.items():
        cells = (statistics.median(values), min(values), max(values))
        print(f"{name:26s}" + "".join(f" {1e3 * value:8.1f}" for value in cells))
    cost = statistics.median(
        loaded - bare for loaded, bare in zip(times[IMPORT], times[BARE], strict=True)
    )
    heavy = subprocess.run(
        [sys.executable, "-c", LOADED.format(HEAVY)], check=True, capture_output=True, text=True
    ).stdout.split()
    checks = [
        (
            f"the import takes {1e3 * cost:.1f} ms, under {1e3 * LARGEST_IMPORT:.0f} ms",
            cost < LARGEST_IMPORT,
        ),
        (f"it loads {', '.join(heavy) or 'none'} of {', '.join(HEAVY)}", not heavy),
    ]
    print()
    for text, good in checks:
        print(f"{'pass' if good else 'FAIL'}  {text}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"import": cost, "seconds": times}, indent=1))
    raise SystemExit(0 if all(good for _, good in checks) else 1)


if __name__ == "__main__":
    main()
