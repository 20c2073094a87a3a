"""What runs beside the window: an assessment, and the writing of its files."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.io.room import check_folders
from napari_srcnn.widgets.shared.messages import Cancelled, Failed, Guarded, failed
from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari_srcnn.assess.assessment import Assessed, Assessment
    from napari_srcnn.assess.maps import Maps
    from napari_srcnn.assess.resolution import Curve
    from napari_srcnn.image.stack import Stack
    from napari_srcnn.widgets.assess.request import AssessRequest

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """A plane was compared."""

    text: str
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What an assessment came to.

    Attributes
    ----------
    request : AssessRequest
    assessment : Assessment
    page : str
        The report. It is made at once, for the pixels that it shows are not kept.
    index : tuple of int
        Of the plane that stands for the stack.
    spectra : dict of str to Curve
        Of that plane.
    maps : Maps
    limits : dict of str to float
        Of each kind of map, up to where its colours reach.
    """

    request: AssessRequest
    assessment: Assessment
    page: str
    index: tuple[int, ...]
    spectra: dict[str, Curve]
    maps: Maps
    limits: dict[str, float]


@dataclass(frozen=True, slots=True)
class Written:
    """A file was written."""

    path: Path


@dataclass(frozen=True, slots=True)
class Plotting:
    """Whether there is something to draw plots with."""

    is_there: bool


class _UntilDone(threading.Event):
    """A wish to stop that is nobody's any more once the job is over: its maps are read later."""

    def __init__(self, cancel: threading.Event) -> None:
        super().__init__()
        self._cancel = cancel
        self.is_over = False

    def is_set(self) -> bool:
        """Tell whether to stop."""
        return self._cancel.is_set() and not self.is_over


def load_matplotlib(cancel: threading.Event) -> Iterator[Plotting]:
    """Import what plots are drawn with, which takes a second or more the first time."""
    try:
        import matplotlib.backends.backend_qtagg
        import matplotlib.figure  # noqa: F401
    except ImportError:
        yield Plotting(is_there=False)
    else:
        yield Plotting(is_there=True)


def load_assess(cancel: threading.Event) -> Iterator[None]:
    """Import what compares, before it is asked for."""
    import napari_srcnn.assess.maps  # noqa: F401

    yield from ()


def assess_layers(
    request: AssessRequest, cancel: threading.Event
) -> Iterator[Step | Found | Failed]:
    """Hold a result against its source, plane by plane.

    Parameters
    ----------
    request : AssessRequest
    cancel : threading.Event
        Set from the main thread to stop after the plane at hand.
    """
    until_done = _UntilDone(cancel)
    try:
        yield from _assess(request, until_done)
    except Cancelled:
        return
    except Exception as error:  # of a layer's lazy pixels, too
        _logger.warning("A result was not assessed.", exc_info=error)
        yield failed(error)
    finally:
        until_done.is_over = True


def _assess(request: AssessRequest, cancel: _UntilDone) -> Iterator[Step | Found]:
    from napari_srcnn.assess.assessment import Assessment, assess
    from napari_srcnn.assess.html import page, record_of
    from napari_srcnn.assess.maps import Maps
    from napari_srcnn.assess.spectra import spectra_of

    def guarded(stack: Stack) -> Stack:
        return replace(stack, data=Guarded(stack.data, cancel))

    began = time.perf_counter()
    reference = request.reference
    middle: Assessed | None = None
    for message in assess(
        guarded(request.result),
        guarded(request.source),
        None if reference is None else guarded(reference),
        degradation=request.degradation,
        noise=request.noise,
        data_range=request.data_range,
        align=request.align,
    ):
        if isinstance(message, Assessment):
            assert middle is not None
            maps = Maps(message)
            # The window would wait for it.
            maps.plane(_shown(request, message), "difference")
            title = f"{request.result_name}, made of {request.source_name}"
            yield Found(
                request=request,
                assessment=message,
                page=page(title, message, middle, provenance=record_of(request.result)),
                index=middle.index,
                spectra=spectra_of(middle),
                maps=maps,
                limits=_limits(middle),
            )
            return
        middle = message if message.is_middle else middle
        if cancel.is_set():
            return
        done, total = message.planes_done, message.planes_total
        left = (time.perf_counter() - began) * (total / done - 1)
        text = f"Plane {done} of {total}" + f" · {duration(left)} left" * (done < total)
        yield Step(text, done / total)


def _shown(request: AssessRequest, found: Assessment) -> tuple[int, ...]:
    """Return the plane on screen as an index of what was compared, or the nearest one."""
    leading = found.compared.source.shape[: len(request.shown)]
    return tuple(
        min(max(at - origin, 0), size - 1)
        for at, origin, size in zip(request.shown, found.compared.origin, leading, strict=False)
    )


def _limits(middle: Assessed) -> dict[str, float]:
    """Return up to where the colours of the maps reach, by the plane that stands for the stack."""
    from napari_srcnn.assess.consistency import BEYOND

    found = middle.planes["result"][0]
    # In full colour where the noise does not explain it.
    limits = {"sigmas": BEYOND}
    for name, values in (("difference", found.difference), ("error", found.error_map)):
        known = np.abs(values[np.isfinite(values)])
        limits[name] = float(np.percentile(known, 99.8)) if known.size else 0.0
    return {name: limit or 1.0 for name, limit in limits.items()}


def write(found: Found, path: Path, cancel: threading.Event) -> Iterator[Written | Failed]:
    """Write what was found as JSON, CSV or a page, as the file's name ends."""
    from napari_srcnn.assess.tables import as_csv, as_json

    names = found.request.result_name, found.request.source_name
    try:
        check_folders([path])
        if path.suffix.lower() == ".html":
            text = found.page
        elif path.suffix.lower() == ".csv":
            text = as_csv(found.assessment)
        else:
            text = as_json(found.assessment, result=names[0], source=names[1])
        write_bytes(path, text.encode())
    except (OSError, ValueError) as error:
        yield failed(error)
    else:
        yield Written(path)
