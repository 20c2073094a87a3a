"""Colours that can be read on whichever theme there is."""

from __future__ import annotations

from qtpy.QtGui import QColor

# The ratio that WCAG 2.1 wants of text (success criterion 1.4.3).
ENOUGH = 4.5
_AMBER = QColor("#e0a030")
#: Before a caution: it is known as one without its colour, too.
SIGN = "⚠ "


def caution_on(background: QColor) -> QColor:
    """Return the amber of cautions that can be read on a background.

    napari's own warning colour is the same in both of its themes, and has a contrast of 1.6 : 1 on
    the light one.
    """
    return readable(_AMBER, background)


def readable(color: QColor, background: QColor) -> QColor:
    """Return a colour, as much darker or lighter as it has to be to be read on a background."""
    color = QColor(color)
    is_dark = contrast(QColor("white"), background) > contrast(QColor("black"), background)
    for _ in range(40):
        if contrast(color, background) >= ENOUGH:
            break
        color = color.lighter(106) if is_dark else color.darker(106)
    return color


def contrast(one: QColor, other: QColor) -> float:
    """Return the contrast of two colours as WCAG 2.1 defines it, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: QColor) -> float:
    parts = (color.redF(), color.greenF(), color.blueF())
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
