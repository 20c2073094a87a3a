"""Fine-tuning a network on a lab's own images: from images to a named model with its card."""

from __future__ import annotations

import json
import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_srcnn.models.card import ModelInfo, Spread
from napari_srcnn.models.library import (
    default_model,
    load_model,
    microscopes_model,
    model_info,
)
from napari_srcnn.models.manage import check_name
from napari_srcnn.models.paths import user_model_dir
from napari_srcnn.network.checkpoint import SUFFIX, save_model, write_atomically
from napari_srcnn.network.config import WINDOWS, SRCNNConfig
from napari_srcnn.network.device import choose_device, device_label, raise_malloc_thresholds
from napari_srcnn.network.fast import fast_correction
from napari_srcnn.network.model import SRCNN
from napari_srcnn.training.dataset import Dataset, make_dataset
from napari_srcnn.training.describe import describe
from napari_srcnn.training.loop import TrainMessage, train, validate, within
from napari_srcnn.training.options import SCRATCH, FinetuneOptions
from napari_srcnn.training.patch import Patch, choose_patch
from napari_srcnn.training.photographs import Pair
from napari_srcnn.training.runs import (
    check_not_running,
    forget,
    options_path,
    read_options,
    running,
    state_path,
)
from napari_srcnn.training.sampler import BlockSampler
from napari_srcnn.training.state import Stopped, TrainConfig, read_state
from napari_srcnn.training.verdict import card_of_options, mean_ssim, verdict

# ---------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """The data are read; training begins.

    Attributes
    ----------
    summary : str
        What is trained on and what is held out.
    notes : tuple of str
    bicubic, start : float
        PSNR on what is held out, in dB; the start's is bicubic's for a network from scratch.
    start_name : str
    patch : Patch
    device : str
    """

    summary: str
    notes: tuple[str, ...]
    bicubic: float
    start: float
    start_name: str
    patch: Patch
    device: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A step was taken; `now` is the patch by the averaged weights where they were measured."""

    message: TrainMessage
    now: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What came of it.

    Attributes
    ----------
    model : SRCNN
        With the best weights.
    card : dict
    psnr, bicubic, start : float
        On what was held out, in dB.
    sentence : str
        What to tell the user.
    is_better : bool
        Than bicubic and than the start model.
    """

    model: SRCNN
    card: dict[str, Any]
    psnr: float
    bicubic: float
    start: float
    sentence: str
    is_better: bool


# ---------------------------------------------------------------- the job


class FinetuneRun:
    """One run; loop over :meth:`run`, stop whenever, then take :meth:`outcome` and :meth:`save` it.

    Parameters
    ----------
    options : FinetuneOptions
    resume : bool
        Go on with the run of that name that was stopped.
    anew : bool
        Forget a run of that name that was stopped, once this one is known to be possible.

    Raises
    ------
    ValueError
        If it cannot be done; the message says why and what would work.
    """

    def __init__(
        self, options: FinetuneOptions, *, resume: bool = False, anew: bool = False
    ) -> None:
        self.options, self._run_name = options, options.name
        self._config = options.config
        check_not_running(options.name)
        _check_left(options.name, resume=resume, anew=anew)
        self.device = choose_device(options.device)
        self.start, self.network, self.windows = self._begin()
        self.curve: list[tuple[float, float]] = []
        self._best: tuple[float, dict[str, torch.Tensor]] | None = None
        self._latest: SRCNN | None = None
        self._done = (0, 0.0)
        self._data: Dataset | None = None
        self._pairs: list[Pair] = []
        self._measured = (math.nan, math.nan)
        self._is_anew = anew

    def _begin(self) -> tuple[SRCNN | None, SRCNNConfig, dict[str, Any]]:
        options = self.options
        windows: dict[str, Any] = {name: list(pair) for name, pair in WINDOWS.items()}
        if options.start == SCRATCH:
            return None, SRCNNConfig(kernels=options.kernels, scale=options.scale), windows
        model = load_model(self.start_name)
        if model.config.scale != options.scale:
            raise ValueError(
                f"{options.start} enlarges ×{model.config.scale}, not ×{options.scale}; choose a "
                f"model for ×{options.scale}, or another scale."
            )
        windows |= model_info(self.start_name).card.get("windows", {})
        return model, model.config, windows

    @property
    def start_name(self) -> str:
        """What it begins from, to be read."""
        if self.options.start == SCRATCH:
            return "random weights"
        scale = self.options.scale
        return self.options.start or microscopes_model(scale) or default_model(scale)

    def prepare(self) -> Prepared:
        """Read the images and measure bicubic and the start model."""
        raise_malloc_thresholds()
        options, network = self.options, self.network
        low, high = self.windows["microscope"]
        data = make_dataset(
            options.sources,
            network,
            degradation=options.degradation,
            window=(low, high),
            correct_shift=options.correct_shift,
            recorrupt=options.recorrupt,
        )
        self._sampler = BlockSampler(
            data,
            crop=options.config.crop,
            network=network,
            gain=options.config.gain,
            turn=options.turn,
        )
        images = data.held_images(network.a, noise=network.noise)
        self._data, self._pairs = data, [pair for _, pair in images]
        model = self.start or SRCNN(network)
        start, bicubic = validate(model.to(self.device), self._pairs, self.device, peak=data.peak)
        if self.start is None:
            start = bicubic
        self._measured = (start, bicubic)
        # What tells these images from others: how much of them there is, and bicubic.
        sizes = [sum(block.high.size for block in part) for part in (data.training, data.held)]
        self._seen = [*sizes, bicubic]
        self._patch, self._patch_pair = choose_patch(images, network)
        notes = list(data.notes)
        notes += _few_patches(data, options.config)
        if data.is_recorrupted:
            notes += self._weigh()
        return Prepared(
            summary=data.summary,
            notes=tuple(notes),
            bicubic=bicubic,
            start=start,
            start_name=self.start_name,
            patch=self._patch,
            device=device_label(self.device),
        )

    def _weigh(self) -> list[str]:
        """Choose the loss that truths of much and of little noise are to be learned from with."""
        loss = self.options.config.loss
        if loss == "mse":
            self._config = replace(self.options.config, loss="log_mse")
        if loss in ("mse", "log_mse"):
            return []
        return [
            "By recorruption only the squared error teaches what clean images would; with another "
            "loss the result may be off where noise is strong."
        ]

    def run(self) -> Generator[Prepared | Trained, None, None]:
        """Read the images and train; a message after every step, so that it can be paused.

        Yields
        ------
        Prepared, once, then Trained

        Raises
        ------
        ValueError
            If the images cannot be used, or a run that goes on began with others.
        """
        prepared = self.prepare()
        path, seen = state_path(self._run_name), self._seen
        before = read_state(path) if path.is_file() and not self._is_anew else None
        if before is not None:
            _check_same_images(self._run_name, seen)
        yield prepared
        with running(self._run_name):
            # Not before the images are known to be fit: what was stopped may be hours of work.
            if self._is_anew:
                forget(self._run_name)
            yield from self._train(before, seen)

    def _train(self, before: Stopped | None, seen: list[float]) -> Generator[Trained, None, None]:
        path, options = state_path(self._run_name), self.options
        assert self._data is not None
        if before is not None:
            self.curve, self._done = list(before.curve), (before.step, before.seconds)
            if math.isfinite(before.best):
                self._best = (before.best, before.best_weights)
        else:
            written = json.dumps(options.to_dict() | {"seen": seen}, indent=1).encode()
            write_atomically(options_path(self._run_name), written)
        try:
            for message, model in train(
                self._config,
                self.network,
                self._sampler,
                self._pairs,
                device=self.device,
                start=self.start,
                state_path=path,
                peak=self._data.peak,
                every_step=True,
            ):
                self._done, self._latest = (message.step, message.seconds), model
                if not message.measured:
                    yield Trained(message=message)
                    continue
                self.curve.append((round(message.seconds, 1), round(message.psnr, 3)))
                if message.best:
                    self._best = (message.psnr, _weights_of(model))
                yield Trained(message=message, now=self._look(model))
        finally:
            if not path.is_file():  # nothing was measured that could be resumed
                forget(self._run_name)

    def _look(self, model: SRCNN) -> NDArray[np.float32]:
        """Return the watched patch by a network."""
        enlarged = torch.from_numpy(self._patch_pair.enlarged)[None].to(self.device)
        run = fast_correction(model, self.device)
        return within(model, run, enlarged, self.network.halo)[0][0, 0].cpu().numpy()

    def measure(self) -> None:
        """Measure what was stopped before its first measurement, so that it can be kept."""
        if self._best is None and self._latest is not None and self._data is not None:
            psnr, _ = validate(self._latest, self._pairs, self.device, peak=self._data.peak)
            self.curve.append((round(self._done[1], 1), round(psnr, 3)))
            self._best = (psnr, _weights_of(self._latest))

    def outcome(self) -> Outcome:
        """Return the best network so far with its card.

        Raises
        ------
        ValueError
            If nothing was measured yet.
        """
        if self._best is None or self._data is None:
            raise ValueError("Nothing was measured yet, so there is nothing to keep.")
        psnr, weights = self._best
        start, bicubic = self._measured
        model = SRCNN(self.network)
        model.load_state_dict({name: value.cpu() for name, value in weights.items()})
        sentence, is_better = verdict(
            psnr - bicubic,
            None if self.start is None else psnr - start,
            self.start_name,
            self._data.what_held,
        )
        return Outcome(
            model=model,
            card=self._card(model, psnr),
            psnr=psnr,
            bicubic=bicubic,
            start=start,
            sentence=sentence,
            is_better=is_better,
        )

    def _card(self, model: SRCNN, psnr: float) -> dict[str, Any]:
        assert self._data is not None
        start, bicubic = self._measured
        return {
            **card_of_options(
                replace(self.options, config=self._config),
                is_recorrupted=self._data.is_recorrupted,
            ),
            "data": self._data.summary,
            "device": device_label(self.device),
            "seconds": round(self._done[1]),
            "steps_done": self._done[0],
            "started_from": None if self.start is None else self.start_name,
            "holdout": {
                "what": self._data.what_held,
                "psnr": round(psnr, 3),
                "bicubic": round(bicubic, 3),
                **({} if self.start is None else {"start": round(start, 3)}),
                **self._ssim(model),
            },
            "curve": [list(point) for point in self.curve],
            "windows": self.windows,
            **describe(model, self._data, self.windows, self._start_spread()),
        }

    def _start_spread(self) -> Spread | None:
        """Return how the spread of the model that this begins from is calibrated."""
        info: ModelInfo | None = getattr(self.start, "info", None)
        return None if info is None else info.card.spread

    def _ssim(self, model: SRCNN) -> dict[str, float]:
        """Return SSIM for the card; none where noise was added to what is compared with."""
        assert self._data is not None
        if self._data.is_recorrupted:
            return {}
        ours, plain = mean_ssim(model, self._pairs, self._data.peak)
        return {"ssim": round(ours, 4), "bicubic_ssim": round(plain, 4)}

    def save(self, outcome: Outcome, *, force: bool = False) -> Path:
        """Save a model under the options' name and forget the run.

        Raises
        ------
        ValueError
            If the name is taken and `force` is not set, or the folder cannot be written.
        """
        path = user_model_dir() / f"{self.options.name}{SUFFIX}"
        if path.exists() and not force:
            raise ValueError(
                f"There is a model named {self.options.name!r} already; choose another name."
            )
        save_model(path, outcome.model, outcome.card)
        forget(self._run_name)
        return path

    def rename(self, name: str) -> None:
        """Give the model to be another name, before it is saved.

        Raises
        ------
        ValueError
            If no model may have that name, or a run of that name is under way.
        """
        check_name(name)
        check_not_running(name)
        self.options = replace(self.options, name=name)


def _check_left(name: str, *, resume: bool, anew: bool) -> None:
    """Raise ValueError where what a run of that name left does not fit what is asked for."""
    state = state_path(name)
    if resume and not state.is_file():
        raise ValueError(f"There is no stopped run named {name!r} to resume.")
    if not anew and state.is_file() and not options_path(name).is_file():
        raise ValueError(
            f"{state} is left from a run of `napari-srcnn train`; go on with that run, remove "
            "the file, or choose another name."
        )
    if not (resume or anew) and state.is_file():
        raise ValueError(
            f"A run named {name!r} was stopped before it was over; resume it, "
            "or discard it, or choose another name."
        )


def _few_patches(data: Dataset, config: TrainConfig) -> list[str]:
    """Return what to say where there is less to learn from than a batch takes."""
    patches = sum(block.high.size for block in data.training) // config.crop**2
    if patches >= config.batch:
        return []
    return [
        f"There is room for {max(patches, 1)} separate patches only, fewer than a batch of "
        f"{config.batch}: the network may learn them by heart."
    ]


def _weights_of(model: SRCNN) -> dict[str, torch.Tensor]:
    """Return a copy of a network's weights."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def _check_same_images(name: str, seen: list[float]) -> None:
    """Raise ValueError where a run began with other images: its measurements would not count."""
    try:
        before = read_options(name).get("seen", seen)
    except ValueError:  # it is damaged, and the caller has brought the options from elsewhere
        return
    if not np.allclose(before, seen, rtol=0, atol=0.01):
        raise ValueError(
            f"These are not the images, or not the rectangles, that {name} began with, so what was "
            "measured then would not count; choose those, or discard the run and begin anew."
        )
