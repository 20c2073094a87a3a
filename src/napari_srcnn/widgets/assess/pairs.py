"""Which layers are results, and what they were made of: what is proposed as the window opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.assess.place import register, scale_by_shape
from napari_srcnn.image.stack import Stack
from napari_srcnn.io.layer_file import layer_stack
from napari_srcnn.io.names import stack_name
from napari_srcnn.widgets.shared.layers import METADATA_KEY, is_made_by_us, pixels, preview_kind

if TYPE_CHECKING:
    from napari.layers import Image, Layer


def is_assessable(layer: Layer) -> bool:
    """Tell whether a layer is an image that can be compared: no look of ours, and whole."""
    if type(layer).__name__ != "Image" or preview_kind(layer):
        return False
    made = layer.metadata.get(METADATA_KEY)
    return not (isinstance(made, dict) and (made.get("partial") or "spread_of" in made))


def stack_of(layer: Image) -> Stack:
    """Return a layer as a stack: its pixels, unread, their axes, sizes and place."""
    _, attributes, _ = layer.as_layer_data_tuple()
    return layer_stack(pixels(layer), {**attributes, "multiscale": False})


class Pairs:
    """Results and their sources among layers.

    Parameters
    ----------
    layers : sequence of Image
        The topmost first.
    """

    def __init__(self, layers: Sequence[Image]) -> None:
        self._stacks = {layer: stack_of(layer) for layer in layers}

    def source_of(self, result: Image) -> Image | None:
        """Return what a result was made of: as its record says, else what it is a multiple of."""
        fitting = [layer for layer in self._stacks if self._fits(result, layer)]
        for name in _names_of_source(result):
            for layer in fitting:
                if _is_called(layer, name):
                    return layer
        return min(fitting, key=lambda layer: self._strangeness(result, layer), default=None)

    def propose(
        self, results: Sequence[Image], selected: Sequence[Image]
    ) -> tuple[Image | None, Image | None]:
        """Return a result and its source, where one of them is selected that one, else the first.

        Parameters
        ----------
        results : sequence of Image
            What can be a result, the likeliest first.
        selected : sequence of Image
        """
        ordered = dict.fromkeys([*(layer for layer in results if layer in selected), *results])
        pairs = [(layer, self.source_of(layer)) for layer in ordered]
        found = [(result, source) for result, source in pairs if source is not None]
        for result, source in found:
            if result in selected or source in selected:
                return result, source
        return found[0] if found else (pairs[0][0] if pairs else None, None)

    def _fits(self, result: Image, source: Image) -> bool:
        if result is source or result.rgb != source.rgb or result.ndim != source.ndim:
            return False
        try:
            register(self._stacks[result], self._stacks[source])
        except ValueError:
            return False
        return True

    def _strangeness(self, result: Image, source: Image) -> tuple[bool, bool]:
        """Return what is least for a likely source: a whole field, and no result itself."""
        is_whole = scale_by_shape(self._stacks[result], self._stacks[source]) is not None
        return not is_whole, is_made_by_us(source)


def _names_of_source(result: Image) -> Iterator[str]:
    made = result.metadata.get(METADATA_KEY)
    if isinstance(made, dict):
        if made.get("source_layer"):
            yield str(made["source_layer"])
        file = made.get("source")
        if isinstance(file, dict) and file.get("name"):
            yield str(file["name"])
    name, sign, _ = result.name.rpartition(" ×")
    if sign:
        yield name


def _is_called(layer: Image, name: str) -> bool:
    path = getattr(layer.source, "path", None)
    return (
        name == layer.name
        or stack_name(name) == layer.name
        or (bool(path) and Path(str(path)).name == name)
    )
