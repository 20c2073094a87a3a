"""Upscale a file into a file: the public function, a few lines over what the command line runs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from napari_srcnn.upscaling.files import FileRun, Job
from napari_srcnn.upscaling.options import Asked, Options
from napari_srcnn.upscaling.shards.cluster import shared
from napari_srcnn.upscaling.shards.local import LocalWorkers
from napari_srcnn.upscaling.shards.run import ShardRun
from napari_srcnn.upscaling.sidecar import embedded, write_sidecar

if TYPE_CHECKING:
    import os


def upscale_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    scale: int | None = None,
    *,
    image: int = 0,
    compression: str | None = None,
    version: Literal["0.5", "0.4"] = "0.5",
    task: tuple[int, int] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    sidecar: bool = False,
    **options: Unpack[Asked],
) -> Path:
    """Upscale an image file into an OME-TIFF, or into an OME-Zarr shard by shard.

    Parameters
    ----------
    source : str or path-like
        See :func:`read_stack`.
    target : str or path-like
        Its ending says which: ``.ome.tif`` or ``.ome.zarr``. An OME-TIFF is replaced; an OME-Zarr
        of the same job is gone on with, and that of another one refused.
    scale : {2, 3, 4}, optional
    image : int
        Which of the source's images, from 0.
    compression : str, optional
        Of an OME-TIFF: "zlib", "lzw" or "zstd", none by default. Of an OME-Zarr: "zstd" (by
        default), "blosc", "zlib" or "none".
    version : {"0.5", "0.4"}
        Of OME-Zarr.
    task : (int, int), optional
        Write the first number's part of so many only, from 1; the last to end finishes the image.
    workers : int, optional
        Write by so many processes on this machine.
    scheduler : str, optional
        Write by the workers of the dask scheduler at this address.
    sidecar : bool
        Write how it was made into a file beside it, ``TARGET.json``, too.
    **options
        As in :func:`plan_upscale`.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    ValueError
        If something does not fit, or cannot be read or written; the message says what would work.
    """
    job = Job(source=Path(source), target=Path(target), image=image)
    asked = Options.of(scale, **options)
    named = [one for one in (task, workers, scheduler) if one is not None]
    if len(named) > 1:
        raise ValueError("task, workers and scheduler cannot be given together; choose one.")
    if not job.target.name.lower().endswith(".zarr"):
        if named or version != "0.5":
            raise ValueError(
                f"{job.target.name} is no OME-Zarr, which alone can be shared or has a version; "
                "end its name in .ome.zarr."
            )
        with FileRun(job, asked, compression=compression) as run:
            for _ in run.messages():
                pass
        if sidecar:
            write_sidecar(job.target, run.made)
        return job.target
    with (
        nullcontext() if workers is None else LocalWorkers(workers) as processes,
        ShardRun(job, asked, version=version, compression=compression) as shards,
    ):
        for _ in shared(shards, task=task, workers=processes, scheduler=scheduler):
            pass
    if sidecar and shards.is_whole:
        write_sidecar(job.target, embedded(job.target))
    return job.target
