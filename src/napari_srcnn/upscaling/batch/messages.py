"""What a batch says: each image that begins, goes on and ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from napari_srcnn.io import SUFFIX
from napari_srcnn.upscaling.batch.outcomes import Outcome
from napari_srcnn.upscaling.files import Job

Format = Literal["tiff", "ome-zarr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How results are written.

    Attributes
    ----------
    format : {"tiff", "ome-zarr"}
    version : str
        Of OME-Zarr.
    compression : str or None
    force : bool
        Write again what is there.
    sidecar : bool
        Write beside each result how it was made.
    again : str
        What its user can do to have it written again.
    """

    format: Format = "tiff"
    version: str = "0.5"
    compression: str | None = None
    force: bool = False
    sidecar: bool = False
    again: str = "--force"

    @property
    def suffix(self) -> str:
        """What results are called in a folder ends in this."""
        return SUFFIX if self.format == "tiff" else ".ome.zarr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An image of a batch.

    Attributes
    ----------
    job : Job
    number, total : int
        Which of how many files its file is, from 1.
    images : int
        How many the file holds.
    """

    job: Job
    number: int
    total: int
    images: int = 1

    @property
    def label(self) -> str:
        """What it is called in what is said."""
        name = self.job.source.name
        label = f"[{self.number}/{self.total}] {name}" if self.total > 1 else name
        return f"{label}, image {self.job.image + 1} of {self.images}" if self.images > 1 else label


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An image's turn has come."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of an image was written: how much there is now, 0 to 1, and what is at work."""

    task: Task
    fraction: float
    seconds_left: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What its user should know of an image; `is_note` where it is unusual."""

    task: Task
    text: str
    is_note: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What is computed on."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of an image."""

    task: Task
    outcome: Outcome


Message: TypeAlias = Begun | Step | Remark | Device | Ended
#: Called before the first image that is computed; returns what is computed on, in a sentence.
Prepare: TypeAlias = Callable[[], str]
