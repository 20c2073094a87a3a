"""What a result is worth: beside bicubic, against its source, and a reference if there is one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_srcnn.assess.align import Shift, aligned, measure_shift
from napari_srcnn.assess.consistency import Consistency, consistency, unknown
from napari_srcnn.assess.place import Compared, register
from napari_srcnn.assess.planes import channel_of, places_of, plane_of
from napari_srcnn.assess.resolution import Resolution, decorrelation, frc
from napari_srcnn.assess.source_noise import noises_of
from napari_srcnn.assess.truth import Against, against
from napari_srcnn.image.intensity import integer_limits
from napari_srcnn.image.resize import imresize
from napari_srcnn.image.stack import Stack
from napari_srcnn.microscope.degradation import Degradation
from napari_srcnn.microscope.noise import Noise
from napari_srcnn.upscaling.noise_option import Told, check_noise

# Of the share of pixels that noise alone puts beyond three of its standard deviations (0.27 %).
_BY_CHANCE = 0.0027
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
    frc_pixels : float or None
        Shortest period of the middle plane that the reference has too, by Fourier ring
        correlation: what is finer was made up, or lies in noise.
    decorrelation_length, frc_length : float or None
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
    frc_pixels: float | None = None
    frc_length: float | None = None

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
    degradation : Degradation
        By which the result was made small.
    noises : tuple of Noise or None
        Of each channel or sample; None where it is not known.
    compared : Compared
        What was held against each other.
    shift : Shift or None
        Of the reference against the result, where there is one that was not made good.
    """

    rows: tuple[Row, ...]
    curves: dict[str, list[dict[str, Any]]]
    scale: int
    noise_text: str
    unit: str
    source_frc_pixels: float | None
    notes: tuple[str, ...]
    degradation: Degradation
    noises: tuple[Noise | None, ...]
    compared: Compared
    shift: Shift | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "planes": self.curves,
            "scale": self.scale,
            "degradation": {"sigma": self.degradation.sigma, "sampling": self.degradation.sampling},
            "reference_shift": None if self.shift is None else [self.shift.down, self.shift.right],
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
    noise: Told = "auto",
    data_range: float | None = None,
    align: bool = False,
) -> Iterator[Assessed | Assessment]:
    """Hold a result against its source and, if there is one, a reference; bicubic beside it.

    Parameters
    ----------
    result : Stack
        Whoever made it.
    source : Stack
        What it was made of; the two are laid over each other by their pixel sizes and places.
    reference : Stack, optional
        The same place at the result's pixel size.
    degradation : Degradation, optional
        The microscope's; camera pixels by default.
    noise : "auto", float, Noise, sequence of these or None
        Of the source, as of `upscale`: measured, a standard deviation, one for all channels or one
        a channel, or not told.
    data_range : float, optional
        Of PSNR and SSIM; by default the reference's largest value less its smallest.
    align : bool
        Lay a reference that is shifted by some pixels over the result first.

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
    told = check_noise(noise)
    _check_range(data_range)
    degradation = degradation or Degradation()
    compared = register(result, source, reference)
    notes: list[str] = []
    shift = None
    if compared.reference is not None:
        compared, shift = _aligned(compared, notes, align=align)
    result, source, reference = compared.result, compared.source, compared.reference
    scale, notes = compared.scale, [*compared.notes, *notes]
    noises, text = noises_of(source, told, notes)
    if reference is not None and data_range is None:
        data_range = _range(reference, notes)
    places = list(places_of(source))
    kept: dict[str, list[tuple[Consistency, Against | None]]] = {"result": [], "bicubic": []}
    middle = places[len(places) // 2]
    sharp: dict[str, _Periods] = {}
    with ThreadPoolExecutor(2) as both:
        for done, place in enumerate(places, start=1):
            low = plane_of(source, place)
            enlarged = both.submit(_bicubic, low, scale, source.dtype)
            truth = None if reference is None else plane_of(reference, place)
            images, looked = {}, {}
            for what in kept:
                images[what] = plane_of(result, place) if what == "result" else enlarged.result()
                looked[what] = both.submit(
                    _look,
                    images[what],
                    low,
                    truth,
                    scale,
                    degradation,
                    noises[channel_of(source, place)],
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
    rows = tuple(_row(what, kept[what], sharp[what], size) for what in kept)
    notes += _said(rows[0])
    yield Assessment(
        rows=rows,
        curves={what: [_figures(*pair) for pair in pairs] for what, pairs in kept.items()},
        scale=scale,
        noise_text=text,
        unit=result.units[result.axes.index("Y")] if size else "",
        source_frc_pixels=_period(frc, plane_of(source, middle)),
        notes=(*notes, RESAMPLED),
        degradation=degradation,
        noises=tuple(noises),
        compared=compared,
        shift=shift,
    )


# ---------------------------------------------------------------- pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class _Periods:
    """The shortest periods of a plane, in its pixels, as far as they are known."""

    decorrelation: float | None = None
    frc: float | None = None


def _check_range(data_range: float | None) -> None:
    if data_range is not None and not 0 < data_range < math.inf:
        raise ValueError(f"The range is {data_range:g}; a number above 0 is needed.")


def _aligned(compared: Compared, notes: list[str], *, align: bool) -> tuple[Compared, Shift | None]:
    """Measure how the reference lies to the result, and make it good where that is wanted."""
    assert compared.reference is not None
    places = list(places_of(compared.source))
    middle = places[len(places) // 2]
    shift = measure_shift(
        plane_of(compared.result, middle), plane_of(compared.reference, middle), compared.scale
    )
    if shift is None:
        return compared, None
    if not shift.is_alike:
        notes.append(
            "The reference hardly resembles the result (correlation "
            f"{shift.correlation:.2f}); do the two show the same place?"
        )
    if not shift.is_any:
        return compared, None
    if align:
        compared, said = aligned(compared, shift)
        notes.append(said)
        return compared, None
    notes.append(
        f"The reference is shifted by {shift.text}, measured on the middle plane; what is compared "
        "with it suffers from that."
    )
    return compared, shift


def _range(reference: Stack, notes: list[str]) -> float | None:
    """Return how far a reference's values reach, None where they do not at all."""
    low, high = math.inf, -math.inf
    for place in places_of(reference):
        plane = plane_of(reference, place)
        known = plane[np.isfinite(plane)]
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    if high > low:
        return high - low
    notes.append(
        "The reference is constant, so that PSNR and SSIM have no range to be measured by; give "
        "one."
    )
    return None


def _bicubic(low: Array, scale: int, dtype: np.dtype[Any]) -> Array:
    """Return a plane enlarged by bicubic, rounded and clipped as it would be written."""
    large = np.asarray(imresize(low, scale=scale), np.float64)
    return np.rint(large).clip(*integer_limits(dtype)) if dtype.kind in "iu" else large


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
) -> tuple[Consistency, Against | None, _Periods]:
    """Return all that is measured of one image of a plane."""
    near = _consistency(image, low, scale, degradation, noise)
    true = None if truth is None else _against(truth, image, data_range)
    if not is_middle:
        return near, true, _Periods()
    shared = None if truth is None else _period(frc, truth, image)
    return near, true, _Periods(decorrelation=_period(decorrelation, image), frc=shared)


def _consistency(
    image: Array, low: Array, scale: int, degradation: Degradation | None, noise: Noise | None
) -> Consistency:
    try:
        return consistency(image, low, scale, degradation=degradation, noise=noise)
    except ValueError:  # no pixel is known in both
        return unknown(low.shape)


def _against(truth: Array, image: Array, data_range: float | None) -> Against:
    """Return figures that are NaN where a plane has none: it is constant, or not finite."""
    try:
        return against(truth, image, data_range=data_range)
    except ValueError:
        none = dict.fromkeys(("psnr", "si_psnr", "ssim", "ms_ssim", "nrmse"), math.nan)
        return Against(data_range=math.nan if data_range is None else data_range, **none)


def _period(measure: Callable[..., Resolution], *images: Array) -> float | None:
    """Return a resolution; None where a plane has none: it is constant, small or not finite."""
    try:
        pixels = measure(*images).pixels
    except ValueError:
        return None
    return pixels if math.isfinite(pixels) else None


def _figures(near: Consistency, true: Against | None) -> dict[str, Any]:
    names = ("rse", "rsp", "beyond_3_sigma", "largest", "total")
    figures = {name: getattr(near, name) for name in names}
    if true is not None:
        figures |= true.to_dict()
    return {name: _plain(value) for name, value in figures.items()}


def _row(
    what: str,
    planes: Sequence[tuple[Consistency, Against | None]],
    periods: _Periods,
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
        decorrelation_pixels=periods.decorrelation,
        decorrelation_length=_length(periods.decorrelation, size),
        frc_pixels=periods.frc,
        frc_length=_length(periods.frc, size),
        **means,
    )


def _length(pixels: float | None, size: float) -> float | None:
    return None if pixels is None or not size else pixels * size


def _said(row: Row) -> Iterator[str]:
    share = row.beyond_3_sigma
    if share is not None and share > 4 * _BY_CHANCE:
        yield (
            f"{share:.1%} of the pixels, made small again, lie beyond three standard deviations of "
            f"the noise, where chance puts {_BY_CHANCE:.1%}: look at the map where they are."
        )


def _plain(value: Any) -> Any:
    return value if not isinstance(value, float) or math.isfinite(value) else None
