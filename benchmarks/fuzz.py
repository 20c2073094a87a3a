"""Files and arguments that mean harm, by the thousand: each is read, or refused with a sentence.

    python benchmarks/fuzz.py [--cases 10000] [--seed 0] [--kind NAME …] [--keep DIR] [--json OUT]

The strategies are those of `tests/fuzzing/`. A worker process reads one case after the other. It
may take 1 GB more than it has after its imports (RLIMIT_AS) and 10 s a case, begin no program and
open no file but the case's; one that dies or hangs is ended, and another goes on. Exit code 1 where
there is a fault; `--keep` names a folder for the files of each.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# What the figures have to stay below.
SECONDS, BYTES = 10.0, 10**9
# A worker draws so many cases of a kind from one seed.
BATCH = 1000
_STARTING = 120.0


@dataclass
class Tally:
    """What came of the cases of a kind."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    peak: int = 0
    faults: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", default=[], help="only kinds with this in them")
    parser.add_argument("--keep", type=Path, help="a folder for the files of faults")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT / "tests")]
    if arguments.work:
        _work(*arguments.work, arguments.keep)
        return
    from fuzzing import KINDS

    names = [
        kind.name
        for kind in KINDS
        if not arguments.kind or any(part in kind.name for part in arguments.kind)
    ]
    share = -(-arguments.cases // max(len(names), 1))
    tallies = {}
    print(f"{'kind':24s} {'cases':>6s} {'read':>6s} {'refused':>8s} {'faults':>7s} ", end="")
    print(f"{'slowest s':>10s} {'peak MB':>8s}", flush=True)
    for name in names:
        tally = tallies[name] = _run(name, share, arguments.seed, arguments.keep)
        counts = tally.outcomes
        print(
            f"{name:24s} {tally.cases:6d} {counts['read']:6d} {counts['refused']:8d} "
            f"{counts['fault']:7d} {tally.slowest:10.2f} {tally.peak / 1e6:8.0f}",
            flush=True,
        )
        for fault, count in Counter(tally.faults).most_common(20):
            print(f"    {count} × {fault}", flush=True)
    faults = sum(tally.outcomes["fault"] for tally in tallies.values())
    print(f"\n{sum(tally.cases for tally in tallies.values())} cases, {faults} faults")
    if arguments.json:
        rows = {
            name: vars(tally) | {"outcomes": dict(tally.outcomes)}
            for name, tally in tallies.items()
        }
        arguments.json.write_text(json.dumps(rows, indent=1))
    raise SystemExit(1 if faults else 0)


def _run(name: str, cases: int, seed: int, keep: Path | None) -> Tally:
    """Have workers judge cases of a kind until there were enough."""
    tally = Tally()
    batch = 0
    while tally.cases < cases:
        before = tally.cases
        count = min(BATCH, cases - tally.cases)
        _batch(name, count, seed * 1_000_003 + batch, tally, keep)
        batch += 1
        if tally.cases == before and batch > 20:
            raise SystemExit(f"the workers of {name} judge nothing")
    return tally


def _batch(name: str, count: int, seed: int, tally: Tally, keep: Path | None) -> None:
    """Have one worker judge up to `count` cases; it is ended if it hangs."""
    with tempfile.TemporaryDirectory(prefix="srcnn-fuzz-") as folder:
        command = [sys.executable, __file__, "--work", name, str(count), str(seed), folder]
        command += [] if keep is None else ["--keep", str(keep)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        with (Path(folder) / "log").open("wb") as log:
            worker = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        heard: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_listen, args=(worker, heard), daemon=True).start()
        begun, limit = False, _STARTING
        try:
            while True:
                try:
                    line = heard.get(timeout=limit)
                except queue.Empty:
                    worker.kill()
                    if not begun:
                        raise SystemExit(f"no case of {name} was drawn for {limit:g} s") from None
                    _count(tally, "fault", f"took more than {SECONDS:g} s", SECONDS, 0)
                    _keep(Path(folder) / "case", keep, name)
                    return
                if line is None:
                    if begun:
                        code = worker.wait()
                        if code == 1:  # of this program itself, not of what it tries
                            raise SystemExit((Path(folder) / "log").read_text()[-3000:])
                        _count(tally, "fault", f"ended the process ({code})", 0, 0)
                        _keep(Path(folder) / "case", keep, name)
                    elif worker.wait():
                        raise SystemExit((Path(folder) / "log").read_text()[-3000:])
                    return
                said = json.loads(line)
                begun = said["is"] == "begun"
                limit = SECONDS + 5 if begun else _STARTING
                if not begun:
                    what, text = said["what"], said["said"]
                    if what != "fault" and said["seconds"] > SECONDS:
                        what, text = "fault", f"took {said['seconds']:.1f} s"
                    if what != "fault" and said["peak"] > BYTES:
                        what, text = "fault", f"took {said['peak'] / 1e6:.0f} MB"
                    _count(tally, what, text, said["seconds"], said["peak"])
        finally:
            worker.kill()
            worker.wait()


def _listen(worker: subprocess.Popen[str], heard: queue.Queue[str | None]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith("{"):
            heard.put(line)
    heard.put(None)


def _count(tally: Tally, what: str, said: str, seconds: float, peak: int) -> None:
    tally.cases += 1
    tally.outcomes[what] += 1
    tally.slowest, tally.peak = max(tally.slowest, seconds), max(tally.peak, peak)
    if what == "fault":
        tally.faults.append(said)


def _keep(case: Path, keep: Path | None, name: str) -> None:
    if keep is not None and case.is_dir():
        keep.mkdir(parents=True, exist_ok=True)
        target = keep / f"{name.replace(' ', '-')}-{len(list(keep.iterdir()))}"
        shutil.copytree(case, target, symlinks=True, dirs_exist_ok=True)


# ---------------------------------------------------------------- the worker


def _work(name: str, count: str, seed: str, folder: str, keep: Path | None) -> None:
    import logging
    import resource
    import warnings

    from fuzzing import KINDS, judge
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    kind = next(kind for kind in KINDS if kind.name == name)
    stdout = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a reader prints is no message
    case = Path(folder) / "case"
    judged = 0

    @seeded(int(seed))
    @settings(
        max_examples=int(count),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.drawn)
    def try_one(drawn: Any) -> None:
        nonlocal judged
        if judged >= int(count):
            return
        judged += 1
        base = _reset_peak()
        stdout.write(json.dumps({"is": "begun"}) + "\n")
        start = time.perf_counter()
        outcome = judge(kind, drawn, case)
        seconds = time.perf_counter() - start
        peak = _status("VmHWM") - base
        if outcome.what == "fault" or seconds > SECONDS or peak > BYTES:
            _keep(case, keep, name)
        said = {
            "is": "done",
            "what": outcome.what,
            "said": outcome.said.encode("utf-8", "replace").decode(),
        }
        stdout.write(json.dumps(said | {"seconds": seconds, "peak": peak}) + "\n")

    # What is loaded on first use is loaded before memory is counted.
    _warm()
    limit = _status("VmSize") + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try_one()


def _warm() -> None:
    """Load what reading an image and a model loads."""
    import imagecodecs
    import zarr.codecs
    import zarr.storage
    from fuzzing import models

    from napari_srcnn.models.library import list_models, load_model

    load_model(list_models()[0])
    models.make_state()
    assert imagecodecs.zlib_encode
    assert zarr.codecs.BloscCodec


def _status(name: str) -> int:
    """Return a figure of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _reset_peak() -> int:
    """Forget the peak of memory so far, and return what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


if __name__ == "__main__":
    main()
