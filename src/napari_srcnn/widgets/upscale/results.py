"""A run in the viewer: the messages of `tasks.upscale_layers` become layers and sentences."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication, QObject

from napari_srcnn.widgets.shared.display import ResultLayer
from napari_srcnn.widgets.shared.layers import Appearance
from napari_srcnn.widgets.shared.messages import Finished, Opened, Resumed, Step, Stopped, Task
from napari_srcnn.widgets.upscale.subjects import remember
from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.widgets.shared.runner import Runner

# What the last run made, of whichever window: a window that is opened anew can save it.
_latest: weakref.WeakSet[Image] = weakref.WeakSet()


class Results(QObject):
    """The result layers of the last run, and of the one under way.

    Attributes
    ----------
    layers : list of Image
        What can be saved: whole results, and partial ones.
    finished : list of Image
        The whole results of the last run.
    """

    def __init__(self, parent: QObject, viewer: ViewerModel) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._sources: tuple[Image, ...] = ()
        self._looks: tuple[Appearance, ...] = ()
        self._tasks: tuple[Task, ...] = ()
        self._views: dict[int, ResultLayer] = {}
        # What was stopped and can be gone on with.
        self._rest: tuple[Task, ...] = ()
        self._scale = 1
        # Of all layers of the run together.
        self._seconds = 0.0
        self.finished: list[Image] = []
        self.layers: list[Image] = [layer for layer in viewer.layers if layer in _latest]

    def begin(self, sources: Sequence[Image], tasks: Sequence[Task]) -> None:
        """Get ready for a run over some layers."""
        self._let_go()
        _latest.clear()
        self.layers, self.finished, self._rest, self._seconds = [], [], (), 0.0
        self._sources, self._tasks = tuple(sources), tuple(tasks)
        self._looks = tuple(Appearance.of(source) for source in sources)
        self._scale = tasks[0].scale if tasks else 1
        # Light is added up in additive blending: with the sources under it all would be twice as
        # bright. Where one of several is hidden all are, or their colours would be wrong.
        self._covers = any(str(source.blending) == "additive" for source in sources)

    def add(self, layers: Sequence[Image]) -> None:
        """Keep results that no run makes, as lazy ones, among what can be saved."""
        self.layers += layers
        self.finished += layers
        _latest.update(layers)

    @property
    def is_partial(self) -> bool:
        """Whether a run was stopped that can be gone on with."""
        return bool(self._rest) and self._views[0].layer in self._viewer.layers

    @property
    def counts(self) -> tuple[int, int]:
        """How many slices of the layer at hand are done, and of how many."""
        made = self._views[0].layer.metadata["napari_srcnn"] if self.is_partial else {}
        return made.get("slices_done", 0), made.get("slices_total", 0)

    def go_on(self) -> tuple[Task, ...]:
        """Get ready to go on with the run that was stopped, and return what is left of it."""
        self._tasks, self._rest = self._rest, ()
        view = self._views[0]
        view.go_on()
        self.layers = [layer for layer in self.layers if layer is not view.layer]
        return self._tasks

    def end(self) -> None:
        """Let go of the run, but for a layer that can be gone on with."""
        for view in self._views.values():
            if view.is_running:
                # It ended without a word of this layer, as where there was no memory to begin.
                view.stop({"partial": True})
        _latest.update(self.layers)
        if not self._rest:
            self._let_go()

    def _let_go(self) -> None:
        for view in self._views.values():
            view.let_go()
        self._sources, self._looks, self._tasks, self._views = (), (), (), {}

    def outlive(self, runner: Runner) -> None:
        """Follow a run to its end, as after Cancel, though its window is closed."""
        application = QCoreApplication.instance()
        self.setParent(application)
        runner.setParent(application)
        self._runner = runner
        runner.received.connect(self._on_last_words)
        runner.ended.connect(self._on_last_end)
        runner.abandon()

    def _on_last_words(self, message: Any) -> None:
        if isinstance(message, Opened | Step | Finished | Stopped):
            self.receive(message)

    def _on_last_end(self) -> None:
        self._rest = ()
        self.end()
        self._runner.deleteLater()
        self.deleteLater()

    def task_of(self, layer: Any) -> int | None:
        """Return the number of the part of the run that a layer is the source or result of."""
        if layer in self._sources:
            return self._sources.index(layer)
        return next((n for n, view in self._views.items() if view.layer is layer), None)

    def forget_removed(self) -> None:
        """Let go of layers that are not in the viewer any more."""
        there = self._viewer.layers
        self.layers = [layer for layer in self.layers if layer in there]
        self.finished = [layer for layer in self.finished if layer in there]

    def receive(self, message: Opened | Step | Finished | Stopped) -> str:
        """Show a message in the viewer, and return what to tell the user, if anything."""
        if isinstance(message, Opened):
            self._open(message)
            return ""
        view = self._views.get(message.task)
        if view is None:
            return ""
        if isinstance(message, Step):
            view.touch(message.touched, message.finished)
            return message.message
        if isinstance(message, Finished):
            view.finish(message.metadata)
            self.layers.append(view.layer)
            self.finished.append(view.layer)
            remember(view.layer, self._sources[message.task], self._tasks[message.task])
            if (spread := view.add_spread()) is not None:
                self.layers.append(spread)
            self._seconds += message.metadata["seconds"]
            took = duration(self._seconds).removeprefix("about ")
            done = f"Done in {took} on {message.metadata['device']}."
            return " ".join((done, *message.messages))
        return self._stop(message, view)

    def _open(self, message: Opened) -> None:
        number = message.task
        source = self._sources[number]
        if number in self._views or source not in self._viewer.layers:
            return
        self._views[number] = ResultLayer(
            self,
            self._viewer,
            source,
            self._looks[number],
            message.storage,
            self._scale,
            self._tasks[number].first,
            message.spread,
            covers=self._covers,
        )
        resumed = Resumed(storage=message.storage, spread=message.spread, done=0)
        task = replace(self._tasks[number], resumed=resumed)
        self._tasks = (*self._tasks[:number], task, *self._tasks[number + 1 :])

    def _stop(self, message: Stopped, view: ResultLayer) -> str:
        stopped = f"{self._tasks[message.task].name}: ended" if message.is_alone else "Stopped"
        if view.layer not in self._viewer.layers:
            view.drop()
            return f"{stopped}: the layer {view.layer.name} was removed."
        source = self._sources[message.task]
        why = "" if source in self._viewer.layers else f", for {source.name} was removed"
        if not message.done:
            view.drop()
            return f"{stopped} before a slice was finished{why}; nothing is kept."
        view.stop(message.metadata)
        self.layers.append(view.layer)
        if not message.is_alone:
            self._keep_rest(message, view)
        return f"{stopped}{why}; {message.done} of {message.total} slices are kept."

    def _keep_rest(self, message: Stopped, view: ResultLayer) -> None:
        """Remember what is left to do, from the layer at hand on."""
        number = message.task
        rest = self._tasks[number:]
        if rest[0].resumed is None or message.done == message.total:
            return
        resumed = replace(rest[0].resumed, done=message.done)
        at_hand = replace(rest[0], resumed=resumed, skip=threading.Event())
        self._rest = (at_hand, *rest[1:])
        self._sources, self._looks = self._sources[number:], self._looks[number:]
        del self._views[number]
        for done in self._views.values():
            done.let_go()
        self._views = {0: view}
