"""How an image was made: one record, in files, in layers and beside models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import napari_srcnn
from napari_srcnn.io.names import address_of
from napari_srcnn.io.zarr.store import description
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.words import one_line

#: Of what is written. Records of version 0.1 bear no number.
SCHEMA = 3
# Files up to this size are known by every byte of theirs.
_WHOLE = 256 << 20
# Of larger ones so many blocks of so many bytes are looked at.
_BLOCKS, _BLOCK = 256, 1 << 20
# Of a zarr store.
_DESCRIPTIONS = ("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata")
_LIBRARIES = ("numpy", "tifffile", "torch")

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The file that an image was made of.

    Attributes
    ----------
    name : str
    bytes : int
    content : str
        What :func:`fingerprint` says of it and of its siblings; empty in older records.
    image : int
        Which of its images, from 0.
    siblings : tuple of str
        Names of the other files that hold a part of the same image.
    """

    name: str
    bytes: int
    content: str = ""
    image: int = 0
    siblings: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, image: int = 0, files: Sequence[Path] = ()) -> Self:
        """Look at a file, and at the `files` that hold its image together with it."""
        if address_of(path) is not None:
            # What lies behind an address cannot be looked at in whole.
            known = hashlib.sha256(description(path).encode()).hexdigest()
            return cls(name=path.name, bytes=0, content=known, image=image)
        others = tuple(file for file in files if file.resolve() != path.resolve())
        return cls(
            name=path.name,
            bytes=_bytes(path),
            content=fingerprint((path, *others)),
            image=image,
            siblings=tuple(sorted(file.name for file in others)),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what a record says of the file."""
        return cls(
            name=str(values.get("name", "")),
            bytes=_whole(values.get("bytes")),
            content=str(values.get("content", "")),
            image=_whole(values.get("image")),
            siblings=tuple(map(str, values.get("siblings", ()))),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.name,
            "bytes": self.bytes,
            "content": self.content,
            "image": self.image,
            "siblings": list(self.siblings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """What an image's pixels are known by, whatever the file they lie in.

    Attributes
    ----------
    sha256 : str
        Of the pixels in C order, little-endian: of ``array.astype("<u2").tobytes()``.
    dtype : str
    shape : tuple of int
    """

    sha256: str
    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what a record says of the pixels."""
        return cls(
            sha256=str(values["sha256"]),
            dtype=str(values["dtype"]),
            shape=tuple(int(n) for n in values["shape"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"sha256": self.sha256, "dtype": self.dtype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How an image was made. What is not known (yet) is None, and is left out of the record.

    Attributes
    ----------
    version : str
        Of napari-srcnn.
    libraries : mapping of str to str
        Versions of what it computed with.
    model, model_sha256 : str
    scale : int
    ranges : tuple of pairs or None
        Intensities measured, one pair a channel or one for all.
    window : pair
        What they were mapped to.
    noise : tuple of Noise or None
        What the network was told, smoothing included, or what the result was held to within; None
        where it was neither.
    noise_text : str
        What was measured, in words.
    smoothing : float or None
        How much of the noise the network was told; None if it is told nothing.
    consistent, deterministic : bool
        Whether the result was held to its source; whether its bytes depend on neither tiles nor
        threads.
    device : str
    processor : str
        Where the device is one.
    tile : int or None
    clipped, nonfinite : int or None
        Values set to the dtype's limit; pixels that are not finite.
    seconds : float or None
    messages : tuple of str
        What was said on the way.
    slices_done, slices_total : int or None
        Of a run that was stopped.
    options : mapping or None
        What was asked for and changes pixels, as JSON values.
    source : SourceFile or None
    pixels : Pixels or None
        Of the result; of an OME-Zarr, whose shards come in any order, it is not known.
    schema : int
    """

    version: str = napari_srcnn.__version__
    libraries: Mapping[str, str] = field(default_factory=dict)
    model: str
    model_sha256: str
    scale: int
    ranges: tuple[Pair, ...] | None = None
    window: Pair
    noise: tuple[Noise, ...] | None = None
    noise_text: str = ""
    smoothing: float | None = None
    consistent: bool = False
    deterministic: bool = False
    device: str
    processor: str = ""
    tile: int | None = None
    clipped: int | None = None
    nonfinite: int | None = None
    seconds: float | None = None
    messages: tuple[str, ...] = ()
    slices_done: int | None = None
    slices_total: int | None = None
    options: Mapping[str, Any] | None = None
    source: SourceFile | None = None
    pixels: Pixels | None = None
    schema: int = SCHEMA

    @property
    def is_partial(self) -> bool:
        """Whether slices are missing."""
        return self.slices_done is not None and self.slices_done != self.slices_total

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values, by the names that version 0.1 gave them."""
        values = {
            "schema": self.schema,
            "version": self.version,
            "libraries": dict(self.libraries),
            "model": self.model,
            "model_sha256": self.model_sha256,
            "scale": self.scale,
            "intensity_ranges": None if self.ranges is None else [list(r) for r in self.ranges],
            "window": list(self.window),
            "noise": None if self.noise is None else [asdict(one) for one in self.noise],
            "noise_text": self.noise_text or None,
            "smoothing": self.smoothing,
            "consistent": self.consistent or None,
            "deterministic": self.deterministic or None,
            "device": self.device,
            "processor": self.processor or None,
            "tile": self.tile,
            "clipped_values": self.clipped,
            "nonfinite_pixels": self.nonfinite,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "messages": None if self.seconds is None else list(self.messages),
            "partial": True if self.is_partial else None,
            "slices_done": self.slices_done,
            "slices_total": self.slices_total,
            "job": None if self.options is None else dict(self.options),
            "source": None if self.source is None else self.source.to_dict(),
            "pixels": None if self.pixels is None else self.pixels.to_dict(),
        }
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a record, of an older version too.

        Raises
        ------
        ValueError
            If it is no record of this program's.
        """
        try:
            ranges = values.get("intensity_ranges")
            source, options = values.get("source"), values.get("job")
            pixels = values.get("pixels")
            low, high = values["window"]
            noise = values.get("noise")
            return cls(
                version=str(values["version"]),
                libraries=dict(values.get("libraries", {})),
                model=str(values["model"]),
                model_sha256=str(values["model_sha256"]),
                scale=int(values["scale"]),
                ranges=None if ranges is None else tuple((float(a), float(b)) for a, b in ranges),
                window=(float(low), float(high)),
                noise=None if noise is None else tuple(Noise(**one) for one in noise),
                noise_text=str(values.get("noise_text", "")),
                smoothing=_number(values.get("smoothing")),
                consistent=bool(values.get("consistent", False)),
                deterministic=bool(values.get("deterministic", False)),
                device=str(values["device"]),
                processor=str(values.get("processor", "")),
                tile=_number(values.get("tile")),
                clipped=_number(values.get("clipped_values")),
                nonfinite=_number(values.get("nonfinite_pixels")),
                seconds=_number(values.get("seconds")),
                messages=tuple(values.get("messages", ())),
                slices_done=_number(values.get("slices_done")),
                slices_total=_number(values.get("slices_total")),
                options=None if options is None else dict(options),
                source=None if source is None else SourceFile.from_dict(source),
                pixels=None if pixels is None else Pixels.from_dict(pixels),
                schema=_whole(values.get("schema", 1)),
            )
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(
                one_line(f"This is no record of how an image was made: {error!r}.")
            ) from error


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that results depend on."""
    return dict(_library_versions())


@cache
def _library_versions() -> dict[str, str]:
    """Read them from the libraries' metadata, which takes longer than a small tile."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # put on the path without its metadata
            continue
    return found


def fingerprint(paths: Sequence[Path]) -> str:
    """Return what files are known by: their bytes, whatever they are called.

    Of files above 256 MiB it is 256 blocks of 1 MiB, the size and the time of the last change:
    reading all of them could take as long as enlarging them. Of folders it is the names, sizes and
    times of the files in them.

    Parameters
    ----------
    paths : sequence of Path
        The file, then its siblings in any order.
    """
    first, *others = paths
    digests = [_digest(first), *sorted(map(_digest, others))]
    return digests[0] if not others else hashlib.sha256("".join(digests).encode()).hexdigest()


def _digest(path: Path) -> str:
    stat = path.stat()
    digest = hashlib.sha256()
    if path.is_dir():
        # A store of many files is known by their names, sizes and times, what describes it by
        # every byte.
        for part in _files(path):
            known = part.stat()
            digest.update(f"{part.relative_to(path).as_posix()} {known.st_size} ".encode())
            is_small = part.name in _DESCRIPTIONS
            digest.update(part.read_bytes() if is_small else str(known.st_mtime_ns).encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        if stat.st_size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
        for number in range(_BLOCKS):
            file.seek((stat.st_size - _BLOCK) * number // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in _files(path))
    return path.stat().st_size


def _number(value: Any) -> Any:
    """Return a number, or None where there is none; anything else is no record's."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(f"{value!r} where a number should be")
    return value


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
