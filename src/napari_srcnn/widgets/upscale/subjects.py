"""What is compared: an image as it would be enlarged, or a result that is there."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.widgets.shared.geometry import geometry_of
from napari_srcnn.widgets.shared.layers import Appearance, pixels, preview_kind
from napari_srcnn.widgets.shared.messages import Task
from napari_srcnn.widgets.upscale import request

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.upscaling.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Of what a result was made, and how."""

    source: weakref.ref[Image]
    pixels: Callable[[], Any]
    options: Options


# Of whichever window: one that is opened anew can compare them as well.
_origins: weakref.WeakKeyDictionary[Image, _Origin] = weakref.WeakKeyDictionary()


def remember(result: Image, source: Image, task: Task) -> None:
    """Note of what a result was made."""
    try:
        array: Callable[[], Any] = weakref.ref(task.source)
    except TypeError:  # what stands behind a lazy array may be of any class
        array = partial(_same, task.source)
    _origins[result] = _Origin(source=weakref.ref(source), pixels=array, options=task.options)


def _same(value: Any) -> Any:
    return value


def result_of(layer: Image, viewer: ViewerModel) -> Image | None:
    """Return the result that a layer is, or the last one that was made of it, if there is one."""
    if _source_of(layer, viewer) is not None:
        return layer
    found = (one for one in reversed(viewer.layers) if _source_of(one, viewer) is layer)
    return next(found, None)


def origin_layer(result: Image) -> Image | None:
    """Return the layer that a result was made of, as long as somebody has it."""
    origin = _origins.get(result)
    return None if origin is None else origin.source()


def _source_of(result: Any, viewer: ViewerModel) -> Image | None:
    """Return the image that a result was made of, if it is there still, and the same pixels."""
    origin = _origins.get(result)
    source = None if origin is None else origin.source()
    if origin is None or source is None or source not in viewer.layers:
        return None
    return source if pixels(source) is origin.pixels() else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """What is compared.

    Attributes
    ----------
    source : Image
        What is enlarged.
    base : Image
        What the comparison lies over: the result or, where there is none, the image.
    task : Task
    """

    source: Image
    base: Image
    task: Task

    @property
    def is_result(self) -> bool:
        """Whether the result is there, and not computed for the look."""
        return self.base is not self.source

    @property
    def factor(self) -> int:
        """How many times as many pixels as the base a picture of it has."""
        return 1 if self.is_result else self.task.scale

    def is_there(self, viewer: ViewerModel) -> bool:
        """Tell whether its layers are in the viewer, with the pixels that they had."""
        return (
            self.source in viewer.layers
            and self.base in viewer.layers
            and pixels(self.source) is self.task.source
        )


def of_result(result: Image, viewer: ViewerModel, others: Sequence[str] = ()) -> Subject | None:
    """Return a result, as it is compared on the slice shown.

    Parameters
    ----------
    result : Image
    viewer : ViewerModel
    others : sequence of str
        Names of the layers that are to be compared with it, too.

    Raises
    ------
    ValueError
        If not one slice of it is on screen.
    """
    source = _source_of(result, viewer)
    if source is None:
        return None
    options = _origins[result].options
    task = request.task_of(source, options, viewer.dims, is_preview=True)
    return with_others(
        Subject(source=source, base=result, task=replace(task, result=pixels(result))),
        viewer,
        others,
    )


def with_others(subject: Subject, viewer: ViewerModel, names: Sequence[str]) -> Subject:
    """Return a subject with other layers to compare with, as far as they are there."""
    fitting = {layer.name: pixels(layer) for layer in others_of(subject, viewer)}
    others = tuple((name, fitting[name]) for name in dict.fromkeys(names) if name in fitting)
    return Subject(
        source=subject.source, base=subject.base, task=replace(subject.task, others=others)
    )


def others_of(subject: Subject, viewer: ViewerModel) -> list[Image]:
    """Return the layers of a result's place and size, as a reference is, topmost first."""
    base, factor = subject.base, subject.factor
    shape = list(pixels(base).shape)
    for axis in (base.ndim - 2, base.ndim - 1):
        shape[axis] *= factor
    place = Appearance.of(base).geometry.enlarged(factor).matrix
    corners = np.array([[0.0] * base.ndim + [1], [n - 1.0 for n in shape[: base.ndim]] + [1]]).T
    return [
        layer
        for layer in reversed(viewer.layers)
        if type(layer).__name__ == "Image"
        and layer not in (subject.base, subject.source)
        and not preview_kind(layer)
        and layer.rgb == base.rgb
        and list(pixels(layer).shape) == shape
        and layer.units == base.units
        # Within half a pixel at both ends.
        and np.all(
            np.abs((geometry_of(layer).matrix - place) @ corners)[:-1]
            <= 0.5 * np.abs(np.asarray(layer.scale))[:, None]
        )
    ]
