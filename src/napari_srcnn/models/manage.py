"""The user's own models: renamed, deleted, exported, imported."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np

from napari_srcnn.models.card import ModelInfo
from napari_srcnn.models.export import KINDS, export_bytes, kind_of
from napari_srcnn.models.foreign import as_model_file, stem_of
from napari_srcnn.models.library import (
    _FILE_SUFFIXES,
    _NAME,
    PUBLISHED,
    _files,
    _info,
    bundled_dir,
    find_model,
    is_path,
    model_info,
    own_models,
)
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.models.runs import RunFiles
from napari_srcnn.network.checkpoint import SUFFIX, CheckpointError, read_header, write_atomically

# File systems take 255 bytes, of which a suffix and a temporary file's letters want some.
_LONGEST_NAME = 100


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


# ---------------------------------------------------------------- the user's own


def rename_model(old: str, new: str) -> ModelInfo:
    """Give one of the user's models another name; a stopped training run's state goes along.

    Raises
    ------
    CheckpointError
        If there is no such model, it is bundled or damaged, the new name is taken or none, or a
        training of either name is under way.
    """
    path = _own(old, "renamed")
    # A damaged model is told now and not after it has moved.
    model_info(old)
    target = path.with_name(f"{check_name(new)}{SUFFIX}")
    # Where upper and lower case are one, another case of a name is the same file.
    if target.exists() and (new == old or not target.samefile(path)):
        raise CheckpointError(f"You have a model named {new!r} already; choose another name.")
    run, target_run = RunFiles(path), RunFiles(target)
    run.check_not_running()
    target_run.check_not_running()
    left = target_run.state
    if left.exists() and not (run.state.exists() and left.samefile(run.state)):
        raise CheckpointError(
            f"{left.name} is left from a training run that was stopped; "
            "choose another name, or go on with that run."
        )
    moved: list[tuple[Path, Path]] = []
    try:
        try:
            for before, after in zip((*run.kept, path), (*target_run.kept, target), strict=True):
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
        If there is no such model, it is bundled, its folder cannot be written, or a training of
        that name is under way.
    """
    path = _own(name, "deleted")
    run = RunFiles(path)
    run.check_not_running()
    try:
        path.unlink(missing_ok=True)
        run.forget()
    except OSError as error:
        raise _refused(name, "deleted", path, error) from error
    _info.cache_clear()


def export_model(name: str, target: str | Path, *, force: bool = False) -> Path:
    """Write a model, the user's or a bundled one, to a file that :func:`import_model` takes.

    Parameters
    ----------
    name : str
    target : path-like
        A file, whose ending says its kind: ``.safetensors`` (a copy, by default added where there
        is none), ``.onnx``, or ``.bioimage.io.zip``; or a folder that is there, for a copy.
    force : bool
        Replace what is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CheckpointError
        If there is no such model, it is damaged, the file is there or cannot be written, or its
        kind needs a package that is not installed.
    """
    if is_path(name):
        raise CheckpointError(f"{str(name)!r} is no model's name; copy the file itself.")
    path = find_model(name)
    data = _whole(path)
    target = Path(target).expanduser()
    if target.is_dir():
        target = target / f"{name}{SUFFIX}"
    elif kind_of(target) is None:
        if target.suffix.lower() in _FILE_SUFFIXES:
            raise CheckpointError(
                f"{target.name} ends in {target.suffix!r}; models are exported as "
                f"{', '.join(KINDS[:-1])} or {KINDS[-1]}."
            )
        target = target.with_name(f"{target.name}{SUFFIX}")
    if target.exists() and not force:
        raise CheckpointError(f"{target} is there already; choose another file, or force it.")
    if kind_of(target) != SUFFIX:
        data = export_bytes(model_info(name), kind_of(target))
    write_atomically(target, data)
    _info.cache_clear()
    return target


def name_for(source: str | Path) -> str:
    """Return the name that :func:`import_model` gives a file's model; "" where none can be made."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem_of(Path(source))).strip(".-")[:_LONGEST_NAME]
    while is_path(name):
        name = name.rpartition(".")[0]
    return name


def import_model(source: str | Path, name: str | None = None, *, force: bool = False) -> ModelInfo:
    """Take a model's file to the user's own models.

    Parameters
    ----------
    source : path-like
        A file that :func:`export_model` wrote (a ``.safetensors`` file is copied byte for byte), or
        another program's package for bioimage.io whose weights are those of an SRCNN. Nothing in
        it is run.
    name : str, optional
        By default the file's, where need be with other characters.
    force : bool
        Replace the user's model of that name.

    Raises
    ------
    CheckpointError
        If the file cannot be used in whole, the name is taken or none, or a training of that name
        is under way.
    """
    source = find_model(Path(source))
    if is_published(source):
        raise CheckpointError(
            f"{source.name} may be a published checkpoint but is no model file; "
            f"`napari-srcnn convert {source.name} NAME` makes a model of it."
        )
    with as_model_file(source) as file:
        data = _whole(file)
    return _take(source, data, name, force=force)


def is_published(source: str | Path) -> bool:
    """Tell whether a file's suffix is that of a published checkpoint, which has to be converted."""
    return Path(source).suffix.lower() in PUBLISHED


def convert_model(source: str | Path, name: str | None = None) -> ModelInfo:
    """Make a model of the user's own of a published checkpoint; no code in it is run.

    What the file cannot say is assumed as :func:`~napari_srcnn.network.published.read_published`
    does; `napari-srcnn convert` has options for it.

    Parameters
    ----------
    source : path-like
        A ``.mat``, ``.pt``, ``.pth``, ``.ckpt`` or ``.bin`` file, whose name says the scale.
    name : str, optional
        By default the file's.

    Raises
    ------
    CheckpointError
        If the file cannot be used, or the name is taken or none.
    """
    from napari_srcnn.network.checkpoint import save_model
    from napari_srcnn.network.published import read_published

    source = find_model(Path(source))
    published = read_published(source)
    with tempfile.TemporaryDirectory() as folder:
        made = save_model(
            Path(folder) / f"model{SUFFIX}", published.model(), published.card(source)
        )
        return _take(source, made.read_bytes(), name, force=False)


def _take(source: Path, data: bytes, name: str | None, *, force: bool) -> ModelInfo:
    """Write a model's bytes to the user's own, by default under its file's name."""
    if name is None and not (name := name_for(source)):
        raise CheckpointError(f"No name can be made of {source.name!r}; give the model a name.")
    target = user_model_dir() / f"{check_name(name)}{SUFFIX}"
    if target.exists() and not force:
        raise CheckpointError(
            f"You have a model named {name!r} already; choose another name, or force it."
        )
    RunFiles(target).check_not_running()
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
