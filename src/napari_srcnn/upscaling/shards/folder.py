"""A job of shards in its folder: begun, or gone on with, and what of it is there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import napari_srcnn
from napari_srcnn.io import Stack
from napari_srcnn.io.names import address_of
from napari_srcnn.io.zarr.target import ZarrTarget
from napari_srcnn.upscaling.files import Job, record
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.plan import UpscalePlan, load_plan
from napari_srcnn.upscaling.provenance import Provenance, SourceFile
from napari_srcnn.upscaling.resolve import Plan, resolve
from napari_srcnn.upscaling.shards.job import ShardJob, fixed
from napari_srcnn.upscaling.shards.ledger import Ledger, Mark, Place

if TYPE_CHECKING:
    from types import TracebackType


Index = tuple[int, ...]


class JobFolder:
    """A job of shards and the folder it is written to; a context manager that opens the source.

    Entered, the source is open and the job is begun, or found to be the same as was begun before:
    the first measures the image once, and all go by that.

    Parameters
    ----------
    job : Job
        Its target is the folder of an OME-Zarr.
    options : Options
    version : str
        Of OME-Zarr: "0.5" or "0.4".
    compression : str, optional
        "zstd" by default; "blosc", "zlib" or "none".
    shard : sequence of int, optional
        One length an axis; by default up to 64 planes of 1024 x 1024 pixels.
    force : bool
        Begin anew where a job was begun that is another one.

    Attributes
    ----------
    stack : Stack
    made : ShardJob
    target : ZarrTarget
    ledger : Ledger

    Raises
    ------
    ValueError
        On entering: the image cannot be read or enlarged so, or something else is there already.
    """

    stack: Stack
    made: ShardJob
    target: ZarrTarget

    def __init__(
        self,
        job: Job,
        options: Options,
        *,
        version: str = "0.5",
        compression: str | None = None,
        shard: Sequence[int] | None = None,
        force: bool = False,
    ) -> None:
        self.job, self.options, self.force = job, options, force
        self.layout: dict[str, Any] = {"version": version, "compression": compression}
        if shard is not None:
            self.layout["shard"] = list(shard)
        self.ledger = Ledger(job.target)
        self._reopened = False

    @classmethod
    def reopen(cls, store: Path, device: Any = "auto") -> Self:
        """Return a run that goes on with the job that was begun in a folder.

        Raises
        ------
        ValueError
            If none was.
        """
        ledger = Ledger(store)
        if not ledger.is_there:
            raise ValueError(
                f"{store} holds no record of how it was made, so nothing can be compared with it; "
                "only what `napari-srcnn upscale` wrote as OME-Zarr has one."
            )
        made = ShardJob.load(ledger.job_path)
        run = cls(
            Job(source=made.source, target=store, image=made.image),
            made.fixed_options(device),
            version=made.layout["version"],
            compression=made.layout["compression"],
            shard=made.layout.get("shard"),
        )
        run.made, run._reopened = made, True
        return run

    # ------------------------------------------------------------ begin

    def __enter__(self) -> Self:
        with ExitStack() as files:
            self.stack = files.enter_context(self._open())
            self._begin()
            self._files = files.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def _open(self) -> Stack:
        return self.job.open(self.options.axes)

    def _content(self) -> SourceFile:
        """Return what the image is known by."""
        return SourceFile.of(self.job.source, self.job.image, self.job.files)

    def _begin(self) -> None:
        if self._reopened:
            self._check_version()
            self.target = self._target(self.made)
            return
        content = self._content()
        # Said before a folder is made: what is wrong with the image and the options.
        self._resolved = resolve(replace(self.options, axes=self.stack.axes), self.stack)
        asked = record(self.options)
        self._check_place()
        with self._new_folder(), self.ledger.beginning():
            if self.ledger.is_there:
                made = ShardJob.load(self.ledger.job_path)
                other = made.difference(content, self.job.image, asked, self.layout)
                if not other:
                    self.made, self.target = made, self._target(made)
                    return
                if not self.force:
                    raise ValueError(
                        f"{self.job.target} {other}; --force makes it anew, or name another folder."
                    )
                with self.ledger.locked():
                    self._clear()
            plan = load_plan(self._resolved, self.stack)
            made = ShardJob(
                source=_lasting(self.job.source),
                image=self.job.image,
                content=content,
                options=asked,
                fixed=fixed(plan),
                model_sha256=plan.model_sha256,
                layout=self.layout,
                provenance=replace(plan.provenance(), options=asked, source=content).to_dict(),
            )
            # By the file's own values: what is written there is what everybody else computes by.
            self.target = self._target(made)
            self.target.prepare()
            made.save(self.ledger.job_path)
            self.made = ShardJob.load(self.ledger.job_path)

    def _check_place(self) -> None:
        target = self.job.target
        if target.is_symlink():
            raise ValueError(f"{target} is a link to elsewhere; name the folder itself.")
        if target.exists() and not self.ledger.folder.is_dir():
            raise ValueError(
                f"{target} is there already and was not made by this program's upscale; "
                "name another folder."
            )

    @contextlib.contextmanager
    def _new_folder(self) -> Iterator[None]:
        """Remove the folder that was made for a job that could not be begun."""
        is_new = not self.job.target.exists()
        try:
            yield
        except BaseException:
            if is_new and not self.ledger.is_there:
                shutil.rmtree(self.job.target, ignore_errors=True)
            raise

    def _clear(self) -> None:
        """Remove what another job wrote, its record last."""
        for path in self.job.target.iterdir():
            if path.name != "0" and path.is_dir():
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        for path in (self.job.target / "0").iterdir():
            if path.name != self.ledger.folder.name:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.ledger.folder.glob("*.json*"):
            path.unlink()

    def _check_version(self) -> None:
        if self.made.version != napari_srcnn.__version__:
            raise ValueError(
                f"{self.job.target} was begun by napari-srcnn {self.made.version}, and here is "
                f"{napari_srcnn.__version__}; install the same version everywhere."
            )

    def _target(self, made: ShardJob, provenance: Provenance | None = None) -> ZarrTarget:
        plan = self._plan_of(made)
        return ZarrTarget(
            self.job.target,
            plan.shape,
            plan.dtype,
            **self.stack.upscaled(plan.scale),
            provenance=made.provenance if provenance is None else provenance.to_dict(),
            **made.layout,
        )

    def _plan_of(self, made: ShardJob) -> Plan:
        """Return what each process computes by: all that was measured is given."""
        plan = resolve(made.fixed_options(self.options.device), self.stack)
        if plan.model_sha256 != made.model_sha256:
            raise ValueError(
                f"{self.job.target} was begun with another model than the {plan.model_name} that "
                "is here; install the same model everywhere."
            )
        return plan

    # ------------------------------------------------------------ what is known of it

    @cached_property
    def plan(self) -> UpscalePlan:
        """What is computed by, with its network on its device."""
        return load_plan(self._plan_of(self.made), self.stack)

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should know of how the image was read, and what was measured of it."""
        text = self.made.provenance.get("noise_text", "")
        measured = f"Noise: {text}." if text else ""
        note = "" if self._reopened else self._resolved.note
        return tuple(one for one in (*self.stack.notes, note, measured) if one)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there and the folder is an image."""
        return self.target.is_sealed and not self.missing()

    @property
    def upper_levels(self) -> range:
        """The numbers of the pyramid's levels, each of which is made of the one before."""
        return range(1, len(self.target.levels))

    def missing(self, level: int = 0, there: Mapping[Place, Mark] | None = None) -> list[Index]:
        """Return the shards of a level that are not `there`, by default not on the disk."""
        there = self.there() if there is None else there
        return [index for index in self.grid(level) if (level, index) not in there]

    def there(self) -> dict[Place, Mark]:
        """Return the marks of shards whose files are still there, and as long as they were."""
        return {place: mark for place, mark in self.ledger.marks().items() if self._fits(mark)}

    def _fits(self, mark: Mark) -> bool:
        try:
            return all(
                self.target.key_path(key).stat().st_size == size for key, size, _ in mark.files
            )
        except OSError:
            return False

    def grid(self, level: int) -> list[Index]:
        """Return all shards of a level."""
        return list(np.ndindex(*self.target.levels[level].grid))


def _lasting(path: Path) -> Path:
    """Return a path that means the same wherever a process stands; an address is one already."""
    return path if address_of(path) is not None else path.absolute()
