"""Files of models in dialogs, and what is done with them beside the window."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_srcnn.models.export import KINDS
from napari_srcnn.models.foreign import ONNX, PACKAGE
from napari_srcnn.models.foreign import SUFFIXES as FOREIGN
from napari_srcnn.models.library import PUBLISHED, model_info, own_models
from napari_srcnn.models.manage import check_name, export_model
from napari_srcnn.network.checkpoint import SUFFIX, CheckpointError
from napari_srcnn.widgets.shared.messages import sentence

_WORDS = {
    SUFFIX: "napari-srcnn",
    ONNX: "ONNX, for other programs",
    PACKAGE: "bioimage.io, for other programs",
}
_FILTERS = {f"{_WORDS[kind]} (*{kind})": kind for kind in KINDS}
#: What the dialogs offer.
EXPORT_FILTER = ";;".join(_FILTERS)
IMPORT_FILTER = (
    f"Models (*{SUFFIX} *{' *'.join(FOREIGN)});;"
    f"Published checkpoints (*{' *'.join(PUBLISHED)});;All files (*)"
)


def ending(chosen: str) -> str:
    """Return how a file's name is to end, by the filter that was chosen in the dialog."""
    return _FILTERS.get(chosen, SUFFIX)


def is_foreign(path: str | Path) -> bool:
    """Tell whether a file is read and written with torch, which takes a while to load."""
    return str(path).lower().endswith(FOREIGN)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an export, to be said."""

    text: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """A file was looked into, and is known now."""

    path: str


def write(name: str, path: str | Path, force: bool, cancel: threading.Event) -> Iterator[Written]:
    """Write a model to a file; beside the window."""
    try:
        text = f"“{name}” was written to {export_model(name, path, force=force)}."
    except (ValueError, OSError, MemoryError) as error:
        yield Written(sentence(error), is_done=False)
    else:
        yield Written(text, is_done=True)


def look(path: str, cancel: threading.Event) -> Iterator[Looked]:
    """Look into a model's file, beside the window; what it holds is then known at once."""
    with contextlib.suppress(CheckpointError, OSError):  # importing says why
        model_info(Path(path))
    yield Looked(path)


def why_not(name: str) -> str:
    """Return why a new model cannot have a name; "" where it can."""
    if name in own_models():
        return f"You have a model named {name!r} already."
    try:
        check_name(name)
    except CheckpointError as error:
        return str(error)
    return ""


def free(name: str | None) -> str:
    """Return a name like `name` that no model has."""
    name = name or "model"
    number = 2
    while why_not(f"{name}-{number}"):
        number += 1
    return f"{name}-{number}"
