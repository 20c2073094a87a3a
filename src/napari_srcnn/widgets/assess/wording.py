"""What the Assess widget says. Plain functions of plain values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_srcnn.words import count_of

if TYPE_CHECKING:
    from napari_srcnn.assess.assessment import Assessment
    from napari_srcnn.assess.place import Compared


def what_is_compared(compared: Compared) -> str:
    """Return the line before an assessment: sizes, planes, and what was found of places."""
    source, result = compared.source, compared.result
    y = source.axes.index("Y")
    sizes = [f"{stack.shape[y]} × {stack.shape[y + 1]}" for stack in (result, source)]
    planes = math.prod(source.shape[:y])
    of = f", {count_of(planes, 'plane')}" if planes > 1 else ""
    line = f"{sizes[0]} is ×{compared.scale} of {sizes[1]}{of}."
    return " ".join([line, *compared.notes])


def what_was_found(assessment: Assessment, *, align: str) -> str:
    """Return what is below the table: what the figures are for, and what the reader should know.

    Parameters
    ----------
    assessment : Assessment
    align : str
        What the box is called that lays a reference over the result.
    """
    from napari_srcnn.assess.tables import remarks

    # What was found of their places stands above already.
    notes = [note for note in assessment.notes if note not in assessment.compared.notes]
    lines = [*remarks(assessment), *notes]
    if assessment.shift is not None:
        lines.append(f"Tick “{align}” and assess again to compare without the shift.")
    return "\n".join(lines)
