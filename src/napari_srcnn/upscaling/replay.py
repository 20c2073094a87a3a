"""A result made again as its record tells, and whether the same bytes come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import napari_srcnn
from napari_srcnn.io import SUFFIX, SUFFIXES, is_zarr, read_stack
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.card import ModelInfo
from napari_srcnn.models.library import find_model, is_path, model_info, usable_models
from napari_srcnn.network.checkpoint import CheckpointError
from napari_srcnn.network.device import list_devices
from napari_srcnn.upscaling.files import FileRun, Job, is_folder_of_images
from napari_srcnn.upscaling.messages import Progress
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.pixels import KnownPixels, pixels_of
from napari_srcnn.upscaling.plan import load_plan
from napari_srcnn.upscaling.provenance import Pixels, Provenance, SourceFile, library_versions
from napari_srcnn.upscaling.resolve import resolve
from napari_srcnn.upscaling.sidecar import SUFFIX as SIDECAR
from napari_srcnn.upscaling.sidecar import embedded, read_sidecar


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The end of a replay.

    Attributes
    ----------
    is_same : bool
        Whether the same bytes came out.
    differences : tuple of str
        What is otherwise than it was, in sentences.
    pixels : Pixels or None
        Of what was made now; None where nothing was, as the model is another one.
    """

    is_same: bool
    differences: tuple[str, ...]
    pixels: Pixels | None = None


class Replay:
    """A result's record and what it can be made again of.

    Parameters
    ----------
    path : Path
        A result, or the sidecar beside one.
    source : Path, optional
        What it was made of, or the folder of that; by default it is looked for beside the result
        and in the current folder.
    model : Path or str, optional
        By default the one of the record's hash, whatever it is called.
    device : str
        "auto" takes that of the record, where it is here.

    Attributes
    ----------
    made : Provenance
    source : Path
    expected : Pixels

    Raises
    ------
    ValueError
        If there is no record, or not all that it needs; a sentence each.
    """

    def __init__(
        self,
        path: Path,
        *,
        source: Path | None = None,
        model: str | Path | None = None,
        device: str = "auto",
    ) -> None:
        self.path = path
        is_image = is_zarr(path) or path.name.lower().endswith(SUFFIXES)
        self.made = embedded(path) if is_image else read_sidecar(path)
        if self.made.is_partial:
            raise ValueError(f"{path} is of a run that was stopped, so there is no whole result.")
        if self.made.source is None or self.made.options is None:
            raise ValueError(
                f"{path} does not say of which file and with what options it was made; results "
                "that `napari-srcnn upscale` wrote do."
            )
        self.source = _source_of(self.made.source, path, source)
        self.model, self._wrong_model = _model_of(self.made, model)
        self.options = _options_of(self.made, self.model, _device_of(self.made, device), path)
        self.expected, self._changes = self._expected(is_image)

    def messages(self, out: Path | None = None) -> Iterator[Progress | Replayed]:
        """Make it again, and compare.

        Parameters
        ----------
        out : Path, optional
            An OME-TIFF to write; by default nothing is written.

        Raises
        ------
        ValueError
            If the source does not fit, or `out` cannot be written.
        """
        if self._wrong_model:
            yield Replayed(is_same=False, differences=(self._wrong_model,))
            return
        content = self._content()
        job = Job(source=self.source, target=out or Path(), image=content.image)
        if out is None:
            with job.open(self.options.axes) as stack:
                plan = load_plan(resolve(replace(self.options, axes=stack.axes), stack), stack)
                known = KnownPixels(plan.shape, plan.dtype)
                for message in plan.run(known):
                    if isinstance(message, Progress):
                        yield message
                again, now = known.pixels(), plan.provenance(with_ranges=False)
        else:
            _check_out(out)
            with FileRun(job, self.options) as run:
                for message in run.messages():
                    if isinstance(message, Progress):
                        yield message
            again, now = run.made.pixels or self.expected, run.made
        differences = (*self._changes, *_differences(self.made, now, content))
        is_same = again == self.expected and not self._changes
        yield Replayed(is_same=is_same, differences=differences, pixels=again)

    def _content(self) -> SourceFile:
        image = 0 if self.made.source is None else self.made.source.image
        job = Job(source=self.source, target=Path(), image=image)
        return SourceFile.of(self.source, image, job.files)

    def _expected(self, is_image: bool) -> tuple[Pixels, tuple[str, ...]]:
        """Return what the result is known by, and whether the file is that still."""
        told = self.made.pixels
        image = self.path
        if not is_image:
            if told is not None:
                return told, ()
            image = self.path.with_name(self.path.name.removesuffix(SIDECAR))
            if not image.exists():
                raise ValueError(
                    f"{self.path} has no hash of the pixels, and {image.name} is not beside it."
                )
        with read_stack(image) as stack:
            # Which TIFF has no type for, so that it was stored as float32.
            is_half = told is not None and told.dtype == "float16"
            found = pixels_of(stack, stack.axes.index("Y"), "float16" if is_half else None)
        if told is None or found == told:
            return found, ()
        return told, (f"The pixels of {image.name} were changed after it was made.",)


def _source_of(made: SourceFile, record: Path, given: Path | None) -> Path:
    # A name alone, whatever a record holds: it may be anybody's.
    name = Path(made.name).name
    name = "" if name == ".." else name
    if given is not None:
        found = given / name if is_folder_of_images(given) else given
        if not found.exists():
            raise ValueError(f"There is no {found}; say by --source where {name} is.")
        return found
    for folder in (record.parent, Path()):
        if name and (folder / name).exists():
            return folder / name
    raise ValueError(
        f"{name or 'What it was made of'} is neither beside {record.name} nor in this folder; say "
        "by --source where it is."
    )


def _model_of(made: Provenance, given: str | Path | None) -> tuple[ModelInfo, str]:
    """Return the model, and what is wrong with it; empty where nothing is."""
    if not made.model_sha256:
        raise ValueError(
            "It was made by a network that was in no file, so it cannot be made again."
        )
    named = f"{made.model} (sha256 {made.model_sha256[:12]}…)"
    if given is None:
        for info in usable_models():
            if info.sha256 == made.model_sha256:
                return info, ""
        if is_path(made.model):
            raise ValueError(f"The model {named} is not here; say by --model where it is.")
        try:
            find_model(made.model)
        except CheckpointError:
            raise ValueError(
                f"The model {named} is not here any more; say by --model where it is."
            ) from None
    info = model_info(made.model if given is None else given)
    if info.sha256 == made.model_sha256:
        return info, ""
    return info, f"The {info.name} here is another model than the {named} that it was made with."


def _device_of(made: Provenance, device: str) -> str:
    if device != "auto":
        return device
    if made.processor:
        return "cpu"
    same = [one.name for one in list_devices() if one.label == made.device]
    return same[0] if same else device


def _options_of(made: Provenance, model: ModelInfo, device: str, path: Path) -> Options:
    """Return the options that a record tells of, with its model, on a device."""
    asked: Mapping[str, Any] = made.options or {}
    try:
        noise = asked.get("noise", "auto")
        if isinstance(noise, list):
            noise = tuple(Noise(**one) for one in noise)
        names = ("axes", "window", "color", "dtype", "tf32", "half", "ensemble")
        return Options.of(
            made.scale,
            model=model.path,
            device=device,
            intensity=asked.get("intensity", "auto"),
            noise=noise,
            smoothing=asked.get("smoothing", 1.0),
            consistent=made.consistent,
            # What depended on the tile is tiled so again.
            deterministic=made.deterministic,
            tile=None if made.deterministic else made.tile,
            **{name: asked[name] for name in names if name in asked},
        )
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"The options that {path} holds make no sense: {error}") from error


def _check_out(out: Path) -> None:
    if not out.name.lower().endswith((SUFFIX, ".tif", ".tiff", ".ome.tiff")):
        raise ValueError(f"{out} is no name for an OME-TIFF; end it in {SUFFIX}.")
    if out.exists():
        raise ValueError(f"{out} is there already; name another file.")


def _differences(then: Provenance, now: Provenance, content: SourceFile) -> Iterator[str]:
    """Yield what is otherwise than it was."""
    if then.source is not None and then.source.content != content.content:
        yield f"{content.name} is not what it was when it was enlarged, or is another file."
    if then.version != napari_srcnn.__version__:
        yield f"It was made by napari-srcnn {then.version}, and this is {napari_srcnn.__version__}."
    for name, version in library_versions().items():
        was = then.libraries.get(name)
        if was is not None and was != version:
            yield f"It was made with {name} {was}, and here is {version}."
    where = [made.processor or made.device for made in (then, now)]
    if where[0] != where[1]:
        yield f"It was computed on {where[0]}, and now on {where[1]}."
    if not then.deterministic:
        yield "It was made without --deterministic, so bytes may depend on tiles and threads."
