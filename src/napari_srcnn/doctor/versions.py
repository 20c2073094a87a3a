"""Which program, system and packages run here; no package is loaded for it."""

from __future__ import annotations

import json
import os
import platform
import struct
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import napari_srcnn

_WINDOW = ("napari", "npe2", "magicgui", "qtpy", "vispy", "pydantic", "app-model")
_QT = ("PySide6-Essentials", "PySide6", "PyQt6", "PyQt5", "PySide2")
#: What napari-srcnn needs; a test compares this with the metadata.
NEEDED = (
    "torch",
    "numpy",
    "scipy",
    "scikit-image",
    "tifffile",
    "imagecodecs",
    "zarr",
    "yaozarrs",
    "dask",
    "pillow",
    "safetensors",
    "psutil",
    "platformdirs",
    "filelock",
    "tqdm",
    "typer",
)
#: What its extras bring.
OPTIONAL = (
    "nd2",
    "czifile",
    "liffile",
    "aiohttp",
    "fsspec",
    "distributed",
    "matplotlib",
    "onnx",
)
# What changes how it computes, or where it looks. Of folders only that there is one.
_TOLD = (
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ATEN_CPU_CAPABILITY",
    "PYTORCH_CUDA_ALLOC_CONF",
    "QT_API",
    "QT_QPA_PLATFORM",
)
_FOLDERS = ("NAPARI_SRCNN_HOME", "NAPARI_CONFIG", "TMPDIR", "CONDA_PREFIX", "VIRTUAL_ENV")


def own() -> str:
    """Return this package's version, and how it was installed."""
    try:
        found = distribution("napari-srcnn")
    except PackageNotFoundError:
        return f"{napari_srcnn.__version__}, not installed as a package"
    said = [napari_srcnn.__version__]
    if found.version != napari_srcnn.__version__:
        said.append(f"installed as {found.version}")
    origin = found.read_text("direct_url.json")
    if origin and json.loads(origin).get("dir_info", {}).get("editable"):
        said.append("from a checkout (editable)")
    return ", ".join(said)


def system() -> str:
    """Return the operating system and the kind of processor."""
    return f"{platform.platform()}, {platform.machine()}"


def python() -> str:
    """Return the interpreter's version and kind."""
    is_conda = (Path(sys.prefix) / "conda-meta").is_dir()
    kind = "conda" if is_conda else "virtual environment" if sys.prefix != sys.base_prefix else ""
    bits = f"{8 * struct.calcsize('P')} bits"
    said = (platform.python_version(), platform.python_implementation(), bits, kind)
    return ", ".join(filter(None, said))


def window() -> str:
    """Return the versions of napari, of what it stands on and of Qt."""
    qt = [name for name in _QT if _version(name)]
    return _listed((*_WINDOW, *qt)) + ("" if qt else ", no Qt")


def packages() -> list[str]:
    """Return the versions of what is needed."""
    half = (len(NEEDED) + 1) // 2
    return [_listed(NEEDED[:half]), _listed(NEEDED[half:])]


def optional() -> str:
    """Return the versions of what the extras bring."""
    return _listed(OPTIONAL)


def variables() -> list[str]:
    """Return the variables of the environment that matter here."""
    told = [f"{name}={os.environ[name]}" for name in _TOLD if name in os.environ]
    told += [f"{name} is set" for name in _FOLDERS if os.environ.get(name)]
    return told or ["none that matters"]


def _listed(names: tuple[str, ...]) -> str:
    """Return names with their versions; those that are missing in the end."""
    found = [f"{name} {_version(name)}" for name in names if _version(name)]
    missing = [name for name in names if not _version(name)]
    if missing:
        found.append(f"not installed: {', '.join(missing)}")
    return ", ".join(found)


def _version(name: str) -> str:
    try:
        found: Distribution = distribution(name)
    except PackageNotFoundError:
        return ""
    return found.version or "of an unknown version"
