"""Which layers are results, and what they were made of: what is proposed as the window opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.assess.place import register, scale_by_shape
from napari_srcnn.image.stack import Stack
from napari_srcnn.io.layer_file import layer_stack
from napari_srcnn.io.names import stack_name
from napari_srcnn.widgets.shared.layers import METADATA_KEY, pixels, preview_kind

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


def source_of(result: Image, layers: Sequence[Image]) -> Image | None:
    """Return what a result was made of: as its record says, else what it is a multiple of."""
    fitting = [layer for layer in layers if layer is not result and _fits(result, layer)]
    names = list(_names_of_source(result))
    named = [layer for name in names for layer in fitting if _is_called(layer, name)]
    return next(iter(named or sorted(fitting, key=lambda layer: _strangeness(result, layer))), None)


def propose(
    results: Sequence[Image], layers: Sequence[Image], selected: Sequence[Image]
) -> tuple[Image | None, Image | None]:
    """Return a result and its source, where one of them is selected that one, else the first.

    Parameters
    ----------
    results : sequence of Image
        What can be a result, the likeliest first.
    layers : sequence of Image
        What can be its source.
    selected : sequence of Image
    """
    ordered = dict.fromkeys([*(layer for layer in results if layer in selected), *results])
    pairs = [(layer, source_of(layer, layers)) for layer in ordered]
    found = [(result, source) for result, source in pairs if source is not None]
    for result, source in found:
        if result in selected or source in selected:
            return result, source
    return found[0] if found else (pairs[0][0] if pairs else None, None)


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


def _fits(result: Image, source: Image) -> bool:
    if result.rgb != source.rgb or result.ndim != source.ndim:
        return False
    try:
        register(stack_of(result), stack_of(source))
    except ValueError:
        return False
    return True


def _strangeness(result: Image, source: Image) -> tuple[bool, bool]:
    """Return what is small for a likely source: a whole field, and no result itself."""
    is_whole = scale_by_shape(stack_of(result), stack_of(source)) is not None
    return not is_whole, METADATA_KEY in source.metadata
