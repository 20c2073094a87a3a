"""Where a result differs from its source: maps that are computed plane by plane as looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.assess.assessment import Assessment
from napari_srcnn.assess.consistency import error_left, in_sigmas
from napari_srcnn.assess.planes import channel_of, plane_of

Array = NDArray[np.float64]
Kind = Literal["difference", "sigmas", "error"]


class Maps:
    """The maps of all planes; those of the one looked at last are kept, however long the stack.

    Parameters
    ----------
    found : Assessment
        What was assessed, and how.
    """

    def __init__(self, found: Assessment) -> None:
        self._found = found
        self._kept: OrderedDict[tuple[int, ...], tuple[Array, Array]] = OrderedDict()
        self._lock = threading.Lock()
        source = found.compared.source
        self.samples = source.shape[-1] if source.axes.endswith("S") else 0
        #: Of a map: the source's, without its colour samples.
        self.shape = source.shape[: source.ndim - bool(self.samples)]

    @property
    def has_sigmas(self) -> bool:
        """Whether the noise of a channel is known."""
        return any(noise is not None and noise.is_any for noise in self._found.noises)

    def plane(self, index: tuple[int, ...], kind: Kind) -> NDArray[np.float32]:
        """Return a map of a plane; of colours that of the sample that differs most, pixel by pixel.

        Parameters
        ----------
        index : tuple of int
            Along the leading axes.
        kind : {"difference", "sigmas", "error"}
            The result made small again less the source, in image units or in standard deviations
            of the noise; the error that is left after gain and offset were fitted.
        """
        places = [(*index, n) for n in range(self.samples)] if self.samples else [index]
        planes = np.stack([self._map(place, kind) for place in places])
        if len(planes) == 1:
            return np.asarray(planes[0], dtype=np.float32)
        most = np.nan_to_num(np.abs(planes), nan=-1.0).argmax(0)
        return np.asarray(np.take_along_axis(planes, most[None], 0)[0], dtype=np.float32)

    def of(self, kind: Kind) -> PlaneMap:
        """Return one of the maps of the whole stack, as an array that is computed as it is read."""
        return PlaneMap(self, kind)

    def _map(self, place: tuple[int, ...], kind: Kind) -> Array:
        difference, source = self._look(place)
        if kind == "difference":
            return difference
        if kind == "sigmas":
            noise = self._found.noises[channel_of(self._found.compared.source, place)]
            sigmas = None if noise is None else in_sigmas(difference, source, noise)
            return np.full(source.shape, np.nan) if sigmas is None else sigmas
        return error_left(difference + source, source, np.isfinite(difference))

    def _look(self, place: tuple[int, ...]) -> tuple[Array, Array]:
        """Return the difference of a plane, and its source."""
        with self._lock:
            if place not in self._kept:
                self._kept[place] = self._compute(place)
                while len(self._kept) > max(1, self.samples):
                    self._kept.popitem(last=False)
            return self._kept[place]

    def _compute(self, place: tuple[int, ...]) -> tuple[Array, Array]:
        found = self._found
        source = plane_of(found.compared.source, place)
        result = plane_of(found.compared.result, place)
        difference = found.degradation.low_res(result, found.scale) - source
        # Inf is no more a difference than NaN is.
        difference[~np.isfinite(difference)] = np.nan
        return difference, source


class PlaneMap:
    """A map of a stack, whose planes are computed as they are read.

    Parameters
    ----------
    maps : Maps
    kind : {"difference", "sigmas", "error"}
    """

    def __init__(self, maps: Maps, kind: Kind) -> None:
        self._maps, self._kind = maps, kind
        self.shape, self.ndim = maps.shape, len(maps.shape)
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        leading = self.shape[:-2]
        keys = key if isinstance(key, tuple) else (key,)
        keys = (*keys, *(slice(None),) * (self.ndim - len(keys)))
        parts = [range(n)[part] for n, part in zip(leading, keys[: len(leading)], strict=True)]
        listed = [part if isinstance(part, range) else range(part, part + 1) for part in parts]
        planes = np.stack([self._plane(index) for index in _indices(listed)])
        lengths = [len(part) for part in parts if isinstance(part, range)]
        return np.asarray(planes.reshape(*lengths, *self.shape[-2:])[(..., *keys[-2:])])

    def _plane(self, index: tuple[int, ...]) -> NDArray[np.float32]:
        return self._maps.plane(index, self._kind)


def _indices(parts: list[range]) -> list[tuple[int, ...]]:
    return [
        tuple(part[at] for part, at in zip(parts, place, strict=True))
        for place in np.ndindex(tuple(map(len, parts)))
    ]
