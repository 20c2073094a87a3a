"""Upscale a stack: the public functions, each a few lines over :class:`UpscalePlan`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Unpack

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from napari_srcnn.models.library import default_model
from napari_srcnn.upscaling.checks import Kind
from napari_srcnn.upscaling.messages import Progress, Report
from napari_srcnn.upscaling.noise_option import Told
from napari_srcnn.upscaling.options import Asked, Model, Options
from napari_srcnn.upscaling.plan import UpscalePlan, load_plan
from napari_srcnn.upscaling.resolve import resolve


def plan_upscale(
    stack: Any,
    scale: int | None = None,
    *,
    model: Model | None = None,
    axes: str | None = None,
    device: str | torch.device = "auto",
    intensity: Kind | Sequence[float] | Sequence[Sequence[float]] = "auto",
    window: Sequence[float] | None = None,
    color: Literal["luma", "channels"] | None = None,
    dtype: DTypeLike | None = None,
    tile: int | None = None,
    tf32: bool = False,
    half: bool = False,
    ensemble: bool = False,
    noise: Told = "auto",
    smoothing: float = 1.0,
    consistent: bool = False,
    deterministic: bool | None = None,
) -> UpscalePlan:
    """Resolve an upscaling against a stack without doing it.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X) or (..., Y, X, S)
        Anything with ``shape``, ``dtype`` and indexing (numpy, memmap, dask, zarr). Read slice by
        slice, when needed. uint8 to uint64, int8 to int64, float16 to float64.
    scale : {2, 3, 4}, optional
        The model's by default; 2 where no model is named either.
    model : str, Path or SRCNN, optional
        A name of :func:`list_models`, a file, or what :func:`load_model` gave. By default the
        best bundled one for the scale.
    axes : str, optional
        A letter an axis, as ``"TCYX"``. Ends in YX, or in YXS for colour samples. C marks
        channels, which have an intensity range each. By default the last two are Y, X.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    intensity : "auto", "dtype", "none", (low, high), or one such pair a channel
        What range of the image the network sees: measured (percentiles 0.1 and 99.9 of a sample),
        the dtype's, the values as they are (floats only; the result is not clipped), or given in
        the image's own units.
    window : (low, high), optional
        What that range becomes. By default 0..1 for photographs (8-bit colour, or
        ``intensity="dtype"``) and the model's microscope window for all else.
    color : {"luma", "channels"}, optional
        For axes that end in S: the network sees the luma only, or each sample by itself. By
        default "luma" for 8 bits and "channels" for more.
    dtype : dtype, optional
        Of the result; the stack's by default.
    tile : int, optional
        Output pixels a side; found out by default.
    tf32, half : bool
        Allow faster, less exact arithmetic.
    ensemble : bool
        Average the network over the eight turned and mirrored views of the image: about 0.1 dB
        better, in eight times the time.
    noise : "auto", None, float, Noise, or one of these a channel
        Of the image, for a network that is told it: measured once a stack and channel, none, a
        standard deviation in the image's units, or shot and read noise.
    smoothing : float
        How much of the noise such a network is told: 0 keeps the grain, 1 is as measured, 2 the
        most.
    consistent : bool
        Hold the result to its source: made small again as the model's low-res images were (camera
        pixels, or MATLAB's bicubic for photographs), it is the source to within three standard
        deviations of the noise; without noise, exactly. The noise is what `noise` says, for
        networks that are told nothing of it too; that of photographs is never measured.
    deterministic : bool, optional
        Compute on a grid of blocks that depends on neither tiles nor threads: the same input, model
        and device give the same bytes. On by default on a CPU, unless `tile` is given.

    Returns
    -------
    UpscalePlan

    Raises
    ------
    ValueError
        If something does not fit; the message says what would.
    """
    if isinstance(stack, list | tuple):
        stack = np.asarray(stack)
    options = Options.of(
        scale,
        model=model,
        axes=axes,
        device=device,
        intensity=intensity,
        window=window,
        color=color,
        dtype=dtype,
        tile=tile,
        tf32=tf32,
        half=half,
        ensemble=ensemble,
        noise=noise,
        smoothing=smoothing,
        consistent=consistent,
        deterministic=deterministic,
    )
    return load_plan(resolve(options, stack), stack)


def iter_upscale(
    stack: Any,
    scale: int | None = None,
    *,
    out: Any = None,
    spread: Any = None,
    **options: Unpack[Asked],
) -> Iterator[Progress | Report]:
    """Upscale a stack, with a message after each tile.

    Parameters
    ----------
    stack, scale, **options
        As in :func:`plan_upscale`.
    out : array-like, optional
        Where the result goes: of its shape and dtype, anything that takes ``out[index] = plane``.
    spread : ndarray of float32, optional
        Of the result's shape; with ``ensemble=True`` it gets, in the image's own units, the
        standard deviation of what may be wrong, as it was calibrated for the model
        (``model_info(name).card.spread``); for a model without calibration the standard deviation
        of the eight views: where it is large the network is not sure.

    Returns
    -------
    iterator of Progress, then a Report
        Closing it stops after the tile at hand.

    Raises
    ------
    ValueError
        At once, before the first message, if something does not fit.
    """
    return plan_upscale(stack, scale, **options).run(out, spread=spread)


def upscale(
    stack: Any,
    scale: int | None = None,
    *,
    out: Any = None,
    spread: Any = None,
    **options: Unpack[Asked],
) -> Any:
    """Upscale a stack with SRCNN.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X) or (..., Y, X, S)
    scale : {2, 3, 4}, optional
    out : array-like, optional
        Where the result goes.
    spread : ndarray of float32, optional
        As in :func:`iter_upscale`.
    **options
        As in :func:`plan_upscale`.

    Returns
    -------
    `out`, or a numpy array of shape (..., Y * scale, X * scale) and the stack's dtype

    Raises
    ------
    ValueError
        If something does not fit; the message says what would.

    Examples
    --------
    >>> import numpy as np, napari_srcnn
    >>> stack = np.random.default_rng(0).integers(0, 4000, (2, 32, 32), dtype=np.uint16)
    >>> napari_srcnn.upscale(stack, scale=2).shape
    (2, 64, 64)
    """
    report: Progress | Report | None = None
    for message in iter_upscale(stack, scale, out=out, spread=spread, **options):
        report = message
    if not isinstance(report, Report):
        raise RuntimeError("The run ended without a report.")
    return report.result


def upscale_region(
    stack: Any, region: Sequence[Any], scale: int | None = None, **options: Unpack[Asked]
) -> NDArray[Any]:
    """Compute a part of what :func:`upscale` would give.

    Parameters
    ----------
    stack, scale, **options
        As in :func:`plan_upscale`.
    region : sequence of int or slice
        One for each axis but S, in output pixels.

    Returns
    -------
    ndarray
        Equal to that part of the whole result.
    """
    return plan_upscale(stack, scale, **options).region(region)


def bicubic(
    stack: Any, scale: int, *, axes: str | None = None, dtype: DTypeLike | None = None
) -> NDArray[Any]:
    """Enlarge a stack by bicubic alone, through the same code, dtype and rounding.

    Parameters
    ----------
    stack, scale, axes, dtype
        As in :func:`plan_upscale`.

    Returns
    -------
    ndarray, shape (..., Y * scale, X * scale)
    """
    plan = plan_upscale(
        stack, scale, model=default_model(scale), axes=axes, dtype=dtype, device="cpu", tile=512
    )
    return plan.region([slice(None)] * (len(plan.request.leading) + 2), enhance=False)
