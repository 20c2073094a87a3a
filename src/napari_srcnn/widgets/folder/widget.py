"""The folder widget: what goes where, how far each file is, and the report at the end."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, QUrl, Signal
from qtpy.QtGui import QDesktopServices

from napari_srcnn.upscaling.batch.messages import Begun, Device, Ended
from napari_srcnn.upscaling.batch.outcomes import totals
from napari_srcnn.upscaling.lines import folder_command, folder_python
from napari_srcnn.widgets.folder import tasks
from napari_srcnn.widgets.folder.panel import FolderPanel
from napari_srcnn.widgets.folder.rows import FileRows
from napari_srcnn.widgets.shared import messages, settings
from napari_srcnn.widgets.shared.activity import Activity
from napari_srcnn.widgets.shared.closing import UnderWay
from napari_srcnn.widgets.shared.copy_as import PYTHON
from napari_srcnn.widgets.shared.events import window_events
from napari_srcnn.widgets.shared.runner import Runner
from napari_srcnn.widgets.upscale.tasks import load_torch
from napari_srcnn.words import count_of, duration

if TYPE_CHECKING:
    from napari.viewer import Viewer

UPSCALING = "The upscaling of a folder"


class FolderWidget(FolderPanel):
    """Enlarges the images of a folder into files.

    Parameters
    ----------
    napari_viewer : napari.Viewer

    Signals
    -------
    ended
        A run ended: done, stopped or failed.
    """

    ended = Signal()

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.loaded: messages.Loaded | None = None
        self.report: Path | None = None
        self.files = FileRows(())
        self.runner = Runner(self)
        self._under_way = UnderWay(self)
        self.activity = Activity(self.runner, self.bar)
        self.activity.cancelled.connect(self.stop)
        self._begun = 0.0
        self._has_failed = False
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.report_button.clicked.connect(self.open_report)
        self.copy_as.wanted.connect(self.copy_line)
        self.form.edited.connect(self._on_edited)
        self.table.chosen.connect(self.detail.say)
        self.runner.received.connect(self._on_message)
        self.runner.ended.connect(self._on_end)
        window_events().models_changed.connect(self.form.show_models)
        # What takes seconds goes on beside the window, but the widget is drawn first.
        QTimer.singleShot(200, self._prepare)

    def _prepare(self) -> None:
        self.runner.prepare(settings.load_in_background)
        self.runner.prepare(load_torch)

    def _on_edited(self) -> None:
        self.forget_failure()
        self.show_busy(bool(self.runner.job))

    # ------------------------------------------------------------ what is done

    def start(self) -> None:
        """Enlarge the folder's images."""
        if self.runner.job:
            self.notify(f"{self.runner.job} is already running; wait for it or press Stop.")
            return
        if other := self.runner.elsewhere:
            self.notify(f"{other} is running in its own window; wait for it or stop it there.")
            return
        try:
            request = self.form.request()
        except ValueError as error:
            self.fail(str(error))
            return
        self.report, self._has_failed = None, False
        self.report_button.setVisible(False)
        self.status("")
        self.detail.say("")
        self._begun = time.monotonic()
        self.runner.begin(UPSCALING, tasks.upscale_folder, request)
        self._under_way.say(
            f"The images in {request.source} are being enlarged. The files that are done are kept; "
            "Start goes on with the others."
        )
        self.show_busy(True)
        waits = self.runner.is_waiting
        self.progress("Loading PyTorch …" if waits else "Looking for images …", None)

    def stop(self) -> None:
        """Stop; the files that are done are kept."""
        if self.runner.job:
            self.stop_button.setEnabled(False)
            self.left.say("Stopping …")
            self.runner.cancel()

    def copy_line(self, kind: str) -> None:
        """Copy what is chosen as a line that runs, "command" or "Python"."""
        say = folder_python if kind == PYTHON else folder_command
        try:
            request = self.form.request()
            line = say(
                request.source,
                request.output,
                replace(request.options, device=self.form.lasting_device),
                request.writing,
                recursive=request.recursive,
            )
        except ValueError as error:
            self.fail(str(error))
        else:
            self.status(self.copy_as.put(line))

    def open_report(self) -> None:
        """Open the report in the system's own program for it."""
        if self.report is not None:
            url = QUrl.fromLocalFile(str(self.report.absolute()))
            if not QDesktopServices.openUrl(url):
                self.status(f"No program is there to open it with; it is {self.report}.")

    # ------------------------------------------------------------ what a worker says

    def _on_message(self, message: Any) -> None:
        if isinstance(message, settings.Settings):
            self.form.apply(message)
        elif isinstance(message, messages.Loaded):
            self.loaded = message
            self.form.show_devices(message)
        elif isinstance(message, messages.Failed):
            self._has_failed = True
            self.fail(message.sentence)
        elif isinstance(message, tasks.Listed):
            self.files = FileRows(message.names)
            self.table.show_files(self.files)
            self.table.setVisible(True)
        elif isinstance(message, tasks.Reported):
            self.report = message.report
        elif not isinstance(message, Device):
            self._on_file(message)

    def _on_file(self, message: Any) -> None:
        index = self.files.hear(message)
        if index is None:
            return
        self.table.refresh(index)
        if isinstance(message, Begun):
            self.table.follow(index)
        if not self.runner.is_cancelled:
            fraction = self.files.fraction
            text = f"File {index + 1} of {len(self.files.rows)}"
            # The first file says little of how long all take.
            if isinstance(message, Ended) or fraction > 0.05:
                left = (time.monotonic() - self._begun) * (1 / max(fraction, 1e-3) - 1)
                text += f" · {duration(left)} left"
            self.progress(text, fraction)

    def _on_end(self) -> None:
        self._under_way.say("")
        self.show_busy(False)
        if not self._has_failed:
            self._say_what_came_of_it()
        self.ended.emit()

    def _say_what_came_of_it(self) -> None:
        outcomes = self.files.outcomes
        self.files.stop()
        for index in range(len(self.files.rows)):
            self.table.refresh(index)
        text = f"{count_of(len(outcomes), 'image')}: {totals(outcomes)}." if outcomes else ""
        if self.runner.is_cancelled:
            text = f"Stopped. {text}".strip()
        self.status(text)
        self.report_button.setVisible(self.report is not None)
        failed = [n for n, row in enumerate(self.files.rows) if row.has_failed]
        if failed:
            self.table.choose(failed[0])

    # ------------------------------------------------------------ the end

    def shut(self) -> None:
        """Stop all work."""
        self.runner.shut()
        self._under_way.say("")
