"""SRCNN super-resolution for microscopy and medical images, in napari and without a screen.

The public names are loaded when they are first used: importing the package loads neither torch nor
Qt, so that napari's menus and ``napari-srcnn --help`` answer at once.
"""

from __future__ import annotations

from napari_srcnn._moved import install as _install

# What type checkers take for true; importing typing would be most of the import's time.
TYPE_CHECKING = False

__version__ = "0.1.0"

_install()

_HOME_OF = {
    "IntensityRange": "image.intensity",
    "Noise": "microscope.noise",
    "imresize": "image.resize",
    "UpscalePlan": "upscaling.plan",
    "Progress": "upscaling.messages",
    "Report": "upscaling.messages",
    "bicubic": "upscaling.api",
    "iter_upscale": "upscaling.api",
    "plan_upscale": "upscaling.api",
    "upscale": "upscaling.api",
    "upscale_region": "upscaling.api",
    "upscale_file": "upscaling.file_api",
    "SRCNN": "network.model",
    "SRCNNConfig": "network.config",
    "Domain": "models.domain",
    "check_domain": "models.domain",
    "diagnose": "doctor.diagnosis",
    "export_model": "models.manage",
    "import_model": "models.manage",
    "list_models": "models.library",
    "load_model": "models.library",
    "model_info": "models.library",
    "read_stack": "io",
    "write_stack": "io",
}

__all__ = [
    "SRCNN",
    "Domain",
    "IntensityRange",
    "Noise",
    "Progress",
    "Report",
    "SRCNNConfig",
    "UpscalePlan",
    "__version__",
    "bicubic",
    "check_domain",
    "diagnose",
    "export_model",
    "import_model",
    "imresize",
    "iter_upscale",
    "list_models",
    "load_model",
    "model_info",
    "plan_upscale",
    "read_stack",
    "upscale",
    "upscale_file",
    "upscale_region",
    "write_stack",
]

if TYPE_CHECKING:
    from typing import Any

    from napari_srcnn.doctor.diagnosis import diagnose
    from napari_srcnn.image.intensity import IntensityRange
    from napari_srcnn.image.resize import imresize
    from napari_srcnn.io import read_stack, write_stack
    from napari_srcnn.microscope.noise import Noise
    from napari_srcnn.models.domain import Domain, check_domain
    from napari_srcnn.models.library import list_models, load_model, model_info
    from napari_srcnn.models.manage import export_model, import_model
    from napari_srcnn.network.config import SRCNNConfig
    from napari_srcnn.network.model import SRCNN
    from napari_srcnn.upscaling.api import (
        bicubic,
        iter_upscale,
        plan_upscale,
        upscale,
        upscale_region,
    )
    from napari_srcnn.upscaling.file_api import upscale_file
    from napari_srcnn.upscaling.messages import Progress, Report
    from napari_srcnn.upscaling.plan import UpscalePlan


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # half of the package's import time

    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
