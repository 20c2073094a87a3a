"""What computes here and with how much memory, what was measured, and what went wrong last.

Each function loads what it needs: a package that is broken costs no other row than its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from pathlib import Path

from napari_srcnn.words import count_of, format_bytes, without_names

_DRIVER_QUERY = (
    "--query-gpu=name,driver_version,memory.total,memory.used",
    "--format=csv,noheader",
)
# What Linux lets a job or a container have, in the two versions of its control groups.
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_MOST_MEASURED = 8


def last_error() -> list[str]:
    """Return the last unexpected error, wherever it was shown."""
    from napari_srcnn import faults  # loads what reads files, which may be what is broken

    fault = faults.last()
    return ["none was kept"] if fault is None else fault.lines()


def memory() -> str:
    """Return the main memory, and what a job or a container may have of it."""
    import psutil

    found = psutil.virtual_memory()
    said = f"{format_bytes(found.available)} free of {format_bytes(found.total)}"
    limit = _limit()
    small = limit is not None and limit < found.total
    return f"{said}, at most {format_bytes(limit or 0)} for this job" if small else said


def _limit() -> int | None:
    for name in _LIMITS:
        try:
            text = (Path("/sys/fs/cgroup") / name).read_text()
        except OSError:
            continue
        return int(text) if text.strip().isdigit() else None
    return None


def cores() -> str:
    """Return the processor's cores, and those that may be used."""
    import psutil

    cores, logical = psutil.cpu_count(logical=False), psutil.cpu_count()
    said = f"{cores or 'unknown'}, {logical or 'unknown'} logical"
    if hasattr(os, "sched_getaffinity"):
        said += f", {len(os.sched_getaffinity(0))} of them for this process"
    return said


def driver() -> list[str]:
    """Return what NVIDIA's own program says of its cards."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ["none found (there is no nvidia-smi)"]
    run = subprocess.run(
        [program, *_DRIVER_QUERY], capture_output=True, text=True, timeout=20, check=False
    )
    if run.returncode:
        return [f"nvidia-smi fails: {without_names(run.stdout or run.stderr)}"]
    return run.stdout.strip().splitlines() or ["nvidia-smi lists no card"]


def torch_build() -> str:
    """Return torch's version and what it was built for."""
    import torch

    cuda, rocm = torch.version.cuda, torch.version.hip
    build = f"for CUDA {cuda}" if cuda else f"for ROCm {rocm}" if rocm else "for the processor"
    if torch.backends.mps.is_built():
        build = "for Apple's GPU"
    return f"{torch.__version__}, built {build}; {torch.backends.cpu.get_cpu_capability()}"


def processor() -> str:
    """Return the processor's name."""
    from napari_srcnn.network.device import processor_name

    return processor_name()


def devices() -> list[str]:
    """Return the devices to compute on, the one that is taken by default first."""
    import torch

    from napari_srcnn.network.device import free_memory, list_devices

    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `no_gpu` tells it
        for one in list_devices():
            text = f"{one.name}: {one.label}"
            if one.name != "cpu":
                text += f", {format_bytes(free_memory(torch.device(one.name)))} free"
            if one.name.startswith("cuda"):
                major, minor = torch.cuda.get_device_capability(one.name)
                text += f", compute capability {major}.{minor}"
            said.append(text)
    return said


def no_gpu() -> list[str]:
    """Return why no GPU is used."""
    from napari_srcnn.network.device import no_gpu_reason

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reason = no_gpu_reason()
    if reason is None:
        return ["there is one"]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        reason += " CUDA_VISIBLE_DEVICES is set so that none is seen."
    told = dict.fromkeys(without_names(str(one.message)) for one in caught)
    return [reason, *(f"torch: {text}" for text in told)]


def threads() -> str:
    """Return how many threads torch computes with."""
    import torch

    return f"{torch.get_num_threads()} of torch"


def measured() -> list[str]:
    """Return the tiles and speeds that were measured with this torch."""
    import torch

    from napari_srcnn.upscaling.speed import remembered

    mark = f", torch {torch.__version__}: "
    found = [
        f"{key.replace(mark, ': ')}: {_numbers(entry)}"
        for key, entry in remembered().items()
        if mark in key
    ]
    if len(found) > _MOST_MEASURED:
        found[_MOST_MEASURED:] = [f"and {count_of(len(found) - _MOST_MEASURED, 'network')} more"]
    return found or ["nothing yet; a first run measures"]


def _numbers(entry: dict[str, float]) -> str:
    said = []
    if "tile" in entry:
        said.append(f"tile {entry['tile']:.0f}")
    if "mpx_per_s" in entry:
        said.append(f"{entry['mpx_per_s']:.3g} Mpx/s")
    return ", ".join(said) or "nothing"
