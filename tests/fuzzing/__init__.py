"""Strategies for files and arguments that mean harm, and what is asked of whoever reads them.

`tests/fuzz/` draws a few dozen of each kind, `benchmarks/fuzz.py` thousands.
"""

from __future__ import annotations

from fuzzing import commands, images, models, packages, records, stores
from fuzzing.case import Kind, Outcome, judge

KINDS: tuple[Kind, ...] = (
    *models.KINDS,
    *packages.KINDS,
    *images.KINDS,
    *stores.KINDS,
    *records.KINDS,
    *commands.KINDS,
)

__all__ = ["KINDS", "Kind", "Outcome", "judge"]
