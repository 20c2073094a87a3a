"""What the window costs a training, and the training the window: in a running napari, on the CPU.

    python benchmarks/finetuning.py [--rounds 3] [--seconds 60] [--model NAME] [--json OUT]

The bundled pollen is trained on in turn, round by round, each time in a process of its own: by the
loop that the command line runs, and by the widget. Each has the same seconds, and both threads have
the niceness that the window gives its work, so that what other programs take of the processor they
take of both alike. Said are, beside what must be and what is aimed at: the widget's steps per
second over the bare loop's; how often the curves were drawn a second, and what a drawing took of
the main thread's time; what a measurement on the images held out took, over the bare loop's;
and of the last round the growth of resident memory, the window's longest stall while a
slider is moved, beside the one of napari alone doing so, and how long after Cancel the training has
ended. Without a display, put xvfb-run -a before it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from figures import Figure, tell

# Steps before the clock starts: kernels are chosen and memory pools filled in them.
WARM = 10
# Seconds that the slider is moved, before the training and while it runs.
MOVED = 20.0
MACHINE = "import machine; print(machine.describe('napari', 'PySide6_Essentials'))"


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(psutil.Process().memory_info().rss)


class Clock:
    """Steps per second, and how long measurements took, of the messages of a training."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._began, self._from, self._last = seconds, 0.0, 0, (0, 0.0)

    @property
    def is_over(self) -> bool:
        return bool(self._began) and self._last[1] - self._began >= self._seconds

    def hear(self, step: int) -> None:
        now = time.perf_counter()
        if not self._began and step >= WARM:
            self._began, self._from = now, step
        self._last = step, now

    @property
    def rate(self) -> float:
        step, now = self._last
        return (step - self._from) / (now - self._began)


class Measurements:
    """Times the measurements on what is held out, wherever the loop is run."""

    def __init__(self) -> None:
        from napari_srcnn.training import loop

        self.seconds: list[float] = []
        self._validate = loop.validate
        loop.validate = self._timed

    def _timed(self, *arguments: Any, **options: Any) -> Any:
        # Of the thread alone: what it waits for while another program runs is none of its work.
        began = time.thread_time()
        found = self._validate(*arguments, **options)
        self.seconds.append(time.thread_time() - began)
        return found

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else float("nan")


def bare(seconds: float, model: str) -> None:
    """Print the steps per second of the loop without a window."""
    from napari_srcnn.samples import load_sample
    from napari_srcnn.training.field import Source
    from napari_srcnn.training.finetune import FinetuneRun, Prepared
    from napari_srcnn.training.options import FinetuneOptions
    from napari_srcnn.widgets.shared.runner import NICENESS

    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    source = Source(name="pollen", high=load_sample("pollen").data, axes="ZYX")
    job = FinetuneRun(FinetuneOptions(name="bare", sources=(source,), scale=2, start=model))
    clock, measured = Clock(seconds), Measurements()
    for message in job.run():
        if isinstance(message, Prepared):
            continue
        clock.hear(message.message.step)
        if clock.is_over:
            break
    print(json.dumps({"rate": clock.rate, "measurement": measured.median}))


class Drawings:
    """When the curves were drawn, and what that took of the main thread's time."""

    def __init__(self, curves: Any) -> None:
        self.at: list[float] = []
        self.seconds: list[float] = []
        self._draw = curves._draw
        curves._draw = self._timed

    def _timed(self, picture: Any) -> None:
        began = time.thread_time()
        self._draw(picture)
        self.seconds.append(time.thread_time() - began)
        self.at.append(time.perf_counter())


def windowed(seconds: float, model: str, *, is_last: bool) -> None:
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
    clock, measured = Clock(seconds), Measurements()
    drawings, sizes = Drawings(widget.curves), list[int]()

    def hear(message: Any) -> None:
        told = getattr(message, "message", None)
        if told is not None:
            clock.hear(told.step)
            sizes.append(resident())

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
    rest = longest_stall() if is_last else 0.0
    widget.train()
    live(lambda: bool(sizes))
    first, began = resident(), time.perf_counter()
    live(lambda: clock.is_over)
    rate, last = clock.rate, resident()
    found = {
        "rate": rate,
        "measurement": measured.median,
        "drawings": len(drawings.at) / (time.perf_counter() - began),
        "drawing": max(drawings.seconds, default=0.0),
        "growth": last / first - 1,
        "megabytes": last / 1e6,
    }
    if is_last:
        found |= {"stall": longest_stall(), "stall_at_rest": rest}
    pressed = time.perf_counter()
    widget.cancel()
    live(lambda: not widget.runner.job)
    print(json.dumps(found | {"cancel": time.perf_counter() - pressed}))
    sys.stdout.flush()
    viewer.close()
    QApplication.processEvents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--model", default="srcnn-9-5-5-x2-microscopes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=("bare", "windowed", "last"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one == "bare":
        bare(arguments.seconds, arguments.model)
        return
    if arguments.one:
        windowed(arguments.seconds, arguments.model, is_last=arguments.one == "last")
        return
    subprocess.run([sys.executable, "-c", MACHINE], check=True, cwd=Path(__file__).parent)
    print(
        f"{arguments.rounds} rounds of {arguments.seconds:g} s with {arguments.model} on the "
        "pollen\n",
        flush=True,
    )
    rounds: list[tuple[dict[str, float], dict[str, float]]] = []
    for number in range(1, arguments.rounds + 1):
        names = ("bare", "last" if number == arguments.rounds else "windowed")
        plain, window = (measure(one, arguments.seconds, arguments.model) for one in names)
        rounds.append((plain, window))
        print(
            f"round {number}: bare {plain['rate']:.2f} steps/s, window {window['rate']:.2f}, "
            f"{window['rate'] / plain['rate']:.2f}",
            flush=True,
        )
    windows, last = [window for _, window in rounds], rounds[-1][1]
    ratios = [window["rate"] / plain["rate"] for plain, window in rounds]
    figures = (
        Figure("window over bare loop, steps per second", statistics.median(ratios), 0.85, 0.95),
        Figure("drawings of the curves a second", max(w["drawings"] for w in windows), 2.1, 2.0),
        Figure("the longest drawing, ms", 1e3 * max(w["drawing"] for w in windows), 5, 3),
        Figure(
            "a measurement, window over bare loop",
            statistics.median(w["measurement"] / p["measurement"] for p, w in rounds),
            1.15,
            1.05,
        ),
        Figure(
            f"longest stall, ms ({1e3 * last['stall_at_rest']:.0f} without a training), above that",
            1e3 * max(last["stall"] - last["stall_at_rest"], 0.0),
            100,
            50,
        ),
        Figure("growth of memory, %", 100 * max(w["growth"] for w in windows), 5, 2),
        Figure("from Cancel to its end, s", max(w["cancel"] for w in windows), 1, 0.5),
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(rounds, indent=1))
    raise SystemExit(0 if tell(figures) else 1)


def measure(which: str, seconds: float, model: str) -> dict[str, float]:
    """Run one of the two in a fresh process and folder."""
    with tempfile.TemporaryDirectory(prefix="srcnn-finetuning-") as home:
        environment = {
            **os.environ,
            "NAPARI_SRCNN_HOME": home,
            "NAPARI_CONFIG": str(Path(home) / "settings.yaml"),
        }
        command = [sys.executable, __file__, "--one", which, "--seconds", str(seconds)]
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
