"""The Fine-tune widget's job as a line that runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.upscaling.lines import Origin, origin_of
from napari_srcnn.widgets.shared.copy_as import PYTHON

if TYPE_CHECKING:
    from napari_srcnn.widgets.finetune.parts import FinetuneParts


def line_of(widget: FinetuneParts, kind: str) -> str:
    """Return the line that trains as it is chosen.

    Parameters
    ----------
    widget : FinetuneParts
    kind : str
        "command" or "Python".

    Raises
    ------
    ValueError
        If it cannot be trained so, or not yet.
    """
    form = widget.form
    if not widget.is_ready:
        raise ValueError("PyTorch is being loaded; try again in a moment.")
    if widget.noise.is_pending and form.low_res.follows_image and not form.data.is_paired:
        raise ValueError("The noise of the image is being measured; try again in a moment.")
    from napari_srcnn.training import lines
    from napari_srcnn.training.options import RECIPE, FinetuneOptions

    options = form.options(RECIPE, FinetuneOptions)
    # The fastest device of this machine is also what another one's is found by.
    if form.device.currentIndex() == 0:
        options = replace(options, device="auto")
    if form.folders is not None:
        high, low = (
            None if path is None else Origin(name=path.name, path=str(path.absolute()))
            for path in form.folders
        )
    else:
        source = options.sources[0]
        high = _origin(source.name, source.path, source.high, source.axes)
        low = None
        if source.low is not None:
            low = _origin("The low-res image", source.low_path, source.low, source.axes)
    if high is None:
        raise ValueError("There is no high-res image; open one or choose a folder.")
    say = lines.python_of if kind == PYTHON else lines.command_of
    return say(options, high, low)


def _origin(name: str, path: Path | None, pixels: object, axes: str) -> Origin:
    return origin_of(name, None if path is None else str(path), pixels, axes)
