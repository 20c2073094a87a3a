"""Speed on the CPU beside plain PyTorch and ONNX Runtime, on one 2048 x 2048 float32 image.

    python benchmarks/speed.py [--kernels 9-1-5 9-5-5] [--side 2048] [--rounds 5] [--json OUT]

Timed, in turn, round by round, in one process and on the same enlarged image with its halo:

plain         nn.Sequential of the three convolutions on the whole plane, as most code does it
ONNX Runtime  the same graph on the whole plane (session built before; as many threads)
tiles         this project's engine: the measured tile, the rearranged layers (fast_correction),
              one tile a thread
whole run     iter_upscale of the image of half the side, x2, from array to array: bicubic,
              intensity range and rounding to the image's type as well

The median of the rounds is printed, in output megapixels per second, and how far each result lies
from the plain network's. Then a TIFF of uint16 planes is upscaled to OME-TIFF, as the command line
does it, and by turns without the network: what that takes is bicubic, intensities, reading and
writing. And as many output pixels are made x4, of a smaller TIFF. Needs the dependency group
"bench".
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np
import onnx
import onnxruntime
import tifffile
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from napari_srcnn.image.rect import Padding, Tile, tile_grid
from napari_srcnn.image.resize import imresize
from napari_srcnn.models.library import list_models, load_model
from napari_srcnn.network.checkpoint import save_model
from napari_srcnn.network.config import PRESETS, SRCNNConfig
from napari_srcnn.network.device import raise_malloc_thresholds
from napari_srcnn.network.fast import fast_correction
from napari_srcnn.network.folded import Cells, FoldedCorrection
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.threads import Workers
from napari_srcnn.upscaling.api import plan_upscale
from napari_srcnn.upscaling.files import FileRun, Job, Options
from napari_srcnn.upscaling.messages import Report
from napari_srcnn.upscaling.tiles import Engine

NO_PADDING = Padding(top=0, bottom=0, left=0, right=0)
CPU = torch.device("cpu")
# Times as fast as ONNX Runtime from array to array, which leaves bicubic, intensities and rounding
# to others: has to be, should be.
TARGETS = {"9-1-5": (1.6, 2.5), "9-5-5": (1.4, 1.8)}
# From the plain network, in the range's units.
LARGEST_DIFFERENCE = 2e-5
# Bicubic, intensities and files, of a whole job: what it has to be, and what it should be.
LARGEST_REST = {"9-1-5": (0.15, 0.10), "9-5-5": (0.20, None)}
# Times as many output pixels a second from file to file at x4 as at x2: has to be, should be.
X4_KERNELS, X4_TIMES = "9-1-5", (1.25, 1.5)
PLANES, PLANE_SIDE, FILE_ROUNDS = 4, 1024, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", nargs="+", default=["9-1-5", "9-3-5", "9-5-5"])
    parser.add_argument("--side", type=int, default=2048, help="of the enlarged image")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tile", type=int, help="instead of the one that is measured")
    parser.add_argument("--plain-malloc", action="store_true", help="as inside of napari")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(machine.describe("onnxruntime"))
    if not arguments.plain_malloc:
        # As the command line does for its own process.
        raise_malloc_thresholds()
    rows = []
    for kernels in arguments.kernels:
        rows += measure(kernels, arguments.side, arguments.rounds, arguments.tile)
    print(
        f"\n{arguments.side} x {arguments.side} float32, median of {arguments.rounds} rounds in "
        f"turn; malloc's thresholds {'as they are' if arguments.plain_malloc else 'raised'}"
    )
    columns = f"{'':7s} {'':21s} {'s':>7s} {'Mpx/s':>7s} {'x plain':>8s} {'x ONNX':>7s}"
    print(f"{columns} {'from plain':>11s}")
    for row in rows:
        print(
            f"{row['kernels']:7s} {row['method']:21s} {row['seconds']:7.3f} "
            f"{row['mpx_per_s']:7.2f} {row['times_plain']:8.2f}"
            f" {row['times_onnx']:7.2f} {row['difference']:11.1e}"
        )
    print("\nover ONNX Runtime, round by round: min, median and max")
    for row in rows:
        if row["method"] != "whole run":
            continue
        print(f"{row['kernels']:7s} {spread_of(row['rounds'], '.2f')}", end="")
        for name, least in zip(("must", "aim"), TARGETS.get(row["kernels"], ()), strict=False):
            reached = row["times_onnx"] >= least and row["difference"] <= LARGEST_DIFFERENCE
            print(f"; {name}: at least {least}: {verdict(reached, name)}", end="")
        print()
    print(
        f"\n{PLANES} x {PLANE_SIDE} x {PLANE_SIDE} uint16, TIFF to OME-TIFF, x2; "
        f"min, median and max of {FILE_ROUNDS} rounds"
    )
    shares = [share(kernels, arguments.tile) for kernels in arguments.kernels]
    for job in shares:
        print(
            f"{job['kernels']:7s} {spread_of(job['seconds'], '.2f')} s, without the network "
            f"{spread_of(job['seconds_without_network'], '.2f')} s"
        )
        rest = statistics.median(job["rest"])
        print(f"{'':7s} bicubic, intensities and files {spread_of(job['rest'], '.1%')}")
        for name, limit in zip(("must", "aim"), LARGEST_REST.get(job["kernels"], ()), strict=False):
            if limit is not None:
                print(f"{'':7s} {name}: at most {limit:.0%}: {verdict(rest <= limit, name)}")
    times = four_over_two(arguments.tile)
    print(
        f"{X4_KERNELS} from file to file, x4 over x2, output pixels a second: "
        f"{spread_of(times, '.2f')}"
    )
    for name, least in zip(("must", "aim"), X4_TIMES, strict=True):
        reached = statistics.median(times) >= least
        print(f"{'':7s} {name}: at least {least}: {verdict(reached, name)}")
    if arguments.json:
        found = {"image": rows, "files": shares, "x4_over_x2": times}
        arguments.json.write_text(json.dumps(found, indent=1))


def spread_of(values: list[float], form: str) -> str:
    """Return least, median and largest of some values."""
    return ", ".join(format(f(values), form) for f in (min, statistics.median, max))


def verdict(is_reached: bool, name: str) -> str:
    if is_reached:
        return "reached"
    return "MISSED" if name == "must" else "not yet"


def measure(kernels: str, side: int, rounds: int, tile: int | None) -> list[dict[str, Any]]:
    """Time the four ways of one network and return them as rows."""
    model = network(kernels)
    config = model.config
    low_res = scene(side // config.scale)
    halo = config.halo
    enlarged = np.pad(imresize(low_res, scale=config.scale), halo, mode="edge")
    plane = torch.from_numpy(enlarged.astype(np.float32))[None, None]

    plan = plan_upscale(
        low_res, config.scale, model=model, device="cpu", intensity="none", tile=tile
    )
    chosen = plan.tile
    methods: dict[str, Callable[[], np.ndarray]] = {
        "plain": plain(model, plane),
        "ONNX Runtime": onnx_runtime(model, plane),
        f"tiles of {chosen}": tiles(model, plane, chosen),
        "whole run": lambda: whole_run(plan),
    }
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    results: dict[str, np.ndarray] = {}
    for name, method in methods.items():  # once for warming up
        results[name] = method()
    for _ in range(rounds):
        for name, method in methods.items():
            began = time.perf_counter()
            method()
            seconds[name].append(time.perf_counter() - began)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        {
            "kernels": kernels,
            "method": name,
            "seconds": median[name],
            "mpx_per_s": side * side / 1e6 / median[name],
            "times_plain": median["plain"] / median[name],
            "times_onnx": median["ONNX Runtime"] / median[name],
            "difference": float(np.abs(results[name] - results["plain"]).max()),
            "rounds": [
                other / own
                for other, own in zip(seconds["ONNX Runtime"], seconds[name], strict=True)
            ],
        }
        for name in methods
    ]


def share(kernels: str, tile: int | None) -> dict[str, Any]:
    """Upscale a file, and by turns without the network: what is left is all the rest."""
    with tempfile.TemporaryDirectory(prefix="srcnn-speed-") as folder:
        upscale = file_job(Path(folder), kernels, 2, PLANE_SIDE, tile)
        upscale()
        whole, without = [], []
        for _ in range(FILE_ROUNDS):
            whole.append(upscale())
            without.append(upscale(with_network=False))
    return {
        "kernels": kernels,
        "seconds": whole,
        "seconds_without_network": without,
        "rest": [rest / all_of_it for rest, all_of_it in zip(without, whole, strict=True)],
    }


def four_over_two(tile: int | None) -> list[float]:
    """Return how many times as many output pixels a second files get at x4 as at x2."""
    with tempfile.TemporaryDirectory(prefix="srcnn-speed-") as folder:
        jobs = [
            file_job(Path(folder), X4_KERNELS, scale, PLANE_SIDE * 2 // scale, tile)
            for scale in (2, 4)
        ]
        seconds: list[list[float]] = [[], []]
        for number in range(FILE_ROUNDS + 1):
            for times, upscale in zip(seconds, jobs, strict=True):
                took = upscale()
                # The first is for warming up.
                times += [took] * (number > 0)
    return [two / four for two, four in zip(*seconds, strict=True)]


def file_job(
    folder: Path, kernels: str, scale: int, side: int, tile: int | None
) -> Callable[..., float]:
    """Write a TIFF, and return what upscales it to an OME-TIFF and says how long that took."""
    model = folder / f"srcnn-{kernels}-x{scale}.safetensors"
    save_model(model, network(kernels, scale), {})
    source = folder / f"stack{scale}.tif"
    plane = (scene(side) * 4000).astype(np.uint16)
    planes = np.stack([plane + n for n in range(PLANES)])
    tifffile.imwrite(source, planes, imagej=True, metadata={"axes": "ZYX"})
    options = Options(scale=scale, model=str(model), device="cpu", tile=tile)
    job = Job(source=source, target=folder / f"big{scale}.ome.tif")

    def upscale(*, with_network: bool = True) -> float:
        began = time.perf_counter()
        with FileRun(job, options) as run:
            if not with_network:
                leave_out(run.plan.engine)
            for _ in run.messages():
                pass
        return time.perf_counter() - began

    return upscale


def leave_out(engine: Engine) -> None:
    """Take the network out of an engine, and leave all else as it is."""
    engine.enhancer.correction = functools.partial(nothing, engine.config.halo)
    if engine.enhancer.folded is not None:
        engine.enhancer.folded.__class__ = NothingFolded


class NothingFolded(FoldedCorrection):
    """Corrects nothing, in no time."""

    def __call__(
        self, low: torch.Tensor, sigma: torch.Tensor | None, rows: Cells, columns: Cells
    ) -> torch.Tensor:
        return torch.zeros(1, 1, rows.size, columns.size)


def nothing(halo: int, enlarged: torch.Tensor, padding: Padding) -> torch.Tensor:
    """Correct nothing, in no time."""
    return torch.zeros_like(crop(enlarged, halo))


def network(kernels: str, scale: int = 2) -> SRCNN:
    """Return the bundled network of these kernels for a scale, or a random one."""
    name = f"srcnn-{kernels}-x{scale}"
    if name in list_models():
        return load_model(name)
    torch.manual_seed(0)
    print(f"{name} is not bundled: random weights stand in for it.")
    return SRCNN(SRCNNConfig(kernels=PRESETS[kernels], scale=scale)).eval()


def scene(side: int) -> np.ndarray:
    """Return blobs, stripes and noise in 0..1, float32, shape (side, side)."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    image = (
        0.4 + 0.2 * np.sin(40 * x + 9 * np.sin(7 * y)) + 0.1 * (np.hypot(x - 0.5, y - 0.4) < 0.2)
    )
    return (image + generator.normal(0, 0.02, image.shape)).clip(0, 1).astype(np.float32)


def plain(model: SRCNN, plane: torch.Tensor) -> Callable[[], np.ndarray]:
    layers = nn.Sequential(
        model.conv1, nn.ReLU(), model.conv2, nn.ReLU(), model.conv3
    ).requires_grad_(False)
    centre = crop(plane, model.config.halo)

    def run() -> np.ndarray:
        with torch.inference_mode():
            out = layers(plane)
            return (out + centre if model.config.skip else out).numpy()[0, 0]

    return run


def onnx_runtime(model: SRCNN, plane: torch.Tensor) -> Callable[[], np.ndarray]:
    halo = model.config.halo
    weights, nodes, value = [], [], "enlarged"
    for i, layer in enumerate((model.conv1, model.conv2, model.conv3), 1):
        for kind, tensor in (("w", layer.weight), ("b", layer.bias)):
            weights.append(numpy_helper.from_array(tensor.detach().numpy(), f"{kind}{i}"))
        nodes.append(helper.make_node("Conv", [value, f"w{i}", f"b{i}"], [f"c{i}"]))
        value = f"c{i}"
        if i < 3:
            nodes.append(helper.make_node("Relu", [value], [f"r{i}"]))
            value = f"r{i}"
    shape = list(plane.shape)
    small = [1, 1, shape[2] - 2 * halo, shape[3] - 2 * halo]
    if model.config.skip:
        nodes.append(helper.make_node("Add", [value, "centre"], ["out"]))
    else:
        nodes.append(helper.make_node("Identity", [value], ["out"]))
    graph = helper.make_graph(
        nodes,
        "srcnn",
        [
            helper.make_tensor_value_info("enlarged", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("centre", TensorProto.FLOAT, small),
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, small)],
        weights,
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(built)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        built.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    inputs = {
        "enlarged": plane.numpy(),
        "centre": np.ascontiguousarray(crop(plane, halo).numpy()),
    }
    return lambda: session.run(None, inputs)[0][0, 0]


def tiles(model: SRCNN, plane: torch.Tensor, tile: int) -> Callable[[], np.ndarray]:
    halo = model.config.halo
    correction = fast_correction(model, CPU)
    height, width = (n - 2 * halo for n in plane.shape[-2:])
    out = np.empty((height, width), np.float32)
    target = torch.from_numpy(out)

    @torch.inference_mode()
    def compute(part: Tile) -> None:
        window = plane[..., part.y0 : part.y1 + 2 * halo, part.x0 : part.x1 + 2 * halo]
        target[part.slices] = (correction(window, NO_PADDING) + crop(window, halo))[0, 0]

    def run() -> np.ndarray:
        with Workers() as workers:
            grid = tile_grid(height, width, tile)
            for done in [workers.submit(functools.partial(compute, part)) for part in grid]:
                done.result()
        return out

    return run


def whole_run(plan: Any) -> np.ndarray:
    for message in plan.run():
        if isinstance(message, Report):
            return message.result
    raise RuntimeError("The run ended without a report.")


def crop(x: torch.Tensor, border: int) -> torch.Tensor:
    return x[..., border : x.shape[-2] - border, border : x.shape[-1] - border]


if __name__ == "__main__":
    main()
