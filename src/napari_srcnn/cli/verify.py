"""``napari-srcnn verify``: whether an OME-Zarr is still what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_srcnn.cli.app import app, boundary, say

FAULTS = 1
# Said one by one up to so many.
_LISTED = 20


@app.command()
def verify(
    store: Annotated[Path, typer.Argument(metavar="OUT", help="An OME-Zarr that `upscale` wrote.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the shards that are not as written again.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Read a result again, shard by shard, and find what is missing, truncated or altered.

    Exit codes: 0 all is as it was written, or was repaired; 1 it is not; 2 wrong input.
    """
    code = 0
    with boundary():
        from tqdm import tqdm

        from napari_srcnn.cli.shards import follow, prepare
        from napari_srcnn.upscaling.shards.run import ShardRun
        from napari_srcnn.upscaling.shards.verify import drop
        from napari_srcnn.upscaling.shards.verify import verify as check
        from napari_srcnn.words import count_of

        with ShardRun.reopen(store, device) as run:
            faults, total = [], 0
            bar = tqdm(desc=store.name, unit="shard", leave=False, disable=True if quiet else None)
            with bar:
                for checked in check(run):
                    bar.total, total = checked.shards_total, checked.shards_total
                    bar.update()
                    if checked.fault is not None:
                        faults.append(checked.fault)
            for fault in faults[:_LISTED]:
                say(f"{fault}.")
            if len(faults) > _LISTED:
                say(f"… and {len(faults) - _LISTED} more.")
            if not faults and run.is_whole:
                if not quiet:
                    typer.echo(f"{store}: {count_of(total, 'shard')}, each as it was written.")
            elif repair:
                prepare(run.options, quiet=quiet)
                drop(run, faults)
                report = follow(run.messages(), store.name, quiet=quiet)
                if not quiet:
                    typer.echo(
                        f"{store}: {count_of(len(faults), 'shard')} of {total} made again in "
                        f"{report.seconds:.1f} s."
                    )
            else:
                what = (
                    f"{len(faults)} of {count_of(total, 'shard')} not as written"
                    if faults
                    else "the image was not finished"
                )
                say(f"{store}: {what}; --repair makes up for it.")
                code = FAULTS
    raise typer.Exit(code)
