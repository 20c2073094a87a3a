"""Save several layers of napari at once: as the channels of one file, or as a folder of files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_srcnn.image.stack import Stack, StackError
from napari_srcnn.io.atomic import PendingFolder
from napari_srcnn.io.channels_array import ChannelsArray
from napari_srcnn.io.layer_file import layer_stack, stored_dtype, write_image
from napari_srcnn.io.names import TIFF_SUFFIXES, ZARR_SUFFIXES, file_name
from napari_srcnn.io.room import with_ending, write_failure
from napari_srcnn.io.write import write_stack
from napari_srcnn.io.zarr.write import write_zarr

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

LayerData = tuple[Any, Mapping[str, Any], str]
# What moves, turns and cuts a layer, which is said once of the whole file.
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "plane", "rgb")
_TURNED = ("rotate", "shear", "affine")
_OTHERWISE = "save each on its own, or all of them into a folder"


def write_images(path: str | os.PathLike[str], layers: Sequence[LayerData]) -> list[str]:
    """Save image layers as the channels of one OME-TIFF.

    Parameters
    ----------
    path : str or path-like
        Replaced if it exists (napari has asked by then); without an ending it gets ``.ome.tif``.
    layers : sequence of (array-like, mapping, str)
        Data and attributes of two layers or more, as ``layer.as_layer_data_tuple()`` gives them. A
        layer is a channel; they have to be of one shape, type, place, scale and unit.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    StackError
        The layers do not fit one OME-TIFF; nothing is left of the file then.
    """
    target = with_ending(path, TIFF_SUFFIXES, ".ome.tif")
    stack = channel_stack(layers, stored_dtype)
    return [str(write_stack(target, stack, overwrite=True))]


def write_zarr_images(path: str | os.PathLike[str], layers: Sequence[LayerData]) -> list[str]:
    """Save image layers as the channels of one OME-Zarr with its pyramid; see `write_images`.

    Raises
    ------
    StackError
        The layers do not fit one OME-Zarr; nothing is left of the folder then.
    """
    target = with_ending(path, ZARR_SUFFIXES, ".ome.zarr")
    return [str(write_zarr(target, channel_stack(layers), overwrite=True))]


def write_folder(path: str | os.PathLike[str], layers: Sequence[LayerData]) -> list[str]:
    """Save image layers into a new folder, an OME-TIFF for each; see `write_images`.

    Here they may differ in all that a file has one of.

    Raises
    ------
    StackError
        There is such a folder already, with files in it, or a layer does not fit OME-TIFF; nothing
        is left of the folder then.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StackError(f"{target} is there already and is not empty; choose another name")
    pending = PendingFolder(target)
    names: list[str] = []
    try:
        pending.path.mkdir(parents=True)
        for data, attributes, _ in layers:
            names.append(_free_name(str(attributes.get("name") or "image"), names))
            write_image(pending.path / names[-1], data, attributes)
        pending.commit()
    except OSError as error:
        pending.discard()
        raise write_failure(target, error, 0) from error
    except BaseException:
        pending.discard()
        raise
    return [str(target / name) for name in names]


def channel_stack(
    layers: Sequence[LayerData], stored: Callable[[Any], np.dtype[Any]] | None = None
) -> Stack:
    """Return layers as one stack whose channels they are.

    Parameters
    ----------
    layers
        As of `write_images`.
    stored : callable, optional
        Gives the type that a layer's pixels are stored as; that of the pixels by default.

    Raises
    ------
    StackError
        They differ in what a stack has one of.
    """
    found = _in_order([_Layer.of(data, attributes, stored) for data, attributes, _ in layers])
    first = found[0]
    for other in found:
        other.check_alone()
        other.check_beside(first)
    # After time, before all else, as OME-Zarr wants it and Fiji has it.
    at = 1 if first.stack.axes.startswith("T") else 0
    place = first.stack.metadata["layer"]
    whole = {
        name: [*place[name][:at], neutral, *place[name][at:]]
        for name, neutral in (("scale", 1.0), ("translate", 0.0))
        if name in place
    }
    looks = [layer.look() for layer in found]
    windows = [look.get("contrast_limits") for look in looks]
    return Stack(
        data=ChannelsArray(tuple(layer.stack.data for layer in found), at, first.dtype),
        axes=first.stack.axes[:at] + "C" + first.stack.axes[at:],
        pixel_size=(*first.stack.pixel_size[:at], 1.0, *first.stack.pixel_size[at:]),
        units=(*first.stack.units[:at], "pixel", *first.stack.units[at:]),
        channel_names=_short([layer.name for layer in found]),
        channel_colors=tuple(layer.stack.channel_colors[0] for layer in found),
        metadata={
            **_common(found, at),
            "windows": windows,
            "layer": {**whole, "channels": looks},
        },
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """A layer that is to be a channel."""

    name: str
    stack: Stack
    dtype: np.dtype[Any]
    made: Any

    @classmethod
    def of(
        cls,
        data: Any,
        attributes: Mapping[str, Any],
        stored: Callable[[Any], np.dtype[Any]] | None,
    ) -> _Layer:
        stack = layer_stack(data, attributes)
        dtype = stack.dtype if stored is None else stored(stack.data)
        name = str(attributes.get("name") or "image")
        return cls(name, stack, dtype, stack.metadata.get("napari_srcnn"))

    def check_alone(self) -> None:
        """Raise StackError where the layer can be no channel of any file."""
        axes, place = self.stack.axes, self.stack.metadata["layer"]
        if axes.endswith("S"):
            why = "is a colour image, and a channel has one value a pixel"
        elif "C" in axes:
            why = "has channels of its own"
        elif any(name in place for name in _TURNED):
            why = "is turned or sheared, which a file of several channels has no words for"
        else:
            return
        raise StackError(f"{self.name} {why}: {_OTHERWISE}")

    def check_beside(self, other: _Layer) -> None:
        """Raise StackError where the two cannot be channels of one file."""
        mine, theirs = self.stack, other.stack
        if mine.shape != theirs.shape:
            what = f"is {_times(mine.shape)} pixels and {other.name} {_times(theirs.shape)}"
        elif self.dtype != other.dtype:
            what = f"has pixels of type {self.dtype} and {other.name} of type {other.dtype}"
        elif mine.axes != theirs.axes:
            what = f"has the axes {mine.axes} and {other.name} {theirs.axes}"
        elif mine.units != theirs.units:
            what = f"is measured in {mine.units[-1]} and {other.name} in {theirs.units[-1]}"
        elif not self._lies_on(other):
            what = f"lies elsewhere than {other.name}, or has pixels of another size"
        else:
            return
        raise StackError(f"{self.name} {what}, so they are no channels of one image: {_OTHERWISE}")

    def look(self) -> dict[str, Any]:
        """Return what is the channel's own: how it is shown, and how it was made."""
        saved = self.stack.metadata["layer"]
        look = {key: value for key, value in saved.items() if key not in _PLACE}
        return look | ({} if self.made is None else {"napari_srcnn": self.made})

    def _lies_on(self, other: _Layer) -> bool:
        """Tell whether the pixels of both lie on each other, to a thousandth of one."""
        (mine, moved), (theirs, other_moved) = self._place(), other._place()
        return bool(
            np.allclose(mine, theirs, rtol=1e-6, atol=0)
            and np.allclose((moved - other_moved) / mine, 0, atol=1e-3)
        )

    def _place(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the size of the pixels and where the first one lies, as of one axis each."""
        place = self.stack.metadata["layer"]
        scale = np.asarray(place.get("scale") or self.stack.pixel_size, np.float64)
        return scale, np.asarray(place.get("translate") or np.zeros(len(scale)), np.float64)


def _in_order(layers: list[_Layer]) -> list[_Layer]:
    """Return channels that were one file's in the order that they had there."""
    numbers = [layer.stack.metadata.get("channel") for layer in layers]
    if not _are_of_one_file(layers) or not all(isinstance(n, int) for n in numbers):
        return layers
    return sorted(layers, key=lambda layer: layer.stack.metadata["channel"])


def _are_of_one_file(layers: Sequence[_Layer]) -> bool:
    """Tell whether the layers are different channels of one image."""
    kept = [layer.stack.metadata for layer in layers]
    same = all(one.get(key) == kept[0].get(key) for one in kept for key in ("ome_xml", "ome_image"))
    return same and len({one.get("channel") for one in kept}) == len(kept)


def _common(layers: Sequence[_Layer], at: int) -> dict[str, Any]:
    """Return what is known of the files that the layers come from and is true of all channels."""
    kept = [layer.stack.metadata for layer in layers]
    keys = ["imagej", "significant_bits", "nodata"]
    if _are_of_one_file(layers):
        keys += ["ome_xml", "ome_image"]
    common = {
        key: kept[0][key]
        for key in keys
        if key in kept[0] and all(one.get(key) == kept[0][key] for one in kept)
    }
    times = [np.array(one["delta_t"], object) for one in kept if one.get("delta_t") is not None]
    if len(times) == len(kept) and len({time.shape for time in times}) == 1:
        common["delta_t"] = np.stack(times, min(at, times[0].ndim)).tolist()
    return common


def _short(names: Sequence[str]) -> tuple[str, ...]:
    """Return the layers' names without the words that all of them begin or end with."""
    words = [name.split() for name in names]
    for end in (0, -1):
        while all(len(one) > 1 for one in words) and len({one[end] for one in words}) == 1:
            words = [one[1:] if end == 0 else one[:-1] for one in words]
    return tuple(" ".join(one) for one in words)


def _free_name(name: str, taken: Sequence[str]) -> str:
    """Return a file's name for a layer's, other than those that are taken on any system."""
    lower = {one.lower() for one in taken}
    stem = file_name(name, "")
    names = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(2)))
    return next(f"{one}.ome.tif" for one in names if f"{one}.ome.tif".lower() not in lower)


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
