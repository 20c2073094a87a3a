"""Measure how often an image is said to be unlike what a model was trained on.

    python benchmarks/domain.py DATA [--folds] [--page docs/domain.md]

DATA is the folder of NAPARI_SRCNN_DATA. Asked are the bundled models of ×2 for photographs and for
microscopes, about images of their own kind and of the other. Nothing of what is asked about was
learned from: of the stacks it is what was held out of the trainings; the pairs and the camera's
frames were never trained on. With ``--folds`` what tells the kinds apart is learned five times
anew, each time without every fifth stack, which it is then asked about.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
from skimage.io import imread

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from fit_domain import Seen, fit, of_photographs, of_stack, photographs, read_photograph, seen
from train_microscopes import FOLDS, NOT_TRAINED, stacks

from napari_srcnn.io import stack_name
from napari_srcnn.models.domain import Looks, judge
from napari_srcnn.models.library import default_model, microscopes_model, model_info
from napari_srcnn.training.photographs import find_images
from napari_srcnn.training.sources import sources_from_paths

# Photographs that scikit-image itself brings along.
BUNDLED = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_left.png",
    "rocket.jpg",
)  # fmt: skip
FORMS = "as it is", "low-res"


def unseen_photographs(natural: Path) -> Iterator[Seen]:
    """Yield the looks of photographs that nothing was learned from."""
    paths = [p for name in ("Set5", "Set14") for p in find_images(natural / "eval" / name)]
    paths += photographs(natural / "train", held=True)
    paths += [Path(skimage.data.__file__).parent / name for name in BUNDLED]
    for path in paths:
        yield from seen(path.stem, read_photograph(path))


def planes(path: Path) -> Iterator[np.ndarray]:
    """Yield the middle plane of each channel."""
    source = sources_from_paths(path)[0]
    leading = source.high.shape[: -2 - source.axes.endswith("S")]
    channel = source.axes.index("C") if "C" in source.axes else None
    middle = tuple(n // 2 for n in leading)
    for number in range(leading[channel] if channel is not None else 1):
        index = tuple(number if axis == channel else n for axis, n in enumerate(middle))
        yield np.asarray(source.high[index])


def unseen_microscopes(micro: Path) -> Iterator[Seen]:
    """Yield the looks of pairs and of a camera's frames."""
    for folder in sorted((micro / "pairs").iterdir()):
        for path in sorted(folder.rglob("*.tif")):
            # Computed, not measured.
            if folder.name.startswith("squirrel") and path.parent.name == "high":
                continue
            for plane in planes(path):
                yield from seen(f"{folder.name}/{path.parent.name}", plane)
    for path in sorted((micro / "real_noise" / "low").glob("*.tif")):
        yield from seen(f"real_noise/{path.stem}", imread(path))


def row(title: str, found: list[Seen], own: str, other: str) -> str:
    """Return a line of the table: how often each of two models warns."""
    cells = [title]
    for form in FORMS:
        chosen = [one for one in found if one.form == form]
        for name in (own, other):
            warned = [
                not judge(Looks(channels=(one.looks,)), model_info(name)).is_like for one in chosen
            ]
            cells.append(f"{np.mean(warned):.1%} of {len(chosen)}")
        missed = {
            one.name
            for one in chosen
            if not judge(Looks(channels=(one.looks,)), model_info(own)).is_like
        }
        print(f"  {title}, {form}: taken for the other kind: {', '.join(sorted(missed))}")
    return f"| {' | '.join(cells)} |"


def folds(micro: Path, natural: Path) -> list[str]:
    """Return lines of how often stacks are taken for photographs that nothing was learned of."""
    paths = stacks(micro)
    photos = list(of_photographs(photographs(natural / "train", held=False)))
    # By their names, so that no photograph is in two of them.
    order = {name: n for n, name in enumerate(sorted({one.name for one in photos}))}
    parts = {path: list(of_stack(path, held=False)) for path in paths}
    wrong: dict[str, list[float]] = {form: [] for form in FORMS}
    wrong_photos: dict[str, list[bool]] = {form: [] for form in FORMS}
    for fold in range(FOLDS):
        kinds = fit(
            [
                one
                for n, path in enumerate(paths)
                if n % FOLDS != fold and stack_name(path) not in NOT_TRAINED
                for one in parts[path]
            ],
            [one for one in photos if order[one.name] % FOLDS != fold],
        )
        for path in paths[fold::FOLDS]:
            for form in FORMS:
                odds = [kinds.log_odds(one.looks) for one in parts[path] if one.form == form]
                if odds:
                    wrong[form].append(float(np.mean(np.array(odds) < 0)))
                    if wrong[form][-1]:
                        print(f"  fold {fold}: {path.name}, {form}: {wrong[form][-1]:.0%} wrong")
        for one in photos:
            if order[one.name] % FOLDS == fold and one.form in FORMS:
                wrong_photos[one.form].append(kinds.log_odds(one.looks) > 0)
    cells = [f"{np.mean(wrong[form]):.1%} of {len(wrong[form])} stacks" for form in FORMS]
    more = [f"{np.mean(wrong_photos[form]):.1%} of {len(wrong_photos[form])}" for form in FORMS]
    return [
        f"| stacks of another fold | {' | '.join(cells)} |",
        f"| photographs of another fold | {' | '.join(more)} |",
    ]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", action="store_true")
    a = parser.parse_args()
    micro, natural = a.data / "micro", a.data / "natural"
    of_photographs, of_microscopes = default_model(2), microscopes_model(2)
    held = [one for path in stacks(micro) for one in of_stack(path, held=True)]
    lines = [
        row("held-out parts of the stacks", held, of_microscopes, of_photographs),
        row(
            "pairs and camera frames",
            list(unseen_microscopes(micro)),
            of_microscopes,
            of_photographs,
        ),
        row("photographs", list(unseen_photographs(natural)), of_photographs, of_microscopes),
    ]
    print("| | own kind's model | other kind's | low-res: own | low-res: other |")
    print("|---|---|---|---|---|")
    print("\n".join(lines))
    if a.folds:
        print("\n".join(folds(micro, natural)))


if __name__ == "__main__":
    main()
