"""What a folder holds: how many images of what kinds, said before anything is learned from it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_srcnn.io import StackError, read_stack
from napari_srcnn.training.sources import image_files_in

if TYPE_CHECKING:
    from napari_srcnn.image.stack import Stack
    from napari_srcnn.widgets.finetune.form import FinetuneForm
    from napari_srcnn.widgets.shared.runner import Runner


MADE_HERE = "left-out result of this program"


@dataclass(frozen=True, slots=True, eq=False)
class Surveyed:
    """What the folders that are chosen hold, in words."""

    words: str
    superseded: threading.Event


class FolderSurvey(QObject):
    """Looks into the folders that are chosen, beside the window: there can be thousands of files.

    Parameters
    ----------
    form : FinetuneForm
    runner : Runner
    """

    def __init__(self, form: FinetuneForm, runner: Runner) -> None:
        super().__init__(form)
        self._form, self._runner = form, runner
        self._looked_at: tuple[Path, ...] = ()
        self._superseded = threading.Event()

    def look(self) -> None:
        """Look into the folders that are chosen, once for each choice."""
        chosen = self._form.folders or ()
        folders = tuple(path for path in chosen if path is not None and path.is_dir())
        if folders == self._looked_at:
            return
        self.stop()
        self._looked_at = folders
        self._form.data.files_note.say("")
        if folders:
            self._superseded = threading.Event()
            self._runner.prepare(survey_folders, folders, self._superseded)

    def stop(self) -> None:
        """Let go of a look that is under way; it would hold up what comes next."""
        self._superseded.set()
        self._looked_at = ()

    def receive(self, message: Surveyed) -> None:
        """Say what was found, if it is of the folders that are chosen still."""
        if message.superseded is self._superseded and not self._superseded.is_set():
            self._form.data.files_note.say(message.words)


def survey_folders(
    folders: Sequence[Path], superseded: threading.Event, cancel: threading.Event
) -> Iterator[Surveyed]:
    """Look into folders, until others are chosen."""
    sentences = []
    for folder in folders:
        kinds: Counter[str] = Counter()
        damaged: list[str] = []
        files = image_files_in(folder)
        for file in files:
            if superseded.is_set() or cancel.is_set():
                return
            try:
                with read_stack(file) as stack:
                    kinds[_kind(stack)] += 1
            except (StackError, OSError, ValueError):
                damaged.append(file.name)
        if files:
            sentences.append(f"{folder.name}: {_in_words(kinds, damaged, _others(folder, files))}")
    yield Surveyed(" ".join(sentences), superseded)


def _kind(stack: Stack) -> str:
    """Return what tells an image from others that have to be learned from in another way."""
    if "napari_srcnn" in stack.metadata:
        return MADE_HERE
    color = "colour " if stack.axes.endswith("S") else ""
    return f"{stack.dtype} {color}{'plane' if stack.ndim == 2 + bool(color) else 'stack'}"


def _others(folder: Path, files: Sequence[Path]) -> Counter[str]:
    """Count the files that are no images, by their suffix."""
    known = set(files)
    rest = (path for path in folder.iterdir() if path.is_file() and path not in known)
    return Counter(path.suffix.lower() or path.name for path in rest if path.name[0] != ".")


def _in_words(kinds: Counter[str], damaged: Sequence[str], others: Counter[str]) -> str:
    count = kinds.total() + len(damaged)
    parts = [f"{number} {kind}{'s' * (number > 1)}" for kind, number in kinds.most_common()]
    if damaged:
        parts.append(f"{len(damaged)} that cannot be read ({damaged[0]})")
    words = f"{count} file{'s' * (count != 1)}: {', '.join(parts)}."
    if len([kind for kind in kinds if kind != MADE_HERE]) > 1:
        words += " They are of several kinds; a network learns best from one."
    if others:
        suffixes = ", ".join(f"{number} {suffix}" for suffix, number in others.most_common(3))
        words += f" No TIFFs, and not read: {suffixes}{', …' * (len(others) > 3)}."
    return words
