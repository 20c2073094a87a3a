"""Training: one loop, read from top to bottom, as a generator of frozen messages."""

from __future__ import annotations

import functools
import math
import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from napari_srcnn.dataset import CropSampler, Pair
from napari_srcnn.model import BLOCK, SRCNN, SRCNNConfig, fast_forward


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How a network is trained.

    Attributes
    ----------
    steps : int
        Batches.
    batch, crop : int
        Crops a batch, and pixels a side of a crop.
    learning_rate : float
        Adam's peak rate, reached after `warmup` steps, then following a cosine to zero.
    average : float
        Decay of the weights' exponential moving average, which is what is measured and saved.
    clip : float
        Limit of the gradient's norm.
    gain : tuple of two floats, or None
        Random gain of 70 % of the crops.
    validate_every : int
        Steps between measurements on the images held apart, and between checkpoints.
    seed : int
    """

    steps: int = 20_000
    batch: int = 16
    crop: int = 48
    learning_rate: float = 1e-3
    warmup: int = 100
    average: float = 0.999
    clip: float = 0.1
    gain: tuple[float, float] | None = (0.25, 1.1)
    validate_every: int = 500
    seed: int = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainMessage:
    """A measurement during training.

    Attributes
    ----------
    step, steps : int
    loss : float
        Mean squared error since the last message.
    psnr, bicubic_psnr : float
        On the images held apart, in dB, for a peak of 1.
    best : bool
        Whether this is the best so far.
    seconds : float
        Of training, over all runs of it.
    megapixels_per_second : float
        Truth pixels trained on.
    """

    step: int
    steps: int
    loss: float
    psnr: float
    bicubic_psnr: float
    best: bool
    seconds: float
    megapixels_per_second: float


@torch.inference_mode()
def validate(model: SRCNN, pairs: Sequence[Pair], device: torch.device) -> tuple[float, float]:
    """Return the mean PSNR of the network and of bicubic over `pairs`, in dB for a peak of 1."""
    halo, scores = model.config.halo, []
    border = max(halo, model.config.scale)
    for pair in pairs:
        enlarged = torch.from_numpy(pair.enlarged)[None].to(device)
        truth = torch.from_numpy(pair.truth)[None].to(device)
        inner = (..., slice(border, -border), slice(border, -border))
        cut = border - halo
        out = model(enlarged)
        out = out[..., cut : out.shape[-2] - cut, cut : out.shape[-1] - cut]
        errors = [F.mse_loss(i, truth[inner]).item() for i in (out, enlarged[inner])]
        scores.append([-10 * math.log10(max(e, 1e-20)) for e in errors])
    ours, bicubic = np.mean(scores, axis=0)
    return float(ours), float(bicubic)


def train(
    config: TrainConfig,
    network: SRCNNConfig,
    groups: Sequence[Sequence[Pair]],
    held_apart: Sequence[Pair],
    *,
    device: torch.device | str = "cpu",
    start: SRCNN | None = None,
    state_path: Path | None = None,
) -> Iterator[tuple[TrainMessage, SRCNN]]:
    """Train a network.

    Parameters
    ----------
    config : TrainConfig
    network : SRCNNConfig
    groups : sequence of sequences of Pair
        Training images; groups are drawn equally.
    held_apart : sequence of Pair
        Images to measure on, none of which is trained on.
    device : torch.device or str
    start : SRCNN, optional
        Weights to begin from.
    state_path : Path, optional
        Where the run's state is kept; a run that finds its own state there goes on from it and
        ends as if it had never stopped. A finished run has no more to say.

    Yields
    ------
    message : TrainMessage
    model : SRCNN
        The averaged weights; the same object each time.
    """
    device = torch.device(device)
    rng = np.random.default_rng(config.seed)
    # The program's own random numbers stay as they are: a library has no say in them.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model, averaged = SRCNN(network), SRCNN(network)
    if start is not None:
        model.load_state_dict(start.state_dict())
    model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = averaged.to(device)
    averaged.load_state_dict(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    sampler = CropSampler(groups, crop=config.crop, halo=network.halo, gain=config.gain)
    step, best, spent = 0, -math.inf, 0.0
    identity = {"config": asdict(config), "network": network.to_dict()}
    if state_path is not None and state_path.exists():
        state = _load_state(state_path, device)
        if state["identity"] != identity:
            raise ValueError(
                f"{state_path} belongs to a run with other settings; remove it or name another."
            )
        model.load_state_dict(state["model"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        rng.bit_generator.state = state["rng"]
        step, best, spent = state["step"], state["best"], state["seconds"]
    began, first, losses = time.perf_counter() - spent, step, 0.0
    _check_held_apart(held_apart, network)
    rearranged = device.type == "cpu" and network.padding != "zeros" and config.crop % BLOCK == 0
    forward = functools.partial(fast_forward, model) if rearranged else model
    while step < config.steps:
        for group in optimizer.param_groups:
            group["lr"] = config.rate(step)
        enlarged, truth = (torch.from_numpy(i).to(device) for i in sampler.batch(rng, config.batch))
        if not rearranged:
            enlarged = enlarged.contiguous(memory_format=torch.channels_last)
        loss = F.mse_loss(forward(enlarged), truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        _average(averaged, model, min(config.average, (1 + step) / (10 + step)))
        losses += loss.item()
        step += 1
        if step % config.validate_every and step != config.steps:
            continue
        psnr, bicubic = validate(averaged, held_apart, device)
        is_best, best = psnr > best, max(best, psnr)
        spent = time.perf_counter() - began
        loss_mean, losses, first = losses / (step - first), 0.0, step
        if state_path is not None:
            _save_state(state_path, identity, model, averaged, optimizer, rng, step, best, spent)
        yield (
            TrainMessage(
                step=step, steps=config.steps, loss=loss_mean, psnr=psnr, bicubic_psnr=bicubic,
                best=is_best, seconds=spent,
                megapixels_per_second=step * config.batch * config.crop**2 / 1e6 / spent,
            ),
            averaged,
        )  # fmt: skip


def _check_held_apart(pairs: Sequence[Pair], network: SRCNNConfig) -> None:
    """Raise ValueError where there is nothing to measure on."""
    side = 2 * max(network.halo, network.scale) + 1
    if not pairs or min(min(pair.truth.shape[1:]) for pair in pairs) < side:
        raise ValueError(
            f"Images of at least {side} pixels a side have to be held apart to measure on; "
            f"there are {[pair.truth.shape[1:] for pair in pairs]}."
        )


def _load_state(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        state = torch.load(path, weights_only=True, map_location=device)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is no state of a training run; remove it.") from error
    if not isinstance(state, dict) or "identity" not in state:
        raise ValueError(f"{path} is no state of a training run; remove it.")
    return state


@torch.no_grad()
def _average(averaged: SRCNN, model: SRCNN, decay: float) -> None:
    for mean, value in zip(averaged.parameters(), model.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)


def _save_state(
    path: Path,
    identity: dict[str, Any],
    model: SRCNN,
    averaged: SRCNN,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    step: int,
    best: float,
    seconds: float,
) -> None:
    state: dict[str, Any] = {
        "identity": identity, "model": model.state_dict(), "averaged": averaged.state_dict(),
        "optimizer": optimizer.state_dict(), "rng": rng.bit_generator.state,
        "step": step, "best": best, "seconds": seconds,
    }  # fmt: skip
    temporary = path.with_name(f".{path.name}.writing")
    torch.save(state, temporary)
    temporary.replace(path)
