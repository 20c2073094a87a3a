"""What a job of shards is: kept beside its shards, so that anybody can go on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import napari_srcnn
from napari_srcnn.io.atomic import write_bytes
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.plan import UpscalePlan
from napari_srcnn.upscaling.provenance import Provenance, SourceFile
from napari_srcnn.words import one_line

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """What is made of which image, with everything that was measured before the first pixel.

    Attributes
    ----------
    source : Path
        The image's file or folder.
    image : int
        Which of its images, from 0.
    content : SourceFile
        What the image is known by.
    options : mapping
        What was asked for and changes pixels, as JSON values.
    fixed : mapping
        The same with all that was measured in its place: what each process computes by.
    model_sha256 : str
    layout : mapping
        Version, compression and shards of the OME-Zarr.
    provenance : mapping
        How the image is made.
    version : str
        Of napari-srcnn.
    schema : int
    """

    source: Path
    image: int
    content: SourceFile
    options: Mapping[str, Any]
    fixed: Mapping[str, Any]
    model_sha256: str
    layout: Mapping[str, Any]
    provenance: Mapping[str, Any]
    version: str = napari_srcnn.__version__
    schema: int = SCHEMA

    def difference(
        self, content: SourceFile, image: int, options: Mapping[str, Any], layout: Mapping[str, Any]
    ) -> str:
        """Return what is not as in this job, as the end of a sentence; empty where nothing is."""
        if napari_srcnn.__version__ != self.version:
            return (
                f"was begun by napari-srcnn {self.version}, and this is {napari_srcnn.__version__}"
            )
        if image != self.image:
            return f"was begun with image {self.image + 1}, not {image + 1}"
        if content.name != self.content.name:
            return f"was begun with {self.content.name}, not {content.name}"
        if content.content != self.content.content:
            return f"was begun before {content.name} was changed"
        for name in {**self.options, **options}:
            ours, given = self.options.get(name), options.get(name)
            if ours != given:
                if name == "model_sha256":
                    return "was begun with another model"
                return f"was begun with {_said(name, ours)}, not {_said(name, given)}"
        for name, ours in self.layout.items():
            if name in layout and layout[name] != ours:
                return f"was begun with {name} {ours}, not {layout[name]}"
        return ""

    def fixed_options(self, device: Any) -> Options:
        """Return the options that each process computes by, on a device of its own."""
        return options_of(self.fixed, device)

    def save(self, path: Path) -> None:
        """Write it, all of it or nothing."""
        values = asdict(self) | {"source": str(self.source), "content": self.content.to_dict()}
        write_bytes(path, json.dumps(values, indent=1).encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If it is no job, or that of a newer version.
        OSError
            If it cannot be read.
        """
        try:
            values = json.loads(path.read_text("utf-8"))
            if values["schema"] > SCHEMA:
                raise ValueError(f"{path} is of a newer version of napari-srcnn; update this one.")
            job = cls(
                **values
                | {
                    "source": Path(values["source"]),
                    "content": SourceFile.from_dict(values["content"]),
                }
            )
            job._check()
            return job
        except (
            *(json.JSONDecodeError, RecursionError, OverflowError),
            *(KeyError, TypeError, AttributeError),
        ) as error:
            why = one_line(repr(error), 100)
            raise ValueError(
                f"{path} is damaged ({why}); remove the folder of the result and start anew."
            ) from error

    def _check(self) -> None:
        """Raise TypeError, or what else comes of it, where a part is not what it should be."""
        layout = self.layout
        shard = layout.get("shard") or ()
        fits = (
            set(layout) <= {"version", "compression", "shard"}
            and isinstance(layout["version"], str)
            and isinstance(layout["compression"], str | None)
            and all(isinstance(n, int) for n in (self.image, *shard))
            and isinstance(self.options, Mapping)
        )
        if not fits:
            raise TypeError("a part of it is of another type")
        options_of(self.fixed, "cpu")
        Provenance.from_dict(self.provenance)


def fixed(plan: UpscalePlan) -> dict[str, Any]:
    """Return a plan's options as JSON values, with what was measured on its image in them."""
    request = plan.request
    model = str(request.model)
    measured: dict[str, Any] = {}
    if request.intensity == "auto":
        measured["intensity"] = [[float(one.low), float(one.high)] for one in plan.ranges]
    if request.noise == "auto" and plan.told is not None and plan.told.measured:
        measured["noise"] = [asdict(one.noise) for one in plan.told.measured]
    return {
        **request.to_dict(),
        **measured,
        "model": str(Path(model).resolve()) if Path(model).is_file() else model,
        "tile": plan.choose_tile(),
        "deterministic": plan.is_deterministic,
    }


def options_of(fixed: Mapping[str, Any], device: Any) -> Options:
    """Return the options of which :func:`fixed` made JSON values."""
    given = dict(fixed)
    noise, intensity = given.pop("noise"), given.pop("intensity")
    if not isinstance(intensity, str):
        intensity = tuple((float(low), float(high)) for low, high in intensity)
    return Options(
        **given,
        device=device,
        intensity=intensity,
        noise=tuple(Noise(**one) for one in noise) if isinstance(noise, list) else noise,
    )


def _said(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {'by default' if value is None else value}"
