"""What a run of shards says: a message after each shard, and a report at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardProgress:
    """A shard was written.

    Attributes
    ----------
    shards_done, shards_total : int
        Of what this run has to do, those of the pyramid among them.
    level : int
        Of the shard.
    seconds, seconds_left : float
    """

    shards_done: int
    shards_total: int
    level: int
    seconds: float
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """The last message of a run.

    Attributes
    ----------
    written, there : int
        Shards that this run has written, and those that it found.
    missing : int
        Shards of the full resolution that other tasks have still to write.
    clipped, nonfinite : int
        Of the whole image, where it is whole.
    seconds : float
    messages : tuple of str
        What its user should know of the result.
    """

    written: int
    there: int
    missing: int
    clipped: int
    nonfinite: int
    seconds: float
    messages: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the image is complete, its pyramid too."""
        return not self.missing


class Watch:
    """How far a run is, and how long the rest takes."""

    def __init__(self) -> None:
        self._clock = time.perf_counter()
        self.done = self._later_done = 0
        self._now = self._later = 0

    def begin(self, shards: int, later: int) -> None:
        """Count the shards that are to be computed, and those of the pyramid that come later."""
        self._now, self._later = shards + self.done, later

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.perf_counter() - self._clock

    def step(self, level: int) -> ShardProgress:
        """Return the message of a shard that is done."""
        if level:
            self._later_done += 1
        else:
            self.done += 1
        # A shard of the pyramid takes next to nothing.
        left = self.seconds * (self._now / max(self.done, 1) - 1) if self.done < self._now else 0.0
        return ShardProgress(
            shards_done=self.done + self._later_done,
            shards_total=self._now + self._later,
            level=level,
            seconds=self.seconds,
            seconds_left=left,
        )
