"""Axis letters: T, C, Z, then Y, X, then S for colour samples; and the words that mean them."""

from __future__ import annotations

from napari_srcnn.image.units import is_length, is_time

#: Letters that mean something; others (Q, I) only number planes.
MEANT = "TCZYXS"

_WORDS = {
    "T": ("t", "time", "times", "frame", "frames", "timepoint", "timepoints"),
    "C": ("c", "ch", "channel", "channels"),
    "Z": ("z", "depth", "plane", "planes", "slice", "slices"),
    "Y": ("y", "row", "rows"),
    "X": ("x", "col", "cols", "column", "columns"),
}
_LETTERS = {word: letter for letter, words in _WORDS.items() for word in words}


def axis_letter(label: object) -> str | None:
    """Return the letter that an axis' label means, or None where it means none of them.

    Parameters
    ----------
    label : object
        As a layer has it: ``"z"``, ``"Channels"``, ``"-3"``.
    """
    return _LETTERS.get(str(label).strip().lower())


def unit_fits(letter: str, unit: str) -> bool:
    """Tell whether an axis of that letter can be measured in `unit`."""
    if letter == "T":
        return not is_length(unit)
    if letter in "ZYX":
        return not is_time(unit)
    return letter not in "CS" or not (is_length(unit) or is_time(unit))
