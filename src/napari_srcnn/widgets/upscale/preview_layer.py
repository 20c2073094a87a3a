"""A preview's layer: over one image or result, it shows a picture of it, or two.

The layer lasts and its pixels are swapped. Removing layers costs napari a garbage collection each,
and is known to crash it where they are hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.widgets.compare.bar import (
    BICUBIC,
    DIFFERENCE,
    DIVIDED,
    IMAGE,
    PIXELS,
    SRCNN,
    layer_kind,
    said,
)
from napari_srcnn.widgets.compare.split import Split
from napari_srcnn.widgets.shared.display import DIVERGING, covering, kept_selection
from napari_srcnn.widgets.shared.layers import METADATA_KEY, Appearance

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_srcnn.widgets.shared.messages import Previewed

# What the preview and its image have in common while both show intensities.
_LINKED = ("contrast_limits", "gamma", "colormap")
_PLACE = ("scale", "translate", "rotate", "shear", "affine")
_FRAME = "#e0a030"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """What is shown of one image or result.

    Attributes
    ----------
    base : Image
        The layer that it lies over: an image, whose enlargement it is, or a result.
    appearance : Appearance
        The base's when the preview was begun.
    factor : int
        How many times as many pixels as the base it has; 1 over a result.
    result : Previewed
    """

    base: Image
    appearance: Appearance
    factor: int
    result: Previewed


class PreviewLayer:
    """The preview of one image, or what is compared of one result."""

    def __init__(self, viewer: ViewerModel, base: Image) -> None:
        self._viewer, self._base = viewer, base
        self.layer: Image = None  # made with its first pixels
        self._pixels: dict[str, NDArray[Any]] = {}
        self._limit = 1.0
        self._kind = IMAGE
        self._is_lowest = False
        self._title, self._suffix, self._scale = "", "", 1
        # Row and column of its first pixel, in pixels of the result.
        self._origin: tuple[int, ...] = (0, 0)
        self._caption = ""
        # What it takes the place of, and was visible.
        self._hidden: list[Image] = []

    @property
    def is_gone(self) -> bool:
        """Whether its layer was taken away."""
        return self.layer not in self._viewer.layers

    def fits(self, part: Part) -> bool:
        """Tell whether its layer can show a part: it has the axes, the colours and the units."""
        return bool(
            self.layer.rgb == part.base.rgb
            and self.layer.ndim == part.base.ndim
            and self.layer.units == part.base.units
        )

    def has(self, kind: str) -> bool:
        """Tell whether there is a picture."""
        return kind in self._pixels

    def update(self, part: Part, scale: int, suffix: str, *, is_lowest: bool) -> None:
        """Take other pixels, and lie where they belong."""
        result, base = part.result, part.base
        self._is_lowest, self._suffix, self._scale = is_lowest, suffix, scale
        self._origin = result.origin
        self._title = "Preview" if part.factor > 1 else "Compare"
        self._pixels, self._limit = _pictures(result, scale, base.ndim - 2, is_rgb=base.rgb)
        arguments = part.appearance.enlarged(part.factor, (*result.index, *result.origin))
        if self.layer is None:
            self._make(arguments)
        else:
            self._move(arguments)
        shape = result.srcnn.shape[:2]
        whole = tuple(n * part.factor for n in _plane_of(base))
        self.layer.bounding_box.visible = shape != whole

    def renew(self, result: Previewed) -> None:
        """Show a part anew, as it was smoothed otherwise; all of it follows."""
        leading = self._base.ndim - 2
        pictures, _ = _pictures(result, self._scale, leading, is_rgb=self._base.rgb)
        first = [round(n - o) for n, o in zip(result.origin, self._origin, strict=True)]
        height, width = result.srcnn.shape[:2]
        part = (slice(first[0], first[0] + height), slice(first[1], first[1] + width))
        for kind in (SRCNN, DIFFERENCE):
            self._pixels[kind][(slice(None),) * leading + part] = pictures[kind]
        if self._kind in (SRCNN, DIFFERENCE):
            self.layer.refresh()

    def _make(self, arguments: dict[str, Any]) -> None:
        with kept_selection(self._viewer):
            self.layer = self._viewer.add_image(
                self._pixels[SRCNN],
                name=f"{self._title}: {SRCNN}{self._suffix}",
                multiscale=False,
                metadata=self._metadata(SRCNN),
                **{**arguments, "visible": True},
            )
        box = self.layer.bounding_box
        box.points, box.line_color, box.line_thickness = False, _FRAME, 2
        self._kind = SRCNN
        self._link()

    def _move(self, arguments: dict[str, Any]) -> None:
        kind = self._kind if self._kind in self._pixels else SRCNN
        if self.layer.data.shape != self._pixels[kind].shape or self._kind:
            self.layer.data = self._pixels[kind]
        for name in _PLACE:
            if not np.array_equal(getattr(self.layer, name), arguments[name]):
                setattr(self.layer, name, arguments[name])

    def _rise(self) -> None:
        """Lie over all but other previews: a result may have come between."""
        layers = self._viewer.layers
        place = layers.index(self.layer)
        if any(not _is_preview(other) for other in layers[place + 1 :]):
            layers.move(place, len(layers))

    def show(self, kind: str) -> None:
        """Show one kind of pixels, or the image."""
        if kind:
            self._show_pixels(kind)
            self._rise()
        self._take_place(kind)
        if self.layer.visible != bool(kind):
            self.layer.visible = bool(kind)

    def divide(self, left: str, right: str) -> Split:
        """Show two kinds of pixels, and return what brings them together where a line stands."""
        pictures = self._pixels[left], self._pixels[right]
        out = np.empty(pictures[0].shape, np.result_type(*pictures))
        np.copyto(out, pictures[1])
        self._pixels[DIVIDED] = out
        self._caption = f"{said(left)} | {said(right)}"
        self.show(DIVIDED)
        return Split(layer=self.layer, left=pictures[0], right=pictures[1], out=out)

    def _show_pixels(self, kind: str) -> None:
        layer, is_gray = self.layer, not self._base.rgb
        if kind == DIFFERENCE and is_gray:
            self._unlink()
        if layer.data is not self._pixels[kind]:
            layer.data = self._pixels[kind]
        if kind == DIFFERENCE and is_gray:
            layer.colormap, layer.gamma = DIVERGING, 1.0
            layer.contrast_limits_range = (-self._limit, self._limit)
            layer.contrast_limits = (-self._limit, self._limit)
        elif self._kind == DIFFERENCE and is_gray:
            layer.contrast_limits_range = self._base.contrast_limits_range
            for name in _LINKED:
                setattr(layer, name, getattr(self._base, name))
            self._link()
        self._kind = kind
        caption = self._caption if kind == DIVIDED else kind
        name = f"{self._title}: {caption}{self._suffix}"
        if layer.name != name:
            layer.name = name
        layer.metadata = {**layer.metadata, **self._metadata(kind)}

    def _take_place(self, kind: str) -> None:
        """Hide what light would be added to, and only that; show it again for the image."""
        is_added = str(self._base.blending) == "additive"
        if kind and is_added and kind != DIFFERENCE:
            blending = "additive"
            if not self._hidden:
                self._hidden = [one for one in (self._base, *covering(self._base)) if one.visible]
            for one in self._hidden:
                one.visible = False
        else:
            # Differences mean nothing among the images: the lowest covers them.
            blending = "translucent_no_depth" if self._is_lowest or not is_added else "additive"
            self._show_hidden()
        if kind and self.layer.blending != blending:
            self.layer.blending = blending

    def _show_hidden(self) -> None:
        for one in self._hidden:
            one.visible = True
        self._hidden = []

    def remove(self) -> None:
        """Take the layer away."""
        self._show_hidden()
        self._unlink()
        if self.layer in self._viewer.layers:
            self.layer.visible = True  # see above: never a hidden one
            self._viewer.layers.remove(self.layer)

    def _metadata(self, kind: str) -> dict[str, Any]:
        return {METADATA_KEY: {"preview": kind, "scale": self._scale}}

    def _link(self) -> None:
        if not self._base.rgb:
            self._viewer.layers.link_layers([self._base, self.layer], _LINKED)

    def _unlink(self) -> None:
        if not self._base.rgb:
            self._viewer.layers.unlink_layers([self._base, self.layer], _LINKED)


def _is_preview(layer: Any) -> bool:
    made = layer.metadata.get(METADATA_KEY)
    return isinstance(made, dict) and "preview" in made


def _plane_of(source: Image) -> tuple[int, int]:
    data = source.data[0] if source.multiscale else source.data
    height, width = data.shape[source.ndim - 2 : source.ndim]
    return int(height), int(width)


def _pictures(
    result: Previewed, scale: int, leading: int, *, is_rgb: bool
) -> tuple[dict[str, NDArray[Any]], float]:
    """Return the pixels of each kind, and the difference that is shown as brightest."""
    difference = result.srcnn.astype(np.float32) - result.bicubic.astype(np.float32)
    if is_rgb:
        difference = difference[..., :3].mean(axis=-1)
    # A few sharp points would leave all the rest black.
    finite = np.abs(difference[np.isfinite(difference)])
    limit = float(np.percentile(finite, 99.8)) if finite.size else 0.0
    limit = limit or float(finite.max(initial=0.0)) or 1.0
    shown = _colored(difference / limit) if is_rgb else difference
    pictures = {
        SRCNN: result.srcnn,
        BICUBIC: result.bicubic,
        DIFFERENCE: shown,
        PIXELS: result.image.repeat(scale, axis=0).repeat(scale, axis=1),
        **{layer_kind(name): pixels for name, pixels in result.others.items()},
    }
    # The slice's own place along the leading axes: no other slice shows it.
    return {kind: one.reshape((1,) * leading + one.shape) for kind, one in pictures.items()}, limit


def _colored(difference: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a difference (H, W) of -1..1 in the colours of `DIVERGING`, (H, W, 3)."""
    colors = np.asarray(DIVERGING["colors"])
    at = np.linspace(-1, 1, len(colors))
    samples = [np.interp(difference, at, colors[:, sample]) for sample in range(3)]
    return np.round(255 * np.stack(samples, axis=-1)).astype(np.uint8)
