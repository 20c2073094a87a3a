"""Arguments of the command line, with files that may be anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from typer.testing import CliRunner

import napari_srcnn.cli  # noqa: F401 - it names all commands
from fuzzing.case import Drawn, Kind
from fuzzing.images import Tiff, imagej, ome_tiffs, plain_page, tiffs
from fuzzing.models import published, safetensors
from fuzzing.stores import stores
from fuzzing.values import TEXTS
from napari_srcnn.cli.app import BAD_INPUT, app

_NUMBERS = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "3",
        "4",
        "-1",
        "0.5",
        "nan",
        "inf",
        "1e400",
        str(2**63),
        "9" * 5000,
        "0x10",
        "٣",
    ]
)
_PAIRS = st.sampled_from(
    [
        "0,1",
        "1,0",
        "nan,1",
        "0,inf",
        "auto",
        "dtype",
        "none",
        "0,1 0,1",
        ",",
        "0,1,2",
        "1e308,2e308",
    ]
)
# Beside the case's files a user may name any, and they would be written.
_WAYS = ("../outside/secret", "../gone", "..\\outside", "", "CON", "$HOME", "0/../..", "a b.tif")
_WORDS = st.one_of(
    *(_NUMBERS, _PAIRS, st.sampled_from(_WAYS)),
    TEXTS.map(lambda text: text.replace("\0", "").replace("/", "").lstrip("~.")),
)
_FILES = ("in.tif", "a.tif", "a.ome.tif", "net_x2.pth", "given.safetensors", "a.ome.zarr")
_PATHS = st.sampled_from(
    [*_FILES, "gone.tif", "out.ome.tif", "out.ome.zarr", "out", ".", "no/where"]
)
_MODELS = st.sampled_from(["srcnn-9-1-5-x2", "given.safetensors", "net_x2.pth", "no-such", ""])
# What is asked for with each command, by the options that it has; none that would train or show.
_OPTIONS: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "upscale": {
        "--scale": _NUMBERS,
        "--model": _MODELS | _WORDS,
        "--device": st.sampled_from(["cpu", "cpu", "cuda", "cuda:99", "mps", "tpu", ""]),
        "--tile": _NUMBERS,
        "--intensity": _PAIRS | _WORDS,
        "--window": _PAIRS | _WORDS,
        "--dtype": st.sampled_from(
            ["uint8", "float32", "complex64", "object", "O", "S9", "x", "u9"]
        ),
        "--axes": st.sampled_from(["YX", "ZYX", "TCZYX", "XY", "", "ZZ", "yx", "Z" * 99]),
        "--image": _NUMBERS,
        "--scene": _WORDS,
        "--color": st.sampled_from(["luma", "channels", "x"]),
        "--compression": st.sampled_from(["zlib", "lzw", "zstd", "x"]),
        "--noise": _PAIRS | _WORDS,
        "--smoothing": _NUMBERS,
        "--task": st.sampled_from(["1/1", "0/0", "2/1", "1/-1", "x", "1/99999999999"]),
        "--jobs": st.sampled_from(["0", "-1", "x", "1"]),
        "--report": _PATHS,
        "--quiet": st.just(""),
        "--force": st.just(""),
        "--recursive": st.just(""),
        "--finish": st.just(""),
    },
    "models": {
        "--json": st.just(""),
        "--force": st.just(""),
        "--import": _PATHS,
        "--name": _WORDS,
        "--delete": _WORDS,
        "--export": _WORDS,
        "--rename": _WORDS,
    },
    "convert": {"--scale": _NUMBERS, "--a": _NUMBERS, "--range": _NUMBERS, "--skip": st.just("")},
    "filters": {"--zoom": st.sampled_from(["1", "0", "-1", "8", "x", str(2**31), "999999999999"])},
    "assess": {
        "--source": _PATHS,
        "--reference": _PATHS,
        "--blur": _NUMBERS,
        "--range": _NUMBERS,
        "--axes": st.sampled_from(["YX", "ZYX", "x"]),
        "--image": _NUMBERS,
        "--json": _PATHS,
        "--csv": _PATHS,
        "--report": _PATHS,
    },
    "verify": {"--repair": st.just(""), "--device": st.just("cpu")},
    "train": {"--name": _WORDS, "--steps": st.just("0"), "--scale": _NUMBERS, "--widths": _WORDS},
    "finetune": {"--name": _WORDS, "--high": st.just("gone"), "--scale": _NUMBERS},
    "benchmark": {"-m": _MODELS},
    "no-such": {},
}


@st.composite
def commands(draw: st.DrawFn) -> Drawn:
    """A command line, and the files that it may name."""
    files, _ = draw(
        st.one_of(
            st.just(({}, None)),
            tiffs(),
            ome_tiffs(),
            imagej(),
            stores(),
            published(),
            safetensors().map(lambda content: ({"given.safetensors": content}, None)),
        )
    )
    files = files | {"in.tif": Tiff([plain_page("<")]).write()}
    name = draw(st.sampled_from([*_OPTIONS, "upscale", "upscale", "upscale", "models", "assess"]))
    line = [name]
    options = _OPTIONS[name]
    if options:
        for option in draw(st.lists(st.sampled_from(list(options)), max_size=4, unique=True)):
            value = draw(options[option])
            line += [option, *([value] if value or option not in _FLAGS else [])]
            if option in ("--rename", "--export"):
                line.append(draw(_WORDS))
    paths = st.one_of(_PATHS, _PATHS, st.sampled_from(_WAYS))
    if name == "upscale":
        given_ = draw(st.sampled_from(sorted(files)))
        first = given_.split("/")[0] if not given_.startswith("..") else "in.tif"
        line += [draw(st.one_of(st.just(first), paths)), draw(st.sampled_from(_OUT))]
        if "--device" not in line:
            line += ["--device", "cpu"]
    elif name in ("train", "benchmark"):
        line.append("gone")
    elif name == "convert":
        line += [draw(paths), draw(st.sampled_from(["out", "out.safetensors", "../x", "a/b", ""]))]
    elif name == "filters":
        line += [draw(_MODELS), draw(st.sampled_from(["out.png", "out.tif", "out.exe", "in.tif"]))]
    else:
        line += draw(st.lists(paths, max_size=2))
    return files, line


_FLAGS = ("--json", "--force", "--quiet", "--recursive", "--finish", "--repair", "--skip")
_OUT = (
    "out.ome.tif",
    "out.ome.tif",
    "out.tif",
    "out",
    "out.ome.zarr",
    "no/where.tif",
    "in.tif",
    "",
)


class NoSentenceError(Exception):
    """A command ended otherwise than with a result or a sentence."""


class RefusedError(Exception):
    """A command ended with a sentence."""


def _use(folder: Path, line: list[str]) -> None:
    import os

    before = Path.cwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(app, line, catch_exceptions=True)
    finally:
        os.chdir(before)
    error: Any = result.exception
    if error is not None and not isinstance(error, SystemExit):
        raise NoSentenceError(f"{line}: {type(error).__name__}: {error}") from error
    if result.exit_code in (0, 1):
        return
    said = result.stderr.strip().splitlines()
    if result.exit_code != BAD_INPUT or not said or "Traceback" in result.stderr:
        raise NoSentenceError(f"{line}: ended with {result.exit_code}: {result.stderr[:200]!r}")
    errors = [one for one in said if one.startswith("Error: ")]
    # What typer itself finds out stands in its own words, after how to call the command.
    if errors and said[-1] not in errors:
        raise NoSentenceError(f"{line}: more than a sentence: {result.stderr[:300]!r}")
    raise RefusedError(errors[-1] if errors else said[-1])


KINDS = (Kind("command lines", commands(), _use, (RefusedError,), may_leave=True, share=4),)
