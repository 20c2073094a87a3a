"""What a vendor's file says of one of its images, in the words of `Stack`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_srcnn.image.units import PIXEL

if TYPE_CHECKING:
    from napari_srcnn.io.vendor.planes import Reader

#: A size and its unit.
Size = tuple[float, str]


class VendorFile(Protocol):
    """An open file of a vendor."""

    def names(self) -> tuple[str, ...]:
        """Return what its images are called; "" for what has no name."""
        ...

    def image(self, number: int) -> Found:
        """Return an image, by its number from 0."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An image; see `Stack` for what its fields mean."""

    reader: Reader
    axes: str
    pixel_size: tuple[float, ...]
    units: tuple[str, ...]
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[str | None, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        reader: Reader,
        axes: str,
        sizes: Mapping[str, Size],
        *,
        names: Iterable[str] = (),
        colors: Iterable[str | None] = (),
        notes: Iterable[str] = (),
    ) -> Found:
        """Return an image with sizes by their axes, and one name a channel or none.

        Parameters
        ----------
        reader : Reader
        axes : str
        sizes : mapping
            By the axis' letter; what is left out, or no positive number, is unknown.
        names, colors : iterable of str
            Of the channels.
        notes : iterable of str
        """
        known = [sizes.get(axis, (0.0, PIXEL)) for axis in axes]
        known = [(size, unit) if size > 0 else (1.0, PIXEL) for size, unit in known]
        channels = reader.shape[axes.index("C")] if "C" in axes else 1
        names, colors = tuple(names), tuple(colors)
        return cls(
            reader=reader,
            axes=axes,
            pixel_size=tuple(size for size, _ in known),
            units=tuple(unit for _, unit in known),
            channel_names=names if len(names) == channels and any(names) else (),
            channel_colors=colors if len(colors) == channels and any(colors) else (),
            notes=tuple(notes),
        )


def letter_of(axis: str, taken: str) -> str:
    """Return the letter of an axis before Y, X: its own, or Q where it has no meaning here."""
    return axis if axis in "TCZ" and axis not in taken else "Q"
