"""A case: files that were drawn, what is done with them, and what comes of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st

from fuzzing.watch import OUTSIDE, watched
from napari_srcnn.models.paths import HOME_VARIABLE
from napari_srcnn.words import sentence

#: What is drawn: the contents of files by their names, and whatever the kind says beside them.
Drawn = tuple[dict[str, bytes], Any]

# A sentence: one line, that fits on a screen.
LONGEST = 1001


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes
    ----------
    name : str
    drawn : strategy
        Of the files of a case and of what else its use is told.
    use : callable
        Reads them as a user would: called with the folder and what was drawn beside the files.
    refusals : tuple of types
        What it may raise.
    may_leave : bool
        Whether the user names files beside the folder himself.
    share : int
        Of all cases, beside the other kinds'.
    """

    name: str
    drawn: st.SearchStrategy[Drawn]
    use: Callable[[Path, Any], object]
    refusals: tuple[type[Exception], ...]
    may_leave: bool = False
    share: int = 10


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    what: Literal["read", "refused", "fault"]
    said: str = ""


def judge(kind: Kind, drawn: Drawn, folder: Path) -> Outcome:
    """Write a case's files below `folder`, which is made for it, use them, and say how it went."""
    files, rest = drawn
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / "given"
    inside.mkdir(parents=True)
    secret = f"../{OUTSIDE}/secret"
    _write(
        files if any(name.startswith(secret) for name in files) else files | {secret: b""}, inside
    )
    with watched(folder if kind.may_leave else inside) as seen, _home(inside / "home"):
        try:
            kind.use(inside, rest)
            outcome = Outcome("read")
        except kind.refusals as error:
            outcome = _sentence(sentence(error))
        except Exception as error:
            outcome = Outcome("fault", f"{type(error).__name__}: {str(error)[:300]}")
    return Outcome("fault", f"reached for {seen[0]}") if seen else outcome


def _sentence(text: str) -> Outcome:
    if not text.strip() or not text.isprintable():
        return Outcome("fault", f"no line of text: {text[:300]!r}")
    if len(text) > LONGEST:
        return Outcome("fault", f"{len(text)} characters: {text[:300]}")
    return Outcome("refused", text)


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """Have the user's models and measurements below a folder."""
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[HOME_VARIABLE]
        else:
            os.environ[HOME_VARIABLE] = before


def _write(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
