"""A job of shards by the workers of a dask cluster, on this machine or on many."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from napari_srcnn.upscaling.shards.folder import Index
from napari_srcnn.upscaling.shards.local import LocalWorkers, need_distributed
from napari_srcnn.upscaling.shards.messages import ShardProgress, Watch
from napari_srcnn.upscaling.shards.run import Messages, ShardRun, Task
from napari_srcnn.upscaling.shards.worker import make_shard

if TYPE_CHECKING:
    from distributed import Client

# So many shards are under way for each worker: one is computed, one waits.
_AHEAD = 2
# How often a shard is given to another worker after its own died.
_TRIES = 10
_PATIENCE = "10s"


def shared(
    run: ShardRun,
    *,
    task: Task | None = None,
    workers: LocalWorkers | None = None,
    scheduler: str | None = None,
) -> Messages:
    """Return the messages of a run, done by whom it is to be done: by this process alone, if none.

    Parameters
    ----------
    run : ShardRun
        Entered.
    task : (int, int), optional
        As of :meth:`ShardRun.messages`.
    workers, scheduler
        As of :func:`on_cluster`.
    """
    if workers is not None or scheduler is not None:
        return on_cluster(run, workers=workers, scheduler=scheduler)
    return run.messages(task)


def on_cluster(
    run: ShardRun, *, workers: LocalWorkers | None = None, scheduler: str | None = None
) -> Messages:
    """Write what is missing by a cluster's workers, the pyramid too; this process finishes it.

    Parameters
    ----------
    run : ShardRun
        Entered.
    workers : LocalWorkers, optional
        Processes on this machine, which share its cores. Who made them closes them.
    scheduler : str, optional
        Address of a scheduler whose workers can read the source and write the target by the same
        paths.

    Raises
    ------
    ValueError
        If there is no such scheduler, it goes away, or a worker cannot do its part; what was
        written stays.
    """
    watch = Watch()
    there = len(run.grid(0)) - len(run.missing())
    with _connected(workers, scheduler) as client:
        yield from _shards(run, client, scheduler or "the local cluster", watch)
    yield from run.finish(watch, there)


@contextlib.contextmanager
def _connected(workers: LocalWorkers | None, scheduler: str | None) -> Iterator[Client]:
    need_distributed()
    import dask
    import distributed

    # What it has to say is said here, in a sentence.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    address = scheduler if workers is None else workers.address()
    with dask.config.set({"distributed.comm.timeouts.connect": _PATIENCE}):
        try:
            client = distributed.Client(address, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"There is no dask scheduler at {scheduler}: {error}. Start one by `dask scheduler`"
                ", or take --workers N."
            ) from error
        with client:
            yield client


def _shards(run: ShardRun, client: Client, address: str, watch: Watch) -> Iterator[ShardProgress]:
    """Give the missing shards to the workers, level after level, a few at a time."""
    with run.ledger.locked():
        there = run.there()
        levels = [run.missing(level, there) for level in (0, *run.upper_levels)]
        watch.begin(len(levels[0]), sum(map(len, levels[1:])))
        for level, missing in enumerate(levels):
            for _ in _level(run, client, address, level, missing):
                yield watch.step(level)


def _level(
    run: ShardRun, client: Client, address: str, level: int, missing: Sequence[Index]
) -> Iterator[Index]:
    """Give shards of one level to the workers; those of the level before are on the disk."""
    from distributed import CancelledError, as_completed
    from distributed.scheduler import KilledWorker

    waiting, tries = iter(missing), dict.fromkeys(missing, 0)
    store, device = str(run.job.target.absolute()), str(run.options.device)
    places: dict[Any, Index] = {}

    def submit(index: Index) -> Any:
        future = client.submit(make_shard, store, device, level, index, pure=False)
        places[future.key] = index
        return future

    first = [submit(index) for _, index in zip(range(_ahead(client)), waiting, strict=False)]
    if not first:
        return
    under_way: Any = as_completed(first)
    for future in under_way:
        index = places.pop(future.key)
        try:
            future.result()
        except KilledWorker:
            tries[index] += 1
            if tries[index] > _TRIES:
                raise ValueError(
                    f"The shard {index} ended {_TRIES} workers in a row; they may have too "
                    "little memory. What was written stays."
                ) from None
            under_way.add(submit(index))
            continue
        except (CancelledError, OSError) as error:
            raise ValueError(
                f"The connection to {address} was lost ({error}); what was written stays, so "
                "give the same command again when it is back."
            ) from error
        except ImportError as error:
            raise ValueError(
                f"A worker lacks what is needed ({error}); install the same napari-srcnn there."
            ) from error
        yield index
        following = next(waiting, None)
        if following is not None:
            under_way.add(submit(following))


def _ahead(client: Client) -> int:
    """Return how many shards are given to the workers at a time."""
    threads = sum(client.nthreads().values())
    if not threads:
        client.wait_for_workers(1, timeout=_PATIENCE)
        threads = sum(client.nthreads().values())
    return int(_AHEAD * threads)
