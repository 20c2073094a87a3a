"""Files in, files out: what is written where, what is done already, and one file at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from napari_srcnn.io import (
    SUFFIX,
    SUFFIXES,
    OmeTiffWriter,
    Stack,
    StackError,
    image_files,
    images_in,
    read_stack,
    stack_name,
)
from napari_srcnn.io.behind import WriteBehind
from napari_srcnn.io.zarr.store import is_there, is_zarr
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.library import bundled_name, microscopes_model, model_info
from napari_srcnn.upscaling.messages import Report
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.pixels import KnownPixels
from napari_srcnn.upscaling.provenance import Provenance, SourceFile
from napari_srcnn.upscaling.resolve import Plan, choose_scale, resolve

if TYPE_CHECKING:
    from types import TracebackType

    from napari_srcnn.upscaling.messages import Progress
    from napari_srcnn.upscaling.plan import UpscalePlan

# An output is OME-TIFF, whichever of these endings it has.
_OUTPUT_SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")
# Names of a file's images that a sentence gives at most.
_LISTED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file to upscale and the file that becomes of it.

    Attributes
    ----------
    source, target : Path
    image : int
        Which of the source's images, from 0.
    known : tuple of Path
        The files that hold the image, where somebody has looked.
    """

    source: Path
    target: Path
    image: int = 0
    known: tuple[Path, ...] = field(default=(), compare=False, repr=False)

    def open(self, axes: str | None = None) -> Stack:
        """Open the source's image, with its axes named `axes` where they are given.

        Raises
        ------
        StackError
            If it cannot be read, or has other axes.
        """
        stack = read_stack(self.source, series=self.image)
        try:
            return stack if axes is None else stack.with_axes(axes)
        except ValueError:
            stack.close()
            raise

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the image: the source, and others where it is spread over several."""
        if self.known:
            return self.known
        try:
            return image_files(self.source, self.image)
        except StackError:  # said when the file is opened
            return (self.source,)


def find_jobs(
    inputs: Iterable[Path],
    output: Path,
    *,
    scale: int,
    recursive: bool = False,
    suffix: str = SUFFIX,
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
    suffix : str
        What the outputs' names in a folder end in, which says what kind of file they are.

    Raises
    ------
    ValueError
        If there is nothing to do, or something would be written over.
    """
    inputs = list(inputs)
    ending = f"_x{scale}{suffix}"
    for path in inputs:
        if not is_there(path):
            raise ValueError(f"There is no file or folder {path}; check its name.")
    single = len(inputs) == 1 and not is_folder_of_images(inputs[0])
    names_file = output.name.lower().endswith(_OUTPUT_SUFFIXES)
    if names_file and suffix != SUFFIX:
        raise ValueError(
            f"{output} is no name for an OME-Zarr; end it in {suffix}, or name a folder."
        )
    if single and not output.is_dir() and names_file:
        jobs = [Job(source=inputs[0], target=output)]
    elif output.is_file() or names_file:
        raise ValueError(
            f"{output} names a file, but there is more than one image to write; name a folder."
        )
    elif single and not output.is_dir() and output.suffix:
        raise ValueError(
            f"{output} is of a kind that is not written; "
            f"end its name in {SUFFIX}, or name a folder."
        )
    else:
        jobs = [job for path in inputs for job in _jobs_of(path, output, ending, recursive)]
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


def split_job(job: Job, image: int | str | None = None) -> list[Job]:
    """Return a job for each image of a job's source, each with a target of its own.

    Parameters
    ----------
    job : Job
    image : int or str, optional
        The only one that is wanted: its name, or its number from 1.

    Raises
    ------
    ValueError
        If there is no such image.
    """
    try:
        found = images_in(job.source)
    except StackError:  # said when the file is opened
        return [job]
    if image is not None:
        number = _number_of(image, [name for name, _ in found], job.source)
        return [replace(job, image=number, known=found[number][1])]
    if len(found) == 1:
        return [replace(job, known=found[0][1])]
    stem = stack_name(job.target)
    ending = job.target.name[len(stem) :]
    return [
        replace(
            job, image=n, target=job.target.with_name(f"{stem}_image{n + 1}{ending}"), known=files
        )
        for n, (_, files) in enumerate(found)
    ]


def _number_of(image: int | str, names: Sequence[str], source: Path) -> int:
    """Return which image is meant, from 0; a name goes before a number."""
    if image in names:
        return names.index(str(image))
    if str(image).strip().isdecimal():
        if 1 <= int(image) <= len(names):
            return int(image) - 1
        held = "one image" if len(names) == 1 else f"{len(names)} images"
        raise ValueError(
            f"{source.name} holds {held}; there is no number {image} (they count from 1)."
        )
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    raise ValueError(f"{source.name} holds no image called {image!r}; there are {listed}.")


def _jobs_of(path: Path, output: Path, ending: str, recursive: bool) -> list[Job]:
    """Return the jobs of one input whose outputs go to a folder."""
    if not is_folder_of_images(path):
        return [Job(source=path, target=output / (stack_name(path) + ending))]
    if output.resolve() == path.resolve():
        raise ValueError(f"{output} is also where the images are; name another folder for them.")
    written = output.resolve()
    found = [
        file
        for file in sorted(_entries(path, recursive=recursive))
        if (is_zarr(file) or (file.name.lower().endswith(SUFFIXES) and file.is_file()))
        and not file.name.startswith(".")
        # The output may stand inside of the input: what was written is no image to upscale.
        and written not in file.resolve().parents
    ]
    if not found:
        raise ValueError(f"There are no images in {path} (their names end in {_listing()}).")
    return [
        Job(
            source=file,
            target=output / file.parent.relative_to(path) / (stack_name(file) + ending),
        )
        for file in found
    ]


def is_folder_of_images(path: Path) -> bool:
    """Tell whether a path is a folder, and no image that is one."""
    return path.is_dir() and not is_zarr(path)


def _entries(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """Yield what is in a folder, and in its subfolders; an image that is a folder is one thing."""
    for path in folder.iterdir():
        yield path
        if recursive and not path.is_symlink() and is_folder_of_images(path):
            yield from _entries(path, recursive=True)


def _listing() -> str:
    return ", ".join(SUFFIXES)


def record(options: Options) -> dict[str, Any]:
    """Return what of the options changes the pixels, as JSON values, to know an output again."""
    return {
        "scale": choose_scale(options.scale, _named(options)),
        "model_sha256": [model_info(name).sha256 for name in _candidates(options)],
        "axes": options.axes,
        "intensity": _listed(options.intensity),
        "window": _listed(options.window),
        "color": options.color,
        "dtype": None if options.dtype is None else options.dtype.name,
        "tf32": options.tf32,
        "half": options.half,
        "ensemble": options.ensemble,
        # Left out where they are as usual: records from before there were any stay true.
        **({} if options.noise == "auto" else {"noise": _noise_record(options.noise)}),
        **({} if options.smoothing == 1 else {"smoothing": options.smoothing}),
        **({"consistent": True} if options.consistent else {}),
        **({} if options.deterministic is None else {"deterministic": options.deterministic}),
    }


def _noise_record(noise: tuple[Noise, ...] | None) -> list[dict[str, float]] | None:
    return None if noise is None else [asdict(one) for one in noise]


def _named(options: Options) -> str | Path | None:
    """Return the model as a file's job can name it."""
    if options.model is None or isinstance(options.model, str | Path):
        return options.model
    raise ValueError("Files are upscaled by a model's name or file, by which they are known again.")


def _candidates(options: Options) -> list[str | Path]:
    """Return the models that an image may get; which of them, only a look at its pixels says."""
    if (model := _named(options)) is not None:
        return [model]
    scale = choose_scale(options.scale, None)
    both = (bundled_name(scale), microscopes_model(scale))
    return [name for name in both if name is not None]


def _listed(value: Any) -> Any:
    return [_listed(part) for part in value] if isinstance(value, list | tuple) else value


def why_not_done(job: Job, options: Options) -> str | None:
    """Return why a job's existing output is not its result, or None where it is.

    An input is known by its content, and by that of the other files that hold its image.

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
            written = stack.metadata.get("napari_srcnn")
    except ValueError:
        return "is no image that can be read"
    try:
        made = Provenance.from_dict(written)  # type: ignore[arg-type]  # whatever a file holds
    except ValueError:
        made = None
    if made is None or made.options is None or made.source is None:
        return "was not made by this program's upscale"
    if made.options != record(options):
        return "was made with another model or other options"
    if not made.source.content:
        return _older_reason(job, made.source)
    now = SourceFile.of(job.source, job.image, job.files)
    if (now.content, now.image) == (made.source.content, made.source.image):
        return None
    if now.name != made.source.name:
        return f"was made from another file than {job.source.name}"
    if now.image != made.source.image:
        return f"was made from another image of {job.source.name}"
    return f"was made before {job.source.name} was changed"


def _older_reason(job: Job, source: SourceFile) -> str | None:
    """Return the same for what version 0.1 wrote, which knew files by name, size and date."""
    stat = job.source.stat()
    if (source.name, source.bytes) != (job.source.name, stat.st_size):
        return f"was made from another file than {job.source.name}"
    if stat.st_mtime > job.target.stat().st_mtime:
        return f"is older than {job.source.name}"
    return None


class FileRun:
    """One file's upscaling; a context manager that holds its files open.

    The source is opened, and the options are held against it, when the block is entered; torch is
    loaded when the work begins. Nothing is under the target's name until the block ends well.

    Parameters
    ----------
    job : Job
    options : Options
    compression : str, optional
        Of the target; one of :data:`~napari_srcnn.io.COMPRESSIONS`.

    Attributes
    ----------
    stack : Stack
        What is read.
    request : Plan
        What will be done, known without torch.
    notes : tuple of str
        What its user should know of how it was read and is stored, once the work has begun.
    made : Provenance
        How the target was made, once the work is done.

    Raises
    ------
    ValueError
        On entering, if the file cannot be read or does not fit the options; as the work begins, if
        the target cannot be written.
    """

    stack: Stack
    request: Plan
    made: Provenance

    def __init__(self, job: Job, options: Options, *, compression: str | None = None) -> None:
        self.job, self.options, self.compression = job, options, compression
        self.notes: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        with ExitStack() as files:
            self.stack = files.enter_context(self.job.open(self.options.axes))
            # What the file says of its axes, where the user says nothing else.
            self.request = resolve(replace(self.options, axes=self.stack.axes), self.stack)
            self._files = files.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)

    @cached_property
    def plan(self) -> UpscalePlan:
        """What will be done, with its network on its device."""
        from napari_srcnn.upscaling.plan import load_plan

        return load_plan(self.request, self.stack)

    def messages(self) -> Iterator[Progress | Report]:
        """Upscale into the target, with a message after each tile and a report at the end.

        Nothing can be wrong with the target any more when this returns.
        """
        # It is known by its bytes, and reading all of them takes a while.
        aside = self._files.enter_context(ThreadPoolExecutor(1, thread_name_prefix="known"))
        source = aside.submit(self._source)
        self.plan.choose_tile()
        made = replace(self.plan.provenance(), options=record(self.options))
        self.job.target.parent.mkdir(parents=True, exist_ok=True)
        writer = OmeTiffWriter(
            self.job.target,
            self.plan.shape,
            self.plan.dtype,
            **self.stack.upscaled(self.plan.scale),
            provenance=made.to_dict(),
            compression=self.compression,
            overwrite=True,
        )
        self.notes = self.stack.notes + writer.notes
        known = KnownPixels(self.plan.shape, self.plan.dtype, self._files.enter_context(writer))
        # Ends before the writer does, whatever ends them.
        behind = self._files.enter_context(WriteBehind(known, settle=writer.settle))
        return self._run(behind, known, writer, made.options, source)

    def _run(
        self,
        behind: WriteBehind,
        known: KnownPixels,
        writer: OmeTiffWriter,
        options: Mapping[str, Any] | None,
        source: Future[SourceFile],
    ) -> Iterator[Progress | Report]:
        """Write the planes, know them by their hash, and say in the file what is known then."""
        with closing(self.plan.run(behind)) as messages:  # type: ignore[type-var]  # a generator
            for message in messages:
                if isinstance(message, Report):
                    behind.flush()
                    self.made = replace(
                        message.provenance,
                        options=options,
                        source=source.result(),
                        pixels=known.pixels(),
                    )
                    writer.describe(self.made.to_dict())
                yield message

    def _source(self) -> SourceFile:
        return SourceFile.of(self.job.source, self.job.image, self.job.files)
