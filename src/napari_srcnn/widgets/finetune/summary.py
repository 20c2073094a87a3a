"""The line above Train: what will happen, or why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_srcnn.widgets.finetune.form import FinetuneForm
    from napari_srcnn.widgets.finetune.noise import ImageNoise


def summary_of(form: FinetuneForm, noise: ImageNoise) -> str:
    """Return what a training would do; empty where no image is chosen.

    Raises
    ------
    ValueError
        If it cannot be done; the message says why.
    """
    if form.high.value is None:
        return ""
    if form.pair_problem:
        raise ValueError(form.pair_problem)
    form.sources()
    how = (
        "low-res images as you took them"
        if form.data.is_paired
        else f"low-res images with {noise.describe(form.degradation_value())}"
    )
    text = f"×{form.scale.value}, {how}; {form.minutes.value():g} min."
    return f"{text} {noise.words}".strip()
