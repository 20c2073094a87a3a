"""Figures of one run beside what must be reached and what is aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that was measured.

    Attributes
    ----------
    name : str
        What it is, with its unit.
    value : float
    must, aim : float
        Where the aim is the larger of the two, more is better.
    """

    name: str
    value: float
    must: float
    aim: float

    @property
    def is_reached(self) -> bool:
        """Whether it is what it must be."""
        return self.value >= self.must if self.aim > self.must else self.value <= self.must


def tell(figures: Sequence[Figure]) -> bool:
    """Print figures as a table, and return whether all are what they must be."""
    width = max(len(one.name) for one in figures)
    print(f"\n{'':4s}  {'':{width}s} {'reached':>9s} {'must':>9s} {'aim':>9s}")
    for one in figures:
        verdict = "pass" if one.is_reached else "FAIL"
        sign = "≥" if one.aim > one.must else "≤"
        cells = f"{one.value:9.3g} {f'{sign} {one.must:g}':>9s} {f'{sign} {one.aim:g}':>9s}"
        print(f"{verdict}  {one.name:{width}s} {cells}")
    return all(one.is_reached for one in figures)
