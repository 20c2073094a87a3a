"""What is known of each file of a folder, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from napari_srcnn.upscaling.batch.messages import Begun, Ended, Message, Remark, Step, Task
from napari_srcnn.upscaling.batch.outcomes import Outcome, totals
from napari_srcnn.words import duration, format_bytes

WAITING, STOPPED = "waiting", "stopped"


@dataclass(kw_only=True)
class FileRow:
    """A file.

    Attributes
    ----------
    name : str
        Below the folder.
    outcomes : list of Outcome
        Of the images that have ended.
    fraction : float or None
        How much there is of the image at work.
    """

    name: str
    outcomes: list[Outcome] = field(default_factory=list)
    fraction: float | None = None
    remarks: list[str] = field(default_factory=list)
    rest: str = WAITING
    _task: Task | None = None

    @property
    def state(self) -> str:
        """What is said of it in a word or two."""
        if self.fraction is not None and self._task is not None:
            done = f"{self.fraction:.0%}"
            images = self._task.images
            return f"{self._task.job.image + 1} of {images}: {done}" if images > 1 else done
        if not self.outcomes:
            return self.rest
        return self.outcomes[0].outcome if len(self.outcomes) == 1 else totals(self.outcomes)

    @property
    def has_failed(self) -> bool:
        """Whether one of its images has failed."""
        return any(one.outcome == "failed" for one in self.outcomes)

    @property
    def detail(self) -> str:
        """All that is known of it but its name."""
        several = len(self.outcomes) > 1
        lines = []
        for one in self.outcomes:
            text = one.sentence
            if one.outcome == "done":
                size = format_bytes(one.bytes or 0)
                text = f"{one.target.name}, {size}, {duration(one.seconds)}. {text}"
            lines.append(f"Image {one.image}: {text}" if several else text)
        return "\n".join([*lines, *self.remarks])


class FileRows:
    """The files of a folder, and how far they are."""

    def __init__(self, names: Sequence[str]) -> None:
        self.rows = [FileRow(name=name) for name in names]

    def hear(self, message: Message) -> int | None:
        """Take a message, and return which row it changed."""
        if not isinstance(message, Begun | Step | Remark | Ended):
            return None
        index = message.task.number - 1
        row = self.rows[index]
        row._task = message.task
        match message:
            case Begun():
                row.fraction = 0.0
            case Step():
                row.fraction = message.fraction
            case Remark():
                row.remarks.append(message.text)
            case Ended():
                row.fraction = None
                row.outcomes.append(message.outcome)
        return index

    def stop(self) -> None:
        """Note that what has not ended never will."""
        for row in self.rows:
            row.fraction, row.rest = None, STOPPED

    @property
    def fraction(self) -> float:
        """How much there is of the whole folder."""
        parts = [
            row.fraction if row.fraction is not None else bool(row.outcomes) for row in self.rows
        ]
        return sum(parts) / max(len(parts), 1)

    @property
    def outcomes(self) -> list[Outcome]:
        """Of all images that have ended."""
        return [one for row in self.rows for one in row.outcomes]
