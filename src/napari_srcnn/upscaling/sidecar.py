"""How a file was made, in a file beside it: the same record as within it, for any program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_srcnn.io import read_stack
from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.upscaling.provenance import SCHEMA, Provenance

#: What a sidecar's name ends in, after all of the image's.
SUFFIX = ".json"
# A record has a few thousand characters; one with a thousand channels less than this.
_MOST_BYTES = 4 << 20


def sidecar_of(target: Path) -> Path:
    """Return where the sidecar of an image stands."""
    return target.with_name(target.name + SUFFIX)


def write_sidecar(target: Path, made: Provenance) -> Path:
    """Write how an image was made beside it; all of it or nothing.

    Raises
    ------
    ValueError
        If it cannot be written.
    """
    path = sidecar_of(target)
    try:
        write_bytes(path, (json.dumps(made.to_dict(), indent=1) + "\n").encode())
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def read_sidecar(path: Path) -> Provenance:
    """Read how an image was made.

    Raises
    ------
    ValueError
        If it cannot be read, is no record, is damaged, or a newer version's.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise ValueError(
                f"{path} has {size} bytes, too many for a record of how an image was made."
            )
        text = path.read_bytes().decode()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no record of how an image was made, but other data.") from None
    try:
        values = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(f"{path} is damaged: it is nested too deeply.") from None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: it is no whole JSON ({error}).") from None
    return checked(values, path)


def embedded(path: Path) -> Provenance:
    """Return the record within an image.

    Raises
    ------
    ValueError
        If it cannot be read, holds no record, or a newer version's.
    """
    with read_stack(path) as stack:
        return checked(stack.metadata.get("napari_srcnn"), path)


def checked(values: Any, path: Path) -> Provenance:
    """Return a record that a file holds, if this version can read it.

    Raises
    ------
    ValueError
        If it is no record, or a newer version's.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{path} holds no record of how an image was made.")
    schema = values.get("schema", 1)
    if isinstance(schema, int) and schema > SCHEMA:
        raise ValueError(
            f"{path} was written by napari-srcnn {values.get('version', 'of a newer version')}, "
            "whose records this one does not know; update it."
        )
    try:
        return Provenance.from_dict(values)
    except ValueError:
        raise ValueError(
            f"{path} holds no whole record of how an image was made; it was made by something "
            "else, or was damaged."
        ) from None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
