"""The bundled sample images: real, openly licensed, read without a network.

`sample_data/CREDITS.md` names their origins in full; `tools/make_samples.py` makes the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_srcnn.io import Stack, StackError, read_stack
from napari_srcnn.io.napari_hooks import stack_layers

_FOLDER = Path(__file__).parent / "sample_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a bundled image shows and whose it is.

    Attributes
    ----------
    title : str
        For a menu.
    description : str
        One sentence: what it shows, its axes, shape and type.
    credit : str
        Where it comes from.
    license : str
        SPDX name of the licence that it comes under.
    """

    title: str
    description: str
    credit: str
    license: str


#: The bundled images by name, the demo's first.
SAMPLES: dict[str, Sample] = {
    "brain": Sample(
        title="Brain, MR (16-bit stack)",
        description="Magnetic resonance (EPI) of a brain, ZYX 24×96×128, int16, 2×2×2.2 mm.",
        credit="nibabel, nibabel/tests/data/example4d.nii.gz (first volume)",
        license="MIT",
    ),
    "pollen": Sample(
        title="Pollen, confocal (16-bit stack)",
        description="Confocal fluorescence of pollen grains, ZYX 32×256×256, uint16.",
        credit="sdeconv, sdeconv/data/pollen.tif",
        license="BSD-3-Clause",
    ),
    "nuclei": Sample(
        title="Nuclei, fluorescence (2-D)",
        description="Fluorescence of cell nuclei, YX 512×512, 8 bits in uint16.",
        credit="StarDist, stardist/data/images/img2d.tif; 2018 Data Science Bowl, Caicedo et al.",
        license="BSD-3-Clause",
    ),
}


def sample_path(name: str) -> Path:
    """Return the file of a bundled image.

    Parameters
    ----------
    name : str
        One of `SAMPLES`.

    Raises
    ------
    StackError
        There is no such sample.
    """
    if name not in SAMPLES:
        raise StackError(f"there is no sample {name!r}; choose one of {', '.join(SAMPLES)}")
    return _FOLDER / f"{name}.ome.tif"


def load_sample(name: str) -> Stack:
    """Open a bundled image; see `sample_path` and `read_stack`."""
    return read_stack(sample_path(name))


def brain() -> list[tuple[Any, dict[str, Any], str]]:
    """Return the brain stack as a napari layer."""
    return stack_layers(load_sample("brain"))


def pollen() -> list[tuple[Any, dict[str, Any], str]]:
    """Return the pollen stack as a napari layer."""
    return stack_layers(load_sample("pollen"))


def nuclei() -> list[tuple[Any, dict[str, Any], str]]:
    """Return the image of nuclei as a napari layer."""
    return stack_layers(load_sample("nuclei"))
