"""Devices by name, and what they have free."""

from __future__ import annotations

import platform
import subprocess
import sys

import psutil
import pytest
import torch

from napari_srcnn.network.device import (
    choose_device,
    device_label,
    free_memory,
    free_ram,
    list_devices,
    measurement_key,
    no_gpu_reason,
    processor_name,
)

GPU = torch.cuda.is_available() or torch.backends.mps.is_available()


def test_the_cpu_is_always_there_and_the_last() -> None:
    devices = list_devices()
    assert devices[-1].name == "cpu"
    threads = torch.get_num_threads()
    assert devices[-1].label == f"CPU, {threads} thread" + ("s" if threads > 1 else "")
    assert device_label(torch.device("cpu")) == devices[-1].label


def test_auto_takes_the_first_device() -> None:
    assert choose_device() == choose_device("auto") == torch.device(list_devices()[0].name)


@pytest.mark.parametrize("name", ["cpu", torch.device("cpu")])
def test_a_device_is_chosen_by_its_name(name: str | torch.device) -> None:
    assert choose_device(name) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "xpu"])
def test_an_unknown_device_lists_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match=f"There is no device {name!r} here; there are .*'cpu'"):
        choose_device(name)


@pytest.mark.skipif(GPU, reason="this machine has a GPU")
def test_where_there_is_no_gpu_it_says_why() -> None:
    reason = no_gpu_reason()
    assert reason is not None
    assert reason.startswith("No GPU")
    if torch.version.cuda is None and torch.version.hip is None:
        assert "processors only" in reason
    with pytest.raises(ValueError, match="No GPU"):
        choose_device("cuda")


@pytest.mark.skipif(not GPU, reason="needs a GPU")
def test_a_gpu_has_a_name_and_memory() -> None:
    assert no_gpu_reason() is None
    device = choose_device()
    assert device.type != "cpu"
    assert device_label(device) not in ("", str(device))
    assert free_memory(device) > 1 << 20


def test_free_memory_is_what_the_machine_has_available() -> None:
    assert free_memory(torch.device("cpu")) == pytest.approx(free_ram(), rel=0.5)
    assert 0 < free_ram() <= psutil.virtual_memory().total


def test_a_measurement_belongs_to_a_processor_its_threads_and_a_torch() -> None:
    key = measurement_key(torch.device("cpu"))
    assert processor_name() in key
    assert f"{torch.get_num_threads()} threads" in key
    assert torch.__version__ in key


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone"
)
def test_a_thread_keeps_the_memory_of_what_it_computes() -> None:
    # In a process of its own: it cannot be undone.
    code = """
import resource, threading
import torch
from napari_srcnn.network.device import raise_malloc_thresholds

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    maps = [torch.empty(n << 20, dtype=torch.uint8).fill_(1) for n in (13, 13, 7, 20, 13, 13)]
    del maps
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

raise_malloc_thresholds()
found = []
thread = threading.Thread(target=lambda: found.extend(faults() for _ in range(10)))
thread.start()
thread.join()
print(*found)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, *_, before, last = map(int, run.stdout.split())
    assert first > 1000, "79 MiB are 20,000 pages of 4 KiB"
    assert before + last < first / 100
