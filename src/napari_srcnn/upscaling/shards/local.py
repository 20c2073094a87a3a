"""Worker processes on this machine, which begin while the job is still being opened."""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

# What every worker needs. Where they can be forked off one process that has it, it is loaded once.
_NEEDED = [
    "distributed",
    "napari_srcnn.upscaling.shards.run",
    "napari_srcnn.upscaling.shards.worker",
]
# What they are given to end, in seconds: one may have half a shard to compute.
_PATIENCE = 10.0


class LocalWorkers:
    """A dask cluster of some processes on this machine, of one thread each.

    Parameters
    ----------
    count : int
        At least 1.

    Attributes
    ----------
    process : subprocess.Popen or None
        Which has them, once they are begun.

    Notes
    -----
    Loading torch takes each worker seconds, as it takes the process that opens the job; so they are
    begun beside it and waited for where they are needed. A process of its own has them: threads of
    the opening one would load modules by turns with it, and a script that starts workers would be
    read by each of them again. It ends when this process does, however that comes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Start the processes, if nobody did yet; this does not wait for them.

        Raises
        ------
        ValueError
            If dask.distributed is not installed.
        """
        if self.process is not None:
            return
        need_distributed()
        program = f"from {__name__} import host; host({self.count})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Ctrl-C is this process's; it lets them end what they have begun.
            start_new_session=True,
        )

    def address(self) -> str:
        """Return the address of their scheduler when they are there.

        Raises
        ------
        ValueError
            If they cannot be started.
        """
        self.begin()
        assert self.process is not None
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        if not said.startswith("tcp://"):
            raise ValueError(
                f"The {self.count} workers could not be started: {said or 'their process ended'}. "
                "Without --workers this process does the work alone."
            )
        return said

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process is None:
            return
        try:
            self.process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def need_distributed() -> None:
    """Make sure that dask.distributed can be loaded, without doing it.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    if importlib.util.find_spec("distributed") is None:
        raise ValueError(
            "Workers and schedulers need dask.distributed; pip install 'napari-srcnn[cluster]'."
        )


def host(count: int) -> None:
    """Have a cluster of `count` workers until the standard input ends; it says its address."""
    from distributed import LocalCluster

    _prepare_forks()
    try:
        cluster: Any = LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            silence_logs=logging.CRITICAL,
            # Else it listens at a port of its own on every network, for a page that nobody reads.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        )
    except (OSError, RuntimeError) as error:
        _say(" ".join(str(error).split()))
        return
    with cluster:
        _say(cluster.scheduler_address)
        sys.stdin.read()


def _prepare_forks() -> None:
    """Let workers be forked off a process that did nothing but load what they need.

    Only on Linux: Windows cannot fork, and on macOS libraries may use threads when they are loaded.
    """
    import dask
    from distributed.utils import get_mp_context

    if sys.platform == "linux":
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
        # The first call names modules of its own.
        get_mp_context()
        multiprocessing.get_context("forkserver").set_forkserver_preload(_NEEDED)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
