"""What a result is worth: beside bicubic, against its source, and a reference if there is one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.assess.consistency import Consistency, consistency
from napari_srcnn.assess.resolution import decorrelation, frc
from napari_srcnn.assess.truth import Against, against
from napari_srcnn.image.intensity import integer_limits
from napari_srcnn.image.resize import imresize
from napari_srcnn.image.stack import Stack
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.models.library import default_model
from napari_srcnn.network.config import SCALES
from napari_srcnn.upscaling.noise import measure
from napari_srcnn.upscaling.options import Options
from napari_srcnn.upscaling.resolve import Plan, resolve

# Of the share of pixels that noise alone puts beyond three of its standard deviations (0.27 %).
_BY_CHANCE = 0.0027
_PIXEL_TOLERANCE = 0.01
RESAMPLED = (
    "Resampling is not optical resolution: what was not recorded is not there, and these figures "
    "of an enlarged image say how fine it looks."
)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one image; those of planes are means over them.

    Attributes
    ----------
    what : {"result", "bicubic"}
    planes : int
    rse, rsp, beyond_3_sigma, largest, total
        As of `Consistency`; `largest` is that of all planes. None where it is not known.
    data_range, psnr, si_psnr, ssim, ms_ssim, nrmse
        As of `Against`; None where there is no reference.
    decorrelation_pixels : float or None
        Resolution of the middle plane in its own pixels.
    decorrelation_length : float or None
        The same in the unit of the pixel size, where that is known.
    """

    what: str
    planes: int
    rse: float | None
    rsp: float | None
    beyond_3_sigma: float | None
    largest: float | None
    total: float | None
    data_range: float | None = None
    psnr: float | None = None
    si_psnr: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    nrmse: float | None = None
    decorrelation_pixels: float | None = None
    decorrelation_length: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: what is no number is None."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessed:
    """A plane was assessed.

    Attributes
    ----------
    planes_done, planes_total : int
    index : tuple of int
        Along the leading axes, and of the sample where there are samples.
    is_middle : bool
        Whether it is the plane that stands for the stack in pictures.
    source : ndarray, shape (Y, X)
    images : dict of str to ndarray
        "result", "bicubic", and "reference" where there is one.
    planes : dict of str to (Consistency, Against or None)
        Of "result" and "bicubic".
    """

    planes_done: int
    planes_total: int
    index: tuple[int, ...]
    is_middle: bool
    source: Array
    images: dict[str, Array]
    planes: dict[str, tuple[Consistency, Against | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The last message of an assessment.

    Attributes
    ----------
    rows : tuple of Row
        The result's, then bicubic's.
    curves : dict of str to list
        By "result" and "bicubic": a dict of figures for each plane.
    scale : int
    noise_text : str
        What was measured of the source's noise.
    unit : str
        Of `decorrelation_length`.
    source_frc_pixels : float or None
        Resolution of the source by its own checkerboards, in its pixels.
    notes : tuple of str
        What the reader should know.
    """

    rows: tuple[Row, ...]
    curves: dict[str, list[dict[str, Any]]]
    scale: int
    noise_text: str
    unit: str
    source_frc_pixels: float | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "planes": self.curves,
            "scale": self.scale,
            "noise": self.noise_text,
            "unit": self.unit,
            "source_frc_pixels": _plain(self.source_frc_pixels),
            "notes": list(self.notes),
        }


def assess(
    result: Stack,
    source: Stack,
    reference: Stack | None = None,
    *,
    degradation: Degradation | None = None,
    noise: Noise | None = None,
    data_range: float | None = None,
) -> Iterator[Assessed | Assessment]:
    """Hold a result against its source and, if there is one, a reference; bicubic beside it.

    Parameters
    ----------
    result : Stack
        Whoever made it.
    source : Stack
        What it was made of.
    reference : Stack, optional
        Of the result's shape.
    degradation : Degradation, optional
        The microscope's; camera pixels by default.
    noise : Noise, optional
        Of the source, for all channels; measured by default.
    data_range : float, optional
        Of PSNR and SSIM; by default the reference's largest value less its smallest.

    Yields
    ------
    Assessed
        After each plane.
    Assessment
        At the end.

    Raises
    ------
    ValueError
        If the images do not belong together; the message says why and what would work.
    """
    scale = scale_of(result, source)
    notes = [*_place_notes(result, source, scale)]
    if reference is not None and reference.shape != result.shape:
        raise ValueError(
            f"The reference has shape {reference.shape} and the result {result.shape}; they need "
            "to be equal."
        )
    options = Options(scale=scale, model=default_model(scale), axes=source.axes)
    plan = resolve(options, source)
    noises, text = _noises(plan, source, noise, notes)
    if reference is not None and data_range is None:
        data_range = _range(reference)
    places = list(_places(source))
    kept: dict[str, list[tuple[Consistency, Against | None]]] = {"result": [], "bicubic": []}
    middle = places[len(places) // 2]
    sharp: dict[str, float | None] = {}
    with ThreadPoolExecutor(2) as both:
        for done, place in enumerate(places, start=1):
            low = _plane(source, place)
            enlarged = both.submit(_bicubic, low, scale, source.dtype)
            truth = None if reference is None else _plane(reference, place)
            images, looked = {}, {}
            for what in kept:
                images[what] = _plane(result, place) if what == "result" else enlarged.result()
                looked[what] = both.submit(
                    _look,
                    images[what],
                    low,
                    truth,
                    scale,
                    degradation,
                    noises[_channel(source, place)],
                    data_range,
                    is_middle=place == middle,
                )
            found = {}
            for what, future in looked.items():
                near, true, finest = future.result()
                found[what] = near, true
                # The maps of all planes would be as large as the stack.
                kept[what].append((_without_maps(near), true))
                if place == middle:
                    sharp[what] = finest
            if truth is not None:
                images["reference"] = truth
            yield Assessed(
                planes_done=done,
                planes_total=len(places),
                index=place,
                is_middle=place == middle,
                source=low,
                images=images,
                planes=found,
            )
    size = _pixel(result)
    rows = tuple(_row(what, kept[what], sharp.get(what), size) for what in kept)
    notes += _said(rows[0])
    yield Assessment(
        rows=rows,
        curves={what: [_figures(*pair) for pair in pairs] for what, pairs in kept.items()},
        scale=scale,
        noise_text=text,
        unit=result.units[result.axes.index("Y")] if size else "",
        source_frc_pixels=_own_frc(_plane(source, middle)),
        notes=(*notes, RESAMPLED),
    )


def scale_of(result: Stack, source: Stack) -> int:
    """Return how many times larger a result is than its source.

    Raises
    ------
    ValueError
        If it is none of it, or by a factor that is no scale.
    """
    if result.axes != source.axes or len(result.shape) != len(source.shape):
        raise ValueError(
            f"The result has axes {result.axes} and the source {source.axes}; they need to be the "
            "same."
        )
    y = source.axes.index("Y")
    around = [(*stack.shape[:y], *stack.shape[y + 2 :]) for stack in (result, source)]
    if around[0] != around[1]:
        raise ValueError(
            f"The result has shape {result.shape} and the source {source.shape}; but for Y and X "
            "they need to be equal."
        )
    ratios = {result.shape[axis] / source.shape[axis] for axis in (y, y + 1)}
    if len(ratios) != 1 or (ratio := ratios.pop()) not in SCALES:
        listed = ", ".join(f"{n}" for n in SCALES)
        raise ValueError(
            f"The result's {result.shape[y]} × {result.shape[y + 1]} pixels are no whole multiple "
            f"of the source's {source.shape[y]} × {source.shape[y + 1]} by one of {listed}."
        )
    return int(ratio)


# ---------------------------------------------------------------- pieces


def _place_notes(result: Stack, source: Stack, scale: int) -> Iterator[str]:
    """Yield what does not fit of sizes and places."""
    y = source.axes.index("Y")
    for axis in (y, y + 1):
        if source.units[axis] != result.units[axis]:
            yield (
                f"Pixel sizes are in {result.units[axis]} and {source.units[axis]}; the images are "
                "compared pixel by pixel."
            )
            return
        expected = source.pixel_size[axis] / scale
        if abs(result.pixel_size[axis] / expected - 1) > _PIXEL_TOLERANCE:
            yield (
                f"The result's pixels are {result.pixel_size[axis]:g} {result.units[axis]} where "
                f"{expected:g} would be the source's divided by {scale}; the images are compared "
                "pixel by pixel."
            )
            return


def _noises(
    plan: Plan, source: Stack, given: Noise | None, notes: list[str]
) -> tuple[list[Noise | None], str]:
    channels = source.shape[source.axes.index("C")] if "C" in source.axes else 1
    channels *= source.shape[-1] if source.axes.endswith("S") else 1
    if given is not None:
        return [given] * channels, ""
    measured = measure(plan, source)
    notes += [note for one in measured for note in one.notes]
    found: list[Noise | None] = [one.noise if one.is_measured else None for one in measured]
    loudest = max(measured, key=lambda one: one.level)
    return found + found[-1:] * (channels - len(found)), loudest.text


def _range(reference: Stack) -> float:
    low, high = math.inf, -math.inf
    for place in _places(reference):
        plane = _plane(reference, place)
        low, high = min(low, float(np.nanmin(plane))), max(high, float(np.nanmax(plane)))
    return high - low


def _places(stack: Stack) -> Iterator[tuple[int, ...]]:
    """Yield the index of each plane; the last number is the sample, where there are samples."""
    y = stack.axes.index("Y")
    yield from itertools.product(*map(range, (*stack.shape[:y], *stack.shape[y + 2 :])))


def _plane(stack: Stack, place: Sequence[int]) -> Array:
    y = stack.axes.index("Y")
    plane = stack[(*place[:y], slice(None), slice(None))]
    return np.asarray(plane[..., place[-1]] if stack.axes.endswith("S") else plane, np.float64)


def _bicubic(low: Array, scale: int, dtype: np.dtype[Any]) -> Array:
    """Return a plane enlarged by bicubic, rounded and clipped as it would be written."""
    large = np.asarray(imresize(low, scale=scale), np.float64)
    return np.rint(large).clip(*integer_limits(dtype)) if dtype.kind in "iu" else large


def _channel(source: Stack, place: Sequence[int]) -> int:
    if source.axes.endswith("S"):
        return place[-1]
    return place[source.axes.index("C")] if "C" in source.axes else 0


def _pixel(stack: Stack) -> float:
    y = stack.axes.index("Y")
    return 0.0 if stack.units[y] == "pixel" else stack.pixel_size[y]


def _without_maps(one: Consistency) -> Consistency:
    empty = np.empty((0, 0))
    return replace(one, difference=empty, sigmas=None, error_map=empty)


def _look(
    image: Array,
    low: Array,
    truth: Array | None,
    scale: int,
    degradation: Degradation | None,
    noise: Noise | None,
    data_range: float | None,
    *,
    is_middle: bool,
) -> tuple[Consistency, Against | None, float | None]:
    """Return all that is measured of one image of a plane."""
    near = consistency(image, low, scale, degradation=degradation, noise=noise)
    true = None if truth is None else against(truth, image, data_range=data_range)
    return near, true, _decorrelation(image) if is_middle else None


def _decorrelation(image: Array) -> float | None:
    try:
        return decorrelation(image).pixels
    except ValueError:
        return None


def _own_frc(image: Array) -> float | None:
    try:
        return frc(image).pixels
    except ValueError:
        return None


def _figures(near: Consistency, true: Against | None) -> dict[str, Any]:
    names = ("rse", "rsp", "beyond_3_sigma", "largest", "total")
    figures = {name: getattr(near, name) for name in names}
    if true is not None:
        figures |= true.to_dict()
    return {name: _plain(value) for name, value in figures.items()}


def _row(
    what: str,
    planes: Sequence[tuple[Consistency, Against | None]],
    sharp: float | None,
    size: float,
) -> Row:
    figures = [_figures(*pair) for pair in planes]
    means: dict[str, float | None] = {}
    for name in figures[0]:
        known = [one[name] for one in figures if one[name] is not None]
        combined = max if name == "largest" else np.mean
        means[name] = float(combined(known)) if known else None
    return Row(
        what=what,
        planes=len(planes),
        decorrelation_pixels=sharp,
        decorrelation_length=None if sharp is None or not size else sharp * size,
        **means,
    )


def _said(row: Row) -> Iterator[str]:
    share = row.beyond_3_sigma
    if share is None:
        yield (
            "The source's noise could not be measured, so that nothing is said in its standard "
            "deviations."
        )
    elif share > 4 * _BY_CHANCE:
        yield (
            f"{share:.1%} of the pixels, made small again, lie beyond three standard deviations of "
            f"the noise, where chance puts {_BY_CHANCE:.1%}: look at the map where they are."
        )


def _plain(value: Any) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else None
