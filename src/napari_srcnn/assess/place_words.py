"""What is said of how images lie to each other. Plain functions of plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from napari_srcnn.image.stack import Stack

_DIRECTIONS = {"Y": ("down", "up"), "X": ("right", "left")}


def moved(offset: Sequence[float], of: str) -> str:
    """Return a shift along Y and X in words."""
    parts = []
    for axis, by in zip("YX", offset, strict=True):
        forth, back = _DIRECTIONS[axis]
        if abs(by) >= 0.005:
            parts.append(f"{abs(by):.3g} {forth if by > 0 else back}")
    return f"{' and '.join(parts) or '0'} (pixels of the {of})"


def what_was_converted(result: Stack, source: Stack) -> Iterator[str]:
    """Yield that other units were converted, where they were."""
    y = source.axes.index("Y")
    if result.units[y] != source.units[y]:
        yield (
            f"The result's pixel size is in {result.units[y]} and the source's in "
            f"{source.units[y]}; it was converted."
        )


def what_is_left_out(
    source: Stack, windows: Sequence[tuple[int, int]], *, has_reference: bool
) -> Iterator[str]:
    """Yield what of the source is compared, where it is not all of it."""
    y = source.axes.index("Y")
    names = [f"{letter}" for letter in source.axes]
    names[y], names[y + 1] = "rows", "columns"
    parts = [
        f"{name} {low + 1}–{high} of {size}"
        for name, (low, high), size in zip(names, windows, source.shape, strict=True)
        if (low, high) != (0, size)
    ]
    if parts:
        whom = "all three" if has_reference else "both"
        yield (
            f"By their places, {', '.join(parts)} of the source are common to {whom}: they are "
            "compared there."
        )


def nothing_common(result: Stack, source: Stack, offsets: Sequence[int]) -> str:
    """Return that a result does not lie over its source, and where it lies."""
    y = source.axes.index("Y")
    where = moved([float(at) for at in offsets[y : y + 2]], "source")
    others = [
        f"{at} along {letter}" for letter, at in zip(source.axes, offsets[:y], strict=False) if at
    ]
    return (
        "The result does not lie over its source: by their places it begins "
        f"{', '.join([where, *others])} from the source's corner, and nothing is common to them."
    )
