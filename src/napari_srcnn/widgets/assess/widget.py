"""The Assess widget: a result against its source, as figures, plots, maps and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog

from napari_srcnn.assess.place import register
from napari_srcnn.widgets.assess import tasks
from napari_srcnn.widgets.assess.form import ALIGN
from napari_srcnn.widgets.assess.map_layers import MapLayers
from napari_srcnn.widgets.assess.pairs import is_assessable
from napari_srcnn.widgets.assess.panel import AssessPanel
from napari_srcnn.widgets.assess.wording import what_is_compared, what_was_found
from napari_srcnn.widgets.shared import settings
from napari_srcnn.widgets.shared.activity import Activity
from napari_srcnn.widgets.shared.closing import UnderWay
from napari_srcnn.widgets.shared.geometry import geometry_of
from napari_srcnn.widgets.shared.layer_list import LayerListWatch
from napari_srcnn.widgets.shared.layers import current_index
from napari_srcnn.widgets.shared.messages import Failed
from napari_srcnn.widgets.shared.runner import Runner

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.viewer import Viewer

    from napari_srcnn.image.transform import Transform

ASSESSMENT, SAVING = "The assessment", "The saving"
SAMPLE, UPSCALE = "pollen", "Upscale"


class AssessWidget(AssessPanel):
    """Holds an enlarged layer against its source and a reference, bicubic beside it.

    Parameters
    ----------
    napari_viewer : napari.Viewer

    Signals
    -------
    ended
        An assessment or a saving ended: done, stopped or failed.
    """

    ended = Signal()

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        # napari hands plugins a proxy, which is another object at every look.
        self.viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.found: tasks.Found | None = None
        self.maps = MapLayers(self.viewer)
        self.runner = Runner(self)
        self._under_way = UnderWay(self)
        self.activity = Activity(self.runner, self.bar)
        self.activity.cancelled.connect(self.cancel)
        self._place: Transform | None = None
        self._last_words = ""
        self._has_failed = False
        self._layers = LayerListWatch(self, self.viewer)
        self._layers.changed.connect(self._show_layers)
        self.form.edited.connect(self._on_edited)
        self.assess_button.clicked.connect(self.assess)
        self.cancel_button.clicked.connect(self.cancel)
        self.copy_as.wanted.connect(self.copy_line)
        self.copy_button.clicked.connect(self.copy)
        self.save_button.clicked.connect(self.ask_and_save_figures)
        self.report_button.clicked.connect(self.ask_and_save_report)
        self.sample_button.clicked.connect(self.open_sample)
        self.upscale_button.clicked.connect(self.open_upscale)
        self.runner.received.connect(self._on_message)
        self.runner.ended.connect(self._on_end)
        self._layers.start()
        self._show_layers()
        # Drawn first: an import holds the lock that drawing needs.
        QTimer.singleShot(200, self._prepare)

    def _prepare(self) -> None:
        self.runner.prepare(tasks.load_assess)
        self.runner.prepare(tasks.load_matplotlib)

    # ------------------------------------------------------------ what there is

    def _show_layers(self) -> None:
        layers = [layer for layer in reversed(self.viewer.layers) if is_assessable(layer)]
        selected = [layer for layer in layers if layer in self.viewer.layers.selection]
        self.form.show_layers(layers, selected)
        alone = layers[0].name if len(layers) == 1 else ""
        self.show_empty(len(layers) < 2, alone)
        self._describe()

    def _on_edited(self) -> None:
        self.forget_failure()
        self._describe()

    def _describe(self) -> None:
        """Say what will be compared, or why it cannot."""
        try:
            request = self.form.request()
            compared = register(request.result, request.source, request.reference)
        except ValueError as error:
            self.describe(str(error), is_wrong=True)
        else:
            self.describe(what_is_compared(compared))

    # ------------------------------------------------------------ what is asked for

    def assess(self) -> None:
        """Compare what is chosen."""
        if self._is_refused():
            return
        self._layers.flush()
        source = self.form.source.value
        try:
            shown = () if source is None else current_index(source, self.viewer.dims)
            request = self.form.request(shown)
        except ValueError as error:
            self.fail(str(error))
            return
        self._place = geometry_of(source)
        self._begin(ASSESSMENT, tasks.assess_layers, request)

    def cancel(self) -> None:
        """Stop after the plane at hand; nothing is kept of an assessment."""
        if self.runner.job:
            self.cancel_button.setEnabled(False)
            self.left.say("Stopping …")
            self.runner.cancel()

    def copy_line(self, kind: str) -> None:
        """Put what is asked for on the clipboard, as a line that runs: "command" or "Python"."""
        self._layers.flush()
        try:
            self.say_for_now(self.copy_as.put(self.form.line(kind)))
        except ValueError as error:
            self.fail(str(error))

    def copy(self) -> None:
        """Put the table on the clipboard."""
        if self.found is not None:
            self.table.copy()
            self.status("The table is on the clipboard.")

    def save(self, path: str | Path) -> None:
        """Write what was found: a page for a name in .html, a row each plane for .csv, else JSON.

        Parameters
        ----------
        path : str or Path
        """
        if self.found is not None and not self._is_refused():
            self._begin(SAVING, tasks.write, self.found, Path(path))

    def ask_and_save_figures(self) -> None:
        """Ask where to write the figures, and write them."""
        self._ask_and_save(
            "Save the figures", ".json", "All figures (*.json);;A row each plane (*.csv)"
        )

    def ask_and_save_report(self) -> None:
        """Ask where to write the page, and write it."""
        self._ask_and_save("Save the report", ".html", "A page (*.html)")

    def _ask_and_save(self, title: str, suffix: str, kinds: str) -> None:
        if self.found is None:
            return
        name = f"{self.found.request.result_name} assessed{suffix}"
        chosen, kind = QFileDialog.getSaveFileName(self, title, name, kinds)
        if chosen:
            path = Path(chosen)
            if path.suffix.lower() not in (".json", ".csv", ".html"):
                path = path.with_name(path.name + (".csv" if "csv" in kind else suffix))
            self.save(path)

    def open_sample(self) -> None:
        """Open the sample stack."""
        self.viewer.open_sample(settings.PLUGIN, SAMPLE)

    def open_upscale(self) -> None:
        """Open the Upscale widget."""
        window = getattr(self.viewer, "window", None)
        if window is not None:
            # Beside each other, both would have half of the height.
            window.add_plugin_dock_widget(settings.PLUGIN, UPSCALE, tabify=True)

    def _is_refused(self) -> bool:
        if self.runner.job:
            self.notify(f"{self.runner.job} is already running; wait for it or press Cancel.")
        elif other := self.runner.elsewhere:
            self.notify(f"{other} is running in its own window; wait for it or stop it there.")
        else:
            return False
        return True

    def _begin(self, job: str, generator: Any, *arguments: Any) -> None:
        self._last_words, self._has_failed = "", False
        self.status("")
        self.runner.begin(job, generator, *arguments)
        self._under_way.say(f"{job} is under way. Nothing of it is kept where it is stopped.")
        self.show_busy(True)
        self.progress("Writing …" if job == SAVING else "Measuring …", None)

    # ------------------------------------------------------------ what a worker says

    def _on_message(self, message: Any) -> None:
        if isinstance(message, tasks.Plotting):
            self.plots.allow(message.is_there)
        elif isinstance(message, tasks.Step):
            if not self.runner.is_cancelled:
                self.progress(message.text, message.fraction)
        elif isinstance(message, tasks.Found):
            self._on_found(message)
        elif isinstance(message, tasks.Written):
            self._last_words = f"Saved as {message.path}."
        elif isinstance(message, Failed):
            self._has_failed = True
            self.fail(message.sentence)

    def _on_found(self, found: tasks.Found) -> None:
        assert self._place is not None
        self.found = found
        self.title.say(f"{found.request.result_name}, made of {found.request.source_name}")
        self.table.show_figures(found.assessment)
        self.remarks.say(what_was_found(found.assessment, align=ALIGN))
        self.show_results(True)
        self.plots.show_found(found)
        self.maps.show(found, self._place)
        self._last_words = (
            "Done. The maps are layers: orange where the result, made small again, is brighter "
            "than its source, blue where it is darker."
        )

    def _on_end(self) -> None:
        self._under_way.say("")
        self.show_busy(False)
        self._describe()
        if not self._has_failed:
            stopped = "Stopped; nothing is kept." if self.runner.is_cancelled else ""
            self.say_for_now(self._last_words or stopped)
        self.ended.emit()

    # ------------------------------------------------------------ the end

    def shut(self) -> None:
        """Stop all work, and let go of the viewer."""
        self.runner.shut()
        self._under_way.say("")
        self._layers.stop()
