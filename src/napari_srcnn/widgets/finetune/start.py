"""How a training begins: anew with what is chosen, or where it was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_srcnn.models.library import list_models
from napari_srcnn.training.runs import state_path
from napari_srcnn.widgets.finetune import tasks

if TYPE_CHECKING:
    from napari_srcnn.training.options import FinetuneOptions
    from napari_srcnn.widgets.finetune.looks import Looks
    from napari_srcnn.widgets.finetune.parts import FinetuneParts


class Start:
    """Checks what is asked for, and hands it to a widget's runner."""

    def __init__(self, widget: FinetuneParts, looks: Looks) -> None:
        self._widget, self._looks = widget, looks

    def train(self) -> None:
        """Begin to train."""
        widget = self._widget
        if self._is_refused():
            return
        from napari_srcnn.training.options import RECIPE, FinetuneOptions

        try:
            options = widget.form.options(RECIPE, FinetuneOptions)
            widget.outcome.check_answered()
            _check_name(options.name)
        except ValueError as error:
            widget.fail(str(error))
            return
        self._begin(options, resume=False, folders=widget.form.folders)

    def resume(self) -> None:
        """Go on with the training that was stopped."""
        widget = self._widget
        if self._is_refused() or not widget.stopped.name:
            return
        try:
            widget.outcome.check_answered()
            options = widget.stopped.options(widget.form.sources)
        except (ValueError, OSError) as error:
            widget.fail(str(error))
            return
        self._begin(options, resume=True)

    def _is_refused(self) -> bool:
        if self._widget.is_refused():
            return True
        if not self._widget.is_ready:
            self._widget.refuse("PyTorch is being loaded; try again in a moment.")
        return not self._widget.is_ready

    def _begin(
        self,
        options: FinetuneOptions,
        *,
        resume: bool,
        folders: tuple[Path, Path | None] | None = None,
    ) -> None:
        widget = self._widget
        if self._looks.preview.remove():
            widget.viewer.reset_view()
        widget.survey.stop()
        if not resume:
            widget.noise.look()  # the data of a layer may have been replaced
        noise_of = None if resume else widget.noise.hand_over()
        control = widget.steering.begin()
        widget.outcome.begin()
        widget.live_view.begin()
        widget.status("")
        widget.runner.begin(
            "The training",
            tasks.finetune_network,
            options,
            resume,
            folders,
            noise_of,
            control,
        )
        widget.closing.say(
            f"{options.name} is being trained; it can be resumed after its first measurement."
        )
        widget.show_busy(True, is_training=True)
        widget.show_stopped("")
        widget.progress("Reading the images …", None)


def _check_name(name: str) -> None:
    """Raise ValueError where a model or a stopped training has a name."""
    if name in list_models():
        raise ValueError(f"There is a model named {name!r} already; type another.")
    if state_path(name).exists():
        raise ValueError(
            f"The training of {name!r} was stopped before it was over; resume or discard it, or "
            "type another name."
        )
