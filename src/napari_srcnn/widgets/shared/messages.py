"""What goes to a worker and what it says: small frozen values, and a source that can refuse."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn import faults
from napari_srcnn.upscaling.messages import Index
from napari_srcnn.upscaling.options import DEFAULT_SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_srcnn.microscope.noise_report import MeasuredNoise
    from napari_srcnn.models.choose import Proposal
    from napari_srcnn.network.device import DeviceInfo
    from napari_srcnn.upscaling.options import Options
    from napari_srcnn.upscaling.resolve import Plan
    from napari_srcnn.widgets.shared.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a stopped run has left: where its slices stand, and how many are done."""

    storage: Storage
    spread: Storage | None
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A layer to enlarge.

    Attributes
    ----------
    name : str
        The layer's.
    source : array-like
    options : Options
    plan : Plan
        What they come to with the layer.
    first : tuple of int
        Leading index of the slice on screen.
    box : tuple of four ints
        For a preview: rows and columns (y0, y1, x0, x1) of the source.
    measured : tuple of MeasuredNoise
        The noise of its channels, where that was measured before.
    resumed : Resumed, optional
        What there is already of the result.
    result : array-like, optional
        For a look at a result that is there: its pixels, which are computed no second time.
    others : tuple of (str, array-like)
        For a look: other images of the result's shape, by what they are called.
    skip : threading.Event
        Set to leave this one out, or to end it where it is at work; the others go on.
    """

    name: str
    source: Any
    options: Options
    plan: Plan
    first: Index
    box: tuple[int, int, int, int] | None = None
    measured: tuple[MeasuredNoise, ...] = ()
    resumed: Resumed | None = None
    result: Any = None
    others: tuple[tuple[str, Any], ...] = ()
    skip: threading.Event = field(default_factory=threading.Event, compare=False)

    @property
    def scale(self) -> int:
        """How many times as many pixels."""
        return DEFAULT_SCALE if self.options.scale is None else self.options.scale


@dataclass(frozen=True, slots=True)
class Loaded:
    """torch is there: the devices, the fastest first, and why there is no GPU among them."""

    devices: tuple[DeviceInfo, ...]
    no_gpu: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """The model that fits an image at a scale."""

    source: Any
    scale: int
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Opened:
    """The place of a task's result is there, and empty; of a self-ensemble its spread's, too."""

    task: int
    storage: Storage
    spread: Storage | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """A picture of a network's first-layer filters."""

    model: str
    picture: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Work was done since the last: on the slices `touched`; those in `finished` are whole."""

    task: int = 0
    fraction: float
    seconds_left: float
    text: str
    touched: frozenset[Index] = frozenset()
    finished: frozenset[Index] = frozenset()
    message: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """A task is done."""

    task: int
    metadata: dict[str, Any]
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """A task was stopped, after `done` of `total` slices; alone, where the next ones go on."""

    task: int
    metadata: dict[str, Any]
    done: int
    total: int
    is_alone: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The job cannot go on; one sentence says why."""

    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class Previewed:
    """A part of the slice `index` by the network and by bicubic alone.

    `origin` is its first row and column in pixels of the result; `image` what the image has there,
    each pixel once; `others` what other images of the result's shape have there; `doubt` says what
    the user should know of it, if anything. Where not `is_whole`, it is the middle, and the rest
    follows with it.
    """

    task: int
    index: Index
    srcnn: NDArray[Any]
    bicubic: NDArray[Any]
    origin: Index
    cut: bool
    image: NDArray[Any]
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    doubt: str = ""
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Is set as soon as one of some events is."""

    events: tuple[threading.Event, ...]

    def is_set(self) -> bool:
        """Whether one of them is."""
        return any(event.is_set() for event in self.events)


class Cancelled(Exception):
    """The job was asked to stop while it was reading."""


class ReadError(ValueError):
    """A part of an image cannot be read."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """A source that refuses to be read on after a cancel, so that a slow one stops as well."""

    source: Any
    cancel: threading.Event | AnyOf
    on_read: Callable[[], None] | None = None
    shape: tuple[int, ...] = field(init=False)
    dtype: np.dtype[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.source.shape))
        object.__setattr__(self, "dtype", np.dtype(self.source.dtype))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        if self.cancel.is_set():
            raise Cancelled
        if self.on_read is not None:
            self.on_read()
        try:
            return np.asarray(self.source[key])
        except MemoryError:
            raise
        except Exception as error:  # what stands behind a lazy array raises whatever it likes
            raise ReadError(f"The image cannot be read on: {sentence(error)}") from error


def failed(error: BaseException) -> Failed:
    """Return what the user is told of an error; a fault is kept for a report."""
    faults.keep(error, "napari")
    return Failed(sentence(error))


def sentence(error: BaseException) -> str:
    """Return what to tell a user of an error."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError):
        return f"There is not enough memory: {text}"
    if not isinstance(error, ValueError | OSError | RuntimeError):
        # As of a missing chunk: "KeyError: '0/3.0.0'".
        text = f"{type(error).__name__}: {text}"
    # torch puts its stack below the first line.
    return text.splitlines()[0]
