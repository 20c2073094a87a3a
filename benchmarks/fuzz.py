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
# So many cases of a kind are drawn from one seed.
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
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT / "tests")]
    if arguments.work:
        _work(*arguments.work, arguments.keep)
        return
    from fuzzing import KINDS

    kinds = [
        kind
        for kind in KINDS
        if not arguments.kind or any(part in kind.name for part in arguments.kind)
    ]
    shares = sum(kind.share for kind in kinds)
    left = {kind.name: -(-arguments.cases * kind.share // shares) for kind in kinds}
    tallies = {name: Tally() for name in left}
    print(f"{'kind':24s} {'cases':>6s} {'read':>6s} {'refused':>8s} {'faults':>7s} ", end="")
    print(f"{'slowest s':>10s} {'peak MB':>8s}", flush=True)
    worker = 0
    while left:
        _have_judged(left, tallies, arguments.seed * 1_000_003 + worker, arguments.keep)
        worker += 1
    faults = sum(tally.outcomes["fault"] for tally in tallies.values())
    print(f"\n{sum(tally.cases for tally in tallies.values()):,} cases, {faults} faults")
    if arguments.json:
        rows = {n: vars(tally) | {"outcomes": dict(tally.outcomes)} for n, tally in tallies.items()}
        arguments.json.write_text(json.dumps(rows, indent=1))
    raise SystemExit(1 if faults else 0)


def _say(name: str, tally: Tally) -> None:
    counts = tally.outcomes
    print(
        f"{name:24s} {tally.cases:6d} {counts['read']:6d} {counts['refused']:8d} "
        f"{counts['fault']:7d} {tally.slowest:10.2f} {tally.peak / 1e6:8.0f}",
        flush=True,
    )
    for fault, count in Counter(tally.faults).most_common(20):
        print(f"    {count} × {fault}", flush=True)


def _have_judged(
    left: dict[str, int], tallies: dict[str, Tally], seed: int, keep: Path | None
) -> None:
    """Have one worker judge what is left of each kind, until it dies or hangs."""
    with tempfile.TemporaryDirectory(prefix="srcnn-fuzz-") as folder:
        log, case = Path(folder) / "log", Path(folder) / "case"
        command = [sys.executable, __file__, "--work", json.dumps(left), str(seed), folder]
        command += [] if keep is None else ["--keep", str(keep)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        with log.open("wb") as file:
            worker = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=file, text=True, env=environment
            )
        heard: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_listen, args=(worker, heard), daemon=True).start()
        name, begun = next(iter(left)), False
        try:
            while left:
                limit = SECONDS + 5 if begun else _STARTING
                try:
                    line = heard.get(timeout=limit)
                except queue.Empty:
                    if not begun:
                        raise SystemExit(f"no case of {name} was drawn for {limit:g} s") from None
                    worker.kill()
                    said = {"what": "fault", "said": f"took more than {SECONDS:g} s"}
                    line = None
                else:
                    said = {} if line is None else json.loads(line)
                if line is None and not said:
                    code = worker.wait()
                    if not begun or code == 1:  # of this program itself, not of what it tries
                        raise SystemExit(log.read_text()[-3000:])
                    said = {"what": "fault", "said": f"ended the process ({code})"}
                if line is None:
                    _keep(case, keep, name)
                elif said["is"] == "begun":
                    name, begun = said["kind"], True
                    continue
                begun = False
                _count(tallies[name], said)
                left[name] -= 1
                if not left[name]:
                    del left[name]
                    _say(name, tallies[name])
                if line is None:
                    return
        finally:
            worker.kill()
            worker.wait()


def _listen(worker: subprocess.Popen[str], heard: queue.Queue[str | None]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith("{"):
            heard.put(line)
    heard.put(None)


def _count(tally: Tally, said: dict[str, Any]) -> None:
    seconds, peak = said.get("seconds", 0.0), said.get("peak", 0)
    what, text = said["what"], said["said"]
    if what != "fault" and seconds > SECONDS:
        what, text = "fault", f"took {seconds:.1f} s"
    if what != "fault" and peak > BYTES:
        what, text = "fault", f"took {peak / 1e6:.0f} MB"
    tally.cases += 1
    tally.outcomes[what] += 1
    tally.slowest, tally.peak = max(tally.slowest, seconds), max(tally.peak, peak)
    if what == "fault":
        tally.faults.append(text)


def _keep(case: Path, keep: Path | None, name: str) -> None:
    if keep is not None and case.is_dir():
        keep.mkdir(parents=True, exist_ok=True)
        target = keep / f"{name.replace(' ', '-')}-{len(list(keep.iterdir()))}"
        shutil.copytree(case, target, symlinks=True, dirs_exist_ok=True)


# ---------------------------------------------------------------- the worker


def _work(plan: str, seed: str, folder: str, keep: Path | None) -> None:
    import logging
    import resource
    import warnings

    from fuzzing import KINDS, Kind, judge
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    stdout = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a reader prints is no message
    case = Path(folder) / "case"
    # What is loaded on first use is loaded before memory is counted.
    _warm()
    limit = _status("VmSize") + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def judge_some(kind: Kind, count: int, seed: int) -> int:
        """Judge cases of a kind; return how many were drawn before hypothesis had no more."""
        judged = 0

        @seeded(seed)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(kind.drawn)
        def judge_one(drawn: Any) -> None:
            nonlocal judged
            if judged >= count:
                return
            judged += 1
            base = _reset_peak()
            stdout.write(json.dumps({"is": "begun", "kind": kind.name}) + "\n")
            start = time.perf_counter()
            outcome = judge(kind, drawn, case)
            seconds = time.perf_counter() - start
            peak = _status("VmHWM") - base
            if outcome.what == "fault" or seconds > SECONDS or peak > BYTES:
                _keep(case, keep, kind.name)
            text = outcome.said.encode("utf-8", "replace").decode()
            said = {"is": "done", "what": outcome.what, "said": text}
            stdout.write(json.dumps(said | {"seconds": seconds, "peak": peak}) + "\n")

        judge_one()
        return judged

    kinds = {kind.name: kind for kind in KINDS}
    for name, count in json.loads(plan).items():
        left, batch = count, 0
        while left > 0:
            left -= judge_some(kinds[name], min(left, BATCH), int(seed) + 1000 * batch)
            batch += 1


def _warm() -> None:
    """Load what reading an image and a model loads."""
    import imagecodecs
    import zarr.codecs
    import zarr.storage
    from fuzzing import models, packages

    from napari_srcnn.models.library import list_models, load_model

    load_model(list_models()[0])
    models.make_state()
    packages.exported(".onnx")
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
