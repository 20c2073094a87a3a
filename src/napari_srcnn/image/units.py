"""Unit names: one spelling inside, and what OME-XML and ImageJ write for it.

Inside, a unit is its English name as pint (and so napari) knows it: ``"micrometer"``, ``"second"``;
``"pixel"`` stands for an axis without calibration.
"""

from __future__ import annotations

import re

PIXEL = "pixel"

_LENGTHS = {
    "picometer": ("pm", "picometre"),
    "angstrom": ("Å", "\u212b", "A", "ångström"),
    "nanometer": ("nm", "nanometre"),
    # MICRO SIGN, GREEK MU, and the ASCII stand-ins.
    "micrometer": ("µm", "\u03bcm", "um", "micron", "micrometre", "µ", "\u03bc"),
    "millimeter": ("mm", "millimetre"),
    "centimeter": ("cm", "centimetre"),
    "decimeter": ("dm", "decimetre"),
    "meter": ("m", "metre"),
    "kilometer": ("km", "kilometre"),
    "inch": ("in", '"', "inches"),
    "foot": ("ft", "feet"),
}
_TIMES = {
    "nanosecond": ("ns", "nsec"),
    "microsecond": ("µs", "\u03bcs", "us", "usec"),
    "millisecond": ("ms", "msec"),
    "second": ("s", "sec"),
    "minute": ("min",),
    "hour": ("h", "hr"),
    "day": ("d",),
}
_SECONDS = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
_MICROMETERS = {
    "picometer": 1e-6,
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "decimeter": 1e5,
    "meter": 1e6,
    "kilometer": 1e9,
    "inch": 25_400.0,
    "foot": 304_800.0,
}
_ALIASES = {
    alias + plural: name
    for name, aliases in (_LENGTHS | _TIMES | {PIXEL: ("px",)}).items()
    for alias in (name, *aliases)
    for plural in (("", "s") if len(alias) > 2 else ("",))
}
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def unit_name(text: object) -> str | None:
    r"""Return the one name of a unit however a file or a library spells it.

    Parameters
    ----------
    text : object
        For example ``"µm"``, ``"micron"``, ImageJ's escaped ``"\\\\u00B5m"`` or a ``pint.Unit``.

    Returns
    -------
    str or None
        For example ``"micrometer"``; None for what is not a known unit.
    """
    spelled = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), str(text)).strip()
    # A word may be capitalised, a symbol not: "Mm" is no millimetre.
    return _ALIASES.get(spelled if len(spelled) <= 2 else spelled.lower()) or _ALIASES.get(spelled)


def is_length(unit: str) -> bool:
    """Tell whether `unit` (as `unit_name` gives it) measures a length."""
    return unit in _LENGTHS


def is_time(unit: str) -> bool:
    """Tell whether `unit` (as `unit_name` gives it) measures a time."""
    return unit in _TIMES


def to_seconds(value: float, unit: str) -> float:
    """Return `value`, a time in `unit`, in seconds."""
    return value * _SECONDS[unit]


def to_micrometers(value: float, unit: str) -> float | None:
    """Return `value`, a length in `unit`, in micrometers; None where `unit` is no length."""
    return value * _MICROMETERS[unit] if unit in _MICROMETERS else None


def ome_symbol(unit: str) -> str | None:
    """Return the symbol the OME schema has for `unit`, or None where it has none."""
    if unit == PIXEL:
        return PIXEL
    symbols = _LENGTHS.get(unit) or _TIMES.get(unit)
    return symbols[0] if symbols else None
