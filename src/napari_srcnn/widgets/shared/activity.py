"""A job in napari's Activity dock, where all that takes long is seen, beside the bar in our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from napari_srcnn.widgets.shared.rows import JobBar
    from napari_srcnn.widgets.shared.runner import Runner

_STEPS = 1000
_PACE = 200  # milliseconds


class Activity(QObject):
    """Shows the jobs of a runner in napari's Activity dock, with a button that cancels them.

    napari lets the whole window live whenever its bar is told something. So that is done by a timer
    and not in the midst of a job's message, behind which the next ones would be answered first; and
    a job that is over before the timer's first beat is not shown.

    Parameters
    ----------
    runner : Runner
    bar : JobBar
        Our own; what it shows is shown.

    Signals
    -------
    cancelled
        The button was pressed.
    """

    cancelled = Signal()

    def __init__(self, runner: Runner, bar: JobBar) -> None:
        super().__init__(runner)
        self._runner = runner
        self._shown = _Shown()
        self._fraction: float | None = None
        self._is_beating = False
        self._timer = QTimer(self)
        self._timer.setInterval(_PACE)
        self._timer.timeout.connect(self._beat)
        bar.shown.connect(self._on_shown)
        runner.begun.connect(self._on_begun)
        runner.ended.connect(self.end)
        # No method of this object: it is half taken apart by then.
        runner.destroyed.connect(self._shown.leave)

    def _on_begun(self) -> None:
        self._fraction = None
        self._timer.start()

    def _on_shown(self, fraction: float | None) -> None:
        self._fraction = fraction

    def end(self) -> None:
        """Show no job any more."""
        self._timer.stop()
        self._shown.close()

    def _beat(self) -> None:
        if self._is_beating:
            return
        self._is_beating = True
        try:
            self._shown.show(_title(self._runner.job), self._fraction)
        finally:
            self._is_beating = False
        # Meanwhile napari let the window live: the job may have ended, and the window gone.
        if self._shown.is_gone:
            return
        if not self._runner.is_at_work:
            self.end()
        elif self._shown.is_pressed():
            self.cancelled.emit()


class _Shown:
    """What napari shows of the job at hand."""

    def __init__(self) -> None:
        self._bar: Any = None
        self.is_gone = False

    def show(self, title: str, fraction: float | None) -> None:
        """Show how far it is, 0..1; None where that is not known yet."""
        from napari.utils import cancelable_progress

        if not title:
            return
        if self._bar is None:
            self._bar = cancelable_progress(total=0, desc=title, bar_format="|{remaining} left")
        bar = self._bar
        if fraction is None or bar.disable:
            return
        if not bar.total:
            bar.total = _STEPS
        if more := round(fraction * _STEPS) - bar.n:
            bar.update(more)

    def is_pressed(self) -> bool:
        """Tell, once, whether its button was pressed."""
        is_pressed = self._bar is not None and self._bar.is_canceled
        if is_pressed:
            self._bar.is_canceled = False
        return is_pressed

    def leave(self, _: Any = None) -> None:
        """Take it away for good, with whoever shows it."""
        self.is_gone = True
        self.close()

    def close(self) -> None:
        """Take it away; napari itself has where its window was closed."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()


def _title(job: str) -> str:
    """Return what a job is called in a list of jobs of all plugins."""
    return f"SRCNN: {job.removeprefix('The ')}" if job else ""
