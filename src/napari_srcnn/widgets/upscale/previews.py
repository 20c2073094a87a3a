"""What is compared: the layers over images or results, which show the same pictures of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_srcnn.widgets.compare.bar import BICUBIC, DIVIDED, IMAGE, SRCNN, said
from napari_srcnn.widgets.compare.split import SplitView
from napari_srcnn.widgets.upscale.preview_layer import Part, PreviewLayer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_srcnn.widgets.shared.messages import Previewed


class Previews(QObject):
    """The preview layers, one for each image; there is at most one preview at a time.

    Attributes
    ----------
    kind : str
        What is shown, or is to be as soon as it is there.
    sides : tuple of str
        What is to be seen left and right of the line, where two are.
    """

    def __init__(self, window: QWidget, viewer: ViewerModel) -> None:
        super().__init__(window)
        self._viewer = viewer
        self._one: dict[Image, PreviewLayer] = {}
        self.split = SplitView(window, viewer)
        self.kind = IMAGE
        self.sides = (BICUBIC, SRCNN)

    @property
    def is_shown(self) -> bool:
        """Whether there is a preview."""
        return bool(self._one)

    @property
    def layers(self) -> list[Image]:
        """The preview layers."""
        return [one.layer for one in self._one.values()]

    def forget_removed(self) -> None:
        """Let go of what was taken out of the viewer, and take away what has no image any more."""
        there = self._viewer.layers
        gone = [base for base in self._one if base not in there or self._one[base].is_gone]
        if gone:
            self.split.hide()
        for base in gone:
            self._one.pop(base).remove()
        if gone and self._one:
            self.show(self.kind)

    def remove(self) -> None:
        """Take the preview layers away."""
        self.kind = IMAGE
        self.split.hide()
        while self._one:
            _, one = self._one.popitem()
            one.remove()

    def update(self, parts: Sequence[Part], scale: int) -> None:
        """Show previews, each over its image."""
        self.split.hide()
        bases = [part.base for part in parts]
        for base in [base for base in self._one if base not in bases]:
            self._one.pop(base).remove()
        for number, part in enumerate(parts):
            one = self._one.get(part.base)
            if one is not None and not one.fits(part):
                one.remove()
                one = None
            suffix = f" ({part.base.name})" if len(parts) > 1 else ""
            if one is None:
                one = self._one[part.base] = PreviewLayer(self._viewer, part.base)
            one.update(part, scale, suffix, is_lowest=not number)
        self.show(self.kind or SRCNN)

    def renew(self, bases: Sequence[Image], results: Sequence[Previewed]) -> None:
        """Show a part of each anew, where the rest follows."""
        for base, result in zip(bases, results, strict=True):
            if base in self._one:
                self._one[base].renew(result)
        if self.kind == DIVIDED:
            self.show(DIVIDED)

    def show(self, kind: str) -> None:
        """Show one kind of preview, or the image alone for ``""``."""
        self.kind = kind
        if kind == DIVIDED:
            self._divide()
            return
        self.split.hide()
        for one in self._one.values():
            one.show(kind)

    def _divide(self) -> None:
        """Show two pictures, left and right of a line; what lacks one of them waits for it."""
        has_all = all(one.has(kind) for one in self._one.values() for kind in self.sides)
        if not has_all or not self.split.is_possible or not self._one:
            self.suspend()
            return
        splits = [one.divide(*self.sides) for one in self._one.values()]
        left, right = map(said, self.sides)
        self.split.show(left, right, splits)

    def suspend(self) -> None:
        """Show the images alone until there is a preview that fits; the kind stays chosen."""
        self.split.hide()
        for one in self._one.values():
            one.show(IMAGE)

    def shut(self) -> None:
        """Take the preview layers away, which nothing would follow any more; leave the canvas."""
        self.remove()
        self.split.shut()
