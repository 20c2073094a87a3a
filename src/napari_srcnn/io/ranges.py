"""What an index asks for of an array in a file: integers, slices and an ellipsis."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_ranges(key: Any, shape: tuple[int, ...]) -> tuple[list[range], list[bool]]:
    """Return the range of each axis that `key` asks for, and whether the axis is dropped."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if any(part is Ellipsis for part in parts):
        at = next(n for n, part in enumerate(parts) if part is Ellipsis)
        missing = len(shape) - len(parts) + 1
        parts[at : at + 1] = [slice(None)] * missing
    parts += [slice(None)] * (len(shape) - len(parts))
    if len(parts) != len(shape) or any(part is Ellipsis for part in parts):
        raise IndexError(f"{key!r} does not fit an array of {len(shape)} axes")
    ranges, dropped = [], []
    for part, length in zip(parts, shape, strict=True):
        if isinstance(part, slice):
            ranges.append(range(*part.indices(length)))
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            if not -length <= part < length:
                raise IndexError(f"index {part} is out of bounds for an axis of length {length}")
            ranges.append(range(int(part) % length, int(part) % length + 1))
        else:
            raise IndexError(f"{part!r}: an array in a file takes integers and slices only")
        dropped.append(not isinstance(part, slice))
    return ranges, dropped
