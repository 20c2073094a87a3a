"""What is found out of layers beside the window, once each: their noise, what they look like."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_srcnn.widgets.shared.runner import Runner


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerFact:
    """What is known of a layer's pixels, or not yet.

    Attributes
    ----------
    source : array-like
    axes : str
        A letter an axis.
    """

    source: Any
    axes: str

    def is_of(self, other: LayerFact) -> bool:
        """Tell whether another is of the same pixels and channels."""
        return self.source is other.source and self.axes == other.axes

    @property
    def is_known(self) -> bool:
        """Whether it was found out, or cannot be."""
        raise NotImplementedError


Fact = TypeVar("Fact", bound=LayerFact)
Job: TypeAlias = Callable[[Sequence[Fact], threading.Event], Iterator[Fact]]


class LayerWatch(QObject, Generic[Fact]):
    """Finds something out of layers when it is first asked for.

    Signals
    -------
    changed
        Something was found out.
    """

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._found: list[Fact] = []
        self._asked: list[Fact] = []
        self._aside = Runner(self)
        self._aside.received.connect(self._on_found)

    def look(self, layers: Sequence[tuple[Any, str]], *, is_needed: bool) -> list[Fact]:
        """Return what is known of layers, and find out the rest where it is needed.

        Parameters
        ----------
        layers : sequence of (array-like, str)
            Pixels, and a letter for each of their axes.
        is_needed : bool
        """
        wanted = [self._known(self._fact(source, axes)) for source, axes in layers]
        asked = [one for one in wanted if is_needed and not one.is_known]
        is_same = len(asked) == len(self._asked) and all(map(LayerFact.is_of, asked, self._asked))
        if not is_same:
            self._asked = asked
            self._aside.drop()
            if asked:
                self._aside.prepare(self._job(), tuple(asked))
        return wanted

    def keep(self, sources: Sequence[Any]) -> None:
        """Forget what was found of other pixels than these."""
        self._found = [one for one in self._found if any(one.source is s for s in sources)]

    def forget(self, source: Any) -> None:
        """Look at these pixels anew: they were changed."""
        self._found = [one for one in self._found if one.source is not source]

    def shut(self) -> None:
        """Stop, and let go of the layers' pixels."""
        self._aside.shut()
        self._found, self._asked = [], []

    def _fact(self, source: Any, axes: str) -> Fact:
        """Return what is known of pixels before they were looked at."""
        raise NotImplementedError

    def _job(self) -> Job[Fact]:
        """Return what finds it out, in another thread."""
        raise NotImplementedError

    def _known(self, one: Fact) -> Fact:
        return next((found for found in self._found if found.is_of(one)), one)

    def _on_found(self, message: Fact) -> None:
        self._found.append(message)
        self._asked = [one for one in self._asked if not one.is_of(message)]
        self.changed.emit()
