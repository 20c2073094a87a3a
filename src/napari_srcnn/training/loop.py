"""Training: one loop, read from top to bottom, as a generator of frozen messages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_srcnn.image.rect import Padding
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.network.device import is_out_of_memory
from napari_srcnn.network.fast import fast_correction
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.photographs import CropSampler, Pair
from napari_srcnn.training.state import State, TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainMessage:
    """How far training has come.

    Attributes
    ----------
    step, steps : int
    loss : float
        The mean since the last measurement; of logarithms the exponential of it, so that it is an
        error whatever the loss.
    psnr, bicubic_psnr : float
        On the images held out, in dB; as last measured, NaN before the first time.
    best : bool
        Whether this is a measurement, and the best so far.
    measured : bool
        Whether this is a measurement; steps between two are told on request only.
    seconds : float
        Of training, over all runs of it.
    megapixels_per_second : float
        Truth pixels trained on.
    seconds_left : float
    note : str
        What its user should know: a smaller batch, a step back. Empty otherwise.
    """

    step: int
    steps: int
    loss: float
    psnr: float
    bicubic_psnr: float
    best: bool
    seconds: float
    megapixels_per_second: float
    seconds_left: float
    note: str = ""
    measured: bool = True


class Sampler(Protocol):
    """Where batches come from."""

    def batch(
        self, rng: np.random.Generator, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs (B, planes, crop + 2 halo, same) and truths (B, C, crop, crop)."""
        ...


@torch.inference_mode()
def within(
    model: SRCNN, correction: Callable[[Tensor, Padding], Tensor], enlarged: Tensor, border: int
) -> tuple[Tensor, Tensor]:
    """Return the network's image and bicubic's, both without what their borders reach.

    Parameters
    ----------
    model : SRCNN
    correction : callable
        `fast_correction` of the model.
    enlarged : tensor, shape (1, planes, Y, X)
        Bicubic; then the noise's plane, if the network takes one.
    border : int
        Pixels to leave out on each side, at least the network's halo.
    """
    cut = border - model.config.halo
    plain = enlarged[:, : model.config.channels, border:-border, border:-border]
    delta = correction(enlarged, Padding())
    return plain + delta[..., cut : delta.shape[-2] - cut, cut : delta.shape[-1] - cut], plain


@torch.inference_mode()
def validate(
    model: SRCNN, pairs: Sequence[Pair], device: torch.device, *, peak: float = 1.0
) -> tuple[float, float]:
    """Return the mean PSNR of the network and of bicubic over `pairs`, in dB for a `peak`.

    Noise that was added to a truth is left out of the errors: what counts is as against a recording
    that has its own alone.
    """
    scores, correction = [], fast_correction(model, device)
    border = max(model.config.halo, model.config.scale)
    for pair in pairs:
        added = 0.0
        if pair.added is not None:
            inner = pair.added[..., border:-border, border:-border]
            added = float(np.square(inner, dtype=np.float64).mean())
        enlarged = torch.from_numpy(pair.enlarged)[None].to(device)
        truth = torch.from_numpy(pair.truth)[None].to(device)
        errors = [
            F.mse_loss(image, truth[..., border:-border, border:-border]).item() - added
            for image in within(model, correction, enlarged, border)
        ]
        scores.append([10 * math.log10(peak**2 / max(e, 1e-20)) for e in errors])
    ours, bicubic = np.mean(scores, axis=0)
    return float(ours), float(bicubic)


def train(
    config: TrainConfig,
    network: SRCNNConfig,
    data: Sequence[Sequence[Pair]] | Sampler,
    holdout: Sequence[Pair],
    *,
    device: torch.device | str = "cpu",
    start: SRCNN | None = None,
    state_path: Path | None = None,
    peak: float = 1.0,
    every_step: bool = False,
) -> Iterator[tuple[TrainMessage, SRCNN]]:
    """Train a network.

    Parameters
    ----------
    config : TrainConfig
    network : SRCNNConfig
    data : sequence of sequences of Pair, or Sampler
        Training images, of which groups are drawn equally; or what draws batches itself.
    holdout : sequence of Pair
        Images to measure on, none of which is trained on.
    device : torch.device or str
    start : SRCNN, optional
        Weights to begin from.
    state_path : Path, optional
        Where the run's state is kept; a run that finds its own state there goes on from it and
        ends as if it had never stopped. A finished run has no more to say.
    peak : float
        What counts as white in the PSNR.
    every_step : bool
        Yield after every step, so that a run can be paused and stopped at any of them, and not only
        after measurements. The time in which nobody asks for the next message is not counted.

    Yields
    ------
    message : TrainMessage
    model : SRCNN
        The averaged weights; the same object each time.
    """
    _check_holdout(holdout, network)
    if isinstance(data, Sequence):
        data = CropSampler(
            data, crop=config.crop, halo=network.halo, gain=config.gain, stride=config.stride
        )
    state = State(config, network, torch.device(device), start)
    if state_path is not None and state_path.exists():
        state.load(state_path)
    first, losses, notes = state.step, 0.0, list[str]()
    psnr = bicubic = math.nan
    is_over = config.progress(state.step, state.seconds) >= 1 or state.is_out_of_patience
    clock = time.perf_counter()
    while not is_over:
        state.set_rate(config.rate(state.step, state.seconds))
        arrays = data.batch(state.rng, state.batch)
        try:
            loss = state.learn(*(torch.from_numpy(array).to(state.device) for array in arrays))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or state.batch == 1:
                raise
            state.batch //= 2
            notes.append(f"Memory ran out; a batch has {state.batch} crops now.")
            continue
        if not math.isfinite(loss):
            state.step_back()
            notes.append(
                "The loss was no number any more; training goes on from the best weights so far, "
                f"at {state.slower:g} of the rate."
            )
            continue
        losses += loss
        state.step += 1
        clock = state.count(clock)
        is_over = config.progress(state.step, state.seconds) >= 1
        is_measured = is_over or state.step % config.validate_every == 0
        is_best = False
        if not is_measured and not every_step:
            continue
        loss_mean = losses / (state.step - first)
        if config.loss == "log_mse":
            loss_mean = math.exp(loss_mean)
        if is_measured:
            psnr, bicubic = validate(state.averaged, holdout, state.device, peak=peak)
            is_best = state.keep(psnr)
            losses, first = 0.0, state.step
            is_over = is_over or state.is_out_of_patience
            clock = state.count(clock)
            state.curve.append((round(state.seconds, 1), round(psnr, 3)))
            if state_path is not None:
                try:
                    state.save(state_path)
                except (OSError, RuntimeError) as error:
                    notes.append(f"{state_path} was not written ({error}); its last state stays.")
        progress = 1.0 if is_over else config.progress(state.step, state.seconds)
        pixels = state.step * config.batch * config.crop**2
        yield (
            TrainMessage(
                step=state.step,
                steps=config.steps,
                loss=loss_mean,
                psnr=psnr,
                bicubic_psnr=bicubic,
                best=is_best,
                seconds=state.seconds,
                megapixels_per_second=pixels / 1e6 / state.seconds,
                seconds_left=state.seconds * (1 - progress) / progress,
                note=" ".join(notes),
                measured=is_measured,
            ),
            state.averaged,
        )
        notes.clear()
        clock = time.perf_counter()


def _check_holdout(pairs: Sequence[Pair], network: SRCNNConfig) -> None:
    """Raise ValueError where there is nothing to measure on."""
    side = 2 * max(network.halo, network.scale) + 1
    if not pairs or min(min(pair.truth.shape[1:]) for pair in pairs) < side:
        raise ValueError(
            f"Images of at least {side} pixels a side have to be held out to measure on; "
            f"there are {[pair.truth.shape[1:] for pair in pairs]}."
        )
