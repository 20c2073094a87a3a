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


HEAD = """# Is an image like what the model was trained on?

Written by `benchmarks/domain.py --page`.

A network invents what it learned to invent: the line between what it restores and what it makes up
was learned from its training images. The Upscale widget (below the model), the command line (before
the run) and `napari_srcnn.check_domain(stack, model, axes)` say so where an image is unlike these,
for what reason, and what would help: another model, or fine-tuning.

**How.** At most twelve tiles of 256 x 256 pixels are read, four of each of up to three channels, in
about 50 ms. After their range (0.1 and 99.9 percentiles) became 0..1 they are described by 21
numbers (`napari_srcnn.image.looks`): quantiles, skewness and contrast; the share of pixels at the
least and the largest value; how finely values are divided (8 bits or more); the slopes of the power
spectrum from band to band, its height, and whether it lies along the axes; noise (the sixth
difference) and whether fine detail lies in few places; edges; and how alike pixels two apart are.
A logistic regression of these and their squares tells photographs from microscopes' and scanners'
images. Its 43 weights stand in `models/kinds.json`, learned by `tools/fit_domain.py` from what the
bundled networks were trained on: T91, General-100 without every tenth, and the parts of 22 stacks
that were trained on. Every card says which kind its network learned from. 8-bit colour counts as a
photograph's. The same answer chooses the model of an 8-bit gray image where none is named: of the
photographs below, taken as gray, {chosen} get the photographs' network.

**Fine-tuned models** have the mean and the deviation of these numbers over their own training
images in their card, as they are and low-res. An image whose mean squared distance is more than 3.5
is said to be unlike them: 9 % of the held-out parts of a stack are, 72 % of other stacks and 75 %
of photographs.

**How often it warns**, asked about images that nothing was learned from, gray, as they are and made
low-res by a camera with twice as large pixels. Wanted: under 10 % with the own kind's model, 90 %
and more with the other's.

"""
TAIL = """
Held-out parts are those that the trainings of the weights held out of each stack (a sixth of the
planes, or a quarter of a plane). The pairs and the camera's frames were never trained on; nor was
anything of the last line's photographs: Set5, Set14, every tenth of General-100, and seven that
scikit-image brings along.

**Kinds of image that it has never seen.** Learned five times anew without every fifth stack, it
takes more of those stacks for photographs: electron micrographs and X-ray sections of 8 bits look
like photographs to whoever has seen few of them.

| | as they are | low-res |
|---|---|---|
"""


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
    parser.add_argument("--page", type=Path)
    a = parser.parse_args()
    micro, natural = a.data / "micro", a.data / "natural"
    of_photographs, of_microscopes = default_model(2), microscopes_model(2)
    held = [one for path in stacks(micro) for one in of_stack(path, held=True)]
    pictures = list(unseen_photographs(natural))
    lines = [
        row("held-out parts of the stacks", held, of_microscopes, of_photographs),
        row(
            "pairs and camera frames",
            list(unseen_microscopes(micro)),
            of_microscopes,
            of_photographs,
        ),
        row("photographs", pictures, of_photographs, of_microscopes),
    ]
    table = [
        "| | own kind's model | other kind's | low-res: own | low-res: other |",
        "|---|---|---|---|---|",
        *lines,
    ]
    print("\n".join(table))
    if not (a.folds or a.page):
        return
    more = folds(micro, natural)
    print("\n".join(more))
    if a.page:
        gray = [one for one in pictures if one.form == FORMS[0]]
        right = np.mean([Looks(channels=(one.looks,)).kind == "photograph" for one in gray])
        head = HEAD.format(chosen=f"{right:.0%}")
        a.page.write_text(head + "\n".join(table) + "\n" + TAIL + "\n".join(more) + "\n")


if __name__ == "__main__":
    main()
