"""The command line: every widget's job without a screen."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_srcnn.cli.app import app, boundary, say, sentence

if TYPE_CHECKING:
    from napari_srcnn.models.library import ModelInfo
    from napari_srcnn.upscaling.files import FileRun, Job, Options
    from napari_srcnn.upscaling.messages import Report

SOME_FAILED = 1


class Color(StrEnum):
    """What of a colour image passes the network."""

    luma = "luma"
    channels = "channels"


class Compression(StrEnum):
    """How the output is compressed; all without loss."""

    zlib = "zlib"
    lzw = "lzw"
    zstd = "zstd"


# ---------------------------------------------------------------- upscale


@app.command()
def upscale(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IN", help="TIFF files (ImageJ, OME too), or folders of them."),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The OME-TIFF to write, ending in .ome.tif; or a folder, for NAME_x2.ome.tif.",
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
        bool, typer.Option("--half", help="Half precision: faster, and less exact still.")
    ] = False,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Average eight views: a little better, 8 times the time."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Enlarge images: TIFF in, OME-TIFF out, with pixel size and units.

    The result has the type, the intensities and the place of the original. Files that are there
    already and were made by the same job are skipped. Memory stays the same however many planes a
    file has, and a stopped run leaves no half-written file.

    Exit codes: 0 all is there; 1 some files failed; 2 wrong input; 130 stopped by Ctrl-C.
    """
    with boundary():
        from napari_srcnn.upscaling.files import Options, choose_model, find_jobs

        resolved_scale, resolved_model = choose_model(scale, model)
        options = Options(
            scale=resolved_scale,
            model=resolved_model,
            axes=axes,
            device=device,
            intensity=parse_intensity(intensity),
            window=None if window is None else parse_pair(window, "window"),
            color=None if color is None else color.value,
            dtype=dtype,
            tile=tile,
            compression=None if compression is None else compression.value,
            tf32=tf32,
            half=half,
            ensemble=ensemble,
        )
        options.check()
        jobs = find_jobs(inputs, output, scale=options.scale, recursive=recursive)
        several = len(jobs) > 1 or any(path.is_dir() for path in inputs)
        code = _Batch(options, force=force, quiet=quiet).run(jobs, several=several)
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


class _Batch:
    """Upscales files one after the other and says how it goes."""

    def __init__(self, options: Options, *, force: bool, quiet: bool) -> None:
        self.options, self.force, self.quiet = options, force, quiet
        self.ready = False

    def run(self, jobs: list[Job], *, several: bool) -> int:
        """Return the exit code."""
        failed: list[tuple[Job, str]] = []
        for number, job in enumerate(jobs, 1):
            label = f"[{number}/{len(jobs)}] {job.source.name}" if several else job.source.name
            try:
                self._one(job, label)
            except (ValueError, OSError, MemoryError) as error:
                if isinstance(error, BrokenPipeError) or not several:
                    raise
                failed.append((job, sentence(error)))
                say(f"{label}: {sentence(error)}")
        if failed:
            say(f"{len(failed)} of {len(jobs)} files failed:")
            for job, reason in failed:
                say(f"  {job.source}: {reason}")
        return SOME_FAILED if failed else 0

    def _one(self, job: Job, label: str) -> None:
        from napari_srcnn.upscaling.files import FileRun, check_job, why_not_done

        if job.target.exists() and not self.force:
            if reason := why_not_done(job, self.options):
                raise ValueError(
                    f"{job.target} is there already and {reason}; --force writes it again"
                )
            self._tell(f"{label}: done already, skipped ({job.target}); --force does it again.")
            return
        # What can be wrong with the file is said before torch is loaded, which takes seconds.
        check_job(job, self.options)
        self._prepare()
        with FileRun(job, self.options) as run:
            for note in run.notes:
                self._note(note)
            report = self._follow(run, label)
        self._tell(summary(run, report))

    def _prepare(self) -> None:
        """Load torch and choose the device, once."""
        if self.ready:
            return
        from napari_srcnn.network.device import (
            choose_device,
            device_label,
            no_gpu_reason,
            raise_malloc_thresholds,
        )

        raise_malloc_thresholds()
        chosen = choose_device(self.options.device)
        if not self.quiet:
            reason = no_gpu_reason() if self.options.device == "auto" else None
            say(f"Device: {device_label(chosen)}." + (f" {reason}" if reason else ""))
        self.ready = True

    def _follow(self, run: FileRun, label: str) -> Report:
        """Show the run's progress and return its report."""
        from tqdm import tqdm

        from napari_srcnn.upscaling.messages import Report

        bar = tqdm(
            desc=label,
            total=1.0,
            leave=False,
            # None: no bar where stderr is no terminal.
            disable=True if self.quiet else None,
            bar_format="{desc} {percentage:3.0f}%|{bar}|{postfix}",
        )
        with bar:
            for message in run.messages():
                if isinstance(message, Report):
                    return message
                left = max(message.tiles_total - message.tiles_done, 0)
                bar.n = 1 - left / message.tiles_total
                bar.set_postfix_str(
                    f"slice {min(message.slices_done + 1, message.slices_total)} of "
                    f"{message.slices_total}, {tqdm.format_interval(message.seconds_left)} left",
                    refresh=False,
                )
                # Draws only where enough time has passed.
                bar.update(0)
                if message.message:
                    self._note(message.message)
        raise RuntimeError("The run ended without a report.")

    def _tell(self, text: str) -> None:
        if not self.quiet:
            typer.echo(text)

    def _note(self, text: str) -> None:
        if not self.quiet:
            from tqdm import tqdm

            with tqdm.external_write_mode(file=sys.stderr):
                say(f"Note: {text}")


def summary(run: FileRun, report: Report) -> str:
    """Return one line about a finished file."""
    from napari_srcnn.words import format_bytes

    plan = run.plan
    ranges = "; ".join(f"{r.low:.6g}..{r.high:.6g}" for r in report.ranges[:4])
    if len(report.ranges) > 4:
        ranges += f"; … ({len(report.ranges)} channels)"
    low, high = report.window
    sizes = f"{run.stack.shape} {run.stack.dtype} → {plan.shape} {plan.dtype}"
    parts = [
        f"{run.job.source} → {run.job.target}: {sizes}, {format_bytes(plan.nbytes)}",
        f"{report.model} on {report.device}, tile {report.tile}, {report.seconds:.1f} s",
        f"range {ranges} seen as {low:g}..{high:g}",
        f"{report.clipped} values clipped",
    ]
    if report.nonfinite:
        parts.append(f"{report.nonfinite} pixels not finite")
    return "; ".join(parts) + "."


# ---------------------------------------------------------------- models


@app.command()
def models(
    model: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Tell all about this one: a name or a file."),
    ] = None,
    rename: Annotated[
        tuple[str, str] | None,
        typer.Option("--rename", metavar="OLD NEW", help="Give one of your own another name."),
    ] = None,
    delete: Annotated[
        str | None, typer.Option("--delete", metavar="NAME", help="Delete one of your own.")
    ] = None,
    export: Annotated[
        tuple[str, Path] | None,
        typer.Option("--export", metavar="NAME FILE", help="Copy a model to a .safetensors file."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Copy a .safetensors file to your own."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="For --import. Default: the file's name."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", "-f", help="For --import and --export: replace what is there."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON.")] = False,
) -> None:
    """List the models: the bundled ones, then your own; or tell about one, or put yours in order.

    One thing at a time: NAME, --rename, --delete, --export or --import.
    """
    with boundary():
        asked = (model, rename, delete, export, source)
        if sum(one is not None for one in asked) > 1:
            raise ValueError("One of NAME, --rename, --delete, --export and --import is possible.")
        if name is not None and source is None:
            raise ValueError("--name goes with --import; --rename OLD NEW renames a model.")
        if force and source is None and export is None:
            raise ValueError("--force goes with --import or --export only.")
        if as_json and (rename or export or delete is not None or source is not None):
            raise ValueError("--json goes with the list or with a NAME only.")
        if model is not None:
            _show_model(model, as_json=as_json)
        elif not any(one is not None for one in asked):
            _list_models(as_json=as_json)
        else:
            typer.echo(_put_in_order(rename, delete, export, source, name, force=force))


def _put_in_order(
    rename: tuple[str, str] | None,
    delete: str | None,
    export: tuple[str, Path] | None,
    source: Path | None,
    name: str | None,
    *,
    force: bool,
) -> str:
    """Do the one thing that was asked for, and say what was done."""
    from napari_srcnn.models.manage import delete_model, export_model, import_model, rename_model

    if rename is not None:
        return f"{rename[0]} → {rename[1]}: {rename_model(*rename).path}"
    if delete is not None:
        delete_model(delete)
        return f"{delete} was deleted."
    if export is not None:
        return f"{export[0]} → {export_model(*export, force=force)}"
    assert source is not None
    info = import_model(source, name, force=force)
    return f"{source} → {info.name}: {info.path}"


def _show_model(name: str, *, as_json: bool) -> None:
    from napari_srcnn.models.card import card_lines
    from napari_srcnn.models.library import model_info

    info = model_info(name)
    if as_json:
        typer.echo(json.dumps(_row(info) | {"card": info.card}, indent=1, ensure_ascii=False))
        return
    for line in (*card_lines(info), f"File: {info.path}", f"SHA-256: {info.sha256}"):
        typer.echo(line)


def _list_models(*, as_json: bool) -> None:
    from napari_srcnn.models.paths import user_model_dir

    rows = model_rows()
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    typer.echo(_table(rows))
    typer.echo(f"\nPSNR in dB on Y. Your own models (.safetensors) go to {user_model_dir()}")


def model_rows() -> list[dict[str, Any]]:
    """Return what is known of every model; of an unusable file, why."""
    from napari_srcnn.models.library import list_models, model_info
    from napari_srcnn.network.checkpoint import CheckpointError

    rows: list[dict[str, Any]] = []
    for name in list_models():
        try:
            rows.append(_row(model_info(name)))
        except CheckpointError as error:
            rows.append({"name": name, "error": str(error)})
    return rows


def _row(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "scale": info.config.scale,
        "channels": info.config.channels,
        "kernels": info.config.kernel_name,
        "widths": list(info.config.widths),
        "parameters": info.config.parameters,
        "psnr": info.card.get("psnr", {}),
        "license": info.card.get("license"),
        "origin": "bundled" if info.bundled else "own",
        "description": info.description,
        "sha256": info.sha256,
        "path": str(info.path),
    }


def _table(rows: list[dict[str, Any]]) -> str:
    from napari_srcnn.models.card import plain

    head = ("name", "scale", "channels", "parameters", "Set5", "Set14", "licence", "origin")
    lines = [head]
    broken = []
    for row in rows:
        if "error" in row:
            broken.append(f"{row['name']} cannot be used: {row['error']}")
            continue
        psnr = row["psnr"] if isinstance(row["psnr"], dict) else {}
        figures = (psnr.get(name) for name in ("Set5", "Set14"))
        lines.append(
            (
                row["name"],
                f"×{row['scale']}",
                str(row["channels"]),
                f"{row['parameters']:,}",
                *(f"{x:.2f}" if isinstance(x, int | float) else "–" for x in figures),
                plain(row["license"], longest=28) or "–",
                row["origin"],
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    right = {"scale", "channels", "parameters", "Set5", "Set14"}
    text = [
        "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(head, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*text, *(["", *broken] if broken else [])])


# ---------------------------------------------------------------- demo


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = Path("demo"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    show: Annotated[
        bool | None,
        typer.Option(
            "--show/--no-show", help="Leave napari open at the end. Default: where a screen is."
        ),
    ] = None,
) -> None:
    """Enlarge a bundled 16-bit stack, draw it beside bicubic, and look at it in napari."""
    with boundary():
        from napari_srcnn.cli.demo import run_demo, show_in_napari
        from napari_srcnn.words import format_bytes

        made = run_demo(out, device=device)
        report = made.report
        shape = " × ".join(str(n) for n in report.result.shape)
        typer.echo(
            f"Enlarged stack:  {made.stack} ({shape} {report.result.dtype}, "
            f"{format_bytes(report.result.nbytes)})"
        )
        typer.echo(f"Side by side:    {made.picture}")
        screenshot = show_in_napari(out / "napari.png", stay=show)
        typer.echo(f"napari:          {screenshot}")
        typer.echo(
            f"Upscaling took {report.seconds:.1f} s with {report.model} on {report.device}; "
            f"with the pictures and loading it was {made.seconds:.1f} s."
        )
        typer.echo(
            "Made smaller by 2 first, so that the truth is known, the same stack comes back "
            f"{made.gain:+.2f} dB closer to it than by bicubic."
        )
