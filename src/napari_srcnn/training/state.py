"""What a training run is made of, and all that it has to remember to go on or to step back."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.io.atomic import replacing
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.fast import BLOCK, fast_forward
from napari_srcnn.network.model import SRCNN
from napari_srcnn.network.weights_only import load_weights_only
from napari_srcnn.training.muon import Muon


def charbonnier(out: Tensor, truth: Tensor) -> Tensor:
    """Return the mean of sqrt(difference² + 0.001²) (Charbonnier et al., ICIP 1994)."""
    return ((out - truth).square() + 1e-6).sqrt().mean()


# Of squared network units: what lies below it (60 dB) is no longer worth learning.
LOG_FLOOR = 1e-6


def log_mse(out: Tensor, truth: Tensor) -> Tensor:
    """Return the mean over crops of log(MSE + LOG_FLOOR): a mean of dB, for crops of all noises.

    With a plain MSE noisy crops, whose errors are a thousand times larger, drown the clean ones.
    """
    return ((out - truth).square().mean((1, 2, 3)) + LOG_FLOOR).log().mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
    "log_mse": log_mse,
}
# How often in a row a run steps back to its best weights before it gives up.
RETREATS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How a network is trained.

    Attributes
    ----------
    steps : int
        Batches.
    batch, crop : int
        Crops a batch, and pixels a side of a crop.
    optimizer : {"muon", "adam"}
        Muon for the filters of the first two layers and Adam for the rest, or Adam for all.
    loss : {"mse", "l1", "charbonnier", "log_mse"}
        Mean squared error, mean absolute error, a smooth form of it, or the mean over crops of the
        squared error's logarithm, for crops of very different noise.
    learning_rate : float
        The peak rate, reached after `warmup` steps, then following a cosine to zero.
    minutes : float, optional
        Of training; the cosine then ends with them, where they end before the steps.
    average : float
        Decay of the weights' exponential moving average, which is what is measured and saved.
    clip : float
        Limit of the gradient's norm.
    gain : tuple of two floats, or None
        Random gain of 70 % of the crops.
    stride : int, optional
        Draw crops from a grid of this stride, as they are: the paper's sub-images.
    validate_every : int
        Steps between measurements on the images held out, and between checkpoints.
    patience : int, optional
        Measurements in a row without a better one, after which the run ends early.
    precision : {"float32", "bfloat16"}
        What the layers compute in; the weights stay float32. bfloat16 pays on GPUs and processors
        that have it, and costs time where it is emulated.
    seed : int
    """

    steps: int = 20_000
    batch: int = 16
    crop: int = 48
    optimizer: Literal["muon", "adam"] = "muon"
    loss: Literal["mse", "l1", "charbonnier", "log_mse"] = "mse"
    learning_rate: float = 1e-3
    minutes: float | None = None
    warmup: int = 100
    average: float = 0.999
    clip: float = 0.1
    gain: tuple[float, float] | None = (0.25, 1.1)
    stride: int | None = None
    validate_every: int = 500
    patience: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("steps", "batch", "crop", "validate_every")
        if small := [name for name in counts if getattr(self, name) < 1]:
            raise ValueError(f"{small[0]} is {getattr(self, small[0])}; at least 1 is needed.")
        if self.optimizer not in ("muon", "adam"):
            raise ValueError(f"optimizer is {self.optimizer!r}; it can be 'muon' or 'adam'.")
        if self.loss not in LOSSES:
            raise ValueError(f"loss is {self.loss!r}; it can be {', '.join(LOSSES)}.")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision is {self.precision!r}; it can be 'float32' or 'bfloat16'.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience is {self.patience}; at least 1 is needed.")
        if not 0 <= self.learning_rate < 1:
            raise ValueError(f"learning_rate is {self.learning_rate}; about 0.001 is usual.")
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"minutes is {self.minutes}; more than 0 is needed.")

    def progress(self, step: int, seconds: float = 0.0) -> float:
        """Return how much of the training is done, 0..1."""
        done = step / self.steps
        if self.minutes is not None:
            done = max(done, seconds / (60 * self.minutes))
        return min(done, 1.0)

    def rate(self, step: int, seconds: float = 0.0) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        begun = min(self.warmup / self.steps, 0.5)
        progress = max((self.progress(step, seconds) - begun) / (1 - begun), 0.0)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


class State:
    """All that a run has to remember, to go on or to step back."""

    def __init__(
        self, config: TrainConfig, network: SRCNNConfig, device: torch.device, start: SRCNN | None
    ) -> None:
        self.config, self.network, self.device = config, network, device
        self.rng = np.random.default_rng(config.seed)
        # The program's own random numbers stay as they are: a library has no say in them.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model, self.averaged = SRCNN(network), SRCNN(network)
        if start is not None:
            self.model.load_state_dict(start.state_dict())
        self.model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged.to(device)
        self.averaged.load_state_dict(self.model.state_dict())
        self.step, self.best, self.seconds = 0, -math.inf, 0.0
        self.batch, self.slower, self.retreats = config.batch, 1.0, 0
        self.since_best = 0
        self.curve: list[tuple[float, float]] = []
        self.best_weights = self._weights()
        self.optimizers = self._optimizers()
        rearranged = network.padding != "zeros" and config.crop % BLOCK == 0
        self._rearranged = rearranged and device.type == "cpu"

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.averaged.state_dict().items()}

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        model, rate = self.model, self.config.learning_rate
        if self.config.optimizer == "adam":
            return [torch.optim.Adam(model.parameters(), lr=rate)]
        filters = [model.conv1.weight, model.conv2.weight]
        # The last layer has one output: as a matrix it is one row, of which Muon makes nothing.
        rest = [p for p in model.parameters() if not any(p is f for f in filters)]
        return [Muon(filters, lr=rate), torch.optim.Adam(rest, lr=rate)]

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * self.slower

    def learn(self, enlarged: Tensor, truth: Tensor) -> float:
        """Take a step and return the loss; where that is not finite, nothing is changed."""
        half = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            if self._rearranged:
                out = fast_forward(self.model, enlarged)
            else:
                out = self.model(enlarged.contiguous(memory_format=torch.channels_last))
        loss = LOSSES[self.config.loss](out.float(), truth)
        value = loss.item()
        if not math.isfinite(value):
            return value
        self.model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        _average(self.averaged, self.model, decay)
        return value

    def keep(self, psnr: float) -> bool:
        """Remember the averaged weights if they are the best so far, and tell whether they are."""
        is_best = psnr > self.best
        self.since_best += 1
        if is_best:
            self.best, self.best_weights, self.retreats = psnr, self._weights(), 0
            self.since_best = 0
        return is_best

    @property
    def is_out_of_patience(self) -> bool:
        """Whether it was long since the last best."""
        return self.config.patience is not None and self.since_best >= self.config.patience

    def count(self, since: float) -> float:
        """Count the time since `since` as training, and return what the clock says."""
        now = time.perf_counter()
        self.seconds += now - since
        return now

    def step_back(self) -> None:
        """Go on from the best weights, slower.

        Raises
        ------
        ValueError
            If that did not help several times.
        """
        self.retreats += 1
        if self.retreats > RETREATS:
            raise ValueError(
                "Training broke down several times in a row; choose a lower rate, and check that "
                "the images have no extreme values."
            )
        self.slower /= 2
        self.model.load_state_dict(self.best_weights)
        self.averaged.load_state_dict(self.best_weights)
        self.optimizers = self._optimizers()

    def _identity(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "network": self.network.to_dict()}

    def save(self, path: Path) -> None:
        """Write everything beside `path` and rename it into place."""
        state: dict[str, Any] = {
            "identity": self._identity(),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "best_weights": self.best_weights,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "rng": self.rng.bit_generator.state,
            "curve": self.curve,
            **{name: getattr(self, name) for name in NUMBERS},
        }
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def load(self, path: Path) -> None:
        """Take everything over from a file.

        Raises
        ------
        ValueError
            If it is no state, or that of a run with other settings.
        """
        state = _load_state(path, self.device)
        if state["identity"] != self._identity():
            raise ValueError(
                f"{path} belongs to a run with other settings; remove it or name another."
            )
        with _as_state(path):
            self.model.load_state_dict(state["model"])
            self.averaged.load_state_dict(state["averaged"])
            self.best_weights, self.curve = state["best_weights"], state["curve"]
            for optimizer, values in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(values)
            self.rng.bit_generator.state = state["rng"]
            for name in NUMBERS:
                setattr(self, name, state[name])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stopped:
    """How far a run had come when its state was written.

    Attributes
    ----------
    step : int
    seconds : float
    best : float
        PSNR of the best measurement, in dB; minus infinity where there is none.
    best_weights : dict of str to Tensor
    curve : list of (seconds, PSNR)
    """

    step: int
    seconds: float
    best: float
    best_weights: dict[str, Tensor]
    curve: list[tuple[float, float]]


def read_state(path: Path) -> Stopped:
    """Read how far a stopped run had come.

    Raises
    ------
    ValueError
        If the file is no state.
    """
    state = _load_state(path, torch.device("cpu"))
    with _as_state(path):
        return Stopped(**{field.name: state[field.name] for field in fields(Stopped)})


@contextlib.contextmanager
def _as_state(path: Path) -> Iterator[None]:
    """Say of a file that lacks what a state has, or has it otherwise, that it is none."""
    try:
        yield
    except (
        *(AttributeError, LookupError, OverflowError, RecursionError),
        *(RuntimeError, TypeError, ValueError),
    ) as error:
        raise ValueError(f"{path} is no state of a training run; remove it.") from error


def _load_state(path: Path, device: torch.device) -> dict[str, Any]:
    with _as_state(path):
        state = load_weights_only(path, device)
    if not isinstance(state, dict) or "identity" not in state:
        raise ValueError(f"{path} is no state of a training run; remove it.")
    # Of an older version.
    return {"since_best": 0, "curve": []} | state


NUMBERS = ("step", "best", "seconds", "batch", "slower", "retreats", "since_best")


@torch.no_grad()
def _average(averaged: SRCNN, model: SRCNN, decay: float) -> None:
    for mean, value in zip(averaged.parameters(), model.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
