"""What is to be fine-tuned, how, and what it shall be called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.models.manage import check_name
from napari_srcnn.network.config import PRESETS
from napari_srcnn.training.field import Source
from napari_srcnn.training.runs import options_path
from napari_srcnn.training.state import TrainConfig

SCRATCH = "scratch"
RECIPE = TrainConfig(
    steps=10**9, minutes=5.0, gain=None, validate_every=25, patience=None, learning_rate=5e-4
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FinetuneOptions:
    """What is to be fine-tuned, how, and what it shall be called.

    Attributes
    ----------
    sources : tuple of Source
    scale : {2, 3, 4}
    name : str
        Of the model to be.
    start : str
        A model's name or path; "" for the default of the scale, "scratch" for random weights.
    kernels : tuple of three ints
        Of a network from scratch.
    degradation : Degradation
        Makes the low-res images where none were taken.
    correct_shift : bool
        Whether the shift found between the images of a pair is corrected.
    turn : bool
        Whether crops are rotated and mirrored.
    recorrupt : bool or None
        Whether noisy examples without a low-res partner are learned from by recorruption; None
        where their noise is measured to be above 1 % of the range. The squared error of a crop
        then counts by its logarithm ("log_mse" for "mse"): their truths differ much in noise.
    config : TrainConfig
    device : str
    """

    sources: tuple[Source, ...]
    scale: int
    name: str
    start: str = ""
    kernels: tuple[int, int, int] = PRESETS["9-1-5"]
    degradation: Degradation = field(default_factory=Degradation)
    correct_shift: bool = True
    turn: bool = True
    recorrupt: bool | None = None
    config: TrainConfig = RECIPE
    device: str = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.scale, bool) or self.scale not in (2, 3, 4):
            raise ValueError(f"scale is {self.scale!r}; 2, 3 or 4 can be trained.")
        if self.recorrupt and any(source.low is not None for source in self.sources):
            raise ValueError(
                "Recorruption is for high-res images without low-res ones of the same fields; "
                "leave it off, or the low-res images out."
            )
        check_name(self.name)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the pixels, as JSON takes it."""
        return {
            "paired": self.sources[0].low is not None,
            "paths": [
                [None if p is None else str(p) for p in (s.path, s.low_path)] for s in self.sources
            ],
            "boxes": [list(s.boxes) for s in self.sources],
            "axes": [s.axes for s in self.sources],
            "scale": self.scale,
            "start": self.start,
            "kernels": list(self.kernels),
            "degradation": self.degradation.to_dict(),
            "correct_shift": self.correct_shift,
            "turn": self.turn,
            "recorrupt": self.recorrupt,
            "config": asdict(self.config),
            "device": self.device,
        }

    @classmethod
    def from_dict(
        cls, name: str, value: dict[str, Any], sources: Sequence[Source]
    ) -> FinetuneOptions:
        """Return the options of a run that was stopped, over its images opened again.

        Raises
        ------
        ValueError
            If `value` is not what :meth:`to_dict` gave.
        """
        try:
            config = dict(value["config"])
            config["gain"] = None if config["gain"] is None else tuple(config["gain"])
            return cls(
                sources=tuple(sources),
                scale=value["scale"],
                name=name,
                start=value["start"],
                kernels=tuple(value["kernels"]),
                degradation=Degradation.from_dict(value["degradation"]),
                correct_shift=value["correct_shift"],
                turn=value["turn"],
                # Runs of older versions learned from noisy images as they are.
                recorrupt=value.get("recorrupt", False),
                config=TrainConfig(**config),
                device=value["device"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{options_path(name)} is damaged or of another version; remove it and begin anew."
            ) from error
