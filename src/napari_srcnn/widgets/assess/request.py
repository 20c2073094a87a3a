"""What is asked for, as a value that goes to the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_srcnn.image.stack import Stack
    from napari_srcnn.microscope.degradation import Degradation
    from napari_srcnn.upscaling.noise_option import Told


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AssessRequest:
    """What is compared, and how.

    Attributes
    ----------
    result, source : Stack
    reference : Stack or None
    result_name, source_name : str
        Of the layers.
    align : bool
        Lay a shifted reference over the result first.
    degradation : Degradation
    noise : "auto", float or None
    data_range : float or None
        As of `assess`.
    shown : tuple of int
        Index, along the source's leading axes, of the plane on screen: its maps are looked at
        first.
    """

    result: Stack
    source: Stack
    reference: Stack | None
    result_name: str
    source_name: str
    align: bool
    degradation: Degradation
    noise: Told
    data_range: float | None
    shown: tuple[int, ...] = ()
