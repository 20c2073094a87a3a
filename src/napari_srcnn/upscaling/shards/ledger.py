"""Which shards are on the disk: a line each, in a file of each process that writes them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_srcnn.io.atomic import write_bytes

# In the folder of the full resolution: it moves with the image, and no reader lists what is there.
FOLDER = ".napari-srcnn"
_DIGEST_BYTES = 16

Place = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A shard that is on the disk.

    Attributes
    ----------
    level : int
    index : tuple of int
        Which shard of the level's grid.
    files : tuple of (str, int, str)
        Key, bytes and digest of each of its files; none where all of it is zeros.
    clipped, nonfinite : int
        Values set to the dtype's limit; pixels that are not finite.
    misfit : tuple of four floats
        How far a sample of it is from its source: the sums of a `Misfit`.
    seconds : float
        What it took.
    """

    level: int
    index: tuple[int, ...]
    files: tuple[tuple[str, int, str], ...] = ()
    clipped: int = 0
    nonfinite: int = 0
    misfit: tuple[float, float, float, int] = (0.0, 0.0, 0.0, 0)
    seconds: float = 0.0

    @property
    def place(self) -> Place:
        """Level and index."""
        return self.level, self.index

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "level": self.level,
            "index": list(self.index),
            "files": [list(one) for one in self.files],
            "clipped": self.clipped,
            "nonfinite": self.nonfinite,
            "misfit": list(self.misfit),
            "seconds": round(self.seconds, 3),
        }


def digest(content: bytes | memoryview) -> str:
    """Return what a file's content is known by."""
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


class Ledger:
    """The record of a job's shards, and the locks of who writes them.

    Parameters
    ----------
    store : Path
        The folder of the OME-Zarr.
    """

    def __init__(self, store: Path) -> None:
        self.folder = store / "0" / FOLDER
        self.job_path = self.folder / "job.json"
        self._own = self.folder / f"done-{uuid.uuid4().hex[:12]}.jsonl"

    @property
    def is_there(self) -> bool:
        """Whether a job was begun here."""
        return self.job_path.is_file()

    def marks(self) -> dict[Place, Mark]:
        """Return the shards that are on the disk, as those who wrote them say."""
        found: dict[Place, tuple[float, Mark | None]] = {}
        for path in self._files():
            for line in path.read_text("utf-8", errors="replace").splitlines():
                entry = _entry(line)
                if entry is None:  # cut off as its process ended
                    continue
                when, place, mark = entry
                if place not in found or found[place][0] <= when:
                    found[place] = when, mark
        return {place: mark for place, (_, mark) in found.items() if mark is not None}

    def add(self, mark: Mark) -> None:
        """Note a shard that is on the disk.

        Raises
        ------
        OSError
            If it cannot be noted.
        """
        self._append({"time": time.time(), **mark.to_dict()})

    def drop(self, places: Iterable[Place]) -> None:
        """Note that shards are not what they should be, and have to be made again."""
        for level, index in places:
            self._append({"time": time.time(), "level": level, "index": list(index), "gone": True})

    def gather(self) -> None:
        """Bring the lines of all processes into one file. Nobody else may be writing."""
        marks, files = self.marks(), self._files()
        lines = [
            json.dumps({"time": time.time(), **marks[place].to_dict()}) for place in sorted(marks)
        ]
        whole = self.folder / "done.jsonl"
        write_bytes(whole, "".join(f"{line}\n" for line in lines).encode())
        for path in files:
            if path != whole:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, task: tuple[int, int] | None = None) -> Iterator[None]:
        """Hold the lock of the whole job, or of one task of an array.

        Raises
        ------
        ValueError
            If another process holds it, or, for the whole job, that of any task; or, for a task,
            that of the whole job.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = self.folder / "whole.lock"
        own = whole if task is None else self.folder / f"task-{task[0]}-of-{task[1]}.lock"
        others = [path for path in self.folder.glob("task-*.lock") if path != own]
        with self._held(own):
            for path in others if task is None else [whole]:
                with self._held(path):
                    pass
            yield

    @contextlib.contextmanager
    def beginning(self) -> Iterator[None]:
        """Hold the lock of who begins the job; others wait until it is begun."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "begin.lock"):
            yield

    @contextlib.contextmanager
    def _held(self, path: Path) -> Iterator[None]:
        try:
            lock = FileLock(path, timeout=0)
            lock.acquire()
        except Timeout:
            raise ValueError(
                f"Another job is writing {self.folder.parent.parent}; wait until it ends, or stop "
                "it first."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("done*.jsonl"))

    def _append(self, values: dict[str, Any]) -> None:
        with self._own.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _entry(line: str) -> tuple[float, Place, Mark | None] | None:
    """Return when a line was written, of which shard, and what it says; None of half a line."""
    try:
        values = json.loads(line)
        place = int(values["level"]), tuple(map(int, values["index"]))
        when = float(values["time"])
        if values.get("gone"):
            return when, place, None
        files: Sequence[Sequence[Any]] = values["files"]
        result, bicubic, noise, pixels = values["misfit"]
        mark = Mark(
            level=place[0],
            index=place[1],
            files=tuple((_inside(str(key)), int(size), str(known)) for key, size, known in files),
            clipped=int(values["clipped"]),
            nonfinite=int(values["nonfinite"]),
            misfit=(float(result), float(bicubic), float(noise), int(pixels)),
            seconds=float(values["seconds"]),
        )
    except (AttributeError, OverflowError, RecursionError, ValueError, KeyError, TypeError):
        return None
    return when, place, mark


def _inside(key: str) -> str:
    """Return the key of a file if it lies below the store, whatever system it was written on."""
    parts = key.replace("\\", "/").split("/")
    if not all(parts) or {".", ".."} & set(parts) or ":" in key or not key.isprintable():
        raise ValueError(f"{key!r} lies outside of the store")
    return key
