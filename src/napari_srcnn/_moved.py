"""Where modules of version 0.1 went: imports by their old names work, with a warning.

Old names are found last, after all that exists, and lead to the very modules that took their place.
"""

from __future__ import annotations

import sys

# What type checkers take for true: importing typing, or importlib before it is needed, would be
# most of the package's import time.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

ROOT = __package__

# A module of old, and the ones that hold now what it held.
MOVED: dict[str, tuple[str, ...]] = {
    "acquisition": ("training.dataset", "training.sampler"),
    "batch": ("upscaling.files",),
    "blocks": ("training.field", "training.blocks", "training.holdout", "training.pairs"),
    "calibration": ("upscaling.speed",),
    "checkpoint": ("network.checkpoint",),
    "cli_app": ("cli.app",),
    "cli_finetune": ("cli.finetune",),
    "cli_training": ("cli.train", "cli.models", "cli.benchmark"),
    "config": ("network.config",),
    "dataset": ("training.photographs",),
    "degrade": ("microscope.degradation", "microscope.noise"),
    "demo": ("cli.showcase",),
    "device": ("network.device",),
    "engine": ("upscaling.tiles", "upscaling.geometry"),
    "estimate": (
        "microscope.noise_estimate",
        "microscope.noise_sample",
        "microscope.registration",
        "microscope.blur",
    ),
    "evaluation": ("assess.reference", "assess.report", "assess.published"),
    "filters": ("network.filters",),
    "finetuning": ("training.finetune",),
    "inference": ("upscaling.api",),
    "intensity": ("image.intensity",),
    "io.calibration": ("io.pixel_size",),
    "io.ome": ("io.ome_tiff",),
    "io.sources": ("training.sources",),
    "io.stack": ("image.stack",),
    "io.units": ("image.units",),
    "layouts": ("network.published",),
    "messages": ("upscaling.messages", "words"),
    "metrics": ("image.metrics",),
    "model": ("network.model", "network.fast", "network.config"),
    "muon": ("training.muon",),
    "paths": ("models.paths",),
    "plan": ("upscaling.plan", "upscaling.reader"),
    "proposal": ("models.choose",),
    "request": ("upscaling.resolve", "upscaling.options", "upscaling.checks"),
    "resize": ("image.resize",),
    "run": ("upscaling.upscaler",),
    "tiling": ("image.rect",),
    "training": ("training.loop", "training.state"),
    "unfinished": ("training.runs",),
    "weights": ("models.card", "models.library", "models.manage"),
    "widgets.asking": ("widgets.upscale.request",),
    "widgets.curves": ("widgets.finetune.curves",),
    "widgets.display": ("widgets.shared.display",),
    "widgets.fields": ("widgets.shared.fields",),
    "widgets.finetune": ("widgets.finetune.widget",),
    "widgets.finetune_form": ("widgets.finetune.form",),
    "widgets.finetune_panel": ("widgets.finetune.panel",),
    "widgets.form": ("widgets.upscale.form",),
    "widgets.geometry": ("widgets.shared.geometry", "image.transform"),
    "widgets.layers": ("widgets.shared.layers",),
    "widgets.messages": ("widgets.shared.messages",),
    "widgets.news": ("widgets.shared.events",),
    "widgets.panel": ("widgets.upscale.panel",),
    "widgets.previews": ("widgets.upscale.previews",),
    "widgets.results": ("widgets.upscale.results",),
    "widgets.runner": ("widgets.shared.runner",),
    "widgets.saving": ("widgets.upscale.saving",),
    "widgets.settings": ("widgets.shared.settings",),
    "widgets.shelf": ("widgets.models.manager",),
    "widgets.speaking": ("widgets.shared.dock_panel",),
    "widgets.storage": ("widgets.shared.storage",),
    "widgets.tasks": ("widgets.upscale.tasks",),
    "widgets.tour": ("widgets.demo",),
    "widgets.training": ("widgets.finetune.tasks",),
    "widgets.upscale": ("widgets.upscale.widget",),
    "widgets.wording": ("widgets.upscale.wording", "words"),
    "workers": ("network.threads",),
}
# Names that changed too.
RENAMED = {
    "Acquisition": "Dataset",
    "Finetuning": "FinetuneRun",
    "Geometry": "Transform",
    "News": "WindowEvents",
    "Request": "Plan",
    "Saving": "SaveJob",
    "Shelf": "ModelManager",
    "Speaker": "DockPanel",
    "Wish": "FinetuneOptions",
    "acquire": "make_dataset",
    "news": "window_events",
    "read_wish": "read_options",
    "unfinished": "stopped_runs",
    "wish_path": "options_path",
}


def attribute_of(package: str) -> Callable[[str], Any]:
    """Return a module's ``__getattr__`` that finds what a module of that name held once.

    Parameters
    ----------
    package : str
        The full name of what is a package now and was a module.
    """
    places = MOVED[package.removeprefix(f"{ROOT}.")]

    def find(name: str) -> Any:
        from importlib import import_module
        from importlib.util import find_spec

        # Python asks here before it looks for a module of the package.
        if not name.startswith("__") and find_spec(f"{package}.{name}") is None:
            for place in places:
                module = import_module(f"{ROOT}.{place}")
                for known in (name, RENAMED.get(name, name)):
                    if known in vars(module):
                        _warn(f"{package}.{name}", f"{module.__name__}.{known}", 3)
                        return vars(module)[known]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find


def install() -> None:
    """Let old names be found after all others."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def _warn(old: str, new: str, level: int) -> None:
    import warnings

    warnings.warn(f"{old} is {new} now.", DeprecationWarning, stacklevel=level)


class _Finder:
    """Finds the old names of modules."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Return how an old name is loaded; None for all others."""
        if fullname.removeprefix(f"{ROOT}.") in MOVED and fullname.startswith(f"{ROOT}."):
            from importlib.machinery import ModuleSpec

            return ModuleSpec(fullname, _Loader())  # type: ignore[arg-type]  # not derived, see above
        return None


class _Loader:
    """Puts what took a module's place where the module was."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Replace the empty module by the one that is meant, or fill it with all that are."""
        from importlib import import_module

        old = module.__name__
        places = MOVED[old.removeprefix(f"{ROOT}.")]
        found = [import_module(f"{ROOT}.{place}") for place in places]
        _warn(old, " and ".join(one.__name__ for one in found), 2)
        if len(found) == 1 and not set(RENAMED.values()) & set(vars(found[0])):
            sys.modules[old] = found[0]
            return
        for one in found:
            vars(module).update({k: v for k, v in vars(one).items() if not k.startswith("__")})
        for before, now in RENAMED.items():
            if now in vars(module):
                setattr(module, before, vars(module)[now])
