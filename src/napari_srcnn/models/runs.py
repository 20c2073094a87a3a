"""What a training keeps beside its model until it is over, and whether one is under way. No torch.

A training has its model's name for itself while it runs: it holds a lock that the operating system
gives back even where the process has crashed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import SUFFIX, CheckpointError


class _TakenError(Exception):
    """The lock is held already."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files beside a model that is being trained.

    Attributes
    ----------
    model : Path
        The model's file, which may not be there yet.
    """

    model: Path

    @classmethod
    def of(cls, name: str) -> RunFiles:
        """Return the files of a run in the user's own folder."""
        return cls(user_model_dir() / f"{name}{SUFFIX}")

    @property
    def state(self) -> Path:
        """What a stopped run goes on with."""
        return self.model.with_name(f"{self.model.stem}.state")

    @property
    def options(self) -> Path:
        """What it was asked for."""
        return self.model.with_name(f"{self.model.stem}.run.json")

    @property
    def lock(self) -> Path:
        """What it holds while it is under way."""
        return self.model.with_name(f"{self.model.stem}.running")

    @property
    def kept(self) -> tuple[Path, Path]:
        """What is there as long as the run can be resumed."""
        return self.state, self.options

    def is_running(self) -> bool:
        """Tell whether a run is under way, here or in another process."""
        if not self.lock.exists():
            return False
        try:
            with self._held():
                return False  # one that has crashed left it
        except _TakenError:
            return True
        except OSError:
            return False  # nobody writes here

    def check_not_running(self) -> None:
        """Raise CheckpointError where a run is under way."""
        if self.is_running():
            raise CheckpointError(
                f"A run named {self.model.stem!r} is under way; wait until it is over, or choose "
                "another name."
            )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have the model's name for oneself while a run is under way.

        Raises
        ------
        CheckpointError
            If another run has it, or the folder cannot be written to.
        """
        with contextlib.ExitStack() as stack:
            try:
                self.lock.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(self._held())
            except _TakenError:
                self.check_not_running()
                raise CheckpointError(f"{self.lock} was taken just now; try again.") from None
            except OSError as error:
                raise CheckpointError(
                    f"{self.lock} cannot be written: {error.strerror}; look into that folder."
                ) from error
            yield

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        from filelock import FileLock, Timeout  # a tenth of a second, which few commands need

        # A generator may be begun in one thread and closed in another.
        lock = FileLock(self.lock, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise _TakenError from None
        try:
            yield
        finally:
            # While it is held: afterwards it may be another's. Windows removes no open file.
            with contextlib.suppress(OSError):
                self.lock.unlink(missing_ok=True)
            lock.release()

    def forget(self) -> None:
        """Remove what a run left to be resumed from."""
        for path in self.kept:
            path.unlink(missing_ok=True)
