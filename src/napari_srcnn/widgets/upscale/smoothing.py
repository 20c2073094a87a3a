"""How much of the noise a network is told: a slider that says what its ends do."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from napari_srcnn.upscaling.noise_option import SMOOTHING

_STEP = 0.1
_AS_IT_IS = 1.0


class Smoothing(QWidget):
    """A slider of 0 to 2 with what its ends do below it.

    Signals
    -------
    changed
        Another value was chosen.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        tooltip = (
            "How much of the measured noise the network smooths away. 0 keeps the grain, 1 takes "
            "the noise as it was measured, 2 takes it for twice as strong: smoother, and fine "
            "detail goes with it. A preview follows."
        )
        self.slider = _Slider(Qt.Orientation.Horizontal)
        low, high = SMOOTHING
        self.slider.setRange(round(low / _STEP), round(high / _STEP))
        self.slider.setPageStep(round(0.5 / _STEP))
        self.slider.setValue(round(_AS_IT_IS / _STEP))
        self.slider.valueChanged.connect(self._on_moved)
        self._value = _small("")
        self._one = "as measured"
        ends = QHBoxLayout()
        ends.addWidget(_small("grain"))
        ends.addStretch()
        ends.addWidget(self._value)
        ends.addStretch()
        ends.addWidget(_small("smooth"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.slider)
        layout.addLayout(ends)
        self.setToolTip(tooltip)
        self._show_value()

    @property
    def value(self) -> float:
        """How much of the noise is told."""
        return round(self.slider.value() * _STEP, 1)

    @value.setter
    def value(self, value: float) -> None:
        self.slider.setValue(round(value / _STEP))

    @property
    def text(self) -> str:
        """What stands below the slider."""
        return str(self._value.text())

    def call_one(self, words: str) -> None:
        """Say what 1 is: as measured, or as given."""
        self._one = words
        self._show_value()

    def _on_moved(self) -> None:
        self._show_value()
        self.changed.emit()

    def _show_value(self) -> None:
        self._value.setText(self._one if self.value == _AS_IT_IS else f"{self.value:.1f}")


def _small(text: str) -> QLabel:
    label = QLabel(text)
    label.setStyleSheet("QLabel { font-size: 9pt; }")
    return label


class _Slider(QSlider):
    def wheelEvent(self, event: QWheelEvent) -> None:  # Qt's name
        """Scroll the form, and not the value, which nobody would notice."""
        event.ignore()
