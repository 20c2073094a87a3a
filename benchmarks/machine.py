"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from napari_srcnn.network.device import processor_name


def describe(*packages: str) -> str:
    """Return the machine, the threads and the versions in two lines."""
    capability = torch.backends.cpu.get_cpu_capability()
    found = [f"Python {platform.python_version()}"]
    for package in ("torch", "numpy", *packages):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"{processor_name()} ({capability}), {os.cpu_count()} processors, "
        f"{torch.get_num_threads()} threads, {platform.system()} {platform.release()}, "
        f"load {load:.1f} before the start\n{', '.join(found)}"
    )
