"""Devices: which there are, what they are called, how much memory they have free."""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

# What glibc's malloc is told by raise_malloc_thresholds; the numbers are of its <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_malloc_raised = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """A device to compute on.

    Attributes
    ----------
    name : str
        What torch calls it: ``"cpu"``, ``"cuda:0"``, ``"mps"``.
    label : str
        What its user calls it: ``"NVIDIA H200"``, ``"CPU, 16 threads"``.
    """

    name: str
    label: str


def list_devices() -> tuple[DeviceInfo, ...]:
    """Return the devices of this machine, the fastest kind first; the CPU is always the last."""
    devices = [
        DeviceInfo(name=f"cuda:{i}", label=torch.cuda.get_device_name(i))
        for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        devices.append(DeviceInfo(name="mps", label="Apple GPU"))
    threads = torch.get_num_threads()
    label = f"CPU, {threads} thread{'s' if threads != 1 else ''}"
    return (*devices, DeviceInfo(name="cpu", label=label))


def no_gpu_reason() -> str | None:
    """Return why no GPU can be used, in a sentence; None where one can."""
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return None
    if sys.platform == "darwin":
        return "No GPU: this Mac or this build of torch has no Metal support."
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            "No GPU: this PyTorch computes on processors only; the README says how to install one "
            "for NVIDIA cards."
        )
    return "No GPU was found; an NVIDIA driver may be missing."


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device of a name.

    Parameters
    ----------
    name : str or torch.device
        ``"auto"`` (the first of :func:`list_devices`), ``"cpu"``, ``"cuda"``, ``"cuda:1"``,
        ``"mps"``.

    Raises
    ------
    ValueError
        If this machine has no such device.
    """
    devices = list_devices()
    if str(name) == "auto":
        return torch.device(devices[0].name)
    wanted = "cuda:0" if str(name) == "cuda" else str(name)
    for device in devices:
        if device.name == wanted:
            return torch.device(device.name)
    known = ", ".join(repr(device.name) for device in devices)
    reason = no_gpu_reason() or ""
    raise ValueError(f"There is no device {str(name)!r} here; there are {known}. {reason}".strip())


def device_label(device: torch.device) -> str:
    """Return what its user calls a device."""
    labels = {info.name: info.label for info in list_devices()}
    return labels.get(str(device), str(device))


def free_memory(device: torch.device) -> int:
    """Return the bytes that can be had on a device now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch holds in reserve and does not use is free too.
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + int(cached)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return free_ram()


def free_ram() -> int:
    """Return the bytes of main memory that can be had now."""
    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Tell whether torch ran out of memory (CUDA has a type for it, the CPU and Metal have not)."""
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
        or "not enough memory" in text
    )


@functools.cache
def processor_name() -> str:
    """Return the processor's name, to remember measurements by."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def raise_malloc_thresholds() -> None:
    """Keep glibc from giving the memory of every intermediate result back (Linux only).

    Otherwise the maps of each tile are page-faulted in afresh, which can take more time than the
    arithmetic. It changes the whole process, so only a process of our own may do it.
    """
    global _malloc_raised
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    # 32 MiB is the largest mmap threshold that glibc takes on 64 bits.
    _malloc_raised = bool(mallopt(_M_MMAP_THRESHOLD, 32 << 20))
    mallopt(_M_TRIM_THRESHOLD, 256 << 20)
    # All threads but the first have heaps of 64 MiB each, which are unmapped as soon as they are
    # empty, whatever the threshold, but not where so much room is to be kept.
    mallopt(_M_TOP_PAD, 64 << 20)


def return_free_memory() -> None:
    """Give what :func:`raise_malloc_thresholds` keeps back to the system; else do nothing.

    For between pieces of work that take seconds each: what one of them needed and the next does
    not would be kept beside what that needs.
    """
    if _malloc_raised:
        ctypes.CDLL(None).malloc_trim(0)


def set_tf32(allowed: bool) -> None:
    """Allow TF32 in this process's convolutions on NVIDIA GPUs, or forbid it (torch allows it).

    It changes the whole process, so only a process of our own may do it.
    """
    torch.backends.cudnn.allow_tf32 = allowed


def measurement_key(device: torch.device) -> str:
    """Return what a measured speed depends on besides the network."""
    if device.type == "cpu":
        malloc = ", malloc" if _malloc_raised else ""
        where = f"{processor_name()}, {torch.get_num_threads()} threads{malloc}"
    else:
        where = device_label(device)
    return f"{where}, torch {torch.__version__}"
