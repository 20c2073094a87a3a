"""What is seen of a training while it runs: curves, pictures, a verdict, how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_srcnn.words import duration

if TYPE_CHECKING:
    from napari_srcnn.training.finetune import Prepared, Trained
    from napari_srcnn.training.patch import Patch
    from napari_srcnn.widgets.finetune.panel import FinetunePanel
    from napari_srcnn.widgets.finetune.tasks import Ended

RANDOM = "random weights"


class LiveView:
    """Shows the messages of a training in a panel.

    Attributes
    ----------
    seconds : float
        How long the network has learned.
    """

    def __init__(self, panel: FinetunePanel) -> None:
        self._panel = panel
        self._lines: dict[str, float] = {}
        self._patch: Patch | None = None
        self.seconds = 0.0

    def begin(self) -> None:
        """Show nothing yet."""
        self.seconds = 0.0
        self._panel.verdict.say("")
        self._panel.live.setVisible(False)

    def prepared(self, message: Prepared) -> None:
        """Show where it begins."""
        panel, patch = self._panel, message.patch
        self._lines = {"bicubic": message.bicubic}
        if message.start_name != RANDOM:
            self._lines["start"] = message.start
        self._patch = patch
        panel.curves.begin(self._lines)
        panel.patches.show_image("Low-res", patch.low, patch.limits)
        panel.patches.show_image("Bicubic", patch.bicubic, patch.limits)
        panel.patches.show_image("Network now", patch.bicubic, patch.limits)
        panel.patches.show_image("Truth", patch.truth, patch.limits)
        panel.live.setVisible(True)
        panel.verdict.say("Learning …")
        panel.progress("The first steps …", None)
        panel.status(" ".join((message.summary, *message.notes)))

    def trained(self, message: Trained, *, is_held_up: bool) -> None:
        """Show how far it is; only the pictures while it is paused or stopping."""
        panel, told = self._panel, message.message
        self.seconds = told.seconds
        if not is_held_up:
            fraction = told.seconds / (told.seconds + told.seconds_left)
            panel.progress(
                f"{duration(told.seconds_left).capitalize()} left · step {told.step:,} · "
                f"{told.megapixels_per_second:.2g} Mpx/s",
                fraction,
            )
        panel.curves.add_loss(told.seconds, told.loss)
        if told.note:
            panel.notify(told.note)
        if not told.measured:
            return
        panel.curves.add_psnr(told.seconds, told.psnr)
        over = told.psnr - told.bicubic_psnr
        words = f"{over:+.2f} dB over bicubic on what is held out"
        if "start" in self._lines:
            words += f", {told.psnr - self._lines['start']:+.2f} dB over the start"
        panel.verdict.say(words + ".")
        if message.now is not None and self._patch is not None:
            panel.patches.show_image(
                "Network now", message.now, self._patch.limits, f"Network ({over:+.2f} dB)"
            )

    def ended(self, message: Ended) -> None:
        """Show what came of it."""
        # What was measured because the user stopped it was told by no step.
        told = len(self._panel.curves.psnr) - ("start" in self._lines)
        for seconds, psnr in message.job.curve[-1:] if told <= 0 else []:
            self._panel.curves.add_psnr(seconds, psnr)
        self._panel.verdict.say(message.outcome.sentence)

    def failed(self) -> None:
        """Show what there is of a training that cannot go on."""
        panel = self._panel
        panel.verdict.say("")
        panel.live.setVisible(panel.live.isVisibleTo(panel) and len(panel.curves.psnr) > 1)
