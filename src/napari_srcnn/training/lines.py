"""A fine-tuning as a line that runs: of the command line, and of Python."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.training.options import RECIPE, FinetuneOptions
from napari_srcnn.training.state import TrainConfig
from napari_srcnn.upscaling.lines import PROGRAM, Origin, commented, to_save
from napari_srcnn.upscaling.spelling import keywords_of
from napari_srcnn.words import shell_line

#: What stands for images that are in no file.
HIGH_RES, LOW_RES = "PUT-THE-HIGH-RES-IMAGE-HERE.ome.tif", "PUT-THE-LOW-RES-IMAGE-HERE.ome.tif"
# What the command line calls the fields of a TrainConfig.
_CONFIG = {
    "minutes": "--minutes",
    "loss": "--loss",
    "learning_rate": "--rate",
    "batch": "--batch",
    "crop": "--crop",
    "patience": "--patience",
    "seed": "--seed",
}
#: The gain by which the command line's --vary makes crops brighter and darker.
VARIED = (0.5, 1.1)


def command_of(options: FinetuneOptions, high: Origin, low: Origin | None = None) -> str:
    """Return the command that fine-tunes so.

    Where images are in no file, or the command line has no word for something, a comment before it
    says so.

    Parameters
    ----------
    options : FinetuneOptions
    high : Origin
        Of the high-res images: their file or folder.
    low : Origin, optional
        Of the low-res images, where the options have some.

    Raises
    ------
    ValueError
        If something of it cannot be said to the command line.
    """
    words = [PROGRAM, "finetune", "--name", options.name, "--high", _path(high) or HIGH_RES]
    words += [] if low is None else ["--low", _path(low) or LOW_RES]
    words += ["--scale", str(options.scale)]
    words += ["--from", options.start] if options.start else []
    words += _config_words(options.config)
    if options.kernels != _usual("kernels"):
        words += ["--preset", "-".join(map(str, options.kernels))]
    if low is None:
        words += _degradation_words(options.degradation)
    if options.recorrupt is not None:
        words.append("--recorrupt" if options.recorrupt else "--no-recorrupt")
    words += ["--no-shift"] * (not options.correct_shift) + ["--no-turn"] * (not options.turn)
    words += [] if options.device == "auto" else ["--device", options.device]
    said = _cautions(high, low)
    if any(source.boxes for source in options.sources):
        said.append(
            "The rectangles are left out, for which the command line has no word: this learns from "
            "all of each image."
        )
    return "\n".join((*commented(said), shell_line(words)))


def python_of(options: FinetuneOptions, high: Origin, low: Origin | None = None) -> str:
    """Return the Python that does the same as :func:`command_of`, rectangles included."""
    sources = [f"Path({_path(high) or HIGH_RES!r})"]
    sources += [] if low is None else [f"Path({_path(low) or LOW_RES!r})"]
    if boxes := [list(source.boxes) for source in options.sources if source.boxes]:
        sources.append(f"boxes={boxes!r}")
    asked = [f"sources=sources, scale={options.scale}, name={options.name!r}"]
    asked += [
        f"{name}={getattr(options, name)!r}"
        for name in ("start", "kernels", "correct_shift", "turn", "recorrupt", "device")
        if getattr(options, name) != _usual(name)
    ]
    degradation = options.degradation
    if low is None and degradation != Degradation():
        asked.append(f"degradation={_made(degradation)}")
    if config := keywords_of(options.config, RECIPE):
        asked.append(f"config=replace(RECIPE, {', '.join(config)})")
    lines = [
        "from dataclasses import replace",
        "from pathlib import Path",
        "",
        "from napari_srcnn.microscope.degradation import Degradation",
        "from napari_srcnn.microscope.noise import Noise",
        "from napari_srcnn.training.finetune import FinetuneRun",
        "from napari_srcnn.training.options import RECIPE, FinetuneOptions",
        "from napari_srcnn.training.sources import sources_from_paths",
        "",
        f"sources = sources_from_paths({', '.join(sources)})",
        f"options = FinetuneOptions({', '.join(asked)})",
        "run = FinetuneRun(options)",
        "for _ in run.run():",
        "    pass",
        "outcome = run.outcome()",
        "print(outcome.sentence)",
        "if outcome.is_better:",
        "    run.save(outcome)",
    ]
    return "\n".join((*commented(_cautions(high, low)), *lines))


def _usual(name: str) -> Any:
    field = next(one for one in fields(FinetuneOptions) if one.name == name)
    return field.default


def _path(origin: Origin) -> str:
    """Return a path that the images can be learned from as they are; empty where there is none."""
    # Of a file's images the first is learned from, all of it, with the axes that the file gives it.
    is_all = origin.axes is None and origin.image in (None, 1) and not origin.is_part
    return origin.path if is_all else ""


def _cautions(high: Origin, low: Origin | None) -> list[str]:
    """Return what the user should know of the line, or do before it runs."""
    said = []
    for origin, placeholder in ((high, HIGH_RES), (low, LOW_RES)):
        if origin is not None and not _path(origin):
            said.append(to_save(origin, placeholder))
    return said


def _config_words(config: TrainConfig) -> list[str]:
    words: list[str] = []
    for field in fields(TrainConfig):
        name, value = field.name, getattr(config, field.name)
        if value == getattr(RECIPE, name):
            continue
        if name == "gain" and value == VARIED:
            words.append("--vary")
        elif name == "steps" and config.minutes is None:
            words += ["--steps", str(value)]
        elif name == "minutes" and value is None:
            continue  # the steps say it
        elif name in _CONFIG:
            words += [_CONFIG[name], f"{value:.12g}" if isinstance(value, float) else str(value)]
        else:
            raise ValueError(f"The command line has no word for {name}; copy it as Python.")
    return words


def _degradation_words(degradation: Degradation) -> list[str]:
    noise, usual = degradation.noise, Degradation()
    words = []
    for flag, value, default in (
        ("--blur", degradation.sigma, usual.sigma),
        ("--gain", noise.gain, usual.noise.gain),
        ("--read-noise", noise.read, usual.noise.read),
        ("--offset", noise.offset, usual.noise.offset),
    ):
        words += [] if value == default else [flag, repr(float(value))]
    sampling = degradation.sampling
    return words + ([] if sampling == usual.sampling else ["--sampling", sampling])


def _made(degradation: Degradation) -> str:
    noise = degradation.noise
    numbers = ", ".join(f"{one.name}={float(getattr(noise, one.name))!r}" for one in fields(noise))
    return (
        f"Degradation(sigma={float(degradation.sigma)!r}, sampling={degradation.sampling!r}, "
        f"noise=Noise({numbers}))"
    )
