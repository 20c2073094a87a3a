"""Open the store of an OME-Zarr: a folder, a zip file or an address."""

from __future__ import annotations

import contextlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from napari_srcnn.image.stack import StackError
from napari_srcnn.io.names import ZARR_SUFFIXES, address_of
from napari_srcnn.io.tiff_check import in_one_sentence
from napari_srcnn.io.zarr.bounded import check_zip

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import zarr

# A path made of an address has lost one of its two strokes.
_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray")


@dataclass(frozen=True, slots=True)
class Opened:
    """An open store.

    Attributes
    ----------
    place : str
        The path or the address.
    root : zarr.Group or zarr.Array
    inside : str
        Where in the store the root is: the folder that a zip file holds, or nothing.
    """

    place: str
    root: zarr.Group | zarr.Array[Any]
    inside: str = ""

    @property
    def name(self) -> str:
        """What it is called in a message."""
        return Path(self.place).name

    def group(self, path: str) -> zarr.Group:
        """Return the group at a path below the root; the root's own is ``""``.

        Raises
        ------
        StackError
            There is none.
        """
        node = self.node(path)
        if not is_group(node):
            raise StackError(f"{self.name} holds an array at {path}, where an image should be")
        return node

    def node(self, path: str) -> zarr.Group | zarr.Array[Any]:
        """Return the group or array at a path below the root.

        Raises
        ------
        StackError
            There is none.
        """
        if not path:
            return self.root
        if not is_group(self.root) or path not in self.root:
            raise StackError(f"{self.name} names {path}, which is not in it")
        return self.root[path]

    def text(self, key: str) -> str | None:
        """Return a text file of a folder or a zip file, None where there is none."""
        key = f"{self.inside}/{key}".lstrip("/")
        try:
            if Path(self.place).is_dir():
                return (Path(self.place) / key).read_text("utf-8", "replace")
            if Path(self.place).is_file():
                with zipfile.ZipFile(self.place) as file:
                    return file.read(key).decode("utf-8", "replace")
        except (FileNotFoundError, KeyError):
            pass
        return None

    def close(self) -> None:
        """Close the file of a zip store."""
        self.root.store.close()


def is_there(path: str | os.PathLike[str]) -> bool:
    """Tell whether there is such a file or folder; an address is only tried when it is opened."""
    return address_of(path) is not None or Path(path).exists()


def description(path: str | os.PathLike[str]) -> str:
    """Return what describes a store, as text by which it is known again.

    Raises
    ------
    StackError
        It cannot be opened.
    """
    store = open_store(path)
    try:
        return json.dumps(dict(store.root.attrs), sort_keys=True, default=str)
    finally:
        store.close()


def is_group(node: object) -> TypeGuard[zarr.Group]:
    """Tell whether a node of a store is a group, and no array."""
    import zarr

    return isinstance(node, zarr.Group)


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Tell whether `path` is an address, is named as OME-Zarr is, or is a folder of it."""
    if address_of(path) is not None or str(path).rstrip("/\\").lower().endswith(ZARR_SUFFIXES):
        return True
    return is_store(path)


def is_store(path: str | os.PathLike[str]) -> bool:
    """Tell whether `path` is a folder with the metadata of a zarr."""
    with contextlib.suppress(OSError):
        return any((Path(path) / name).is_file() for name in _DOCUMENTS)
    return False


def open_store(path: str | os.PathLike[str]) -> Opened:
    """Open a store for reading.

    Raises
    ------
    StackError
        There is none, or it cannot be read; what it takes to read addresses is not installed.
    """
    import zarr  # half a second that opening a file may take and an import may not

    address = address_of(path)
    place = address or str(path)
    name = Path(place)
    with _sentences(name):
        store = _store(path, address)
        try:
            inside = _folder_in_zip(path) if address is None and name.is_file() else ""
            return Opened(place, zarr.open(store, path=inside, mode="r"), inside)
        except BaseException:
            store.close()
            raise


def _store(path: str | os.PathLike[str], address: str | None) -> Any:
    """Return zarr's store for a path or an address."""
    from zarr.storage import FsspecStore, LocalStore, ZipStore

    if address is not None:
        try:
            return FsspecStore.from_url(address, read_only=True)
        except ImportError as error:
            raise StackError(
                f"{address} cannot be read without further packages ({error}); "
                "for http and https: pip install 'napari-srcnn[web]'"
            ) from None
    place = Path(path)
    if place.is_dir():
        if not any(place.iterdir()):
            raise StackError(f"{place.name} is an empty folder")
        return LocalStore(place, read_only=True)
    if not place.exists():
        raise StackError(f"there is no file or folder {place}")
    check_zip(place)
    return ZipStore(place, mode="r", read_only=True)


def _folder_in_zip(path: str | os.PathLike[str]) -> str:
    """Return the folder in a zip file that holds everything, where it was zipped with one."""
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
    tops = {name.partition("/")[0] for name in names}
    return "" if set(_DOCUMENTS) & tops or len(tops) != 1 else tops.pop()


@contextlib.contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Say in one sentence why a store cannot be opened."""
    from zarr.errors import NodeNotFoundError

    with in_one_sentence(path, "cannot be opened as OME-Zarr"):
        try:
            yield
        except NodeNotFoundError:
            raise StackError(f"{path.name} holds no zarr group or array") from None
        except OSError as error:
            why = error.strerror or " ".join(str(error).split())
            raise StackError(f"{path.name} cannot be opened: {why}") from error
