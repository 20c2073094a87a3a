"""What the window costs a training, and the training the window: in a running napari, on the CPU.

    python benchmarks/finetuning.py [--steps 1000] [--model NAME] [--json OUT]

The bundled pollen is trained on twice, each in a process of its own: by the loop that the command
line runs, and by the widget. Said are the widget's steps per second over the bare loop's (at least
0.90), the growth of resident memory over the steps (under 5 %), the window's longest stall while a
slider is moved, beside the one of napari alone doing so (not over 100 ms more), and how long after
Cancel the training has ended (under a second). Without a display, put xvfb-run -a before it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

SMALLEST_RATIO, LARGEST_GROWTH, LONGEST_CANCEL = 0.90, 0.05, 1.0
# Steps before the clock starts: kernels are chosen and memory pools filled in them.
WARM = 100
# Seconds that the slider is moved, before the training and while it runs.
MOVED = 20.0
MACHINE = "import machine; print(machine.describe('napari', 'PySide6_Essentials'))"


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(psutil.Process().memory_info().rss)


def bare(steps: int, model: str) -> None:
    """Print the steps per second of the loop without a window."""
    from napari_srcnn.samples import load_sample
    from napari_srcnn.training.field import Source
    from napari_srcnn.training.finetune import FinetuneOptions, FinetuneRun, Prepared

    source = Source(name="pollen", high=load_sample("pollen").data, axes="ZYX")
    job = FinetuneRun(FinetuneOptions(name="bare", sources=(source,), scale=2, start=model))
    began = 0.0
    for message in job.run():
        if isinstance(message, Prepared):
            continue
        if message.message.step == WARM:
            began = time.perf_counter()
        if message.message.step == WARM + steps:
            print(json.dumps({"rate": steps / (time.perf_counter() - began)}))
            return


def windowed(steps: int, model: str) -> None:
    """Print what is measured of the widget."""
    import napari
    from qtpy.QtCore import QEventLoop, QTimer
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    viewer.open_sample("napari-srcnn", "pollen")
    count = viewer.layers[0].data.shape[0]
    _, widget = viewer.window.add_plugin_dock_widget("napari-srcnn", "Fine-tune")
    beats: list[float] = []
    heart, slider = QTimer(), QTimer()
    heart.timeout.connect(lambda: beats.append(time.perf_counter()))
    slider.timeout.connect(
        lambda: viewer.dims.set_current_step(0, (viewer.dims.current_step[0] + 1) % count)
    )
    seen: list[tuple[int, float, int]] = []

    def hear(message: Any) -> None:
        told = getattr(message, "message", None)
        if told is not None:
            seen.append((told.step, time.perf_counter(), resident()))

    def live(is_over: Any) -> None:
        # As in napari: between events the main thread sleeps and leaves Python to the training.
        loop, look = QEventLoop(), QTimer()
        look.timeout.connect(lambda: loop.quit() if is_over() else None)
        look.start(20)
        loop.exec()

    def longest_stall() -> float:
        heart.start(5)
        slider.start(500)
        end = time.perf_counter() + MOVED
        live(lambda: time.perf_counter() > end)
        heart.stop()
        slider.stop()
        longest = max(after - before for before, after in itertools.pairwise(beats))
        beats.clear()
        return longest

    live(lambda: widget.is_ready)
    widget.runner.received.connect(hear)
    widget.form.start.value = model
    widget.form.minutes.setValue(600)
    rest = longest_stall()
    widget.train()
    live(lambda: seen and seen[-1][0] >= WARM + steps)
    first = next(one for one in seen if one[0] >= WARM)
    last = seen[-1]
    stall = longest_stall()
    pressed = time.perf_counter()
    widget.cancel()
    live(lambda: not widget.runner.job)
    print(
        json.dumps(
            {
                "rate": (last[0] - first[0]) / (last[1] - first[1]),
                "growth": last[2] / first[2] - 1,
                "megabytes": last[2] / 1e6,
                "stall": stall,
                "stall_at_rest": rest,
                "cancel": time.perf_counter() - pressed,
            }
        )
    )
    sys.stdout.flush()
    viewer.close()
    QApplication.processEvents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--model", default="srcnn-9-5-5-x2-microscopes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=("bare", "windowed"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        {"bare": bare, "windowed": windowed}[arguments.one](arguments.steps, arguments.model)
        return
    subprocess.run([sys.executable, "-c", MACHINE], check=True, cwd=Path(__file__).parent)
    print(f"{arguments.steps} steps of {arguments.model} on the pollen\n", flush=True)
    found = {one: measure(one, arguments.steps, arguments.model) for one in ("bare", "windowed")}
    plain, window = found["bare"], found["windowed"]
    ratio = window["rate"] / plain["rate"]
    checks = {
        f"steps per second, over the bare loop's {plain['rate']:.2f}: {ratio:.2f}": ratio
        >= SMALLEST_RATIO,
        f"memory, now {window['megabytes']:.0f} MB, grew by {window['growth']:.1%}": window[
            "growth"
        ]
        < LARGEST_GROWTH,
        f"Cancel was answered after {window['cancel']:.2f} s": window["cancel"] < LONGEST_CANCEL,
        f"longest stall {window['stall'] * 1e3:.0f} ms, {window['stall_at_rest'] * 1e3:.0f} ms "
        "without a training": window["stall"] - window["stall_at_rest"] <= 0.1,
    }
    for text, passed in checks.items():
        print(f"{'pass' if passed else 'FAIL'}  {text}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))
    raise SystemExit(0 if all(checks.values()) else 1)


def measure(which: str, steps: int, model: str) -> dict[str, float]:
    """Run one of the two in a fresh process and folder."""
    with tempfile.TemporaryDirectory(prefix="srcnn-finetuning-") as home:
        environment = {
            **os.environ,
            "NAPARI_SRCNN_HOME": home,
            "NAPARI_CONFIG": str(Path(home) / "settings.yaml"),
        }
        command = [sys.executable, __file__, "--one", which, "--steps", str(steps)]
        finished = subprocess.run(
            [*command, "--model", model],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    values: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return values


if __name__ == "__main__":
    main()
