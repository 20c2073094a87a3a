"""Write OME-Zarr shard by shard: in any order, from several threads, and again after a stop."""

from __future__ import annotations

from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.stack import StackError, check_axes
from napari_srcnn.image.units import PIXEL
from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.io.names import stack_name
from napari_srcnn.io.room import check_room, write_failure
from napari_srcnn.io.zarr.codecs import array_arguments
from napari_srcnn.io.zarr.levels import Level, halved, levels_of
from napari_srcnn.io.zarr.metadata import attributes_of, axis_names, stored_order

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import DTypeLike, NDArray

#: Ending of the folders that are written.
SUFFIX = ".ome.zarr"
# A folder with one of these is a zarr.
_ROOTS = (".zgroup", "zarr.json")
# In the order in which they are written.
_OF_THE_GROUP = (".zattrs", *_ROOTS)


class ZarrTarget:
    """An OME-Zarr to be filled shard by shard.

    Shapes, regions and indices are in the order of `axes`, whatever the order on the disk. A shard
    is written whole or not at all: zarr loses data where parts of one are written by turns. The
    caller writes what `encode` returns (see `key_path`), level after level: `downsampled` gives the
    pixels of a shard of the next level once those below it are on the disk.

    Parameters
    ----------
    path : str or path-like
        The folder to write.
    shape : tuple of int
        Shape of the whole image, as `axes`.
    dtype : dtype
        Integers of 8 to 64 bits, floating point of 16 to 64 bits, or bool.
    axes : str
        At most five axes that end in YX, or in YXS for colour samples, which are stored as
        channels; `read_stack` restores them.
    pixel_size, units, channel_names, channel_colors, metadata, provenance
        See `OmeTiffWriter`; ``Stack.upscaled`` gives them.
    name : str, optional
        The image's name; by default the final folder's without its ending.
    final : path-like, optional
        The folder that `path` will be renamed to, for the name and for messages.
    version : str
        ``"0.5"`` (zarr v3, a file for each shard) or ``"0.4"`` (zarr v2, a file for each chunk of
        a shard).
    compression : str, optional
        ``"zstd"`` (by default), ``"blosc"`` (zstd after a shuffle of bytes: 6 to 8 % smaller for
        16-bit pixels, for twice the work), ``"zlib"`` or ``"none"``.
    shard, chunk : tuple of int, optional
        One length an axis: what is written and what is compressed as one; see `levels_of`.
    levels : int, optional
        How many levels the pyramid has; by default until Y and X are no longer than 512.

    Attributes
    ----------
    levels : tuple of Level
        The full resolution first.

    Raises
    ------
    StackError
        The image does not fit OME-Zarr, or shards and chunks do not fit it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: Sequence[int],
        dtype: DTypeLike,
        axes: str,
        pixel_size: Sequence[float] = (),
        units: Sequence[str] = (),
        *,
        channel_names: Sequence[str] = (),
        channel_colors: Sequence[str | None] = (),
        metadata: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
        name: str | None = None,
        final: str | os.PathLike[str] | None = None,
        version: str = "0.5",
        compression: str | None = None,
        shard: Sequence[int] | None = None,
        chunk: Sequence[int] | None = None,
        levels: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.final = Path(path if final is None else final)
        self.shape = tuple(int(size) for size in shape)
        # Little-endian on the disk, and so in memory on every machine that there is.
        self.dtype: np.dtype[Any] = np.dtype(dtype).newbyteorder("<")
        self.axes = axes
        self.version = version
        self.compression = compression or "zstd"
        check_axes(axes, len(self.shape))
        if 0 in self.shape:
            raise StackError(f"an image of shape {self.shape} has no pixels to write")
        self._order = stored_order(axes)
        array_arguments(version, self.dtype, (), (), self.compression)  # are they known at all
        self.levels = levels_of(
            self.shape, axes, self.dtype.itemsize, chunk=chunk, shard=shard, count=levels
        )
        self._documents = self._made(
            attributes_of(
                self.levels,
                version=version,
                name=name or stack_name(self.final),
                dtype=self.dtype,
                axes=axes,
                pixel_size=tuple(map(float, pixel_size)) or (1.0,) * len(self.shape),
                units=tuple(units) or (PIXEL,) * len(self.shape),
                channel_names=tuple(channel_names),
                channel_colors=tuple(channel_colors),
                metadata=metadata or {},
                provenance=provenance,
            )
        )
        self._arrays: dict[int, Any] = {}

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels of all levels, before compression."""
        return sum(prod(level.shape) for level in self.levels) * self.dtype.itemsize

    @property
    def is_created(self) -> bool:
        """Whether the folder holds this very image's metadata: it can be filled, or filled on."""
        try:
            return all(
                self.key_path(key).read_bytes() == text for key, text in self._documents.items()
            )
        except OSError:
            return False

    @property
    def is_sealed(self) -> bool:
        """Whether the group's metadata are there, whatever they say of how the image was made."""
        keys = [key for key in self._documents if key in _OF_THE_GROUP]
        return all(self.key_path(key).is_file() for key in keys)

    def create(self) -> None:
        """Write the metadata of the group and of all levels, and no pixels.

        The group's come last: a folder without them was not made to its end, and is made anew.

        Raises
        ------
        StackError
            Something else is there already, or the folder cannot be written.
        """
        self.prepare()
        self.seal()

    def prepare(self) -> None:
        """Write what `create` does but the group's metadata: nobody takes it for an image yet.

        Raises
        ------
        StackError
            As of `create`.
        """
        # What compression saves is known afterwards only; noise rarely shrinks below a quarter.
        needed = self.nbytes // (1 if self.compression == "none" else 4)
        self._check_place()
        check_room(self.final, needed)
        self._write_documents([key for key in self._documents if key not in _OF_THE_GROUP])

    def seal(self) -> None:
        """Write the group's metadata, with which the folder is an image.

        Raises
        ------
        StackError
            It cannot be written.
        """
        self._write_documents([key for key in self._documents if key in _OF_THE_GROUP])

    def _write_documents(self, keys: Sequence[str]) -> None:
        try:
            for key in keys:
                write_bytes(self.key_path(key), self._documents[key])
        except OSError as error:
            raise write_failure(self.final, error, 0) from error

    def region(self, level: int, index: Sequence[int]) -> tuple[slice, ...]:
        """Return where the shard at `index` of a level's grid lies in that level."""
        return self.levels[level].region(index)

    def encode(
        self, level: int, index: Sequence[int], values: NDArray[Any]
    ) -> list[tuple[str, memoryview]]:
        """Return the files of one shard; nothing is written. Safe to call from several threads.

        Parameters
        ----------
        level : int
            Number of the level, 0 for the full resolution.
        index : sequence of int
            Which shard of the level's grid.
        values : ndarray
            Its pixels, of the shape of `region`.

        Returns
        -------
        list of (str, memoryview)
            Keys (see `key_path`) and contents: one for 0.5, one a chunk for 0.4. What holds zeros
            alone is left out, so that there may be none.
        """
        from zarr import create_array
        from zarr.storage import MemoryStore

        of = self.levels[level]
        region = of.region(index)
        wanted = tuple(part.stop - part.start for part in region)
        if np.shape(values) != wanted:
            raise StackError(f"a shard of shape {np.shape(values)} was given where {wanted} is due")
        if not np.can_cast(values.dtype, self.dtype, "safe"):
            raise StackError(
                f"a shard of type {values.dtype} was given for an image of {self.dtype}"
            )
        # A whole shard, at the image's edges as well: zarr then has nothing to keep or to merge.
        shard = values.transpose(self._order)
        if wanted != of.shard:
            padded = np.zeros(self._stored(of.shard), self.dtype)
            padded[tuple(slice(0, n) for n in shard.shape)] = shard
            shard = padded
        held: dict[str, Any] = {}
        array = create_array(MemoryStore(held), shape=shard.shape, **self._arguments(of))
        # What describes the array of this one shard, and not the image's.
        of_memory = set(held)
        array[...] = shard
        first = self._first(of, index)
        # Not copied: a shard's file is large.
        return [
            (self._key(of, first, key), memoryview(held[key].as_numpy_array()))
            for key in sorted(held)
            if key not in of_memory
        ]

    def keys(self, level: int, index: Sequence[int]) -> list[str]:
        """Return the keys of all files that a shard can have."""
        of = self.levels[level]
        first, count = self._first(of, index), [1] * self.ndim
        if self.version != "0.5":
            region = of.region(index)
            count = [
                ceil((part.stop - part.start) / step)
                for part, step in zip(region, of.chunk, strict=True)
            ]
        prefix = "c/" if self.version == "0.5" else ""
        return [
            self._key(of, first, prefix + "/".join(map(str, place)))
            for place in np.ndindex(*self._stored(count))
        ]

    def key_path(self, key: str) -> Path:
        """Return the file of a key that `encode` gave."""
        return self.path / key

    def write(self, level: int, index: Sequence[int], values: NDArray[Any]) -> None:
        """Write one shard's files, each under its name when it is whole; see `encode`.

        Raises
        ------
        StackError
            They cannot be written.
        """
        try:
            for key, content in self.encode(level, index, values):
                write_bytes(self.key_path(key), content)
        except OSError as error:
            raise write_failure(self.final, error, values.nbytes) from error

    def read(self, level: int, region: Sequence[slice]) -> NDArray[Any]:
        """Return what the disk holds of a region of a level; zeros where nothing is yet."""
        found = self._array(level)[tuple(region[n] for n in self._order)]
        return np.asarray(found).transpose(np.argsort(self._order))

    def downsampled(self, level: int, index: Sequence[int]) -> NDArray[Any]:
        """Return the pixels of a shard of the pyramid: means of the level before, from the disk.

        No more than one chunk's planes of that level are in memory beside the shard.

        Parameters
        ----------
        level : int
            1 or above.
        index : sequence of int
            Which shard of the level's grid.
        """
        if level < 1:
            raise IndexError("level 0 is the image itself, made from no other level")
        region, before = self.region(level, index), self.levels[level - 1]
        y = self.axes.index("Y")
        source = list(region)
        for axis in (y, y + 1):
            stop = min(2 * region[axis].stop, before.shape[axis])
            source[axis] = slice(2 * region[axis].start, stop)
        result = np.empty([part.stop - part.start for part in region], self.dtype)
        steps = [
            range(part.start, part.stop, before.chunk[axis]) for axis, part in enumerate(region[:y])
        ]
        for place in np.ndindex(*map(len, steps)):
            planes = [
                slice(step[at], min(step[at] + step.step, step.stop))
                for step, at in zip(steps, place, strict=True)
            ]
            inside = tuple(
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(planes, region[:y], strict=True)
            )
            result[inside] = halved(self.read(level - 1, [*planes, *source[y:]]), self.axes)
        return result

    def _stored(self, lengths: Sequence[int]) -> tuple[int, ...]:
        """Return one value an axis in the order of the arrays on the disk."""
        return tuple(int(lengths[n]) for n in self._order)

    def _arguments(self, level: Level) -> dict[str, Any]:
        """Return what zarr is told of a level's array."""
        return array_arguments(
            self.version,
            self.dtype,
            self._stored(level.chunk),
            self._stored(level.shard),
            self.compression,
        )

    def _first(self, level: Level, index: Sequence[int]) -> tuple[int, ...]:
        """Return the place of a shard's first file among all of a level, in the stored order."""
        return self._stored(
            [
                at * (1 if self.version == "0.5" else whole // part)
                for at, whole, part in zip(index, level.shard, level.chunk, strict=True)
            ]
        )

    def _key(self, level: Level, first: Sequence[int], key: str) -> str:
        """Return the store's key for one of an array of one shard, whose first chunk is `first`."""
        parts = key.split("/")
        prefix, inside = (parts[:1], parts[1:]) if self.version == "0.5" else ([], parts)
        places = [str(start + int(at)) for start, at in zip(first, inside, strict=True)]
        return "/".join([level.path, *prefix, *places])

    def _made(self, attributes: dict[str, Any]) -> dict[str, bytes]:
        """Return the store's metadata by key, in the order in which they are to be written."""
        from zarr import create_array, create_group
        from zarr.storage import MemoryStore

        held: dict[str, Any] = {}
        store = MemoryStore(held)
        create_group(store, zarr_format=2 if self.version == "0.4" else 3, attributes=attributes)
        names = axis_names("".join(self.axes[n] for n in self._order))
        for level in self.levels:
            create_array(
                store,
                name=level.path,
                shape=self._stored(level.shape),
                dimension_names=None if self.version == "0.4" else names,
                **self._arguments(level),
            )
        order = {key: at for at, key in enumerate(_OF_THE_GROUP)}
        keys = sorted(held, key=lambda key: (order.get(key, -1), key))
        return {key: held[key].to_bytes() for key in keys}

    def _array(self, level: int) -> Any:
        """Return a level's array on the disk."""
        if level not in self._arrays:
            from zarr import open_array
            from zarr.storage import LocalStore

            store = LocalStore(self.path, read_only=True)
            self._arrays[level] = open_array(store, path=self.levels[level].path, mode="r")
        return self._arrays[level]

    def _check_place(self) -> None:
        """Raise StackError unless nothing is there, or what `create` left when it was stopped."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise StackError(f"{self.path} exists already, as a file; choose another name")
        ours = {key.partition("/")[0] for key in self._documents}
        found = {entry.name for entry in self.path.iterdir() if not entry.name.endswith(".part")}
        if not found <= ours or found & set(_ROOTS):
            raise StackError(f"{self.path} exists already; choose another name or overwrite it")
