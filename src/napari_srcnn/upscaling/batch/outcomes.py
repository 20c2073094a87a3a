"""What came of each image of many, and the report that keeps it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from types import TracebackType

State = Literal["done", "skipped", "failed"]
_STATES: tuple[State, ...] = ("done", "skipped", "failed")


def report_of(output: Path) -> Path:
    """Return where the report of a folder of results stands, if nothing else is said.

    Beside the folder, which holds images and nothing else; in it, where nothing may be written
    beside it.
    """
    folder = output if output.name else output.absolute()
    if os.access(folder.absolute().parent, os.W_OK):
        return folder.with_name(f"{folder.name}-report.jsonl")
    return folder / "report.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an image.

    Attributes
    ----------
    source, target : Path
    image : int
        Which of the source's images, from 1.
    outcome : {"done", "skipped", "failed"}
    sentence : str
        How it was done, or why not.
    seconds : float
    model, noise : str
        Which network, and what was measured of the noise; empty where nothing was done.
    clipped, bytes : int or None
        Values outside of the type, and what the result takes on the disk; None likewise.
    """

    source: Path
    target: Path
    image: int
    outcome: State
    sentence: str
    seconds: float = 0.0
    model: str = ""
    noise: str = ""
    clipped: int | None = None
    bytes: int | None = None

    def to_json(self) -> str:
        """Return it as a line of a report."""
        values: dict[str, Any] = asdict(self)
        values |= {"source": str(self.source), "target": str(self.target)}
        return json.dumps(values | {"seconds": round(self.seconds, 3)}, ensure_ascii=False)


class ReportFile:
    """A report under way: JSON lines, one an image, each on the disk as soon as its image ends.

    Parameters
    ----------
    path : Path
        An older report is replaced when the ``with`` block is entered.

    Raises
    ------
    ValueError
        On entering, if something else than a report is there, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        if self.path.exists() and not is_report(self.path):
            raise ValueError(f"{self.path} is there already and is no report; name another file.")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise ValueError(
                f"The report {self.path} cannot be written ({error.strerror}); name another file."
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, outcome: Outcome) -> None:
        """Write an outcome."""
        self._file.write(outcome.to_json() + "\n")
        self._file.flush()


def is_report(path: Path) -> bool:
    """Tell whether a file is a report, or empty."""
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 20)
        return not line or json.loads(line)["outcome"] in _STATES
    except (OSError, ValueError, KeyError, TypeError):
        return False


def totals(outcomes: Iterable[Outcome]) -> str:
    """Return how many images were done, skipped and failed: ``"3 done, 1 failed"``."""
    states = [one.outcome for one in outcomes]
    return ", ".join(f"{states.count(state)} {state}" for state in _STATES if state in states)


def table(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the lines that say what came of many images: the numbers, and each that failed."""
    outcomes = tuple(outcomes)
    head = f"{len(outcomes)} image{'' if len(outcomes) == 1 else 's'}: {totals(outcomes)}"
    failed = [one for one in outcomes if one.outcome == "failed"]
    several = {one.source for one in failed if one.image > 1}
    names = [
        f"{one.source}, image {one.image}" if one.source in several else str(one.source)
        for one in failed
    ]
    width = max(map(len, names), default=0)
    rows = [
        f"  failed  {name:{width}}  {one.sentence}" for name, one in zip(names, failed, strict=True)
    ]
    return [head, *rows]
