"""A job as a line that runs: of the command line, and of Python. Knows no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_srcnn.io import SUFFIX, StackError, image_names, read_stack, stack_name
from napari_srcnn.upscaling.batch.messages import Writing
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.resolve import choose_scale
from napari_srcnn.upscaling.spelling import keywords_of, words_of
from napari_srcnn.words import shell_line

PROGRAM = "napari-srcnn"
#: What stands for an image that is in no file.
PLACEHOLDER = "PUT-THE-IMAGE-HERE.ome.tif"
# Of files with more images than that, none is looked for.
_MOST_IMAGES = 32


# ---------------------------------------------------------------- an image


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a line finds an image.

    Attributes
    ----------
    name : str
        What the image is called.
    path : str
        Of its file; empty where it is in none.
    image : int or None
        Which of the file's images, from 1; None where it holds one.
    axes : str or None
        What has to be said of the axes; None where the file says it right.
    is_multiscale : bool
        Whether it is the finest of several levels.
    is_part : bool
        Whether it is one channel of what the file holds.
    caution : str
        Why it is in no file, as a sentence, where that is not plain.
    """

    name: str
    path: str = ""
    image: int | None = None
    axes: str | None = None
    is_multiscale: bool = False
    is_part: bool = False
    caution: str = ""

    def target(self, scale: int, suffix: str = SUFFIX) -> str:
        """Return a file beside the image's own for what becomes of it."""
        path = Path(self.path or PLACEHOLDER)
        number = "" if self.image is None else f"_image{self.image}"
        folder = Path() if "://" in self.path or not self.path else path.parent
        return str(folder / f"{stack_name(path)}{number}_x{scale}{suffix}")


def to_save(origin: Origin, placeholder: str) -> str:
    """Return what its user has to do with an image that stands in a line as `placeholder`."""
    why = "comes from no file" if not origin.path else "is a part of its file"
    return (
        f"{origin.caution or f'{origin.name} {why}.'} Save its layer, and put the path of that "
        f"file in place of {placeholder}."
    )


def commented(sentences: Sequence[str]) -> list[str]:
    """Return sentences as comments: of a name with several lines, none becomes one that runs."""
    return [f"# {' '.join(text.split())}" for text in sentences]


def origin_of(
    name: str,
    path: str | None,
    pixels: Any,
    axes: str,
    *,
    is_multiscale: bool = False,
) -> Origin:
    """Return where an image is found again, after a look at the file that it came from.

    Parameters
    ----------
    name : str
    path : str or None
    pixels : array-like
        What is to be enlarged; its shape and dtype tell what of the file it is.
    axes : str
        A letter for each of its axes.
    is_multiscale : bool
        Whether it is the finest of several levels.
    """
    # The last two axes are Y and X, where nothing else is said.
    told = axes if set(axes) & set("CS") else None
    if not path:
        return Origin(name=name, axes=told, is_multiscale=is_multiscale)
    if "://" not in path:
        path = str(Path(path).absolute())
    found = _look_into(path, name, tuple(pixels.shape), np.dtype(pixels.dtype))
    if isinstance(found, str):
        return Origin(name=name, axes=told, is_multiscale=is_multiscale, caution=found)
    image, own_axes, is_part = found
    if is_part:
        return Origin(name=name, path=path, image=image, is_part=True)
    # Of the other letters nothing depends but what the result's file says.
    says_right = [c in "CS" and c for c in axes] == [c in "CS" and c for c in own_axes]
    return Origin(name=name, path=path, image=image, axes=None if says_right else axes)


def _look_into(
    path: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[int | None, str, bool] | str:
    """Return which image of a file has a shape, its axes, and whether it has more channels.

    Or else a sentence about what was found.
    """
    file = Path(path).name
    try:
        names = image_names(path)
        fitting: list[tuple[int, str, bool]] = []
        for number in range(min(len(names), _MOST_IMAGES)):
            with read_stack(path, series=number) as stack:
                if stack.dtype.newbyteorder("=") != dtype.newbyteorder("="):
                    continue
                axes, parts = stack.axes, [stack.shape]
                parts += [
                    (*stack.shape[:at], *stack.shape[at + 1 :])
                    for at, letter in enumerate(axes)
                    if letter in "CS"
                ]
            if shape in parts:
                fitting.append((number, axes, shape != parts[0]))
    except (StackError, OSError) as error:
        return f"{name} came from {path}, which cannot be read now ({error})."
    if len(fitting) > 1:
        # Our reader calls the layers by their images' names.
        called = [one for one in fitting if names[one[0]] in name]
        fitting = called or fitting
    if not fitting:
        return f"{name} is not what {file} holds: it was cut, changed or read in another way."
    if len(fitting) > 1:
        return f"{file} holds {len(names)} images, and it is not known which of them {name} is."
    number, axes, is_part = fitting[0]
    return (None if len(names) == 1 else number + 1), axes, is_part


def command_of(origin: Origin, options: Options, *, suffix: str = SUFFIX) -> str:
    """Return the command that upscales an image into a file.

    Where the image is in no file, or the line does more than was asked for, a comment before it
    says so.

    Parameters
    ----------
    origin : Origin
    options : Options
        Their axes count for nothing: the origin knows better.
    suffix : str
        What the result's name ends in: OME-TIFF's or OME-Zarr's.

    Raises
    ------
    ValueError
        If an option cannot be said in a line.
    """
    paths = [origin.path or PLACEHOLDER, origin.target(_scale(options), suffix)]
    image = [] if origin.image is None else ["--image", str(origin.image)]
    line = shell_line([PROGRAM, "upscale", *paths, *image, *words_of(_seen(options, origin))])
    fill = f"Save its layer, and put the path of that file in place of {PLACEHOLDER}."
    return "\n".join((*_comments(origin, fill), line))


def python_of(origin: Origin, options: Options, *, suffix: str = SUFFIX) -> str:
    """Return the Python that does the same as :func:`command_of`.

    Of an image that is in no file it takes the layer's pixels, as napari's console has them.
    """
    scale, keywords = _scale(options), keywords_of(_seen(options, origin))
    lines = ["import napari_srcnn", ""]
    if origin.path:
        given = [repr(origin.path), repr(origin.target(scale, suffix)), str(scale)]
        if origin.image is not None:
            given.append(f"image={origin.image - 1}")
        lines.append(f"napari_srcnn.upscale_file({', '.join((*given, *keywords))})")
    else:
        level = "[0]" if origin.is_multiscale else ""
        lines += [
            f"image = viewer.layers[{origin.name!r}].data{level}",
            f"result = napari_srcnn.upscale({', '.join(('image', str(scale), *keywords))})",
        ]
    fill = "This takes its layer in napari's console; elsewhere, let `image` be an array."
    return "\n".join((*_comments(origin, fill), *lines))


def _seen(options: Options, origin: Origin) -> Options:
    """Return options with what has to be said of the axes."""
    return replace(options, axes=origin.axes)


def _scale(options: Options) -> int:
    model = options.model if isinstance(options.model, str | Path) else None
    return choose_scale(options.scale, model)


def _comments(origin: Origin, otherwise: str) -> list[str]:
    """Return what is said before a line; `otherwise` where the image is in no file."""
    said = ""
    if origin.is_part:
        file = Path(origin.path).name
        said = f"{origin.name} is one channel of {file}: this enlarges all channels, each alike."
    if not origin.path:
        said = f"{origin.caution or f'{origin.name} comes from no file.'} {otherwise}"
    return commented([said]) if said else []


# ---------------------------------------------------------------- a folder


def folder_command(
    source: Path, output: Path, options: Options, writing: Writing, *, recursive: bool
) -> str:
    """Return the command that upscales a folder's images into another folder."""
    words = [PROGRAM, "upscale", str(source.absolute()), str(output.absolute())]
    words += ["--recursive"] * recursive + words_of(options) + words_of(writing)
    return shell_line(words)


def folder_python(
    source: Path, output: Path, options: Options, writing: Writing, *, recursive: bool
) -> str:
    """Return the Python that does the same as :func:`folder_command`."""
    source, output = source.absolute(), output.absolute()
    asked = ", ".join((f"scale={options.scale!r}", *keywords_of(options)))
    return "\n".join(
        (
            "from pathlib import Path",
            "",
            "import napari_srcnn",
            "from napari_srcnn.upscaling.batch.messages import Ended, Writing",
            "from napari_srcnn.upscaling.batch.outcomes import report_of",
            "from napari_srcnn.upscaling.batch.run import reported, upscale_files",
            "from napari_srcnn.upscaling.files import find_jobs",
            "from napari_srcnn.upscaling.options import Options",
            "",
            f"source, output = Path({str(source)!r}), Path({str(output)!r})",
            f"options = Options({asked})",
            f"writing = Writing({', '.join(keywords_of(writing))})",
            f"jobs = find_jobs([source], output, scale={_scale(options)}, "
            f"recursive={recursive}, suffix=writing.suffix)",
            "for message in reported(upscale_files(jobs, options, writing), report_of(output)):",
            "    if isinstance(message, Ended):",
            "        print(message.task.label, message.outcome.outcome, message.outcome.sentence)",
        )
    )
