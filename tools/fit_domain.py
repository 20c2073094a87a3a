"""Learn what tells photographs from microscopes' images, for the warning before a run.

    python tools/fit_domain.py MICRO PHOTOS

MICRO is a folder with fluo/, em_xray/ and medical/ in it, PHOTOS one with T91/ and General100/.
Writes `src/napari_srcnn/models/kinds.json`: a few hundred numbers, and no image. Learned from are
the parts of stacks and the photographs that the bundled weights were trained on, and nothing that
was held out of them; `benchmarks/domain.py` measures on that.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread
from train_microscopes import NOT_TRAINED, stacks

from napari_srcnn.image.looks import FEATURES, look, tiles_of
from napari_srcnn.io import stack_name
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.models import domain
from napari_srcnn.models.domain import Kinds
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.dataset import make_dataset
from napari_srcnn.training.kinds import fit_kinds
from napari_srcnn.training.photographs import find_images
from napari_srcnn.training.sources import sources_from_paths

Image = NDArray[Any]
# Blocks of each channel of a stack, and pixels of a stack that are read.
BLOCKS, PIXELS = 4, 4 << 20
# Of R, G and B in what is called gray.
GRAY = 0.2125, 0.7154, 0.0721
# Of so many photographs one is seen in gray that is not rounded, too: few are stored so.
ROUNDED = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """An image's looks, and of what it is: a stack or a photograph.

    Attributes
    ----------
    name : str
    form : {"as it is", "low-res"}
        Low-res is the mean of 2 x 2 pixels, rounded where the image is of integers.
    looks : ndarray of float64
    """

    name: str
    form: str
    looks: NDArray[np.float64]


def seen(name: str, image: Image) -> Iterator[Seen]:
    """Yield the looks of an image as it is, and of it made low-res by a camera's pixels."""
    for form, one in (("as it is", image), ("low-res", low_res(image))):
        found = look(tiles_of(one)[0])
        if found is not None:
            yield Seen(name=name, form=form, looks=found)


def low_res(image: Image) -> Image:
    """Return the mean of 2 x 2 pixels, in the image's own type."""
    image = image[tuple(slice(n // 2 * 2) for n in image.shape)]
    small = Degradation().low_res(image.astype(np.float64), 2)
    return (np.round(small) if image.dtype.kind in "iu" else small).astype(image.dtype)


def of_stack(path: Path, *, held: bool) -> Iterator[Seen]:
    """Yield the looks of parts of a stack: of those held out of the trainings, or of the others."""
    source = sources_from_paths(path)[0]
    network = SRCNNConfig(kernels=(9, 5, 5), scale=2)
    try:
        data = make_dataset([source], network, limit=PIXELS)
    except ValueError as error:
        print(f"{path.name} is left out: {error}")
        return
    blocks = data.held if held else data.training
    for key in data.ranges:
        own = [block for block in blocks if block.key == key]
        for block in own[:: max(len(own) // BLOCKS, 1)][:BLOCKS]:
            # Blocks are float32 whatever the file is of.
            yield from seen(stack_name(path), block.high.astype(source.high.dtype))


def read_photograph(path: Path) -> Image:
    """Return a photograph's green as it is stored, or its gray."""
    image = imread(path)
    return image[..., 1] if image.ndim == 3 else image


def of_photographs(paths: Sequence[Path]) -> Iterator[Seen]:
    """Yield the looks of photographs' green, and of the gray of some that is not rounded."""
    for number, path in enumerate(paths):
        yield from seen(path.stem, read_photograph(path))
        image = imread(path)
        if number % ROUNDED == 0 and image.ndim == 3:
            found = look(tiles_of(image[..., :3] @ np.array(GRAY))[0])
            if found is not None:
                yield Seen(name=path.stem, form="gray, not rounded", looks=found)


def photographs(folder: Path, *, held: bool) -> list[Path]:
    """Return those that the weights were trained on, or those of General-100 that were held out."""
    tenths = [n % 10 == 9 for n, _ in enumerate(find_images(folder / "General100"))]
    general = zip(find_images(folder / "General100"), tenths, strict=True)
    if held:
        return [path for path, is_held in general if is_held]
    return [*find_images(folder / "T91"), *(path for path, is_held in general if not is_held)]


def fit(micro: list[Seen], photos: list[Seen]) -> Kinds:
    """Learn from what was seen of both."""
    return fit_kinds(
        np.array([one.looks for one in photos]),
        np.array([one.looks for one in micro]),
        [one.name for one in micro],
    )


def main() -> None:
    """Learn, and write what was learned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("micro", type=Path)
    parser.add_argument("photographs", type=Path)
    a = parser.parse_args()
    paths = [path for path in stacks(a.micro) if stack_name(path) not in NOT_TRAINED]
    micro = [one for path in paths for one in of_stack(path, held=False)]
    photos = list(of_photographs(photographs(a.photographs, held=False)))
    kinds = fit(micro, photos)
    path = Path(domain.__file__).with_name("kinds.json")
    path.write_text(json.dumps(kinds.to_dict(), indent=1) + "\n")
    print(f"{len(micro)} parts of {len(paths)} stacks, {len(photos)} looks at photographs.")
    order = np.argsort(-np.abs(kinds.weights[: len(FEATURES)]))
    print(", ".join(f"{FEATURES[n]} {kinds.weights[n]:+.2f}" for n in order))


if __name__ == "__main__":
    main()
