"""``napari-srcnn upscale``: TIFF, OME-Zarr and others in, OME-TIFF or OME-Zarr out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_srcnn.cli.app import app, boundary
from napari_srcnn.cli.batch import upscale_files
from napari_srcnn.cli.shards import ZARR_SUFFIX, Share, upscale_to_zarr

if TYPE_CHECKING:
    from napari_srcnn.microscope.noise import Noise
    from napari_srcnn.upscaling.noise_option import Told


class Color(StrEnum):
    """What of a colour image passes the network."""

    luma = "luma"
    channels = "channels"


class FileFormat(StrEnum):
    """What a folder's images are written as."""

    tiff = "tiff"
    ome_zarr = "ome-zarr"


class OmeZarr(StrEnum):
    """The versions of OME-Zarr that are written."""

    newest = "0.5"
    older = "0.4"


class Compression(StrEnum):
    """How the output is compressed; all without loss."""

    zlib = "zlib"
    lzw = "lzw"
    zstd = "zstd"


@app.command()
def upscale(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN",
            help="TIFF files (ImageJ, OME too), OME-Zarrs, ND2, CZI and LIF, or folders of them.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The OME-TIFF or OME-Zarr to write, ending in .ome.tif or .ome.zarr; or a "
            "folder, for NAME_x2.ome.tif.",
        ),
    ],
    scale: Annotated[
        int | None,
        typer.Option("--scale", "-s", help="2, 3 or 4 times as many pixels a side. Default: 2."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A name of `napari-srcnn models`, or a file. Default: what fits the image.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1, mps. auto takes a GPU where there is one.")
    ] = "auto",
    tile: Annotated[
        int | None, typer.Option(help="Output pixels a side worked on at a time. Default: found.")
    ] = None,
    intensity: Annotated[
        str,
        typer.Option(
            metavar="RANGE",
            help="What range of values the network sees: auto (measured), dtype (all that the type "
            "holds), none (floats as they are), LOW,HIGH, or 'LOW,HIGH LOW,HIGH' for channels. "
            "Values outside of it are kept.",
        ),
    ] = "auto",
    window: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="What that range becomes for the network, as 0,1. Default: the model's own.",
        ),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of the result, as float32. Default: the image's own.")
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(help="What the axes are, where the file does not say it right: TCYX, ZYX."),
    ] = None,
    image: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Which image of a file that holds several, from 1. Default: all, a file each.",
        ),
    ] = None,
    scene: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|N",
            help="The same by its name too: a position of ND2, a scene of CZI, an image of LIF.",
        ),
    ] = None,
    color: Annotated[
        Color | None,
        typer.Option(
            help="Of RGB: the luma alone passes the network, or each channel does. "
            "Default: luma for 8 bits, channels for more."
        ),
    ] = None,
    compression: Annotated[
        Compression | None, typer.Option(help="Compress the output without loss. Default: none.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also take the subfolders of folders.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Write again what is there already.")
    ] = False,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Faster and less exact, on NVIDIA GPUs.")
    ] = False,
    half: Annotated[
        bool,
        typer.Option(
            "--half", help="Half precision, where the device has it: faster, and less exact still."
        ),
    ] = False,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Average eight views: a little better, 8 times the time."),
    ] = False,
    noise: Annotated[
        str,
        typer.Option(
            metavar="NOISE",
            help="Of the image, for networks that are told it: auto (measured), none, SIGMA in the "
            "image's units, or GAIN,READ,OFFSET; or one of these for each channel, with spaces.",
        ),
    ] = "auto",
    smoothing: Annotated[
        float,
        typer.Option(
            help="How much of the noise such a network is told: 0 keeps the grain, 1 is as "
            "measured, up to 2."
        ),
    ] = 1.0,
    consistent: Annotated[
        bool,
        typer.Option(
            "--consistent",
            help="Hold the result to its source: made small again, it is the source to within the "
            "noise; with --noise none exactly.",
        ),
    ] = False,
    deterministic: Annotated[
        bool | None,
        typer.Option(
            help="The same bytes on the same device, whatever the tiles and threads. Default: on "
            "a CPU, unless --tile is given.",
        ),
    ] = None,
    ome_zarr: Annotated[
        OmeZarr, typer.Option("--ome-zarr", help="The version that an OUT of .ome.zarr gets.")
    ] = OmeZarr.newest,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Of an OME-Zarr write the I-th of N parts only: a task of a scheduler's array. "
            "The last to end finishes the image.",
        ),
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="Finish the image that such tasks have written.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Write an OME-Zarr by N processes on this machine."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Write it by the workers of a dask scheduler."),
    ] = None,
    file_format: Annotated[
        FileFormat,
        typer.Option("--format", help="Of the files in a folder: NAME_x2.ome.tif or .ome.zarr."),
    ] = FileFormat.tiff,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", help="Files at a time, each in a process.")
    ] = 1,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a line of JSON on each image: done, skipped or failed, and why. "
            "Default for a folder: OUT-report.jsonl, beside it.",
        ),
    ] = None,
    sidecar: Annotated[
        bool,
        typer.Option(
            "--sidecar",
            help="Write how each result was made beside it too, as NAME.json; `replay` takes the "
            "result itself as well.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Enlarge images: TIFF, OME-Zarr, … in, OME-TIFF or OME-Zarr out, with pixel size and units.

    The result has the type, the intensities and the place of the original. Of a file that holds
    several images each becomes a file; an image that is spread over several files becomes one.
    Files that are there already and were made by the same job are skipped. Memory stays the same
    however many planes a file has, and a stopped run leaves no half-written file.

    An OUT that ends in .ome.zarr is written shard by shard, for one image: a run that was stopped,
    however that happened, goes on where it was when the same command is given again, and several
    processes or machines can share it.

    Of a folder the tree is kept, a file that cannot be done never stops the rest, and a report in
    OUT says of each image what came of it.

    Exit codes: 0 all is there; 1 some files failed; 2 wrong input; 130 stopped by Ctrl-C.
    """
    with boundary():
        from napari_srcnn.upscaling.batch.messages import Writing
        from napari_srcnn.upscaling.batch.outcomes import report_of
        from napari_srcnn.upscaling.files import find_jobs, is_folder_of_images
        from napari_srcnn.upscaling.options import Options
        from napari_srcnn.upscaling.resolve import choose_scale

        options = Options(
            scale=choose_scale(scale, model),
            model=model,
            axes=axes,
            device=device,
            intensity=parse_intensity(intensity),
            window=None if window is None else parse_pair(window, "window"),
            color=None if color is None else color.value,
            dtype=dtype,  # type: ignore[arg-type]  # a name becomes a dtype
            tile=tile,
            tf32=tf32,
            half=half,
            ensemble=ensemble,
            noise=parse_noise(noise),  # type: ignore[arg-type]  # numbers become noises
            smoothing=smoothing,
            consistent=consistent,
            deterministic=deterministic,
        )
        if image is not None and scene is not None:
            raise ValueError("--image and --scene name the same thing; give one of them.")
        wanted = image if scene is None else scene
        share = Share.of(task, workers, scheduler, finish=finish)
        if output.name.lower().endswith(ZARR_SUFFIX):
            upscale_to_zarr(
                inputs,
                output,
                options,
                share,
                image=wanted,
                layout={
                    "version": ome_zarr.value,
                    "compression": None if compression is None else compression.value,
                },
                force=force,
                sidecar=sidecar,
                quiet=quiet,
            )
            raise typer.Exit
        if share.is_said:
            raise ValueError(
                f"Tasks, workers and schedulers share an OME-Zarr, and {output} is none; end its "
                "name in .ome.zarr."
            )
        if jobs < 1:
            raise ValueError(f"--jobs is {jobs}; at least 1 is needed.")
        writing = Writing(
            format=file_format.value,
            version=ome_zarr.value,
            compression=None if compression is None else compression.value,
            force=force,
            sidecar=sidecar,
        )
        found = find_jobs(
            inputs,
            output,
            scale=choose_scale(scale, model),
            recursive=recursive,
            suffix=writing.suffix,
        )
        some_folder = any(is_folder_of_images(path) for path in inputs)
        code = upscale_files(
            found,
            options,
            writing,
            image=wanted,
            several=len(found) > 1 or some_folder,
            processes=jobs,
            report=report_of(output) if report is None and some_folder else report,
            quiet=quiet,
        )
    raise typer.Exit(code)


def parse_pair(text: str, what: str) -> tuple[float, float]:
    """Return the two numbers of ``"LOW,HIGH"``.

    Raises
    ------
    ValueError
        If there are not two numbers.
    """
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(
            f"{what} is {text!r}; two numbers with a comma between are needed, as 0,4095."
        ) from None
    return low, high


def parse_intensity(text: str) -> Any:
    """Return ``"auto"``, ``"dtype"``, ``"none"``, a pair, or a tuple of pairs.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if text in ("auto", "dtype", "none"):
        return text
    parts = text.split()
    if not parts or not all("," in part for part in parts):
        raise ValueError(f"intensity is {text!r}; it can be auto, dtype, none, or LOW,HIGH.")
    pairs = tuple(parse_pair(part, "intensity") for part in parts)
    return pairs[0] if len(pairs) == 1 else pairs


def parse_noise(text: str) -> Told:
    """Return ``"auto"``, None, a standard deviation, a noise, or a tuple of one a channel.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    from napari_srcnn.microscope.noise import Noise

    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    found: list[float | Noise] = []
    for part in text.split():
        try:
            numbers = [float(number) for number in part.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 3):
            raise ValueError(
                f"noise is {text!r}; it can be auto, none, SIGMA, or GAIN,READ,OFFSET, and one of "
                "these for each channel, with spaces between."
            )
        gain, read, offset = numbers if len(numbers) == 3 else (0.0, numbers[0], 0.0)
        found.append(Noise(gain=gain, read=read, offset=offset))
    if not found:
        raise ValueError("noise is empty; it can be auto, none, SIGMA, or GAIN,READ,OFFSET.")
    return found[0] if len(found) == 1 else tuple(found)
