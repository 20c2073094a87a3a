"""Files in, files out: what is written where, what is done already, and one file at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import napari_srcnn
from napari_srcnn.io import (
    COMPRESSIONS,
    SUFFIX,
    SUFFIXES,
    OmeTiffWriter,
    Stack,
    read_stack,
    stack_name,
)
from napari_srcnn.models.library import MICROSCOPES, bundled_name, default_model, model_info
from napari_srcnn.upscaling.options import resolve

if TYPE_CHECKING:
    from types import TracebackType

    from napari_srcnn.upscaling.messages import Progress, Report
    from napari_srcnn.upscaling.plan import UpscalePlan

# An output is OME-TIFF, whichever of these endings it has.
_OUTPUT_SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is done to each file: the arguments of :func:`plan_upscale`, and of the output.

    Attributes
    ----------
    scale : int
    model : str
        A model's name or path; for None each file gets the bundled one that fits it.
    axes : str or None
        In place of what the files say.
    device : str
    intensity : str or tuple
    window : tuple of two floats, or None
    color, dtype, compression : str or None
    tile : int or None
    tf32, half, ensemble : bool
    """

    scale: int
    model: str | None
    axes: str | None = None
    device: str = "auto"
    intensity: Any = "auto"
    window: tuple[float, float] | None = None
    color: str | None = None
    dtype: str | None = None
    tile: int | None = None
    compression: str | None = None
    tf32: bool = False
    half: bool = False
    ensemble: bool = False

    def check(self) -> None:
        """Check what can be wrong whatever the image is.

        Raises
        ------
        ValueError
            With one sentence about the option.
        """
        if self.compression is not None and self.compression not in COMPRESSIONS:
            raise ValueError(
                f"compression is {self.compression!r}; it can be {' or '.join(COMPRESSIONS)}."
            )
        if self.model is None:
            default_model(self.scale)  # says which scales there are
        any_image = Stack(data=np.empty((1, 1), np.float32), axes="YX")
        resolve(
            any_image, self.scale, **self.for_plan(any_image) | {"color": None, "intensity": "auto"}
        )

    def for_plan(self, stack: Stack) -> dict[str, Any]:
        """Return the arguments of :func:`plan_upscale` but the device."""
        return {
            "model": self.model,
            "axes": stack.axes,
            "intensity": self.intensity,
            "window": self.window,
            "color": self.color,
            "dtype": self.dtype,
            "tile": self.tile,
            "tf32": self.tf32,
            "half": self.half,
            "ensemble": self.ensemble,
        }

    def _candidates(self) -> list[str]:
        if self.model is not None:
            return [self.model]
        both = (bundled_name(self.scale), bundled_name(self.scale, MICROSCOPES))
        return [name for name in both if name is not None]

    def record(self) -> dict[str, Any]:
        """Return what changes the pixels, as JSON values, to know an output again."""
        intensity = self.intensity
        return {
            "scale": self.scale,
            "model_sha256": [model_info(name).sha256 for name in self._candidates()],
            "axes": self.axes,
            "intensity": intensity if isinstance(intensity, str) else _listed(intensity),
            "window": None if self.window is None else list(self.window),
            "color": self.color,
            "dtype": self.dtype,
            "tf32": self.tf32,
            "half": self.half,
            "ensemble": self.ensemble,
        }


def choose_model(scale: int | None, model: str | None) -> tuple[int, str | None]:
    """Complete a scale by a model's; without a model, each image gets the one that fits it.

    Raises
    ------
    ValueError
        If there is no such model, or it does not enlarge by the scale.
    """
    if model is None:
        return 2 if scale is None else scale, None
    info = model_info(model)
    if scale not in (None, info.config.scale):
        raise ValueError(
            f"{info.name} enlarges ×{info.config.scale}, not ×{scale}; "
            f"choose a model for ×{scale} or leave the scale out."
        )
    return info.config.scale, model


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file to upscale and the file that becomes of it."""

    source: Path
    target: Path


def find_jobs(
    inputs: Iterable[Path], output: Path, *, scale: int, recursive: bool = False
) -> list[Job]:
    """Return what is to be read and what is to be written.

    Parameters
    ----------
    inputs : iterable of Path
        Files, and folders whose image files are taken.
    output : Path
        A file for one input file; a folder for all else. A folder need not exist yet.
    scale : int
        For the outputs' names: ``cells.tif`` becomes ``cells_x2.ome.tif``.
    recursive : bool
        Also take the files of a folder's subfolders; the output is arranged as they are.

    Raises
    ------
    ValueError
        If there is nothing to do, or something would be written over.
    """
    inputs = list(inputs)
    for path in inputs:
        if not path.exists():
            raise ValueError(f"There is no file or folder {path}; check its name.")
    single = len(inputs) == 1 and not inputs[0].is_dir()
    if single and not output.is_dir() and output.name.lower().endswith(_OUTPUT_SUFFIXES):
        jobs = [Job(source=inputs[0], target=output)]
    elif output.is_file() or output.name.lower().endswith(_OUTPUT_SUFFIXES):
        raise ValueError(
            f"{output} names a file, but there is more than one image to write; name a folder."
        )
    elif single and not output.is_dir() and output.suffix:
        raise ValueError(
            f"{output} is of a kind that is not written; "
            f"end its name in {SUFFIX}, or name a folder."
        )
    else:
        jobs = [job for path in inputs for job in _jobs_of(path, output, scale, recursive)]
    sources: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target == job.source.resolve():
            raise ValueError(f"{job.target} is the image itself; give the output another name.")
        if other := sources.get(target):
            raise ValueError(
                f"{other} and {job.source} would both be written to {job.target}; "
                "rename one of them."
            )
        sources[target] = job.source
    return jobs


def _jobs_of(path: Path, output: Path, scale: int, recursive: bool) -> list[Job]:
    """Return the jobs of one input whose outputs go to a folder."""
    ending = f"_x{scale}{SUFFIX}"
    if not path.is_dir():
        return [Job(source=path, target=output / (stack_name(path) + ending))]
    if output.resolve() == path.resolve():
        raise ValueError(f"{output} is also where the images are; name another folder for them.")
    written = output.resolve()
    found = [
        file
        for file in sorted(path.rglob("*") if recursive else path.iterdir())
        if file.name.lower().endswith(SUFFIXES)
        and not file.name.startswith(".")
        and file.is_file()
        # The output may stand inside of the input: what was written is no image to upscale.
        and written not in file.resolve().parents
    ]
    if not found:
        raise ValueError(f"There are no TIFF files in {path} (their names end in {_listing()}).")
    return [
        Job(
            source=file,
            target=output / file.parent.relative_to(path) / (stack_name(file) + ending),
        )
        for file in found
    ]


def _listing() -> str:
    return ", ".join(SUFFIXES)


def _listed(value: Any) -> Any:
    return [_listed(part) for part in value] if isinstance(value, list | tuple) else value


def why_not_done(job: Job, options: Options) -> str | None:
    """Return why a job's existing output is not its result, or None where it is.

    Parameters
    ----------
    job : Job
        Its target exists.
    options : Options

    Returns
    -------
    str or None
        The end of a sentence about the target.
    """
    try:
        with read_stack(job.target) as stack:
            made = stack.metadata.get("napari_srcnn")
    except ValueError:
        return "is no image that can be read"
    if not isinstance(made, Mapping) or "job" not in made:
        return "was not made by this program's upscale"
    if made["job"] != options.record():
        return "was made with another model or other options"
    if made.get("source") != _identity(job.source):
        return f"was made from another file than {job.source.name}"
    if job.source.stat().st_mtime > job.target.stat().st_mtime:
        return f"is older than {job.source.name}"
    return None


def _identity(path: Path) -> dict[str, Any]:
    return {"name": path.name, "bytes": path.stat().st_size}


def open_source(job: Job, options: Options) -> Stack:
    """Open a job's file, with its axes as the options name them.

    Raises
    ------
    ValueError
        If it cannot be read or has other axes.
    """
    stack = read_stack(job.source)
    try:
        return stack if options.axes is None else stack.with_axes(options.axes.upper())
    except ValueError:
        stack.close()
        raise


def check_job(job: Job, options: Options) -> None:
    """Check a job's file against the options, without torch and reading a few pixels at most.

    Raises
    ------
    ValueError
        With one sentence, if something does not fit.
    """
    with open_source(job, options) as stack:
        resolve(stack, options.scale, **options.for_plan(stack))


class FileRun:
    """One file's upscaling; a context manager that holds its files open.

    Nothing is under the target's name until the ``with`` block ends well.

    Parameters
    ----------
    job : Job
    options : Options

    Attributes
    ----------
    stack : Stack
        What is read.
    plan : UpscalePlan
    notes : tuple of str
        What its user should know of how it was read and is stored.

    Raises
    ------
    ValueError
        On entering, if the file cannot be read, does not fit the options, or the target cannot be
        written.
    """

    stack: Stack
    plan: UpscalePlan
    notes: tuple[str, ...]

    def __init__(self, job: Job, options: Options) -> None:
        self.job, self.options = job, options

    def __enter__(self) -> Self:
        from napari_srcnn.upscaling.api import plan_upscale

        options = self.options
        with ExitStack() as files:
            self.stack = files.enter_context(open_source(self.job, options))
            self.plan = plan_upscale(
                self.stack,
                options.scale,
                device=options.device,
                **options.for_plan(self.stack),
            )
            self.job.target.parent.mkdir(parents=True, exist_ok=True)
            self._writer = OmeTiffWriter(
                self.job.target,
                self.plan.shape,
                self.plan.dtype,
                **self.stack.upscaled(options.scale),
                provenance=self._provenance(),
                compression=options.compression,
                overwrite=True,
            )
            self.notes = self.stack.notes + self._writer.notes
            files.enter_context(self._writer)
            self._files = files.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def messages(self) -> Iterator[Progress | Report]:
        """Upscale into the target, with a message after each tile and a report at the end."""
        return self.plan.run(self._writer)

    def _provenance(self) -> dict[str, Any]:
        """Return how the output is made, as far as it is known before the first pixel."""
        plan = self.plan
        return {
            "model": plan.model_name,
            "model_sha256": plan.model_sha256,
            "scale": plan.scale,
            "intensity_ranges": [[r.low, r.high] for r in plan.ranges],
            "window": list(plan.request.window),
            "device": plan.device_label,
            "tile": plan.tile,
            "version": napari_srcnn.__version__,
            "source": _identity(self.job.source),
            "job": self.options.record(),
        }
