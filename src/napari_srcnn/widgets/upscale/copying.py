"""The Upscale widget's job as a line that runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_srcnn.io import SUFFIX
from napari_srcnn.upscaling.lines import command_of, python_of
from napari_srcnn.widgets.shared.copy_as import PYTHON, layer_origin
from napari_srcnn.widgets.upscale import request

if TYPE_CHECKING:
    from napari_srcnn.widgets.upscale.form import Form


def line_of(form: Form, kind: str) -> str:
    """Return the lines that do what is chosen, one for each layer.

    Parameters
    ----------
    form : Form
    kind : str
        "command" or "Python".

    Raises
    ------
    ValueError
        If a layer cannot be enlarged so, or something of it cannot be said in a line.
    """
    # By the line: what is said before it, of each layer.
    said: dict[str, dict[str, None]] = {}
    targets: dict[str, str] = {}
    for layer in form.layers:
        options = form.options(layer)
        plan = request.plan_of(layer, options)
        suffix = ".ome.zarr" if request.is_lazy(layer, plan, form.lazy_above) else SUFFIX
        _, device = form.setting("device") or ("", options.device)
        # The fastest device of this machine is also what another one's is found by.
        options = replace(options, device=device)
        origin = layer_origin(layer, form.axes(layer))
        say = python_of if kind == PYTHON else command_of
        text = say(origin, options, suffix=suffix)
        comments = [line for line in text.splitlines() if line.startswith("# ")]
        line = "\n".join(text.splitlines()[len(comments) :])
        # Of channels that are layers, the file is enlarged once.
        said.setdefault(line, {}).update(dict.fromkeys(comments))
        target = origin.target(plan.scale, suffix)
        if origin.path and targets.setdefault(target, line) != line:
            raise ValueError(
                "The layers are channels of one file and have ranges of their own, which one line "
                "cannot say; choose one of them at a time."
            )
    between = "\n\n" if kind == PYTHON else "\n"
    return between.join("\n".join((*comments, line)) for line, comments in said.items())
