"""A look at images or results that was asked for, and what has come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_srcnn.widgets.shared.layers import Appearance

if TYPE_CHECKING:
    from napari_srcnn.upscaling.options import Options
    from napari_srcnn.widgets.shared import messages
    from napari_srcnn.widgets.upscale.subjects import Subject


class Look:
    """A look that was asked for: at what, and what has come of it."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = tuple(subjects)
        self.looks = [Appearance.of(one.base) for one in subjects]
        self.results: list[messages.Previewed] = []
        #: The middles of what takes long, which come before.
        self.first: list[messages.Previewed] = []

    def take(self, message: messages.Previewed) -> bool:
        """Take a result; tell whether with it the middle of each is there, and no more."""
        (self.results if message.is_whole else self.first).append(message)
        return not message.is_whole and len(self.first) == len(self.subjects)

    @property
    def is_whole(self) -> bool:
        """Whether all was computed."""
        return len(self.results) == len(self.subjects)

    @property
    def tasks(self) -> tuple[messages.Task, ...]:
        """What is to be computed."""
        return tuple(one.task for one in self.subjects)

    @property
    def scale(self) -> int:
        """How many times as many pixels."""
        return self.tasks[0].scale

    @property
    def is_of_results(self) -> bool:
        """Whether it looks at results that are there."""
        return self.subjects[0].is_result

    def shows(self, other: Look) -> bool:
        """Tell whether another one asks for the same."""
        return self._key == other._key

    def is_elsewhere(self, other: Look) -> bool:
        """Tell whether another one asks for other slices, or for what another network makes."""
        return self._of != other._of

    def is_smoothed_to(self, other: Look) -> bool:
        """Tell whether another one asks for the same place, and no more than to be smoothed."""
        return not self.is_elsewhere(other) and self._where == other._where

    @property
    def _of(self) -> tuple[Any, ...]:
        # Smoothed more or less it is the same picture: it stays until the next one is there.
        return self._content([replace(one.options, smoothing=1) for one in self.tasks])

    @property
    def _key(self) -> tuple[Any, ...]:
        return (*self._content([one.options for one in self.tasks]), *self._where)

    @property
    def _where(self) -> tuple[Any, ...]:
        images = [
            (id(one.base), id(one.task.result), [(name, id(x)) for name, x in one.task.others])
            for one in self.subjects
        ]
        return [one.box for one in self.tasks], images

    def _content(self, options: Sequence[Options]) -> tuple[Any, ...]:
        slices = [
            (id(task.source), task.first, one)
            for task, one in zip(self.tasks, options, strict=True)
        ]
        # Their place in the world: a layer that was moved takes its preview along.
        places = [
            look.geometry.enlarged(one.factor).matrix.round(9).tolist()
            for look, one in zip(self.looks, self.subjects, strict=True)
        ]
        return slices, places
