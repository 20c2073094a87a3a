"""Which bundled model fits an image, and why: by its type, its channels and a quick look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_srcnn.models.domain import Looks, look_at
from napari_srcnn.models.library import default_model, microscopes_model


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model's name, and why it was chosen, as a sentence; what was seen of the image, if any."""

    model: str
    why: str
    looks: Looks | None = field(default=None, compare=False, repr=False)


def propose_model(stack: Any, scale: int, axes: str | None = None) -> Proposal:
    """Choose the bundled model for an image and a scale; see :func:`propose_models`."""
    return propose_models(stack, (scale,), axes)[scale]


def propose_models(
    stack: Any, scales: Sequence[int], axes: str | None = None
) -> dict[int, Proposal]:
    """Choose the bundled model for an image, at each scale, by one look at it.

    Parameters
    ----------
    stack : array-like, shape (..., Y, X) or (..., Y, X, S)
        Of 8-bit gray a few tiles are read, once; of all else nothing.
    scales : sequence of {2, 3, 4}
    axes : str, optional
        A letter an axis; ends in S where there are colour samples.

    Returns
    -------
    dict of int to Proposal
        The photographs' weights for 8-bit RGB and for 8-bit images that look like photographs, as
        :func:`~napari_srcnn.models.domain.look_at` tells; those of microscopes and scanners for all
        others, told the noise where there are such.

    Raises
    ------
    CheckpointError
        If none is bundled for a scale.
    ValueError
        If the image's values are of no type that numpy knows.
    """
    photographs = {scale: default_model(scale) for scale in scales}
    dtype = image_dtype(stack)
    samples = stack.shape[-1] if axes is not None and axes.endswith("S") else 0
    if samples >= 3 and dtype == np.uint8:
        why = "8-bit RGB is taken for a photograph."
        return {scale: Proposal(name, why) for scale, name in photographs.items()}
    found = {scale: microscopes_model(scale) for scale in scales}
    if dtype.kind not in "iuf" or not any(found.values()):
        return {s: Proposal(name, "The best for this scale.") for s, name in photographs.items()}
    bits = f"{8 * dtype.itemsize}-bit" + (" float" if dtype.kind == "f" else "")
    looks = look_at(stack, axes) if dtype == np.uint8 else None
    is_photograph = looks is not None and looks.kind == "photograph"
    proposals = {}
    for scale, photograph in photographs.items():
        microscopes = found[scale]
        if microscopes is None:
            proposals[scale] = Proposal(photograph, "The best for this scale.", looks)
        elif is_photograph:
            proposals[scale] = Proposal(photograph, "8-bit, looks like a photograph.", looks)
        else:
            # What the network is told of the noise is measured better, and said beside this.
            why = f"{bits}, taken for a microscope's or scanner's image."
            proposals[scale] = Proposal(microscopes, why, looks)
    return proposals


def image_dtype(stack: Any) -> np.dtype[Any]:
    """Return the type of an image's values.

    Raises
    ------
    ValueError
        If numpy does not know it, as that of a torch tensor or of a TensorStore.
    """
    # numpy takes None for float64.
    if stack.dtype is not None:
        try:
            dtype: np.dtype[Any] = np.dtype(stack.dtype)
            return dtype
        except TypeError:
            pass
    raise ValueError(
        f"The image is a {type(stack).__name__}: {stack.dtype} is no dtype of numpy; "
        "make an array of it with numpy.asarray first."
    )


def guess_model(dtype: np.dtype[Any], scale: int) -> str:
    """Return what :func:`propose_model` will say, but for 8-bit gray, before an image is read.

    Raises
    ------
    CheckpointError
        If none is bundled for the scale.
    """
    microscopes = None if dtype == np.uint8 else microscopes_model(scale)
    return microscopes or default_model(scale)
