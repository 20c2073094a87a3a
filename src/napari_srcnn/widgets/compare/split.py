"""Two pictures of one place in one layer, left and right of a line over the canvas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.settings import get_settings
from qtpy.QtCore import QObject, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QWidget

from napari_srcnn.widgets.compare.divider import Divider
from napari_srcnn.widgets.shared.closing import main_window
from napari_srcnn.widgets.shared.layers import in_own_units

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

# The first that nobody uses is taken: napari 0.9 gives none of them a meaning, for no layer.
KEYS = ("K", "J", "H", "U")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Two pictures of what a layer shows.

    Attributes
    ----------
    layer : Image
        Its data is `out`.
    left, right : ndarray, shape (..., Y, X) or (..., Y, X, S)
        One plane each.
    out : ndarray
        Of that shape: gets the left picture left of the line, and the right one right of it.
    """

    layer: Image
    left: NDArray[Any]
    right: NDArray[Any]
    out: NDArray[Any]


class SplitView(QObject):
    """Keeps layers split where a line over the canvas stands, which can be dragged.

    A key shows each side alone, in turns. While several images of one viewer are each other's
    channels they are split by one line.

    Parameters
    ----------
    window : QWidget
        In a dock of napari's main window.
    viewer : ViewerModel
    """

    def __init__(self, window: QWidget, viewer: ViewerModel) -> None:
        super().__init__(window)
        self._window, self._viewer = window, viewer
        self.divider: Divider | None = None
        #: The key that shows each side alone; empty while nothing is split, or all are taken.
        self.key = ""
        self._splits: tuple[Split, ...] = ()
        self._composed: list[Any] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.compose)
        camera = viewer.scene.camera.events
        self._events = (camera.center, camera.zoom, camera.orientation)

    @property
    def is_possible(self) -> bool:
        """Whether one line can lie over all layers: not in a grid, which draws each by itself."""
        return not self._viewer.canvas.grid.enabled and self._viewer.dims.ndisplay == 2

    @property
    def is_shown(self) -> bool:
        """Whether something is split."""
        return bool(self._splits)

    def show(self, left: str, right: str, splits: Sequence[Split]) -> None:
        """Split layers.

        Parameters
        ----------
        left, right : str
            What is seen on each side, in a word.
        splits : sequence of Split
            One for each layer.
        """
        begins = not self._splits
        self._splits, self._composed = tuple(splits), []
        if self.divider is None and (canvas := _canvas_of(self._window)) is not None:
            self.divider = Divider(canvas)
            self.divider.moved.connect(self.poke)
        if self.divider is not None:
            self.divider.show(left, right)
        if begins:
            for event in self._events:
                event.connect(self.poke)
            self._bind()
        self.compose()

    def hide(self) -> None:
        """Split nothing any more; the line stays where it stands for the next time."""
        self._timer.stop()
        if self._splits:
            for event in self._events:
                event.disconnect(self.poke)
            self._unbind()
        self._splits, self._composed = (), []
        if self.divider is not None:
            self.divider.hide()

    def shut(self) -> None:
        """Let go of the canvas."""
        self.hide()
        if self.divider is not None:
            self.divider.remove()
            self.divider = None

    def poke(self, event: Any = None) -> None:
        """Note that the line or the image under it was moved."""
        self._timer.start(0)

    def compose(self) -> None:
        """Bring the pictures together where the line stands."""
        if self.divider is None:
            return
        x = _on_canvas(self.divider.at, self._viewer)
        composed = [(x, *canvas_line(one.layer, self._viewer)) for one in self._splits]
        for split, now, before in zip(
            self._splits, composed, self._composed or [None] * len(composed), strict=True
        ):
            if now != before:
                compose(split, *now)
                split.layer.refresh(extent=False, highlight=False, thumbnail=False)
        self._composed = composed

    # ------------------------------------------------------------ the key

    def _flip(self, viewer: Any) -> None:
        """Show each side alone, in turns."""
        if self.divider is not None:
            self.divider.flip()

    def _bind(self) -> None:
        self.key = free_key(self._viewer)
        if self.key:
            self._viewer.bind_key(self.key, self._flip)

    def _unbind(self) -> None:
        if self.key:
            self._viewer.bind_key(self.key, None)
            self.key = ""


def free_key(viewer: ViewerModel) -> str:
    """Return the first of our keys that means nothing to the user or to a plugin; "" for none."""
    taken = {str(key) for keys in get_settings().shortcuts.shortcuts.values() for key in keys}
    taken |= {str(key) for keymap in (viewer.keymap, viewer.class_keymap) for key in keymap}
    return next((key for key in KEYS if key not in taken), "")


def canvas_line(layer: Image, viewer: ViewerModel) -> tuple[float, float, float]:
    """Return where a layer's pixels lie on the canvas, from left to right.

    Parameters
    ----------
    layer : Image
    viewer : ViewerModel

    Returns
    -------
    start, per_row, per_column : float
        A pixel's centre lies at x = start + row * per_row + column * per_column.
    """
    dims, camera = viewer.dims, viewer.scene.camera
    axis = dims.displayed[-1] - dims.ndim + layer.ndim
    factor = in_own_units(layer, dims)[axis]
    corners = np.zeros((3, layer.ndim))
    corners[1, -2] = corners[2, -1] = 1
    origin, row, column = (layer.data_to_world(corner)[axis] / factor for corner in corners)
    zoom = camera.zoom * (-1 if str(camera.orientation2d[-1]) == "left" else 1)
    start = (origin - camera.center[-1]) * zoom + viewer.canvas.size[1] / 2
    return float(start), float((row - origin) * zoom), float((column - origin) * zoom)


def compose(split: Split, x: float, start: float, per_row: float, per_column: float) -> None:
    """Fill a split: what lies left of `x` on the canvas, and the rest."""
    leading = split.layer.ndim - 2
    left, right, out = (_plane(one, leading) for one in (split.left, split.right, split.out))
    height, width = out.shape[:2]
    rows, columns = np.arange(height)[:, None] * per_row, np.arange(width)[None] * per_column
    # Where the axes lie along the screen's it is a row or a column of the picture.
    tiny = 1e-9 * (abs(per_row) + abs(per_column))
    along = (rows if abs(per_row) > tiny else 0) + (columns if abs(per_column) > tiny else 0)
    is_left = np.asarray(start + along < x)
    is_left = is_left[..., None] if out.ndim == 3 else is_left
    np.copyto(out, right, casting="unsafe")
    np.copyto(out, left, casting="unsafe", where=is_left)


def _on_canvas(at: float, viewer: ViewerModel) -> float:
    """Return the x of a part of the canvas' width; beyond all that is there at an edge."""
    return {0.0: -math.inf, 1.0: math.inf}.get(at, at * float(viewer.canvas.size[1]))


def _plane(pixels: NDArray[Any], leading: int) -> NDArray[Any]:
    """Return the one plane of a picture, without the axes before it; no copy."""
    return pixels.reshape(pixels.shape[leading:])


def _canvas_of(window: QWidget) -> QWidget | None:
    main = main_window(window)
    centre = None if main is None else main.centralWidget()
    return None if centre is None else centre.findChild(QOpenGLWidget)
