"""Model names: which files they stand for, bundled or the user's own. Loads torch only to load.

The user's own can be renamed, deleted, exported and imported; the bundled ones only exported.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import (
    SUFFIX,
    CheckpointError,
    load_checkpoint,
    read_header,
    write_atomically,
)
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.published import read_published

if TYPE_CHECKING:
    from napari_srcnn.network.model import SRCNN

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_FILE_SUFFIXES = (SUFFIX, ".pt", ".pth", ".ckpt", ".mat", ".bin")
# File systems take 255 bytes, of which a suffix and a temporary file's letters want some.
_LONGEST_NAME = 100
# Longer texts of a card are cut: it may be anybody's.
_LONGEST = 600
# Best first: what a user gets who names no model.
_PREFERRED_KERNELS = ("9-5-5", "9-3-5", "9-1-5")
# How bundled models' names end; those of photographs' brightness end in nothing.
RGB, MICROSCOPES = "-rgb", "-microscopes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of a model without loading its weights."""

    name: str
    path: Path
    config: SRCNNConfig
    card: dict[str, Any]
    sha256: str
    bundled: bool

    @property
    def description(self) -> str:
        """One line for a menu."""
        return plain(self.card.get("description"))

    def window(self, kind: str) -> tuple[float, float]:
        """Return the window for ``"photograph"`` or ``"microscope"`` images (0..1 by default)."""
        low, high = self.card.get("windows", {}).get(kind, (0.0, 1.0))
        return float(low), float(high)


def bundled_dir() -> Path:
    """Return the folder of the bundled weights: in the package, or beside its source."""
    package = Path(__file__).parents[1] / "weights"
    return package if package.is_dir() else Path(__file__).parents[3] / "weights"


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    # Files that begin with a dot are leftovers: of macOS ("._name"), or of a write that was killed.
    found = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stem)
    paths = (path for path in found if path.name[0] != ".")
    return {path.stem: path for path in paths}


def list_models() -> list[str]:
    """Return the names of all models, the bundled ones first."""
    bundled = _files(bundled_dir())
    own = (name for name in _files(user_model_dir()) if name not in bundled)
    return [*bundled, *(name for name in own if _NAME.fullmatch(name))]


def own_models() -> list[str]:
    """Return the names of the user's own models, those that are damaged too."""
    bundled = _files(bundled_dir())
    return [name for name in list_models() if name not in bundled]


def is_path(name: str | Path) -> bool:
    """Tell whether `name` is a path: it has a separator or a model file's suffix."""
    text = str(name)
    return (
        isinstance(name, Path)
        or "/" in text
        or "\\" in text
        or text.lower().endswith(_FILE_SUFFIXES)
    )


def find_model(name: str | Path) -> Path:
    """Return the file that a model name or a path stands for.

    Raises
    ------
    CheckpointError
        If no model has that name; the message says which names are like it.
    """
    if is_path(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise CheckpointError(f"There is no model file {path}; check its name.")
        return path
    for folder in (bundled_dir(), user_model_dir()):
        if path := _files(folder).get(str(name)):  # type: ignore[assignment]
            return path
    known = list_models()
    # Not all of them: a list of twenty names is no help to who has mistyped one.
    near = " or ".join(difflib.get_close_matches(str(name), known, cutoff=0.4))
    meant = f"did you mean {near}? " if near else ""
    raise CheckpointError(
        f"There is no model named {str(name)!r}; {meant}"
        f"'napari-srcnn models' lists all {len(known)}."
    )


def check_name(name: str) -> str:
    """Return `name` if a user's model may have it.

    Raises
    ------
    CheckpointError
        If it has other characters than letters, digits, ``.``, ``_`` and ``-``, looks like a path,
        is too long, or is a bundled model's.
    """
    if not _NAME.fullmatch(name) or is_path(name) or name.startswith("."):
        raise CheckpointError(
            f"{name!r} cannot be a model's name; use letters, digits, '.', '_' and '-' "
            "and no file suffix."
        )
    if len(name) > _LONGEST_NAME:
        raise CheckpointError(
            f"A model's name of {len(name)} characters is too long; use {_LONGEST_NAME} at most."
        )
    if name in _files(bundled_dir()):
        raise CheckpointError(f"{name!r} is a bundled model's name; choose another one.")
    return name


@lru_cache(maxsize=256)
def _info(path: Path, modified_ns: int, size: int) -> ModelInfo:
    """Read a header once for each version of a file."""
    if path.suffix.lower() == SUFFIX:
        config, card = read_header(path)
    else:
        published = read_published(path)
        config, card = published.config, published.card(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    bundled = path.parent == bundled_dir()
    return ModelInfo(
        name=path.stem, path=path, config=config, card=card, sha256=digest, bundled=bundled
    )


def model_info(name: str | Path) -> ModelInfo:
    """Return what is known of a model, by its name or path, without loading torch.

    Raises
    ------
    CheckpointError
        If there is no such model or its file cannot be used.
    """
    path = find_model(name)
    stat = path.stat()
    return _info(path, stat.st_mtime_ns, stat.st_size)


def load_model(name: str | Path) -> SRCNN:
    """Load a model by its name or path.

    Parameters
    ----------
    name : str or Path
        One of :func:`list_models`, or a file; a published one (``.mat``, ``.pth`` …) as well,
        where its name says the scale.

    Returns
    -------
    SRCNN
        On the CPU, in evaluation mode; its ``info`` attribute is its :class:`ModelInfo`.

    Raises
    ------
    CheckpointError
        If there is no such model or its file cannot be used.
    """
    info = model_info(name)
    if info.path.suffix.lower() == SUFFIX:
        model, _ = load_checkpoint(info.path)
    else:
        model = read_published(info.path).model()
    model.info = info  # type: ignore[assignment]  # nn.Module types attributes as tensors
    return model


def bundled_name(scale: int, suffix: str = "") -> str | None:
    """Return the bundled model with the best kernels for a scale, of those named ``…-suffix``."""
    for kernels in _PREFERRED_KERNELS:
        name = f"srcnn-{kernels}-x{scale}{suffix}"
        if name in _files(bundled_dir()):
            return name
    return None


def default_model(scale: int, channels: int = 1) -> str:
    """Return the name of the bundled model of photographs for a scale.

    Raises
    ------
    CheckpointError
        If none is bundled for it.
    """
    name = bundled_name(scale, RGB if channels == 3 else "")
    if name is not None:
        return name
    raise CheckpointError(
        f"No bundled model enlarges ×{scale} with {channels} channel(s); "
        "scales of 2, 3 and 4 are bundled."
    )


# ---------------------------------------------------------------- the user's own


def rename_model(old: str, new: str) -> ModelInfo:
    """Give one of the user's models another name; a stopped training run's state goes along.

    Raises
    ------
    CheckpointError
        If there is no such model, it is bundled or damaged, or the new name is taken or none.
    """
    path = _own(old, "renamed")
    # A damaged model is told now and not after it has moved.
    model_info(old)
    target = path.with_name(f"{check_name(new)}{SUFFIX}")
    # Where upper and lower case are one, another case of a name is the same file.
    if target.exists() and (new == old or not target.samefile(path)):
        raise CheckpointError(f"You have a model named {new!r} already; choose another name.")
    state, target_state = _run_files(path)[0], _run_files(target)[0]
    if target_state.exists() and not (state.exists() and target_state.samefile(state)):
        raise CheckpointError(
            f"{target_state.name} is left from a training run that was stopped; "
            "choose another name, or go on with that run."
        )
    moved: list[tuple[Path, Path]] = []
    try:
        try:
            for before, after in zip(
                (*_run_files(path), path), (*_run_files(target), target), strict=True
            ):
                if before.exists():
                    before.rename(after)
                    moved.append((before, after))
        except OSError:
            for before, after in moved:
                after.rename(before)
            raise
    except OSError as error:
        raise _refused(old, "renamed", path, error) from error
    _info.cache_clear()
    return model_info(new)


def delete_model(name: str) -> None:
    """Delete one of the user's models, and what a stopped training run of that name left.

    Raises
    ------
    CheckpointError
        If there is no such model, it is bundled, or its folder cannot be written.
    """
    path = _own(name, "deleted")
    try:
        path.unlink(missing_ok=True)
        for file in _run_files(path):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(name, "deleted", path, error) from error
    _info.cache_clear()


def export_model(name: str, target: str | Path, *, force: bool = False) -> Path:
    """Copy a model, the user's or a bundled one, to a file that :func:`import_model` takes.

    Parameters
    ----------
    name : str
    target : path-like
        A file, whose suffix is added where there is none; or a folder that is there.
    force : bool
        Replace what is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CheckpointError
        If there is no such model, it is damaged, or the file is there or cannot be written.
    """
    if is_path(name):
        raise CheckpointError(f"{str(name)!r} is no model's name; copy the file itself.")
    data = _whole(find_model(name))
    target = Path(target).expanduser()
    if target.is_dir():
        target = target / f"{name}{SUFFIX}"
    elif target.suffix.lower() != SUFFIX:
        if target.suffix.lower() in _FILE_SUFFIXES:
            raise CheckpointError(
                f"{target.name} ends in {target.suffix!r}; models are exported as {SUFFIX}."
            )
        target = target.with_name(f"{target.name}{SUFFIX}")
    if target.exists() and not force:
        raise CheckpointError(f"{target} is there already; choose another file, or force it.")
    write_atomically(target, data)
    _info.cache_clear()
    return target


def name_for(source: str | Path) -> str:
    """Return the name that :func:`import_model` gives a file's model; "" where none can be made."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source).stem).strip(".-")[:_LONGEST_NAME]
    while is_path(name):
        name = name.rpartition(".")[0]
    return name


def import_model(source: str | Path, name: str | None = None, *, force: bool = False) -> ModelInfo:
    """Copy a model's file, byte for byte, to the user's own models.

    Parameters
    ----------
    source : path-like
        A file that this program wrote.
    name : str, optional
        By default the file's, where need be with other characters.
    force : bool
        Replace the user's model of that name.

    Raises
    ------
    CheckpointError
        If the file cannot be used in whole, or the name is taken or none.
    """
    source = find_model(Path(source))
    if source.suffix.lower() in _FILE_SUFFIXES and source.suffix.lower() != SUFFIX:
        raise CheckpointError(
            f"{source.name} may be a published checkpoint but is no model file; "
            f"`napari-srcnn convert {source.name} NAME` makes a model of it."
        )
    data = _whole(source)
    if name is None and not (name := name_for(source)):
        raise CheckpointError(f"No name can be made of {source.name!r}; give the model a name.")
    target = user_model_dir() / f"{check_name(name)}{SUFFIX}"
    if target.exists() and not force:
        raise CheckpointError(
            f"You have a model named {name!r} already; choose another name, or force it."
        )
    write_atomically(target, data)
    _info.cache_clear()
    return model_info(name)


def _own(name: str, what: str) -> Path:
    """Return the file of one of the user's models, which is to be renamed or deleted."""
    if name in _files(bundled_dir()):
        raise CheckpointError(
            f"{name!r} is bundled and cannot be {what}; only your own models can be."
        )
    own = _files(user_model_dir())
    if name not in own:
        known = ", ".join(own_models()) or "none yet"
        raise CheckpointError(f"You have no model named {name!r}; your own are: {known}.")
    return own[name]


def _run_files(path: Path) -> tuple[Path, Path]:
    """Return where training keeps what a stopped run goes on with, and what it was asked for."""
    return path.with_name(f"{path.stem}.state"), path.with_name(f"{path.stem}.run.json")


def _refused(name: str, what: str, path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{name!r} cannot be {what}: {error.strerror}; see that {path.parent} can be written."
    )


def _whole(path: Path) -> bytes:
    """Return a model file's bytes after a look at every weight; torch is not needed for that."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    read_header(path)
    try:
        data = path.read_bytes()
        tensors = load(data)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path.name} is damaged or cut short: {error}.") from error
    if not all(t.dtype == np.float32 and np.isfinite(t).all() for t in tensors.values()):
        raise CheckpointError(f"{path.name} holds weights that are not finite; get it again.")
    return data


# ---------------------------------------------------------------- the card in words


def card_lines(info: ModelInfo) -> list[str]:
    """Return what is known of a model as lines to read: its network, its origin, its figures."""
    config, card = info.config, info.card
    channels = "RGB" if config.channels == 3 else "one channel"
    filters = "-".join(map(str, config.widths))
    recipe = card.get("recipe")
    begun = card.get("started_from") or (isinstance(recipe, dict) and recipe.get("started_from"))
    entries = (
        ("Model", f"{info.name} (bundled)" if info.bundled else info.name),
        ("Scale", f"×{config.scale}"),
        ("Network", f"kernels {config.kernel_name}, filters {filters}, {channels}, "
                    f"{config.parameters:,} parameters"),
        ("Description", info.description),
        ("Data", plain(card.get("data"))),
        ("Degradation", plain(card.get("degradation"))),
        ("Held apart", _held_apart(card.get("held_apart"))),
        ("PSNR on Y", _figures(card.get("psnr"))),
        ("Started from", plain(begun or None)),
        ("Trained", _training(card)),
        ("Made of", plain(card.get("source"))),
        ("Windows", ", ".join(
            f"{plain(kind)} {low:g}..{high:g}" for kind, (low, high) in
            sorted(card.get("windows", {}).items()))),
        ("Made with", ", ".join(
            f"{program} {text}" for program, key in (("napari-srcnn", "version"), ("torch",) * 2)
            if (text := plain(card.get(key))))),
        ("Licence", plain(card.get("license"))),
    )  # fmt: skip
    return [f"{label}: {text}" for label, text in entries if text]


def plain(value: Any, longest: int = _LONGEST) -> str:
    """Return a card's value as one line, without what would act on a terminal; "" for None."""
    if value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_one and math.isfinite(value) else None


def _figures(values: Any) -> str:
    """Return ``Set5 36.31 dB`` and so on; none where a card has something else there."""
    known = values.items() if isinstance(values, dict) else ()
    return ", ".join(
        f"{plain(name)} {x:.2f} dB"
        for name, value in sorted(known)
        if (x := _number(value)) is not None
    )


def _held_apart(values: Any) -> str:
    """Return the figures on what was held apart from training, beside what they compare with."""
    if not isinstance(values, dict):
        return ""
    parts = []
    for key, unit, digits, others in (
        ("psnr", " dB", 2, (("bicubic", "bicubic"), ("start", "before"))),
        ("ssim", "", 4, (("bicubic_ssim", "bicubic"),)),
    ):
        if (own := _number(values.get(key))) is None:
            continue
        theirs = [
            f"{word} {x:.{digits}f}"
            for other, word in others
            if (x := _number(values.get(other))) is not None
        ]
        text = f"{key.upper()} {own:.{digits}f}{unit}"
        parts.append(f"{text} ({', '.join(theirs)})" if theirs else text)
    what = plain(values.get("what"))
    return "; ".join(parts) + (f"; on {what}" if parts and what else "")


def _training(card: dict[str, Any]) -> str:
    steps, seconds = _number(card.get("steps_done")), _number(card.get("seconds"))
    # A time of day to the minute.
    parts = [plain(card.get("date"))[:16].replace("T", " ")]
    if steps is not None:
        parts.append(f"{steps:,.0f} steps")
    if seconds is not None:
        minutes, rest = divmod(round(seconds), 60)
        parts.append(f"{minutes} min {rest} s" if minutes else f"{rest} s")
    return ", ".join(part for part in parts if part)
