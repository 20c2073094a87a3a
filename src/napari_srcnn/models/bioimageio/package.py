"""A zip file from anybody, looked into: its description, and files of it; nothing is unpacked."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_srcnn.network.checkpoint import CheckpointError
from napari_srcnn.network.extra import needed
from napari_srcnn.words import one_line

# What a description may be called, the usual name first.
_NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
# Bytes of a description, of which YAML reads some ten thousand a second at worst, and of the
# weights of the largest network of three layers that is of use.
_LARGEST_TEXT, _LARGEST_FILE = 2**17, 2**26
# The specs that are read here.
_KNOWN = ((0, 4), (0, 5))


class Package:
    """A package for bioimage.io.

    Attributes
    ----------
    path : Path
    description : dict
        What it says of itself.

    Raises
    ------
    CheckpointError
        If it is no package of a model, damaged, or of a newer spec; or if the package that reads
        YAML is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as store:
                self._names = store.namelist()
        except OSError as error:
            raise CheckpointError(f"{path.name} cannot be read: {error.strerror}.") from error
        # Of damaged files zipfile raises errors of other classes as well.
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError) as error:
            raise CheckpointError(f"{path.name} is no zip file or is damaged.") from error
        self.description = self._described()

    def read(self, name: str, sha256: Any = None, largest: int = _LARGEST_FILE) -> bytes:
        """Return a file of the package.

        Parameters
        ----------
        name : str
            As the description has it.
        sha256 : str, optional
            What its bytes must be known by.
        largest : int
            Bytes; a larger file is refused.

        Raises
        ------
        CheckpointError
            If it is not there, too large or damaged.
        """
        shown = one_line(str(name), 100)
        wanted = name.removeprefix("./")
        if wanted not in self._names:
            raise CheckpointError(
                f"{self.path.name} holds no {shown!r}, which it names; get it whole."
            )
        try:
            with zipfile.ZipFile(self.path) as store:
                if store.getinfo(wanted).file_size > largest:
                    raise CheckpointError(
                        f"{self.path.name} holds {shown!r}, which is too large for an SRCNN."
                    )
                data = store.read(wanted)
        except CheckpointError:
            raise
        # zlib, lzma and bz2 raise errors of their own.
        except Exception as error:
            raise CheckpointError(
                f"{self.path.name} is damaged: {shown!r} in it cannot be read; get it again."
            ) from error
        if sha256 is not None and hashlib.sha256(data).hexdigest() != str(sha256).lower():
            raise CheckpointError(
                f"{self.path.name} is damaged: {shown!r} in it is not what its description says; "
                "get it again."
            )
        return data

    def _described(self) -> dict[str, Any]:
        found = [name for name in _NAMES if name in self._names]
        if not found:
            raise CheckpointError(
                f"{self.path.name} holds no {_NAMES[0]}; a package for bioimage.io is needed."
            )
        yaml = needed("yaml")
        try:
            value = yaml.safe_load(self.read(found[0], largest=_LARGEST_TEXT).decode())
        except CheckpointError:
            raise
        except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
            raise CheckpointError(
                f"{self.path.name} is damaged: its {found[0]} is no YAML."
            ) from error
        if not isinstance(value, dict) or value.get("type") != "model":
            kind = value.get("type") if isinstance(value, dict) else None
            said = (
                f"is a {one_line(kind, 40)}'s"
                if isinstance(kind, str) and kind
                else "is no model's"
            )
            raise CheckpointError(f"{self.path.name} {said} package; a model's is needed.")
        self._check_version(str(value.get("format_version")))
        return value

    def _check_version(self, version: str) -> None:
        parts = version.split(".")
        try:
            spec = (int(parts[0]), int(parts[1]))
        except (ValueError, IndexError):
            raise CheckpointError(
                f"{self.path.name} does not say by which spec it is; 0.4 and 0.5 are read."
            ) from None
        if spec > _KNOWN[-1]:
            raise CheckpointError(
                f"{self.path.name} is by spec {one_line(version, 40)}, which is newer than this "
                "napari-srcnn; update it, or ask for the package by spec 0.5."
            )
        if spec not in _KNOWN:
            raise CheckpointError(
                f"{self.path.name} is by spec {one_line(version, 40)}, which is too old; 0.4 and "
                "0.5 are read."
            )


def at(value: Any, *keys: str | int) -> Any:
    """Return what lies at a path of names and numbers in a description; None where nothing does."""
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value
