"""What runs beside the window: a folder's files, one after the other."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.upscaling.batch.messages import Message, Step, Writing
from napari_srcnn.upscaling.batch.outcomes import report_of
from napari_srcnn.upscaling.batch.run import reported, upscale_files
from napari_srcnn.upscaling.files import find_jobs
from napari_srcnn.upscaling.resolve import choose_scale
from napari_srcnn.widgets.shared.messages import Failed, sentence

if TYPE_CHECKING:
    from napari_srcnn.upscaling.options import Options

_logger = logging.getLogger(__name__)
# Progress is shown at most so often, however small the tiles are.
INTERVAL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRequest:
    """What is asked for.

    Attributes
    ----------
    source, output : Path
    recursive : bool
        With the subfolders.
    options : Options
    writing : Writing
    """

    source: Path
    output: Path
    recursive: bool
    options: Options
    writing: Writing


@dataclass(frozen=True, slots=True)
class Listed:
    """The files there are to do, as they are called below their folder."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """All that could be done is done, and stands in a report."""

    report: Path


def upscale_folder(
    request: FolderRequest, cancel: threading.Event
) -> Iterator[Listed | Message | Reported | Failed]:
    """Enlarge a folder's images.

    Parameters
    ----------
    request : FolderRequest
    cancel : threading.Event
        Set from the main thread to stop after the tile at hand.
    """
    options, writing = request.options, request.writing
    report = report_of(request.output)
    shown = 0.0
    try:
        jobs = find_jobs(
            [request.source],
            request.output,
            scale=choose_scale(options.scale, options.model),  # type: ignore[arg-type]  # a name
            recursive=request.recursive,
            suffix=writing.suffix,
        )
        yield Listed(tuple(str(job.source.relative_to(request.source)) for job in jobs))
        messages = reported(upscale_files(jobs, options, writing), report)
        with contextlib.closing(messages):
            for message in messages:
                now = time.perf_counter()
                if not isinstance(message, Step) or now - shown >= INTERVAL:
                    shown = now
                    yield message
                if cancel.is_set():
                    break
    # What can go wrong with a file is its outcome; this is the folder's, and the report's.
    except (ValueError, OSError) as error:
        _logger.warning("A folder cannot be upscaled.", exc_info=error)
        yield Failed(sentence(error))
        return
    yield Reported(report)
