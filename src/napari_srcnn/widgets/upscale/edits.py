"""What the user chose before the settings of earlier sessions were known, and since then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_srcnn.widgets.shared import settings

if TYPE_CHECKING:
    from napari_srcnn.widgets.upscale.form import Form


class Edits:
    """Keeps what is chosen for the next session; reading the settings takes half a second."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._early: dict[str, Any] | None = {}  # None once the settings are known

    def note(self, field: str) -> None:
        """Note that a field was changed."""
        setting = self._form.setting(field)
        if setting is None:
            return
        if self._early is None:
            settings.save(*setting)
        else:
            self._early[setting[0]] = setting[1]

    def insist(self, **values: Any) -> None:
        """Keep what was chosen for the user against settings that come still."""
        if self._early is not None:
            self._early |= values

    def apply(self, known: settings.Settings) -> None:
        """Show the settings, but for what was chosen before they came."""
        early, self._early = self._early or {}, None
        self._form.apply(known, keep=early)
        for name, value in early.items():
            settings.save(name, value)
