"""The noise of examples: measured of each source and channel, and what follows for training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.microscope.noise_report import MeasuredNoise, measure_tiles
from napari_srcnn.network.config import SRCNNConfig
from napari_srcnn.training.blocks import Field
from napari_srcnn.training.field import Array, Block
from napari_srcnn.training.recording import (
    Recording,
    Recorruption,
    Way,
    is_noisy,
    plain,
    recorrupted,
    why_not,
)

Key = tuple[int, int]

# Parts of an image that its noise is measured on, and pixels a side of each.
_TILES, _SIDE = 8, 256
# An image of fewer pixels is measured together with the others: they are of one camera, mostly.
_ALONE = 160 * 160


def recordings(
    blocks: Sequence[Block],
    fields: Sequence[Field],
    network: SRCNNConfig,
    *,
    recorrupt: bool | None,
    notes: list[str],
) -> dict[Key, Way]:
    """Return how the low-res rectangles of each source and channel are recorded.

    Parameters
    ----------
    blocks : sequence of Block
        All that is learned from and measured on.
    fields : sequence of Field
        Of the sources: all paired, or none.
    network : SRCNNConfig
        Says the scale, and whether it is told the noise.
    recorrupt : bool or None
        Whether unpaired examples are recorrupted; where their noise is above 1 %, by default.
    notes : list of str
        Gets what the user should know.

    Raises
    ------
    ValueError
        If examples are to be recorrupted whose noise is not known.
    """
    keys = list(dict.fromkeys(block.key for block in blocks))
    dtypes = {key: fields[key[0]].low_dtype for key in keys}
    if fields[0].low is not None:
        if not network.noise:
            return {key: Recording(dtype=dtypes[key]) for key in keys}
        found = _measured({key: fields[key[0]].low_tiles(key[1]) for key in keys})
        notes += _told_notes(found)
        return {key: Recording(dtype=dtypes[key], told=found[key].noise) for key in keys}
    degradation = fields[0].degradation
    if not (network.noise or recorrupt is not False or degradation.noise.is_any):
        return {key: Recording(dtype=dtypes[key]) for key in keys}
    found = _measured({key: _tiles(blocks, key, fields[key[0]].top(key[1])) for key in keys})
    chosen = _chosen(found, fields, recorrupt, notes)
    if network.noise:
        notes += _told_notes({key: found[key] for key in keys if key not in chosen})
    return {
        key: recorrupted(dtypes[key], degradation, found[key], network.scale, is_told=network.noise)
        if key in chosen
        else plain(dtypes[key], degradation, found[key], network.scale)
        for key in keys
    }


def _chosen(
    found: dict[Key, MeasuredNoise],
    fields: Sequence[Field],
    recorrupt: bool | None,
    notes: list[str],
) -> set[Key]:
    """Return which are recorrupted, and say it, and why others are not."""
    if recorrupt is False:
        return set()
    noisy = [key for key, one in found.items() if recorrupt or is_noisy(one)]
    reasons = {key: why_not(found[key]) for key in noisy}
    chosen = [key for key in noisy if not reasons[key]]
    left = [key for key in noisy if reasons[key]]
    if left:
        name, why = fields[left[0][0]].source.name, reasons[left[0]]
        if recorrupt:
            raise ValueError(f"{name} cannot be recorrupted: {why}; leave recorruption off.")
        others = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
        notes.append(f"{name}{others} is learned from as it is, without recorruption: {why}.")
    if chosen:
        notes.append(_said(chosen, found))
    return set(chosen)


def _said(chosen: Sequence[Key], found: dict[Key, MeasuredNoise]) -> str:
    """Return what is said of recorruption, in one note."""
    levels = [100 * found[key].level for key in chosen]
    least, most = f"{min(levels):.2g}", f"{max(levels):.2g}"
    level = f"{least} %" if least == most else f"{least} to {most} %"
    some = "" if len(chosen) == len(found) else f" in {len(chosen)} of {len(found)} of them"
    return (
        f"The examples are noisy ({level} of the range{some}) and have no clean partner, so the "
        "network learns by recorruption (Pang et al., CVPR 2021): of each crop two images of "
        "independent noise are made, and one is learned from the other as if it were clean; crops "
        "count by the logarithm of their squared error, for their noise differs. What "
        "is held out is noisy too: gains are measured as against a second recording with its own "
        "noise, and are larger against a clean image."
    )


def _told_notes(found: dict[Key, MeasuredNoise]) -> list[str]:
    """Return what is said of a measurement that a network is told, of the noisiest image."""
    if not found:
        return []
    missing = [one for one in found.values() if not one.is_measured]
    loudest = max(found.values(), key=lambda one: one.level)
    return [*(missing[0].notes if missing else ()), *loudest.notes]


# ---------------------------------------------------------------- measuring


def _measured(tiles: dict[Key, list[NDArray[np.float64]]]) -> dict[Key, MeasuredNoise]:
    """Measure each by itself; those of few pixels together with the others of their channel."""
    found = {}
    together: dict[int, MeasuredNoise] = {}
    for key, own in tiles.items():
        channel = key[1]
        others = [part for other, parts in tiles.items() if other[1] == channel for part in parts]
        if len(others) == len(own) or sum(part.size for part in own) >= _ALONE:
            found[key] = measure_tiles(own)
            continue
        if channel not in together:
            together[channel] = measure_tiles([others[i] for i in _evenly(len(others), 4 * _TILES)])
        found[key] = together[channel]
    return found


def _tiles(blocks: Iterable[Block], key: Key, top: float) -> list[NDArray[np.float64]]:
    """Return the middles of some high-res blocks, what is saturated as inf."""
    own = [block.high for block in blocks if block.key == key]
    return [_middle(own[i], top) for i in _evenly(len(own), _TILES)]


def _middle(image: Array, top: float) -> NDArray[np.float64]:
    cuts = tuple(slice(max(n - _SIDE, 0) // 2, max(n - _SIDE, 0) // 2 + _SIDE) for n in image.shape)
    part = image[cuts].astype(np.float64)
    return np.where(part >= top, math.inf, part)


def _evenly(number: int, most: int) -> list[int]:
    """Return at most so many of 0 .. number - 1, evenly spread."""
    return [int(i) for i in np.unique(np.linspace(0, number - 1, min(number, most)).round())]


def is_recorrupted(found: dict[Key, Way]) -> bool:
    """Tell whether any examples are recorrupted."""
    return any(isinstance(one, Recorruption) for one in found.values())
